//! What the process tells about itself: logs, [`metrics`], and whether it is [`health`]y. The server that shows them is elsewhere.

pub mod census;
mod gauges;
pub mod health;
pub mod metrics;
#[cfg(test)]
mod tests;

mod traces;

use std::io::{self, IsTerminal as _};

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

pub use census::Census;
pub use gauges::Sources;
pub use health::{Health, Progress};
pub use metrics::{Metrics, Page};
pub use traces::Traces;

use crate::args::LogFormat;

/// Starts logging to standard error, and tracing where there is a collector. The environment variable `RUST_LOG` sets the levels of the
/// log; default: `info`.
pub fn init(format: LogFormat, traces: Option<&Traces>) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let lines =
        tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    let lines = match format {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        LogFormat::Text => lines.boxed(),
    };
    let spans = traces.map(|traces| {
        tracing_opentelemetry::layer().with_tracer(traces.tracer()).with_filter(traces::filter())
    });
    tracing_subscriber::registry().with(lines.with_filter(filter)).with(spans).init();
}
