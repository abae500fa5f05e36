//! What a flow does when somebody has deleted a part of it upstream.
//!
//! Whatever is missing, the flow is made anew: Flow Service binds a flow to its pair for good. So a loss is a replacement that nobody asked
//! for in spec, with the same order of steps, the same start and the same account of the rows.

use jiff::Timestamp;

use super::flow_replace::{meaning, outlook};
use crate::api::condition::Reason;
use crate::api::flow::Frequency;
use crate::api::policy::{History, UpstreamDeletionPolicy};
use crate::api::role::Role;
use crate::api::{IngestionFlow, IngestionFlowStatus};
use crate::controller::managed::{Shape, WhenLost};
use crate::controller::upstream::Object;
use crate::domain::approval::Action;
use crate::domain::outcome::{Class, Obstacle};
use crate::domain::replacement::Proposal;

type FlowShape<'a> = Shape<'a, IngestionFlow>;

/// A flow that has done all that it was for is not made again.
pub(super) fn when_lost(flow: &IngestionFlow, shape: &FlowShape<'_>, role: Role) -> WhenLost {
    let has_succeeded = flow.status.as_ref().is_some_and(|status| status.last_success.is_some());
    if role != Role::Flow || flow.spec.schedule.frequency != Frequency::Once || !has_succeeded {
        return WhenLost::Replace;
    }
    let id = shape.external.get(&role).map(|flow| flow.id.as_str()).unwrap_or_default();
    let message = format!(
        "the flow {id}, scheduled once, was deleted upstream after it had succeeded; it is not made again: {}",
        Reason::CompletedFlowGone.remedy()
    );
    let obstacle = Obstacle::new(Class::Gone, Reason::CompletedFlowGone, message);
    WhenLost::Say(Obstacle { usable: true, ..obstacle })
}

/// What is made anew: the flow, its target connection unless that is still there and may be used, and a lost dataset.
pub(super) fn proposal(flow: &IngestionFlow, shape: &FlowShape<'_>) -> Proposal {
    let is_lost = |role: Role| shape.lost.contains_key(&role);
    let dataset = is_lost(Role::Dataset);
    let claimed = shape.intent.and_then(|intent| intent.roles.get(&Role::Flow));
    let other_source = claimed.is_some_and(|claim| claim.key != shape.desired.source_id);
    let mut roles = vec![Role::Flow];
    if dataset || is_lost(Role::TargetConnection) || other_source {
        roles.insert(0, Role::TargetConnection);
    }
    if dataset {
        roles.push(Role::Dataset);
    }
    let history = flow.spec.replacement.and_then(|policy| policy.history).unwrap_or(History::None);
    let mut differences: Vec<String> =
        shape.lost.iter().map(|(role, id)| format!("{role} {id}: deleted upstream")).collect();
    differences.push(meaning(history, dataset));
    let was_lost =
        shape.intent.and_then(|intent| intent.replacement.as_ref()).is_some_and(|record| record.lost);
    let observed = match shape.objects.get(&Role::Flow) {
        Some(Object::Flow(observed)) => Some(observed.runs()),
        _ => None,
    };
    Proposal {
        action: Action::Recreate,
        roles,
        runs: observed.unwrap_or(flow.spec.enabled),
        differences,
        outlook: outlook(flow, history),
        manual: was_lost || flow.spec.on_upstream_deletion == UpstreamDeletionPolicy::Hold,
        history,
    }
}

/// Up to when the flow has certainly taken everything, as its status tells: a successful run began after the window that it took.
pub(super) fn taken_until(status: &IngestionFlowStatus) -> Option<Timestamp> {
    let last = status.last_run.as_ref().filter(|run| run.state == "success");
    let started = last.and_then(|run| run.started_at.as_ref());
    started.or(status.last_success.as_ref()).map(|time| time.0)
}
