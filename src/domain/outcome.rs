//! How a pass ended, and what the user sees of it.
//!
//! [`Class`] is the closed list of what comes next. One `match` without a wildcard arm turns a class into its effect on conditions,
//! log and next check, so a new class cannot be forgotten.

use std::time::Duration;

use crate::api::condition::Reason;
use crate::api::mapping::RowFailure;
use crate::api::status::Pending;

/// What comes next after a pass could not finish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Another object has to change first; its watch wakes us.
    Blocked,
    /// Only a change of spec, or of what it names upstream, helps.
    Invalid,
    /// Credentials or permissions were refused.
    Denied,
    /// A request budget is used up.
    Limited,
    /// Adobe or the API server could not be reached; nothing was changed.
    Unavailable,
    /// A write was sent and its outcome is unknown: look before anything else.
    Ambiguous,
    /// Somebody else wrote in between: read again.
    Conflict,
    /// Upstream lost an object that was ours.
    Gone,
    /// An impossible state: a defect of the operator.
    Bug,
}

impl Class {
    /// The spelling in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Blocked => "Blocked",
            Self::Invalid => "Invalid",
            Self::Denied => "Denied",
            Self::Limited => "Limited",
            Self::Unavailable => "Unavailable",
            Self::Ambiguous => "Ambiguous",
            Self::Conflict => "Conflict",
            Self::Gone => "Gone",
            Self::Bug => "Bug",
        }
    }
}

/// Why a pass could not finish.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {message}", reason = reason.as_str())]
pub struct Obstacle {
    /// What comes next.
    pub class: Class,
    /// The reason in conditions and events.
    pub reason: Reason,
    /// What happened, and what to change.
    pub message: String,
    /// Not before this time has passed.
    pub retry_after: Option<Duration>,
    /// Rows that were refused.
    pub failures: Vec<RowFailure>,
    /// The action that waits for approval.
    pub pending: Option<Box<Pending>>,
    /// Nothing is written for it: the normal wait for something that makes progress.
    pub quiet: bool,
    /// What was applied before stays in use and is what the present generation asks for: Ready stays as it is.
    pub usable: bool,
}

impl Obstacle {
    /// An obstacle with a message that says what to change.
    pub fn new(class: Class, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            class,
            reason,
            message: message.into(),
            retry_after: None,
            failures: Vec::new(),
            pending: None,
            quiet: false,
            usable: false,
        }
    }

    /// A normal wait for another object: nothing is written.
    pub fn waiting(message: impl Into<String>) -> Self {
        Self { quiet: true, ..Self::new(Class::Blocked, Reason::ReferenceNotReady, message) }
    }

    /// Another object stands in the way and its owner has to act.
    pub fn blocked(reason: Reason, message: impl Into<String>) -> Self {
        Self::new(Class::Blocked, reason, message)
    }

    /// Spec asks for something that cannot be done.
    pub fn invalid(reason: Reason, message: impl Into<String>) -> Self {
        Self::new(Class::Invalid, reason, message)
    }

    /// Somebody else wrote in between.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(Class::Conflict, Reason::Progressing, message)
    }

    /// A defect of the operator.
    pub fn bug(message: impl Into<String>) -> Self {
        Self::new(Class::Bug, Reason::InternalError, message)
    }

    /// The same obstacle, not to be tried again before the time has passed.
    #[must_use]
    pub fn after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }
}

/// What happens to the Ready condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadyEffect {
    /// It stays as it is.
    Keep,
    /// It becomes False.
    False,
    /// It becomes Unknown unless it was True.
    UnknownUnlessTrue,
}

/// When the object is looked at again without being woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recheck {
    /// Almost at once.
    Soon,
    /// After an exponential backoff.
    Backoff,
    /// After the slow period.
    Slow,
}

/// The effect of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effect {
    /// On the Ready condition.
    pub ready: ReadyEffect,
    /// Whether Stalled is set: a human must change or approve something.
    pub stalled: bool,
    /// Whether Reconciling is set: it will be tried again.
    pub reconciling: bool,
    /// Whether an event is published when the Ready condition changes.
    pub event: bool,
    /// When to look again.
    pub recheck: Recheck,
}

/// Failures in a row before an outage shows in conditions: shorter ones are nobody's concern.
const PATIENCE: u32 = 3;

impl Obstacle {
    /// Whether it counts as a failure: something is wrong that may pass, and each further one makes the next attempt later.
    pub fn is_failure(&self) -> bool {
        matches!(self.class, Class::Limited | Class::Unavailable | Class::Ambiguous | Class::Conflict)
    }

    /// What the obstacle does to conditions, events and the next check, after `failures` failures in a row.
    pub fn effect(&self, failures: u32) -> Effect {
        let silent = Effect {
            ready: ReadyEffect::Keep,
            stalled: false,
            reconciling: false,
            event: false,
            recheck: Recheck::Slow,
        };
        let impatient = failures >= PATIENCE;
        match self.class {
            Class::Blocked if self.quiet => silent,
            Class::Blocked if self.usable => Effect { reconciling: true, ..silent },
            Class::Blocked => Effect { ready: ReadyEffect::False, reconciling: true, event: true, ..silent },
            Class::Denied | Class::Gone if self.usable => Effect { stalled: true, ..silent },
            Class::Invalid | Class::Denied | Class::Gone | Class::Bug => {
                Effect { ready: ReadyEffect::False, stalled: true, event: true, ..silent }
            }
            Class::Limited => Effect { reconciling: impatient, recheck: Recheck::Backoff, ..silent },
            Class::Unavailable if impatient => Effect {
                ready: ReadyEffect::UnknownUnlessTrue,
                reconciling: true,
                event: true,
                recheck: Recheck::Backoff,
                ..silent
            },
            Class::Unavailable => Effect { recheck: Recheck::Backoff, ..silent },
            Class::Ambiguous => Effect {
                ready: ReadyEffect::UnknownUnlessTrue,
                reconciling: true,
                recheck: Recheck::Backoff,
                ..silent
            },
            Class::Conflict => Effect { reconciling: impatient, recheck: Recheck::Soon, ..silent },
        }
    }
}

/// The first few of many names, for a message.
pub fn some_of(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(SHOWN) {
        Some(more) if more > 0 => format!("{shown} and {more} more"),
        _ => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_outage_writes_nothing_and_a_long_one_says_so() {
        let outage = Obstacle::new(Class::Unavailable, Reason::UpstreamUnavailable, "503");
        assert_eq!(outage.effect(1).ready, ReadyEffect::Keep);
        assert!(!outage.effect(2).reconciling);
        assert_eq!(outage.effect(3).ready, ReadyEffect::UnknownUnlessTrue);
        assert!(outage.effect(3).reconciling && !outage.effect(3).stalled);
    }

    #[test]
    fn only_what_needs_a_human_is_stalled() {
        for class in [Class::Blocked, Class::Limited, Class::Unavailable, Class::Ambiguous, Class::Conflict] {
            assert!(!Obstacle::new(class, Reason::Progressing, "").effect(9).stalled, "{class:?}");
        }
        for class in [Class::Invalid, Class::Denied, Class::Gone, Class::Bug] {
            assert!(Obstacle::new(class, Reason::InvalidSpec, "").effect(1).stalled, "{class:?}");
        }
    }

    #[test]
    fn a_refusal_that_stops_nothing_leaves_ready_alone_and_still_needs_a_human() {
        let refused = Obstacle::new(Class::Denied, Reason::StripeCredentialsRefused, "");
        let effect = Obstacle { usable: true, ..refused }.effect(1);
        assert_eq!((effect.ready, effect.stalled), (ReadyEffect::Keep, true));
    }

    #[test]
    fn a_normal_wait_writes_nothing() {
        let effect = Obstacle::waiting("base").effect(9);
        assert_eq!((effect.ready, effect.stalled, effect.reconciling), (ReadyEffect::Keep, false, false));
    }

    #[test]
    fn a_long_list_of_names_is_cut() {
        let names: Vec<String> = (1..=7).map(|n| n.to_string()).collect();
        assert_eq!(some_of(&names), "1, 2, 3, 4, 5 and 2 more");
        assert_eq!(some_of(&names[..2]), "1, 2");
    }
}
