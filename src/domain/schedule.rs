//! The start of a flow: when it should run first, and how that is kept from a flow that must not run yet.
//!
//! Flow Service cannot create a flow disabled and changes a start only while it lies in the future. A flow that must not run is
//! therefore created with a far start and disabled; the far start is moved on before it passes, and replaced by the real one before
//! the flow is enabled.

/// How far ahead a start is set whose real time has passed already, in seconds: Flow Service takes none in the past.
const NEXT: i64 = 15;
/// A start that is at most this far ahead needs no move, in seconds.
const NEAR: i64 = 60;

/// What is known about the start of a flow; times in epoch seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// The time now.
    pub now: i64,
    /// Whether the flow may run.
    pub enabled: bool,
    /// When it should run first.
    pub effective: i64,
    /// The start that upstream shows.
    pub shown: i64,
    /// How far ahead the start of a flow is held that must not run, in seconds.
    pub held: i64,
}

impl Start {
    /// The start for a POST.
    pub fn first(now: i64, enabled: bool, effective: i64, held: i64) -> i64 {
        if enabled { effective } else { effective.max(now.saturating_add(held)) }
    }

    /// The start that upstream should show; the shown one where nothing is to be done, or nothing can be.
    pub fn wanted(self) -> i64 {
        if self.has_passed() {
            self.shown
        } else if !self.enabled {
            if self.shown - self.now < self.held / 2 { self.now + self.held } else { self.shown }
        } else if self.effective > self.now {
            self.effective
        } else if self.shown > self.now + NEAR {
            self.now + NEXT
        } else {
            self.shown
        }
    }

    /// Whether the flow, once enabled, would run before its effective start, and that can no longer be prevented by moving it.
    pub fn would_run_early(self) -> bool {
        self.has_passed() && self.effective > self.now
    }

    fn has_passed(self) -> bool {
        self.shown <= self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

    fn start(enabled: bool, effective: i64, shown: i64) -> Start {
        Start { now: 1_000, enabled, effective, shown, held: DAY }
    }

    #[test]
    fn the_start_upstream() {
        let cases = [
            ("a start that has passed is never touched", start(true, 900, 900), 900),
            ("a changed start after the first run is ignored", start(true, 5_000, 900), 900),
            ("a start ahead follows spec", start(true, 5_000, 4_000), 5_000),
            ("a held flow keeps its far start", start(false, 900, 1_000 + DAY), 1_000 + DAY),
            ("a held start is moved on before it passes", start(false, 900, 1_000 + DAY / 4), 1_000 + DAY),
            ("an enabled flow gets its real start", start(true, 5_000, 1_000 + DAY), 5_000),
            (
                "a real start that has passed becomes the next possible one",
                start(true, 900, 1_000 + DAY),
                1_015,
            ),
            ("and is not moved again", start(true, 900, 1_015), 1_015),
        ];
        for (reason, start, wanted) in cases {
            assert_eq!(start.wanted(), wanted, "{reason}");
        }
    }

    #[test]
    fn a_flow_whose_far_start_has_passed_is_not_enabled_before_its_time() {
        assert!(start(true, 5_000, 900).would_run_early());
        assert!(!start(true, 900, 800).would_run_early());
        assert!(!start(true, 5_000, 4_000).would_run_early());
    }

    #[test]
    fn a_flow_that_must_not_run_is_posted_with_a_far_start() {
        assert_eq!(Start::first(1_000, true, 900, DAY), 900);
        assert_eq!(Start::first(1_000, false, 900, DAY), 1_000 + DAY);
        assert_eq!(Start::first(1_000, false, 9 * DAY, DAY), 9 * DAY);
    }
}
