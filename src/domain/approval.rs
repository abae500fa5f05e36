//! Approval: an action that goes on only when a person has approved exactly what was shown.
//!
//! The digest covers the object, the action, what it is done to and every difference, so an approval can never apply to anything else.
//! An action that was approved must leave a fact of its own (claim, marker) before its first effect: once it is under way the
//! differences shrink, the digest changes, and nobody is asked again.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::api::APPROVE;
use crate::api::condition::Reason;
use crate::api::status::{MAX_DIFFERENCES, MAX_TEXT, Pending, bounded};

use super::outcome::Obstacle;

/// What waits for approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Take over an existing upstream object.
    Adopt,
    /// Put a new dataflow in the place of one that runs.
    Replace,
    /// Create again what somebody deleted upstream.
    Recreate,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Adopt => "Adopt",
            Self::Replace => "Replace",
            Self::Recreate => "Recreate",
        })
    }
}

/// The action as status shows it: `uid` is the custom resource's, `subject` what the action is done to (upstream ids), one line per difference.
pub fn pending(action: Action, uid: &str, subject: &str, differences: &[String]) -> Pending {
    let kind = action.to_string();
    let mut digest = Sha256::new();
    for part in [uid, &kind, subject].into_iter().chain(differences.iter().map(String::as_str)) {
        digest.update(part.len().to_be_bytes());
        digest.update(part);
    }
    let head = digest.finalize().iter().take(8).fold(0u64, |head, byte| head << 8 | u64::from(*byte));
    let digest = format!("{head:016x}");
    Pending { kind, differences: shown(differences), digest }
}

fn shown(differences: &[String]) -> Vec<String> {
    let room = if differences.len() > MAX_DIFFERENCES { MAX_DIFFERENCES - 1 } else { MAX_DIFFERENCES };
    let mut shown: Vec<String> =
        differences.iter().take(room).map(|difference| bounded(difference, MAX_TEXT)).collect();
    if differences.len() > room {
        shown.push(format!("and {} more", differences.len() - room));
    }
    shown
}

/// Goes on when the annotation approves exactly this action; otherwise an obstacle that shows it.
pub fn require(pending: Pending, approved: Option<&str>) -> Result<(), Obstacle> {
    if approved == Some(pending.digest.as_str()) {
        return Ok(());
    }
    let message = format!(
        "{} waits for approval: {}; to approve exactly this, set the annotation {APPROVE} to {}",
        pending.kind,
        if pending.differences.is_empty() {
            "no difference".to_owned()
        } else {
            pending.differences.join("; ")
        },
        pending.digest
    );
    Err(Obstacle { pending: Some(Box::new(pending)), ..Obstacle::invalid(Reason::ApprovalRequired, message) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adoption(differences: &[&str]) -> Pending {
        let differences: Vec<String> = differences.iter().map(|line| (*line).to_owned()).collect();
        pending(Action::Adopt, "uid", "connection 1", &differences)
    }

    #[test]
    fn an_approval_counts_for_what_was_shown_and_for_nothing_else() {
        let shown = adoption(&["displayName: a (upstream: b)"]);
        assert!(require(shown.clone(), Some(&shown.digest)).is_ok());
        let moved_on = adoption(&["displayName: a (upstream: c)"]);
        let obstacle = require(moved_on.clone(), Some(&shown.digest)).unwrap_err();
        assert_eq!(obstacle.reason, Reason::ApprovalRequired);
        assert!(obstacle.message.contains(&moved_on.digest), "{}", obstacle.message);
        assert_eq!(obstacle.pending.as_deref(), Some(&moved_on));
        let copied = pending(Action::Adopt, "another", "connection 1", &shown.differences);
        assert_ne!(
            copied.digest, shown.digest,
            "an annotation that was copied to another object approves nothing"
        );
    }

    #[test]
    fn lines_that_do_not_fit_are_counted_and_still_part_of_the_digest() {
        let lines: Vec<String> = (0..250).map(|n| format!("row {n}")).collect();
        let long = pending(Action::Replace, "uid", "flow", &lines);
        assert_eq!(long.differences.len(), MAX_DIFFERENCES);
        assert_eq!(long.differences.last().map(String::as_str), Some("and 151 more"));
        assert_ne!(long.digest, pending(Action::Replace, "uid", "flow", &lines[..249]).digest);
    }
}
