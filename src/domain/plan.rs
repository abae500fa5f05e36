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
        Standing::Owned { .. } => Some(Step::Delete(*role)),
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn owned() -> Standing {
        Standing::owned()
    }

    fn drifted() -> Standing {
        Standing::Owned { drift: Drift::default().field("displayName", "a", "b") }
    }

    fn absent(seconds: u64) -> Standing {
        Standing::Absent { grace: Duration::from_secs(seconds) }
    }

    fn facts(claim: ClaimState, standings: &[Standing]) -> Facts {
        let roles = [Role::Dataset, Role::TargetConnection, Role::Flow];
        Facts {
            deleting: false,
            claim,
            roles: roles
                .into_iter()
                .zip(standings)
                .map(|(role, standing)| RoleFacts {
                    role,
                    standing: standing.clone(),
                    keep: role == Role::Dataset,
                })
                .collect(),
            drift_policy: DriftPolicy::Correct,
            misplaced: false,
            replacement: None,
        }
    }

    #[test]
    fn existence() {
        use ClaimState::{Fresh, Missing, Standing as Old};
        use Role::{Dataset, Flow, TargetConnection};
        let cases = [
            (
                "nothing is looked up or created before the claim",
                Missing,
                vec![Standing::Unsent],
                Step::Claim,
            ),
            ("an id without finalizer or intent is claimed again", Missing, vec![owned()], Step::Claim),
            ("a claim of this pass allows the create", Fresh, vec![Standing::Unsent], Step::Create(Dataset)),
            ("an old claim is renewed before a create", Old, vec![Standing::Unsent], Step::Claim),
            ("an old claim means look first", Old, vec![Standing::Unsearched], Step::LookUp(Dataset)),
            (
                "what is found is taken",
                Old,
                vec![Standing::Found("d".into())],
                Step::Take(Dataset, "d".into()),
            ),
            (
                "a lost answer is waited for",
                Fresh,
                vec![owned(), absent(9)],
                Step::Wait(TargetConnection, Duration::from_secs(9)),
            ),
            (
                "certain absence allows the create",
                Fresh,
                vec![owned(), absent(0)],
                Step::Create(TargetConnection),
            ),
            (
                "roles are created in their order",
                Fresh,
                vec![owned(), owned(), Standing::Unsent],
                Step::Create(Flow),
            ),
            (
                "what a later object builds upon is corrected before that is created",
                Fresh,
                vec![drifted(), Standing::Unsent],
                Step::Update(Dataset),
            ),
            ("drift is corrected", Old, vec![owned(), drifted()], Step::Update(TargetConnection)),
            (
                "a lost object is never created blindly",
                Fresh,
                vec![Standing::Gone("d".into())],
                Step::Lost(Dataset, "d".into()),
            ),
            ("in sync rests", Old, vec![owned(), owned(), owned()], Step::Rest),
        ];
        for (reason, claim, standings, expected) in cases {
            assert_eq!(plan(&facts(claim, &standings)), expected, "{reason}");
        }
    }

    #[test]
    fn deletion() {
        use Role::{Flow, TargetConnection};
        let cases = [
            ("the flow goes first", vec![owned(), owned(), owned()], Step::Delete(Flow)),
            ("then the target", vec![owned(), owned(), Standing::Deleted], Step::Delete(TargetConnection)),
            (
                "a kept dataset does not hold the finalizer",
                vec![owned(), Standing::Deleted, Standing::Deleted],
                Step::Release,
            ),
            (
                "what may exist is looked up first",
                vec![owned(), owned(), Standing::Unsearched],
                Step::LookUp(Flow),
            ),
            (
                "a lost create is waited for",
                vec![owned(), owned(), absent(3)],
                Step::Wait(Flow, Duration::from_secs(3)),
            ),
            ("what never was is no obstacle", vec![Standing::Unsent; 3], Step::Release),
            (
                "what belongs to others is left alone",
                vec![
                    owned(),
                    Standing::Gone("t".into()),
                    Standing::Contested(Contest::Foreign(vec!["f".into()])),
                ],
                Step::Release,
            ),
        ];
        for (reason, standings, expected) in cases {
            let deleting = Facts { deleting: true, ..facts(ClaimState::Standing, &standings) };
            assert_eq!(plan(&deleting), expected, "{reason}");
        }
    }

    fn any_standing() -> impl Strategy<Value = Standing> {
        prop_oneof![
            Just(owned()),
            Just(drifted()),
            Just(Standing::Unsent),
            Just(Standing::Unsearched),
            Just(Standing::Found("id".into())),
            (0u64..3).prop_map(absent),
            Just(Standing::Gone("id".into())),
            Just(Standing::Deleted),
            Just(Standing::Contested(Contest::Several(vec!["a".into(), "b".into()]))),
        ]
    }

    fn any_facts() -> impl Strategy<Value = Facts> {
        let claim =
            prop_oneof![Just(ClaimState::Missing), Just(ClaimState::Standing), Just(ClaimState::Fresh)];
        (any::<bool>(), claim, prop::collection::vec(any_standing(), 3))
            .prop_map(|(deleting, claim, standings)| Facts { deleting, ..facts(claim, &standings) })
    }

    /// A world in which each step does what it says.
    fn take(facts: &mut Facts, step: &Step) -> bool {
        let mut stand = |role: Role, standing: Standing| {
            for facts_of_role in &mut facts.roles {
                if facts_of_role.role == role {
                    facts_of_role.standing = standing.clone();
                }
            }
        };
        match step {
            Step::Claim => facts.claim = ClaimState::Fresh,
            Step::LookUp(role) => stand(*role, absent(0)),
            Step::Take(role, _) | Step::Create(role) | Step::Update(role) => stand(*role, owned()),
            Step::Delete(role) => stand(*role, Standing::Deleted),
            Step::Rest
            | Step::Wait(..)
            | Step::Report(_)
            | Step::Contested(..)
            | Step::Lost(..)
            | Step::Release => return false,
            other => unreachable!("{other:?} without a replacement"),
        }
        true
    }

    proptest! {
        #[test]
        fn a_create_needs_a_fresh_claim_and_a_role_that_cannot_exist(facts in any_facts()) {
            if let Step::Create(role) = plan(&facts) {
                prop_assert!(!facts.deleting);
                prop_assert_eq!(facts.claim, ClaimState::Fresh);
                let standing = facts.roles.iter().find(|r| r.role == role).map(|r| r.standing.clone());
                let certain = matches!(standing, Some(Standing::Unsent | Standing::Deleted | Standing::Absent { grace: Duration::ZERO }));
                prop_assert!(certain, "{:?}", standing);
            }
        }

        #[test]
        fn the_steps_always_end(mut facts in any_facts()) {
            let turns = (0..20).take_while(|_| { let step = plan(&facts); take(&mut facts, &step) }).count();
            prop_assert!(turns < 20);
        }

        #[test]
        fn the_same_facts_give_the_same_step(facts in any_facts()) {
            prop_assert_eq!(plan(&facts), plan(&facts.clone()));
        }

        #[test]
        fn the_finalizer_goes_only_when_nothing_of_ours_is_left(facts in any_facts()) {
            if plan(&facts) == Step::Release {
                prop_assert!(facts.deleting);
                for role in facts.roles.iter().filter(|role| !role.keep) {
                    let gone = matches!(role.standing, Standing::Unsent | Standing::Deleted | Standing::Gone(_) | Standing::Absent { grace: Duration::ZERO });
                    prop_assert!(gone, "{:?}", role);
                }
            }
        }
    }
}
