//! Gauges that are read off their source when the page is asked for, so that none can drift from what it tells of.

use std::borrow::Cow;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use tokio::sync::watch;
use tokio::time::Instant;

use super::census::{Census, FlowRuns, Tally};
use super::health::Progress;
use super::metrics::Labels;
use crate::aep::{Aep, Lane};

/// Where the gauges come from.
pub struct Sources {
    /// The custom resources.
    pub census: Census,
    /// Passes under way.
    pub progress: Progress,
    /// Until when this process leads.
    pub leading_until: watch::Receiver<Instant>,
    /// The client, which knows who waits for the budget.
    pub aep: Aep,
    /// Whether each flow gets series of its own.
    pub per_flow: bool,
}

pub(super) struct Gauges(pub Sources);

impl fmt::Debug for Gauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gauges")
    }
}

impl Collector for Gauges {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let sources = &self.0;
        let version = [([("version", env!("CARGO_PKG_VERSION").into())], 1)];
        gauge(&mut encoder, "build_info", "The version that runs; always 1", version)?;
        let leads = Instant::now() < *sources.leading_until.borrow();
        gauge(&mut encoder, "leader", "1 while this process leads", [([], i64::from(leads))])?;
        let passes = sources.progress.by_kind();
        let passes = passes.into_iter().map(|(kind, count)| ([("kind", kind.into())], number(count)));
        gauge(&mut encoder, "reconciles_in_progress", "Passes under way, by kind", passes)?;
        let waiting = Lane::ALL.into_iter().zip(sources.aep.waiting());
        let waiting = waiting.map(|(lane, count)| ([("lane", lane.as_str().into())], number(count as u64)));
        gauge(&mut encoder, "budget_waiting", "Calls that wait for the request budget, by lane", waiting)?;
        let tally = sources.census.count();
        objects(&mut encoder, &tally)?;
        if sources.per_flow { flows(&mut encoder, &tally) } else { Ok(()) }
    }
}

fn objects(encoder: &mut DescriptorEncoder, tally: &Tally) -> fmt::Result {
    let ready = tally.ready.iter().map(|((kind, ready, reason), count)| {
        ([("kind", text(kind)), ("ready", (*ready).into()), ("reason", (*reason).into())], number(*count))
    });
    gauge(encoder, "objects", "Custom resources, by kind and by status and reason of Ready", ready)?;
    let conditions = tally.conditions.iter().map(|((kind, type_, status), count)| {
        ([("kind", text(kind)), ("type", (*type_).into()), ("status", (*status).into())], number(*count))
    });
    gauge(
        encoder,
        "conditions",
        "Conditions of custom resources besides Ready, by kind, type and status",
        conditions,
    )?;
    let deleting = tally.deleting.iter().map(|(kind, count)| ([("kind", text(kind))], number(*count)));
    gauge(encoder, "objects_deleting", "Custom resources that are being deleted, by kind", deleting)
}

fn flows(encoder: &mut DescriptorEncoder, tally: &Tally) -> fmt::Result {
    let each = |value: fn(&FlowRuns) -> Option<i64>| {
        let of = move |((namespace, name), runs): (&(String, String), &FlowRuns)| {
            value(runs).map(|value| ([("flow_namespace", text(namespace)), ("flow", text(name))], value))
        };
        tally.flows.iter().filter_map(of)
    };
    gauge(
        encoder,
        "flow_runs_healthy",
        "1 if the last run of a flow was healthy, 0 if not",
        each(|runs| runs.healthy.map(i64::from)),
    )?;
    gauge(
        encoder,
        "flow_last_success_timestamp_seconds",
        "When the last success of a flow ended",
        each(|runs| runs.last_success),
    )?;
    gauge(
        encoder,
        "flow_consecutive_failures",
        "Runs of a flow that failed since its last success",
        each(|runs| Some(runs.failures)),
    )?;
    let records = tally.flows.iter().flat_map(|((namespace, name), runs)| {
        ["read", "written", "failed"].into_iter().zip(runs.records).filter_map(move |(what, count)| {
            let labels =
                [("flow_namespace", text(namespace)), ("flow", text(name)), ("records", what.into())];
            count.map(|count| (labels, count))
        })
    });
    gauge(encoder, "flow_last_run_records", "Records of the last run of a flow", records)
}

/// One metric with all its series. Its description is written even if there are none, so that the page always names what it can tell.
fn gauge<const N: usize>(
    encoder: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    series: impl IntoIterator<Item = (Labels<N>, i64)>,
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in series {
        let value = ConstGauge::new(value);
        if N == 0 {
            value.encode(metric)?;
            return Ok(());
        }
        value.encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}

fn text(text: &str) -> Cow<'static, str> {
    Cow::Owned(text.to_owned())
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
