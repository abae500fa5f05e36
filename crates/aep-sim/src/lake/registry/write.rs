//! Creating, replacing, patching and deleting resources.
//!
//! A change is first applied to a copy and judged through a view of the registry as it would be; nothing is stored before
//! every rule has agreed. There is no precondition: the last writer wins, as documented.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::accept::Form;
use super::resolve::View;
use super::{Context, Kind, Refusal, Registry, Resolved, Resource, evolution, full_id, rules};
use crate::lake::patch;
use crate::wire::Reply;

impl Registry {
    pub(super) fn create(&mut self, context: &Context<'_>, kind: Kind) -> Result<Reply, Refusal> {
        let payload = object(context)?;
        let mut resource = Resource::new(kind, rules::members(&payload), context.caller, context.now_ms);
        self.judge(context, &resource)?;
        resource.seq = self.take_seq();
        let body = self.commit(resource, &BTreeSet::new(), context.now_ms);
        Ok(Reply::json(201, body))
    }

    pub(super) fn replace(&mut self, context: &Context<'_>, kind: Kind, id: &str) -> Result<Reply, Refusal> {
        let payload = object(context)?;
        let mut body = rules::members(&payload);
        let current = self.tenant(kind, id)?;
        // A replacement needs no more than a creation does, so it says nothing about tags that can never go.
        if !body.contains_key("meta:immutableTags")
            && let Some(tags) = current.body.get("meta:immutableTags")
        {
            body.insert("meta:immutableTags".into(), tags.clone());
        }
        let next = current.changed(body, context.caller, context.now_ms);
        self.update(context, next)
    }

    pub(super) fn patch(&mut self, context: &Context<'_>, kind: Kind, id: &str) -> Result<Reply, Refusal> {
        let current = self.tenant(kind, id)?;
        let mut document = Value::Object(self.raw(current));
        patch::apply(&context.call.body, &mut document).map_err(Refusal::patch)?;
        let next = current.changed(rules::members(&document), context.caller, context.now_ms);
        self.update(context, next)
    }

    fn update(&mut self, context: &Context<'_>, next: Resource) -> Result<Reply, Refusal> {
        self.check_tags(&next)?;
        let affected = self.judge(context, &next)?;
        Ok(Reply::json(200, self.commit(next, &affected, context.now_ms)))
    }

    pub(super) fn delete(&mut self, context: &Context<'_>, kind: Kind, id: &str) -> Result<Reply, Refusal> {
        let resource = self.tenant(kind, id)?;
        let id = resource.id.clone();
        if context.used.contains(&id) {
            return Err(Refusal::in_use(&id, "a data set"));
        }
        if resource.has_immutable_tag("union") {
            return Err(Refusal::in_use(&id, "Profile"));
        }
        if let Some(user) = self.users_of(&id).next() {
            return Err(Refusal::in_use(&id, &user.id));
        }
        self.resources.remove(&id);
        self.resolved.remove(&id);
        self.descriptors.retain(|_, descriptor| descriptor.schema() != id);
        Ok(Reply::empty(204))
    }

    /// All that refers to a resource, directly or not.
    fn users_of<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Resource> {
        let view = View::of(self);
        self.resources
            .values()
            .filter(move |resource| resource.id != id && view.resolve(resource).uses.contains(id))
    }

    fn tenant(&self, kind: Kind, id: &str) -> Result<&Resource, Refusal> {
        let id = full_id(id);
        self.find("tenant", kind, &id).ok_or_else(|| Refusal::not_found(&id, 1))
    }

    fn check_tags(&self, next: &Resource) -> Result<(), Refusal> {
        let current = self.resources.get(&next.id);
        let tags =
            current.and_then(|current| current.body.get("meta:immutableTags")).and_then(Value::as_array);
        let lost =
            tags.into_iter().flatten().filter_map(Value::as_str).find(|tag| !next.has_immutable_tag(tag));
        lost.map_or(Ok(()), |tag| Err(Refusal::immutable_tag(tag)))
    }

    /// Applies every rule to a resource as it would be, and names the schemas whose fields it takes part in.
    fn judge(&self, context: &Context<'_>, next: &Resource) -> Result<BTreeSet<String>, Refusal> {
        let view = View::with(self, next);
        rules::check(&view, (&next.id, next.kind), &next.body, &context.caller.tenant)?;
        let taken =
            self.resources.values().find(|other| other.id != next.id && other.title() == next.title());
        if let Some(other) = taken {
            return Err(Refusal::title_taken(&other.id));
        }
        let affected = self.affected(next);
        for id in affected.iter().chain((next.kind == Kind::Schemas).then_some(&next.id)) {
            let schema = if *id == next.id { Some(next) } else { self.resources.get(id) };
            if let Some(schema) = schema {
                let new = view.resolve(schema);
                self.judge_schema(context, schema, &new)?;
                self.judge_types(&view, &affected, (id, &context.caller.tenant), &new.properties)?;
            }
        }
        Ok(affected)
    }

    /// Existing schemas that use another resource.
    fn affected(&self, next: &Resource) -> BTreeSet<String> {
        let users = self.resolved.iter().filter(|(_, full)| full.uses.contains(&next.id));
        users.map(|(id, _)| id.clone()).collect()
    }

    fn judge_schema(&self, context: &Context<'_>, schema: &Resource, new: &Resolved) -> Result<(), Refusal> {
        let current = self.resources.get(&schema.id);
        let in_union = current.is_some_and(|current| current.has_immutable_tag("union"));
        if schema.has_immutable_tag("union") && !in_union && !self.has_identity(&schema.id, &new.properties) {
            return Err(Refusal::union_identity());
        }
        if !in_union && !context.used.contains(&schema.id) {
            return Ok(());
        }
        let Some(old) = self.full_schema(&schema.id) else { return Ok(()) };
        let what = if old.class == new.class {
            evolution::breaking(&old.as_field(), &new.as_field())
        } else {
            Some("the class was exchanged".to_owned())
        };
        what.map_or(Ok(()), |what| Err(Refusal::breaking(&schema.id, &what)))
    }

    /// One path has one type in all schemas of a tenant.
    fn judge_types(
        &self,
        view: &View<'_>,
        affected: &BTreeSet<String>,
        (schema, tenant): (&str, &str),
        properties: &Map<String, Value>,
    ) -> Result<(), Refusal> {
        let namespace = format!("_{tenant}");
        let Some(own) = properties.get(&namespace) else { return Ok(()) };
        let own = Map::from_iter([(namespace, own.clone())]);
        for (id, other) in self.resolved.iter().filter(|(id, _)| *id != schema) {
            // A schema that changes together with this one is compared as it will be.
            let changed =
                affected.contains(id).then(|| self.resources.get(id).map(|other| view.resolve(other)));
            let other = changed.flatten().map_or_else(|| Arc::clone(other), Arc::new);
            if let Some((path, is, was)) = evolution::conflict(&own, &other.properties, "") {
                return Err(Refusal::type_conflict(&path, id, (was, is)));
            }
        }
        Ok(())
    }

    fn has_identity(&self, schema: &str, properties: &Map<String, Value>) -> bool {
        properties.contains_key("identityMap")
            || self
                .descriptors
                .values()
                .any(|descriptor| descriptor.schema() == schema && descriptor.is_primary())
    }

    /// Stores a resource; schemas that use it grow with it. Returns its raw form.
    fn commit(&mut self, resource: Resource, affected: &BTreeSet<String>, now_ms: i64) -> Value {
        let id = resource.id.clone();
        self.resources.insert(id.clone(), resource);
        for schema in affected {
            if let Some(schema) = self.resources.get_mut(schema).filter(|schema| schema.id != id) {
                schema.grow(now_ms);
            }
        }
        let mut stale = affected.clone();
        stale.insert(id.clone());
        for schema in &stale {
            if let Some(former) = self.resolved.get(schema) {
                self.former.insert(schema.clone(), (now_ms, Arc::clone(former)));
            }
        }
        self.refresh(&stale);
        self.resources.get(&id).map_or_else(|| json!({}), |resource| self.render(resource, &Form::RAW))
    }
}

fn object(context: &Context<'_>) -> Result<Value, Refusal> {
    context
        .call
        .json()
        .filter(Value::is_object)
        .ok_or_else(|| Refusal::payload("The body must be a JSON object."))
}
