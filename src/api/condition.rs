//! Condition types and reasons, as closed enums.

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
    /// The operator keeps its hands off.
    Paused,
    /// Work is going on or will be tried again (kstatus).
    Reconciling,
    /// A human must change or approve something (kstatus).
    Stalled,
}
