//! How fresh the data of a flow is: young enough, too old because runs failed, or too old because none came.

use jiff::Timestamp;

use crate::api::condition::Reason;

/// Intervals in which a new flow need not have succeeded.
const PATIENCE: i64 = 2;

/// What is known of a flow; spans in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Freshness {
    /// How old the last success may be.
    pub max_age: i64,
    /// The time between two runs.
    pub period: i64,
    /// Whether the flow may run.
    pub enabled: bool,
    /// When it ran first, or will.
    pub start: Timestamp,
    /// The end of the last success.
    pub last_success: Option<Timestamp>,
    /// Runs that failed since.
    pub failures: i64,
}

/// A judgement, and until when it holds if nothing happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Fresh, stale, or not to be said yet.
    pub fresh: Option<bool>,
    /// Why.
    pub reason: Reason,
    /// Why, for people.
    pub message: String,
    /// The first second at which it has to be judged again.
    pub until: Option<Timestamp>,
}

impl Freshness {
    /// Judges at a time.
    pub fn judge(&self, now: Timestamp) -> Verdict {
        let verdict = |fresh, reason, message: String, until| Verdict { fresh, reason, message, until };
        let patient_until = after(self.start, self.period.saturating_mul(PATIENCE));
        match self.last_success {
            Some(success) if after(success, self.max_age) >= now => verdict(
                Some(true),
                Reason::Fresh,
                "the last success is young enough".to_owned(),
                Some(after(success, self.max_age.saturating_add(1))),
            ),
            Some(success) => {
                let (reason, why) = self.cause();
                verdict(Some(false), reason, format!("the last success ended at {success}: {why}"), None)
            }
            None if !self.enabled => verdict(
                None,
                Reason::NoRunYet,
                "the flow is disabled and has not succeeded yet".to_owned(),
                None,
            ),
            None if patient_until >= now => verdict(
                None,
                Reason::NoRunYet,
                "no run has succeeded yet, and none need have".to_owned(),
                Some(after(patient_until, 1)),
            ),
            None => {
                let (reason, why) = self.cause();
                let start = self.start;
                verdict(
                    Some(false),
                    reason,
                    format!("no run has succeeded since the start at {start}: {why}"),
                    None,
                )
            }
        }
    }

    fn cause(&self) -> (Reason, String) {
        match self.failures {
            _ if !self.enabled => (Reason::Stale, "the flow is disabled".to_owned()),
            0 => (Reason::RunsMissing, "no run has ended since".to_owned()),
            1 => (Reason::Stale, "the run since then failed".to_owned()),
            failures => (Reason::Stale, format!("the {failures} runs since then failed")),
        }
    }
}

fn after(time: Timestamp, seconds: i64) -> Timestamp {
    time.checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(hours * HOUR).unwrap()
    }

    fn flow(last_success: Option<i64>, failures: i64) -> Freshness {
        Freshness {
            max_age: 3 * HOUR,
            period: HOUR,
            enabled: true,
            start: at(10),
            last_success: last_success.map(at),
            failures,
        }
    }

    #[test]
    fn what_is_known_of_a_flow_and_the_time_decide() {
        let disabled = |freshness: Freshness| Freshness { enabled: false, ..freshness };
        let cases = [
            ("before its start", flow(None, 0), 9, None, Reason::NoRunYet),
            ("in its first two intervals", flow(None, 1), 12, None, Reason::NoRunYet),
            ("no run came at all", flow(None, 0), 13, Some(false), Reason::RunsMissing),
            ("every run failed", flow(None, 2), 13, Some(false), Reason::Stale),
            ("the success is young", flow(Some(11), 0), 14, Some(true), Reason::Fresh),
            ("young although the run since failed", flow(Some(11), 3), 14, Some(true), Reason::Fresh),
            ("old because no run came", flow(Some(11), 0), 15, Some(false), Reason::RunsMissing),
            ("old because runs failed", flow(Some(11), 1), 15, Some(false), Reason::Stale),
            ("old because it is disabled", disabled(flow(Some(11), 0)), 15, Some(false), Reason::Stale),
            ("a disabled flow need not have run", disabled(flow(None, 0)), 99, None, Reason::NoRunYet),
        ];
        for (reason, freshness, now, fresh, why) in cases {
            let verdict = freshness.judge(at(now));
            assert_eq!((verdict.fresh, verdict.reason), (fresh, why), "{reason}: {}", verdict.message);
        }
    }

    #[test]
    fn a_verdict_holds_until_the_second_before_it_is_judged_again() {
        for freshness in [flow(Some(11), 0), flow(None, 0)] {
            let before = freshness.judge(at(11));
            let until = before.until.unwrap();
            let last = freshness.judge(until - jiff::SignedDuration::from_secs(1));
            assert_eq!(last, before);
            let after = freshness.judge(until);
            assert_eq!((after.fresh, after.until), (Some(false), None));
        }
    }
}
