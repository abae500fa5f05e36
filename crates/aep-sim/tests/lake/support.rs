//! A sandbox to call, and the bodies that most tests begin with.

use aep_sim::lake::Lake;
use aep_sim::switches::Switches;
use aep_sim::wire::{Call, Caller, Reply};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value, json};

pub const NOW: i64 = 1_700_000_000_000;
pub const PROFILE: &str = "https://ns.adobe.com/xdm/context/profile";
pub const EVENT: &str = "https://ns.adobe.com/xdm/context/experienceevent";
pub const FULL: &str = "application/vnd.adobe.xed-full+json; version=1";
pub const RAW: &str = "application/vnd.adobe.xed+json; version=1";
pub const IDS: &str = "application/vnd.adobe.xed-id+json";
pub const OBJECTS: &str = "application/vnd.adobe.xed+json";

#[derive(Clone, Copy)]
pub enum Service {
    Registry,
    Catalog,
    DataPrep,
}

/// One request under construction.
pub struct Request<'w> {
    world: &'w mut World,
    service: Service,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

pub struct World {
    pub lake: Lake,
    pub switches: Switches,
    pub now: i64,
}

impl World {
    pub fn new() -> Self {
        Self { lake: Lake::new(), switches: Switches::default(), now: NOW }
    }

    pub fn caller() -> Caller {
        Caller {
            org: "ORG@AdobeOrg".to_owned(),
            tenant: "acme".to_owned(),
            sandbox: "dev".to_owned(),
            sandbox_id: "00000000-0000-4000-8000-000000000001".to_owned(),
            client_id: "client".to_owned(),
            user: "robot@techacct.adobe.com".to_owned(),
        }
    }

    fn request(&mut self, service: Service, method: Method, path: &str) -> Request<'_> {
        Request {
            world: self,
            service,
            method,
            path: path.to_owned(),
            headers: HeaderMap::new(),
            body: Vec::new(),
        }
    }

    pub fn get(&mut self, service: Service, path: &str) -> Request<'_> {
        self.request(service, Method::GET, path)
    }

    pub fn delete(&mut self, service: Service, path: &str) -> Reply {
        self.request(service, Method::DELETE, path).send()
    }

    pub fn write(&mut self, service: Service, method: Method, path: &str, body: &Value) -> Reply {
        self.request(service, method, path).header("content-type", "application/json").body(body).send()
    }

    pub fn post(&mut self, service: Service, path: &str, body: &Value) -> Reply {
        self.write(service, Method::POST, path, body)
    }

    pub fn put(&mut self, service: Service, path: &str, body: &Value) -> Reply {
        self.write(service, Method::PUT, path, body)
    }

    pub fn patch(&mut self, service: Service, path: &str, body: &Value) -> Reply {
        self.write(service, Method::PATCH, path, body)
    }

    pub fn patch_request(&mut self, path: &str) -> Request<'_> {
        self.request(Service::Catalog, Method::PATCH, path)
    }

    pub fn json_patch(&mut self, path: &str, body: &Value) -> Reply {
        let request = self.request(Service::Catalog, Method::PATCH, path).body(body);
        request.header("content-type", "application/json-patch+json").send()
    }

    /// A field group with those fields below `_acme`, and its `$id`.
    pub fn field_group(&mut self, title: &str, fields: &Value) -> String {
        created(&self.post(Service::Registry, "/tenant/fieldgroups", &field_group(title, fields)))
    }

    /// A schema of that class with those field groups, and its `$id`.
    pub fn schema(&mut self, title: &str, class: &str, groups: &[&str]) -> String {
        created(&self.post(Service::Registry, "/tenant/schemas", &schema(title, class, groups)))
    }

    /// A schema for charges with two fields.
    pub fn charges(&mut self) -> String {
        let fields = json!({"charges": {"type": "object", "properties": {
            "id": {"type": "string"},
            "amount": {"type": "integer", "minimum": -9_007_199_254_740_991_i64, "maximum": 9_007_199_254_740_991_i64},
        }}});
        let group = self.field_group("Charges fields", &fields);
        self.schema("Charges", PROFILE, &[&group])
    }

    /// A data set of that schema, and its id.
    pub fn dataset(&mut self, name: &str, schema: &str) -> String {
        let reply = self.post(Service::Catalog, "/dataSets", &dataset(name, schema));
        assert_eq!(reply.status, 201, "{reply:?}");
        dataset_id(&reply)
    }

    /// A mapping set of those rows, and its id.
    pub fn mapping_set(&mut self, schema: &str, rows: &[(&str, &str)]) -> String {
        let rows: Vec<Value> =
            rows.iter().map(|(from, to)| json!({"source": from, "destination": to})).collect();
        let reply = self.post(Service::DataPrep, "/mappingSets", &mapping_set(schema, &json!(rows)));
        assert_eq!(reply.status, 200, "{reply:?}");
        text(&reply, "id")
    }

    /// A schema registry resource in that form.
    pub fn look_up(&mut self, kind: &str, id: &str, accept: &str) -> Reply {
        self.get(Service::Registry, &format!("/tenant/{kind}/{}", escape(id))).header("accept", accept).send()
    }
}

impl Request<'_> {
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        self
    }

    pub fn body(mut self, body: &Value) -> Self {
        self.body = serde_json::to_vec(body).unwrap();
        self
    }

    pub fn send(self) -> Reply {
        let (path, query) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        };
        let call = Call {
            method: self.method,
            path: path.split('/').filter(|segment| !segment.is_empty()).map(decode).collect(),
            query: query.split('&').filter(|part| !part.is_empty()).map(pair).collect(),
            headers: self.headers,
            body: self.body,
        };
        let World { lake, switches, now } = self.world;
        let caller = World::caller();
        match self.service {
            Service::Registry => lake.registry(&call, &caller, *now, switches),
            Service::Catalog => lake.catalog(&call, &caller, *now, switches),
            Service::DataPrep => lake.data_prep(&call, &caller, *now, switches),
        }
    }
}

fn decode(text: &str) -> String {
    text.replace("%2F", "/").replace("%3A", ":").replace("%20", " ")
}

/// An `$id` as one path segment.
pub fn escape(id: &str) -> String {
    id.replace('/', "%2F").replace(':', "%3A")
}

pub fn field_group(title: &str, fields: &Value) -> Value {
    json!({
        "type": "object", "title": title, "description": "A group.",
        "meta:intendedToExtend": [PROFILE],
        "definitions": {"customFields": {"type": "object", "properties": {"_acme": {"type": "object", "properties": fields}}}},
        "allOf": [{"$ref": "#/definitions/customFields", "type": "object"}],
    })
}

pub fn schema(title: &str, class: &str, groups: &[&str]) -> Value {
    let mut parts = vec![json!({"$ref": class})];
    parts.extend(groups.iter().map(|group| json!({"$ref": group})));
    json!({"type": "object", "title": title, "description": "A schema.", "allOf": parts})
}

pub fn dataset(name: &str, schema: &str) -> Value {
    json!({"name": name, "schemaRef": {"id": schema, "contentType": "application/vnd.adobe.xed+json;version=1"}})
}

pub fn mapping_set(schema: &str, rows: &Value) -> Value {
    let reference = json!({"id": schema, "contentType": "application/vnd.adobe.xed-full+json;version=1"});
    json!({"outputSchema": {"schemaRef": reference}, "mappings": rows})
}

/// The `$id` of what was created.
pub fn created(reply: &Reply) -> String {
    assert_eq!(reply.status, 201, "{reply:?}");
    text(reply, "$id")
}

/// The id in `["@/dataSets/<id>"]`.
pub fn dataset_id(reply: &Reply) -> String {
    body(reply)[0].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
}

pub fn body(reply: &Reply) -> &Value {
    reply.body.as_ref().unwrap()
}

pub fn text(reply: &Reply, member: &str) -> String {
    body(reply)[member].as_str().unwrap_or_else(|| panic!("no {member} in {reply:?}")).to_owned()
}

/// Asserts a refusal of the Schema Registry and returns its text.
pub fn refused(reply: &Reply, status: u16, code: &str) -> String {
    assert_eq!(reply.status, status, "{reply:?}");
    let kind = text(reply, "type");
    assert!(kind.ends_with(&format!("/{code}")), "{kind} is not {code}: {reply:?}");
    assert_eq!(body(reply)["status"], status);
    assert_eq!(body(reply)["report"]["detailed-message"], body(reply)["detail"]);
    text(reply, "detail")
}
