//! What this process remembers about each custom resource, by UID. It is lost with the process; a new one then assumes the worst and
//! looks upstream before it creates. Whatever is remembered here may only make a look-up unnecessary when it proves that there is nothing
//! to find.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::upstream::Object;
use crate::aep::model::Run;
use crate::api::role::Role;
use crate::api::status::ExternalObject;

/// What became of the last POST for a role.
#[derive(Debug, Clone, PartialEq)]
pub enum Sent {
    /// Answered with an id that may not have reached status yet.
    Created(ExternalObject),
    /// Sent, and the answer is unknown since then.
    Unknown(Instant),
    /// Certainly not executed.
    Refused,
}

/// What became of the POST that was to start a run on demand.
#[derive(Debug, Clone, PartialEq)]
pub enum RunSent {
    /// Answered with the run's id.
    Started(String),
    /// It may have been sent, and the answer is unknown since then.
    Unknown(Instant),
    /// Certainly not executed.
    Refused,
}

/// What the inventory showed of an object.
#[derive(Debug, Clone)]
pub enum Shown {
    /// It stands in a list, like this.
    There(Box<Object>),
    /// It stands in a list, which may not show all of it.
    Moved,
    /// The list does not show the object of this id.
    Missing(String),
}

#[derive(Debug, Default)]
struct Remembered {
    listed: bool,
    /// Where it lives, as its last pass found.
    organization: Option<String>,
    first_seen: Option<Instant>,
    failures: u32,
    /// The generation that failed.
    failed_generation: i64,
    sent: HashMap<Role, Sent>,
    /// Since when changes that were announced may still surface; `None` when the last one was certainly not executed.
    changed: HashMap<Role, Option<Instant>>,
    /// Roles that existed upstream at some time.
    existed: HashSet<Role>,
    /// The intent that this process wrote last.
    claim: Option<String>,
    check: bool,
    /// What the inventory showed, for the next pass.
    shown: HashMap<Role, Shown>,
    /// The last run of the object's flow, likewise.
    shown_run: Option<Run>,
    /// When this process last wrote to a role's object.
    written: HashMap<Role, Instant>,
    /// Objects that upstream does not show.
    missing: HashMap<Role, Missing>,
    /// Hash of the desired state that was last sent as a change of a role's object and not seen to be carried out yet, and when.
    changes: HashMap<Role, (String, Instant)>,
    /// The token of the last run on demand, and what became of it.
    run: Option<(String, RunSent)>,
}

/// An object that upstream does not show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Adobe's id.
    pub id: String,
    /// Since when.
    pub since: Instant,
    /// Its absence was proven.
    pub proven: bool,
}

/// The memory of all objects.
#[derive(Debug, Default)]
pub struct Memory(Mutex<HashMap<String, Remembered>>);

impl Memory {
    fn objects(&self) -> MutexGuard<'_, HashMap<String, Remembered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, uid: &str, change: impl FnOnce(&mut Remembered) -> T) -> T {
        change(self.objects().entry(uid.to_owned()).or_default())
    }

    /// Notes in which organisation the object lives: status tells it only when something exists.
    pub fn note_organization(&self, uid: &str, organization: &str) {
        self.with(uid, |object| {
            if object.organization.as_deref() != Some(organization) {
                object.organization = Some(organization.to_owned());
            }
        });
    }

    /// The organisation in which the object lives, where it is known.
    pub fn organization(&self, uid: &str) -> Option<String> {
        self.objects().get(uid)?.organization.clone()
    }

    /// The object came with a list, not with an event: another process may have worked on it.
    pub fn note_listed(&self, uid: &str) {
        // An object that this process knows from an event is not made doubtful by a later list.
        self.with(uid, |object| object.listed |= object.first_seen.is_none());
    }

    /// Whether nobody can have sent a POST for the role: the object has been known from its first event on, the intent that stands on it
    /// (if any) is the one that this process wrote last, and the role never existed.
    pub fn is_untouched(&self, uid: &str, role: Role, intent: Option<&str>) -> bool {
        self.with(uid, |object| {
            !object.listed
                && (intent.is_none() || object.claim.as_deref() == intent)
                && !object.existed.contains(&role)
        })
    }

    /// Notes the intent that this process has just written.
    pub fn note_claim(&self, uid: &str, intent: &str) {
        self.with(uid, |object| object.claim = Some(intent.to_owned()));
    }

    /// Whether a view with that intent may be the newest: this process wrote that intent last, or none at all.
    pub fn may_be_current(&self, uid: &str, intent: Option<&str>) -> bool {
        self.with(uid, |object| object.claim.is_none() || object.claim.as_deref() == intent)
    }

    /// When this process first saw the object.
    pub fn first_seen(&self, uid: &str) -> Instant {
        self.with(uid, |object| *object.first_seen.get_or_insert_with(Instant::now))
    }

    /// What became of the last POST for a role.
    pub fn sent(&self, uid: &str, role: Role) -> Option<Sent> {
        self.with(uid, |object| object.sent.get(&role).cloned())
    }

    /// Notes what became of a POST.
    pub fn note_sent(&self, uid: &str, role: Role, sent: Sent) {
        self.with(uid, |object| {
            if matches!(sent, Sent::Created(_)) {
                object.existed.insert(role);
            }
            object.sent.insert(role, sent)
        });
    }

    /// Forgets the POSTs whose ids stand in status. An id that status does not hold is kept: it has to be recorded, or deleted.
    pub fn settle(&self, uid: &str, recorded: impl Fn(Role) -> Option<String>) {
        self.with(uid, |object| {
            object.sent.retain(|role, sent| match (sent, recorded(*role)) {
                (Sent::Created(external), Some(id)) => external.id != id,
                (_, recorded) => recorded.is_none(),
            });
        });
    }

    /// Forgets the POST of a role whose object was deleted again.
    pub fn forget_sent(&self, uid: &str, role: Role) {
        self.with(uid, |object| object.sent.remove(&role));
    }

    /// How long an answer of a POST for the role may still be on its way: from the later of the moment when its outcome became
    /// unknown and the moment when this process first saw the object.
    pub fn remaining_grace(&self, uid: &str, role: Role, grace: Duration) -> Duration {
        let first_seen = self.first_seen(uid);
        let since = match self.sent(uid, role) {
            Some(Sent::Refused) => return Duration::ZERO,
            Some(Sent::Unknown(since)) => since.max(first_seen),
            Some(Sent::Created(_)) | None => first_seen,
        };
        (since + grace).saturating_duration_since(Instant::now())
    }

    /// Notes that a change was announced and may be seen upstream at any time from now on, or that it was certainly not executed.
    pub fn note_change(&self, uid: &str, role: Role, may_surface: bool) {
        let since = may_surface.then(Instant::now);
        self.with(uid, |object| object.changed.insert(role, since));
    }

    /// How long an announced change of the role's object may still surface. One that this process knows nothing of may have been sent by
    /// another one just before.
    pub fn change_grace(&self, uid: &str, role: Role, grace: Duration) -> Duration {
        let first_seen = self.first_seen(uid);
        let since = match self.with(uid, |object| object.changed.get(&role).copied()) {
            Some(None) => return Duration::ZERO,
            Some(Some(since)) => since.max(first_seen),
            None => first_seen,
        };
        (since + grace).saturating_duration_since(Instant::now())
    }

    /// Asks for a look at the upstream objects in the next pass.
    pub fn ask_for_check(&self, uid: &str) {
        self.with(uid, |object| object.check = true);
    }

    /// Whether a look was asked for; the question is settled with it.
    pub fn take_check(&self, uid: &str) -> bool {
        self.with(uid, |object| std::mem::take(&mut object.check))
    }

    /// Keeps what a list showed of a role's object for the next pass. `false` when this process has written to the object since the list
    /// was begun.
    pub fn show(&self, uid: &str, role: Role, shown: Shown, began: Instant) -> bool {
        self.with(uid, |object| {
            let is_current = object.written.get(&role).is_none_or(|written| *written < began);
            if is_current {
                object.shown.insert(role, shown);
            }
            is_current
        })
    }

    /// What lists showed; it counts for one pass.
    pub fn take_shown(&self, uid: &str) -> HashMap<Role, Shown> {
        self.with(uid, |object| std::mem::take(&mut object.shown))
    }

    /// Keeps a run for the next pass.
    pub fn show_run(&self, uid: &str, run: Run) {
        self.with(uid, |object| object.shown_run = Some(run));
    }

    /// The run that was kept; it counts for one pass.
    pub fn take_shown_run(&self, uid: &str) -> Option<Run> {
        self.with(uid, |object| object.shown_run.take())
    }

    /// Notes a write to a role's object: what a list showed before is out of date.
    pub fn note_written(&self, uid: &str, role: Role) {
        self.with(uid, |object| {
            object.shown.remove(&role);
            object.written.insert(role, Instant::now());
        });
    }

    /// Notes that upstream does not show a role's object, and tells since when.
    pub fn note_missing(&self, uid: &str, role: Role, id: &str) -> Missing {
        self.with(uid, |object| {
            let now = Missing { id: id.to_owned(), since: Instant::now(), proven: false };
            let missing = object.missing.entry(role).or_insert_with(|| now.clone());
            if missing.id != id {
                *missing = now;
            }
            missing.clone()
        })
    }

    /// Notes that the absence of a role's object was proven.
    pub fn note_proven(&self, uid: &str, role: Role) {
        self.with(uid, |object| {
            if let Some(missing) = object.missing.get_mut(&role) {
                missing.proven = true;
            }
        });
    }

    /// Forgets that a role's object was missing: it was seen.
    pub fn note_present(&self, uid: &str, role: Role) {
        self.with(uid, |object| object.missing.remove(&role));
    }

    /// Counts a failure and returns the number of failures in a row. A new generation is a new attempt: nobody who mends a spec should
    /// wait for what the old one earned.
    pub fn fail(&self, uid: &str, generation: i64) -> u32 {
        self.with(uid, |object| {
            if object.failed_generation != generation {
                object.failed_generation = generation;
                object.failures = 0;
            }
            object.failures = object.failures.saturating_add(1);
            object.failures
        })
    }

    /// The number of failures in a row.
    pub fn failures(&self, uid: &str) -> u32 {
        self.with(uid, |object| object.failures)
    }

    /// Ends a row of failures: all that was sent is carried out.
    pub fn succeed(&self, uid: &str) {
        self.with(uid, |object| {
            object.failures = 0;
            object.changes.clear();
        });
    }

    /// Notes that a change towards the desired state of that hash was sent.
    pub fn note_accepted(&self, uid: &str, role: Role, hash: &str) {
        self.with(uid, |object| object.changes.insert(role, (hash.to_owned(), Instant::now())));
    }

    /// Whether a change towards the desired state of that hash was sent within so much time.
    pub fn sent_change(&self, uid: &str, role: Role, hash: &str, within: Duration) -> bool {
        self.with(uid, |object| {
            object.changes.get(&role).is_some_and(|(sent, when)| sent == hash && when.elapsed() < within)
        })
    }

    /// Notes what became of the POST for a run on demand.
    pub fn note_run(&self, uid: &str, token: &str, sent: RunSent) {
        self.with(uid, |object| object.run = Some((token.to_owned(), sent)));
    }

    /// What became of the run that was claimed for a token. Of another process's claim nothing is known, from the first sight of it on.
    pub fn run_sent(&self, uid: &str, token: &str) -> RunSent {
        self.with(uid, |object| match &object.run {
            Some((of, sent)) if of == token => sent.clone(),
            _ => {
                let sent = RunSent::Unknown(Instant::now());
                object.run = Some((token.to_owned(), sent.clone()));
                sent
            }
        })
    }

    /// Forgets an object that is gone.
    pub fn forget(&self, uid: &str) {
        self.objects().remove(uid);
    }
}

#[cfg(test)]
mod tests;
