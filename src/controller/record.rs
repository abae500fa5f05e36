//! The end of a pass: status is written if it differs, transitions become events, and the next look is set.

use std::time::Duration;

use kube::ResourceExt;
use kube::runtime::controller::Action;

use super::conditions::Conditions;
use super::managed::{Finding, Managed, Report};
use super::pass::Pass;
use super::upstream;
use crate::api::condition::{ConditionType, Reason, find};
use crate::api::status::CommonStatus;
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
            recheck: None,
        }
    }

    pub(super) fn is_paused(&self) -> bool {
        self.object.annotations().get(PAUSED).is_some_and(|value| value == "true")
    }

    pub(super) fn sync_token(&self) -> Option<String> {
        self.object.annotations().get(SYNC_REQUESTED_AT).cloned()
    }

    pub(super) fn is_ready(&self) -> bool {
        self.ready().is_some_and(|ready| ready.status == "True")
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
        self.events.extend(
            std::mem::take(&mut report.events)
                .into_iter()
                .map(|(reason, note)| (Severity::Normal, reason, note)),
        );
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
        let common = K::common_mut(&mut report.status);
        common.external = self.recorded_external();
        let mut conditions =
            Conditions { list: &mut common.conditions, generation: Some(self.generation()), now: self.now() };
        conditions.findings(findings);
        match (result, effect) {
            (Ok(hash), _) => {
                conditions.applied(self.looked, self.reported.as_ref());
                common.observed_generation = Some(self.generation());
                common.applied_hash = Some(hash.clone());
                common.last_handled_sync = self.sync_token();
            }
            (Err(obstacle), Some(effect)) => {
                if self.resolved && !obstacle.quiet && effect.ready == ReadyEffect::False {
                    conditions.references_resolved();
                }
                conditions.obstructed(obstacle, effect);
                if effect.ready == ReadyEffect::False {
                    common.observed_generation = Some(self.generation());
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
        let is_known = effect.is_none_or(|effect| effect.ready == ReadyEffect::False);
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
        if upstream::differs::<K>(&before, status) {
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
        for (severity, reason, note) in std::mem::take(&mut self.events) {
            self.cx.cluster.publish(&self.object, severity, reason, &note).await;
        }
        Ok(())
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

    /// An event for a change of the Ready condition.
    fn announce(&mut self, before: &K::Status) {
        let ready_of = |status: &K::Status| {
            let ready = K::common(status)
                .conditions
                .iter()
                .find(|condition| condition.type_ == ConditionType::Ready.as_str());
            ready.map(|ready| (ready.status.clone(), ready.reason.clone(), ready.message.clone()))
        };
        let after = self.object.status().and_then(ready_of);
        let same = |a: &(String, String, String), b: &(String, String, String)| a.0 == b.0 && a.1 == b.1;
        let Some(after) = after else { return };
        if ready_of(before).is_some_and(|before| same(&before, &after)) {
            return;
        }
        let severity = if after.0 == "False" { Severity::Warning } else { Severity::Normal };
        if let Some(reason) = Reason::parse(&after.1) {
            self.events.push((severity, reason, after.2));
        }
    }

    /// Somebody wrote in between. The ids of this pass stay in memory: the next one records them, or finds that another process recorded
    /// its own first and deletes what this one had created.
    fn lost_the_write() -> Obstacle {
        Obstacle::conflict("the object changed before its status could be written")
    }

    /// Records a pass over an object that is being deleted. What waits writes once; what is released writes nothing.
    pub(super) async fn record_deletion(mut self, result: Result<(), Obstacle>) -> Result<Action, Obstacle> {
        let Err(obstacle) = result else {
            for (severity, reason, note) in std::mem::take(&mut self.events) {
                self.cx.cluster.publish(&self.object, severity, reason, &note).await;
            }
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

/// When to look again after an obstacle.
pub(super) fn next_look(obstacle: &Obstacle, failures: u32, slow: Duration) -> Duration {
    let wait = match obstacle.effect(failures).recheck {
        Recheck::Soon if failures <= CONFLICTS => SOON,
        Recheck::Soon | Recheck::Backoff => retry::backoff(failures, BACKOFF_CAP, rand::random()),
        Recheck::Slow => retry::spread(slow, rand::random()),
    };
    obstacle.retry_after.map_or(wait, |after| after + retry::spread(SOON, rand::random()))
}
