//! Schema Registry: schemas, field groups, classes, data types and descriptors of one sandbox.
//!
//! Owns the store and the routing below `/data/foundation/schemaregistry`. Knows of data sets only the set of schema ids
//! they use, which the caller passes in.

mod accept;
mod descriptors;
mod errors;
mod evolution;
mod global;
mod list;
mod overview;
mod resolve;
mod resource;
mod rules;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::lake::visible;
use crate::switches::Switches;
use crate::wire::{Call, Caller, Reply};

pub(crate) use descriptors::Descriptor;
pub(crate) use errors::Refusal;
pub(crate) use resolve::Resolved;
pub(crate) use resource::{Kind, Resource, full_id};

/// What a request brings along besides its path.
pub(crate) struct Context<'a> {
    pub(crate) call: &'a Call,
    pub(crate) caller: &'a Caller,
    pub(crate) now_ms: i64,
    pub(crate) switches: &'a Switches,
    /// Schemas that data sets use.
    pub(crate) used: &'a BTreeSet<String>,
}

/// The store. Adobe's own resources are not in it, see [`global`].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Registry {
    resources: BTreeMap<String, Resource>,
    descriptors: BTreeMap<String, Descriptor>,
    next_seq: u64,
    #[serde(skip)]
    resolved: BTreeMap<String, Arc<Resolved>>,
    /// What a schema was before its last change, and when that was.
    #[serde(skip)]
    former: BTreeMap<String, (i64, Arc<Resolved>)>,
}

impl Registry {
    /// Answers one call.
    pub(crate) fn handle(&mut self, context: &Context<'_>) -> Reply {
        if self.resolved.is_empty() {
            // Resolved schemas are not part of a saved state.
            let ids = self.resources.keys().cloned().collect();
            self.refresh(&ids);
        }
        self.route(context).unwrap_or_else(|refusal| refusal.reply(context.now_ms))
    }

    fn route(&mut self, context: &Context<'_>) -> Result<Reply, Refusal> {
        let segments = context.call.segments();
        let method = &context.call.method;
        match segments.as_slice() {
            ["stats"] if method == Method::GET => Ok(self.stats(context)),
            ["tenant" | "global", "descriptors"] => self.descriptor_collection(context),
            ["tenant" | "global", "descriptors", id] => self.descriptor(context, id),
            ["tenant", "unions"] if method == Method::GET => self.unions(context),
            ["tenant", "unions", id] if method == Method::GET => self.union(context, id),
            [container @ ("global" | "tenant"), endpoint] => {
                let kind = Kind::from_endpoint(endpoint).ok_or_else(Refusal::no_such_path)?;
                self.collection(context, container, kind)
            }
            [container @ ("global" | "tenant"), endpoint, id] => {
                let kind = Kind::from_endpoint(endpoint).ok_or_else(Refusal::no_such_path)?;
                self.single(context, container, kind, id)
            }
            _ => Err(Refusal::no_such_path()),
        }
    }

    fn collection(&mut self, context: &Context<'_>, container: &str, kind: Kind) -> Result<Reply, Refusal> {
        match (&context.call.method, container) {
            (&Method::GET, _) => self.list(context, container, kind),
            (&Method::POST, "tenant") if kind != Kind::Behaviors => self.create(context, kind),
            _ => Err(Refusal::method("Resources of the global container are read only.")),
        }
    }

    fn single(
        &mut self,
        context: &Context<'_>,
        container: &str,
        kind: Kind,
        id: &str,
    ) -> Result<Reply, Refusal> {
        match (&context.call.method, container) {
            (&Method::GET, _) => self.lookup(context, container, kind, id),
            (_, "global") => Err(Refusal::method("Resources of the global container are read only.")),
            (&Method::PUT, _) => self.replace(context, kind, id),
            (&Method::PATCH, _) => self.patch(context, kind, id),
            (&Method::DELETE, _) => self.delete(context, kind, id),
            _ => Err(Refusal::method("This method does not exist here.")),
        }
    }

    fn lookup(&self, context: &Context<'_>, container: &str, kind: Kind, id: &str) -> Result<Reply, Refusal> {
        let form = accept::lookup(context)?;
        let id = full_id(id);
        let found = self.find(container, kind, &id).filter(|found| {
            form.major == 1 && visible(found.created, context.now_ms, context.switches.get_lag_ms)
        });
        let resource = found.ok_or_else(|| Refusal::not_found(&id, form.major))?;
        let mut body = self.render(resource, &form);
        if let Some((changed, former)) = self.former.get(&id).filter(|_| form.full)
            && !visible(*changed, context.now_ms, context.switches.schema_lag_ms)
        {
            body["properties"] = Value::Object(former.properties.clone());
        }
        Ok(Reply::json(200, body))
    }

    fn find(&self, container: &str, kind: Kind, id: &str) -> Option<&Resource> {
        let resource = if container == "global" { global::get(id) } else { self.resources.get(id) };
        resource.filter(|resource| resource.kind == kind)
    }

    /// A resource of either container.
    pub(crate) fn get(&self, id: &str) -> Option<&Resource> {
        self.resources.get(id).or_else(|| global::get(id))
    }

    /// Whether a schema with that `$id` exists.
    pub(crate) fn has_schema(&self, id: &str) -> bool {
        self.resources.get(id).is_some_and(|resource| resource.kind == Kind::Schemas)
    }

    /// A schema with everything it inherits; `None` for anything else.
    pub(crate) fn full_schema(&self, id: &str) -> Option<Arc<Resolved>> {
        if let Some(resolved) = self.resolved.get(id) {
            return Some(Arc::clone(resolved));
        }
        let schema = self.resources.get(id).filter(|resource| resource.kind == Kind::Schemas)?;
        Some(Arc::new(resolve::View::of(self).resolve(schema)))
    }

    /// The tenant's resources in order of creation.
    pub(crate) fn tenant_resources(&self) -> Vec<&Resource> {
        let mut all: Vec<&Resource> = self.resources.values().collect();
        all.sort_by_key(|resource| resource.seq);
        all
    }

    /// All descriptors.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = &Descriptor> {
        self.descriptors.values()
    }

    /// Stores a resource as it is, without any rule: for what other people made in this sandbox.
    pub(crate) fn seed(&mut self, kind: Kind, body: &Value, caller: &Caller, now_ms: i64) -> String {
        let mut resource = Resource::new(kind, rules::members(body), caller, now_ms);
        resource.seq = self.take_seq();
        let id = resource.id.clone();
        self.resources.insert(id.clone(), resource);
        self.refresh(&BTreeSet::from([id.clone()]));
        id
    }

    /// Replaces members of a resource without any rule.
    pub(crate) fn tamper(&mut self, id: &str, changes: &Map<String, Value>, now_ms: i64) -> bool {
        let Some(resource) = self.resources.get_mut(id) else { return false };
        resource.body.extend(rules::members(&Value::Object(changes.clone())));
        resource.grow(now_ms);
        let ids = self.resources.keys().cloned().collect();
        self.refresh(&ids);
        true
    }

    /// Removes a resource without any rule.
    pub(crate) fn lose(&mut self, id: &str) -> bool {
        self.resolved.remove(id);
        self.descriptors.remove(id).is_some() || self.resources.remove(id).is_some()
    }

    fn take_seq(&mut self) -> u64 {
        self.next_seq += 1;
        self.next_seq
    }

    /// Resolves those schemas anew; ids of other resources are ignored.
    fn refresh(&mut self, ids: &BTreeSet<String>) {
        for id in ids {
            self.resolved.remove(id);
            if let Some(full) = self.full_schema(id) {
                self.resolved.insert(id.clone(), full);
            }
        }
    }
}
