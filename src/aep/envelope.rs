//! Reads error bodies. Adobe's services use five shapes and, in between, a gateway or proxy may answer with HTML or nothing.

use http::HeaderMap;
use serde_json::Value;

use super::redact::Redactor;

/// What an error body says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Envelope {
    /// The service prefix of the problem type: `FLOW`, `XDM`, …
    pub service: Option<String>,
    /// The end of the problem type, a gateway `error_code`, or an OAuth `error`.
    pub code: Option<String>,
    /// One readable line, never empty.
    pub message: String,
    /// The service's id of the call.
    pub request_id: Option<String>,
    /// Whether this is no answer of an Adobe service at all, but a page of something in between.
    pub foreign: bool,
}

/// Reads an error answer of any shape.
///
/// Shapes: Flow Service full and short form (Adobe: "Access labels for sources", Destinations API reference), Schema Registry
/// problem details, the problem details of other services, the gateway's `{"error_code", "message"}` with a code as text or number
/// (Adobe: "Platform troubleshooting guide"), OAuth errors of IMS, and anything else as text.
pub(super) fn read(body: &[u8], headers: &HeaderMap, redactor: &Redactor) -> Envelope {
    let header_id = headers.get("x-request-id").and_then(|value| value.to_str().ok());
    let mut envelope = match serde_json::from_slice::<Value>(body) {
        Ok(json @ Value::Object(_)) => from_json(&json, redactor),
        _ => from_text(body, redactor),
    };
    envelope.request_id = envelope.request_id.or_else(|| header_id.and_then(|id| redactor.token(id, 128)));
    if envelope.message.is_empty() {
        envelope.message.push_str("the answer says nothing more");
    }
    envelope
}

fn from_json(json: &Value, redactor: &Redactor) -> Envelope {
    let text =
        |pointer: &str| json.pointer(pointer).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    let problem = text("/type").and_then(problem_type);
    let gateway = json.get("error_code").and_then(scalar);
    let oauth = text("/error").map(str::to_owned);
    let message = [
        "/report/detailed-message",
        "/detail",
        "/errorMessage",
        "/message",
        "/error_description",
        "/error/message",
        "/title",
        "/error",
    ]
    .iter()
    .find_map(|pointer| text(pointer));
    Envelope {
        service: problem.map(|(service, _)| service.to_owned()),
        code: problem
            .map(|(_, code)| code.to_owned())
            .or(gateway)
            .or(oauth)
            .and_then(|code| redactor.token(&code, 64)),
        message: redactor.clean(message.unwrap_or_default()),
        request_id: ["/report/request-id", "/report/registryRequestId", "/requestId"]
            .iter()
            .find_map(|pointer| text(pointer))
            .and_then(|id| redactor.token(id, 128)),
        foreign: false,
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// `FLOW` and `1425-400` of `https://ns.adobe.com/aep/errors/FLOW-1425-400`; `None` for a placeholder type.
fn problem_type(text: &str) -> Option<(&str, &str)> {
    let (service, code) = text.rsplit('/').next()?.split_once('-')?;
    let plausible = !service.is_empty()
        && service.bytes().all(|byte| byte.is_ascii_uppercase())
        && code.starts_with(|c: char| c.is_ascii_digit());
    plausible.then_some((service, code))
}

fn from_text(body: &[u8], redactor: &Redactor) -> Envelope {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    if text.is_empty() {
        return Envelope::default();
    }
    if !text.starts_with('<') {
        return Envelope { message: redactor.clean(text), foreign: true, ..Envelope::default() };
    }
    let lower = text.to_ascii_lowercase();
    let title = lower
        .find("<title>")
        .map(|start| start + "<title>".len())
        .and_then(|start| lower[start..].find("</title>").map(|length| &text[start..start + length]));
    let message = match title {
        Some(title) => format!("an HTML page instead of JSON: {}", redactor.clean(title)),
        None => "an HTML page instead of JSON".to_owned(),
    };
    Envelope { message, foreign: true, ..Envelope::default() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(body: &Value) -> Envelope {
        read(body.to_string().as_bytes(), &HeaderMap::new(), &Redactor::default())
    }

    #[test]
    fn each_documented_envelope_is_understood() {
        let flow = parsed(&json!({
            "type": "https://ns.adobe.com/aep/errors/FLOW-1439-404", "title": "Not found", "status": 404,
            "report": {"detailed-message": "no such flow", "id": "x", "request-id": "r-1", "type": "flows"},
            "errorMessage": "short", "errorDetails": "short"
        }));
        assert_eq!(flow.service.as_deref(), Some("FLOW"));
        assert_eq!(flow.code.as_deref(), Some("1439-404"));
        assert_eq!(flow.message, "no such flow");
        assert_eq!(flow.request_id.as_deref(), Some("r-1"));

        let short =
            parsed(&json!({"errorMessage": "Supplied version does not match", "errorDetails": "same"}));
        assert_eq!((short.code, short.message.as_str()), (None, "Supplied version does not match"));

        let bare = parsed(&json!({"message": "Please provide a valid spec id"}));
        assert_eq!(bare.message, "Please provide a valid spec id");

        let registry = parsed(&json!({
            "type": "http://ns.adobe.com/aep/errors/XDM-1012-404", "title": "Resource Not Found", "status": 404,
            "report": {"registryRequestId": "r-2", "detailed-message": "not in the registry", "sub-errors": []}, "detail": "d"
        }));
        assert_eq!((registry.service.as_deref(), registry.code.as_deref()), (Some("XDM"), Some("1012-404")));
        assert_eq!(registry.request_id.as_deref(), Some("r-2"));

        let old = parsed(
            &json!({"type": "/placeholder/type/uri", "status": 404, "title": "NotFoundError", "detail": "gone"}),
        );
        assert_eq!((old.code, old.message.as_str()), (None, "gone"));

        let other = parsed(&json!({
            "type": "https://ns.adobe.com/aep/errors/UIS-4064-403", "status": 403, "title": "Denied", "detail": "no right",
            "report": {"tenantInfo": {"imsOrgId": "o"}, "additionalContext": null, "errorChain": []}
        }));
        assert_eq!((other.service.as_deref(), other.code.as_deref()), (Some("UIS"), Some("4064-403")));
    }

    #[test]
    fn a_gateway_code_may_be_text_or_number() {
        for code in [json!("401013"), json!(401_013)] {
            let gateway = parsed(&json!({"error_code": code, "message": "Oauth token is not valid"}));
            assert_eq!(gateway.code.as_deref(), Some("401013"));
            assert_eq!(gateway.service, None);
        }
    }

    #[test]
    fn oauth_errors_give_code_and_description() {
        let oauth = parsed(
            &json!({"error": "invalid_client", "error_description": "invalid client_secret parameter"}),
        );
        assert_eq!(oauth.code.as_deref(), Some("invalid_client"));
        assert_eq!(oauth.message, "invalid client_secret parameter");
        assert_eq!(parsed(&json!({"error": "invalid_scope"})).message, "invalid_scope");
    }

    #[test]
    fn pages_and_empty_bodies_never_confuse() {
        let html = read(
            b"<html><head><TITLE>502 Bad\nGateway</TITLE></head></html>",
            &HeaderMap::new(),
            &Redactor::default(),
        );
        assert_eq!(html.message, "an HTML page instead of JSON: 502 Bad Gateway");
        assert!(html.foreign);
        let empty = read(b"", &HeaderMap::new(), &Redactor::default());
        assert!(!empty.foreign && !empty.message.is_empty());
        for body in
            [&b"\xff\xfe"[..], b"[1,2]", b"\"text\"", b"{\"type\":7,\"report\":[],\"error_code\":{}}", b"<"]
        {
            assert!(!read(body, &HeaderMap::new(), &Redactor::default()).message.is_empty());
        }
    }

    #[test]
    fn a_request_id_may_come_from_the_header_only() {
        let headers = HeaderMap::from_iter([(
            http::HeaderName::from_static("x-request-id"),
            "abc-1".parse().expect("id"),
        )]);
        assert_eq!(read(b"", &headers, &Redactor::default()).request_id.as_deref(), Some("abc-1"));
    }
}
