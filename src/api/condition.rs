//! Conditions: their types, and the one function that merges a condition into a list.
//!
//! The reasons are in their own file and re-exported here. Which condition an object deserves is decided
//! elsewhere; this file only keeps the list as the Kubernetes conventions ask: one entry per type, sorted,
//! and a transition time that moves only when the status moves, so that writing the same state again changes
//! nothing.

use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

pub use super::reason::Reason;
use super::status::bounded;

/// Longest message, in characters. The API server allows 32 KiB; nobody reads that in a terminal.
pub const MAX_MESSAGE: usize = 1024;

/// The type of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionType {
    /// Usable, and the current generation is applied upstream.
    Ready,
    /// At the last check upstream equalled spec.
    Synced,
    /// Every reference is resolved.
    ReferencesResolved,
    /// AEP accepted the platform credentials and the connection's own test passed.
    CredentialsValid,
    /// Data Prep validated the set, every destination exists, required fields have rows.
    PreflightPassed,
    /// Every row's source was seen by explore.
    SourceFieldsSeen,
    /// The last run was healthy.
    RunsHealthy,
    /// The last success is young enough.
    DataFresh,
    /// The flow took the place of another one; the message names the rows that may be missing or doubled.
    Replaced,
    /// The operator keeps its hands off. Present only while true.
    Paused,
    /// So much vanished from the sandbox at once that the operator does not believe it. Present only while
    /// true.
    InventorySuspect,
    /// Work is going on or will be tried again (kstatus). Present only while true.
    Reconciling,
    /// A human must change or approve something (kstatus). Present only while true.
    Stalled,
}

impl ConditionType {
    /// Every type.
    pub const ALL: &[Self] = &[
        Self::Ready,
        Self::Synced,
        Self::ReferencesResolved,
        Self::CredentialsValid,
        Self::PreflightPassed,
        Self::SourceFieldsSeen,
        Self::RunsHealthy,
        Self::DataFresh,
        Self::Replaced,
        Self::Paused,
        Self::InventorySuspect,
        Self::Reconciling,
        Self::Stalled,
    ];

    /// The spelling in status.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Synced => "Synced",
            Self::ReferencesResolved => "ReferencesResolved",
            Self::CredentialsValid => "CredentialsValid",
            Self::PreflightPassed => "PreflightPassed",
            Self::SourceFieldsSeen => "SourceFieldsSeen",
            Self::RunsHealthy => "RunsHealthy",
            Self::DataFresh => "DataFresh",
            Self::Replaced => "Replaced",
            Self::Paused => "Paused",
            Self::InventorySuspect => "InventorySuspect",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
        }
    }

    /// Whether the type tells of something unusual and is removed, not set to False, when that is over.
    pub const fn is_abnormal_true(self) -> bool {
        matches!(self, Self::Paused | Self::InventorySuspect | Self::Reconciling | Self::Stalled)
    }
}

impl fmt::Display for ConditionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The status of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConditionStatus {
    /// It is so.
    True,
    /// It is not so.
    False,
    /// It cannot be said.
    Unknown,
}

impl ConditionStatus {
    /// The spelling in status.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl From<bool> for ConditionStatus {
    fn from(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }
}

/// Merges one condition into the list.
///
/// # Guarantees
///
/// - The transition time moves only if the status differs from what the list holds, and is in whole seconds.
/// - The message is cut to [`MAX_MESSAGE`] characters and has no white space at its ends.
/// - The list holds one entry per type and is sorted by type.
/// - The same call again changes nothing, at whatever time.
pub fn set(
    conditions: &mut Vec<Condition>,
    condition_type: ConditionType,
    status: impl Into<ConditionStatus>,
    reason: Reason,
    message: &str,
    observed_generation: Option<i64>,
    now: Timestamp,
) {
    let status = status.into().as_str();
    let since = find(conditions, condition_type)
        .filter(|held| held.status == status)
        .map_or_else(|| whole_seconds(now), |held| whole_seconds(held.last_transition_time.0));
    let merged = Condition {
        type_: condition_type.as_str().to_owned(),
        status: status.to_owned(),
        reason: reason.as_str().to_owned(),
        message: bounded(message.trim(), MAX_MESSAGE),
        observed_generation,
        last_transition_time: Time(since),
    };
    remove(conditions, condition_type);
    conditions.push(merged);
    conditions.sort_by(|a, b| a.type_.cmp(&b.type_));
}

/// Takes a condition out of the list; nothing happens if it is not there.
pub fn remove(conditions: &mut Vec<Condition>, condition_type: ConditionType) {
    conditions.retain(|held| held.type_ != condition_type.as_str());
}

/// The condition of that type.
pub fn find(conditions: &[Condition], condition_type: ConditionType) -> Option<&Condition> {
    conditions.iter().find(|held| held.type_ == condition_type.as_str())
}

/// Whether the condition of that type is there and True.
pub fn is_true(conditions: &[Condition], condition_type: ConditionType) -> bool {
    find(conditions, condition_type).is_some_and(|held| held.status == ConditionStatus::True.as_str())
}

/// Whether two lists say the same, whatever their order and since whenever.
pub fn eq_ignoring_times(a: &[Condition], b: &[Condition]) -> bool {
    let sorted = |list: &[Condition]| {
        let mut list: Vec<_> = list.iter().map(untimed).collect();
        list.sort_unstable();
        list
    };
    sorted(a) == sorted(b)
}

type Untimed = (String, String, String, String, Option<i64>);

fn untimed(condition: &Condition) -> Untimed {
    // Without `..`, so that a new field of a condition cannot be forgotten here.
    let Condition { type_, status, reason, message, observed_generation, last_transition_time: _ } =
        condition.clone();
    (type_, status, reason, message, observed_generation)
}

/// Times are stored in whole seconds; a finer one in memory would never equal its stored self.
fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn ready(status: ConditionStatus, reason: Reason, second: i64) -> Vec<Condition> {
        let mut list = Vec::new();
        set(&mut list, ConditionType::Ready, status, reason, "m", Some(1), at(second));
        list
    }

    #[test]
    fn the_transition_time_moves_with_the_status() {
        let mut list = ready(ConditionStatus::False, Reason::ReferenceNotFound, 10);
        set(&mut list, ConditionType::Ready, true, Reason::Available, "m", Some(1), at(20));
        assert_eq!(list[0].last_transition_time, Time(at(20)));
        assert_eq!(list[0].status, "True");
    }

    #[test]
    fn the_transition_time_stays_when_only_reason_message_or_generation_change() {
        let mut list = ready(ConditionStatus::False, Reason::ReferenceNotFound, 10);
        set(&mut list, ConditionType::Ready, false, Reason::InvalidSpec, "other", Some(2), at(20));
        assert_eq!(list[0].last_transition_time, Time(at(10)));
        assert_eq!(list[0].reason, "InvalidSpec");
        assert_eq!(list[0].message, "other");
        assert_eq!(list[0].observed_generation, Some(2));
    }

    #[test]
    fn times_are_cut_to_whole_seconds() {
        let mut list = Vec::new();
        let now = Timestamp::from_millisecond(10_999).unwrap();
        set(&mut list, ConditionType::Ready, true, Reason::Available, "", None, now);
        assert_eq!(list[0].last_transition_time, Time(at(10)));
        let stored: Vec<Condition> = serde_json::from_value(serde_json::to_value(&list).unwrap()).unwrap();
        assert_eq!(stored, list);
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let mut list = Vec::new();
        let message = format!("  {}", "ß".repeat(3_000));
        set(&mut list, ConditionType::Synced, true, Reason::InSync, &message, None, at(1));
        assert_eq!(list[0].message.chars().count(), MAX_MESSAGE);
        assert!(list[0].message.ends_with("ß…"));
    }

    #[test]
    fn removing_takes_only_that_type() {
        let mut list = ready(ConditionStatus::True, Reason::Available, 1);
        set(&mut list, ConditionType::Stalled, true, Reason::ApprovalRequired, "", Some(1), at(1));
        remove(&mut list, ConditionType::Stalled);
        remove(&mut list, ConditionType::Paused);
        assert_eq!(list.len(), 1);
        assert!(is_true(&list, ConditionType::Ready));
        assert!(!is_true(&list, ConditionType::Stalled));
    }

    #[test]
    fn lists_that_differ_in_time_and_order_only_are_equal() {
        let mut a = ready(ConditionStatus::True, Reason::Available, 1);
        set(&mut a, ConditionType::Synced, true, Reason::InSync, "", Some(1), at(1));
        let mut b = ready(ConditionStatus::True, Reason::Available, 99);
        set(&mut b, ConditionType::Synced, true, Reason::InSync, "", Some(1), at(99));
        b.reverse();
        assert!(eq_ignoring_times(&a, &b));
        b[0].message = "changed".to_owned();
        assert!(!eq_ignoring_times(&a, &b));
    }

    #[test]
    fn every_type_is_spelled_as_its_name() {
        for condition_type in ConditionType::ALL {
            assert_eq!(condition_type.as_str(), format!("{condition_type:?}"));
        }
    }

    type Call = (ConditionType, ConditionStatus, Reason, String, Option<i64>, i64);

    fn call() -> impl Strategy<Value = Call> {
        (
            proptest::sample::select(ConditionType::ALL),
            proptest::sample::select(vec![
                ConditionStatus::True,
                ConditionStatus::False,
                ConditionStatus::Unknown,
            ]),
            proptest::sample::select(Reason::ALL),
            "[ a-zß]{0,40}",
            proptest::option::of(0..9_i64),
            0..4_000_000_000_i64,
        )
    }

    fn apply(list: &mut Vec<Condition>, (kind, status, reason, message, generation, millis): &Call) {
        let now = Timestamp::from_millisecond(*millis).unwrap();
        set(list, *kind, *status, *reason, message, *generation, now);
    }

    proptest! {
        #[test]
        fn the_same_call_again_changes_nothing(
            history in proptest::collection::vec(call(), 0..20),
            last in call(),
            later in 0..4_000_000_000_i64,
        ) {
            let mut list = Vec::new();
            for call in &history {
                apply(&mut list, call);
            }
            apply(&mut list, &last);
            let once = list.clone();
            let mut again = last;
            again.5 = later;
            apply(&mut list, &again);
            prop_assert_eq!(list, once);
        }

        #[test]
        fn the_list_is_sorted_has_one_entry_per_type_and_survives_storage(
            history in proptest::collection::vec(call(), 0..30),
        ) {
            let mut list = Vec::new();
            for call in &history {
                apply(&mut list, call);
            }
            prop_assert!(list.windows(2).all(|pair| pair[0].type_ < pair[1].type_));
            let stored: Vec<Condition> = serde_json::from_value(serde_json::to_value(&list).unwrap()).unwrap();
            prop_assert_eq!(stored, list);
        }
    }
}
