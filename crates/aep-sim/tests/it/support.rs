//! A client in process, and the objects that most tests begin with.

use std::time::Duration;

use aep_sim::config::Config;
use aep_sim::switches::Switches;
use aep_sim::{Dropped, Sim};
use axum::http::{HeaderMap, Request, Response};
use serde_json::{Value, json};

pub const ORG: &str = "53C0A1B2D3E4F50617283940@AdobeOrg";
pub const CLIENT: &str = "sim-client";
pub const SECRET: &str = "sim-client-secret";
pub const TENANT: &str = "simtenant";
pub const SCOPES: &str = "openid,session,AdobeID,read_organizations,additional_info.projectedProductContext";
pub const STRIPE: &str = "cc2c31d6-7b8c-4581-b49f-5c8698aa3ab3";
pub const LAKE: &str = "c604ff05-7f1a-43c0-8e18-33bf874cb11c";
pub const REST_FLOW: &str = "6499120c-0b15-42dc-936e-847ea3c24d72";
pub const FLOW: &str = "/data/foundation/flowservice";
pub const REGISTRY: &str = "/data/foundation/schemaregistry";
pub const CATALOG: &str = "/data/foundation/catalog";
pub const PREP: &str = "/data/foundation/conversion";

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
    pub raw: Vec<u8>,
}

impl Answer {
    fn read(response: Response<Vec<u8>>) -> Self {
        let (parts, raw) = response.into_parts();
        let body = serde_json::from_slice(&raw).unwrap_or_default();
        Self { status: parts.status.as_u16(), headers: parts.headers, body, raw }
    }

    /// `<code>-<status>` of a Flow Service error.
    pub fn code(&self) -> &str {
        let kind = self.body["type"].as_str().unwrap_or_default();
        let code = kind.rsplit("FLOW-").next().unwrap_or_default();
        assert!(code.ends_with(&self.status.to_string()), "{self:?}");
        code
    }

    pub fn id(&self) -> String {
        assert_eq!(self.status, 201, "{self:?}");
        self.body["id"].as_str().unwrap().to_owned()
    }

    pub fn etag(&self) -> String {
        assert!(self.status < 300, "{self:?}");
        self.body["etag"].as_str().unwrap().to_owned()
    }

    /// The only item.
    pub fn item(&self) -> &Value {
        let items = self.items();
        assert_eq!(items.len(), 1, "{self:?}");
        &items[0]
    }

    pub fn items(&self) -> &Vec<Value> {
        assert_eq!(self.status, 200, "{self:?}");
        self.body["items"].as_array().unwrap()
    }
}

/// A client with a token, in the sandbox `prod`.
#[derive(Clone)]
pub struct World {
    pub sim: Sim,
    pub token: String,
    pub sandbox: String,
}

/// The ids of one complete chain.
pub struct Chain {
    pub connection: String,
    pub source: String,
    pub target: String,
    pub dataset: String,
    pub mapping: String,
    pub flow: String,
}

impl World {
    pub async fn new() -> Self {
        Self::with(Config::default()).await
    }

    pub async fn with(config: Config) -> Self {
        Self::over(Sim::new(config)).await
    }

    pub async fn over(sim: Sim) -> Self {
        let mut world = Self { sim, token: String::new(), sandbox: "prod".to_owned() };
        world.token = world.new_token().await;
        world
    }

    pub fn switch(&self, change: impl FnOnce(&mut Switches)) {
        self.sim.switch(change);
    }

    pub fn advance(&self, seconds: u64) {
        self.sim.advance(Duration::from_secs(seconds));
    }

    /// The seconds of the virtual clock.
    pub fn now(&self) -> i64 {
        self.sim.now_ms() / 1000
    }

    pub async fn token(&self, form: &[(&str, &str)]) -> Answer {
        let pairs: Vec<String> = form.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request =
            Request::post("/ims/token/v3").header("content-type", "application/x-www-form-urlencoded");
        Answer::read(self.sim.handle(request.body(pairs.join("&").into_bytes()).unwrap()).await.unwrap())
    }

    pub async fn new_token(&self) -> String {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", CLIENT),
            ("client_secret", SECRET),
            ("scope", SCOPES),
        ];
        self.token(&form).await.body["access_token"].as_str().unwrap().to_owned()
    }

    /// The headers of a good call.
    pub fn headers(&self) -> Vec<(String, String)> {
        let pairs = [
            ("authorization", format!("Bearer {}", self.token)),
            ("x-api-key", CLIENT.to_owned()),
            ("x-gw-ims-org-id", ORG.to_owned()),
            ("x-sandbox-name", self.sandbox.clone()),
        ];
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    pub async fn send(
        &self,
        method: &str,
        uri: &str,
        headers: &[(String, String)],
        body: Option<&Value>,
    ) -> Result<Answer, Dropped> {
        let mut request = Request::builder().method(method).uri(escape(uri));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let bytes = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        self.sim.handle(request.body(bytes).unwrap()).await.map(Answer::read)
    }

    pub async fn call(&self, method: &str, uri: &str, body: Option<&Value>) -> Answer {
        self.send(method, uri, &self.headers(), body).await.unwrap()
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call("GET", &format!("{FLOW}{path}"), None).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call("POST", &format!("{FLOW}{path}"), Some(body)).await
    }

    pub async fn act(&self, path: &str) -> Answer {
        self.call("POST", &format!("{FLOW}{path}"), None).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", &format!("{FLOW}{path}"), None).await
    }

    /// PATCH with the present etag.
    pub async fn patch(&self, path: &str, ops: &Value) -> Answer {
        let etag = self.get(path).await.item()["etag"].as_str().unwrap().to_owned();
        self.patch_if(path, &etag, ops).await
    }

    pub async fn patch_if(&self, path: &str, etag: &str, ops: &Value) -> Answer {
        let mut headers = self.headers();
        headers.push(("if-match".to_owned(), etag.to_owned()));
        self.send("PATCH", &format!("{FLOW}{path}"), &headers, Some(ops)).await.unwrap()
    }

    /// A control call that must succeed.
    pub fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.sim.control(method, path, body);
        assert!(status < 300, "{method} {path}: {status} {answer}");
        answer
    }

    pub async fn connection(&self, name: &str) -> String {
        self.post("/connections", &connection(name)).await.id()
    }

    pub async fn source(&self, base: &str) -> String {
        self.post("/sourceConnections", &source(base, "charges")).await.id()
    }

    /// A schema with two fields for charges, by its `$id`.
    pub async fn schema(&self, title: &str) -> String {
        let group = json!({
            "type": "object", "title": format!("{title} fields"), "description": "",
            "meta:intendedToExtend": ["https://ns.adobe.com/xdm/context/profile"],
            "definitions": {"customFields": {"type": "object", "properties": {format!("_{TENANT}"): {
                "type": "object", "properties": {"charges_data": {"type": "object", "properties": {
                    "id": {"type": "string"}, "amount": {"type": "integer"}}}}}}}},
            "allOf": [{"$ref": "#/definitions/customFields", "type": "object"}]});
        let group = self.call("POST", &format!("{REGISTRY}/tenant/fieldgroups"), Some(&group)).await;
        assert_eq!(group.status, 201, "{group:?}");
        let schema = json!({"type": "object", "title": title, "description": "", "allOf": [
            {"$ref": "https://ns.adobe.com/xdm/context/profile"}, {"$ref": group.body["$id"]}]});
        let schema = self.call("POST", &format!("{REGISTRY}/tenant/schemas"), Some(&schema)).await;
        assert_eq!(schema.status, 201, "{schema:?}");
        schema.body["$id"].as_str().unwrap().to_owned()
    }

    pub async fn dataset(&self, schema: &str) -> String {
        let body = json!({"name": "Charges", "schemaRef": {"id": schema, "contentType": CONTENT_TYPE}});
        let answer = self.call("POST", &format!("{CATALOG}/dataSets"), Some(&body)).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.body[0].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
    }

    pub async fn mapping(&self, schema: &str, rows: &[(&str, &str)]) -> String {
        let rows: Vec<Value> = rows.iter().map(|(from, to)| row(from, to)).collect();
        let body = json!({"outputSchema": {"schemaRef": {"id": schema, "contentType": CONTENT_TYPE}}, "mappings": rows});
        let answer = self.call("POST", &format!("{PREP}/mappingSets"), Some(&body)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body["id"].as_str().unwrap().to_owned()
    }

    pub async fn target(&self, dataset: &str) -> String {
        self.post("/targetConnections", &target(dataset)).await.id()
    }

    /// Everything of the tutorial but the flow.
    pub async fn parts(&self) -> Chain {
        let connection = self.connection("Stripe").await;
        let source = self.source(&connection).await;
        let schema = self.schema("Stripe charges").await;
        let dataset = self.dataset(&schema).await;
        let target = self.target(&dataset).await;
        let rows = [("data.id", "id"), ("data.amount", "amount")];
        let mapping = self.mapping(&schema, &rows).await;
        Chain { connection, source, target, dataset, mapping, flow: String::new() }
    }

    /// Everything of the tutorial; the flow starts in an hour and runs hourly.
    pub async fn chain(&self) -> Chain {
        let mut chain = self.parts().await;
        chain.flow = self.post("/flows", &chain.flow_body(self.now() + 3600)).await.id();
        chain
    }

    pub async fn flow(&self, id: &str) -> Value {
        self.get(&format!("/flows/{id}")).await.item().clone()
    }

    /// The runs of a flow, the newest first.
    pub async fn runs(&self, flow: &str) -> Vec<Value> {
        let path = format!("/runs?property=flowId=={flow}&orderby=-createdAt&limit=100");
        self.get(&path).await.items().clone()
    }

    /// How often each Stripe object was ingested into a data set.
    pub fn rows(&self, dataset: &str) -> Vec<u64> {
        let rows = self.control("GET", "/rows", &Value::Null);
        let rows = rows[ORG][&self.sandbox][dataset].as_object().cloned().unwrap_or_default();
        rows.values().map(|times| times.as_u64().unwrap()).collect()
    }
}

const CONTENT_TYPE: &str = "application/vnd.adobe.xed-full+json;version=1";

/// Escapes what a URI may not hold and tests like to write.
fn escape(uri: &str) -> String {
    [(' ', "%20"), ('"', "%22"), ('<', "%3C"), ('>', "%3E")]
        .into_iter()
        .fold(uri.to_owned(), |uri, (from, to)| uri.replace(from, to))
}

pub fn row(from: &str, to: &str) -> Value {
    let to = format!("_{TENANT}.charges_data.{to}");
    json!({"sourceType": "ATTRIBUTE", "source": from, "destination": to})
}

pub fn connection(name: &str) -> Value {
    json!({"name": name, "description": "a test", "connectionSpec": {"id": STRIPE, "version": "1.0"},
        "auth": {"specName": "OAuth2 Refresh Code", "params": {"accessToken": "sk_test_sim"}}})
}

pub fn source(base: &str, resource: &str) -> Value {
    json!({"name": "charges", "baseConnectionId": base, "connectionSpec": {"id": STRIPE, "version": "1.0"},
        "data": {"format": "json"}, "params": {"resourcePath": resource}})
}

pub fn target(dataset: &str) -> Value {
    json!({"name": "lake", "connectionSpec": {"id": LAKE, "version": "1.0"},
        "data": {"format": "parquet_xdm", "schema": {"id": "s", "version": CONTENT_TYPE}},
        "params": {"dataSetId": dataset}})
}

impl Chain {
    pub fn flow_body(&self, start: i64) -> Value {
        json!({"name": "stripe charges", "description": "a flow", "flowSpec": {"id": REST_FLOW, "version": "1.0"},
            "sourceConnectionIds": [self.source], "targetConnectionIds": [self.target],
            "transformations": [{"name": "Mapping", "params": {"mappingId": self.mapping, "mappingVersion": 0}}],
            "scheduleParams": {"startTime": start.to_string(), "frequency": "hour", "interval": 1}})
    }
}

/// A JSON value with one member replaced, or removed when the value is null.
pub fn with(mut value: Value, pointer: &str, member: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = value.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    if member.is_null() {
        parent.remove(name).map(drop)
    } else {
        parent.insert(name.to_owned(), member).map(drop)
    };
    value
}
