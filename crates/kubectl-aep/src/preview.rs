//! One sample record through the rows of a mapping, by Data Prep's preview.

use std::path::Path;

use aep_operator::aep::model::{MappingRow, NewMappingSet, RowFailure, SchemaRef};
use aep_operator::aep::spec;
use aep_operator::api::mapping::RowType;
use aep_operator::api::{IngestionMapping, StripeBaseConnection, StripeSourceConnection};
use aep_operator::cluster::Cluster;
use aep_operator::controller::site::{self, Site};
use aep_operator::domain::mapping::{Row, fill_tenant, rows};
use anyhow::{Context as _, Result, bail};
use kube::{Client, ResourceExt};
use serde::Serialize;
use serde_json::{Value, json};

use crate::args;
use crate::manifest::{self, Manifest};
use crate::reach::Reach;

/// What a mapping makes of a record.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    /// The record in the shape of the target schema.
    pub data: Value,
    /// The rows that failed.
    pub errors: Vec<RowError>,
}

/// A row that gave no value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RowError {
    /// The row's source.
    pub source: String,
    /// The row's destination.
    pub destination: String,
    /// Why.
    pub message: String,
}

impl From<RowFailure> for RowError {
    fn from(failure: RowFailure) -> Self {
        Self { source: failure.source, destination: failure.destination, message: failure.message }
    }
}

/// Puts the record through.
pub async fn show(client: Client, args: &args::Preview) -> Result<Shown> {
    let namespace = args.namespace.as_deref().unwrap_or_else(|| client.default_namespace()).to_owned();
    let record = record(&args.record)?;
    let reach = Reach::anonymous(client, &args.endpoints)?;
    let cluster = &reach.cx.cluster;
    let mapping = match (&args.filename, &args.name) {
        (Some(file), _) => of_file(cluster, file, &namespace).await?,
        (None, name) => get(cluster, &namespace, name.as_deref().unwrap_or_default()).await?,
    };
    let namespace = mapping.namespace().unwrap_or(namespace);
    let source: StripeSourceConnection =
        get(cluster, &namespace, &mapping.spec.source_connection_ref.name).await?;
    let base: StripeBaseConnection = get(cluster, &namespace, &source.spec.base_connection_ref.name).await?;
    let site = site::open(&reach.cx, &base).await?;
    let tenant = site.session.stats().await?.tenant_id;
    let rows = fill_tenant(rows(&mapping.spec, source.spec.resource_path)?, &tenant)?;
    let set = NewMappingSet {
        name: mapping.name_any(),
        schema: SchemaRef {
            id: schema_id(&mapping, &site).await?,
            content_type: spec::SCHEMA_CONTENT_TYPE.to_owned(),
        },
        rows: rows.iter().map(row).collect(),
    };
    let preview = site.session.preview_mapping_set(&set, &record).await?;
    Ok(Shown { data: preview.data, errors: preview.failures.into_iter().map(RowError::from).collect() })
}

async fn get<K: aep_operator::cluster::Kind>(cluster: &Cluster, namespace: &str, name: &str) -> Result<K> {
    let found = cluster.get_opt(namespace, name).await?;
    found.with_context(|| format!("there is no {} {namespace}/{name}", K::kind(&())))
}

/// The mapping of a file, with the status of the one of its name in the cluster: that knows the schema.
async fn of_file(cluster: &Cluster, file: &Path, namespace: &str) -> Result<IngestionMapping> {
    let mut mappings = manifest::read(&[file.to_owned()])?.into_iter().filter_map(|found| match found {
        Manifest::Mapping(mapping, _) => Some(*mapping),
        _ => None,
    });
    let (Some(mut mapping), None) = (mappings.next(), mappings.next()) else {
        bail!("{} should hold exactly one IngestionMapping", file.display());
    };
    let namespace = mapping.namespace().unwrap_or_else(|| namespace.to_owned());
    let living = cluster.get_opt::<IngestionMapping>(&namespace, &mapping.name_any()).await?;
    mapping.status = living.and_then(|living| living.status);
    Ok(mapping)
}

fn row(row: &Row) -> MappingRow {
    match row.row_type {
        RowType::Attribute => MappingRow::attribute(&row.source, &row.destination),
        RowType::Expression => MappingRow::expression(&row.source, &row.destination),
    }
}

/// The `$id` of the target schema: as spec names it, or as the operator has found or made it.
async fn schema_id(mapping: &IngestionMapping, site: &Site) -> Result<String> {
    let existing = mapping.spec.target_schema.existing.as_ref();
    let recorded = mapping.status.as_ref().and_then(|status| status.schema_id.clone());
    if let Some(id) = existing.and_then(|existing| existing.id.clone()).or(recorded) {
        return Ok(id);
    }
    let managed = mapping.spec.target_schema.managed.as_ref().map(|managed| &managed.title);
    let title = existing.and_then(|existing| existing.title.as_ref()).or(managed);
    let title = title.context("targetSchema names no schema")?;
    let found = site.session.find_resources(aep_operator::aep::model::ResourceKind::Schema, title).await?;
    let mut found = found.into_iter().filter(|schema| schema.title == *title);
    match (found.next(), found.next()) {
        (Some(schema), None) => Ok(schema.id),
        _ => bail!(
            "Data Prep previews against a schema that exists, and sandbox {} has no single one titled {title}",
            site.sandbox
        ),
    }
}

/// The record, below `data`.
fn record(file: &Path) -> Result<Value> {
    let text = manifest::text(file)?;
    let record: Value =
        serde_json::from_str(&text).with_context(|| format!("{} holds no JSON", file.display()))?;
    below_data(record).with_context(|| format!("{} should hold one JSON object", file.display()))
}

fn below_data(record: Value) -> Option<Value> {
    let members = record.as_object()?;
    Some(if members.get("data").is_some_and(Value::is_object) { record } else { json!({ "data": record }) })
}

/// The leaves of a record, by path.
pub fn leaves(value: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect(value, String::new(), &mut found);
    found
}

fn collect(value: &Value, path: String, found: &mut Vec<(String, String)>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(members) if !members.is_empty() => {
            members.iter().for_each(|(name, member)| collect(member, below(name), found));
        }
        Value::String(text) => found.push((path, text.clone())),
        other => found.push((path, other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_put_below_data_unless_it_is_there() {
        assert_eq!(below_data(json!({"id": "ch_1"})), Some(json!({"data": {"id": "ch_1"}})));
        assert_eq!(below_data(json!({"data": {"id": "ch_1"}})), Some(json!({"data": {"id": "ch_1"}})));
        assert_eq!(below_data(json!([1])), None);
    }

    #[test]
    fn leaves_are_named_by_their_paths() {
        let record = json!({"_t": {"charges": {"id": "ch_1", "amount": 5, "list": [1, 2], "none": {}}}});
        let leaves = leaves(&record);
        let expected = [("id", "ch_1"), ("amount", "5"), ("list", "[1,2]"), ("none", "{}")];
        let expected = expected.map(|(name, value)| (format!("_t.charges.{name}"), value.to_owned()));
        assert_eq!(leaves, expected);
    }
}
