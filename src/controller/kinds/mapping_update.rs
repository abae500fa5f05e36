//! Changes of what a mapping owns: growth of a managed schema, then a new version of the mapping set.

use serde_json::Value;

use super::mapping_checks;
use crate::aep::Patch;
use crate::aep::model::{self, ResourceKind};
use crate::api::IngestionMapping;
use crate::api::condition::Reason;
use crate::api::role::Role;
use crate::api::status::ExternalObject;
use crate::controller::adoption::lines;
use crate::controller::managed::{Change, Shape};
use crate::controller::upstream::{self, Object};
use crate::domain::drift::Drift;
use crate::domain::mapping::{BreakingChange, UpstreamKind, UpstreamRow, growth, row_drift, row_lines};
use crate::domain::marker::Marker;
use crate::domain::outcome::Obstacle;

/// The difference of one object of a mapping.
pub(super) fn drift(
    mapping: &IngestionMapping,
    shape: &Shape<'_, IngestionMapping>,
    role: Role,
    object: &Object,
) -> Drift {
    let marker = object.marker().map(|marker| marker.to_string()).unwrap_or_default();
    let mut drift = Drift::default().field("marker", shape.marker(role), marker);
    if let Object::Resource(_) = object {
        let description = mapping.spec.description.as_deref().unwrap_or_default().trim_end();
        drift = drift.field("description", description, Marker::text_before(object.description()));
    }
    match object {
        Object::Resource(resource) if role == Role::FieldGroup => {
            let (missing, breaking) = match growth_of(shape, resource) {
                Ok(missing) => (
                    missing
                        .iter()
                        .filter_map(|op| op["path"].as_str().map(str::to_owned))
                        .collect::<Vec<_>>(),
                    String::new(),
                ),
                Err(breaking) => (Vec::new(), describe(&breaking)),
            };
            drift.field("fields", missing.join(", "), "").field("breaking", breaking, "")
        }
        Object::Resource(resource) => {
            let class = mapping
                .spec
                .target_schema
                .managed
                .as_ref()
                .map(|managed| managed.class_id.as_str())
                .unwrap_or_default();
            drift.field("class", class, resource.class().unwrap_or(class))
        }
        Object::MappingSet(set) => drift
            .field(
                "displayName",
                Marker::text_before(&set_name(shape, set)),
                Marker::text_before(name_of(set)),
            )
            .field("rows", row_difference(shape, set), "")
            .field(
                "targetSchema",
                IngestionMapping::schema_id(shape).unwrap_or_default(),
                set.schema.id.as_str(),
            ),
        _ => drift,
    }
}

fn name_of(set: &model::MappingSet) -> &str {
    set.name.as_deref().unwrap_or_default()
}

fn set_name(shape: &Shape<'_, IngestionMapping>, set: &model::MappingSet) -> String {
    IngestionMapping::set_name(shape, Some(name_of(set)))
}

/// Every difference of a set that is to be taken over, each row on a line of its own.
pub(super) fn differences(
    mapping: &IngestionMapping,
    shape: &Shape<'_, IngestionMapping>,
    role: Role,
    object: &Object,
) -> Vec<String> {
    let mut differences = lines(&drift(mapping, shape, role, object));
    if let Object::MappingSet(set) = object {
        differences.retain(|line| !line.starts_with("rows:"));
        differences.extend(row_lines(&shape.desired.rows, &rows_of(set)));
    }
    differences
}

fn growth_of(
    shape: &Shape<'_, IngestionMapping>,
    resource: &model::Resource,
) -> Result<Vec<Value>, Vec<BreakingChange>> {
    match &shape.desired.properties {
        Some(properties) => growth(&resource.raw, properties, &shape.desired.tenant),
        None => Ok(Vec::new()),
    }
}

fn describe(breaking: &[BreakingChange]) -> String {
    let lines: Vec<String> = breaking.iter().map(ToString::to_string).collect();
    upstream::some_of(&lines)
}

fn rows_of(set: &model::MappingSet) -> Vec<UpstreamRow> {
    let kind = |kind: &Option<model::RowKind>| {
        UpstreamKind::parse(kind.map(model::RowKind::as_str).unwrap_or_default())
    };
    let row = |row: &model::MappingRow| UpstreamRow {
        kind: kind(&row.kind),
        source: row.source.clone(),
        destination: row.destination.clone(),
    };
    set.rows.iter().map(row).collect()
}

fn row_difference(shape: &Shape<'_, IngestionMapping>, set: &model::MappingSet) -> String {
    let drift = row_drift(&shape.desired.rows, &rows_of(set));
    if drift.is_empty() { String::new() } else { drift.to_string() }
}

/// Changes one object of a mapping.
pub(super) async fn update(
    mapping: &IngestionMapping,
    shape: &Shape<'_, IngestionMapping>,
    change: Change<'_>,
) -> Result<ExternalObject, Obstacle> {
    match change.object {
        Object::Resource(resource) => update_resource(mapping, shape, &change, resource).await,
        Object::MappingSet(set) => update_set(shape, &change, set).await,
        _ => Err(Obstacle::bug("a mapping owns no such object")),
    }
}

async fn update_resource(
    mapping: &IngestionMapping,
    shape: &Shape<'_, IngestionMapping>,
    change: &Change<'_>,
    resource: &model::Resource,
) -> Result<ExternalObject, Obstacle> {
    let role = change.role;
    if change.drift.has("class") {
        return Err(Obstacle::invalid(
            Reason::SchemaTitleTaken,
            format!(
                "spec.targetSchema.managed: a retained schema with this title has another class, {}: choose another title",
                resource.class().unwrap_or_default()
            ),
        ));
    }
    let kind = if role == Role::FieldGroup { ResourceKind::FieldGroup } else { ResourceKind::Schema };
    let mut patch = Patch::new();
    if kind == ResourceKind::FieldGroup {
        let additions = growth_of(shape, resource).map_err(|breaking| breaking_change(&breaking))?;
        for add in additions {
            patch = patch.add(add["path"].as_str().unwrap_or_default(), add["value"].clone());
        }
    }
    if change.drift.has("marker") || change.drift.has("description") {
        patch = patch.add("/description", shape.marker(role).describe(mapping.spec.description.as_deref()));
    }
    if patch.is_empty() {
        return Ok(change.object.external(role, shape.site()));
    }
    let patched = shape.site().session.patch_resource(change.gate, kind, &resource.id, &patch).await?;
    Ok(Object::Resource(patched).external(role, shape.site()))
}

fn breaking_change(breaking: &[BreakingChange]) -> Obstacle {
    let message = format!(
        "spec.mappings: the managed schema only grows: {}: undo the change, or build a new schema with another IngestionMapping",
        describe(breaking)
    );
    Obstacle::invalid(Reason::SchemaChangeRefused, message)
}

/// A PUT has no precondition. The newest version is read first: one that holds the rows already is the work of a PUT whose answer was lost.
async fn update_set(
    shape: &Shape<'_, IngestionMapping>,
    change: &Change<'_>,
    set: &model::MappingSet,
) -> Result<ExternalObject, Obstacle> {
    let session = &shape.site().session;
    let schema_id = IngestionMapping::schema_id(shape)?;
    if change.drift.has("targetSchema") {
        return Err(Obstacle::invalid(
            Reason::SchemaMismatch,
            format!(
                "the mapping set {} writes to another schema than {schema_id}: delete and apply this object to make a new one",
                set.id
            ),
        ));
    }
    let name = set_name(shape, set);
    let mut version = set.version.unwrap_or_default();
    while let Some(next) = session.get_mapping_set(&set.id, version + 1).await? {
        version += 1;
        if row_difference(shape, &next).is_empty() && name_of(&next) == name {
            return Ok(upstream::external(
                shape.site(),
                change.role,
                set.id.clone(),
                Some(version.to_string()),
            ));
        }
    }
    mapping_checks::check_rows(shape, schema_id).await?;
    let put =
        session.put_mapping_set(change.gate, &set.id, &shape.desired.mapping_set(name, schema_id)).await?;
    Ok(upstream::external(shape.site(), change.role, put.id, Some(put.version.to_string())))
}
