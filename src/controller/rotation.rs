//! Trying a new key on a connection of its own, the probe, before the real connection gets it: a typo in a Secret stops no flow.
//!
//! The probe is a create like any other: claimed in its own pass, looked up by its marker, deleted and seen to be gone. Its role stands
//! in the intent for as long as a probe may exist, so that the next pass, or the deletion of the object, finds what a crash has left.
//! A verdict is remembered by a salted hash of key and sandbox: objects that share a key share one probe.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kube::ResourceExt;
use tokio::time::Instant;

use super::hash;
use super::managed::Managed;
use super::memory::Sent;
use super::pass::Pass;
use super::site::Site;
use crate::api::condition::{Reason, find};
use crate::api::role::Role;
use crate::cluster::events::Severity;
use crate::domain::drift::Drift;
use crate::domain::outcome::Obstacle;
use crate::domain::plan::{Facts, RoleFacts, Step, plan};

/// How long a verdict holds: long enough for all that share a key, and short enough to notice what was mended at Stripe.
const VERDICT_LIFE: Duration = Duration::from_mins(15);

/// A drifted field that holds a secret, to be tried before it is sent.
pub struct Trial {
    /// The field.
    pub field: &'static str,
    /// The secret with all that decides whether it works, as [`Trials::key`] makes it.
    pub key: TrialKey,
    /// What is in the way when the secret does not work.
    pub refusal: Obstacle,
}

/// A salted hash that means nothing outside this process.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TrialKey(String);

type Verdict = Option<(bool, Instant)>;

/// The verdicts of this process. Whoever tries a key holds its lock, so that all others wait for the one verdict.
pub struct Trials {
    salt: String,
    verdicts: Mutex<HashMap<TrialKey, Arc<tokio::sync::Mutex<Verdict>>>>,
}

impl Default for Trials {
    fn default() -> Self {
        Self { salt: format!("{:032x}", rand::random::<u128>()), verdicts: Mutex::default() }
    }
}

impl Trials {
    /// Tells a secret in one sandbox from all others.
    pub fn key(&self, site: &Site, secret: &str) -> TrialKey {
        let place = format!("{} {} {}", self.salt, site.organization, site.sandbox);
        TrialKey(hash::of_secret(&place, secret))
    }

    fn verdict(&self, key: &TrialKey) -> Arc<tokio::sync::Mutex<Verdict>> {
        let mut verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        verdicts.retain(|_, verdict| {
            Arc::strong_count(verdict) > 1
                || verdict.try_lock().is_ok_and(|verdict| fresh(*verdict).is_some())
        });
        Arc::clone(verdicts.entry(key.clone()).or_default())
    }
}

fn fresh(verdict: Verdict) -> Option<bool> {
    verdict.filter(|(_, since)| since.elapsed() < VERDICT_LIFE).map(|(accepted, _)| accepted)
}

impl<K: Managed> Pass<'_, K> {
    /// The part of a drift that may be sent, and what forbids the rest.
    pub(super) async fn tried(
        &mut self,
        refs: &K::Refs,
        desired: &K::Desired,
        drift: Drift,
    ) -> Result<(Drift, Option<Obstacle>), Obstacle> {
        let Some(trial) = self.object.trial(self.cx, &self.shape(refs, desired), &drift) else {
            return Ok((drift, None));
        };
        let verdict = self.cx.trials.verdict(&trial.key);
        let mut verdict = verdict.lock().await;
        let accepted = if let Some(accepted) = fresh(*verdict) {
            accepted
        } else {
            let accepted = self.probe(refs, desired).await?;
            *verdict = Some((accepted, Instant::now()));
            self.clear_probe(K::site(refs)).await?;
            accepted
        };
        if accepted {
            return Ok((drift, None));
        }
        let refusal = Obstacle { usable: self.is_applied(), ..trial.refusal };
        self.announce_refusal(&refusal);
        Ok((drift.without(trial.field), Some(refusal)))
    }

    /// Makes a probe and asks whether its key works.
    async fn probe(&mut self, refs: &K::Refs, desired: &K::Desired) -> Result<bool, Obstacle> {
        let hash = hash::of(desired);
        self.write_claim(refs, &hash, Some(Role::Probe)).await?;
        match self.create(Role::Probe, refs, desired).await {
            Ok(()) => {}
            // Adobe may try a key at once.
            Err(obstacle) if obstacle.reason == Reason::StripeCredentialsRefused => return Ok(false),
            Err(obstacle) => return Err(obstacle),
        }
        let id = self.shape(refs, desired).id(Role::Probe)?.to_owned();
        Ok(K::site(refs).session.test_connection(&id).await?)
    }

    /// Deletes the probe that this pass, or an earlier one, may have made, and takes its role out of the intent.
    pub(super) async fn clear_probe(&mut self, site: &Site) -> Result<(), Obstacle> {
        if !self.may_have_probe() {
            return Ok(());
        }
        let standing = self.orient_role(Role::Probe);
        self.standings.insert(Role::Probe, standing);
        loop {
            let standing = self.standings.get(&Role::Probe).cloned();
            let Some(standing) = standing else { break };
            let probe = RoleFacts { role: Role::Probe, standing, keep: false };
            let facts = Facts {
                deleting: true,
                claim: self.claim,
                roles: vec![probe],
                drift_policy: self.object.drift_policy(),
                misplaced: false,
                replacement: None,
                former: None,
            };
            match plan(&facts) {
                Step::Release => break,
                step => self.act_in_deletion(step, site).await?,
            }
        }
        self.standings.remove(&Role::Probe);
        self.external.remove(&Role::Probe);
        self.recalled.remove(&Role::Probe);
        self.cx.memory.forget_sent(&self.uid, Role::Probe);
        let Some(mut intent) = self.intent.clone() else { return Ok(()) };
        intent.roles.remove(&Role::Probe);
        self.put_intent(intent).await
    }

    /// Whether a probe may exist upstream.
    pub(super) fn may_have_probe(&self) -> bool {
        self.external.contains_key(&Role::Probe)
            || self.intent.as_ref().is_some_and(|intent| intent.roles.contains_key(&Role::Probe))
    }

    /// After the claim nobody can have sent a probe before this process does.
    pub(super) fn note_unsent(&self, role: Option<Role>) {
        if let Some(role) = role {
            self.cx.memory.note_sent(&self.uid, role, Sent::Refused);
        }
    }

    /// Whether the present generation is in use upstream, whatever its secret has become since.
    pub(super) fn is_applied(&self) -> bool {
        let observed = self.object.status().and_then(|status| K::common(status).observed_generation);
        self.is_ready() && observed == self.object.meta().generation
    }

    /// An event when the condition does not say so yet.
    fn announce_refusal(&mut self, refusal: &Obstacle) {
        let Some(finding) = K::finding(refusal) else { return };
        let conditions =
            self.object.status().map(|status| K::common(status).conditions.as_slice()).unwrap_or_default();
        let said = find(conditions, finding.type_).is_some_and(|said| said.reason == refusal.reason.as_str());
        if !said {
            tracing::warn!(
                name = self.object.name_any(),
                reason = refusal.reason.as_str(),
                "a new key is refused"
            );
            self.events.push((Severity::Warning, refusal.reason, refusal.message.clone()));
        }
    }
}
