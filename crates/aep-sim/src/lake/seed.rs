//! Objects that other people made in the sandbox: stored as given, without any rule, since a real sandbox holds things that
//! today's rules would refuse.

use serde_json::Value;

use super::Lake;
use super::registry::Kind;
use super::types::SchemaRef;
use crate::wire::Caller;

impl Lake {
    /// Adds a schema registry resource and returns its `$id`; `None` for an unknown kind (`schemas`, `fieldgroups`,
    /// `classes`, `datatypes`).
    pub fn seed_resource(
        &mut self,
        kind: &str,
        body: &Value,
        caller: &Caller,
        now_ms: i64,
    ) -> Option<String> {
        let kind = Kind::from_endpoint(kind).filter(|kind| *kind != Kind::Behaviors)?;
        Some(self.registry.seed(kind, body, caller, now_ms))
    }

    /// Adds a data set and returns its id. The body is as in a POST; nothing is checked.
    pub fn seed_dataset(&mut self, body: &Value, caller: &Caller, now_ms: i64) -> String {
        self.catalog.seed(body, caller, now_ms)
    }

    /// Adds a mapping set and returns its id. The body is as in a POST, in either form; nothing is checked.
    pub fn seed_mapping_set(&mut self, body: &Value, caller: &Caller, now_ms: i64) -> String {
        self.mapping_sets.seed(body, caller, now_ms)
    }

    /// Adds a descriptor and returns its `@id`; nothing is checked.
    pub fn seed_descriptor(&mut self, body: &Value, caller: &Caller, now_ms: i64) -> String {
        let id = super::ids::hex40();
        let body = body.as_object().cloned().unwrap_or_default();
        self.registry.store_descriptor(id.clone(), body, caller, now_ms);
        id
    }

    /// Gives a resource, data set or mapping set other texts, as a colleague in the UI would. `changes` replaces top-level
    /// members; `false` when there is no such object.
    pub fn tamper(&mut self, id: &str, changes: &Value, now_ms: i64) -> bool {
        let Some(changes) = changes.as_object() else { return false };
        self.registry.tamper(id, changes, now_ms)
            || self.catalog.tamper(id, changes, now_ms)
            || self.mapping_sets.tamper(id, changes, now_ms)
    }

    /// Removes an object behind everybody's back; `false` when there is no such object.
    pub fn lose(&mut self, id: &str) -> bool {
        let lost = self.registry.lose(id) || self.catalog.lose(id) || self.mapping_sets.lose(id);
        self.rows.keep(|dataset| self.catalog.contains(dataset));
        lost
    }

    /// A schema reference in the form the services document.
    pub fn schema_ref(id: &str) -> SchemaRef {
        SchemaRef {
            id: id.to_owned(),
            content_type: "application/vnd.adobe.xed-full+json;version=1".to_owned(),
        }
    }
}
