//! What this process remembers about each custom resource, by UID. Lost with the process, and never needed for safety: it only
//! saves look-ups and calls that a new process has to make.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

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

#[derive(Debug, Default)]
struct Remembered {
    listed: bool,
    first_seen: Option<Instant>,
    failures: u32,
    sent: HashMap<Role, Sent>,
    check: bool,
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

    /// The object came with a list, not with an event: another process may have worked on it.
    pub fn note_listed(&self, uid: &str) {
        // An object that this process knows from an event is not made doubtful by a later list.
        self.with(uid, |object| object.listed |= object.first_seen.is_none());
    }

    /// Whether nobody can have sent a POST for the object before this process first saw it.
    pub fn is_new(&self, uid: &str) -> bool {
        self.with(uid, |object| !object.listed)
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
        self.with(uid, |object| object.sent.insert(role, sent));
    }

    /// Forgets the POSTs whose ids stand in status.
    pub fn settle(&self, uid: &str, recorded: impl Fn(Role) -> bool) {
        self.with(uid, |object| object.sent.retain(|role, _| !recorded(*role)));
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

    /// Asks for a look at the upstream objects in the next pass.
    pub fn ask_for_check(&self, uid: &str) {
        self.with(uid, |object| object.check = true);
    }

    /// Whether a look was asked for; the question is settled with it.
    pub fn take_check(&self, uid: &str) -> bool {
        self.with(uid, |object| std::mem::take(&mut object.check))
    }

    /// Counts a failure and returns the number of failures in a row.
    pub fn fail(&self, uid: &str) -> u32 {
        self.with(uid, |object| {
            object.failures = object.failures.saturating_add(1);
            object.failures
        })
    }

    /// The number of failures in a row.
    pub fn failures(&self, uid: &str) -> u32 {
        self.with(uid, |object| object.failures)
    }

    /// Ends a row of failures.
    pub fn succeed(&self, uid: &str) {
        self.with(uid, |object| object.failures = 0);
    }

    /// Forgets an object that is gone.
    pub fn forget(&self, uid: &str) {
        self.objects().remove(uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(90);

    #[tokio::test(start_paused = true)]
    async fn the_grace_runs_from_the_later_of_lost_answer_and_first_sight() {
        let memory = Memory::default();
        memory.first_seen("u");
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(memory.remaining_grace("u", Role::Flow, GRACE), Duration::from_secs(30));
        memory.note_sent("u", Role::Flow, Sent::Unknown(Instant::now()));
        assert_eq!(memory.remaining_grace("u", Role::Flow, GRACE), GRACE);
        tokio::time::advance(GRACE).await;
        assert_eq!(memory.remaining_grace("u", Role::Flow, GRACE), Duration::ZERO);
    }

    #[test]
    fn a_refused_post_needs_no_grace() {
        let memory = Memory::default();
        memory.note_sent("u", Role::Flow, Sent::Refused);
        assert_eq!(memory.remaining_grace("u", Role::Flow, GRACE), Duration::ZERO);
    }

    #[test]
    fn an_object_is_new_only_when_its_first_sight_was_an_event() {
        let memory = Memory::default();
        memory.note_listed("old");
        assert!(!memory.is_new("old"));
        memory.first_seen("new");
        memory.note_listed("new");
        assert!(memory.is_new("new"));
    }
}
