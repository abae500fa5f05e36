//! The state machine: from what is known about one custom resource to the one next step. The same for all four kinds.
//!
//! `plan` is total and pure. The driver gathers the facts, takes the step, gathers again; so a crash can only fall between two
//! named steps, and each of them leaves a fact (claim, marker upstream, id in status) from which the next process resumes.

use std::time::Duration;

use crate::api::policy::DriftPolicy;
use crate::api::role::Role;

use super::drift::Drift;
use super::replacement::{self, Replacement};

/// What is known about one custom resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The deletion timestamp is set.
    pub deleting: bool,
    /// Finalizer and intent.
    pub claim: ClaimState,
    /// Every role that the object owns upstream, in the order of creation.
    pub roles: Vec<RoleFacts>,
    /// What to do about drift.
    pub drift_policy: DriftPolicy,
    /// Upstream shows a pair of source and target that is not the one spec asks for.
    pub misplaced: bool,
    /// A replacement that is under way.
    pub replacement: Option<Replacement>,
    /// The role of an object that outlived what it is bound to, unless it was seen to be in use in this pass.
    pub former: Option<Role>,
}

/// Whether finalizer and intent stand on the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimState {
    /// Finalizer or intent is missing, the intent has another UID, or it lacks a role.
    Missing,
    /// It stands from an earlier pass.
    Standing,
    /// It was written in this pass, with the resource version that was read: nobody else can have created since.
    Fresh,
}

/// What is known about one upstream object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleFacts {
    /// The role.
    pub role: Role,
    /// Where it stands.
    pub standing: Standing,
    /// Whether deletion of the custom resource leaves the object upstream.
    pub keep: bool,
}

/// Where one upstream object stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Its id is known; `drift` is what was observed, empty when nothing had to be observed.
    Owned {
        /// The difference from spec.
        drift: Drift,
    },
    /// No id, and no POST can ever have been sent, or the last one was refused.
    Unsent,
    /// No id, a POST may have been sent, and nobody has looked since.
    Unsearched,
    /// Looked up: exactly one is ours (or a predecessor's that fits and may be taken over).
    Found(String),
    /// Looked up: none is ours. `grace` is how long a lost answer may still surface; zero means never.
    Absent {
        /// Time until the absence is certain.
        grace: Duration,
    },
    /// Looked up: something a human has to settle.
    Contested(Contest),
    /// Its id is known, and upstream no longer shows it.
    Gone(String),
    /// Deleted in this pass and seen to be gone.
    Deleted,
    /// It exists, and can never again be what it is for; the text says why.
    Outlived(String),
}

impl Standing {
    /// The id is known, and nothing had to be observed, or nothing differs.
    pub fn owned() -> Self {
        Self::Owned { drift: Drift::default() }
    }
}

/// Why a look-up needs a human.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contest {
    /// Several objects carry our marker.
    Several(Vec<String>),
    /// Objects of a predecessor: same cluster, namespace, kind and name, other UID.
    Predecessor(Vec<String>),
    /// Objects without a marker that may be ours: our parent, our name, our client, created since the claim.
    PossibleTwin(Vec<String>),
    /// Objects of somebody else that stand in the way.
    Foreign(Vec<String>),
}

/// The one next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing to do.
    Rest,
    /// Nothing to do before the time has passed.
    Wait(Role, Duration),
    /// Write finalizer and intent.
    Claim,
    /// Search upstream for the role's object.
    LookUp(Role),
    /// Take the object that was found.
    Take(Role, String),
    /// Create the role's object.
    Create(Role),
    /// Patch the role's object.
    Update(Role),
    /// Differences are only reported.
    Report(Role),
    /// A human has to settle it.
    Contested(Role, Contest),
    /// Upstream lost the object.
    Lost(Role, String),
    /// The object can never again be what it is for: another one takes its place.
    Supersede(Role, String),
    /// Delete an object whose place another one has taken, if nothing uses it any more.
    Retire(Role),
    /// Claim a replacement, if everything allows it.
    Replace,
    /// See what a flow is doing.
    Inspect(Role),
    /// Disable a flow.
    Stop(Role),
    /// Enable a flow.
    Start(Role),
    /// Nothing to do before the flow has come to rest.
    Drain(Role),
    /// Claim where the new flow starts.
    Cut,
    /// Name the role's object no longer, and leave it upstream.
    Keep(Role),
    /// Claim the former pair again.
    Restore,
    /// Delete the role's object and see it gone.
    Delete(Role),
    /// Remove the finalizer.
    Release,
}

/// The next step for the facts.
pub fn plan(facts: &Facts) -> Step {
    if facts.deleting { plan_deletion(facts) } else { plan_existence(facts) }
}

/// Goes through the roles in their order: what later objects build upon exists and is as it should be before they are created.
fn plan_existence(facts: &Facts) -> Step {
    if facts.claim == ClaimState::Missing {
        return Step::Claim;
    }
    if let Some(replacement) = facts.replacement {
        return replacement::next(facts, replacement);
    }
    if facts.misplaced {
        return Step::Replace;
    }
    facts
        .roles
        .iter()
        .find_map(|role| {
            missing_object(facts.claim, role).or_else(|| drifted_object(facts.drift_policy, role))
        })
        .or_else(|| facts.former.map(Step::Retire))
        .unwrap_or(Step::Rest)
}

pub(super) fn missing_object(
    claim: ClaimState,
    RoleFacts { role, standing, .. }: &RoleFacts,
) -> Option<Step> {
    match standing {
        Standing::Owned { .. } => None,
        Standing::Unsearched => Some(Step::LookUp(*role)),
        Standing::Found(id) => Some(Step::Take(*role, id.clone())),
        Standing::Contested(contest) => Some(Step::Contested(*role, contest.clone())),
        Standing::Gone(id) => Some(Step::Lost(*role, id.clone())),
        Standing::Outlived(why) => Some(Step::Supersede(*role, why.clone())),
        Standing::Absent { grace } if !grace.is_zero() => Some(Step::Wait(*role, *grace)),
        // Every create is preceded by a claim of its own pass: the resource version in it is what keeps a stale view or a
        // second process from creating as well.
        Standing::Absent { .. } | Standing::Unsent | Standing::Deleted => {
            Some(if claim == ClaimState::Fresh { Step::Create(*role) } else { Step::Claim })
        }
    }
}

pub(super) fn drifted_object(
    policy: DriftPolicy,
    RoleFacts { role, standing, .. }: &RoleFacts,
) -> Option<Step> {
    match (standing, policy) {
        (Standing::Owned { drift }, _) if drift.is_empty() => None,
        (Standing::Owned { .. }, DriftPolicy::Correct) => Some(Step::Update(*role)),
        (Standing::Owned { .. }, DriftPolicy::Report) => Some(Step::Report(*role)),
        _ => None,
    }
}

/// Deletes in the reverse order of the roles; the finalizer goes last, and only when nothing of ours can still surface.
fn plan_deletion(facts: &Facts) -> Step {
    facts.roles.iter().rev().filter(|role| !role.keep).find_map(undeleted_object).unwrap_or(Step::Release)
}

pub(super) fn undeleted_object(RoleFacts { role, standing, .. }: &RoleFacts) -> Option<Step> {
    match standing {
        Standing::Owned { .. } | Standing::Outlived(_) => Some(Step::Delete(*role)),
        Standing::Unsearched => Some(Step::LookUp(*role)),
        Standing::Found(id) => Some(Step::Take(*role, id.clone())),
        Standing::Contested(contest @ (Contest::Several(_) | Contest::PossibleTwin(_))) => {
            Some(Step::Contested(*role, contest.clone()))
        }
        Standing::Absent { grace } if !grace.is_zero() => Some(Step::Wait(*role, *grace)),
        // What belongs to others is not ours to delete; what is gone or never was needs nothing.
        Standing::Contested(_)
        | Standing::Absent { .. }
        | Standing::Unsent
        | Standing::Gone(_)
        | Standing::Deleted => None,
    }
}

#[cfg(test)]
mod tests;
