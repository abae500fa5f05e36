//! `POST /runs` and the retry of a run.

use serde_json::{Value, json};

use super::entity::Kind;
use super::errors::{error, invalid, not_found};
use super::schedule::Schedule;
use super::{Answer, Context, engine};
use crate::switches::RunsAnswer;
use crate::wire::Reply;

/// `POST /runs`: an extra run of a flow that runs once.
pub fn create(ctx: &mut Context<'_>) -> Answer {
    let body = ctx.body()?;
    let flow_id =
        body.get("flowId").and_then(Value::as_str).ok_or_else(|| invalid(400, "flowId is required"))?;
    let flow = ctx.store.get(Kind::Flow, flow_id).filter(|flow| !flow.hidden && flow.plan.is_some());
    let flow = flow.ok_or_else(|| error(1430, format!("flows not found with id = [{flow_id}]")))?;
    let schedule = Schedule::parse(flow.doc.get("scheduleParams"))?;
    if schedule.period_ms.is_some() {
        return Err(error(1422, "Runs on demand are for flows that are scheduled once"));
    }
    if flow.state() != Some("enabled") {
        return Err(error(1422, format!("[{flow_id}] is {}", flow.state().unwrap_or("draft"))));
    }
    let from_ms = seconds(&body, "windowStartTime")?;
    let to_ms = seconds(&body, "windowEndTime")?.unwrap_or(ctx.now_ms);
    let flow = flow.clone();
    let run_id = engine::start(ctx.store, ctx.switches, flow, ctx.now_ms, (from_ms, to_ms));
    answer(ctx, &run_id, 201)
}

/// `POST /runs/{id}/action?op=RE_TRIGGER`: the same window again.
pub fn action(ctx: &mut Context<'_>, id: &str) -> Answer {
    let op = ctx.call.query("op").unwrap_or_default();
    if !op.eq_ignore_ascii_case("re_trigger") {
        return Err(error(1435, format!("Action [{op}] is not supported")));
    }
    let run = ctx.store.get(Kind::Run, id).ok_or_else(|| not_found("runs", id))?;
    if run.text("state") != "failed" {
        return Err(error(1422, format!("[{id}] is {}", run.text("state"))));
    }
    let extensions = &run.doc["activities"][0]["durationSummary"]["extensions"];
    let window = (extensions["windowStart"].as_i64(), extensions["windowEnd"].as_i64().unwrap_or(ctx.now_ms));
    let flow_id = run.text("flowId").to_owned();
    let flow = ctx.store.copy(Kind::Flow, &flow_id).filter(|flow| !flow.hidden);
    let flow = flow.ok_or_else(|| error(1430, format!("flows not found with id = [{flow_id}]")))?;
    let run_id = engine::start(ctx.store, ctx.switches, flow, ctx.now_ms, window);
    answer(ctx, &run_id, 200)
}

fn answer(ctx: &Context<'_>, run_id: &str, status: u16) -> Answer {
    let run = ctx.store.get(Kind::Run, run_id).ok_or_else(|| not_found("runs", run_id))?;
    let short = json!({"id": run.id, "etag": run.etag()});
    let body = match (status, ctx.switches.runs_answer) {
        (200, _) => run.render(ctx.switches.secret_masking),
        (_, RunsAnswer::Plain) => short,
        (_, RunsAnswer::Items) => json!({"items": [short]}),
    };
    Ok(Reply::json(status, body))
}

fn seconds(body: &serde_json::Map<String, Value>, name: &str) -> Result<Option<i64>, Reply> {
    let value = match body.get("params").and_then(|params| params.get(name)) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number.as_i64(),
        Some(Value::String(text)) => text.parse().ok(),
        Some(_) => None,
    };
    match value {
        Some(seconds) => Ok(Some(seconds * 1000)),
        None => Err(invalid(400, format!("params.{name} must be in epoch seconds"))),
    }
}
