//! What the process tells about itself: logs, [`metrics`], and whether it is [`health`]y. The server that shows them is elsewhere.

pub mod census;
mod gauges;
pub mod health;
pub mod metrics;
#[cfg(test)]
mod tests;
mod traces;

use std::io::{self, IsTerminal as _};

use tracing::level_filters::LevelFilter;
use tracing::warn;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

pub use census::Census;
pub use gauges::Sources;
pub use health::{Health, Progress};
pub use metrics::{Metrics, Page};
pub use traces::Traces;

use crate::args::LogFormat;

/// Sets the levels of the log: one for all, and others by module, as in `info,aep_operator=debug`.
const LEVELS: &str = "RUST_LOG";

/// Starts logging to standard error, and tracing where there is a collector. The environment variable `RUST_LOG` sets the levels of the
/// log; default: `info`.
pub fn init(format: LogFormat, traces: Option<&Traces>) {
    let levels = std::env::var(LEVELS).ok().filter(|levels| !levels.is_empty());
    let filter = levels.as_deref().map(str::parse::<Targets>).transpose();
    let misread = filter.as_ref().err().map(ToString::to_string);
    let default = || Targets::new().with_default(LevelFilter::INFO);
    let filter = filter.ok().flatten().unwrap_or_else(default);
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
    if let Some(error) = misread {
        warn!("{LEVELS} is left out, and info is logged: {error}: write it as in info,aep_operator=debug");
    }
}
