//! A new version of a mapping set.
//!
//! A PUT has no precondition. It is announced with the set, the version that it is made from, and a hash of what is sent; a version that
//! has that hash is the work of a PUT whose answer was lost. Versions of others in between are passed over: flows name the version that
//! they use, so those change nothing.

use super::mapping_checks;
use crate::aep::model;
use crate::api::IngestionMapping;
use crate::api::condition::Reason;
use crate::api::role::Role;
use crate::api::status::ExternalObject;
use crate::controller::announce::waiting_for_change;
use crate::controller::context::Context;
use crate::controller::hash;
use crate::controller::managed::{Before, Change, Shape};
use crate::controller::upstream;
use crate::domain::drift::Drift;
use crate::domain::intent::Announced;
use crate::domain::mapping::{UpstreamKind, UpstreamRow, row_drift};
use crate::domain::marker::Marker;
use crate::domain::outcome::{Class, Obstacle};

type MappingShape<'a> = Shape<'a, IngestionMapping>;

/// More versions than anybody makes between two looks; an answer that knows every version would be followed for ever.
const MOST_VERSIONS: i64 = 500;

/// The difference of a mapping set.
pub(super) fn drift(shape: &MappingShape<'_>, set: &model::MappingSet) -> Drift {
    let rows = row_drift(&shape.desired.rows, &upstream_rows(set));
    Drift::default()
        .field("displayName", Marker::text_before(&set_name(shape, set)), Marker::text_before(name_of(set)))
        .field("rows", rows, "")
        .field("targetSchema", IngestionMapping::schema_id(shape).unwrap_or_default(), set.schema.id.as_str())
}

pub(super) fn upstream_rows(set: &model::MappingSet) -> Vec<UpstreamRow> {
    let kind = |row: &model::MappingRow| {
        UpstreamKind::parse(row.kind.map(model::RowKind::as_str).unwrap_or_default())
    };
    set.rows
        .iter()
        .map(|row| UpstreamRow {
            kind: kind(row),
            source: row.source.clone(),
            destination: row.destination.clone(),
        })
        .collect()
}

fn name_of(set: &model::MappingSet) -> &str {
    set.name.as_deref().unwrap_or_default()
}

fn set_name(shape: &MappingShape<'_>, set: &model::MappingSet) -> String {
    IngestionMapping::set_name(shape, Some(name_of(set)))
}

/// A hash of what a version holds of ours.
fn hash_of(name: &str, schema_id: &str, mut rows: Vec<UpstreamRow>) -> String {
    rows.sort_unstable();
    hash::of(&(name, schema_id, rows))
}

fn hash_of_version(set: &model::MappingSet) -> String {
    hash_of(name_of(set), &set.schema.id, upstream_rows(set))
}

/// Looks for a version that holds the rows already, waits while one may still surface, checks the rows, and announces the next one.
pub(super) async fn before(
    cx: &Context,
    shape: &MappingShape<'_>,
    set: &model::MappingSet,
    drift: &Drift,
) -> Result<Before, Obstacle> {
    let schema_id = IngestionMapping::schema_id(shape)?;
    refuse_other_schema(set, schema_id, drift)?;
    let wanted =
        hash_of(&set_name(shape, set), schema_id, shape.desired.rows.iter().map(UpstreamRow::from).collect());
    let recorded = set.version.unwrap_or_default();
    let announced = shape
        .intent
        .and_then(|intent| intent.changes.get(&Role::MappingSet))
        .filter(|announced| announced.id == set.id && announced.version >= Some(recorded));
    let mut newest = recorded;
    let mut has_surfaced = false;
    while let Some(next) = shape.site().session.get_mapping_set(&set.id, newest + 1).await? {
        newest += 1;
        let hash = hash_of_version(&next);
        if hash == wanted {
            let version = Some(newest.to_string());
            return Ok(Before::Made(upstream::external(
                shape.site(),
                Role::MappingSet,
                set.id.clone(),
                version,
            )));
        }
        has_surfaced |= announced
            .is_some_and(|announced| announced.version < Some(newest) && announced.hashes.contains(&hash));
        if newest - recorded >= MOST_VERSIONS {
            return Err(too_many_versions(&set.id, recorded));
        }
    }
    if announced.is_some() && !has_surfaced {
        let grace = cx.memory.change_grace(shape.uid, Role::MappingSet, cx.settings.lookup_grace);
        if !grace.is_zero() {
            return Err(waiting_for_change(
                &format!("a new version of mapping set {} (after {newest})", set.id),
                grace,
            ));
        }
    }
    mapping_checks::check_rows(shape, schema_id).await?;
    Ok(Before::Announce(Announced { id: set.id.clone(), version: Some(newest), hashes: vec![wanted] }, 1))
}

fn refuse_other_schema(set: &model::MappingSet, schema_id: &str, drift: &Drift) -> Result<(), Obstacle> {
    if !drift.has("targetSchema") {
        return Ok(());
    }
    Err(Obstacle::invalid(
        Reason::SchemaMismatch,
        format!(
            "the mapping set {} writes to another schema than {schema_id}: delete and apply this object to make a new one",
            set.id
        ),
    ))
}

fn too_many_versions(id: &str, recorded: i64) -> Obstacle {
    Obstacle::new(
        Class::Unavailable,
        Reason::UpstreamUnavailable,
        format!(
            "mapping set {id} shows more than {MOST_VERSIONS} versions after {recorded}, the last that this object made"
        ),
    )
}

/// Sends the PUT that was announced.
pub(super) async fn update(
    shape: &MappingShape<'_>,
    mut change: Change<'_>,
    set: &model::MappingSet,
) -> Result<ExternalObject, Obstacle> {
    let permit =
        change.permits.pop().ok_or_else(|| Obstacle::bug("a PUT needs a permit from before its claim"))?;
    let new = shape.desired.mapping_set(set_name(shape, set), IngestionMapping::schema_id(shape)?);
    let put = shape.site().session.put_mapping_set(permit, change.gate, &set.id, &new).await?;
    Ok(upstream::external(shape.site(), change.role, put.id, Some(put.version.to_string())))
}
