//! The runs of a flow, as status and conditions.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::aep::model;
use crate::api::condition::{ConditionType, Reason};
use crate::api::flow::{Frequency, Run, Schedule};
use crate::api::status::{MAX_TEXT, MAX_WORD, bounded};
use crate::api::{IngestionFlow, IngestionFlowStatus};
use crate::controller::managed::{Finding, Report};

/// Runs that are asked for: enough to count failures in a row.
pub(super) const ASKED: u8 = 20;

/// Notes what the runs, newest first, say.
pub(super) fn note(status: &mut IngestionFlowStatus, runs: &[model::Run]) {
    let Some(last) = runs.first() else { return };
    status.last_run = Some(describe(last));
    let success = runs.iter().find(|run| run.status == model::RunStatus::Success);
    if let Some(ended) = success.and_then(|run| run.completed_at.or(run.started_at)).and_then(from_millis) {
        status.last_success = Some(ended);
    }
    let failures = runs
        .iter()
        .filter(|run| run.status.is_final())
        .take_while(|run| run.status != model::RunStatus::Success)
        .count();
    status.consecutive_failures = i64::try_from(failures).ok();
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
    Timestamp::from_second(millis.div_euclid(1000)).ok().map(Time)
}

/// Judges the last run, and the age of the last success where spec asks for it. Neither is part of Ready.
pub(super) fn judge(flow: &IngestionFlow, now: Timestamp, report: &mut Report<IngestionFlowStatus>) {
    let finding = health(&report.status);
    report.conditions.push(finding);
    if let Some(finding) = freshness(flow, &report.status, now) {
        report.conditions.push(finding);
        report.recheck = Some(std::time::Duration::from_mins(1));
    }
}

fn health(status: &IngestionFlowStatus) -> Finding {
    let finding =
        |status, reason, message: String| Finding::new(ConditionType::RunsHealthy, status, reason, message);
    let Some(run) = &status.last_run else {
        return finding(None, Reason::NoRunYet, "the flow has not run yet".to_owned());
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
        "failed" | "partialFailure" => {
            finding(Some(false), Reason::RunFailed, format!("run {} failed: {error}", run.id))
        }
        state => finding(None, Reason::Progressing, format!("run {} is {state}", run.id)),
    }
}

fn freshness(flow: &IngestionFlow, status: &IngestionFlowStatus, now: Timestamp) -> Option<Finding> {
    let max_age: jiff::SignedDuration = flow.spec.freshness.as_ref()?.max_age.parse().ok()?;
    let finding = |status, reason, message: String| {
        Some(Finding::new(ConditionType::DataFresh, status, reason, message))
    };
    let young = |since: Timestamp| now.duration_since(since) <= max_age;
    match &status.last_success {
        Some(success) if young(success.0) => {
            finding(Some(true), Reason::Fresh, "the last success is young enough".to_owned())
        }
        Some(success) => {
            finding(Some(false), Reason::Stale, format!("the last success ended at {}", success.0))
        }
        None => {
            let start = status.effective_start_time.as_ref().map_or(now, |start| start.0);
            let patience = interval(&flow.spec.schedule).saturating_mul(2);
            if now.duration_since(start) <= patience {
                finding(None, Reason::NoRunYet, "no run has succeeded yet".to_owned())
            } else {
                finding(
                    Some(false),
                    Reason::Stale,
                    format!("no run has succeeded since the start at {start}"),
                )
            }
        }
    }
}

fn interval(schedule: &Schedule) -> jiff::SignedDuration {
    let unit = match schedule.frequency {
        Frequency::Once => 0,
        Frequency::Minute => 60,
        Frequency::Hour => 3600,
        Frequency::Day => 86_400,
        Frequency::Week => 7 * 86_400,
    };
    jiff::SignedDuration::from_secs(unit * schedule.interval.unwrap_or(1))
}
