//! Descriptors: what a field of a schema means, above all which field identifies a person.
//!
//! They are not versioned and answer to other Accept headers than resources do.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use axum::http::Method;

use super::accept::{self, Media};
use super::{Context, Refusal, Registry, list};
use crate::lake::{ids, visible, xdm};
use crate::wire::{Caller, Reply};

/// Per sandbox.
const MAX_DESCRIPTORS: usize = 4000;

const TYPES: [&str; 8] = [
    "xdm:descriptorIdentity",
    "xdm:descriptorReferenceIdentity",
    "xdm:descriptorOneToOne",
    "xdm:descriptorOneToMany",
    "xdm:descriptorManyToMany",
    "xdm:descriptorRelationship",
    "xdm:descriptorPrimaryKey",
    "xdm:alternateDisplayInfo",
];

/// One descriptor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Descriptor {
    pub(crate) id: String,
    pub(crate) body: Map<String, Value>,
    org: String,
    sandbox_id: String,
    created: i64,
    modified: i64,
    client: String,
    user: String,
}

impl Descriptor {
    fn text(&self, member: &str) -> &str {
        self.body.get(member).and_then(Value::as_str).unwrap_or_default()
    }

    /// The schema it belongs to.
    pub(crate) fn schema(&self) -> &str {
        self.text("xdm:sourceSchema")
    }

    /// Its `@type`.
    pub(crate) fn kind(&self) -> &str {
        self.text("@type")
    }

    /// Whether it marks the primary identity.
    pub(crate) fn is_primary(&self) -> bool {
        self.kind() == "xdm:descriptorIdentity" && self.body.get("xdm:isPrimary") == Some(&Value::Bool(true))
    }

    /// The whole object as an answer shows it.
    pub(crate) fn render(&self) -> Value {
        let mut out = Map::new();
        out.insert("@id".into(), json!(self.id));
        out.extend(self.body.clone());
        out.insert("imsOrg".into(), json!(self.org));
        out.insert("version".into(), json!("1"));
        out.insert("meta:containerId".into(), json!("tenant"));
        out.insert("meta:sandboxId".into(), json!(self.sandbox_id));
        out.insert("meta:sandboxType".into(), json!("production"));
        for (member, writer) in
            [("createdUser", &self.user), ("updatedUser", &self.user), ("createdClient", &self.client)]
        {
            out.insert(member.into(), json!(writer));
        }
        out.insert("created".into(), json!(self.created));
        out.insert("updated".into(), json!(self.modified));
        let metadata = json!({
            "repo:createdDate": self.created, "repo:lastModifiedDate": self.modified,
            "xdm:createdClientId": self.client, "xdm:lastModifiedClientId": self.client,
            "xdm:createdUserId": self.user, "xdm:lastModifiedUserId": self.user,
        });
        out.insert("meta:registryMetadata".into(), metadata);
        Value::Object(out)
    }
}

impl Registry {
    pub(super) fn descriptor_collection(&mut self, context: &Context<'_>) -> Result<Reply, Refusal> {
        match context.call.method {
            Method::GET => self.list_descriptors(context),
            Method::POST => {
                let body = self.judge_descriptor(context, None)?;
                if self.descriptors.len() >= MAX_DESCRIPTORS {
                    return Err(Refusal::descriptor(format!(
                        "A sandbox holds at most {MAX_DESCRIPTORS} descriptors."
                    )));
                }
                let descriptor = self.store_descriptor(ids::hex40(), body, context.caller, context.now_ms);
                Ok(Reply::json(201, descriptor))
            }
            _ => Err(Refusal::method("This method does not exist here.")),
        }
    }

    pub(super) fn descriptor(&mut self, context: &Context<'_>, id: &str) -> Result<Reply, Refusal> {
        let found = self.descriptors.get(id).ok_or_else(|| Refusal::not_found(id, 1))?;
        match context.call.method {
            Method::GET => {
                check_lookup_accept(context)?;
                Ok(Reply::json(200, found.render()))
            }
            Method::PUT => {
                let created = found.created;
                self.check_primary_stays(id, &context.call.json().unwrap_or_default())?;
                let body = self.judge_descriptor(context, Some(id))?;
                self.store_descriptor(id.to_owned(), body, context.caller, context.now_ms);
                if let Some(descriptor) = self.descriptors.get_mut(id) {
                    descriptor.created = created;
                }
                // The guide shows 201 with the id alone, the API description 200 with all of it.
                Ok(Reply::json(201, json!({"@id": id})))
            }
            Method::DELETE => {
                self.check_primary_stays(id, &Value::Null)?;
                self.descriptors.remove(id);
                Ok(Reply::empty(204))
            }
            _ => Err(Refusal::method("This method does not exist here.")),
        }
    }

    /// The primary identity of a schema in the union can be neither removed nor demoted.
    fn check_primary_stays(&self, id: &str, next: &Value) -> Result<(), Refusal> {
        let Some(current) = self.descriptors.get(id).filter(|current| current.is_primary()) else {
            return Ok(());
        };
        let schema = self.resources.get(current.schema());
        let demoted = next.get("xdm:isPrimary") != Some(&Value::Bool(true));
        if demoted && schema.is_some_and(|schema| schema.has_immutable_tag("union")) {
            return Err(Refusal::forbidden(
                "The primary identity of a schema that is enabled for Profile stays.",
            ));
        }
        Ok(())
    }

    /// Stores a descriptor without judging it.
    pub(crate) fn store_descriptor(
        &mut self,
        id: String,
        body: Map<String, Value>,
        caller: &Caller,
        now_ms: i64,
    ) -> Value {
        let descriptor = Descriptor {
            id: id.clone(),
            body,
            org: caller.org.clone(),
            sandbox_id: caller.sandbox_id.clone(),
            created: now_ms,
            modified: now_ms,
            client: caller.client_id.clone(),
            user: caller.user.clone(),
        };
        let rendered = descriptor.render();
        self.descriptors.insert(id, descriptor);
        rendered
    }

    fn judge_descriptor(
        &self,
        context: &Context<'_>,
        own_id: Option<&str>,
    ) -> Result<Map<String, Value>, Refusal> {
        let Some(Value::Object(mut body)) = context.call.json() else {
            return Err(Refusal::descriptor("The body must be a JSON object."));
        };
        body.retain(|key, _| key.starts_with("xdm:") || key == "@type" || key == "meta:enum");
        let text = |member: &str| body.get(member).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (kind, schema, property) = (text("@type"), text("xdm:sourceSchema"), text("xdm:sourceProperty"));
        if !TYPES.contains(&kind.as_str()) {
            return Err(Refusal::descriptor(format!("{kind:?} is not a type of descriptor.")));
        }
        let full = self.full_schema(&schema);
        let full =
            full.ok_or_else(|| Refusal::descriptor(format!("The source schema {schema:?} does not exist.")))?;
        let version = body.get("xdm:sourceVersion").map(crate::lake::compare::text);
        if version.as_deref() != Some("1") {
            return Err(Refusal::descriptor(
                "The member xdm:sourceVersion must be the major version of the schema, 1.",
            ));
        }
        let path: Vec<&str> = property.split('/').skip(1).collect();
        let field = xdm::field_at(&full.as_field(), &path).cloned();
        let field = field.filter(|_| property.starts_with('/'));
        let field =
            field.ok_or_else(|| Refusal::descriptor(format!("The schema has no field {property:?}.")))?;
        let others = || self.descriptors.values().filter(|other| Some(other.id.as_str()) != own_id);
        let same = |other: &Descriptor| {
            other.schema() == schema && other.kind() == kind && other.text("xdm:sourceProperty") == property
        };
        let may_repeat = kind == "xdm:alternateDisplayInfo" || context.switches.second_descriptor_allowed;
        if !may_repeat && others().any(same) {
            return Err(Refusal::descriptor(format!(
                "The field {property} already has a descriptor of this type."
            )));
        }
        if kind == "xdm:descriptorIdentity" {
            check_identity(&body, &field, &property)?;
            let primary = body.get("xdm:isPrimary") == Some(&Value::Bool(true));
            if let Some(other) =
                others().find(|other| primary && other.is_primary() && other.schema() == schema)
            {
                return Err(Refusal::descriptor(format!(
                    "The schema already has a primary identity, {}.",
                    other.id
                )));
            }
        }
        Ok(body)
    }

    fn list_descriptors(&self, context: &Context<'_>) -> Result<Reply, Refusal> {
        let header = accept::header(context);
        let refused = || Refusal::accept_descriptor_list(header);
        let Some(Media { family: "xdm", variant, version: None }) = accept::parse(header) else {
            return Err(refused());
        };
        let (paged, form) = match variant.strip_prefix("-v2") {
            Some(form) => (true, form),
            None => (false, variant),
        };
        let show = |descriptor: &Descriptor| match form {
            "-id" => Some(json!(descriptor.id)),
            "-link" => Some(json!(format!("/tenant/descriptors/{}", descriptor.id))),
            "" => Some(descriptor.render()),
            _ => None,
        };
        let mut found = Vec::new();
        let lag_ms = context.switches.list_lag_ms;
        for descriptor in
            self.descriptors.values().filter(|found| visible(found.created, context.now_ms, lag_ms))
        {
            let object = descriptor.render();
            if list::matches(context.call, |name| object.get(name).cloned().unwrap_or(Value::Null))? {
                found.push((
                    descriptor.kind(),
                    descriptor.id.as_str(),
                    show(descriptor).ok_or_else(refused)?,
                ));
            }
        }
        if paged {
            return descriptor_page(context, found);
        }
        let mut grouped = Map::new();
        for (kind, _, shown) in found {
            if let Value::Array(group) = grouped.entry(kind).or_insert_with(|| json!([])) {
                group.push(shown);
            }
        }
        Ok(Reply::json(200, Value::Object(grouped)))
    }
}

/// Version 2 of the list: pages in the order of the ids.
fn descriptor_page(context: &Context<'_>, found: Vec<(&str, &str, Value)>) -> Result<Reply, Refusal> {
    let limit = match context.call.query("limit").map(str::parse::<usize>) {
        None => 300,
        Some(Ok(limit @ 0..=500)) => limit.clamp(1, 300),
        Some(_) => return Err(Refusal::query("The parameter limit must be a number between 0 and 500.")),
    };
    let start = context.call.query("start").unwrap_or_default();
    let rest: Vec<_> = found.into_iter().filter(|(_, id, _)| *id > start).collect();
    let next = (rest.len() > limit).then(|| rest[limit - 1].1.to_owned());
    let results: Vec<Value> = rest.into_iter().take(limit).map(|(_, _, shown)| shown).collect();
    let page = json!({"orderby": "@id", "next": next, "count": results.len()});
    Ok(Reply::json(200, json!({"results": results, "_page": page, "_links": {"next": null}})))
}

fn check_identity(body: &Map<String, Value>, field: &Value, property: &str) -> Result<(), Refusal> {
    if field.get("type").and_then(Value::as_str) != Some("string") {
        return Err(Refusal::descriptor(format!("The identity field {property} must be a string.")));
    }
    if body.get("xdm:namespace").is_none_or(|namespace| namespace.as_str() == Some("") || namespace.is_null())
    {
        return Err(Refusal::descriptor("An identity needs the member xdm:namespace."));
    }
    if !matches!(body.get("xdm:property").and_then(Value::as_str), Some("xdm:code" | "xdm:id")) {
        return Err(Refusal::descriptor(
            "The member xdm:property of an identity must be xdm:code or xdm:id.",
        ));
    }
    if body.get("xdm:isPrimary").is_some_and(|primary| !primary.is_boolean()) {
        return Err(Refusal::descriptor("The member xdm:isPrimary must be true or false."));
    }
    Ok(())
}

/// A look-up needs no Accept header, but a header of the registry's own family must be the right one.
fn check_lookup_accept(context: &Context<'_>) -> Result<(), Refusal> {
    let header = accept::header(context);
    match accept::parse(header) {
        None if !header.contains("vnd.adobe") => Ok(()),
        Some(Media { family: "xdm", variant: "", version: None }) => Ok(()),
        _ => Err(Refusal::accept_descriptor_lookup(header)),
    }
}
