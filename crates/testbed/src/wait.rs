//! Waiting for a condition, with a deadline and a message that says what was waited for.

use std::fmt::Display;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Between two questions at first, and at most. What takes long is asked for less often: the asked are busy with the work itself.
const PAUSE: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(300)];

/// Asks again until `ask` returns `Ok(Some(_))`, and returns that value. An `Err` is final; `Ok(None)` means "not yet".
pub async fn until<T>(
    what: impl Display,
    deadline: Duration,
    mut ask: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(value) = ask().await? {
            return Ok(value);
        }
        if start.elapsed() > deadline {
            bail!("waited {} s in vain for {what}", deadline.as_secs());
        }
        tokio::time::sleep((start.elapsed() / 8).clamp(PAUSE[0], PAUSE[1])).await;
    }
}
