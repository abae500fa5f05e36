//! When a flow runs.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rule::rule;

/// When the flow runs. A change is applied in place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rule(
        "self.frequency != 'once' || !has(self.interval)",
        "a flow with frequency once has no interval: remove interval, or choose minute, hour, day or week",
    ),
    validation = rule(
        "self.frequency == 'once' || has(self.interval)",
        "interval is required with this frequency: add it, for example interval: 1 with frequency: hour",
    ),
    validation = rule(
        "self.frequency != 'once' || !has(self.backfill)",
        "a flow with frequency once reads everything in its one run: remove backfill",
    ),
    validation = rule(
        "self.frequency != 'minute' || !has(self.interval) || self.interval >= 15",
        "with frequency minute Adobe accepts no interval below 15: give 15 or more",
    ),
    validation = rule(
        "self.frequency == oldSelf.frequency || (self.frequency != 'once' && oldSelf.frequency != 'once')",
        "frequency never changes to or from once: keep it, or create another IngestionFlow with a source \
         connection of its own",
    )
)]
pub struct Schedule {
    /// Unit of `interval`: `minute`, `hour`, `day` or `week`; or `once` for a single run. It never changes to
    /// or from `once`.
    pub frequency: Frequency,
    /// Number of units between two runs: at least 15 with `minute`, else at least 1. Required, except that
    /// `once` has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 525_600))]
    pub interval: Option<i64>,
    /// Time of the first run, in RFC 3339 such as `2026-12-01T00:00:00Z`, in whole seconds. Absent: when the
    /// flow is first created. Once the flow has started, a changed value is ignored, and the condition Synced
    /// says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rule(
        "self >= timestamp('2000-01-01T00:00:00Z') && self < timestamp('2100-01-01T00:00:00Z')",
        "startTime must lie between the years 2000 and 2099, for example 2026-12-01T00:00:00Z",
    ))]
    pub start_time: Option<Time>,
    /// Whether the first run also reads what was there before `startTime`. Not with `once`. Absent: as Adobe
    /// decides (yes). It counts when the flow is created; a later change has no effect, and the condition
    /// Synced says so. A flow that takes up the dataset of a deleted one of its name goes on where that one
    /// ended, without backfill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backfill: Option<bool>,
}

/// Unit of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Frequency {
    /// One run.
    Once,
    /// Minutes, at least 15.
    Minute,
    /// Hours.
    Hour,
    /// Days.
    Day,
    /// Weeks.
    Week,
}

impl Frequency {
    /// The value as Flow Service spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
        }
    }
}
