//! Runs on demand: which request may start a run now, and which was served already. Adobe starts them for flows scheduled `once` only.

use jiff::Timestamp;
use kube::ResourceExt;

use crate::aep::model;
use crate::api::condition::Reason;
use crate::api::flow::Frequency;
use crate::api::role::Role;
use crate::api::status::{MAX_TEXT, MAX_WORD, bounded};
use crate::api::{IngestionFlow, IngestionFlowStatus, RUN_REQUESTED_AT};
use crate::controller::context::Context;
use crate::controller::managed::{Report, RunWish, Shape};
use crate::controller::memory::RunSent;
use crate::domain::intent::RunClaim;
use crate::domain::outcome::{Class, Obstacle};

/// Runs that are read: enough to find the last success among them.
const ASKED: u8 = 100;

type FlowShape<'a> = Shape<'a, IngestionFlow>;
type FlowReport = Report<IngestionFlowStatus>;

/// Serves the request for a run, if there is one that was not served yet: notes how, or puts the run to be started into the report.
pub(super) async fn consider(
    flow: &IngestionFlow,
    cx: &Context,
    shape: &FlowShape<'_>,
    report: &mut FlowReport,
) -> Result<(), Obstacle> {
    let Some(token) = unserved_token(flow) else { return Ok(()) };
    let claim = shape.intent.and_then(|intent| intent.run.as_ref()).filter(|claim| claim.token == token);
    if claim.is_none()
        && let Some(refusal) = refusal_by_spec(flow)
    {
        refuse(report, &token, &refusal);
        return Ok(());
    }
    let runs = shape.site().session.runs(shape.id(Role::Flow)?, ASKED).await?;
    if let Some(claim) = claim
        && let Some(run) = started_since(cx, shape.uid, claim, &runs)?
    {
        report.events.push((Reason::RunStarted, format!("{token}: started run {run}")));
        note(&mut report.status, &token, &format!("started run {run}"));
        return Ok(());
    }
    if let Some(refusal) = refusal_by_spec(flow).or_else(|| refusal_by_runs(report, &runs)) {
        refuse(report, &token, &refusal);
        return Ok(());
    }
    report.run = Some(RunWish {
        claim: RunClaim { token, after: runs.first().map(|run| run.meta.id.clone()) },
        new: new_run(shape.id(Role::Flow)?, &report.status, &runs, shape.now),
        note,
    });
    Ok(())
}

fn unserved_token(flow: &IngestionFlow) -> Option<String> {
    let token = bounded(flow.annotations().get(RUN_REQUESTED_AT)?, MAX_WORD);
    let served = flow.status.as_ref().and_then(|status| status.last_handled_run.as_ref());
    (Some(&token) != served).then_some(token)
}

/// The run that the claim led to; `None` when there is certainly none.
fn started_since(
    cx: &Context,
    uid: &str,
    claim: &RunClaim,
    runs: &[model::Run],
) -> Result<Option<String>, Obstacle> {
    let unknown_since = match cx.memory.run_sent(uid, &claim.token) {
        RunSent::Started(id) => return Ok(Some(id)),
        RunSent::Refused => return Ok(None),
        RunSent::Unknown(since) => since,
    };
    let newest = runs.first().map(|run| &run.meta.id);
    if newest != claim.after.as_ref()
        && let Some(newest) = newest
    {
        return Ok(Some(newest.clone()));
    }
    let wait =
        (unknown_since + cx.settings.lookup_grace).saturating_duration_since(tokio::time::Instant::now());
    if wait.is_zero() {
        return Ok(None);
    }
    let message = "the answer to the request for a run was lost and no new run is to be seen yet; the runs are read again until its absence is certain";
    Err(Obstacle::new(Class::Ambiguous, Reason::OutcomeUnknown, message).after(wait))
}

fn refusal_by_spec(flow: &IngestionFlow) -> Option<String> {
    let frequency = flow.spec.schedule.frequency;
    if frequency != Frequency::Once {
        return Some(format!(
            "Adobe starts runs on request only for flows with schedule.frequency once, and this one runs by the {}: wait for its next run, or remove the annotation",
            frequency.as_str()
        ));
    }
    (!flow.spec.enabled).then(|| {
        "the flow is disabled: set spec.enabled to true, and then ask again with another token".to_owned()
    })
}

/// The one scheduled run has to be over: another one would ingest the same records, and could not be told from it.
fn refusal_by_runs(report: &FlowReport, runs: &[model::Run]) -> Option<String> {
    match runs.first() {
        Some(run) if run.status.is_final() => None,
        Some(run) => Some(format!(
            "run {} is still under way: when it has ended, ask again with another token",
            run.meta.id
        )),
        None if report.status.last_run.is_some() => None,
        None => Some(
            "the flow has not had its scheduled run yet: when that has ended, ask again with another token"
                .to_owned(),
        ),
    }
}

/// From the end of the last success on, so that no record is ingested twice; everything where nothing has succeeded yet.
fn new_run(
    flow_id: &str,
    status: &IngestionFlowStatus,
    runs: &[model::Run],
    now: Timestamp,
) -> model::NewRun {
    let success = runs.iter().find(|run| run.status == model::RunStatus::Success);
    let taken_until = success.and_then(model::Run::taken_until).map(|millis| millis.div_euclid(1000));
    let taken_until = taken_until.or_else(|| status.last_success.as_ref().map(|time| time.0.as_second()));
    let now = now.as_second();
    model::NewRun {
        flow_id: flow_id.to_owned(),
        start_time: Some(now),
        window: taken_until.map(|from| (from, now.max(from))),
    }
}

fn refuse(report: &mut FlowReport, token: &str, refusal: &str) {
    report.warnings.push((Reason::RunRefused, format!("{token}: {refusal}")));
    note(&mut report.status, token, &format!("refused: {refusal}"));
}

fn note(status: &mut IngestionFlowStatus, token: &str, result: &str) {
    status.last_handled_run = Some(token.to_owned());
    status.last_handled_run_result = Some(bounded(result, MAX_TEXT));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(id: &str, status: model::RunStatus, window: Option<(i64, i64)>) -> model::Run {
        let meta = model::Meta { id: id.to_owned(), ..model::Meta::default() };
        model::Run { meta, status, window, started_at: Some(50_000), ..model::Run::default() }
    }

    #[test]
    fn a_run_on_demand_goes_on_where_the_last_success_ended() {
        let now = Timestamp::from_second(1_000).unwrap();
        let window = |runs: &[model::Run]| new_run("f", &IngestionFlowStatus::default(), runs, now).window;
        let failed = || run("b", model::RunStatus::Failed, Some((70_000, 80_000)));
        assert_eq!(window(&[failed()]), None, "nothing was ingested yet");
        let success = |window| run("a", model::RunStatus::Success, window);
        assert_eq!(window(&[failed(), success(Some((0, 60_000)))]), Some((60, 1_000)));
        assert_eq!(window(&[success(None)]), Some((50, 1_000)), "without a window, from its start");
        let status = IngestionFlowStatus {
            last_success: Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now)),
            ..IngestionFlowStatus::default()
        };
        assert_eq!(new_run("f", &status, &[failed()], now).window, Some((1_000, 1_000)));
    }
}
