//! The end of a pass: status is written if it differs, transitions become events, and the next look is set.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use kube::runtime::controller::Action;

use super::conditions::{self, Conditions, Seen};
use super::managed::{Finding, Managed, Report};
use super::pass::Pass;
use crate::api::condition::{ConditionType, Reason, eq_ignoring_times, find, is_true};
use crate::api::role::Role;
use crate::api::status::{CommonStatus, MAX_WORD, bounded};
use crate::api::{APPROVE, PAUSED, SYNC_REQUESTED_AT};
use crate::cluster::Error;
use crate::cluster::claim::is_claimed;
use crate::cluster::events::Severity;
use crate::domain::outcome::{Effect, Obstacle, ReadyEffect, Recheck};
use crate::domain::retry;
use crate::telemetry::metrics::Happening;

/// Longest backoff after failures.
const BACKOFF_CAP: Duration = Duration::from_mins(10);
/// The next look after a conflict.
const SOON: Duration = Duration::from_millis(200);
/// Conflicts in a row that are met at once; more of them are no accident.
const CONFLICTS: u32 = 5;
/// Passes at rest come this many times less often than inventory passes: they only make up for a lost wake-up.
const REST_FACTOR: u32 = 12;

impl<K: Managed> Pass<'_, K> {
    pub(super) fn blank_report(&self) -> Report<K::Status> {
        Report {
            status: self.object.status().cloned().unwrap_or_default(),
            conditions: Vec::new(),
            events: Vec::new(),
            warnings: Vec::new(),
            ignored: None,
            run: None,
            recheck: None,
        }
    }

    pub(super) fn is_paused(&self) -> bool {
        self.object.annotations().get(PAUSED).is_some_and(|value| value == "true")
    }

    /// The token of a command, as status can echo it.
    pub(super) fn token(&self, annotation: &str) -> Option<String> {
        self.object.annotations().get(annotation).map(|token| bounded(token, MAX_WORD))
    }

    pub(super) fn sync_token(&self) -> Option<String> {
        self.token(SYNC_REQUESTED_AT)
    }

    pub(super) fn is_ready(&self) -> bool {
        self.ready().is_some_and(|ready| ready.status == "True")
    }

    pub(super) fn is_stalled(&self) -> bool {
        self.has(ConditionType::Stalled)
    }

    pub(super) fn was_paused(&self) -> bool {
        self.has(ConditionType::Paused)
    }

    pub(super) fn is_synced(&self) -> bool {
        self.has(ConditionType::Synced)
    }

    pub(super) fn has(&self, type_: ConditionType) -> bool {
        let conditions = self.object.status().map(|status| K::common(status).conditions.as_slice());
        conditions.is_some_and(|conditions| is_true(conditions, type_))
    }

    fn ready(&self) -> Option<&k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition> {
        find(&K::common(self.object.status()?).conditions, ConditionType::Ready)
    }

    /// Records a pass over a living object.
    pub(super) async fn record(
        mut self,
        mut report: Report<K::Status>,
        result: Result<String, Obstacle>,
    ) -> Result<Action, Obstacle> {
        let events = std::mem::take(&mut report.events).into_iter();
        let warnings = std::mem::take(&mut report.warnings).into_iter();
        self.events.extend(events.map(|(reason, note)| (Severity::Normal, reason, note)));
        self.events.extend(warnings.map(|(reason, note)| (Severity::Warning, reason, note)));
        report.conditions.extend(self.replacing.finding.take());
        let effect = self.count(result.as_ref().err());
        self.fill(&mut report, &result, effect);
        self.write(&report.status, effect.is_none_or(|effect| effect.event)).await?;
        match result {
            Ok(_) => Ok(Action::requeue(report.recheck.unwrap_or_else(|| self.rest()))),
            Err(obstacle) => Err(obstacle),
        }
    }

    /// Counts success or failure.
    fn count(&self, obstacle: Option<&Obstacle>) -> Option<Effect> {
        let Some(obstacle) = obstacle else {
            self.cx.memory.succeed(&self.uid);
            return None;
        };
        // What was to be looked at is looked at again.
        self.cx.memory.ask_for_check(&self.uid);
        let failures = if obstacle.is_failure() {
            self.cx.memory.fail(&self.uid, self.generation())
        } else {
            self.cx.memory.failures(&self.uid)
        };
        Some(obstacle.effect(failures))
    }

    fn fill(
        &self,
        report: &mut Report<K::Status>,
        result: &Result<String, Obstacle>,
        effect: Option<Effect>,
    ) {
        let mut findings = std::mem::take(&mut report.conditions);
        if let Some(obstacle) = result.as_ref().err().filter(|obstacle| !obstacle.failures.is_empty()) {
            K::note_failures(&mut report.status, &obstacle.failures);
            findings.push(Finding::new(
                ConditionType::PreflightPassed,
                Some(false),
                obstacle.reason,
                &obstacle.message,
            ));
        }
        findings.extend(result.as_ref().err().and_then(K::finding));
        let common = K::common_mut(&mut report.status);
        common.external = self.recorded_external();
        let mut conditions =
            Conditions { list: &mut common.conditions, generation: Some(self.generation()), now: self.now() };
        conditions.findings(findings);
        match (result, effect) {
            (Ok(hash), _) => {
                let seen = Seen {
                    reported: self.reported.as_ref(),
                    editor: self.editor.as_deref(),
                    ignored: report.ignored.as_ref(),
                };
                conditions.applied(self.looked, seen);
                common.observed_generation = Some(self.generation());
                common.applied_hash = Some(hash.clone());
                common.last_handled_sync = self.sync_token().or_else(|| common.last_handled_sync.take());
            }
            (Err(obstacle), Some(effect)) => {
                if self.resolved && !obstacle.quiet && effect.ready == ReadyEffect::False {
                    conditions.references_resolved();
                }
                conditions.obstructed(obstacle, effect);
                if effect.ready == ReadyEffect::False {
                    common.observed_generation = Some(self.generation());
                }
                // What only time can help is not served yet.
                if !obstacle.quiet && !obstacle.is_failure() {
                    common.last_handled_sync = self.sync_token().or_else(|| common.last_handled_sync.take());
                }
            }
            (Err(_), None) => {}
        }
        self.fill_approval(common, result, effect);
    }

    /// Shows the action that waits for approval, and echoes the approval of one that went on.
    fn fill_approval(
        &self,
        common: &mut CommonStatus,
        result: &Result<String, Obstacle>,
        effect: Option<Effect>,
    ) {
        let waiting = result.as_ref().err().and_then(|obstacle| obstacle.pending.as_deref());
        let shown = common.pending.as_ref().map(|pending| pending.digest.clone());
        if shown.is_some() && waiting.is_none() && shown.as_deref() == self.approval() {
            common.last_approved = shown;
        }
        let is_known = waiting.is_some() || effect.is_none_or(|effect| effect.ready == ReadyEffect::False);
        if is_known {
            common.pending = waiting.cloned();
        }
    }

    /// The digest that is approved.
    pub(super) fn approval(&self) -> Option<&str> {
        self.object.annotations().get(APPROVE).map(String::as_str)
    }

    /// Writes the status if it differs, then publishes events.
    async fn write(&mut self, status: &K::Status, announce: bool) -> Result<(), Obstacle> {
        let before = self.object.status().cloned().unwrap_or_default();
        if differs::<K>(&before, status) {
            match self.cx.cluster.write_status(&self.object, status).await {
                Ok(written) => {
                    self.object = written;
                    self.count_transitions(K::common(&before), K::common(status));
                }
                Err(Error::Conflict) => return Err(Self::lost_the_write()),
                Err(Error::NotFound) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
            if announce {
                self.announce(&before);
            }
        }
        let external = &self.external;
        self.cx.memory.settle(&self.uid, |role| external.get(&role).map(|external| external.id.clone()));
        self.publish_events().await;
        Ok(())
    }

    async fn publish_events(&mut self) {
        for (severity, reason, note) in joined(std::mem::take(&mut self.events)) {
            self.cx.cluster.publish(&self.object, severity, reason, &note).await;
        }
    }

    /// Counts what the status says for the first time.
    fn count_transitions(&self, before: &CommonStatus, after: &CommonStatus) {
        if before.applied_hash.is_none() && after.applied_hash.is_some() {
            let created =
                self.object.meta().creation_timestamp.as_ref().map_or_else(|| self.now(), |time| time.0);
            let age = Duration::try_from(self.now().duration_since(created)).unwrap_or_default();
            self.cx.metrics.became_ready(&K::kind(&()), age);
        }
        let reported = |status: &CommonStatus| {
            find(&status.conditions, ConditionType::Synced)
                .is_some_and(|synced| synced.reason == Reason::DriftReported.as_str())
        };
        if reported(after) && !reported(before) {
            self.note(Happening::DriftFound);
        }
    }

    /// One event for each condition that flipped.
    fn announce(&mut self, before: &K::Status) {
        let after = self.object.status().map(|status| K::common(status).conditions.clone());
        let news = conditions::news(&K::common(before).conditions, &after.unwrap_or_default());
        self.events.extend(news.into_iter().filter_map(|condition| {
            let severity = if condition.status == "False" { Severity::Warning } else { Severity::Normal };
            Some((severity, Reason::parse(&condition.reason)?, condition.message))
        }));
    }

    /// Somebody wrote in between. The ids of this pass stay in memory: the next one records them, or finds that another process recorded
    /// its own first and deletes what this one had created.
    fn lost_the_write() -> Obstacle {
        Obstacle::conflict("the object changed before its status could be written")
    }

    /// Records a pass over an object that is being deleted. What waits writes once; what is released writes nothing.
    pub(super) async fn record_deletion(mut self, result: Result<(), Obstacle>) -> Result<Action, Obstacle> {
        let Err(obstacle) = result else {
            self.publish_events().await;
            if !is_claimed(&self.object) {
                self.cx.memory.forget(&self.uid);
            }
            return Ok(Action::requeue(self.rest()));
        };
        let effect = self.count(Some(&obstacle));
        let said = self.ready().is_some_and(|ready| ready.reason == obstacle.reason.as_str());
        if !said || !self.events.is_empty() {
            let mut report = self.blank_report();
            self.fill(&mut report, &Err(obstacle.clone()), effect);
            self.write(&report.status, true).await?;
        }
        Err(obstacle)
    }

    /// Records that the operator keeps its hands off.
    pub(super) async fn record_pause(mut self) -> Result<Action, Obstacle> {
        let mut report = self.blank_report();
        let deleting = if self.is_deleting() { "; its deletion waits for that" } else { "" };
        let message =
            format!("the annotation {PAUSED} is set: nothing is created, changed or deleted{deleting}");
        let list = &mut K::common_mut(&mut report.status).conditions;
        let mut conditions = Conditions { list, generation: Some(self.generation()), now: self.now() };
        conditions.set(ConditionType::Paused, true, Reason::Paused, &message);
        self.write(&report.status, false).await?;
        Ok(Action::requeue(self.rest()))
    }

    fn rest(&self) -> Duration {
        retry::spread(self.cx.settings.drift_interval.saturating_mul(REST_FACTOR), rand::random())
    }
}

/// One event for each reason: a series of events with one reason shows the note of its first only.
fn joined(events: Vec<(Severity, Reason, String)>) -> Vec<(Severity, Reason, String)> {
    let mut joined: Vec<(Severity, Reason, String)> = Vec::new();
    for (severity, reason, note) in events {
        match joined.iter_mut().find(|held| (held.0, held.1) == (severity, reason)) {
            Some(held) => held.2 = format!("{}; {note}", held.2),
            None => joined.push((severity, reason, note)),
        }
    }
    joined
}

/// When to look again after an obstacle.
pub fn next_look(obstacle: &Obstacle, failures: u32, slow: Duration) -> Duration {
    let wait = match obstacle.effect(failures).recheck {
        Recheck::Soon if failures <= CONFLICTS => SOON,
        Recheck::Soon | Recheck::Backoff => retry::backoff(failures, BACKOFF_CAP, rand::random()),
        Recheck::Slow => retry::spread(slow, rand::random()),
    };
    obstacle.retry_after.map_or(wait, |after| after + retry::spread(SOON, rand::random()))
}

/// Whether two statuses differ in anything but times of conditions and etags: every run moves a flow's etag, and that alone is worth no
/// write. (What stands in an etag's place where a service has none is a version, and counts.)
fn differs<K: Managed>(before: &K::Status, after: &K::Status) -> bool {
    let untimed = |status: &K::Status| {
        let mut status = status.clone();
        let common = K::common_mut(&mut status);
        let conditions: Vec<Condition> = std::mem::take(&mut common.conditions);
        common
            .external
            .iter_mut()
            .filter(|external| has_etag(external.role))
            .for_each(|external| external.etag = None);
        (status, conditions)
    };
    let ((before, conditions_before), (after, conditions_after)) = (untimed(before), untimed(after));
    before != after || !eq_ignoring_times(&conditions_before, &conditions_after)
}

fn has_etag(role: Role) -> bool {
    matches!(
        role,
        Role::Connection | Role::SourceConnection | Role::TargetConnection | Role::Flow | Role::Probe
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::outcome::Class;

    #[test]
    fn what_happened_for_one_reason_in_one_pass_is_one_event() {
        let event = |severity, reason, note: &str| (severity, reason, note.to_owned());
        let events = vec![
            event(Severity::Normal, Reason::Created, "created a"),
            event(Severity::Warning, Reason::Retained, "kept"),
            event(Severity::Normal, Reason::Created, "created b"),
        ];
        let expected = vec![
            event(Severity::Normal, Reason::Created, "created a; created b"),
            event(Severity::Warning, Reason::Retained, "kept"),
        ];
        assert_eq!(joined(events), expected);
    }

    #[test]
    fn each_failure_in_a_row_waits_longer_and_no_two_objects_alike() {
        let refused = Obstacle::new(Class::Unavailable, Reason::Progressing, "no");
        let slow = Duration::from_mins(5);
        let mut least = Duration::ZERO;
        for failures in 3..9 {
            let waits: Vec<Duration> = (0..20).map(|_| next_look(&refused, failures, slow)).collect();
            assert!(waits.iter().all(|wait| *wait > least), "{failures}: {waits:?} after {least:?}");
            assert!(waits.iter().any(|wait| *wait != waits[0]), "{failures}: spread");
            least = waits.into_iter().max().unwrap_or_default();
        }
        assert!((0..100).all(|_| next_look(&refused, 99, slow) <= BACKOFF_CAP.mul_f64(1.2)));
    }

    #[test]
    fn a_time_that_adobe_names_is_kept() {
        let after = Duration::from_secs(42);
        let limited = Obstacle::new(Class::Unavailable, Reason::Progressing, "wait").after(after);
        assert!((1..9).all(|failures| next_look(&limited, failures, after) >= after));
    }
}
