//! The change of one upstream object in place: patched with the etag that was observed, read back, compared again, and told.
//!
//! A stale etag means that somebody else wrote in between: read, compare and try again. Only fields that the operator owns are ever
//! sent, so what others changed beside them stays.

use super::managed::Managed;
use super::pass::Pass;
use super::upstream::Object;
use crate::api::condition::Reason;
use crate::api::policy::DriftPolicy;
use crate::api::role::Role;
use crate::cluster::events::Severity;
use crate::domain::drift::Drift;
use crate::domain::outcome::{Class, Obstacle};
use crate::domain::plan::Standing;

/// Changes that are sent for one object in one pass: each stale etag costs one.
const CHANGES: usize = 6;
/// A change that Adobe accepted and failed to carry out is sent again this many times less often than it is looked at.
const RETRY_FACTOR: u32 = 12;
/// When to look again at what Adobe is still working on.
const UNFINISHED: std::time::Duration = std::time::Duration::from_secs(2);

/// What one pass did to an object, for the event.
#[derive(Default)]
struct Told {
    fields: Vec<&'static str>,
    /// Changes that were refused because somebody else had written.
    raced: usize,
    editor: Option<String>,
}

impl<K: Managed> Pass<'_, K> {
    /// Changes one object until it is as desired.
    pub(super) async fn update(
        &mut self,
        role: Role,
        refs: &K::Refs,
        desired: &K::Desired,
        hash: &str,
    ) -> Result<(), Obstacle> {
        let id = self.shape(refs, desired).id(role)?.to_owned();
        if !self.objects.contains_key(&role) {
            self.observe_role(role, &id, refs, desired).await?;
        }
        // What is put back was somebody else's edit; after that, only what is read after a stale etag tells of others.
        let editor = if self.settled { self.objects.get(&role).and_then(Object::editor) } else { None };
        let mut told = Told { editor, ..Told::default() };
        for _ in 0..CHANGES {
            let Some((_, drift)) = self.difference(role) else { break };
            let (drift, refusal) = self.tried(refs, desired, drift.clone()).await?;
            if let Some(refusal) = refusal.clone().filter(|_| self.may_not_send(&drift)) {
                return Err(refusal);
            }
            let Some(object) = self.objects.get(&role) else { break };
            self.refuse_failed_change(role, object, hash)?;
            let fields: Vec<_> = drift.differences().iter().map(|difference| difference.field).collect();
            let result = self.change(role, &drift, refs, desired).await;
            self.note_change(role, hash, &result);
            let is_raced = matches!(&result, Err(obstacle) if obstacle.class == Class::Conflict);
            match result {
                Ok(external) => {
                    self.looked = true;
                    if refusal.is_none() {
                        self.patched.insert(role);
                    }
                    self.external.insert(role, external);
                    told.fields.extend(fields);
                }
                Err(_) if is_raced => told.raced += 1,
                Err(obstacle) => return Err(obstacle),
            }
            self.observe_role(role, &id, refs, desired).await?;
            if is_raced {
                told.editor = self.objects.get(&role).and_then(Object::editor);
            }
        }
        if let Some((_, drift)) = self.difference(role) {
            return Err(outrun(role, &id, drift, told.editor.as_deref()));
        }
        self.tell(role, &id, &told);
        Ok(())
    }

    /// What is left beside a refused secret is sent only where drift is corrected: whose difference it is cannot be told then.
    fn may_not_send(&self, rest: &Drift) -> bool {
        rest.is_empty() || self.object.drift_policy() == DriftPolicy::Report
    }

    fn difference(&self, role: Role) -> Option<(&Object, &Drift)> {
        match self.standings.get(&role)? {
            Standing::Owned { drift } if !drift.is_empty() => Some((self.objects.get(&role)?, drift)),
            _ => None,
        }
    }

    /// What may have been accepted is remembered: should Adobe fail to carry it out, it is not sent again at once.
    fn note_change<T>(&self, role: Role, hash: &str, result: &Result<T, Obstacle>) {
        self.cx.memory.note_written(&self.uid, role);
        let was_accepted = match result {
            Ok(_) => true,
            Err(obstacle) => obstacle.class == Class::Ambiguous,
        };
        if was_accepted {
            self.cx.memory.note_accepted(&self.uid, role, hash);
        }
    }

    /// Adobe may accept a change and fail later to carry it out. The same change is not sent again and again: it is said.
    fn refuse_failed_change(&self, role: Role, object: &Object, hash: &str) -> Result<(), Obstacle> {
        let Some(said) = object.failed_operation() else { return Ok(()) };
        let pause = self.cx.settings.drift_interval.saturating_mul(RETRY_FACTOR);
        let was_sent = self.cx.memory.sent_change(&self.uid, role, hash, pause);
        if !was_sent && !self.settled && !self.patched.contains(&role) {
            return Ok(());
        }
        let message = format!(
            "Adobe accepted a change of the {role} and failed to carry it out: {said}: change spec, or correct the {role} in AEP"
        );
        Err(Obstacle::invalid(Reason::UpstreamFailed, message))
    }

    /// Nothing is said to be applied while Adobe is still working on it: the change may yet fail.
    pub(super) fn refuse_unfinished(&self) -> Result<(), Obstacle> {
        let unfinished = |(role, object): &(&Role, &Object)| {
            (!self.settled || self.patched.contains(role)) && object.is_unfinished()
        };
        match self.objects.iter().find(unfinished) {
            Some((role, object)) => Err(Obstacle::new(
                Class::Unavailable,
                Reason::UpstreamBusy,
                format!("Adobe is still working on the {role} {}", object.id()),
            )
            .after(UNFINISHED)),
            None => Ok(()),
        }
    }

    fn tell(&mut self, role: Role, id: &str, told: &Told) {
        if told.fields.is_empty() {
            return;
        }
        let fields = told.fields.join(", ");
        let editor = told.editor.as_deref().map(|editor| format!(", last {editor}")).unwrap_or_default();
        let (reason, text) = match (self.settled, told.raced) {
            (true, _) => (
                Reason::DriftCorrected,
                format!("put back {fields} of the {role} {id}, which others edited{editor}"),
            ),
            (false, 0) => (Reason::Updated, format!("changed {fields} of the {role} {id}")),
            (false, raced) => (
                Reason::Updated,
                format!("changed {fields} of the {role} {id}; others wrote {raced} times meanwhile{editor}"),
            ),
        };
        self.events.push((Severity::Normal, reason, text));
    }
}

fn outrun(role: Role, id: &str, drift: &Drift, editor: Option<&str>) -> Obstacle {
    let editor = editor.map(|editor| format!(", last by {editor}")).unwrap_or_default();
    Obstacle::new(
        Class::Unavailable,
        Reason::LostUpdateRace,
        format!(
            "the {role} {id} upstream was changed{editor} at each of {CHANGES} attempts to correct it: {drift}"
        ),
    )
}
