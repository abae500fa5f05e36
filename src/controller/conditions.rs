//! What the end of a pass means for the conditions. Pure: from the outcome and the conditions before to the conditions after.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::managed::Finding;
use crate::api::condition::{ConditionStatus, ConditionType, Reason, find, is_true, remove, set};
use crate::domain::drift::Drift;
use crate::domain::outcome::{Effect, Obstacle, ReadyEffect};

/// The conditions of one object while a pass is recorded.
pub(super) struct Conditions<'a> {
    pub(super) list: &'a mut Vec<Condition>,
    pub(super) generation: Option<i64>,
    pub(super) now: Timestamp,
}

/// What a pass saw upstream.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen<'a> {
    /// Differences that are not corrected.
    pub(super) reported: Option<&'a Drift>,
    /// Who edited last.
    pub(super) editor: Option<&'a str>,
    /// What of spec has no effect any more.
    pub(super) ignored: Option<&'a (Reason, String)>,
}

impl Conditions<'_> {
    pub(super) fn set(
        &mut self,
        type_: ConditionType,
        status: impl Into<ConditionStatus>,
        reason: Reason,
        message: &str,
    ) {
        set(self.list, type_, status, reason, message, self.generation, self.now);
    }

    /// What only the kind can say.
    pub(super) fn findings(&mut self, findings: Vec<Finding>) {
        for Finding { type_, status, reason, message } in findings {
            let status = status.map_or(ConditionStatus::Unknown, ConditionStatus::from);
            self.set(type_, status, reason, &message);
        }
    }

    /// The present generation is applied. Synced speaks of the last look, so a pass that did not look leaves it alone.
    pub(super) fn applied(&mut self, looked: bool, seen: Seen<'_>) {
        self.set(ConditionType::Ready, true, Reason::Available, "applied upstream");
        self.references_resolved();
        match (seen.reported, seen.ignored) {
            (Some(drift), _) => self.reported(drift, seen.editor),
            (None, Some(ignored)) if looked => {
                self.set(ConditionType::Synced, true, ignored.0, &ignored.1);
            }
            (None, _) if looked || find(self.list, ConditionType::Synced).is_none() => {
                self.set(ConditionType::Synced, true, Reason::InSync, "upstream equals spec");
            }
            (None, _) => {}
        }
        let abnormal = ConditionType::ALL.iter().filter(|type_| type_.is_abnormal_true());
        abnormal.for_each(|type_| remove(self.list, *type_));
    }

    /// Adobe's own writes move the time of the last edit, so the same difference keeps the message that it was first reported with.
    fn reported(&mut self, drift: &Drift, editor: Option<&str>) {
        let message = format!("upstream differs and driftPolicy is Report: {drift}");
        let is_said = |held: &Condition| {
            held.reason == Reason::DriftReported.as_str()
                && held.message.starts_with(&message)
                && held.observed_generation == self.generation
        };
        if find(self.list, ConditionType::Synced).is_some_and(is_said) {
            return;
        }
        let editor = editor.map(|editor| format!("; last edited by {editor}")).unwrap_or_default();
        self.set(ConditionType::Synced, false, Reason::DriftReported, &format!("{message}{editor}"));
    }

    pub(super) fn references_resolved(&mut self) {
        self.set(
            ConditionType::ReferencesResolved,
            true,
            Reason::ReferencesResolved,
            "all references are resolved",
        );
    }

    /// Something stands in the way.
    pub(super) fn obstructed(&mut self, obstacle: &Obstacle, effect: Effect) {
        let (reason, message) = (obstacle.reason, obstacle.message.as_str());
        remove(self.list, ConditionType::Paused);
        match effect.ready {
            ReadyEffect::False => self.set(ConditionType::Ready, false, reason, message),
            ReadyEffect::UnknownUnlessTrue if !is_true(self.list, ConditionType::Ready) => {
                self.set(ConditionType::Ready, ConditionStatus::Unknown, reason, message);
            }
            ReadyEffect::UnknownUnlessTrue | ReadyEffect::Keep => {}
        }
        if matches!(reason, Reason::Gone | Reason::CompletedFlowGone) {
            self.set(ConditionType::Synced, false, reason, message);
        }
        if reason == Reason::InventorySuspect {
            self.set(ConditionType::InventorySuspect, true, reason, message);
        } else {
            remove(self.list, ConditionType::InventorySuspect);
        }
        if is_about_references(reason) && effect.ready == ReadyEffect::False {
            self.set(ConditionType::ReferencesResolved, false, reason, message);
        }
        if obstacle.quiet {
            self.waiting_again(reason, message);
        } else if effect.stalled {
            self.set(ConditionType::Stalled, true, reason, message);
            remove(self.list, ConditionType::Reconciling);
        } else if effect.reconciling {
            self.set(ConditionType::Reconciling, true, reason, message);
            remove(self.list, ConditionType::Stalled);
        }
    }

    /// A normal wait writes nothing, but what an earlier obstacle said must not outlive it.
    fn waiting_again(&mut self, reason: Reason, message: &str) {
        let failed = find(self.list, ConditionType::Ready)
            .is_some_and(|ready| ready.status == ConditionStatus::False.as_str());
        if failed || is_true(self.list, ConditionType::Stalled) {
            self.set(ConditionType::Ready, ConditionStatus::Unknown, reason, message);
            remove(self.list, ConditionType::ReferencesResolved);
            remove(self.list, ConditionType::Stalled);
            remove(self.list, ConditionType::Reconciling);
        }
    }
}

/// The conditions that flipped in a way that somebody should hear of. What becomes unknown is no news, nor is a first success that
/// nobody doubted; of Ready a new reason is news as well.
pub(super) fn news(before: &[Condition], after: &[Condition]) -> Vec<Condition> {
    let told =
        [ConditionType::Ready, ConditionType::Synced, ConditionType::RunsHealthy, ConditionType::DataFresh];
    let is_news = |type_: ConditionType, is: &Condition| match find(before, type_) {
        Some(was) if type_ == ConditionType::Ready => was.status != is.status || was.reason != is.reason,
        None if type_ == ConditionType::Ready => true,
        Some(was) => was.status != is.status && is.status != ConditionStatus::Unknown.as_str(),
        None => is.status == ConditionStatus::False.as_str(),
    };
    told.into_iter().filter_map(|type_| find(after, type_).filter(|is| is_news(type_, is)).cloned()).collect()
}

fn is_about_references(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::ReferenceNotFound
            | Reason::ReferenceNotReady
            | Reason::ReferenceDeleting
            | Reason::ReferenceMismatch
            | Reason::SecretMissing
            | Reason::SecretKeyMissing
            | Reason::SecretInvalid
            | Reason::SecretNotAllowed
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::outcome::Class;

    fn after(steps: impl Fn(&mut Conditions<'_>)) -> Vec<(String, String, String)> {
        let mut list = Vec::new();
        steps(&mut Conditions { list: &mut list, generation: Some(1), now: Timestamp::UNIX_EPOCH });
        list.into_iter().map(|condition| (condition.type_, condition.status, condition.reason)).collect()
    }

    fn says(conditions: &[(String, String, String)], type_: &str) -> Option<(String, String)> {
        conditions
            .iter()
            .find(|condition| condition.0 == type_)
            .map(|condition| (condition.1.clone(), condition.2.clone()))
    }

    fn obstacle(class: Class) -> Obstacle {
        Obstacle::new(class, Reason::SecretMissing, "the Secret is missing")
    }

    #[test]
    fn what_an_obstacle_said_goes_with_it() {
        let conditions = after(|conditions| {
            let obstacle = obstacle(Class::Invalid);
            conditions.obstructed(&obstacle, obstacle.effect(1));
            conditions.applied(true, Seen::default());
        });
        assert_eq!(says(&conditions, "Stalled"), None);
        assert_eq!(says(&conditions, "Ready"), Some(("True".into(), "Available".into())));
        assert_eq!(says(&conditions, "ReferencesResolved").map(|said| said.0), Some("True".into()));
    }

    #[test]
    fn a_flip_is_news_once_and_what_is_not_known_is_none() {
        let list = |type_, status: Option<bool>, reason| {
            let mut list = Vec::new();
            let mut conditions =
                Conditions { list: &mut list, generation: Some(1), now: Timestamp::UNIX_EPOCH };
            conditions.findings(vec![Finding::new(type_, status, reason, "")]);
            list
        };
        let runs = |status, reason| list(ConditionType::RunsHealthy, status, reason);
        let (unknown, good) = (runs(None, Reason::NoRunYet), runs(Some(true), Reason::RunSucceeded));
        let bad = runs(Some(false), Reason::RunFailed);
        let ready = |reason| list(ConditionType::Ready, Some(false), reason);
        let cases = [
            ("the first success", news(&unknown, &good), 1),
            ("a failure", news(&good, &bad), 1),
            ("the same failure", news(&bad, &bad), 0),
            ("a recovery", news(&bad, &good), 1),
            ("what becomes unknown", news(&good, &unknown), 0),
            ("a failure at first sight", news(&[], &bad), 1),
            ("a success at first sight", news(&[], &good), 0),
            ("another reason", news(&bad, &runs(Some(false), Reason::RunPartial)), 0),
            ("another reason of Ready", news(&ready(Reason::Gone), &ready(Reason::NotOurs)), 1),
        ];
        for (reason, told, count) in cases {
            assert_eq!(told.len(), count, "{reason}");
        }
    }

    #[test]
    fn a_normal_wait_takes_back_an_older_failure_and_writes_nothing_else() {
        let waiting = Obstacle::waiting("the base is not ready yet");
        assert!(after(|conditions| conditions.obstructed(&waiting, waiting.effect(1))).is_empty());
        let conditions = after(|conditions| {
            let failed = obstacle(Class::Blocked);
            conditions.obstructed(&failed, failed.effect(1));
            conditions.obstructed(&waiting, waiting.effect(1));
        });
        assert_eq!(says(&conditions, "Ready").map(|said| said.0), Some("Unknown".into()));
        assert_eq!(says(&conditions, "Reconciling"), None);
    }

    #[test]
    fn an_outage_leaves_a_ready_object_ready_and_says_that_it_is_tried_again() {
        let conditions = after(|conditions| {
            conditions.applied(true, Seen::default());
            let outage = Obstacle::new(Class::Unavailable, Reason::UpstreamUnavailable, "503");
            conditions.obstructed(&outage, outage.effect(3));
        });
        assert_eq!(says(&conditions, "Ready").map(|said| said.0), Some("True".into()));
        assert_eq!(says(&conditions, "Reconciling").map(|said| said.1), Some("UpstreamUnavailable".into()));
    }

    #[test]
    fn reported_drift_stays_until_somebody_looks_again() {
        let drift = Drift::default().field("displayName", "a", "b");
        let conditions = after(|conditions| {
            conditions.applied(true, Seen { reported: Some(&drift), ..Seen::default() });
            conditions.applied(false, Seen::default());
        });
        assert_eq!(says(&conditions, "Synced"), Some(("False".into(), "DriftReported".into())));
    }

    #[test]
    fn a_difference_keeps_the_editor_it_was_reported_with() {
        let seen = |drift, editor| Seen { reported: Some(drift), editor: Some(editor), ignored: None };
        let (one, other) = (Drift::default().field("a", "1", "2"), Drift::default().field("b", "1", "2"));
        let message = |last| {
            let mut list = Vec::new();
            let mut conditions =
                Conditions { list: &mut list, generation: Some(1), now: Timestamp::UNIX_EPOCH };
            conditions.applied(true, seen(&one, "ann"));
            conditions.applied(true, last);
            find(&list, ConditionType::Synced).map(|synced| synced.message.clone()).unwrap_or_default()
        };
        assert!(message(seen(&one, "a run")).ends_with("last edited by ann"));
        assert!(message(seen(&other, "ben")).ends_with("last edited by ben"));
    }

    #[test]
    fn what_has_no_effect_any_more_is_said_and_is_no_difference() {
        let ignored = (Reason::StartTimeIgnored, "the flow has started".to_owned());
        let conditions = after(|conditions| {
            conditions.applied(true, Seen { ignored: Some(&ignored), ..Seen::default() });
            conditions.applied(false, Seen::default());
        });
        assert_eq!(says(&conditions, "Synced"), Some(("True".into(), "StartTimeIgnored".into())));
    }

    fn any_end() -> impl Strategy<Value = Result<bool, (Obstacle, u32)>> {
        let class = prop::sample::select(vec![
            Class::Blocked,
            Class::Invalid,
            Class::Denied,
            Class::Limited,
            Class::Unavailable,
            Class::Ambiguous,
            Class::Conflict,
            Class::Gone,
            Class::Bug,
        ]);
        let reason =
            prop::sample::select(vec![Reason::Gone, Reason::InventorySuspect, Reason::ReferenceNotFound]);
        let obstacle = (class, reason, any::<bool>(), any::<bool>(), 0u32..9).prop_map(
            |(class, reason, quiet, usable, failures)| {
                Err((Obstacle { quiet, usable, ..Obstacle::new(class, reason, "why") }, failures))
            },
        );
        prop_oneof![any::<bool>().prop_map(Ok), obstacle]
    }

    fn merge(list: &mut Vec<Condition>, end: &Result<bool, (Obstacle, u32)>) {
        let mut conditions = Conditions { list, generation: Some(1), now: Timestamp::UNIX_EPOCH };
        match end {
            Ok(looked) => conditions.applied(*looked, Seen::default()),
            Err((obstacle, failures)) => conditions.obstructed(obstacle, obstacle.effect(*failures)),
        }
    }

    proptest! {
        /// What a pass found is the same when the next one finds it again, whatever was said before.
        #[test]
        fn merging_the_same_end_twice_changes_nothing(before in prop::collection::vec(any_end(), 0..4), end in any_end()) {
            let mut list = Vec::new();
            for end in &before {
                merge(&mut list, end);
            }
            merge(&mut list, &end);
            let once = list.clone();
            merge(&mut list, &end);
            prop_assert_eq!(list, once);
        }
    }
}
