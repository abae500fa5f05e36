//! Tables of the next step, and that the plan ends and never creates what may exist.

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
        former: None,
    }
}

#[test]
fn existence() {
    use ClaimState::{Fresh, Missing, Standing as Old};
    use Role::{Dataset, Flow, TargetConnection};
    let cases = [
        ("nothing is looked up or created before the claim", Missing, vec![Standing::Unsent], Step::Claim),
        ("an id without finalizer or intent is claimed again", Missing, vec![owned()], Step::Claim),
        ("a claim of this pass allows the create", Fresh, vec![Standing::Unsent], Step::Create(Dataset)),
        ("an old claim is renewed before a create", Old, vec![Standing::Unsent], Step::Claim),
        ("an old claim means look first", Old, vec![Standing::Unsearched], Step::LookUp(Dataset)),
        ("what is found is taken", Old, vec![Standing::Found("d".into())], Step::Take(Dataset, "d".into())),
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
        (
            "what can never again be what it is for is not corrected: another takes its place",
            Old,
            vec![owned(), Standing::Outlived("its base is lost".into()), Standing::Unsent],
            Step::Supersede(TargetConnection, "its base is lost".into()),
        ),
        ("in sync rests", Old, vec![owned(), owned(), owned()], Step::Rest),
    ];
    for (reason, claim, standings, expected) in cases {
        assert_eq!(plan(&facts(claim, &standings)), expected, "{reason}");
    }
}

#[test]
fn what_was_outlived_goes_last_and_only_when_all_else_is_as_it_should_be() {
    let with = |standing: Standing| Facts {
        former: Some(Role::FormerSourceConnection),
        ..facts(ClaimState::Standing, &[owned(), owned(), standing])
    };
    assert_eq!(plan(&with(drifted())), Step::Update(Role::Flow));
    assert_eq!(plan(&with(absent(9))), Step::Wait(Role::Flow, Duration::from_secs(9)));
    assert_eq!(plan(&with(owned())), Step::Retire(Role::FormerSourceConnection));
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
        Just(Standing::Outlived("why".into())),
        Just(Standing::Contested(Contest::Predecessor(vec!["a".into()]))),
        Just(Standing::Contested(Contest::PossibleTwin(vec!["a".into()]))),
        Just(Standing::Contested(Contest::Foreign(vec!["a".into()]))),
        Just(Standing::Contested(Contest::Several(vec!["a".into(), "b".into()]))),
    ]
}

fn any_facts() -> impl Strategy<Value = Facts> {
    let claim = prop_oneof![Just(ClaimState::Missing), Just(ClaimState::Standing), Just(ClaimState::Fresh)];
    let former = prop_oneof![Just(None), Just(Some(Role::FormerSourceConnection))];
    let policy = prop_oneof![Just(DriftPolicy::Correct), Just(DriftPolicy::Report)];
    let roles = prop::collection::vec((any_standing(), any::<bool>()), 3);
    ((any::<bool>(), any::<bool>()), claim, roles, former, policy).prop_map(
        |((deleting, misplaced), claim, roles, former, drift_policy)| {
            let (standings, keeps): (Vec<_>, Vec<_>) = roles.into_iter().unzip();
            let mut facts = Facts { deleting, drift_policy, misplaced, former, ..facts(claim, &standings) };
            facts.roles.iter_mut().zip(keeps).for_each(|(role, keep)| role.keep = keep);
            facts
        },
    )
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
        // Differences that are only reported are not looked at again in the pass.
        Step::Take(role, _) | Step::Create(role) | Step::Update(role) | Step::Report(role) => {
            stand(*role, owned());
        }
        Step::Delete(role) => stand(*role, Standing::Deleted),
        Step::Supersede(role, _) => {
            stand(*role, Standing::Unsent);
            facts.claim = ClaimState::Fresh;
        }
        Step::Retire(_) => facts.former = None,
        Step::Replace => facts.misplaced = false,
        Step::Rest | Step::Wait(..) | Step::Contested(..) | Step::Lost(..) | Step::Release => return false,
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
                let is_of_others = matches!(role.standing, Standing::Contested(Contest::Predecessor(_) | Contest::Foreign(_)));
                prop_assert!(gone || is_of_others, "{:?}", role);
            }
        }
    }
}
