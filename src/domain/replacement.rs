//! The replacement of a flow: which step comes next, from what is known of the old pair and of the new one.
//!
//! Adobe says that an edited source or target connection does not reach a live flow, so another source means another flow. The order of
//! the steps is what keeps two flows from ever being enabled together, and every run from being left behind: the old flow is stopped
//! and drained before the new one exists, and goes only after the new one was read back. What a process needs to go on after a crash
//! stands in the claim ([`Record`]).

mod record;
#[cfg(test)]
mod tests;

pub use record::{Cut, Previous, Record, part, recovered, sources_in_use};

use super::approval::Action;
use super::plan::{
    ClaimState, Facts, RoleFacts, Standing, Step, drifted_object, missing_object, undeleted_object,
};
use crate::api::policy::History;
use crate::api::role::Role;

/// What one of the two flows is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// Nobody has looked in this pass.
    Unknown,
    /// It may start a run at any time.
    Enabled,
    /// On its way from one state to another.
    Changing,
    /// Disabled, with a run in flight.
    Draining,
    /// Disabled, without a run in flight.
    Quiet,
    /// It does not exist.
    Gone,
}

/// What is known of a replacement that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Replacement {
    /// Spec and references still ask for the new pair, and Adobe has not refused it.
    pub wanted: bool,
    /// The old flow ran before, so it runs again if the replacement is given up.
    pub resume: bool,
    /// The old flow.
    pub old: Activity,
    /// The new flow, where it exists.
    pub new: Activity,
    /// The old target connection is still there.
    pub old_target: bool,
    /// The old dataset is still named.
    pub old_dataset: bool,
    /// The claim of this pass records where the new flow starts.
    pub cut: bool,
}

/// The next step of a replacement whose claim stands.
pub fn next(facts: &Facts, replacement: Replacement) -> Step {
    if replacement.wanted { carry_on(facts, replacement) } else { give_up(facts, replacement) }
}

/// Dataset and target, stop and drain the old flow, the new flow, its corrections, and only then the end of the old pair.
fn carry_on(facts: &Facts, replacement: Replacement) -> Step {
    let missing = |role: &RoleFacts| match missing_object(facts.claim, role) {
        Some(Step::Claim | Step::Create(_)) if role.role == Role::Flow => {
            Some(make_flow(facts.claim, replacement))
        }
        step => step,
    };
    facts
        .roles
        .iter()
        .find_map(missing)
        .or_else(|| facts.roles.iter().find_map(|role| drifted_object(facts.drift_policy, role)))
        .unwrap_or_else(|| retire(replacement))
}

/// The start of the new flow is known only when the last run of the old one has ended, and has to be claimed before the POST.
fn make_flow(claim: ClaimState, replacement: Replacement) -> Step {
    match replacement.old {
        Activity::Unknown => Step::Inspect(Role::PreviousFlow),
        Activity::Enabled => Step::Stop(Role::PreviousFlow),
        Activity::Changing | Activity::Draining => Step::Drain(Role::PreviousFlow),
        Activity::Quiet | Activity::Gone if replacement.cut && claim == ClaimState::Fresh => {
            Step::Create(Role::Flow)
        }
        Activity::Quiet | Activity::Gone => Step::Cut,
    }
}

/// The old pair goes when the new flow was read back. Its dataset holds customer data and stays.
fn retire(replacement: Replacement) -> Step {
    if replacement.old != Activity::Gone {
        return match replacement.new {
            Activity::Unknown | Activity::Gone => Step::Inspect(Role::Flow),
            Activity::Changing => Step::Drain(Role::Flow),
            Activity::Enabled | Activity::Draining | Activity::Quiet => Step::Delete(Role::PreviousFlow),
        };
    }
    if replacement.old_target {
        Step::Delete(Role::PreviousTargetConnection)
    } else if replacement.old_dataset {
        Step::Keep(Role::PreviousDataset)
    } else {
        Step::Rest
    }
}

/// The new pair goes, drained like any other, and the old flow runs again. When the old flow is gone already there is no way back: the
/// replacement is finished, and what spec asks for now is another one.
fn give_up(facts: &Facts, replacement: Replacement) -> Step {
    if replacement.old == Activity::Unknown {
        return Step::Inspect(Role::PreviousFlow);
    }
    let of_role = |role: Role| facts.roles.iter().find(|facts| facts.role == role);
    let flow = of_role(Role::Flow);
    let exists = flow.is_some_and(|flow| matches!(flow.standing, Standing::Owned { .. }));
    if exists && replacement.old == Activity::Gone {
        return retire(replacement);
    }
    let flow = if exists { Some(end_new_flow(replacement.new)) } else { flow.and_then(undeleted_object) };
    flow.or_else(|| of_role(Role::TargetConnection).and_then(undeleted_object))
        .or_else(|| replacement.resume.then_some(replacement.old).and_then(start_old_flow))
        .unwrap_or(Step::Restore)
}

fn end_new_flow(new: Activity) -> Step {
    match new {
        Activity::Unknown => Step::Inspect(Role::Flow),
        Activity::Enabled => Step::Stop(Role::Flow),
        Activity::Changing | Activity::Draining => Step::Drain(Role::Flow),
        Activity::Quiet | Activity::Gone => Step::Delete(Role::Flow),
    }
}

fn start_old_flow(old: Activity) -> Option<Step> {
    match old {
        Activity::Unknown | Activity::Enabled | Activity::Gone => None,
        Activity::Changing => Some(Step::Drain(Role::PreviousFlow)),
        Activity::Draining | Activity::Quiet => Some(Step::Start(Role::PreviousFlow)),
    }
}

/// What a kind says of a replacement that spec asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// What a person approves.
    pub action: Action,
    /// The roles whose objects are replaced.
    pub roles: Vec<Role>,
    /// The old flow may run.
    pub runs: bool,
    /// What is different, one line each; what is approved.
    pub differences: Vec<String>,
    /// What helps to decide, and moves with every run; not part of what is approved.
    pub outlook: String,
    /// Whether a person has to approve it.
    pub manual: bool,
    /// What the new flow ingests of the past.
    pub history: History,
}
