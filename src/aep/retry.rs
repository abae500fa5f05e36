//! Waiting: `Retry-After` in its forms, and the backoff of reads.

use std::time::Duration;

use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use rand::RngExt;

/// No server makes the operator wait longer than this; what lies beyond is asked again.
pub(super) const LONGEST_WAIT: Duration = Duration::from_mins(10);
/// A wait of zero or in the past would turn into a storm.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);

/// The wait that a server asks for: seconds or an HTTP date, at least a second, at most ten minutes. `None` when the header is
/// absent or unreadable. A date is compared with the server's own `Date` where it sends one, since clocks differ.
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if let Ok(seconds) = text.parse::<f64>() {
        Duration::try_from_secs_f64(seconds.clamp(0.0, LONGEST_WAIT.as_secs_f64())).ok()?
    } else {
        let server_now = headers.get(DATE).and_then(|date| date.to_str().ok()).and_then(http_date);
        let seconds = http_date(text)?.duration_since(server_now.unwrap_or(now)).as_secs();
        Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
    };
    Some(wait.clamp(SHORTEST_WAIT, LONGEST_WAIT))
}

fn http_date(text: &str) -> Option<Timestamp> {
    rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}

/// The pause before attempt `attempt + 1` of a read: it doubles from a quarter of a second, with the upper half left to chance.
pub(super) fn backoff(attempt: u32) -> Duration {
    jittered(Duration::from_millis(250) * 2_u32.saturating_pow(attempt.saturating_sub(1).min(6)))
}

/// Between half of `wait` and all of it.
pub(super) fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(rand::rng().random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(pairs: &[(http::HeaderName, &str)]) -> Option<Duration> {
        let headers = pairs
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().expect("a header value")))
            .collect();
        retry_after(&headers, "1994-11-06T08:49:00Z".parse().expect("a timestamp"))
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_date_and_bounded() {
        let cases: [(&str, Option<u64>); 11] = [
            ("7", Some(7)),
            (" 7 ", Some(7)),
            ("1.5", Some(1)),
            ("0", Some(1)),
            ("-5", Some(1)),
            ("86400", Some(600)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(37)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(1)),
            ("Mon, 07 Nov 1994 08:49:37 GMT", Some(600)),
            ("soon", None),
            ("NaN", None),
        ];
        for (text, expected) in cases {
            assert_eq!(wait(&[(RETRY_AFTER, text)]).map(|wait| wait.as_secs()), expected, "{text}");
        }
        assert_eq!(wait(&[]), None);
    }

    #[test]
    fn a_date_is_measured_with_the_servers_own_clock() {
        let date = (DATE, "Sun, 06 Nov 1994 09:49:00 GMT");
        let after = (RETRY_AFTER, "Sun, 06 Nov 1994 09:49:20 GMT");
        assert_eq!(wait(&[date, after]), Some(Duration::from_secs(20)));
    }

    #[test]
    fn backoff_grows_and_stays_bounded() {
        for attempt in 1..40 {
            let wait = backoff(attempt);
            assert!(
                wait >= Duration::from_millis(125) && wait <= Duration::from_secs(16),
                "{attempt}: {wait:?}"
            );
        }
    }
}
