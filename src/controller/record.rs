//! The end of a pass: status is written if it differs, transitions become events, and the next look is set.

use std::time::Duration;

use kube::ResourceExt;
use kube::runtime::controller::Action;

use super::managed::{Finding, Managed, Report};
use super::pass::Pass;
use super::upstream;
use crate::api::condition::{ConditionStatus, ConditionType, Reason, remove, set};
use crate::api::status::CommonStatus;
use crate::api::{PAUSED, SYNC_REQUESTED_AT};
use crate::cluster::Error;
use crate::cluster::claim::is_claimed;
use crate::cluster::events::Severity;
use crate::domain::outcome::{Effect, Obstacle, ReadyEffect, Recheck};
use crate::domain::retry;

/// Longest backoff after failures.
const BACKOFF_CAP: Duration = Duration::from_mins(10);
/// The next look after a conflict.
const SOON: Duration = Duration::from_millis(200);
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
        let conditions = &K::common(self.object.status()?).conditions;
        conditions.iter().find(|condition| condition.type_ == ConditionType::Ready.as_str())
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
        Some(obstacle.effect(self.cx.memory.fail(&self.uid)))
    }

    fn fill(
        &self,
        report: &mut Report<K::Status>,
        result: &Result<String, Obstacle>,
        effect: Option<Effect>,
    ) {
        let (generation, now) = (Some(self.generation()), self.now());
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
        common.external = self.external.values().cloned().collect();
        for Finding { type_, status, reason, message } in findings {
            set(&mut common.conditions, type_, to_status(status), reason, &message, generation, now);
        }
        match (result, effect) {
            (Ok(hash), _) => self.fill_success(common, hash),
            (Err(obstacle), Some(effect)) => self.fill_obstacle(common, obstacle, effect),
            (Err(_), None) => {}
        }
    }

    fn fill_success(&self, common: &mut CommonStatus, hash: &str) {
        let (generation, now) = (Some(self.generation()), self.now());
        common.observed_generation = generation;
        common.applied_hash = Some(hash.to_owned());
        common.last_handled_sync = self.sync_token();
        let conditions = &mut common.conditions;
        set(
            conditions,
            ConditionType::Ready,
            ConditionStatus::True,
            Reason::Available,
            "applied upstream",
            generation,
            now,
        );
        set(
            conditions,
            ConditionType::ReferencesResolved,
            ConditionStatus::True,
            Reason::ReferencesResolved,
            "all references are resolved",
            generation,
            now,
        );
        match &self.reported {
            Some(drift) => set(
                conditions,
                ConditionType::Synced,
                ConditionStatus::False,
                Reason::DriftReported,
                &format!("upstream differs and driftPolicy is Report: {drift}"),
                generation,
                now,
            ),
            None => set(
                conditions,
                ConditionType::Synced,
                ConditionStatus::True,
                Reason::InSync,
                "upstream equals spec",
                generation,
                now,
            ),
        }
        for abnormal in [ConditionType::Stalled, ConditionType::Reconciling, ConditionType::Paused] {
            remove(conditions, abnormal);
        }
    }

    fn fill_obstacle(&self, common: &mut CommonStatus, obstacle: &Obstacle, effect: Effect) {
        let (generation, now) = (Some(self.generation()), self.now());
        let was_ready = self.is_ready();
        let conditions = &mut common.conditions;
        let (reason, message) = (obstacle.reason, obstacle.message.as_str());
        match effect.ready {
            ReadyEffect::False => set(
                conditions,
                ConditionType::Ready,
                ConditionStatus::False,
                reason,
                message,
                generation,
                now,
            ),
            ReadyEffect::UnknownUnlessTrue if !was_ready => {
                set(
                    conditions,
                    ConditionType::Ready,
                    ConditionStatus::Unknown,
                    reason,
                    message,
                    generation,
                    now,
                );
            }
            ReadyEffect::UnknownUnlessTrue | ReadyEffect::Keep => {}
        }
        if is_about_references(reason) && effect.ready == ReadyEffect::False {
            set(
                conditions,
                ConditionType::ReferencesResolved,
                ConditionStatus::False,
                reason,
                message,
                generation,
                now,
            );
        }
        if effect.stalled {
            set(conditions, ConditionType::Stalled, ConditionStatus::True, reason, message, generation, now);
            remove(conditions, ConditionType::Reconciling);
        } else if effect.reconciling {
            set(
                conditions,
                ConditionType::Reconciling,
                ConditionStatus::True,
                reason,
                message,
                generation,
                now,
            );
            remove(conditions, ConditionType::Stalled);
        }
        if effect.ready == ReadyEffect::False {
            common.observed_generation = generation;
        }
    }

    /// Writes the status if it differs, then publishes events.
    async fn write(&mut self, status: &K::Status, announce: bool) -> Result<(), Obstacle> {
        let before = self.object.status().cloned().unwrap_or_default();
        if upstream::differs::<K>(&before, status) {
            match self.cx.cluster.write_status(&self.object, status).await {
                Ok(written) => self.object = written,
                Err(Error::Conflict) => return self.lost_the_write().await,
                Err(Error::NotFound) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
            if announce {
                self.announce(&before);
            }
        }
        let external = &self.external;
        self.cx.memory.settle(&self.uid, |role| external.contains_key(&role));
        for (severity, reason, note) in std::mem::take(&mut self.events) {
            self.cx.cluster.publish(&self.object, severity, reason, &note).await;
        }
        Ok(())
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

    /// Somebody wrote in between. If another process recorded another id for a role that this pass created, this one lost: it deletes
    /// exactly what it has itself just created. Otherwise the ids stay in memory and the next pass records them.
    async fn lost_the_write(&mut self) -> Result<(), Obstacle> {
        let live: Option<K> = self.cx.cluster.get_opt(&self.namespace(), &self.object.name_any()).await?;
        let recorded = live
            .as_ref()
            .and_then(K::status)
            .map(|status| K::common(status).external.clone())
            .unwrap_or_default();
        for role in self.created.clone() {
            let ours = self.external.get(&role).map(|external| external.id.clone());
            let winner = recorded.iter().find(|external| external.role == role);
            if let (Some(ours), Some(winner)) = (ours, winner)
                && winner.id != ours
            {
                let site = self.object.reach(self.cx).await?;
                upstream::delete(&site, &self.write_gate(), role, &ours, &self.marker(role, &site.sandbox))
                    .await?;
                self.cx.memory.settle(&self.uid, |settled| settled == role);
                let note = format!(
                    "another process recorded {role} {} first: deleted {ours}, which this one had just created",
                    winner.id
                );
                self.cx.cluster.publish(&self.object, Severity::Warning, Reason::ExtraDeleted, &note).await;
            }
        }
        Err(Obstacle::conflict("the object changed before its status could be written"))
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
        let (generation, now) = (Some(self.generation()), self.now());
        let common = K::common_mut(&mut report.status);
        let deleting = if self.object.meta().deletion_timestamp.is_some() {
            "; its deletion waits for that"
        } else {
            ""
        };
        let message =
            format!("the annotation {PAUSED} is set: nothing is created, changed or deleted{deleting}");
        set(
            &mut common.conditions,
            ConditionType::Paused,
            ConditionStatus::True,
            Reason::Paused,
            &message,
            generation,
            now,
        );
        self.write(&report.status, false).await?;
        Ok(Action::requeue(self.rest()))
    }

    fn rest(&self) -> Duration {
        retry::spread(self.cx.settings.drift_interval.saturating_mul(REST_FACTOR), rand::random())
    }
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
    )
}

/// When to look again after an obstacle.
pub(super) fn next_look(obstacle: &Obstacle, failures: u32, slow: Duration) -> Duration {
    let wait = match obstacle.effect(failures).recheck {
        Recheck::Soon => SOON,
        Recheck::Backoff => retry::backoff(failures, BACKOFF_CAP, rand::random()),
        Recheck::Slow => retry::spread(slow, rand::random()),
    };
    obstacle.retry_after.map_or(wait, |after| after + retry::spread(SOON, rand::random()))
}

fn to_status(status: Option<bool>) -> ConditionStatus {
    match status {
        Some(true) => ConditionStatus::True,
        Some(false) => ConditionStatus::False,
        None => ConditionStatus::Unknown,
    }
}
