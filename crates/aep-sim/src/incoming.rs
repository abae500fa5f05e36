//! A request as it came in: which service it is for, its decoded parts, and the endpoint it belongs to.
//!
//! Parsing only; nothing here judges the request.

use axum::http::{HeaderMap, Method, Request};
use serde::Serialize;

/// The services behind the one port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// Adobe IMS, which issues tokens.
    Ims,
    /// Flow Service.
    #[serde(rename = "flowservice")]
    Flow,
    /// Data Prep.
    Conversion,
    /// Schema Registry.
    SchemaRegistry,
    /// Catalog.
    Catalog,
    /// Sandbox management.
    #[serde(rename = "sandbox-management")]
    Sandboxes,
    /// None of them.
    Unknown,
}

const BASES: &[(&str, Service)] = &[
    ("/data/foundation/flowservice", Service::Flow),
    ("/data/foundation/conversion", Service::Conversion),
    ("/data/foundation/schemaregistry", Service::SchemaRegistry),
    ("/data/foundation/catalog", Service::Catalog),
    ("/data/foundation/sandbox-management", Service::Sandboxes),
    ("/ims", Service::Ims),
];

impl Service {
    /// The name in the journal and in fault plans.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ims => "ims",
            Self::Flow => "flowservice",
            Self::Conversion => "conversion",
            Self::SchemaRegistry => "schemaregistry",
            Self::Catalog => "catalog",
            Self::Sandboxes => "sandbox-management",
            Self::Unknown => "unknown",
        }
    }
}

/// A parsed request.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// The method.
    pub method: Method,
    /// The path as sent.
    pub path: String,
    /// The service.
    pub service: Service,
    /// Decoded segments below the service's base path.
    pub segments: Vec<String>,
    /// Decoded query parameters.
    pub query: Vec<(String, String)>,
    /// The headers, always with an `x-request-id`.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Incoming {
    /// Takes a request apart.
    pub fn read(request: Request<Vec<u8>>) -> Self {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let (base, service) = BASES
            .iter()
            .find(|(base, _)| {
                path.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
            .map_or(("", Service::Unknown), |(base, service)| (*base, *service));
        let segments = path[base.len()..]
            .split('/')
            .filter(|part| !part.is_empty())
            .map(|part| decode(part, false))
            .collect();
        let mut headers = parts.headers;
        headers.entry("x-request-id").or_insert_with(|| {
            let id = uuid::Uuid::new_v4().to_string();
            id.parse().unwrap_or_else(|_| axum::http::HeaderValue::from_static("0"))
        });
        let query = decode_query(parts.uri.query().unwrap_or_default());
        Self { method: parts.method, path, service, segments, query, headers, body }
    }

    /// The endpoint template, such as `/connections/{id}/test`.
    pub fn endpoint(&self) -> String {
        if matches!(self.service, Service::Ims | Service::Unknown) {
            return self.path.clone();
        }
        let words = self.segments.iter().map(|part| if is_word(part) { part.as_str() } else { "{id}" });
        words.fold(String::new(), |text, part| text + "/" + part)
    }

    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

const WORDS: &[&str] = &[
    "connections",
    "sourceConnections",
    "targetConnections",
    "flows",
    "runs",
    "connectionSpecs",
    "flowSpecs",
    "test",
    "explore",
    "configs",
    "action",
    "search",
    "mappingSets",
    "mappings",
    "validate",
    "preview",
    "languages",
    "el",
    "functions",
    "operators",
    "suggestion",
    "tenant",
    "global",
    "stats",
    "schemas",
    "fieldgroups",
    "mixins",
    "classes",
    "datatypes",
    "descriptors",
    "unions",
    "behaviors",
    "dataSets",
    "datasets",
    "batches",
    "v2",
    "sandboxes",
];

/// Whether a path segment names an endpoint rather than an object.
fn is_word(segment: &str) -> bool {
    WORDS.contains(&segment)
}

/// Decodes a query string or a form body.
pub fn decode_query(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name, true), decode(value, true))
        })
        .collect()
}

/// Percent-decodes; malformed escapes stay as they are.
fn decode(text: &str, plus_is_space: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let escape = bytes.get(index + 1..index + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match (bytes[index], escape.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                index += 2;
            }
            (b'+', _) if plus_is_space => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        index += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incoming(uri: &str) -> Incoming {
        Incoming::read(Request::builder().uri(uri).body(Vec::new()).unwrap())
    }

    #[test]
    fn a_path_is_cut_into_service_and_decoded_segments() {
        let call = incoming(
            "/data/foundation/schemaregistry/tenant/schemas/https%3A%2F%2Fns.adobe.com%2Ft%2Fschemas%2Fa",
        );
        assert_eq!(call.service, Service::SchemaRegistry);
        assert_eq!(call.segments, ["tenant", "schemas", "https://ns.adobe.com/t/schemas/a"]);
        assert_eq!(call.endpoint(), "/tenant/schemas/{id}");
    }

    #[test]
    fn an_endpoint_has_no_ids() {
        let call = incoming("/data/foundation/flowservice/connections/c1/explore?objectType=rest");
        assert_eq!(call.endpoint(), "/connections/{id}/explore");
        assert_eq!(incoming("/ims/token/v3").endpoint(), "/ims/token/v3");
        assert_eq!(incoming("/data/foundation/flowservicex/flows").service, Service::Unknown);
    }

    #[test]
    fn queries_decode_plus_and_percent_and_may_repeat() {
        let call = incoming("/x?property=description==Test%20a&property=id==1+2&flag");
        let expected = [("property", "description==Test a"), ("property", "id==1 2"), ("flag", "")];
        assert_eq!(call.query, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn every_request_has_an_id() {
        assert!(incoming("/x").header("x-request-id").is_some());
    }
}
