//! The data lake of one sandbox: Schema Registry, Catalog and Data Prep as stores in memory, and the rows ingested.
//!
//! [`Lake`] is the only thing others use. It sees requests as [`Call`]s and answers with [`Reply`]s; it knows nothing of
//! flows, of secrets, or of the clock.
//!
//! ```text
//!   registry  schemas, field groups, classes, data types, descriptors
//!      ^         ^
//!   catalog   data_prep  mapping sets  ->  el (expressions), path (records)
//!      ^         ^
//!      ingest: records + mapping set -> rows of a data set, a batch
//! ```

mod catalog;
mod compare;
mod convert;
mod data_prep;
mod el;
mod ids;
mod ingest;
mod patch;
mod path;
mod registry;
mod seed;
mod types;
mod xdm;

use std::collections::BTreeSet;

use axum::http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::switches::Switches;
use crate::wire::{Call, Caller, Reply};

pub use types::{IngestError, IngestOutcome, IngestRequest, MappingSetView, SchemaRef};

/// Whether an object that old is visible yet, when reads lag behind writes by that much.
fn visible(created: i64, now_ms: i64, lag_ms: i64) -> bool {
    lag_ms <= 0 || created.saturating_add(lag_ms) <= now_ms
}

/// The data lake of one sandbox.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Lake {
    registry: registry::Registry,
    catalog: catalog::Catalog,
    mapping_sets: data_prep::MappingSets,
    rows: ingest::Rows,
}

impl Lake {
    /// An empty one: only Adobe's own classes exist.
    pub fn new() -> Self {
        Self::default()
    }

    /// Schema Registry, below `/data/foundation/schemaregistry`.
    pub fn registry(&mut self, call: &Call, caller: &Caller, now_ms: i64, switches: &Switches) -> Reply {
        // Only a write asks which schemas are in use.
        let reads = call.method == Method::GET;
        let ids = self.catalog.schema_ids().filter(|_| !reads);
        let used: BTreeSet<String> = ids.map(str::to_owned).collect();
        self.registry.handle(&registry::Context { call, caller, now_ms, switches, used: &used })
    }

    /// Catalog, below `/data/foundation/catalog`.
    pub fn catalog(&mut self, call: &Call, caller: &Caller, now_ms: i64, switches: &Switches) -> Reply {
        let reply = self.catalog.handle(&catalog::Context {
            call,
            caller,
            now_ms,
            switches,
            registry: &self.registry,
        });
        if call.method == Method::DELETE {
            self.rows.keep(|dataset| self.catalog.contains(dataset));
        }
        reply
    }

    /// Data Prep, below `/data/foundation/conversion`.
    pub fn data_prep(&mut self, call: &Call, caller: &Caller, now_ms: i64, switches: &Switches) -> Reply {
        self.mapping_sets.handle(&data_prep::Context {
            call,
            caller,
            now_ms,
            switches,
            registry: &self.registry,
        })
    }

    /// The schema of a data set; `None` when there is no such data set.
    pub fn dataset_schema(&self, id: &str) -> Option<SchemaRef> {
        self.catalog.schema_ref(id)
    }

    /// Whether a schema with that `$id` exists.
    pub fn has_schema(&self, id: &str) -> bool {
        self.registry.has_schema(id)
    }

    /// What a flow needs to know of one version of a mapping set.
    pub fn mapping_set(&self, id: &str, version: u64) -> Option<MappingSetView> {
        let set = self.mapping_sets.version(id, version)?;
        Some(MappingSetView { schema: set.schema.clone(), rows: set.rows.len() })
    }

    /// Why a mapping set does not validate, one text per broken row; empty means that it does.
    pub fn mapping_problems(&self, id: &str, version: u64) -> Vec<String> {
        let Some(set) = self.mapping_sets.version(id, version) else {
            return vec![format!("Mapping set {id} has no version {version}.")];
        };
        let Some(schema) = self.registry.full_schema(&set.schema.id) else {
            return vec![format!("The target schema {} does not exist.", set.schema.id)];
        };
        let schema = schema.as_field();
        let problems =
            set.rows.iter().filter_map(|row| data_prep::problem(row, &schema).map(|why| (row, why)));
        problems.map(|(row, why)| format!("{} -> {}: {why}", row.source, row.destination)).collect()
    }

    /// Whether a data set and a mapping set agree on their schema: same `$id` and major version, or the full version.
    pub fn same_schema(a: &SchemaRef, b: &SchemaRef, full: bool) -> bool {
        let (major_a, minor_a) = a.version();
        let (major_b, minor_b) = b.version();
        a.id == b.id && major_a == major_b && (!full || minor_a == minor_b)
    }

    /// Maps records and writes those that fit into a data set, as one batch.
    pub fn ingest(&mut self, request: &IngestRequest<'_>) -> IngestOutcome {
        ingest::run(self, request)
    }

    /// How often every Stripe object was ingested: `{data set id: {stripe id: count}}`.
    pub fn rows(&self) -> Value {
        self.rows.to_json()
    }

    /// Every object of the tenant with the texts in which an owner's marker can stand.
    pub fn inventory(&self) -> Value {
        let mut found = Vec::new();
        for resource in self.registry.tenant_resources() {
            found.push(json!({
                "kind": if resource.kind == registry::Kind::Mixins { "fieldgroups" } else { resource.kind.word() },
                "id": resource.id,
                "title": resource.title(),
                "description": resource.body.get("description"),
                "version": resource.version,
                "tags": resource.body.get("meta:immutableTags"),
            }));
        }
        for descriptor in self.registry.descriptors() {
            found.push(json!({
                "kind": "descriptors", "id": descriptor.id, "type": descriptor.kind(), "schema": descriptor.schema(),
                "property": descriptor.body.get("xdm:sourceProperty"), "namespace": descriptor.body.get("xdm:namespace"),
                "primary": descriptor.is_primary(),
            }));
        }
        found.extend(self.catalog.inventory());
        found.extend(self.mapping_sets.inventory());
        Value::Array(found)
    }
}
