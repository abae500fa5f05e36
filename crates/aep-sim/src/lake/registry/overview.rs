//! What the registry says about itself: `/stats`, where a client learns the tenant id, and union schemas.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::accept;
use super::resource::alt_id;
use super::{Context, Kind, Refusal, Registry, Resource, full_id};
use crate::wire::Reply;

/// How many recent resources `/stats` names.
const RECENT: usize = 5;

impl Registry {
    pub(super) fn stats(&self, context: &Context<'_>) -> Reply {
        let all = self.tenant_resources();
        let count = |kind: Kind| all.iter().filter(|resource| resource.kind == kind).count();
        let mut by_change = all.clone();
        by_change.sort_by_key(|resource| resource.modified);
        let recent = |sorted: &[&Resource]| -> Vec<Value> {
            sorted.iter().rev().take(RECENT).map(|r| r.summary()).collect()
        };
        let body = json!({
            "imsOrg": context.caller.org,
            "tenantId": context.caller.tenant,
            "counts": {
                "schemas": count(Kind::Schemas),
                "mixins": count(Kind::Mixins),
                "datatypes": count(Kind::Datatypes),
                "classes": count(Kind::Classes),
                "unions": self.union_members().len(),
            },
            "recentlyCreatedResources": recent(&all),
            "recentlyUpdatedResources": recent(&by_change),
            "classUsage": self.class_usage(),
        });
        Reply::json(200, body)
    }

    fn class_of(&self, schema: &Resource) -> Option<String> {
        self.full_schema(&schema.id)?.class.clone()
    }

    fn class_usage(&self) -> Vec<Value> {
        let mut usage: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for schema in self.tenant_resources().into_iter().filter(|resource| resource.kind == Kind::Schemas) {
            if let Some(class) = self.class_of(schema) {
                let item =
                    json!({"$id": schema.id, "title": schema.title(), "meta:altId": alt_id(&schema.id)});
                usage.entry(class).or_default().push(item);
            }
        }
        let title = |class: &str| self.get(class).map(|class| class.title().to_owned()).unwrap_or_default();
        let entry = |(class, schemas): (String, Vec<Value>)| json!({"$id": class, "title": title(&class), "numberOfSchemas": schemas.len(), "schemas": schemas});
        usage.into_iter().map(entry).collect()
    }

    /// Schemas enabled for Profile, by class.
    fn union_members(&self) -> BTreeMap<String, Vec<&Resource>> {
        let mut members: BTreeMap<String, Vec<&Resource>> = BTreeMap::new();
        let all = self.tenant_resources().into_iter();
        for schema in
            all.filter(|resource| resource.kind == Kind::Schemas && resource.has_immutable_tag("union"))
        {
            if let Some(class) = self.class_of(schema) {
                members.entry(class).or_default().push(schema);
            }
        }
        members
    }

    pub(super) fn unions(&self, context: &Context<'_>) -> Result<Reply, Refusal> {
        let short = accept::list(context)?;
        let show = |(class, members): (&String, &Vec<&Resource>)| {
            let union = self.union_body(context, class, members, false);
            let summary = ["$id", "meta:altId", "version", "title"];
            let keep = |key: &str| !short || summary.contains(&key);
            Value::Object(union.into_iter().filter(|(key, _)| keep(key)).collect())
        };
        let results: Vec<Value> = self.union_members().iter().map(show).collect();
        let page = json!({"orderby": "updated", "next": null, "count": results.len()});
        Ok(Reply::json(200, json!({"results": results, "_page": page, "_links": {"next": null}})))
    }

    pub(super) fn union(&self, context: &Context<'_>, id: &str) -> Result<Reply, Refusal> {
        let form = accept::lookup(context)?;
        let id = full_id(id);
        let members = self.union_members();
        let class = id.strip_suffix("__union").unwrap_or_default();
        let found = members.get(class).ok_or_else(|| Refusal::not_found(&id, form.major))?;
        Ok(Reply::json(200, Value::Object(self.union_body(context, class, found, form.full))))
    }

    fn union_body(
        &self,
        context: &Context<'_>,
        class: &str,
        members: &[&Resource],
        full: bool,
    ) -> Map<String, Value> {
        let id = format!("{class}__union");
        let mut out = Map::new();
        out.insert("$id".into(), json!(id));
        out.insert("meta:altId".into(), json!(alt_id(&id)));
        out.insert("meta:resourceType".into(), json!("unions"));
        out.insert("version".into(), json!("1.0"));
        out.insert("title".into(), json!(self.get(class).map(Resource::title)));
        out.insert("type".into(), json!("object"));
        out.insert("description".into(), json!("All schemas of this class that are enabled for Profile."));
        let resolved: Vec<_> = members.iter().filter_map(|schema| self.full_schema(&schema.id)).collect();
        if full {
            let mut properties = Map::new();
            for schema in &resolved {
                properties.extend(schema.properties.clone());
            }
            out.insert("properties".into(), Value::Object(properties));
        } else {
            let parts: Vec<Value> = members.iter().map(|schema| json!({"$ref": schema.id})).collect();
            out.insert("allOf".into(), json!(parts));
        }
        let ids: Vec<&str> = members.iter().map(|schema| schema.id.as_str()).collect();
        out.insert("meta:extends".into(), json!(ids));
        out.insert("meta:class".into(), json!(class));
        out.insert("meta:xdmType".into(), json!("object"));
        out.insert("meta:containerId".into(), json!("tenant"));
        out.insert("meta:sandboxId".into(), json!(context.caller.sandbox_id));
        out.insert("imsOrg".into(), json!(context.caller.org));
        out
    }
}
