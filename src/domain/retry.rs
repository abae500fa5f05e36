//! When to try again, as functions of the number of failures: no clock, the jitter is given.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);

/// Exponential backoff: 1 s, 2 s, 4 s … up to `cap`, then spread by ±20 % with `jitter` in `0.0..1.0`, so that many objects that
/// failed together do not come back together.
pub fn backoff(failures: u32, cap: Duration, jitter: f64) -> Duration {
    let exponential = FIRST.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(16)));
    spread(exponential.min(cap), jitter)
}

/// A period spread by ±20 % with `jitter` in `0.0..1.0`.
pub fn spread(period: Duration, jitter: f64) -> Duration {
    period.mul_f64(0.8 + 0.4 * jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_its_cap() {
        let cap = Duration::from_mins(1);
        let seconds: Vec<u64> = (1..9).map(|n| backoff(n, cap, 0.5).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(backoff(u32::MAX, cap, 1.0).as_secs(), 72);
    }

    #[test]
    fn what_failed_together_comes_back_apart() {
        let waits = [0.0, 0.25, 0.5, 0.75, 1.0].map(|jitter| backoff(4, Duration::MAX, jitter).as_millis());
        assert_eq!(waits, [6400, 7200, 8000, 8800, 9600]);
    }
}
