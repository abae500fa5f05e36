//! A chain as a person makes it with the calls of Adobe's tutorial, and the custom resources that take it over.

#![allow(clippy::expect_used, reason = "helpers of tests fail like tests")]

use std::sync::Arc;
use std::time::Duration;

use aep_operator::aep::model::{
    Connection, Flow, Frequency, MappingRow, MappingSetRef, NewConnection, NewDataSet, NewFlow,
    NewMappingSet, NewSchedule, NewSourceConnection, NewTargetConnection, Options, ResourceKind, SchemaRef,
    SourceConnection, SpecRef, TargetConnection,
};
use aep_operator::aep::{Aep, Credentials, Error, Gate, HttpTransport, Permit, Session, Settings, spec};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use super::objects::{self, with};
use super::world::World;

/// What the person typed as names.
pub const NAME: &str = "Made by hand";
/// What the person typed as descriptions.
pub const DESCRIPTION: &str = "Ask Ada before you change this.";
const TENANT: &str = "simtenant";

/// A person with an API client.
pub struct Person {
    /// Calls in the sandbox `dev`.
    pub session: Session,
    /// Lets writes through.
    pub gate: Gate,
    _leader: watch::Sender<Instant>,
}

/// The ids of what the person made.
#[derive(Debug, Clone)]
pub struct Chain {
    /// The base connection.
    pub base: String,
    /// The source connection.
    pub source: String,
    /// The `$id` of the schema.
    pub schema: String,
    /// The `$id` of its field group.
    pub field_group: String,
    /// The mapping set.
    pub mapping: MappingSetRef,
    /// The dataset.
    pub dataset: String,
    /// The target connection.
    pub target: String,
    /// The dataflow.
    pub flow: String,
}

impl Person {
    /// A person who uses the credentials that the simulator knows.
    pub fn new(aep: &Aep) -> Self {
        let credentials = Credentials {
            client_id: "sim-client".to_owned(),
            client_secret: SecretString::from(objects::CLIENT_SECRET),
            org_id: objects::ORGANIZATION.to_owned(),
            scopes: None,
        };
        let life = Instant::now() + Duration::from_hours(24 * 365);
        let (leader, flag) = watch::channel(life);
        let gate = Gate::new(life, flag);
        Self { session: aep.session(&credentials, "dev"), gate, _leader: leader }
    }

    /// A person with a client of a world's simulator.
    pub fn of(world: &World) -> anyhow::Result<Self> {
        // Another test of this process may have installed it already.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let settings = Settings {
            aep_url: world.sim.aep_url(),
            ims_url: world.sim.ims_url(),
            allow_http: true,
            ..Settings::default()
        };
        Ok(Self::new(&Aep::new(settings, Arc::new(HttpTransport::new(Duration::from_secs(5))?))?))
    }

    /// The right to send one POST or PUT.
    pub async fn permit(&self) -> Permit {
        let permits = self.session.permits(1).await;
        permits.expect("nobody has to wait").pop().expect("one permit was asked for")
    }

    /// Makes a base connection.
    pub async fn base(&self) -> Result<String, Error> {
        let new = NewConnection {
            name: NAME.to_owned(),
            description: Some(DESCRIPTION.to_owned()),
            connection_spec: SpecRef::v1(spec::STRIPE_CONNECTION_SPEC),
            auth_spec_name: spec::STRIPE_AUTH_SPEC_NAME.to_owned(),
            access_token: SecretString::from(objects::STRIPE_KEY),
        };
        Ok(self.session.create::<Connection>(self.permit().await, &self.gate, &new).await?.id)
    }

    /// Makes a source connection of charges.
    pub async fn source(&self, base: &str) -> Result<String, Error> {
        let new = NewSourceConnection {
            name: NAME.to_owned(),
            description: None,
            base_connection_id: base.to_owned(),
            connection_spec: SpecRef::v1(spec::STRIPE_CONNECTION_SPEC),
            resource_path: "charges".to_owned(),
        };
        Ok(self.session.create::<SourceConnection>(self.permit().await, &self.gate, &new).await?.id)
    }

    /// Makes a field group and a schema with it, and gives the `$id` of each.
    pub async fn schema(&self, title: &str) -> Result<(String, String), Error> {
        let fields = json!({
            "id": { "type": "string", "title": "Id" },
            "amount": { "type": "integer", "title": "Amount" },
            "currency": { "type": "string", "title": "Currency" },
        });
        let group = json!({
            "title": format!("{title} fields"), "description": "by hand", "type": "object",
            "meta:intendedToExtend": [objects::PROFILE_CLASS],
            "definitions": { "customFields": { "type": "object", "properties": { format!("_{TENANT}"): {
                "type": "object", "properties": { "charges_data": { "type": "object", "title": "Charges", "properties": fields } } } } } },
            "allOf": [{ "$ref": "#/definitions/customFields", "type": "object" }],
        });
        let (session, gate) = (&self.session, &self.gate);
        let group =
            session.create_resource(self.permit().await, gate, ResourceKind::FieldGroup, &group).await?;
        let schema = json!({
            "type": "object", "title": title, "description": "by hand",
            "allOf": [{ "$ref": objects::PROFILE_CLASS }, { "$ref": group.id }],
        });
        let schema =
            session.create_resource(self.permit().await, gate, ResourceKind::Schema, &schema).await?;
        Ok((group.id, schema.id))
    }

    /// Makes a field of a schema an identity.
    pub async fn identity(&self, schema: &str, property: &str) -> Result<(), Error> {
        let descriptor = json!({
            "@type": "xdm:descriptorIdentity", "xdm:sourceSchema": schema, "xdm:sourceVersion": 1,
            "xdm:sourceProperty": property, "xdm:namespace": "StripeCustomer", "xdm:property": "xdm:code",
            "xdm:isPrimary": false,
        });
        self.session.create_descriptor(self.permit().await, &self.gate, &descriptor).await.map(drop)
    }

    /// What Schema Registry or Catalog holds of what we manage in the object that plays a role.
    pub async fn in_the_lake(&self, role: &str, id: &str) -> Value {
        if role == "dataset" {
            let data_set = self.session.get_data_set(id).await.expect("a read").expect("a dataset");
            return json!({ "name": data_set.name, "tags": data_set.tags });
        }
        let kind = if role == "schema" { ResourceKind::Schema } else { ResourceKind::FieldGroup };
        let raw = self.session.get_resource(kind, id).await.expect("a read").expect("a resource").raw;
        json!({ "title": raw["title"], "description": raw["description"], "definitions": raw["definitions"] })
    }

    /// Makes a mapping set of three rows.
    pub async fn mapping(&self, schema: &str) -> Result<MappingSetRef, Error> {
        let new = new_mapping(schema, "lower(data.currency)");
        self.session.create_mapping_set(self.permit().await, &self.gate, &new).await
    }

    /// Makes a dataset.
    pub async fn dataset(&self, schema: &str) -> Result<String, Error> {
        let new = NewDataSet {
            name: NAME.to_owned(),
            description: Some(DESCRIPTION.to_owned()),
            schema_ref: schema_ref(schema),
            tags: [("team".to_owned(), vec!["payments".to_owned()])].into(),
            enable_error_diagnostics: None,
        };
        self.session.create_data_set(self.permit().await, &self.gate, &new).await
    }

    /// Makes a target connection.
    pub async fn target(&self, dataset: &str, schema: &str) -> Result<String, Error> {
        let new = NewTargetConnection {
            name: NAME.to_owned(),
            description: Some(DESCRIPTION.to_owned()),
            connection_spec: SpecRef::v1(spec::DATA_LAKE_CONNECTION_SPEC),
            schema: schema_ref(schema),
            data_set_id: dataset.to_owned(),
        };
        Ok(self.session.create::<TargetConnection>(self.permit().await, &self.gate, &new).await?.id)
    }

    /// Makes an hourly dataflow.
    pub async fn flow(&self, source: &str, target: &str, mapping: &MappingSetRef) -> Result<String, Error> {
        let new = NewFlow {
            name: NAME.to_owned(),
            description: Some(DESCRIPTION.to_owned()),
            flow_spec: SpecRef::v1(spec::REST_FLOW_SPEC),
            source_connection_id: source.to_owned(),
            target_connection_id: target.to_owned(),
            mapping: mapping.clone(),
            schedule: NewSchedule {
                start_time: 1_700_000_000,
                frequency: Frequency::Hour,
                interval: Some(1),
                backfill: Some(false),
            },
            options: Some(Options {
                error_diagnostics_enabled: Some(true),
                partial_ingestion_percent: Some(10.0),
            }),
        };
        Ok(self.session.create::<Flow>(self.permit().await, &self.gate, &new).await?.id)
    }

    /// Makes the whole chain.
    pub async fn chain(&self) -> Result<Chain, Error> {
        let base = self.base().await?;
        let source = self.source(&base).await?;
        let (field_group, schema) = self.schema(NAME).await?;
        let mapping = self.mapping(&schema).await?;
        let dataset = self.dataset(&schema).await?;
        let target = self.target(&dataset, &schema).await?;
        let flow = self.flow(&source, &target, &mapping).await?;
        Ok(Chain { base, source, schema, field_group, mapping, dataset, target, flow })
    }
}

impl Chain {
    /// The custom resources that take the chain over, all named `hand`: what they leave out stays as it is, and two things differ, a row
    /// and the interval.
    pub fn adopting(&self) -> [Value; 4] {
        let mut mapping = objects::mapping("hand", "hand", "charges", "unused");
        mapping["spec"].as_object_mut().map(|spec| spec.remove("builtin"));
        let rows = json!([
            { "source": "data.id", "destination": "_{TENANT_ID}.charges_data.id" },
            { "source": "data.amount", "destination": "_{TENANT_ID}.charges_data.amount", "xdmType": "Integer" },
            { "source": "upper(data.currency)", "destination": "_{TENANT_ID}.charges_data.currency", "type": "Expression" },
        ]);
        let mapping = with(mapping, "/targetSchema", json!({ "existing": { "id": self.schema } }));
        let mapping = with(mapping, "/mappings", rows);
        let flow = objects::flow("hand", "hand", "hand", NAME);
        let flow = with(flow, "/dataset/managed/adopt", json!({ "id": self.dataset }));
        let flow = with(flow, "/schedule/interval", json!(6));
        [
            with(objects::base("hand"), "/adopt", json!({ "connectionId": self.base })),
            with(
                objects::source("hand", "hand", "charges"),
                "/adopt",
                json!({ "sourceConnectionId": self.source }),
            ),
            with(mapping, "/adopt", json!({ "mappingSetId": self.mapping.id })),
            with(flow, "/adopt", json!({ "flowId": self.flow })),
        ]
    }

    /// The same, with the schema and its field group taken over as well: they lack a field that a row writes to.
    pub fn adopting_schema(&self) -> [Value; 4] {
        let [base, source, mapping, flow] = self.adopting();
        let managed = json!({
            "title": NAME, "class": objects::PROFILE_CLASS,
            "adopt": { "schemaId": self.schema, "fieldGroupId": self.field_group },
        });
        let mut mapping = with(mapping, "/targetSchema", json!({ "managed": managed }));
        let grown = json!({
            "source": "data.status", "destination": "_{TENANT_ID}.charges_data.status", "xdmType": "String"
        });
        if let Some(rows) = mapping["spec"]["mappings"].as_array_mut() {
            rows.push(grown);
        }
        [base, source, mapping, flow]
    }
}

/// The mapping set that the person made, with another expression for the currency.
pub fn new_mapping(schema: &str, currency: &str) -> NewMappingSet {
    let destination = |field: &str| format!("_{TENANT}.charges_data.{field}");
    NewMappingSet {
        name: NAME.to_owned(),
        schema: schema_ref(schema),
        rows: vec![
            MappingRow::attribute("data.id", destination("id")),
            MappingRow::attribute("data.amount", destination("amount")),
            MappingRow::expression(currency, destination("currency")),
        ],
    }
}

fn schema_ref(schema: &str) -> SchemaRef {
    SchemaRef { id: schema.to_owned(), content_type: spec::SCHEMA_CONTENT_TYPE.to_owned() }
}
