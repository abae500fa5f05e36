//! What a managed dataset already holds: written onto it before its flow is deleted, read when a later flow of the same name takes the
//! dataset up again, so that deleting and applying a flow doubles no row. Flow Service keeps no cursor beyond the life of a flow.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::flow::dataset_id;
use crate::aep::{FlowAction, Patch, Session, model};
use crate::api::IngestionFlow;
use crate::api::condition::Reason;
use crate::api::role::Role;
use crate::clock;
use crate::controller::context::Context;
use crate::controller::managed::{Managed, Parting, Shape};
use crate::controller::site::Site;
use crate::controller::upstream::Object;
use crate::domain::marker::Relation;
use crate::domain::outcome::{Class, Obstacle};

/// Dataset tag with the time up to which records were ingested, in RFC 3339.
pub(super) const INGESTED_TAG: &str = "aepOperatorIngestedUntil";
/// Runs that are asked for: as many as a page holds.
const ASKED: u8 = 100;
/// How long a deletion waits for a run in flight: a namespace that is deleted has to end.
const PATIENCE: Duration = Duration::from_mins(1);
/// How soon the runs, or a flow on its way to another state, are looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Before a flow goes whose dataset stays: stops it, waits for its last run, and notes on the dataset up to when records are in it.
///
/// Every step may be repeated: a crash in between leaves a flow that is disabled, or a tag that is written again.
pub(super) async fn note(
    flow: &IngestionFlow,
    cx: &Context,
    site: &Site,
    parting: Parting<'_>,
) -> Result<Option<(Reason, String)>, Obstacle> {
    let held = match parting.role {
        Role::Flow => Role::Dataset,
        Role::PreviousFlow if parting.external.contains_key(&Role::PreviousDataset) => Role::PreviousDataset,
        Role::PreviousFlow if flow.metadata.deletion_timestamp.is_some() => Role::Dataset,
        _ => return Ok(None),
    };
    let Some(dataset) = parting.external.get(&held).filter(|_| flow.keeps(held)) else { return Ok(None) };
    let session = &site.session;
    if !stop(session, &parting).await? {
        return Ok(None);
    }
    let all = session.runs(parting.id, ASKED).await?;
    let in_flight = all.iter().find(|run| !run.status.is_final());
    if let Some(run) = in_flight
        && waited(flow, cx.now()) < PATIENCE
    {
        let message = format!(
            "the deletion waits for run {} of the flow {} to end, so that a later flow does not read its records again",
            run.meta.id, parting.id
        );
        return Err(Obstacle::blocked(Reason::WaitingForRunToEnd, message).after(LOOK_AGAIN));
    }
    let Some(until) = ingested_until(flow, &all) else { return Ok(None) };
    write_tag(session, &parting, &dataset.id, until).await?;
    Ok(in_flight.map(|run| {
        let note = format!(
            "run {} did not end in time: a later flow into dataset {} starts at {until}, and may read records from then on that this run has written",
            run.meta.id, dataset.id
        );
        (Reason::Retained, note)
    }))
}

/// Keeps the flow from starting runs; `false` when it is not ours, which its deletion will say.
async fn stop(session: &Session, parting: &Parting<'_>) -> Result<bool, Obstacle> {
    let Some(flow) = session.get::<model::Flow>(parting.id).await? else { return Ok(true) };
    let (state, id) = (flow.meta.state.clone(), parting.id);
    let relation = Object::Flow(flow).marker().map(|marker| marker.relation(parting.marker));
    if !matches!(relation, Some(Relation::Ours | Relation::OtherIncarnation)) {
        return Ok(false);
    }
    if state.is_transitional() {
        let message = format!("the flow {id} is {} upstream", state.as_str());
        return Err(Obstacle::new(Class::Unavailable, Reason::UpstreamBusy, message).after(LOOK_AGAIN));
    }
    if state == model::State::Enabled {
        session.action(parting.gate, id, FlowAction::Disable).await?;
    }
    Ok(true)
}

fn waited(flow: &IngestionFlow, now: Timestamp) -> Duration {
    let since = flow.metadata.deletion_timestamp.as_ref().map_or(now, |since| since.0);
    Duration::try_from(now.duration_since(since)).unwrap_or_default()
}

/// The end of the window of the newest run that wrote. Without a word on windows it ends where the run began. A run that wrote a part is
/// not repeated either.
fn ingested_until(flow: &IngestionFlow, runs: &[model::Run]) -> Option<Timestamp> {
    let wrote =
        |run: &&model::Run| matches!(run.status, model::RunStatus::Success | model::RunStatus::Partial);
    let ends = runs.iter().filter(wrote).filter_map(model::Run::taken_until);
    let last = ends.max().and_then(clock::from_millis);
    last.or_else(|| flow.status.as_ref()?.last_success.as_ref().map(|success| success.0))
}

async fn write_tag(
    session: &Session,
    parting: &Parting<'_>,
    dataset: &str,
    until: Timestamp,
) -> Result<(), Obstacle> {
    let Some(found) = session.get_data_set(dataset).await? else { return Ok(()) };
    let marker = Object::DataSet(found.clone()).marker();
    let is_ours = marker.is_some_and(|marker| marker.owner == parting.marker.owner);
    if !is_ours || read_tag(&found).is_some_and(|known| known >= until) {
        return Ok(());
    }
    let tag = format!("/tags/{}", Patch::segment(INGESTED_TAG));
    let patch = Patch::new().add(tag, json!([until.to_string()]));
    Ok(session.patch_data_set(parting.gate, dataset, &patch).await?)
}

/// Up to when records are in the managed dataset that the flow takes up again; `None` when it is new, or no flow has filled it.
pub(super) async fn of(shape: &Shape<'_, IngestionFlow>) -> Result<Option<Timestamp>, Obstacle> {
    if !shape.external.contains_key(&Role::Dataset) || shape.created.contains(&Role::Dataset) {
        return Ok(None);
    }
    if let Some(Object::DataSet(observed)) = shape.objects.get(&Role::Dataset) {
        return Ok(read_tag(observed));
    }
    let found = shape.site().session.get_data_set(dataset_id(shape)?).await?;
    Ok(found.as_ref().and_then(read_tag))
}

/// A flow that runs once reads everything, and Flow Service takes no backfill for it.
pub(super) fn refuse_second_reading(
    shape: &Shape<'_, IngestionFlow>,
    until: Timestamp,
) -> Result<(), Obstacle> {
    if shape.desired.interval.is_some() {
        return Ok(());
    }
    Err(Obstacle::invalid(
        Reason::CompletedFlowGone,
        format!(
            "spec.schedule.frequency: a former flow has filled dataset {} until {until}, and one that runs once would read the same records again: apply it under another name, which makes a dataset of its own, or give it an interval",
            dataset_id(shape)?
        ),
    ))
}

/// Where a flow begins that goes on from there: at a later start where spec names one that is still to come.
pub(super) fn resumed_start(until: Timestamp, start_in_spec: Option<i64>, now: Timestamp) -> i64 {
    start_in_spec.filter(|start| *start > now.as_second()).unwrap_or(until.as_second())
}

fn read_tag(data_set: &model::DataSet) -> Option<Timestamp> {
    data_set.tags.get(INGESTED_TAG)?.iter().find_map(|value| value.parse().ok())
}
