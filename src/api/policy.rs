//! What the operator may do by itself: policies for deletion, drift, upstream deletion and replacement.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happens upstream when this object is deleted. Absent: `Delete` for what the operator created,
/// `Retain` for what was adopted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// Delete it, and free this object only when it is gone.
    Delete,
    /// Leave it as it is and say so in an event.
    Retain,
}

/// What happens when upstream differs from spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum DriftPolicy {
    /// Put it back.
    #[default]
    Correct,
    /// Say so in the Synced condition, change nothing.
    Report,
}

/// What happens when somebody deleted the flow upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum UpstreamDeletionPolicy {
    /// Wait for an approval.
    #[default]
    Hold,
    /// Create it again.
    Recreate,
}

/// Whether a replacement waits for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum Approval {
    /// Wait until the digest of `status.pending` is approved.
    #[default]
    Manual,
    /// Go on at once.
    Automatic,
}

/// What the new flow ingests of the past: `None` starts where the last successful run of the old flow ended,
/// `Full` ingests everything again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum History {
    /// Start where the last successful run of the replaced flow ended.
    None,
    /// Ingest everything again.
    Full,
}
