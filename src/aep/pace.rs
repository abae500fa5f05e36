//! The pace of one organisation: when the next call may leave.
//!
//! Calls are spaced evenly. A limit that the organisation meets although the pace was kept says that the pace is too fast: it is halved,
//! and grows back with every answer. Adobe documents no limit, so the configured rate is a guess that has to bear being wrong.

use std::time::Duration;

use tokio::time::Instant;

/// Calls arrive less evenly than they leave: this much of a second is kept free, so that no window at the gateway holds one too many.
const MARGIN: f64 = 1.03;
/// A late timer may be made up for by this much.
const SLACK: Duration = Duration::from_millis(2);
/// The slowest pace that limits lead to, as a part of the configured one.
const SLOWEST: f64 = 16.0;
/// Answers that bring the pace from a stop back to the configured one.
const RECOVERY: f64 = 40.0;

/// Spaces calls.
#[derive(Debug)]
pub(super) struct Pace {
    configured: f64,
    per_second: f64,
    next: Instant,
}

impl Pace {
    /// A pace of `per_second` calls. Values that make no sense become one call a second.
    pub fn new(per_second: f64) -> Self {
        let sensible = per_second.is_finite() && per_second > 0.0;
        let configured = if sensible { per_second.min(100_000.0) } else { 1.0 };
        let now = Instant::now();
        Self { configured, per_second: configured, next: now }
    }

    fn period(&self) -> Duration {
        Duration::from_secs_f64(MARGIN / self.per_second)
    }

    /// Takes the present moment for a call, or says when the next one may leave.
    pub fn take(&mut self, now: Instant) -> Result<(), Instant> {
        if self.next > now {
            return Err(self.next);
        }
        // Unless it lies back further than what may be made up for.
        self.next = self.next.max(now.checked_sub(SLACK).unwrap_or(now)) + self.period();
        Ok(())
    }

    /// How many calls fit into a time.
    pub fn within(&self, time: Duration) -> usize {
        usize::try_from(time.as_nanos() / self.period().as_nanos().max(1)).unwrap_or(usize::MAX)
    }

    /// The organisation met a limit: half the pace.
    pub fn halve(&mut self) {
        self.per_second = (self.per_second / 2.0).max(self.configured / SLOWEST);
    }

    /// A call was answered: a little faster again.
    pub fn recover(&mut self) {
        self.per_second = (self.per_second + self.configured / RECOVERY).min(self.configured);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_second_holds_more_calls_than_the_rate() {
        let (mut pace, mut now) = (Pace::new(10.0), Instant::now());
        let mut moments = Vec::new();
        while moments.len() < 20 {
            match pace.take(now) {
                Ok(()) => moments.push(now),
                Err(at) => now = at,
            }
        }
        for start in &moments {
            let within =
                |moment: &&Instant| **moment >= *start && **moment <= *start + Duration::from_secs(1);
            assert!(moments.iter().filter(within).count() <= 10, "{moments:?}");
        }
        assert_eq!(pace.within(Duration::from_secs(1)), 9);
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_halves_the_pace_and_answers_bring_it_back() {
        let mut pace = Pace::new(10.0);
        let full = pace.period();
        pace.halve();
        assert_eq!(pace.period(), full * 2);
        (0..20).for_each(|_| pace.halve());
        assert!(pace.period() <= full * 64, "it never stops altogether");
        (0..200).for_each(|_| pace.recover());
        assert_eq!(pace.period(), full);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pace_that_makes_no_sense_is_one_call_a_second() {
        for nonsense in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Pace::new(nonsense).period() >= Duration::from_secs(1), "{nonsense}");
        }
    }
}
