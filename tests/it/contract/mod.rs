//! The client against the simulator: every endpoint, and every refusal that a client can meet.
//!
//! In process and with paused time, except where the wire itself is tested. Client and simulator share no types, so that a
//! misreading of Adobe's documents on one side shows here.

#![allow(clippy::unwrap_used, reason = "the helpers of a test may fail like the test itself")]

mod catalogue;
mod faults;
mod flow_service;
mod gateway;
mod http;
mod lake;
mod refusals;
mod tutorial;

use std::sync::Arc;
use std::time::Duration;

use aep_operator::aep::model::{
    Connection, Flow, Frequency, MappingRow, MappingSetRef, NewConnection, NewDataSet, NewFlow,
    NewMappingSet, NewSchedule, NewSourceConnection, NewTargetConnection, Resource, ResourceKind, SchemaRef,
    SourceConnection, SpecRef, TargetConnection,
};
use aep_operator::aep::{
    Aep, Created, Credentials, Error, Gate, Lane, Permit, Session, Settings, Transport, TransportError,
    sole_leadership, spec,
};
use aep_sim::{Config, Dropped, Sim};
use futures::future::BoxFuture;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

const ORG: &str = "53C0A1B2D3E4F50617283940@AdobeOrg";
const TENANT: &str = "simtenant";
const CLIENT: &str = "sim-client";
const STRIPE_KEY: &str = "sk_test_sim";
const PROFILE: &str = "https://ns.adobe.com/xdm/context/profile";
const MISSING: &str = "00000000-0000-4000-8000-000000000000";

/// The simulator in the place of the network.
struct InProcess(Sim);

impl Transport for InProcess {
    fn send(
        &self,
        request: ::http::Request<Vec<u8>>,
    ) -> BoxFuture<'_, Result<::http::Response<Vec<u8>>, TransportError>> {
        Box::pin(async move {
            self.0.handle(request).await.map_err(|dropped| match dropped {
                Dropped::BeforeAnswer => TransportError::no_answer("connection closed before the answer"),
                Dropped::MidBody(_) => TransportError::no_answer("connection closed within the answer"),
            })
        })
    }
}

/// A simulator, a session on its sandbox `dev`, and an open gate.
struct World {
    sim: Sim,
    aep: Aep,
    session: Session,
    gate: Gate,
    _leader: watch::Sender<Instant>,
}

fn settings() -> Settings {
    Settings { requests_per_second: 1000.0, ..Settings::default() }
}

fn credentials() -> Credentials {
    Credentials {
        client_id: CLIENT.to_owned(),
        client_secret: SecretString::from("sim-client-secret"),
        org_id: ORG.to_owned(),
        scopes: None,
    }
}

impl World {
    fn new() -> Self {
        let sim = Sim::new(Config::default());
        let aep = Aep::new(settings(), Arc::new(InProcess(sim.clone()))).unwrap();
        let session = aep.session(&credentials(), "dev");
        let (leader, until) = sole_leadership();
        let gate = Gate::new(Instant::now() + Duration::from_hours(24 * 365), until);
        Self { sim, aep, session, gate, _leader: leader }
    }

    async fn permit(&self) -> Permit {
        self.session.permits(1).await.unwrap().pop().unwrap()
    }

    /// Calls the simulator's control API, which has to accept.
    fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.sim.control(method, path, body);
        assert!(status < 300, "{method} {path}: {status} {answer}");
        answer
    }

    /// Plans a fault for calls to an endpoint.
    fn fault(&self, method: &str, endpoint: &str, times: &Value, action: &Value) {
        let fault =
            json!({"match": {"method": method, "endpoint": endpoint}, "times": times, "action": action});
        self.control("POST", "/faults", &fault);
    }

    /// How often each planned fault struck.
    fn reached(&self) -> Vec<u64> {
        let report = self.control("GET", "/faults", &Value::Null);
        report["faults"].as_array().unwrap().iter().map(|fault| fault["reached"].as_u64().unwrap()).collect()
    }

    /// How many calls with this method the simulator has seen at an endpoint.
    fn calls(&self, method: &str, endpoint: &str) -> usize {
        let endpoint = endpoint.replace('{', "%7B").replace('}', "%7D");
        let journal =
            self.control("GET", &format!("/journal?method={method}&endpoint={endpoint}"), &Value::Null);
        journal["entries"].as_array().unwrap().len()
    }

    /// How many live objects of a kind there are.
    fn count(&self, kind: &str) -> usize {
        let inventory = self.control("GET", "/inventory", &Value::Null);
        inventory["objects"].as_array().unwrap().iter().filter(|object| object["kind"] == kind).count()
    }

    async fn base(&self) -> Created {
        self.try_base(&new_base()).await.unwrap()
    }

    async fn try_base(&self, new: &NewConnection) -> Result<Created, Error> {
        self.session.create::<Connection>(self.permit().await, &self.gate, new).await
    }

    async fn source(&self, base: &str) -> Created {
        self.try_source(&new_source(base)).await.unwrap()
    }

    async fn try_source(&self, new: &NewSourceConnection) -> Result<Created, Error> {
        self.session.create::<SourceConnection>(self.permit().await, &self.gate, new).await
    }

    async fn target(&self, data_set: &str, schema: &SchemaRef) -> Created {
        self.try_target(&new_target(data_set, schema)).await.unwrap()
    }

    async fn try_target(&self, new: &NewTargetConnection) -> Result<Created, Error> {
        self.session.create::<TargetConnection>(self.permit().await, &self.gate, new).await
    }

    async fn try_flow(&self, new: &NewFlow) -> Result<Created, Error> {
        self.session.create::<Flow>(self.permit().await, &self.gate, new).await
    }

    /// A field group and a schema with it.
    async fn schema(&self, title: &str) -> SchemaRef {
        let group = self
            .try_resource(ResourceKind::FieldGroup, &new_group(&format!("{title} fields")))
            .await
            .unwrap();
        let schema = self.try_resource(ResourceKind::Schema, &new_schema(title, &group.id)).await.unwrap();
        SchemaRef { id: schema.id, content_type: spec::SCHEMA_CONTENT_TYPE.to_owned() }
    }

    async fn try_resource(&self, kind: ResourceKind, body: &Value) -> Result<Resource, Error> {
        self.session.create_resource(self.permit().await, &self.gate, kind, body).await
    }

    async fn data_set(&self, schema: &SchemaRef) -> String {
        self.session.create_data_set(self.permit().await, &self.gate, &new_data_set(schema)).await.unwrap()
    }

    async fn mapping(&self, schema: &SchemaRef) -> MappingSetRef {
        self.session.create_mapping_set(self.permit().await, &self.gate, &new_mapping(schema)).await.unwrap()
    }

    /// Everything that a flow needs, and the flow to create.
    async fn chain(&self) -> Chain {
        let base = self.base().await;
        let source = self.source(&base.id).await;
        let schema = self.schema("Stripe charges").await;
        let data_set = self.data_set(&schema).await;
        let target = self.target(&data_set, &schema).await;
        let mapping = self.mapping(&schema).await;
        let start = self.sim.now_ms() / 1000;
        let flow = new_flow(&source.id, &target.id, &mapping, start);
        Chain { base, source, target, mapping, schema, data_set, flow }
    }
}

/// The ids of a whole path but for its flow.
struct Chain {
    base: Created,
    source: Created,
    target: Created,
    mapping: MappingSetRef,
    schema: SchemaRef,
    data_set: String,
    flow: NewFlow,
}

fn new_base() -> NewConnection {
    NewConnection {
        name: "Stripe EU".to_owned(),
        description: Some("made by a test".to_owned()),
        connection_spec: SpecRef::v1(spec::STRIPE_CONNECTION_SPEC),
        auth_spec_name: spec::STRIPE_AUTH_SPEC_NAME.to_owned(),
        access_token: SecretString::from(STRIPE_KEY),
    }
}

fn new_source(base: &str) -> NewSourceConnection {
    NewSourceConnection {
        name: "Stripe charges".to_owned(),
        description: None,
        base_connection_id: base.to_owned(),
        connection_spec: SpecRef::v1(spec::STRIPE_CONNECTION_SPEC),
        resource_path: "charges".to_owned(),
    }
}

fn new_target(data_set: &str, schema: &SchemaRef) -> NewTargetConnection {
    NewTargetConnection {
        name: "Stripe charges".to_owned(),
        description: None,
        connection_spec: SpecRef::v1(spec::DATA_LAKE_CONNECTION_SPEC),
        schema: schema.clone(),
        data_set_id: data_set.to_owned(),
    }
}

fn new_flow(source: &str, target: &str, mapping: &MappingSetRef, start_time: i64) -> NewFlow {
    NewFlow {
        name: "Stripe charges".to_owned(),
        description: Some("made by a test".to_owned()),
        flow_spec: SpecRef::v1(spec::REST_FLOW_SPEC),
        source_connection_id: source.to_owned(),
        target_connection_id: target.to_owned(),
        mapping: mapping.clone(),
        schedule: NewSchedule {
            start_time,
            frequency: Frequency::Minute,
            interval: Some(15),
            backfill: Some(true),
        },
        options: None,
    }
}

fn new_group(title: &str) -> Value {
    let fields = json!({
        "id": {"type": "string", "title": "Id"},
        "amount": {"type": "integer", "title": "Amount"},
        "currency": {"type": "string", "title": "Currency"},
        "paid": {"type": "boolean", "title": "Paid"}
    });
    json!({
        "title": title, "description": "made by a test", "type": "object", "meta:intendedToExtend": [PROFILE],
        "definitions": {"customFields": {"type": "object", "properties": {format!("_{TENANT}"): {
            "type": "object", "properties": {"charges_data": {"type": "object", "title": "Charges", "properties": fields}}}}}},
        "allOf": [{"$ref": "#/definitions/customFields", "type": "object"}]
    })
}

fn new_schema(title: &str, group: &str) -> Value {
    json!({"type": "object", "title": title, "description": "made by a test",
        "allOf": [{"$ref": PROFILE}, {"$ref": group}]})
}

fn new_data_set(schema: &SchemaRef) -> NewDataSet {
    NewDataSet {
        name: "Stripe charges".to_owned(),
        description: Some("made by a test".to_owned()),
        schema_ref: schema.clone(),
        tags: [("aep-operator".to_owned(), vec!["owner-1".to_owned()])].into(),
        enable_error_diagnostics: Some(true),
    }
}

fn new_mapping(schema: &SchemaRef) -> NewMappingSet {
    let row = |field: &str| {
        MappingRow::attribute(format!("data.{field}"), format!("_{TENANT}.charges_data.{field}"))
    };
    NewMappingSet {
        name: "Stripe charges".to_owned(),
        schema: schema.clone(),
        rows: vec![
            row("id"),
            row("amount"),
            row("paid"),
            MappingRow::expression("upper(data.currency)", format!("_{TENANT}.charges_data.currency")),
        ],
    }
}
