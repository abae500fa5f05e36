//! What a flow says of its replacement: when one is needed, what has to hold before it begins, where the new flow starts, and what that
//! means for the rows.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::ResourceExt;

use super::flow::Desired;
use super::flow_checks::{claimed_dataset, refuse_other_schema, refuse_second_flow};
use super::flow_loss;
use crate::aep::model;
use crate::api::condition::Reason;
use crate::api::flow::Frequency;
use crate::api::policy::{Approval, History};
use crate::api::role::Role;
use crate::api::{INTENT, IngestionFlow};
use crate::clock;
use crate::controller::context::Context;
use crate::controller::hash;
use crate::controller::look::contested;
use crate::controller::managed::{External, Managed, Shape};
use crate::controller::pass::read_intent;
use crate::controller::upstream::{self, Object};
use crate::domain::approval::Action;
use crate::domain::marker::Relation;
use crate::domain::outcome::Obstacle;
use crate::domain::plan::Contest;
use crate::domain::replacement::{Cut, Proposal, Record, sources_in_use};

type FlowShape<'a> = Shape<'a, IngestionFlow>;

/// Runs in which the last success of the old flow is looked for: as many as Adobe gives at once.
const RUNS: u8 = 100;
/// Differences of a flow that a new one has anyway, or that move by themselves.
const NOT_SHOWN: [&str; 5] =
    ["sourceConnectionRef", "marker", "enabled", "schedule.startTime", "schedule.backfill"];

/// What only a replacement can change.
pub(super) fn pair(desired: &Desired) -> String {
    hash::of(&(&desired.source_id, &desired.dataset, &desired.schema_id))
}

/// The replacement that spec asks for. A new dataset without a new source is refused: Flow Service needs a new pair.
pub(super) fn proposal(
    flow: &IngestionFlow,
    shape: &FlowShape<'_>,
    observed: &BTreeMap<Role, Object>,
) -> Result<Option<Proposal>, Obstacle> {
    // Once its replacement is claimed, status names a lost object no longer.
    let is_named =
        |(role, id): (&Role, &String)| shape.external.get(role).is_some_and(|object| object.id == *id);
    if shape.lost.iter().any(is_named) {
        return Ok(Some(flow_loss::proposal(flow, shape)));
    }
    let (Some(Object::Flow(old)), Some(Object::TargetConnection(target))) =
        (observed.get(&Role::Flow), observed.get(&Role::TargetConnection))
    else {
        return Ok(None);
    };
    let source = old.source_connection_ids.first().map(String::as_str).unwrap_or_default();
    let dataset = target.data_set_id().unwrap_or_default();
    let other_dataset = has_other_dataset(flow, shape, observed, dataset);
    if source == shape.desired.source_id {
        return if other_dataset { Err(refused_dataset(shape, dataset)) } else { Ok(None) };
    }
    let claimed = shape.intent.and_then(|intent| intent.roles.get(&Role::Flow));
    if claimed.is_some_and(|claim| claim.key == shape.desired.source_id) {
        // Not spec has changed but the flow upstream: that is drift.
        return Ok(None);
    }
    let policy = flow.spec.replacement;
    let history = policy.and_then(|policy| policy.history).unwrap_or(History::None);
    let mut roles = vec![Role::TargetConnection, Role::Flow];
    if other_dataset && (flow.managed_dataset().is_some() || shape.external.contains_key(&Role::Dataset)) {
        roles.push(Role::Dataset);
    }
    let mut differences = differences(flow, shape, observed, source, other_dataset.then_some(dataset));
    differences.push(meaning(history, other_dataset));
    Ok(Some(Proposal {
        action: Action::Replace,
        roles,
        runs: old.runs(),
        differences,
        outlook: outlook(flow, history),
        manual: policy.is_none_or(|policy| policy.approval == Approval::Manual),
        history,
    }))
}

fn has_other_dataset(
    flow: &IngestionFlow,
    shape: &FlowShape<'_>,
    observed: &BTreeMap<Role, Object>,
    dataset: &str,
) -> bool {
    if let Some(existing) = &shape.refs.existing_dataset {
        return existing != dataset;
    }
    let claim = shape.intent.and_then(|intent| intent.roles.get(&Role::Dataset));
    if claim.is_none() && !shape.external.contains_key(&Role::Dataset) {
        return true;
    }
    let claimed = claim.and_then(|claim| claim.name.as_deref());
    let name = claimed.or_else(|| observed.get(&Role::Dataset).map(Object::name));
    name.is_some_and(|name| name != flow.upstream_name(Role::Dataset))
}

fn refused_dataset(shape: &FlowShape<'_>, dataset: &str) -> Obstacle {
    Obstacle::invalid(
        Reason::DatasetChangeRefused,
        format!(
            "spec.dataset: the flow writes to dataset {dataset}, not to {}: Flow Service needs a new pair of source and target, so give a new sourceConnectionRef as well, or undo the change",
            wanted_dataset(shape)
        ),
    )
}

fn wanted_dataset<'s>(shape: &'s FlowShape<'_>) -> &'s str {
    shape.desired.dataset.as_deref().unwrap_or_default()
}

/// Everything that the new flow has otherwise.
fn differences(
    flow: &IngestionFlow,
    shape: &FlowShape<'_>,
    observed: &BTreeMap<Role, Object>,
    source: &str,
    other_dataset: Option<&str>,
) -> Vec<String> {
    let name = &flow.spec.source_connection_ref.name;
    let mut lines = vec![format!(
        "sourceConnectionRef: {name}, source connection {} (upstream: {source})",
        shape.desired.source_id
    )];
    if let Some(dataset) = other_dataset {
        lines.push(format!("dataset: {} (upstream: {dataset})", wanted_dataset(shape)));
    }
    if let Some(old) = observed.get(&Role::Flow) {
        let drift = flow.drift(shape, Role::Flow, old);
        let shown = drift.differences().iter().filter(|difference| !NOT_SHOWN.contains(&difference.field));
        lines.extend(shown.map(ToString::to_string));
    }
    lines
}

pub(super) fn meaning(history: History, other_dataset: bool) -> String {
    let text = match (history, other_dataset) {
        (History::None, false) => {
            "history None: the new flow starts where the data of the old one's last successful run end, without backfill"
        }
        (History::None, true) => {
            "history None: the new flow starts where the data of the old one's last successful run end, without backfill; earlier rows stay in the old dataset only"
        }
        (History::Full, false) => {
            "history Full: the new flow ingests everything again, so rows that the old one ingested stand twice in the dataset"
        }
        (History::Full, true) => {
            "history Full: the new flow ingests everything into the new dataset; the old dataset keeps its rows"
        }
    };
    text.to_owned()
}

/// From and to, as things stand.
pub(super) fn outlook(flow: &IngestionFlow, history: History) -> String {
    let last = flow.status.as_ref().and_then(|status| status.last_success.as_ref());
    match (history, last) {
        (History::None, Some(last)) => format!(
            "as things stand, rows created from about {} to the first run of the new flow may be missing or doubled",
            last.0
        ),
        (History::None, None) => {
            "as things stand, no run of the old flow has succeeded, so the new one starts as spec says"
                .to_owned()
        }
        (History::Full, _) => "everything up to the first run of the new flow is ingested again".to_owned(),
    }
}

/// Reads that have to succeed before anything is claimed.
pub(super) async fn check(
    flow: &IngestionFlow,
    cx: &Context,
    shape: &FlowShape<'_>,
    proposal: &Proposal,
) -> Result<(), Obstacle> {
    if let Some(unready) = &shape.refs.unready {
        return Err(unready.clone());
    }
    refuse_named(flow)?;
    refuse_second_flow(cx, flow).await?;
    refuse_completed_once(flow, proposal)?;
    if !proposal.roles.contains(&Role::Dataset)
        && let Some(id) = shape.external.get(&Role::Dataset).map(|dataset| &dataset.id)
        && let Some(data_set) = shape.site().session.get_data_set(id).await?
    {
        refuse_other_schema(&data_set, &shape.desired.schema_id)?;
    }
    refuse_foreign_flow(flow, shape).await
}

/// A flow of somebody else on the new source is found before the old flow is stopped, not after.
async fn refuse_foreign_flow(flow: &IngestionFlow, shape: &FlowShape<'_>) -> Result<(), Obstacle> {
    let candidates = upstream::search(shape.site(), Role::Flow, &shape.desired.source_id).await?;
    let own = shape.marker(Role::Flow);
    let is_own = |relation: Relation| matches!(relation, Relation::Ours | Relation::OtherIncarnation);
    let foreign: Vec<String> = candidates
        .into_iter()
        .filter(|candidate| !candidate.marker.as_ref().is_some_and(|marker| is_own(marker.relation(&own))))
        .map(|candidate| candidate.id)
        .collect();
    if foreign.is_empty() {
        return Ok(());
    }
    Err(contested(Role::Flow, &flow.upstream_name(Role::Flow), &Contest::Foreign(foreign)))
}

/// A flow that spec names by its id is that one and no other.
fn refuse_named(flow: &IngestionFlow) -> Result<(), Obstacle> {
    if flow.spec.adopt.is_none() {
        return Ok(());
    }
    Err(Obstacle::invalid(
        Reason::AdoptionRefused,
        "spec.adopt names the flow that spec.sourceConnectionRef asks to replace: remove spec.adopt, and the replacement goes on; what was taken over stays this object's",
    ))
}

/// A flow scheduled once reads everything in its one run: after a success there is no rest to go on with.
fn refuse_completed_once(flow: &IngestionFlow, proposal: &Proposal) -> Result<(), Obstacle> {
    let has_succeeded = flow.status.as_ref().is_some_and(|status| status.last_success.is_some());
    let is_once = flow.spec.schedule.frequency == Frequency::Once;
    if is_once && has_succeeded && proposal.history == History::None {
        return Err(Obstacle::invalid(
            Reason::InvalidSpec,
            "spec.replacement.history: the flow is scheduled once and has succeeded, and a new one would read everything again: say Full to have that, or create another IngestionFlow",
        ));
    }
    Ok(())
}

/// Where the new flow starts. A run tells which window of data it took; where it does not, its start is the last moment up to which it
/// certainly took everything, and rows twice are better than rows never.
pub(super) async fn cut(
    flow: &IngestionFlow,
    cx: &Context,
    shape: &FlowShape<'_>,
    record: &Record,
) -> Result<Cut, Obstacle> {
    let repeats = flow.spec.schedule.frequency != Frequency::Once;
    if record.history == History::Full {
        let later = flow.spec.schedule.start_time.as_ref().map(|start| start.0);
        let start = later.map_or_else(|| cx.now(), |later| later.max(cx.now()));
        return Ok(Cut { start, backfill: repeats.then_some(true), from: None });
    }
    let runs = match record.previous.get(&Role::Flow) {
        Some(old) => shape.site().session.runs(&old.object.id, RUNS).await?,
        None => Vec::new(),
    };
    let known = flow.status.as_ref().and_then(flow_loss::taken_until);
    let from = runs
        .iter()
        .find(|run| run.status == model::RunStatus::Success)
        .and_then(model::Run::taken_until)
        .and_then(clock::from_millis)
        .or(known);
    Ok(match from {
        Some(from) => Cut { start: from, backfill: repeats.then_some(false), from: Some(from) },
        None => Cut {
            start: record.former_start.unwrap_or_else(|| cx.now()),
            backfill: record.former_cut.and_then(|cut| cut.backfill),
            from: None,
        },
    })
}

/// Which rows may be missing or doubled.
pub(super) fn replaced(
    flow: &IngestionFlow,
    external: &External,
    record: &Record,
    created: Option<i64>,
) -> String {
    let id_of = |role: Role| external.get(&role).map(|object| object.id.as_str()).unwrap_or_default();
    let old_of = |role: Role| record.previous.get(&role);
    let old = old_of(Role::Flow).map(|old| old.object.id.as_str()).unwrap_or_default();
    let to =
        created.and_then(|millis| clock::from_millis(millis.saturating_add(1000))).unwrap_or(record.began);
    let old_dataset = old_of(Role::TargetConnection).map(|target| target.claim.key.as_str());
    let moved = old_of(Role::Dataset).is_some() || old_dataset != dataset_of(flow, external).as_deref();
    let data = match (record.history, record.cut.and_then(|cut| cut.from)) {
        (History::Full, _) if moved => format!(
            "history Full: everything is ingested into the new dataset; rows created from {} to {to} may be doubled in it; the old dataset {} keeps its rows",
            record.cut.map_or(to, |cut| cut.start),
            old_dataset.unwrap_or_default()
        ),
        (History::Full, _) => format!(
            "history Full: everything created up to {to} is ingested again, so what the old flow had ingested stands twice in the dataset. Flow Service keeps no cursor: what else was created up to then may be doubled"
        ),
        (History::None, None) => format!(
            "history None, and no run of the old flow had succeeded: the new one starts as spec says, and nothing is doubled but what failed runs may have written up to {to}"
        ),
        (History::None, Some(from)) => {
            ingested_from(flow, from, to, moved.then_some(old_dataset.unwrap_or_default()))
        }
    };
    format!("the flow {} took the place of {old}. {data}", id_of(Role::Flow))
}

fn ingested_from(flow: &IngestionFlow, from: Timestamp, to: Timestamp, old_dataset: Option<&str>) -> String {
    let text = if flow.spec.enabled {
        format!(
            "history None: the new flow starts at {from}, without backfill. Flow Service keeps no cursor: rows created from {from} to {to} may be doubled or missing, all others are as if nothing had changed"
        )
    } else {
        format!(
            "history None: the old flow had ingested up to {from}. The new one is disabled, and Flow Service takes no start in the past: rows created from {from} until it is enabled and runs may be missing"
        )
    };
    match old_dataset {
        Some(dataset) => format!("{text}; rows from before {from} are only in the old dataset {dataset}"),
        None => text,
    }
}

fn dataset_of(flow: &IngestionFlow, external: &External) -> Option<String> {
    let managed = external.get(&Role::Dataset).map(|dataset| dataset.id.clone());
    managed.or_else(|| claimed_dataset(flow))
}

/// Whether an upstream flow of this object reads the source connection, or is about to: spec may name another source already.
pub(super) fn reads(flow: &IngestionFlow, source_id: &str) -> bool {
    let external = flow.status.as_ref().map(|status| status.common.external.as_slice()).unwrap_or_default();
    read_intent(flow).is_some_and(|intent| sources_in_use(external, &intent).iter().any(|id| id == source_id))
}

/// The same for a flow that does not parse: its claims name every source that a flow of it reads.
pub(super) fn may_read(flow: &impl ResourceExt, source_id: &str) -> bool {
    flow.annotations().get(INTENT).is_some_and(|intent| intent.contains(source_id))
}
