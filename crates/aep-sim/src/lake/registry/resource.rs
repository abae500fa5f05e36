//! One stored resource, and how it looks from outside.
//!
//! Keeps what the owner wrote apart from what the service adds, so that a replacement can never change the latter.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::accept::{Form, Text};
use super::resolve::View;
use super::{Registry, Resolved, rules};
use crate::lake::ids;
use crate::wire::Caller;

/// The kinds of resources that share a namespace of titles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Schemas,
    /// Field groups; the ids keep the historical word.
    Mixins,
    Classes,
    Datatypes,
    Behaviors,
}

impl Kind {
    /// The kind behind a path segment.
    pub(crate) fn from_endpoint(endpoint: &str) -> Option<Self> {
        match endpoint {
            "schemas" => Some(Self::Schemas),
            "fieldgroups" | "mixins" => Some(Self::Mixins),
            "classes" => Some(Self::Classes),
            "datatypes" => Some(Self::Datatypes),
            "behaviors" => Some(Self::Behaviors),
            _ => None,
        }
    }

    /// The word inside `$id` and in `meta:resourceType`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Schemas => "schemas",
            Self::Mixins => "mixins",
            Self::Classes => "classes",
            Self::Datatypes => "datatypes",
            Self::Behaviors => "behaviors",
        }
    }
}

/// A resource with its history of writers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Resource {
    pub(crate) id: String,
    pub(crate) kind: Kind,
    pub(crate) version: String,
    /// What the owner wrote, with `meta:xdmType` filled in on every field.
    pub(crate) body: Map<String, Value>,
    pub(crate) seq: u64,
    pub(crate) created: i64,
    pub(crate) modified: i64,
    created_client: String,
    modified_client: String,
    created_user: String,
    modified_user: String,
    org: String,
    tenant: String,
    sandbox_id: String,
    etag: String,
}

impl Resource {
    /// A new tenant resource, version 1.0.
    pub(crate) fn new(kind: Kind, body: Map<String, Value>, caller: &Caller, now_ms: i64) -> Self {
        Self {
            id: format!("https://ns.adobe.com/{}/{}/{}", caller.tenant, kind.word(), ids::hex48()),
            kind,
            version: "1.0".to_owned(),
            body,
            seq: 0,
            created: now_ms,
            modified: now_ms,
            created_client: caller.client_id.clone(),
            modified_client: caller.client_id.clone(),
            created_user: caller.user.clone(),
            modified_user: caller.user.clone(),
            org: caller.org.clone(),
            tenant: caller.tenant.clone(),
            sandbox_id: caller.sandbox_id.clone(),
            etag: ids::hex32(),
        }
    }

    /// One of Adobe's resources.
    pub(super) fn global(id: &str, kind: Kind, version: &str, body: Map<String, Value>) -> Self {
        // Adobe published its library before any sandbox existed; the date only has to be a constant.
        const PUBLISHED: i64 = 1_600_000_000_000;
        Self {
            id: id.to_owned(),
            kind,
            version: version.to_owned(),
            body,
            seq: 0,
            created: PUBLISHED,
            modified: PUBLISHED,
            created_client: String::new(),
            modified_client: String::new(),
            created_user: String::new(),
            modified_user: String::new(),
            org: String::new(),
            tenant: String::new(),
            sandbox_id: String::new(),
            etag: String::new(),
        }
    }

    /// The title, empty when there is none.
    pub(crate) fn title(&self) -> &str {
        self.body.get("title").and_then(Value::as_str).unwrap_or_default()
    }

    /// The same resource with another body: the minor version grows.
    #[must_use]
    pub(super) fn changed(&self, body: Map<String, Value>, caller: &Caller, now_ms: i64) -> Self {
        let mut next = self.clone();
        next.body = body;
        next.modified_client.clone_from(&caller.client_id);
        next.modified_user.clone_from(&caller.user);
        next.grow(now_ms);
        next
    }

    /// Raises the minor version.
    pub(super) fn grow(&mut self, now_ms: i64) {
        let minor = self.version.split('.').nth(1).and_then(|minor| minor.parse::<u64>().ok()).unwrap_or(0);
        self.version = format!("1.{}", minor + 1);
        self.modified = now_ms;
        self.etag = ids::hex32();
    }

    /// Whether a tag can never be taken away again.
    pub(crate) fn has_immutable_tag(&self, tag: &str) -> bool {
        self.body
            .get("meta:immutableTags")
            .and_then(Value::as_array)
            .is_some_and(|tags| tags.iter().any(|t| t == tag))
    }

    fn is_global(&self) -> bool {
        self.tenant.is_empty()
    }

    /// The short form of a list.
    pub(super) fn summary(&self) -> Value {
        json!({"$id": self.id, "meta:altId": alt_id(&self.id), "version": self.version, "title": self.title()})
    }

    fn registry_metadata(&self) -> Value {
        let mut metadata = json!({"repo:createdDate": self.created, "repo:lastModifiedDate": self.modified});
        if let Some(map) = metadata.as_object_mut().filter(|_| !self.is_global()) {
            map.insert("xdm:createdClientId".into(), json!(self.created_client));
            map.insert("xdm:lastModifiedClientId".into(), json!(self.modified_client));
            map.insert("xdm:createdUserId".into(), json!(self.created_user));
            map.insert("xdm:lastModifiedUserId".into(), json!(self.modified_user));
            map.insert("eTag".into(), json!(self.etag));
            map.insert("meta:globalLibVersion".into(), json!("1.46.0"));
        }
        metadata
    }
}

impl Registry {
    /// The raw form: what the owner wrote and what the service adds.
    pub(super) fn raw(&self, resource: &Resource) -> Map<String, Value> {
        let mut out = Map::new();
        out.insert("$id".into(), json!(resource.id));
        out.insert("meta:altId".into(), json!(alt_id(&resource.id)));
        out.insert("meta:resourceType".into(), json!(resource.kind.word()));
        out.insert("version".into(), json!(resource.version));
        out.extend(resource.body.clone());
        out.insert("refs".into(), json!(rules::direct_refs(&resource.body)));
        if matches!(resource.kind, Kind::Schemas | Kind::Classes) {
            let full = self.resolve(resource);
            out.insert("meta:extends".into(), json!(full.extends));
            if let Some(class) = &full.class {
                out.insert("meta:class".into(), json!(class));
            }
        }
        out.insert("meta:extensible".into(), json!(resource.kind != Kind::Schemas));
        out.insert("meta:abstract".into(), json!(resource.kind != Kind::Schemas));
        out.insert("meta:xdmType".into(), json!("object"));
        out.insert("meta:registryMetadata".into(), resource.registry_metadata());
        if resource.is_global() {
            out.insert("meta:containerId".into(), json!("global"));
            out.insert("meta:status".into(), json!("stable"));
        } else {
            out.insert("imsOrg".into(), json!(resource.org));
            out.insert("meta:containerId".into(), json!("tenant"));
            out.insert("meta:sandboxId".into(), json!(resource.sandbox_id));
            out.insert("meta:sandboxType".into(), json!("production"));
            out.insert("meta:tenantNamespace".into(), json!(format!("_{}", resource.tenant)));
        }
        out
    }

    fn resolve(&self, resource: &Resource) -> Arc<Resolved> {
        self.full_schema(&resource.id).unwrap_or_else(|| Arc::new(View::of(self).resolve(resource)))
    }

    /// The form that the Accept header asked for.
    pub(super) fn render(&self, resource: &Resource, form: &Form) -> Value {
        let mut out = self.raw(resource);
        if form.full {
            let full = self.resolve(resource);
            for member in ["allOf", "definitions", "refs"] {
                out.shift_remove(member);
            }
            out.insert("properties".into(), Value::Object(full.properties.clone()));
            if !full.required.is_empty() {
                out.insert("required".into(), json!(full.required));
            }
        }
        let mut out = Value::Object(out);
        match form.text {
            Text::All => {}
            Text::DescriptionsOnly => strip(&mut out, &["title", "meta:titleId"]),
            Text::None => strip(&mut out, &["title", "description", "meta:titleId", "meta:descriptionId"]),
        }
        out
    }
}

/// Removes texts wherever they are texts: a field may itself be called `title`.
fn strip(value: &mut Value, members: &[&str]) {
    match value {
        Value::Object(map) => {
            map.retain(|key, member| !(members.contains(&key.as_str()) && member.is_string()));
            map.values_mut().for_each(|member| strip(member, members));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| strip(item, members)),
        _ => {}
    }
}

/// The dotted form of an `$id`.
pub(crate) fn alt_id(id: &str) -> String {
    format!("_{}", id.trim_start_matches("https://ns.adobe.com/").replace('/', "."))
}

/// The `$id` behind a path parameter, which may be the dotted form.
pub(crate) fn full_id(parameter: &str) -> String {
    match parameter.strip_prefix('_') {
        Some(rest) => format!("https://ns.adobe.com/{}", rest.replace('.', "/")),
        None => parameter.to_owned(),
    }
}
