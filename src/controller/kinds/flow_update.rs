//! The objects of a flow: what is sent at creation, what may differ later, and the patches that put it back.

use jiff::Timestamp;
use serde_json::json;

use super::flow::dataset_id;
use super::mapping_checks::schema_ref;
use super::{flow_dataset, flow_start, history};
use crate::aep::{FlowAction, Patch, model, spec};
use crate::api::IngestionFlow;
use crate::api::condition::Reason;
use crate::api::role::Role;
use crate::api::status::ExternalObject;
use crate::controller::described;
use crate::controller::managed::{Change, Managed, Post, Shape};
use crate::controller::upstream::{self, Object};
use crate::domain::drift::Drift;
use crate::domain::outcome::{Class, Obstacle};

type FlowShape<'a> = Shape<'a, IngestionFlow>;

/// Sends the POST for a role of a flow.
pub(super) async fn create(
    flow: &IngestionFlow,
    shape: &FlowShape<'_>,
    role: Role,
    post: Post<'_>,
) -> Result<ExternalObject, Obstacle> {
    let (site, session) = (shape.site(), &shape.site().session);
    let desired = shape.desired;
    let description = Some(shape.marker(role).describe(desired.description.as_deref()));
    match role {
        Role::Dataset => {
            let new = model::NewDataSet {
                name: flow.upstream_name(role),
                description: desired.description.clone(),
                schema_ref: schema_ref(&desired.schema_id),
                tags: flow_dataset::tags(shape),
                enable_error_diagnostics: None,
            };
            let id = session.create_data_set(post.permit, post.gate, &new).await?;
            Ok(upstream::external(site, role, id, None))
        }
        Role::TargetConnection => {
            let new = model::NewTargetConnection {
                name: desired.name.clone(),
                description,
                connection_spec: model::SpecRef::v1(spec::DATA_LAKE_CONNECTION_SPEC),
                schema: schema_ref(&desired.schema_id),
                data_set_id: dataset_id(shape)?.to_owned(),
            };
            Ok(upstream::created(
                site,
                role,
                session.create::<model::TargetConnection>(post.permit, post.gate, &new).await?,
            ))
        }
        _ => {
            // A replacement knows itself where its flow starts.
            let history = if shape.cut().is_some() { None } else { history::of(shape).await? };
            if let Some(until) = history {
                history::refuse_second_reading(shape, until)?;
            }
            let new = new_flow(shape, description, history)?;
            Ok(upstream::created(
                site,
                role,
                session.create::<model::Flow>(post.permit, post.gate, &new).await?,
            ))
        }
    }
}

fn new_flow(
    shape: &FlowShape<'_>,
    description: Option<String>,
    history: Option<Timestamp>,
) -> Result<model::NewFlow, Obstacle> {
    let desired = shape.desired;
    let options = model::Options {
        error_diagnostics_enabled: desired.error_diagnostics,
        partial_ingestion_percent: desired.partial_percent.map(percent),
    };
    Ok(model::NewFlow {
        name: desired.name.clone(),
        description,
        flow_spec: model::SpecRef::v1(spec::REST_FLOW_SPEC),
        source_connection_id: desired.source_id.clone(),
        target_connection_id: shape.id(Role::TargetConnection)?.to_owned(),
        mapping: shape.refs.mapping.clone(),
        schedule: model::NewSchedule {
            start_time: flow_start::first(shape, history)?,
            frequency: frequency(shape),
            interval: desired.interval.and_then(|interval| u32::try_from(interval).ok()),
            // What a former flow has ingested is not read again.
            backfill: if history.is_some() { Some(false) } else { backfill(shape) },
        },
        options: Some(options),
    })
}

/// Whether the first run takes what lies before the start: for a flow that replaced another one, the replacement says so.
fn backfill(shape: &FlowShape<'_>) -> Option<bool> {
    let of_replacement = shape.cut().and_then(|cut| cut.backfill);
    of_replacement.filter(|_| shape.desired.interval.is_some()).or(shape.desired.backfill)
}

fn frequency(shape: &FlowShape<'_>) -> model::Frequency {
    model::Frequency::from(shape.desired.frequency.to_owned())
}

#[expect(clippy::cast_precision_loss, reason = "a percentage is at most 100")]
fn percent(percent: i64) -> f64 {
    percent as f64
}

/// The difference of one object of a flow.
pub(super) fn drift(shape: &FlowShape<'_>, role: Role, object: &Object) -> Drift {
    let desired = shape.desired;
    match object {
        Object::DataSet(data_set) => flow_dataset::drift(shape, object, data_set),
        Object::TargetConnection(target) => {
            described::drift(shape, role, object, &desired.name, desired.description.as_deref()).field(
                "dataset",
                dataset_id(shape).unwrap_or_default(),
                target.data_set_id().unwrap_or_default(),
            )
        }
        Object::Flow(observed) => flow_drift(shape, role, object, observed),
        _ => Drift::default(),
    }
}

fn flow_drift(shape: &FlowShape<'_>, role: Role, object: &Object, observed: &model::Flow) -> Drift {
    let desired = shape.desired;
    let options = observed.options.clone().unwrap_or_default();
    let mapping = observed
        .mapping()
        .map(|(_, mapping)| format!("{} version {}", mapping.id, mapping.version.unwrap_or_default()));
    let schedule = &observed.schedule;
    let keeps = shape.is_adopted(role);
    let start = flow_start::of(shape, observed);
    let start = if keeps && desired.start.is_none() { start.shown } else { start.wanted() };
    let shown_percent = options.partial_ingestion_percent.unwrap_or_default();
    let drift = described::drift(shape, role, object, &desired.name, desired.description.as_deref())
        .field(
            "sourceConnectionRef",
            &desired.source_id,
            observed.source_connection_ids.first().cloned().unwrap_or_default(),
        )
        .field(
            "mappingRef",
            format!("{} version {}", desired.mapping_id, desired.mapping_version),
            mapping.unwrap_or_default(),
        )
        .field(
            "schedule.frequency",
            desired.frequency,
            schedule.frequency.as_ref().map(model::Frequency::as_str).unwrap_or_default(),
        )
        .field("schedule.interval", shown(desired.interval), shown(schedule.interval))
        .field("schedule.startTime", start, schedule.start_time.unwrap_or_default())
        .field("enabled", desired.enabled, observed.runs())
        .field(
            "errorDiagnostics",
            desired.error_diagnostics.or(options.error_diagnostics_enabled).unwrap_or_default(),
            options.error_diagnostics_enabled.unwrap_or_default(),
        )
        .field(
            "partialIngestion",
            desired.partial_percent.map_or(if keeps { shown_percent } else { 0.0 }, percent),
            shown_percent,
        );
    if keeps && desired.labels.is_empty() {
        return drift;
    }
    drift.field("accessLabels", sorted(&desired.labels), sorted(&observed.labels))
}

fn shown(number: Option<i64>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

fn sorted(labels: &[String]) -> String {
    let mut labels = labels.to_vec();
    labels.sort_unstable();
    labels.join(", ")
}

/// Changes one object of a flow.
pub(super) async fn update(
    flow: &IngestionFlow,
    shape: &FlowShape<'_>,
    change: Change<'_>,
) -> Result<ExternalObject, Obstacle> {
    match change.object {
        Object::DataSet(data_set) => flow_dataset::update(flow, shape, &change, data_set).await,
        Object::TargetConnection(_) => {
            refuse_replacement(&change, "dataset")?;
            let patch =
                described::patch(shape, &change, &shape.desired.name, shape.desired.description.as_deref());
            described::send::<model::TargetConnection, _>(shape, &change, patch).await
        }
        Object::Flow(observed) => update_flow(shape, &change, observed).await,
        _ => Err(Obstacle::bug("a flow owns no such object")),
    }
}

/// Adobe says that an edited source or target connection does not reach a live flow: such a change needs a new flow.
fn refuse_replacement(change: &Change<'_>, field: &'static str) -> Result<(), Obstacle> {
    if !change.drift.has(field) {
        return Ok(());
    }
    Err(Obstacle::invalid(
        Reason::DatasetChangeRefused,
        format!(
            "the {field} of the {} was changed upstream, which does not reach a live flow: put it back in AEP, or delete this IngestionFlow and apply it again",
            change.role
        ),
    ))
}

/// One mutating call: disable first, then the patch, enable last.
async fn update_flow(
    shape: &FlowShape<'_>,
    change: &Change<'_>,
    observed: &model::Flow,
) -> Result<ExternalObject, Obstacle> {
    refuse_replacement(change, "sourceConnectionRef")?;
    if observed.meta.state.is_transitional() {
        return Err(Obstacle::new(
            Class::Unavailable,
            Reason::UpstreamBusy,
            format!("the flow is {} upstream", observed.meta.state.as_str()),
        )
        .after(std::time::Duration::from_secs(2)));
    }
    let wants_action = change.drift.has("enabled");
    let patch = patch_of(shape, change, observed);
    if wants_action && !shape.desired.enabled {
        return act(shape, change, observed, FlowAction::Disable).await;
    }
    if !patch.is_empty() {
        return described::send::<model::Flow, _>(shape, change, patch).await;
    }
    if !wants_action {
        return Err(Obstacle::invalid(
            Reason::ScheduleRefused,
            format!(
                "this cannot be changed in place: {}: undo the change, or delete this IngestionFlow and apply a new one",
                change.drift
            ),
        ));
    }
    refuse_early_run(shape, observed)?;
    act(shape, change, observed, FlowAction::Enable).await
}

/// The far start of a flow that was held too long has passed and can no longer be moved: enabled now, it would run before its time.
fn refuse_early_run(shape: &FlowShape<'_>, observed: &model::Flow) -> Result<(), Obstacle> {
    let start = flow_start::of(shape, observed);
    if !start.would_run_early() {
        return Ok(());
    }
    let wait = u64::try_from(start.effective - start.now).unwrap_or_default();
    let message =
        "spec.schedule.startTime: the flow would run at once, so it is enabled when that time has come";
    Err(Obstacle::blocked(Reason::ScheduleRefused, message).after(std::time::Duration::from_secs(wait)))
}

async fn act(
    shape: &FlowShape<'_>,
    change: &Change<'_>,
    observed: &model::Flow,
    action: FlowAction,
) -> Result<ExternalObject, Obstacle> {
    let mut external = change.object.external(change.role, shape.site());
    if let Some(etag) = shape.site().session.action(change.gate, &observed.meta.id, action).await? {
        external.etag = Some(etag.as_str().to_owned());
    }
    Ok(external)
}

fn patch_of(shape: &FlowShape<'_>, change: &Change<'_>, observed: &model::Flow) -> Patch {
    let (desired, drift) = (shape.desired, change.drift);
    let mut patch = described::patch(shape, change, &desired.name, desired.description.as_deref());
    if drift.has("schedule.frequency") {
        patch = patch.replace("/scheduleParams/frequency", desired.frequency);
    }
    if drift.has("schedule.interval")
        && let Some(interval) = desired.interval
    {
        patch = patch.add("/scheduleParams/interval", interval);
    }
    if drift.has("schedule.startTime") {
        patch = patch.replace("/scheduleParams/startTime", flow_start::of(shape, observed).wanted());
    }
    if drift.has("mappingRef") {
        let at = observed.mapping().map_or(0, |(at, _)| at);
        patch = patch.replace(
            format!("/transformations/{at}"),
            model::MappingRef::transformation(&shape.refs.mapping),
        );
    }
    if drift.has("accessLabels") {
        patch = patch.add("/labels", json!(desired.labels));
    }
    patch_options(patch, shape, change, observed)
}

/// Options are patched member by member: flows made in the UI hold members of their own.
fn patch_options(
    mut patch: Patch,
    shape: &FlowShape<'_>,
    change: &Change<'_>,
    observed: &model::Flow,
) -> Patch {
    let (desired, drift) = (shape.desired, change.drift);
    if (drift.has("errorDiagnostics") || drift.has("partialIngestion")) && observed.options.is_none() {
        patch = patch.add("/options", json!({}));
    }
    if drift.has("errorDiagnostics")
        && let Some(diagnostics) = desired.error_diagnostics
    {
        patch = patch.add("/options/errorDiagnosticsEnabled", diagnostics);
    }
    match desired.partial_percent {
        _ if !drift.has("partialIngestion") => patch,
        Some(percent) => patch.add("/options/partialIngestionPercent", percent),
        None => patch.remove("/options/partialIngestionPercent"),
    }
}
