//! The send gate: the last check before a write that nothing upstream would fence.
//!
//! It knows nothing of leases or claims, only of a time and a flag that others own.

use tokio::sync::watch;
use tokio::time::Instant;

/// Decides, immediately before a request leaves, whether a write may still be sent.
///
/// Flow Service has no idempotency key, and POST, PUT, DELETE and `/action` take no `If-Match`. What fences them is that they
/// leave within a short time after a claim and only while this process leads.
#[derive(Debug, Clone)]
pub struct Gate {
    deadline: Instant,
    leader: watch::Receiver<bool>,
}

/// Why a gate is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// The time to send is over.
    #[error("the time in which this write could be sent is over")]
    Late,
    /// This process does not lead any more, or nobody can tell.
    #[error("this process is not the leader any more")]
    NotLeader,
}

impl Gate {
    /// A gate that is open until `deadline` while `leader` holds true. A leader flag whose owner is gone counts as false.
    pub fn new(deadline: Instant, leader: watch::Receiver<bool>) -> Self {
        Self { deadline, leader }
    }

    /// Whether a write may leave now.
    pub fn check(&self) -> Result<(), Closed> {
        if self.leader.has_changed().is_err() || !*self.leader.borrow() {
            return Err(Closed::NotLeader);
        }
        if Instant::now() >= self.deadline {
            return Err(Closed::Late);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_gate_closes_at_its_deadline() {
        let (_leader, flag) = watch::channel(true);
        let gate = Gate::new(Instant::now() + Duration::from_secs(10), flag);
        assert_eq!(gate.check(), Ok(()));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(gate.check(), Err(Closed::Late));
    }

    #[tokio::test(start_paused = true)]
    async fn a_gate_closes_when_leadership_ends_or_its_owner_is_gone() {
        let (leader, flag) = watch::channel(true);
        let gate = Gate::new(Instant::now() + Duration::from_secs(10), flag);
        leader.send_replace(false);
        assert_eq!(gate.check(), Err(Closed::NotLeader));
        leader.send_replace(true);
        assert_eq!(gate.check(), Ok(()));
        drop(leader);
        assert_eq!(gate.check(), Err(Closed::NotLeader));
    }
}
