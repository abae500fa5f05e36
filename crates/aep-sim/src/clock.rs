//! Time: real milliseconds, and the virtual clock that runs ahead of them by an offset.
//!
//! Only this file reads a clock.

use crate::config::ClockSource;

/// The source of real time.
#[derive(Debug, Clone)]
pub struct Clock {
    source: ClockSource,
    base_ms: i64,
    base: tokio::time::Instant,
}

impl Clock {
    /// A clock that starts now.
    pub fn new(source: ClockSource) -> Self {
        Self { source, base_ms: machine_ms(), base: tokio::time::Instant::now() }
    }

    /// Milliseconds since the epoch.
    pub fn real_ms(&self) -> i64 {
        match self.source {
            ClockSource::Machine => machine_ms(),
            ClockSource::Runtime => {
                let elapsed = self.base.elapsed().as_millis();
                self.base_ms.saturating_add(i64::try_from(elapsed).unwrap_or(i64::MAX))
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the clock module of this crate")]
fn machine_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
