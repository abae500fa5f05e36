//! Schema Registry: tenant, schemas, field groups and descriptors.
//!
//! No call takes an entity tag: the last writer wins, so every write passes the gate.

use std::collections::HashSet;

use http::Method;
use serde::Deserialize;
use serde_json::Value;

use super::Session;
use super::budget::{Lane, Permit};
use super::call::{Answer, Call, Endpoint};
use super::error::{Error, Operation};
use super::flow_service::{Deleted, absent, deleted};
use super::gate::Gate;
use super::ids::is_schema_id;
use super::model::{Descriptor, Resource, ResourceKind, Stats, loose};
use super::patch::Patch;

/// Whole objects in a list, with their descriptions.
const LIST: &str = "application/vnd.adobe.xed+json";
/// One object as stored.
const RAW: &str = "application/vnd.adobe.xed+json; version=1";
/// One object with all references resolved.
const FULL: &str = "application/vnd.adobe.xed-full+json; version=1";
const DESCRIPTORS: &str = "application/vnd.adobe.xdm+json";
const PAGE: &str = "100";
const MOST_PAGES: usize = 500;

fn registry() -> Endpoint {
    Endpoint::new("/data/foundation/schemaregistry")
}

fn tenant(kind: ResourceKind) -> Endpoint {
    registry().then("tenant").then(kind.collection())
}

fn descriptors() -> Endpoint {
    registry().then("tenant").then("descriptors")
}

#[derive(Deserialize)]
struct ResourcePage {
    results: Vec<Resource>,
    #[serde(rename = "_page", default)]
    page: Value,
}

impl Session {
    /// Reads the tenant id: `GET /stats`. Custom fields live below `_{tenant_id}`.
    pub async fn stats(&self) -> Result<Stats, Error> {
        let call = Call::read(Operation::new("get", "stats"), registry().then("stats"), Lane::LookUp).large();
        let answer = self.send(call).await?;
        let stats: Stats = answer.json()?;
        let plain =
            stats.tenant_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        if stats.tenant_id.is_empty() || !plain {
            return Err(answer.not_understood("the answer holds no usable tenant id"));
        }
        Ok(stats)
    }

    /// The resources of one kind with a title: `GET /tenant/{kind}?property=title==…`, whole objects, to the end. Titles are unique
    /// over all resource types of a tenant, so there is at most one, but the filter only narrows; compare the titles.
    pub async fn find_resources(&self, kind: ResourceKind, title: &str) -> Result<Vec<Resource>, Error> {
        self.all_resources(kind, Some(&format!("title=={title}"))).await
    }

    /// All resources of one kind that the tenant made, whole objects, to the end.
    pub async fn list_resources(&self, kind: ResourceKind) -> Result<Vec<Resource>, Error> {
        self.all_resources(kind, None).await
    }

    async fn all_resources(&self, kind: ResourceKind, narrow: Option<&str>) -> Result<Vec<Resource>, Error> {
        let operation = Operation::new("list", kind.collection());
        let mut found: Vec<Resource> = Vec::new();
        let mut seen = HashSet::new();
        let mut start: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let mut query = vec![("orderby", "title"), ("limit", PAGE)];
            query.extend(narrow.map(|condition| ("property", condition)));
            query.extend(start.as_deref().map(|start| ("start", start)));
            let call = Call::read(operation, tenant(kind), Lane::LookUp).accept(LIST).query(&query).large();
            let answer = self.send(call).await?;
            let page: ResourcePage = answer.json()?;
            let before = found.len();
            for resource in page.results {
                check(&answer, &resource)?;
                if seen.insert(resource.id.clone()) {
                    found.push(resource);
                }
            }
            start = page.page.get("next").and_then(loose::to_text).filter(|next| !next.is_empty());
            if start.is_none() || found.len() == before {
                return Ok(found);
            }
        }
        Err(Error::new(super::ErrorKind::Malformed, operation, "the list does not end"))
    }

    /// Reads a resource as stored: `allOf` and `$ref` unresolved. `None` when it does not exist.
    ///
    /// # Errors
    /// Those of a read. An answer about another resource is `Malformed`.
    pub async fn get_resource(&self, kind: ResourceKind, id: &str) -> Result<Option<Resource>, Error> {
        self.look_up(kind, id, RAW).await
    }

    /// Reads a schema with all references resolved into `properties`. `None` when it does not exist.
    pub async fn get_schema_full(&self, id: &str) -> Result<Option<Resource>, Error> {
        self.look_up(ResourceKind::Schema, id, FULL).await
    }

    async fn look_up(
        &self,
        kind: ResourceKind,
        id: &str,
        accept: &'static str,
    ) -> Result<Option<Resource>, Error> {
        let operation = Operation::new("get", kind.collection());
        let call = Call::read(operation, tenant(kind).id(id), Lane::LookUp).accept(accept).large();
        let Some(answer) = absent(self.send(call).await)? else { return Ok(None) };
        let resource: Resource = answer.json()?;
        if resource.id != id {
            return Err(answer.not_understood("the answer is about another resource"));
        }
        Ok(Some(resource))
    }

    /// Creates a field group or schema: `POST /tenant/{kind}`, answered with 201 and the whole object.
    ///
    /// # Errors
    /// `Refused` when the title is taken by any resource type of the tenant (the message names the other `$id`); `Ambiguous` when
    /// it may exist: look it up by its title.
    pub async fn create_resource(
        &self,
        permit: Permit,
        gate: &Gate,
        kind: ResourceKind,
        body: &Value,
    ) -> Result<Resource, Error> {
        let call = Call::create(Operation::new("create", kind.collection()), tenant(kind), permit, gate);
        let answer = self.send(call.json(body)?.large()).await?;
        let resource: Resource = answer.json()?;
        check(&answer, &resource)?;
        Ok(resource)
    }

    /// Changes a field group or schema: `PATCH /tenant/{kind}/{id}` with a JSON Patch, answered with the whole object in the next
    /// minor version.
    ///
    /// # Errors
    /// `Refused` for a breaking change of a schema in use; `Ambiguous` when it may have been made: read it.
    pub async fn patch_resource(
        &self,
        gate: &Gate,
        kind: ResourceKind,
        id: &str,
        patch: &Patch,
    ) -> Result<Resource, Error> {
        let operation = Operation::new("patch", kind.collection());
        let call = Call::write(operation, Method::PATCH, tenant(kind).id(id), gate).large();
        let body = patch.body().map_err(|_| call.unsendable("the patch cannot be written as JSON"))?;
        let answer = self.send(call.body(body)).await?;
        let resource: Resource = answer.json()?;
        if resource.id != id {
            return Err(answer.not_understood("the answer is about another resource"));
        }
        Ok(resource)
    }

    /// Deletes a field group or schema: `DELETE /tenant/{kind}/{id}`, answered with 204.
    pub async fn delete_resource(&self, gate: &Gate, kind: ResourceKind, id: &str) -> Result<Deleted, Error> {
        let operation = Operation::new("delete", kind.collection());
        deleted(self.send(Call::write(operation, Method::DELETE, tenant(kind).id(id), gate)).await)
    }

    /// The descriptors of a schema: `GET /tenant/descriptors`, reduced to those whose source is the schema.
    pub async fn list_descriptors(&self, schema_id: &str) -> Result<Vec<Descriptor>, Error> {
        let mut found = self.descriptors_where(&format!("xdm:sourceSchema=={schema_id}")).await?;
        found.retain(|descriptor| descriptor.schema == schema_id);
        Ok(found)
    }

    /// The identity descriptors of all schemas: `GET /tenant/descriptors`, at most 4,000 in a sandbox.
    pub async fn list_identities(&self) -> Result<Vec<Descriptor>, Error> {
        let mut found = self.descriptors_where("@type==xdm:descriptorIdentity").await?;
        found.retain(Descriptor::is_identity);
        Ok(found)
    }

    /// The filter only narrows: the caller compares.
    async fn descriptors_where(&self, condition: &str) -> Result<Vec<Descriptor>, Error> {
        let call = Call::read(Operation::new("list", "descriptors"), descriptors(), Lane::LookUp)
            .accept(DESCRIPTORS)
            .query(&[("property", condition)])
            .large();
        let answer = self.send(call).await?;
        let whole: Value = answer.json()?;
        if !whole.is_object() && !whole.is_array() {
            return Err(answer.not_understood("the answer is no list of descriptors"));
        }
        let mut found = Vec::new();
        collect_descriptors(&whole, &mut found);
        Ok(found)
    }

    /// Creates a descriptor: `POST /tenant/descriptors`, answered with 201 and the descriptor. `body` holds `@type`, source schema,
    /// source property and so on.
    pub async fn create_descriptor(
        &self,
        permit: Permit,
        gate: &Gate,
        body: &Value,
    ) -> Result<Descriptor, Error> {
        let call =
            Call::create(Operation::new("create", "descriptors"), descriptors(), permit, gate).json(body)?;
        let answer = self.send(call).await?;
        let descriptor: Descriptor = answer.json()?;
        if !is_plain_id(&descriptor.id) {
            return Err(answer.not_understood("the answer holds no usable id"));
        }
        Ok(descriptor)
    }

    /// Deletes a descriptor by its `@id`: `DELETE /tenant/descriptors/{id}`, answered with 204.
    pub async fn delete_descriptor(&self, gate: &Gate, id: &str) -> Result<Deleted, Error> {
        let operation = Operation::new("delete", "descriptors");
        deleted(self.send(Call::write(operation, Method::DELETE, descriptors().id(id), gate)).await)
    }
}

fn check(answer: &Answer, resource: &Resource) -> Result<(), Error> {
    if is_schema_id(&resource.id) {
        return Ok(());
    }
    Err(answer.not_understood("the answer holds a resource without a usable id"))
}

/// A descriptor's `@id` has no documented form beyond being one word.
fn is_plain_id(id: &str) -> bool {
    (1..=256).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Descriptors come in one list or grouped by type, depending on version and media type.
fn collect_descriptors(value: &Value, found: &mut Vec<Descriptor>) {
    match value {
        Value::Array(items) => {
            found
                .extend(items.iter().filter(|item| item.get("@id").is_some()).cloned().map(Descriptor::from));
        }
        Value::Object(members) => members.values().for_each(|member| {
            if member.is_array() {
                collect_descriptors(member, found);
            }
        }),
        _ => {}
    }
}
