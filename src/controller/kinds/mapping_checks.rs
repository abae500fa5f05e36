//! What a mapping asks of Adobe before it writes: the tenant, the schema that exists, preflight and validation of the rows.

use super::parent::is_applied;
use crate::aep::model::ResourceKind;
use crate::aep::{self, spec};
use crate::api::IngestionMapping;
use crate::api::condition::Reason;
use crate::api::mapping::RowFailure;
use crate::controller::context::Context;
use crate::controller::managed::Shape;
use crate::controller::site::Site;
use crate::domain::mapping::{InvalidRows, Problem, preflight};
use crate::domain::outcome::{Class, Obstacle};

/// The tenant id of the organisation, asked for once.
pub(super) async fn tenant(cx: &Context, site: &Site) -> Result<String, Obstacle> {
    if let Some(tenant) = cx.known.tenant(&site.organization) {
        return Ok(tenant);
    }
    let tenant = site.session.stats().await?.tenant_id;
    cx.known.note_tenant(&site.organization, &tenant);
    Ok(tenant)
}

/// The `$id` of the schema that `targetSchema.existing` names; `None` for a managed one. Not asked again for a generation that is
/// applied already.
pub(super) async fn existing_schema(
    mapping: &IngestionMapping,
    site: &Site,
) -> Result<Option<String>, Obstacle> {
    let Some(existing) = &mapping.spec.target_schema.existing else { return Ok(None) };
    if let Some(id) = &existing.id {
        return Ok(Some(id.clone()));
    }
    let applied = mapping.status.as_ref().filter(|_| is_applied(mapping));
    if let Some(id) = applied.and_then(|status| status.schema_id.clone()) {
        return Ok(Some(id));
    }
    let title = existing.title.as_deref().unwrap_or_default();
    let found: Vec<String> = site
        .session
        .find_resources(ResourceKind::Schema, title)
        .await?
        .into_iter()
        .filter(|schema| schema.title == title)
        .map(|schema| schema.id)
        .collect();
    match found.as_slice() {
        [id] => Ok(Some(id.clone())),
        [] => Err(Obstacle::invalid(
            Reason::SchemaNotFound,
            format!(
                "spec.targetSchema.existing.title: sandbox {} has no schema titled {title}: create it there, or correct the title",
                site.sandbox
            ),
        )),
        several => Err(Obstacle::invalid(
            Reason::SchemaAmbiguous,
            format!(
                "spec.targetSchema.existing.title: several schemas are titled {title}: name one by id: {}",
                several.join(", ")
            ),
        )),
    }
}

/// Preflight against the full schema, then Data Prep's own validation. Nothing is written.
pub(super) async fn check_rows(shape: &Shape<'_, IngestionMapping>, schema_id: &str) -> Result<(), Obstacle> {
    let session = &shape.site().session;
    let schema = session.get_schema_full(schema_id).await?.ok_or_else(|| {
        Obstacle::invalid(Reason::SchemaNotFound, format!("spec.targetSchema: schema {schema_id} does not exist in sandbox {}: create it there, or correct the id", shape.site().sandbox))
    })?;
    refuse(
        preflight(&shape.desired.rows, &schema.raw),
        Reason::DestinationMissing,
        "the target schema does not fit these rows",
    )?;
    let set = shape.desired.mapping_set(IngestionMapping::set_name(shape, None), schema_id);
    let failures = session.validate_mapping_set(&set).await?.into_iter().map(|failure| RowFailure {
        source: failure.source,
        destination: failure.destination,
        reason: failure.message,
    });
    refuse(failures.collect(), Reason::RowsRefused, "Data Prep refuses these rows")
}

fn refuse(failures: Vec<RowFailure>, reason: Reason, what: &str) -> Result<(), Obstacle> {
    let Some(first) = failures.first() else { return Ok(()) };
    let more = failures.len() - 1;
    let others =
        if more == 0 { String::new() } else { format!(" and {more} more, listed in status.failures") };
    let message =
        format!("spec.mappings: {what}: {} -> {}: {}{others}", first.source, first.destination, first.reason);
    Err(Obstacle { failures, ..Obstacle::invalid(reason, message) })
}

/// Rows that spec itself makes impossible.
pub(super) fn invalid_rows(problem: &InvalidRows) -> Obstacle {
    let reason = match problem.problems().first() {
        Some(
            Problem::BuiltinOfAnotherResource { .. }
            | Problem::ExcludeMatchesNothing { .. }
            | Problem::ExcludeWithoutEffect { .. },
        ) => Reason::BuiltinMismatch,
        _ => Reason::InvalidSpec,
    };
    Obstacle::invalid(reason, format!("spec.mappings: {problem}"))
}

/// A refused title: titles are unique over all resource types of a sandbox's registry.
pub(super) fn title_taken(error: aep::Error, title: &str) -> Obstacle {
    let is_title =
        error.kind() == aep::ErrorKind::Refused && error.message().to_lowercase().contains("title");
    let mut obstacle = Obstacle::from(error);
    if is_title {
        obstacle.class = Class::Invalid;
        obstacle.reason = Reason::SchemaTitleTaken;
        obstacle.message = format!(
            "spec.targetSchema.managed.title: the title {title} is taken in this sandbox: choose another title, or use the schema with targetSchema.existing. {}",
            obstacle.message
        );
    }
    obstacle
}

/// The schema reference that is sent for an id.
pub(super) fn schema_ref(id: &str) -> aep::model::SchemaRef {
    aep::model::SchemaRef { id: id.to_owned(), content_type: spec::SCHEMA_CONTENT_TYPE.to_owned() }
}
