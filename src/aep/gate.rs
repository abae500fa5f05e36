//! The send gate: the last check before a write that nothing upstream would fence.
//!
//! It knows nothing of leases or claims, only of two moments, one of which its owner keeps moving.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// Decides, immediately before a request leaves, whether a write may still be sent.
///
/// Flow Service has no idempotency key, and POST, PUT, DELETE and `/action` take no `If-Match`. What fences them is that they
/// leave within a short time after a claim and only while this process leads. Both are moments of the monotonic clock, so a process
/// that was stopped for a while finds its gates closed, whichever of its tasks wakes first.
#[derive(Debug, Clone)]
pub struct Gate {
    deadline: Instant,
    leading_until: watch::Receiver<Instant>,
}

/// The leadership of a process that has no rival: it lasts as long as the sender lives.
pub fn sole_leadership() -> (watch::Sender<Instant>, watch::Receiver<Instant>) {
    const FOR_EVER: Duration = Duration::from_hours(24 * 365 * 100);
    watch::channel(Instant::now() + FOR_EVER)
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
    /// A gate that is open until `deadline`, and only before the moment that `leading_until` holds. When the owner of that moment is
    /// gone, the gate is closed.
    pub fn new(deadline: Instant, leading_until: watch::Receiver<Instant>) -> Self {
        Self { deadline, leading_until }
    }

    /// Whether a write may leave now.
    pub fn check(&self) -> Result<(), Closed> {
        let now = Instant::now();
        if self.leading_until.has_changed().is_err() || now >= *self.leading_until.borrow() {
            return Err(Closed::NotLeader);
        }
        if now >= self.deadline {
            return Err(Closed::Late);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_gate_closes_at_its_deadline() {
        let (_leader, until) = watch::channel(Instant::now() + 60 * SECOND);
        let gate = Gate::new(Instant::now() + 10 * SECOND, until);
        assert_eq!(gate.check(), Ok(()));
        tokio::time::advance(10 * SECOND).await;
        assert_eq!(gate.check(), Err(Closed::Late));
    }

    #[tokio::test(start_paused = true)]
    async fn a_gate_closes_when_a_term_ends_that_nobody_renewed() {
        let (leader, until) = watch::channel(Instant::now() + 8 * SECOND);
        let gate = Gate::new(Instant::now() + 60 * SECOND, until);
        tokio::time::advance(7 * SECOND).await;
        assert_eq!(gate.check(), Ok(()));
        leader.send_replace(Instant::now() + 8 * SECOND);
        tokio::time::advance(7 * SECOND).await;
        assert_eq!(gate.check(), Ok(()));
        // As after a SIGSTOP: nobody had the time to say that the term is over.
        tokio::time::advance(SECOND).await;
        assert_eq!(gate.check(), Err(Closed::NotLeader));
    }

    #[tokio::test(start_paused = true)]
    async fn a_gate_closes_when_leadership_is_given_up_or_its_owner_is_gone() {
        let (leader, until) = watch::channel(Instant::now() + 60 * SECOND);
        let gate = Gate::new(Instant::now() + 10 * SECOND, until);
        leader.send_replace(Instant::now());
        assert_eq!(gate.check(), Err(Closed::NotLeader));
        leader.send_replace(Instant::now() + SECOND);
        assert_eq!(gate.check(), Ok(()));
        drop(leader);
        assert_eq!(gate.check(), Err(Closed::NotLeader));
    }
}
