//! The runs of a flow, as status and conditions. One write for each run: a run that is under way changes nothing before it ends, unless it
//! hangs.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::aep::model;
use crate::api::condition::{ConditionType, Reason};
use crate::api::flow::Run;
use crate::api::role::Role;
use crate::api::status::{MAX_TEXT, MAX_WORD, bounded};
use crate::api::{IngestionFlow, IngestionFlowStatus};
use crate::clock;
use crate::controller::managed::{Finding, Report, Shape};
use crate::controller::upstream::Object;
use crate::domain::freshness::Freshness;
use crate::domain::outcome::Obstacle;
use crate::domain::schedule::{overdue_after, period};

/// Runs that are read: enough to count most rows of failures.
const ASKED: u8 = 20;

type FlowReport = Report<IngestionFlowStatus>;

/// Reads the runs when the flow, as it was observed, shows one that status does not hold. Returns whether to look again, and when, because
/// a run is under way.
pub(super) async fn look(
    flow: &IngestionFlow,
    shape: &Shape<'_, IngestionFlow>,
    report: &mut FlowReport,
) -> Result<Option<Duration>, Obstacle> {
    let Some(Object::Flow(observed)) = shape.objects.get(&Role::Flow) else { return Ok(None) };
    let bound = overdue_after(&flow.spec.schedule);
    match news(observed, &report.status, shape.now, bound) {
        News::None => Ok(None),
        News::UnderWay(rest) => Ok(Some(rest)),
        News::Some if let Some(run) = shown(shape, observed) => {
            Ok(note(&mut report.status, std::slice::from_ref(run), shape.now, bound))
        }
        News::Some => {
            let runs = shape.site().session.runs(shape.id(Role::Flow)?, ASKED).await?;
            Ok(note(&mut report.status, &runs, shape.now, bound))
        }
    }
}

/// The run that the flow shows as its last one, if it is known already.
fn shown<'s>(shape: &'s Shape<'_, IngestionFlow>, observed: &model::Flow) -> Option<&'s model::Run> {
    let last = observed.last_run.as_ref()?;
    shape.run.filter(|run| last.id.as_ref() == Some(&run.meta.id))
}

#[derive(Debug, PartialEq, Eq)]
enum News {
    /// Status holds the last run, or there can be none.
    None,
    /// A run is under way, for at least this long within its bound.
    UnderWay(Duration),
    /// There may be a run that status does not hold.
    Some,
}

/// What the flow itself tells of its last run, without asking for the runs.
fn news(observed: &model::Flow, status: &IngestionFlowStatus, now: Timestamp, bound: i64) -> News {
    let Some(last) = &observed.last_run else {
        let is_ahead = observed.schedule.start_time.is_some_and(|start| start > now.as_second());
        return if is_ahead { News::None } else { News::Some };
    };
    if !last.state.is_final() {
        let rest = last.started_at.and_then(|started| rest_of(started, now, bound));
        return rest.map_or(News::Some, News::UnderWay);
    }
    let held = status.last_run.as_ref();
    let is_held =
        held.is_some_and(|held| Some(&held.id) == last.id.as_ref() && held.state == last.state.as_str());
    if is_held { News::None } else { News::Some }
}

/// How long a run that began at `started` (milliseconds) may still be under way; `None` when that time is over.
fn rest_of(started: i64, now: Timestamp, bound: i64) -> Option<Duration> {
    let rest = started.div_euclid(1000).saturating_add(bound).saturating_sub(now.as_second());
    u64::try_from(rest).ok().filter(|rest| *rest > 0).map(Duration::from_secs)
}

/// Notes what the runs, newest first, say. Returns when to look again because the newest is under way.
fn note(
    status: &mut IngestionFlowStatus,
    runs: &[model::Run],
    now: Timestamp,
    bound: i64,
) -> Option<Duration> {
    let newest = runs.first()?;
    let rest = if newest.status.is_final() {
        None
    } else {
        newest.started_at.or(newest.meta.created_at).and_then(|started| rest_of(started, now, bound))
    };
    let ended = || runs.iter().find(|run| run.status.is_final());
    let told = if rest.is_some() { ended() } else { Some(newest) };
    status.consecutive_failures = failures(status, runs);
    if let Some(run) = told {
        status.last_run = Some(describe(run));
    }
    let success = runs.iter().find(|run| run.status == model::RunStatus::Success);
    if let Some(ended) = success.and_then(|run| run.completed_at.or(run.started_at)).and_then(from_millis) {
        status.last_success = Some(ended);
    }
    rest
}

/// Failures in a row. Where the runs that were read do not reach back to a success, those that were counted before are added.
fn failures(status: &IngestionFlowStatus, runs: &[model::Run]) -> Option<i64> {
    let ended: Vec<&model::Run> = runs.iter().filter(|run| run.status.is_final()).collect();
    let count = |number: usize| i64::try_from(number).ok();
    if let Some(since_success) = ended.iter().position(|run| run.status == model::RunStatus::Success) {
        return count(since_success);
    }
    let held = status.last_run.as_ref();
    let unheld = ended.iter().position(|run| held.is_some_and(|held| held.id == run.meta.id));
    match (unheld, status.consecutive_failures) {
        (Some(unheld), Some(before)) => count(unheld).map(|unheld| before.saturating_add(unheld)),
        _ if ended.is_empty() => status.consecutive_failures,
        _ => count(ended.len()),
    }
}

fn describe(run: &model::Run) -> Run {
    let error = run.errors.first();
    Run {
        id: run.meta.id.clone(),
        state: bounded(run.status.as_str(), MAX_WORD),
        started_at: run.started_at.and_then(from_millis),
        completed_at: run.completed_at.and_then(from_millis),
        records_in: run.records.input,
        records_out: run.records.output,
        records_failed: run.records.failed,
        error_code: error.map(|error| bounded(&error.code, MAX_WORD)).filter(|code| !code.is_empty()),
        error_message: error.map(|error| bounded(&error.message, MAX_TEXT)),
    }
}

/// Whole seconds, as a status holds them.
fn from_millis(millis: i64) -> Option<Time> {
    clock::from_millis(millis).map(Time)
}

/// Judges the last run, and the age of the last success where spec asks for it. Neither is part of Ready.
pub(super) fn judge(flow: &IngestionFlow, now: Timestamp, report: &mut FlowReport) {
    let finding = health(&report.status);
    report.conditions.push(finding);
    let Some(freshness) = freshness(flow, &report.status, now) else { return };
    let verdict = freshness.judge(now);
    report.conditions.push(Finding::new(
        ConditionType::DataFresh,
        verdict.fresh,
        verdict.reason,
        verdict.message,
    ));
    if let Some(wait) = verdict.until.and_then(|until| Duration::try_from(until.duration_since(now)).ok()) {
        report.look_again_in(wait);
    }
}

fn health(status: &IngestionFlowStatus) -> Finding {
    let finding =
        |status, reason, message: String| Finding::new(ConditionType::RunsHealthy, status, reason, message);
    let Some(run) = &status.last_run else {
        return finding(None, Reason::NoRunYet, "no run has ended yet".to_owned());
    };
    let failed = run.records_failed.unwrap_or_default();
    let error = [run.error_code.as_deref(), run.error_message.as_deref()]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(": ");
    match run.state.as_str() {
        "success" if failed > 0 => finding(
            Some(false),
            Reason::RunPartial,
            format!("run {} succeeded, but {failed} records failed: {error}", run.id),
        ),
        "success" => finding(
            Some(true),
            Reason::RunSucceeded,
            "the last run succeeded without failed records".to_owned(),
        ),
        "partial" => finding(
            Some(false),
            Reason::RunPartial,
            format!("run {} ended with a part of the data, {failed} records failed: {error}", run.id),
        ),
        "failed" => finding(Some(false), Reason::RunFailed, format!("run {} failed: {error}", run.id)),
        state => {
            let since = run.started_at.as_ref().map(|time| format!(" since {}", time.0)).unwrap_or_default();
            finding(Some(false), Reason::RunOverdue, format!("run {} is {state}{since}", run.id))
        }
    }
}

fn freshness(flow: &IngestionFlow, status: &IngestionFlowStatus, now: Timestamp) -> Option<Freshness> {
    Some(Freshness {
        max_age: flow.spec.freshness.as_ref()?.max_age_seconds()?,
        period: period(&flow.spec.schedule)?,
        enabled: flow.spec.enabled,
        start: status.effective_start_time.as_ref().map_or(now, |start| start.0),
        last_success: status.last_success.as_ref().map(|success| success.0),
        failures: status.consecutive_failures.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600;

    fn run(id: &str, status: model::RunStatus) -> model::Run {
        let meta = model::Meta { id: id.to_owned(), ..model::Meta::default() };
        model::Run {
            meta,
            status,
            started_at: Some(10_000),
            completed_at: Some(20_000),
            ..model::Run::default()
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn noted(
        before: IngestionFlowStatus,
        runs: &[model::Run],
        now: i64,
    ) -> (IngestionFlowStatus, Option<Duration>) {
        let mut status = before;
        let rest = note(&mut status, runs, at(now), HOUR);
        (status, rest)
    }

    #[test]
    fn a_run_under_way_changes_nothing_until_it_hangs() {
        use model::RunStatus::{InProgress, Success};
        let runs = [run("b", InProgress), run("a", Success)];
        let (status, rest) = noted(IngestionFlowStatus::default(), &runs, 100);
        assert_eq!(status.last_run.map(|run| run.id).as_deref(), Some("a"));
        assert_eq!(rest, Some(Duration::from_secs(10 + 3_600 - 100)));
        let (status, rest) = noted(IngestionFlowStatus::default(), &runs, 10 + HOUR);
        assert_eq!((status.last_run.as_ref().map(|run| run.id.as_str()), rest), (Some("b"), None));
        assert_eq!(health(&status).reason, Reason::RunOverdue);
        assert_eq!(noted(IngestionFlowStatus::default(), &runs[..1], 100).0, IngestionFlowStatus::default());
    }

    #[test]
    fn failures_are_counted_beyond_the_runs_that_are_read() {
        use model::RunStatus::{Failed, Partial, Success};
        let runs = |count: usize| -> Vec<model::Run> {
            (0..count).rev().map(|index| run(&index.to_string(), Failed)).collect()
        };
        let (first, _) = noted(IngestionFlowStatus::default(), &runs(20), 0);
        assert_eq!(first.consecutive_failures, Some(20));
        let (second, _) = noted(first, &runs(23)[..20], 0);
        assert_eq!(second.consecutive_failures, Some(23));
        let recovered = [run("x", Partial), run("y", Success)];
        assert_eq!(noted(second, &recovered, 0).0.consecutive_failures, Some(1));
    }

    #[test]
    fn a_success_with_failed_records_is_not_healthy() {
        let records = model::Records { failed: Some(3), ..model::Records::default() };
        let cases = [
            (model::RunStatus::Success, model::Records::default(), Some(true), Reason::RunSucceeded),
            (model::RunStatus::Success, records, Some(false), Reason::RunPartial),
            (model::RunStatus::Partial, records, Some(false), Reason::RunPartial),
            (model::RunStatus::Failed, model::Records::default(), Some(false), Reason::RunFailed),
        ];
        for (state, records, healthy, reason) in cases {
            let run = model::Run { records, ..run("a", state.clone()) };
            let finding = health(&noted(IngestionFlowStatus::default(), &[run], 0).0);
            assert_eq!((finding.status, finding.reason), (healthy, reason), "{state:?}");
        }
        assert_eq!(health(&IngestionFlowStatus::default()).reason, Reason::NoRunYet);
    }

    #[test]
    fn the_runs_are_read_only_when_the_flow_shows_a_new_one() {
        use model::RunStatus::{Failed, InProgress, Success};
        let flow = |last: Option<(&str, model::RunStatus)>, start: i64| model::Flow {
            schedule: model::Schedule { start_time: Some(start), ..model::Schedule::default() },
            last_run: last.map(|(id, state)| model::LastRun {
                id: Some(id.to_owned()),
                state,
                started_at: Some(10_000),
                completed_at: None,
            }),
            ..model::Flow::default()
        };
        let (held, _) = noted(IngestionFlowStatus::default(), &[run("a", model::RunStatus::Success)], 0);
        let cases = [
            ("before the start", flow(None, 200), News::None),
            ("after it, without a word of a run", flow(None, 100), News::Some),
            ("the run that is held", flow(Some(("a", Success)), 0), News::None),
            ("the same run, which failed after all", flow(Some(("a", Failed)), 0), News::Some),
            ("another run", flow(Some(("b", Success)), 0), News::Some),
            ("a run under way", flow(Some(("b", InProgress)), 0), News::UnderWay(Duration::from_secs(3_510))),
        ];
        for (reason, flow, expected) in cases {
            assert_eq!(news(&flow, &held, at(100), HOUR), expected, "{reason}");
        }
        let hanging = flow(Some(("b", InProgress)), 0);
        assert_eq!(news(&hanging, &held, at(10 + HOUR), HOUR), News::Some);
    }
}
