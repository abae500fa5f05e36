use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::api::policy::DriftPolicy;
use crate::domain::drift::Drift;
use crate::domain::plan::{Contest, plan};

fn owned() -> Standing {
    Standing::owned()
}

fn drifted() -> Standing {
    Standing::Owned { drift: Drift::default().field("enabled", false, true) }
}

/// A replacement just claimed: the old pair as it was, nothing of the new one.
fn begun() -> Replacement {
    Replacement {
        wanted: true,
        resume: true,
        old: Activity::Unknown,
        new: Activity::Gone,
        old_target: true,
        old_dataset: false,
        cut: false,
    }
}

fn facts(claim: ClaimState, [dataset, target, flow]: [Standing; 3], replacement: Replacement) -> Facts {
    let roles = [(Role::Dataset, dataset), (Role::TargetConnection, target), (Role::Flow, flow)];
    Facts {
        deleting: false,
        claim,
        roles: roles
            .into_iter()
            .map(|(role, standing)| RoleFacts { role, standing, keep: role == Role::Dataset })
            .collect(),
        drift_policy: DriftPolicy::Correct,
        misplaced: false,
        replacement: Some(replacement),
        former: None,
    }
}

#[test]
fn a_replacement_that_is_wanted() {
    use Activity::{Changing, Draining, Enabled, Gone, Quiet, Unknown};
    use ClaimState::{Fresh, Standing as Old};
    use Role::{Flow, PreviousDataset, PreviousFlow, PreviousTargetConnection, TargetConnection};
    let none = || [owned(), Standing::Unsent, Standing::Unsearched];
    let target = || [owned(), owned(), Standing::Absent { grace: Duration::ZERO }];
    let both = || [owned(), owned(), owned()];
    let old = |old| Replacement { old, ..begun() };
    let new = |new| Replacement { new, ..begun() };
    let cases = [
        ("the new target comes first", Fresh, none(), begun(), Step::Create(TargetConnection)),
        ("the old flow runs until the new target exists", Old, none(), old(Enabled), Step::Claim),
        (
            "what may have been made is looked for",
            Old,
            [owned(), owned(), Standing::Unsearched],
            begun(),
            Step::LookUp(Flow),
        ),
        (
            "the old flow is looked at before the new one is made",
            Fresh,
            target(),
            begun(),
            Step::Inspect(PreviousFlow),
        ),
        ("it is stopped", Fresh, target(), old(Enabled), Step::Stop(PreviousFlow)),
        ("its state has to settle", Fresh, target(), old(Changing), Step::Drain(PreviousFlow)),
        ("its run has to end", Fresh, target(), old(Draining), Step::Drain(PreviousFlow)),
        ("only then it is known where the new one starts", Fresh, target(), old(Quiet), Step::Cut),
        ("an old flow that somebody deleted needs no stop", Old, target(), old(Gone), Step::Cut),
        (
            "the start is claimed anew by every pass that creates",
            Old,
            target(),
            Replacement { cut: true, ..old(Quiet) },
            Step::Cut,
        ),
        (
            "the new flow is made on that claim",
            Fresh,
            target(),
            Replacement { cut: true, ..old(Quiet) },
            Step::Create(Flow),
        ),
        (
            "a held flow is disabled before anything else",
            Fresh,
            [owned(), owned(), drifted()],
            new(Enabled),
            Step::Update(Flow),
        ),
        ("the new flow is read back", Fresh, both(), new(Unknown), Step::Inspect(Flow)),
        ("and has to have settled", Fresh, both(), new(Changing), Step::Drain(Flow)),
        ("then the old flow goes", Fresh, both(), new(Enabled), Step::Delete(PreviousFlow)),
        ("a held flow is up too", Fresh, both(), new(Quiet), Step::Delete(PreviousFlow)),
        (
            "then the old target",
            Fresh,
            both(),
            Replacement { new: Enabled, ..old(Gone) },
            Step::Delete(PreviousTargetConnection),
        ),
        (
            "the old dataset stays",
            Fresh,
            both(),
            Replacement { old_target: false, old_dataset: true, ..old(Gone) },
            Step::Keep(PreviousDataset),
        ),
        ("that is all", Fresh, both(), Replacement { old_target: false, ..old(Gone) }, Step::Rest),
    ];
    for (reason, claim, standings, replacement, expected) in cases {
        assert_eq!(plan(&facts(claim, standings, replacement)), expected, "{reason}");
    }
}

#[test]
fn a_replacement_that_is_given_up() {
    use Activity::{Draining, Enabled, Gone, Quiet, Unknown};
    use Role::{Flow, PreviousFlow, PreviousTargetConnection, TargetConnection};
    let unwanted = |old, new| Replacement { wanted: false, old, new, ..begun() };
    let held = Replacement { resume: false, ..unwanted(Quiet, Gone) };
    let none = || [owned(), Standing::Unsent, Standing::Unsent];
    let target = || [owned(), owned(), Standing::Unsent];
    let both = || [owned(), owned(), owned()];
    let lost = || [owned(), owned(), Standing::Unsearched];
    let cases = [
        (
            "whether there is a way back is seen first",
            both(),
            unwanted(Unknown, Unknown),
            Step::Inspect(PreviousFlow),
        ),
        ("a new flow that may exist is looked for", lost(), unwanted(Quiet, Gone), Step::LookUp(Flow)),
        ("the new flow is looked at", both(), unwanted(Quiet, Unknown), Step::Inspect(Flow)),
        ("stopped", both(), unwanted(Quiet, Enabled), Step::Stop(Flow)),
        ("drained", both(), unwanted(Quiet, Draining), Step::Drain(Flow)),
        ("and deleted", both(), unwanted(Quiet, Quiet), Step::Delete(Flow)),
        ("then its target", target(), unwanted(Quiet, Gone), Step::Delete(TargetConnection)),
        ("then the old flow runs again", none(), unwanted(Quiet, Gone), Step::Start(PreviousFlow)),
        ("one that did not run before does not run now", none(), held, Step::Restore),
        (
            "an old flow that was never stopped is only claimed again",
            none(),
            unwanted(Enabled, Gone),
            Step::Restore,
        ),
        (
            "without the old flow there is no way back",
            both(),
            unwanted(Gone, Enabled),
            Step::Delete(PreviousTargetConnection),
        ),
        (
            "without either it is as if the old one had been deleted",
            target(),
            unwanted(Gone, Gone),
            Step::Delete(TargetConnection),
        ),
    ];
    for (reason, standings, replacement, expected) in cases {
        assert_eq!(plan(&facts(ClaimState::Standing, standings, replacement)), expected, "{reason}");
    }
}

/// A world in which each step does what it says, runs end when they are waited for, and a process that dies forgets what it saw.
#[derive(Debug, Clone)]
struct World {
    facts: Facts,
    /// What the two flows really do.
    old: Activity,
    new: Activity,
    /// Nobody forgets a claim's cut but the pass.
    ended: Option<Step>,
}

impl World {
    fn replacement(&mut self) -> &mut Replacement {
        self.facts.replacement.as_mut().expect("a replacement is under way")
    }

    fn stand(&mut self, role: Role, standing: Standing) {
        let of_role = self.facts.roles.iter_mut().find(|facts| facts.role == role);
        of_role.expect("a role of a flow").standing = standing;
    }

    fn set(&mut self, role: Role, is: Activity, seen: Activity) {
        if role == Role::PreviousFlow {
            self.old = is;
            self.replacement().old = seen;
        } else {
            self.new = is;
            self.replacement().new = seen;
        }
    }

    /// A new process knows what stands in the claim and in status, and has seen nothing.
    fn crash(&mut self) {
        self.facts.claim = ClaimState::Standing;
        for role in [Role::TargetConnection, Role::Flow] {
            let exists = self
                .facts
                .roles
                .iter()
                .any(|facts| facts.role == role && matches!(facts.standing, Standing::Owned { .. }));
            if !exists {
                self.stand(role, Standing::Unsearched);
            }
        }
        let (old, new) = (self.old, self.new);
        let unseen = |is| if is == Activity::Gone { Activity::Gone } else { Activity::Unknown };
        let replacement = self.replacement();
        (replacement.old, replacement.new, replacement.cut) = (unseen(old), unseen(new), false);
    }

    fn take(&mut self, step: Step) {
        let is = |world: &Self, role| if role == Role::PreviousFlow { world.old } else { world.new };
        match step {
            Step::Claim => self.facts.claim = ClaimState::Fresh,
            Step::LookUp(role) => self.stand(role, Standing::Absent { grace: Duration::ZERO }),
            Step::Create(Role::Flow) => {
                self.stand(Role::Flow, owned());
                self.set(Role::Flow, Activity::Enabled, Activity::Unknown);
            }
            Step::Create(role) => self.stand(role, owned()),
            Step::Inspect(role) => {
                let seen = is(self, role);
                self.set(role, seen, seen);
            }
            Step::Stop(role) => self.set(role, Activity::Draining, Activity::Unknown),
            Step::Start(role) => self.set(role, Activity::Enabled, Activity::Unknown),
            Step::Drain(role) => self.set(role, Activity::Quiet, Activity::Unknown),
            Step::Cut => {
                self.facts.claim = ClaimState::Fresh;
                self.replacement().cut = true;
            }
            Step::Delete(Role::PreviousTargetConnection) => self.replacement().old_target = false,
            Step::Keep(_) => self.replacement().old_dataset = false,
            Step::Delete(role @ (Role::PreviousFlow | Role::Flow)) => {
                self.set(role, Activity::Gone, Activity::Gone);
                if role == Role::Flow {
                    self.stand(role, Standing::Deleted);
                }
            }
            Step::Delete(role) => self.stand(role, Standing::Deleted),
            step => self.ended = Some(step),
        }
    }
}

fn any_old() -> impl Strategy<Value = Activity> {
    prop_oneof![Just(Activity::Enabled), Just(Activity::Draining), Just(Activity::Quiet)]
}

proptest! {
    #[test]
    fn never_two_enabled_flows_no_run_left_behind_and_always_an_end(
        old in any_old(),
        old_dataset in any::<bool>(),
        resume in any::<bool>(),
        crashes in prop::collection::vec(0usize..40, 0..5),
        revert in prop::option::of(0usize..40),
    ) {
        let replacement = Replacement { resume, old_dataset, ..begun() };
        let standings = [owned(), Standing::Unsent, Standing::Unsearched];
        let mut world = World { facts: facts(ClaimState::Fresh, standings, replacement), old, new: Activity::Gone, ended: None };
        for turn in 0..80 {
            if crashes.contains(&turn) {
                world.crash();
            }
            if revert == Some(turn) {
                world.replacement().wanted = false;
            }
            let step = plan(&world.facts);
            match step {
                Step::Create(Role::Flow) => {
                    prop_assert!(matches!(world.old, Activity::Quiet | Activity::Gone), "{:?}", world);
                    prop_assert!(world.facts.claim == ClaimState::Fresh);
                }
                Step::Start(Role::PreviousFlow) => prop_assert_eq!(world.new, Activity::Gone),
                Step::Delete(Role::PreviousFlow) => prop_assert_eq!(world.new, Activity::Enabled),
                Step::Delete(Role::Flow) => prop_assert_eq!(world.new, Activity::Quiet),
                _ => {}
            }
            world.take(step);
            prop_assert!(world.old != Activity::Enabled || world.new != Activity::Enabled, "{:?}", world);
            if world.ended.is_some() {
                break;
            }
        }
        match &world.ended {
            Some(Step::Rest) => prop_assert_eq!((world.old, world.new), (Activity::Gone, Activity::Enabled)),
            Some(Step::Restore) => {
                prop_assert_eq!(world.new, Activity::Gone);
                prop_assert!(!resume || world.old == Activity::Enabled, "{:?}", world);
            }
            ended => prop_assert!(false, "{ended:?} {world:?}"),
        }
    }

    #[test]
    fn what_is_contested_stops_a_replacement(wanted in any::<bool>()) {
        let several = Standing::Contested(Contest::Several(vec!["a".into(), "b".into()]));
        let replacement = Replacement { wanted, old: Activity::Quiet, ..begun() };
        let step = plan(&facts(ClaimState::Fresh, [owned(), owned(), several], replacement));
        prop_assert!(matches!(step, Step::Contested(Role::Flow, _)), "{:?}", step);
    }
}

mod record {
    use std::collections::BTreeMap;

    use jiff::Timestamp;

    use super::super::*;
    use crate::api::status::ExternalObject;
    use crate::domain::intent::{Claim, Intent};

    fn claim(incarnation: u32, key: &str) -> Claim {
        Claim { incarnation, key: key.into(), ..Claim::default() }
    }

    fn intent() -> Intent {
        let previous =
            [(Role::TargetConnection, "t1", "d"), (Role::Flow, "f1", "s1")].map(|(role, id, key)| {
                (role, Previous { object: ExternalObject::example(role, id), claim: claim(1, key) })
            });
        let mut intent = Intent::blank("u", Timestamp::UNIX_EPOCH);
        intent.roles =
            BTreeMap::from([(Role::TargetConnection, claim(2, "d")), (Role::Flow, claim(2, "s2"))]);
        intent.replacement = Some(Record {
            to: "pair".into(),
            previous: BTreeMap::from(previous),
            runs: true,
            history: History::None,
            began: Timestamp::UNIX_EPOCH,
            cut: None,
            former_start: None,
            former_cut: None,
            refused: None,
            lost: false,
        });
        intent
    }

    fn parted(objects: &[(Role, &str)]) -> Vec<(Role, String)> {
        let mut external =
            objects.iter().map(|(role, id)| (*role, ExternalObject::example(*role, id))).collect();
        part(&mut external, Some(&intent()));
        external.into_iter().map(|(role, object)| (role, object.id)).collect()
    }

    #[test]
    fn a_status_from_before_the_claim_is_read_as_the_claim_says() {
        use Role::{Flow, PreviousFlow, PreviousTargetConnection, TargetConnection};
        let old = vec![(PreviousTargetConnection, "t1".to_owned()), (PreviousFlow, "f1".to_owned())];
        assert_eq!(parted(&[(TargetConnection, "t1"), (Flow, "f1")]), old);
        assert_eq!(parted(&[]), old, "a status that was lost");
        let new = vec![(TargetConnection, "t2".to_owned()), (Flow, "f2".to_owned())];
        assert_eq!(parted(&[(TargetConnection, "t2"), (Flow, "f2")]), new, "it is over");
    }

    #[test]
    fn a_status_from_before_the_former_pair_was_claimed_again_is_read_as_the_claim_says() {
        let mut restored = intent();
        restored.replacement.as_mut().expect("a record").previous.clear();
        for intent in [restored, Intent { replacement: None, ..intent() }] {
            let objects = [
                (Role::PreviousFlow, "f1"),
                (Role::TargetConnection, "t2"),
                (Role::PreviousTargetConnection, "t1"),
            ];
            let mut external =
                objects.into_iter().map(|(role, id)| (role, ExternalObject::example(role, id))).collect();
            part(&mut external, Some(&intent));
            let ids: Vec<_> =
                external.into_iter().map(|(role, object)| (role, object.role, object.id)).collect();
            let expected = [(Role::TargetConnection, "t1"), (Role::Flow, "f1")];
            assert_eq!(ids, expected.map(|(role, id)| (role, role, id.to_owned())));
        }
    }

    #[test]
    fn a_replacement_whose_claim_was_lost_is_seen_in_status() {
        let status = [(Role::PreviousFlow, "f1"), (Role::TargetConnection, "t2")];
        let external =
            status.into_iter().map(|(role, id)| (role, ExternalObject::example(role, id))).collect();
        let intent = recovered(&external, "u", Timestamp::UNIX_EPOCH).expect("a claim");
        let record = intent.replacement.expect("a record");
        assert!(record.is_recovered());
        assert_eq!(record.previous[&Role::Flow].object, ExternalObject::example(Role::Flow, "f1"));
        let whole = [(Role::Flow, ExternalObject::example(Role::Flow, "f1"))].into_iter().collect();
        assert_eq!(recovered(&whole, "u", Timestamp::UNIX_EPOCH), None);
    }

    #[test]
    fn a_source_is_in_use_until_the_flow_on_it_is_gone() {
        let before = [ExternalObject::example(Role::Flow, "f1")];
        assert_eq!(sources_in_use(&before, &intent()), ["s2", "s1"]);
        let meanwhile =
            [ExternalObject::example(Role::PreviousFlow, "f1"), ExternalObject::example(Role::Flow, "f2")];
        assert_eq!(sources_in_use(&meanwhile, &intent()), ["s2", "s1"]);
        let after = [ExternalObject::example(Role::Flow, "f2")];
        assert_eq!(sources_in_use(&after, &intent()), ["s2"]);
    }

    #[test]
    fn a_number_that_a_given_up_replacement_used_is_never_used_again() {
        let mut intent = intent();
        assert_eq!(intent.next_incarnation(), 3);
        intent.roles.insert(Role::Flow, claim(1, "s1"));
        intent.roles.insert(Role::TargetConnection, claim(1, "d"));
        intent.spent = 2;
        assert_eq!(intent.next_incarnation(), 3);
    }
}
