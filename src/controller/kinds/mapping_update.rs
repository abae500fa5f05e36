//! Changes of what a mapping owns: growth of a managed schema, its identities and Profile, then a new version of the mapping set.

use super::{mapping_schema, mapping_set};
use crate::aep::Patch;
use crate::aep::model::{self, ResourceKind};
use crate::api::IngestionMapping;
use crate::api::condition::Reason;
use crate::api::mapping::RowFailure;
use crate::api::role::Role;
use crate::api::status::ExternalObject;
use crate::controller::adoption::lines;
use crate::controller::context::Context;
use crate::controller::described;
use crate::controller::managed::{Before, Change, Managed, Shape};
use crate::controller::upstream::Object;
use crate::domain::drift::Drift;
use crate::domain::mapping::{Addition, BreakingChange, growth, row_lines};
use crate::domain::marker::Marker;
use crate::domain::outcome::{Obstacle, some_of};

type MappingShape<'a> = Shape<'a, IngestionMapping>;

/// The difference of one object of a mapping.
pub(super) fn drift(
    mapping: &IngestionMapping,
    shape: &MappingShape<'_>,
    role: Role,
    object: &Object,
) -> Drift {
    let marker = object.marker().map(|marker| marker.to_string()).unwrap_or_default();
    let mut drift = Drift::default().field("marker", shape.marker(role), marker);
    if let Object::Resource(_) = object {
        let wanted = described::description(shape, role, object, mapping.spec.description.as_deref());
        drift = drift.field(
            "description",
            wanted.unwrap_or_default().trim_end(),
            Marker::text_before(object.description()),
        );
    }
    match object {
        Object::Resource(resource) if role == Role::FieldGroup => drift.and(growth_drift(shape, resource)),
        Object::Resource(resource) => drift.and(mapping_schema::drift(mapping, shape, resource)),
        Object::MappingSet(set) => drift.and(mapping_set::drift(shape, set)),
        _ => drift,
    }
}

fn growth_drift(shape: &MappingShape<'_>, group: &model::Resource) -> Drift {
    match growth_of(shape, group) {
        Ok(missing) => {
            let fields: Vec<String> = missing.into_iter().map(|addition| addition.path).collect();
            Drift::default().field("fields", fields.join(", "), "")
        }
        Err(breaking) => Drift::default().field("breaking", describe(&breaking), ""),
    }
}

/// Every difference of a set that is to be taken over, each row on a line of its own.
pub(super) fn differences(
    mapping: &IngestionMapping,
    shape: &MappingShape<'_>,
    role: Role,
    object: &Object,
) -> Vec<String> {
    let mut differences = lines(&drift(mapping, shape, role, object));
    if let Object::MappingSet(set) = object {
        differences.retain(|line| !line.starts_with("rows:"));
        differences.extend(row_lines(&shape.desired.rows, &mapping_set::upstream_rows(set)));
    }
    differences
}

/// Whether the field group, as it was observed, lacks fields that the rows need.
pub(super) fn is_to_grow(shape: &MappingShape<'_>) -> bool {
    match shape.objects.get(&Role::FieldGroup) {
        Some(Object::Resource(group)) => growth_of(shape, group).is_ok_and(|missing| !missing.is_empty()),
        _ => false,
    }
}

/// What would have to change in a field group and cannot, in words; `None` when it only has to grow.
pub(super) fn breaking(shape: &MappingShape<'_>, group: &model::Resource) -> Option<String> {
    growth_of(shape, group).err().map(|breaking| describe(&breaking))
}

fn growth_of(
    shape: &MappingShape<'_>,
    resource: &model::Resource,
) -> Result<Vec<Addition>, Vec<BreakingChange>> {
    match &shape.desired.properties {
        Some(properties) => growth(&resource.raw, properties, &shape.desired.tenant),
        None => Ok(Vec::new()),
    }
}

fn describe(breaking: &[BreakingChange]) -> String {
    let lines: Vec<String> = breaking.iter().map(ToString::to_string).collect();
    some_of(&lines)
}

/// What has to happen before one object of a mapping is changed.
pub(super) async fn before(
    mapping: &IngestionMapping,
    cx: &Context,
    shape: &MappingShape<'_>,
    (role, object): (Role, &Object),
    drift: &Drift,
) -> Result<Before, Obstacle> {
    match object {
        Object::MappingSet(set) => mapping_set::before(cx, shape, set, drift).await,
        Object::Resource(resource) if role == Role::Schema => {
            refuse_other_class(mapping, drift, resource)?;
            mapping_schema::before(cx, shape, resource, drift).await
        }
        _ => Ok(Before::Send),
    }
}

/// Changes one object of a mapping.
pub(super) async fn update(
    mapping: &IngestionMapping,
    shape: &MappingShape<'_>,
    change: Change<'_>,
) -> Result<ExternalObject, Obstacle> {
    match change.object {
        Object::Resource(group) if change.role == Role::FieldGroup => {
            update_group(mapping, shape, &change, group).await
        }
        Object::Resource(schema) => mapping_schema::update(mapping, shape, change, schema).await,
        Object::MappingSet(set) => mapping_set::update(shape, change, set).await,
        _ => Err(Obstacle::bug("a mapping owns no such object")),
    }
}

/// Grows the field group: missing properties are added, nothing is removed or retyped.
async fn update_group(
    mapping: &IngestionMapping,
    shape: &MappingShape<'_>,
    change: &Change<'_>,
    group: &model::Resource,
) -> Result<ExternalObject, Obstacle> {
    let additions = growth_of(shape, group).map_err(|breaking| refuse_breaking(shape, &breaking))?;
    let mut patch = Patch::new();
    for Addition { pointer, value, .. } in additions {
        patch = patch.add(pointer, value);
    }
    send_patch(mapping, shape, change, (ResourceKind::FieldGroup, group), patch).await
}

/// Sends a patch of a field group or schema, with the description if that differs.
pub(super) async fn send_patch(
    mapping: &IngestionMapping,
    shape: &MappingShape<'_>,
    change: &Change<'_>,
    (kind, resource): (ResourceKind, &model::Resource),
    mut patch: Patch,
) -> Result<ExternalObject, Obstacle> {
    if change.drift.has("marker") || change.drift.has("description") {
        let own = mapping.spec.description.as_deref();
        let description = described::description(shape, change.role, change.object, own);
        patch = patch.add("/description", shape.marker(change.role).describe(description));
    }
    if patch.is_empty() {
        return Ok(change.object.external(change.role, shape.site()));
    }
    let patched = shape.site().session.patch_resource(change.gate, kind, &resource.id, &patch).await?;
    Ok(Object::Resource(patched).external(change.role, shape.site()))
}

fn refuse_other_class(
    mapping: &IngestionMapping,
    drift: &Drift,
    schema: &model::Resource,
) -> Result<(), Obstacle> {
    if !drift.has("class") {
        return Ok(());
    }
    Err(Obstacle::invalid(
        Reason::SchemaTitleTaken,
        format!(
            "spec.targetSchema.managed: a retained schema titled {} has another class, {}: choose another title",
            mapping.upstream_name(Role::Schema),
            schema.class().unwrap_or_default()
        ),
    ))
}

/// A change that would break what a dataset or Profile may hold already. The rows that ask for it are listed.
fn refuse_breaking(shape: &MappingShape<'_>, breaking: &[BreakingChange]) -> Obstacle {
    let message = format!(
        "spec.mappings: the managed schema only grows: {}: undo the change, or build a new schema with another IngestionMapping",
        describe(breaking)
    );
    let failures = breaking.iter().flat_map(|change| {
        let rows = shape.desired.rows.iter().filter(|row| row.touches(&change.path));
        rows.map(|row| RowFailure {
            source: row.source.clone(),
            destination: row.destination.clone(),
            reason: change.to_string(),
        })
    });
    Obstacle { failures: failures.collect(), ..Obstacle::invalid(Reason::SchemaChangeRefused, message) }
}
