//! When a flow runs: its start, which is kept from a flow that must not run yet, and its rhythm.
//!
//! Flow Service cannot create a flow disabled and changes a start only while it lies in the future. A flow that must not run is
//! therefore created with a far start and disabled; the far start is moved on before it passes, and replaced by the real one before
//! the flow is enabled.

use crate::api::flow::{Frequency, Schedule};

/// How far ahead a start is set whose real time has passed already, in seconds: Flow Service takes none in the past.
const NEXT: i64 = 15;
/// A start that is at most this far ahead needs no move, in seconds.
const NEAR: i64 = 60;
const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;

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

    /// The start that holds: what upstream shows once it has passed or the flow may run, else what is wanted.
    pub fn holds(self) -> i64 {
        if self.enabled || self.has_passed() { self.shown } else { self.effective }
    }

    /// Whether another start is wanted than the one that has passed.
    pub fn is_too_late(self) -> bool {
        self.has_passed() && self.effective != self.shown
    }

    /// Whether the flow, once enabled, would run before its effective start, and that can no longer be prevented by moving it.
    pub fn would_run_early(self) -> bool {
        self.has_passed() && self.effective > self.now
    }

    fn has_passed(self) -> bool {
        self.shown <= self.now
    }
}

/// Seconds between two runs; `None` for a flow that runs once.
pub fn period(schedule: &Schedule) -> Option<i64> {
    let unit = match schedule.frequency {
        Frequency::Once => return None,
        Frequency::Minute => 60,
        Frequency::Hour => HOUR,
        Frequency::Day => DAY,
        Frequency::Week => 7 * DAY,
    };
    Some(schedule.interval.unwrap_or(1).max(1).saturating_mul(unit))
}

/// How long a run may be under way before something must be wrong, in seconds: two intervals, at least an hour; a day for a single run.
pub fn overdue_after(schedule: &Schedule) -> i64 {
    period(schedule).map_or(DAY, |period| period.saturating_mul(2).max(HOUR))
}

/// Batches of Profile and experience event data that Adobe advises per day and sandbox (Adobe: "Guardrails for data ingestion").
pub const BATCHES_PER_DAY: i64 = 90;

/// Runs that the schedules start on an average day, in thousandths; each makes a batch.
pub fn thousandth_runs_per_day<'a>(schedules: impl IntoIterator<Item = &'a Schedule>) -> i64 {
    schedules.into_iter().filter_map(period).map(|period| 1_000 * DAY / period).fold(0, i64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn the_start_that_holds() {
        let cases = [
            ("of an enabled flow upstream's", start(true, 900, 1_015), 1_015, false),
            ("of a held flow the wanted one", start(false, 5_000, 1_000 + DAY), 5_000, false),
            ("of a disabled flow that ran upstream's", start(false, 5_000, 900), 900, true),
            ("after the first run upstream's", start(true, 5_000, 900), 900, true),
        ];
        for (reason, start, holds, is_too_late) in cases {
            assert_eq!((start.holds(), start.is_too_late()), (holds, is_too_late), "{reason}");
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

    fn schedule(frequency: Frequency, interval: i64) -> Schedule {
        let interval = (frequency != Frequency::Once).then_some(interval);
        Schedule { frequency, interval, start_time: None, backfill: None }
    }

    #[test]
    fn runs_a_day_add_up_over_the_flows_of_a_sandbox() {
        let quarter = schedule(Frequency::Minute, 15);
        let cases = [
            ("one flow every 15 minutes is above the guardrail", vec![quarter.clone()], 96_000),
            ("hourly flows", vec![schedule(Frequency::Hour, 1); 3], 72_000),
            ("a flow that runs once adds nothing", vec![schedule(Frequency::Once, 1)], 0),
            ("a weekly one a seventh", vec![schedule(Frequency::Week, 1)], 142),
            ("all together", vec![quarter, schedule(Frequency::Day, 2)], 96_500),
            ("a far interval", vec![schedule(Frequency::Week, i64::MAX)], 0),
        ];
        for (reason, schedules, runs) in cases {
            assert_eq!(thousandth_runs_per_day(&schedules), runs, "{reason}");
        }
    }

    #[test]
    fn a_run_is_overdue_after_two_intervals_and_never_within_an_hour() {
        assert_eq!(overdue_after(&schedule(Frequency::Minute, 15)), HOUR);
        assert_eq!(overdue_after(&schedule(Frequency::Hour, 3)), 6 * HOUR);
        assert_eq!(overdue_after(&schedule(Frequency::Once, 1)), DAY);
    }
}
