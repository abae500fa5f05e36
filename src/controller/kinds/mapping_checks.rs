//! What a mapping asks of Adobe before it writes: the tenant, the schema that exists, preflight and validation of the rows.

use std::time::Duration;

use serde_json::Value;

use super::parent::is_applied;
use crate::aep::model::ResourceKind;
use crate::aep::{self, spec};
use crate::api::IngestionMapping;
use crate::api::condition::Reason;
use crate::api::mapping::{ManagedSchema, RowFailure};
use crate::controller::adoption::ANOTHER_TITLE;
use crate::controller::context::Context;
use crate::controller::managed::Shape;
use crate::controller::site::Site;
use crate::domain::mapping::{
    InvalidRows, Problem, Row, check_class, check_identities, field_group_definition, preflight,
};
use crate::domain::outcome::{Class, Obstacle, some_of};

/// How long until the registry is asked again for fields that were added just before.
const VISIBLE_SOON: Duration = Duration::from_secs(2);

/// The tenant id of the organisation, asked for once.
pub(super) async fn tenant(cx: &Context, site: &Site) -> Result<String, Obstacle> {
    let asked = async { Ok(site.session.stats().await?.tenant_id) };
    cx.known.tenants.get_or_ask(site.organization.clone(), asked).await
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

/// The checks of a managed schema that need no call: what its class requires, the fields below the tenant, and the identities. Returns
/// the fields.
pub(super) fn definition(managed: &ManagedSchema, rows: &[Row], tenant: &str) -> Result<Value, InvalidRows> {
    check_class(rows, &managed.class_id)?;
    let properties = field_group_definition(rows, tenant)?;
    check_identities(&managed.identities, &properties, tenant)?;
    let has_primary = managed.identities.iter().any(|identity| identity.primary == Some(true));
    if managed.profile && !has_primary {
        return Err(Problem::NoPrimaryIdentity.into());
    }
    Ok(properties)
}

/// Preflight against the full schema, then Data Prep's own validation. Nothing is written.
pub(super) async fn check_rows(shape: &Shape<'_, IngestionMapping>, schema_id: &str) -> Result<(), Obstacle> {
    let session = &shape.site().session;
    let schema = session.get_schema_full(schema_id).await?.ok_or_else(|| {
        Obstacle::invalid(Reason::SchemaNotFound, format!("spec.targetSchema: schema {schema_id} does not exist in sandbox {}: create it there, or correct the id", shape.site().sandbox))
    })?;
    let misfits = preflight(&shape.desired.rows, &schema.raw);
    let kind = misfits.first().map_or(Reason::DestinationMissing, |misfit| misfit.kind);
    let failures: Vec<RowFailure> = misfits.into_iter().map(|misfit| misfit.failure).collect();
    wait_until_visible(shape, &failures)?;
    refuse(failures, kind, "the target schema does not fit these rows")?;
    let set = shape.desired.mapping_set(IngestionMapping::set_name(shape, None), schema_id);
    let failures = session.validate_mapping_set(&set).await?.into_iter().map(|failure| RowFailure {
        source: failure.source,
        destination: failure.destination,
        reason: failure.message,
    });
    refuse(failures.collect(), Reason::RowsRefused, "Data Prep refuses these rows")
}

/// The fields of a managed schema are made from the rows: one that the full schema does not show was added just before.
fn wait_until_visible(shape: &Shape<'_, IngestionMapping>, failures: &[RowFailure]) -> Result<(), Obstacle> {
    let own = format!("_{}.", shape.desired.tenant);
    let is_own = |failure: &RowFailure| failure.destination.starts_with(&own);
    if shape.desired.properties.is_none() || failures.is_empty() || !failures.iter().all(is_own) {
        return Ok(());
    }
    let message = format!(
        "the managed schema does not show these fields yet: {}: if this lasts, add the field group of this object to the schema in AEP",
        some_of(&failures.iter().map(|failure| failure.destination.clone()).collect::<Vec<_>>())
    );
    Err(Obstacle::new(Class::Unavailable, Reason::Progressing, message).after(VISIBLE_SOON))
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
        Some(Problem::NoType { .. }) => Reason::TypeUnknown,
        Some(Problem::SameDestination { .. }) => Reason::DuplicateDestination,
        Some(Problem::ClassFieldMissing { .. }) => Reason::RequiredFieldUnmapped,
        Some(problem) if problem.is_about_identities() => Reason::IdentityInvalid,
        _ => Reason::InvalidSpec,
    };
    let field = match reason {
        Reason::IdentityInvalid => "spec.targetSchema.managed.identities",
        _ => "spec.mappings",
    };
    Obstacle::invalid(reason, format!("{field}: {problem}"))
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
            "spec.targetSchema.managed.title: the title {title} is taken in this sandbox: {ANOTHER_TITLE}. {}",
            obstacle.message
        );
    }
    obstacle
}

/// The schema reference that is sent for an id.
pub(super) fn schema_ref(id: &str) -> aep::model::SchemaRef {
    aep::model::SchemaRef { id: id.to_owned(), content_type: spec::SCHEMA_CONTENT_TYPE.to_owned() }
}
