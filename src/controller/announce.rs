//! One change of one upstream object. Where upstream takes no precondition, the change is written down first.
//!
//! A PATCH with an etag is fenced by upstream. A PUT of rows, the creation of a descriptor and a step that can never be taken back are
//! not: they pass the same gate as a POST, behind an announcement that is a compare-and-set of the version that was read. From it a
//! later process knows what may still surface.

use std::time::Duration;

use tokio::time::Instant;

use super::managed::{Before, Change, Managed};
use super::pass::Pass;
use crate::api::condition::Reason;
use crate::api::role::Role;
use crate::api::status::ExternalObject;
use crate::domain::drift::Drift;
use crate::domain::intent::Announced;
use crate::domain::outcome::{Class, Obstacle};

/// A claim of this pass that is older than this is renewed, so that time is left to send what it announces.
const FRESH: Duration = Duration::from_secs(5);

impl<K: Managed> Pass<'_, K> {
    /// Changes an object as it was observed.
    pub(super) async fn change(
        &mut self,
        role: Role,
        drift: &Drift,
        refs: &K::Refs,
        desired: &K::Desired,
    ) -> Result<ExternalObject, Obstacle> {
        let Some(object) = self.objects.get(&role).cloned() else {
            return Err(Obstacle::bug(format!("the {role} was not observed")));
        };
        let shape = self.shape(refs, desired);
        let (gate, permits, is_announced) =
            match self.object.before_update(self.cx, &shape, role, &object, drift).await? {
                Before::Made(external) => return Ok(external),
                Before::Send => (self.write_gate(), Vec::new(), false),
                Before::Announce(announced, calls) => {
                    let permits = K::site(refs).session.permits(calls).await?;
                    self.announce_change(role, announced).await?;
                    (self.create_gate()?, permits, true)
                }
            };
        let change = Change { role, object: &object, drift, gate: &gate, permits };
        let result = self.object.update(self.cx, &self.shape(refs, desired), change).await;
        if is_announced {
            // Also what succeeded may not be visible yet.
            let may_surface = result.as_ref().err().is_none_or(|obstacle| obstacle.class == Class::Ambiguous);
            self.cx.memory.note_change(&self.uid, role, may_surface);
        }
        result
    }

    /// Writes down what is about to be sent, on the version of the custom resource that was read.
    async fn announce_change(&mut self, role: Role, mut announced: Announced) -> Result<(), Obstacle> {
        let mut intent =
            self.intent.clone().ok_or_else(|| Obstacle::bug("a change needs a claim from before it"))?;
        let is_fresh = self.claimed_at.is_some_and(|claimed_at| claimed_at.elapsed() < FRESH);
        if let Some(former) = intent.changes.get(&role).filter(|former| former.id == announced.id) {
            if is_fresh && former.covers(&announced) {
                return Ok(());
            }
            // What may still surface stays announced.
            let settings = &self.cx.settings;
            if !self.cx.memory.change_grace(&self.uid, role, settings.lookup_grace).is_zero() {
                announced.hashes.extend(former.hashes.iter().cloned());
            }
        }
        announced.hashes.sort_unstable();
        announced.hashes.dedup();
        intent.changes.insert(role, announced);
        self.put_intent(intent).await?;
        self.claimed_at = Some(Instant::now());
        Ok(())
    }
}

/// The wait for a change that was announced and may still be on its way.
pub(super) fn waiting_for_change(what: &str, grace: Duration) -> Obstacle {
    Obstacle::new(
        Class::Ambiguous,
        Reason::OutcomeUnknown,
        format!("{what} may still be on its way: it is looked for until its absence is certain, and then sent again"),
    )
    .after(grace)
}
