//! What the process tells about itself: logs, [`metrics`], and whether it is [`health`]y. The server that shows them is elsewhere.

pub mod census;
mod gauges;
pub mod health;
pub mod metrics;
#[cfg(test)]
mod tests;

use std::io;

use tracing_subscriber::EnvFilter;

pub use census::Census;
pub use gauges::Sources;
pub use health::{Health, Progress};
pub use metrics::{Metrics, Page};

use crate::args::LogFormat;

/// Starts logging to standard error. The environment variable `RUST_LOG` sets levels; default: `info`.
pub fn init_logging(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match format {
        LogFormat::Json => builder.json().flatten_event(true).init(),
        LogFormat::Text => builder.init(),
    }
}
