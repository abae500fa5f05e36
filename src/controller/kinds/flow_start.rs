//! The start of a flow, from spec, claim and what upstream shows: what is sent, what status holds, and what has no effect any more.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::history;
use crate::aep::model;
use crate::api::IngestionFlow;
use crate::api::condition::{ConditionType, Reason, find};
use crate::api::role::Role;
use crate::controller::managed::Shape;
use crate::controller::upstream::Object;
use crate::domain::outcome::Obstacle;
use crate::domain::schedule::Start;

type FlowShape<'a> = Shape<'a, IngestionFlow>;

/// The start for a POST. `history` is up to when the dataset holds records already.
pub(super) fn first(shape: &FlowShape<'_>, history: Option<Timestamp>) -> Result<i64, Obstacle> {
    let claimed = shape.effective_start().ok_or_else(|| Obstacle::bug("the claim should hold the start"))?;
    let effective = match history {
        Some(until) => history::resumed_start(until, shape.desired.start, shape.now),
        None => claimed.as_second(),
    };
    Ok(Start::first(shape.now.as_second(), shape.desired.enabled, effective, shape.refs.held_start))
}

/// The start of a flow as it was observed.
pub(super) fn of(shape: &FlowShape<'_>, observed: &model::Flow) -> Start {
    let shown = observed.schedule.start_time.unwrap_or_default();
    Start {
        now: shape.now.as_second(),
        enabled: shape.desired.enabled,
        effective: wanted(shape).unwrap_or(shown),
        shown,
        held: shape.refs.held_start,
    }
}

/// Spec's start, else that of the claim.
fn wanted(shape: &FlowShape<'_>) -> Option<i64> {
    shape.desired.start.or_else(|| shape.effective_start().map(Timestamp::as_second))
}

/// The flow as it was observed, if it shows a start.
fn observed<'s>(shape: &FlowShape<'s>) -> Option<&'s model::Flow> {
    match shape.objects.get(&Role::Flow)? {
        Object::Flow(observed) if observed.schedule.start_time.is_some() => Some(observed),
        _ => None,
    }
}

/// The start that holds. Upstream shows it, except while a flow that must not run yet has a far one.
pub(super) fn effective(shape: &FlowShape<'_>, before: Option<Time>) -> Option<Time> {
    let seconds = match observed(shape) {
        Some(observed) => of(shape, observed).holds(),
        None if before.is_some() && !shape.created.contains(&Role::Flow) => return before,
        None => wanted(shape)?,
    };
    Timestamp::from_second(seconds).ok().map(Time)
}

/// What to say of what spec changed too late. Where the flow was not looked at, what was `said` of it still holds.
pub(super) fn ignored(shape: &FlowShape<'_>, said: &[Condition]) -> Option<(Reason, String)> {
    let Some(observed) = observed(shape) else { return still_ignored(said) };
    let all: Vec<_> =
        [late_start(shape, observed), late_backfill(shape, observed)].into_iter().flatten().collect();
    let (reason, _) = all.first()?;
    let why: Vec<&str> = all.iter().map(|(_, why)| why.as_str()).collect();
    Some((*reason, format!("upstream equals spec, except that {}", why.join("; and that "))))
}

fn still_ignored(said: &[Condition]) -> Option<(Reason, String)> {
    let synced = find(said, ConditionType::Synced)?;
    let reason = Reason::parse(&synced.reason)?;
    matches!(reason, Reason::StartTimeIgnored | Reason::BackfillIgnored)
        .then(|| (reason, synced.message.clone()))
}

fn late_start(shape: &FlowShape<'_>, observed: &model::Flow) -> Option<(Reason, String)> {
    let start = of(shape, observed);
    let in_spec = shape.desired.start.filter(|_| start.is_too_late())?;
    let time = |seconds| Timestamp::from_second(seconds).map(|time| time.to_string()).unwrap_or_default();
    Some((
        Reason::StartTimeIgnored,
        format!(
            "schedule.startTime {} has no effect: the flow started at {}; put that time there, or leave startTime out",
            time(in_spec),
            time(start.shown)
        ),
    ))
}

/// It speaks of the first run, and Adobe documents no way to change it.
fn late_backfill(shape: &FlowShape<'_>, observed: &model::Flow) -> Option<(Reason, String)> {
    // A replacement decides by itself, and its condition says so.
    let in_spec = shape.desired.backfill.filter(|_| shape.cut().is_none())?;
    let made_with = observed.schedule.backfill.filter(|shown| *shown != in_spec)?;
    let why = format!(
        "schedule.backfill {in_spec} has no effect: the flow was made with backfill {made_with}. {}",
        Reason::BackfillIgnored.remedy()
    );
    Some((Reason::BackfillIgnored, why))
}
