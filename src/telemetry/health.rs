//! Whether the process is alive and ready, as its probes ask.
//!
//! Alive: no pass and no loop has been silent for longer than it may take. A runtime that stands still does not answer at all.
//! Ready: a leader has listed what exists, a standby has read the lease.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What a process is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// Nothing is known yet.
    #[default]
    Starting,
    /// It waits for the lease and could take it.
    Standby,
    /// It leads, and reads what exists.
    Listing,
    /// It leads.
    Leading,
    /// It finishes what is under way.
    Stopping,
}

impl Phase {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting: the lease has not been read yet",
            Self::Standby => "standby",
            Self::Listing => "leading: what exists is still being listed",
            Self::Leading => "leading",
            Self::Stopping => "stopping",
        }
    }

    const fn is_ready(self) -> bool {
        matches!(self, Self::Standby | Self::Leading)
    }
}

/// Whether the process does its work.
#[derive(Debug, Clone)]
pub struct Health {
    phase: Arc<Mutex<Phase>>,
    progress: Progress,
    stuck_after: Duration,
}

impl Health {
    /// Judges `progress`: a pass that is under way for `stuck_after` is stuck.
    pub fn new(progress: Progress, stuck_after: Duration) -> Self {
        Self { phase: Arc::default(), progress, stuck_after }
    }

    /// Notes what the process is doing now.
    pub fn enter(&self, phase: Phase) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }

    /// What the process is doing; an error when it is not ready.
    pub fn ready(&self) -> Result<&'static str, &'static str> {
        let phase = *self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        if phase.is_ready() { Ok(phase.as_str()) } else { Err(phase.as_str()) }
    }

    /// Whether everything makes progress; else what does not.
    pub fn alive(&self) -> Result<(), String> {
        self.progress.overdue(self.stuck_after).map_or(Ok(()), Err)
    }
}

/// What is under way. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    begun: u64,
    passes: HashMap<u64, (String, Instant)>,
    /// When a loop has to come round at the latest.
    loops: BTreeMap<&'static str, Instant>,
}

impl Progress {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A pass over an object of a kind begins; it ends with the value returned.
    pub fn begin(&self, kind: &str) -> UnderWay {
        let mut state = self.lock();
        state.begun += 1;
        let number = state.begun;
        state.passes.insert(number, (kind.to_owned(), Instant::now()));
        UnderWay { progress: self.clone(), number }
    }

    /// A loop has come round and will do so again within the time.
    pub fn expect(&self, name: &'static str, within: Duration) {
        self.lock().loops.insert(name, Instant::now() + within);
    }

    /// Passes under way, by kind.
    pub fn by_kind(&self) -> BTreeMap<String, u64> {
        let mut kinds = BTreeMap::new();
        for (kind, _) in self.lock().passes.values() {
            *kinds.entry(kind.clone()).or_default() += 1;
        }
        kinds
    }

    fn overdue(&self, stuck_after: Duration) -> Option<String> {
        let state = self.lock();
        let now = Instant::now();
        let pass = state.passes.values().find(|(_, since)| now.duration_since(*since) >= stuck_after);
        if let Some((kind, since)) = pass {
            let seconds = now.duration_since(*since).as_secs();
            return Some(format!("a pass over an object of kind {kind} has been under way for {seconds} s"));
        }
        let silent = state.loops.iter().find(|(_, due)| now >= **due);
        silent.map(|(name, _)| format!("{name} has not come round in time"))
    }
}

/// A pass under way, until it is dropped.
#[derive(Debug)]
pub struct UnderWay {
    progress: Progress,
    number: u64,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.progress.lock().passes.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    #[tokio::test(start_paused = true)]
    async fn a_pass_that_takes_too_long_is_not_alive_until_it_ends() {
        let progress = Progress::default();
        let health = Health::new(progress.clone(), MINUTE);
        let pass = progress.begin("IngestionFlow");
        assert_eq!(progress.by_kind(), BTreeMap::from([("IngestionFlow".to_owned(), 1)]));
        assert_eq!(health.alive(), Ok(()));
        tokio::time::advance(MINUTE).await;
        assert!(health.alive().unwrap_err().contains("IngestionFlow has been under way for 60 s"));
        drop(pass);
        assert_eq!(health.alive(), Ok(()));
        assert!(progress.by_kind().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_does_not_come_round_is_not_alive() {
        let progress = Progress::default();
        let health = Health::new(progress.clone(), MINUTE);
        progress.expect("the inventory", 2 * MINUTE);
        tokio::time::advance(MINUTE).await;
        progress.expect("the inventory", 2 * MINUTE);
        tokio::time::advance(MINUTE).await;
        assert_eq!(health.alive(), Ok(()));
        tokio::time::advance(MINUTE).await;
        assert_eq!(health.alive(), Err("the inventory has not come round in time".to_owned()));
    }

    #[test]
    fn only_a_leader_that_has_listed_and_a_standby_are_ready() {
        let health = Health::new(Progress::default(), MINUTE);
        assert!(health.ready().is_err());
        for (phase, ready) in [
            (Phase::Standby, true),
            (Phase::Listing, false),
            (Phase::Leading, true),
            (Phase::Stopping, false),
        ] {
            health.enter(phase);
            assert_eq!(health.ready().is_ok(), ready, "{phase:?}");
        }
    }
}
