//! PATCH: the precondition, the JSON Patch instructions, which paths each kind allows, and what follows from a change.

use serde_json::{Value, json};

use super::entity::{Entity, Kind, Transition, TransitionEnd};
use super::errors::{error, invalid};
use super::schedule::Schedule;
use super::{Answer, Context, connection, endpoint, flow};
use crate::wire::Reply;

/// States that a caller may set.
const SETTABLE: &[&str] = &["enabled", "disabled", "initializing"];

/// `PATCH /{collection}/{id}`.
pub fn patch(ctx: &mut Context<'_>, kind: Kind, id: &str) -> Answer {
    let before = ctx.writable(kind, id)?;
    let given = ctx.call.header("if-match").ok_or_else(|| error(1403, "The If-Match header is missing"))?;
    check_version(ctx, &before, given)?;
    let ops = read(ctx)?;
    match &before.transition {
        Some(Transition { outcome: TransitionEnd::Gone, .. }) => {
            return Err(error(1457, format!("[{id}] is being deleted")));
        }
        Some(_) => {
            let state = before.state().unwrap_or("draft");
            return Err(error(1420, format!("[{id}] cannot be updated in state {state}")));
        }
        None => {}
    }
    for op in &ops {
        check_path(&before, op)?;
    }
    let mut after = before.clone();
    apply(&mut after, &ops)?;
    accept(ctx, &before, &mut after, &ops)?;
    after.touched_by(ctx.caller);
    let etag = ctx.store.write(after, ctx.now_ms);
    Ok(Reply::json(200, json!({"id": id, "etag": etag})))
}

/// Refuses a version that is not the current one.
pub fn check_version(ctx: &Context<'_>, entity: &Entity, given: &str) -> Result<(), Reply> {
    let current = entity.etag();
    let unquoted = ctx.switches.unquoted_if_match && current.trim_matches('"') == given;
    if given == current || unquoted {
        return Ok(());
    }
    Err(error(
        1404,
        format!("Supplied version=[{given}] does not match the current version on entity=[{current}]"),
    ))
}

/// The instructions of a request, with lower-case operations.
fn read(ctx: &Context<'_>) -> Result<Vec<Value>, Reply> {
    if ctx.call.body.is_empty() {
        return Err(error(1405, "The request body is empty"));
    }
    let ops = match ctx.call.json() {
        Some(Value::Array(ops)) if !ops.is_empty() => ops,
        // The OpenAPI document types the body as one instruction.
        Some(op @ Value::Object(_)) => vec![op],
        Some(Value::Array(_)) => return Err(error(1405, "The request body holds no instruction")),
        _ => return Err(error(1455, "The request body is not a list of patch instructions")),
    };
    ops.into_iter().map(read_op).collect()
}

fn read_op(mut op: Value) -> Result<Value, Reply> {
    let name =
        op["op"].as_str().ok_or_else(|| error(1455, "A patch instruction has no op"))?.to_ascii_lowercase();
    if !["add", "replace", "remove"].contains(&name.as_str()) {
        return Err(error(1434, format!("Patch operation [{name}] is not supported")));
    }
    if !op["path"].as_str().is_some_and(|path| path.starts_with('/')) {
        return Err(error(1455, "A patch instruction has no path"));
    }
    if name != "remove" && op.get("value").is_none() {
        return Err(error(1455, "A patch instruction has no value"));
    }
    op["op"] = json!(name);
    Ok(op)
}

fn check_path(entity: &Entity, op: &Value) -> Result<(), Reply> {
    let path = op["path"].as_str().unwrap_or_default();
    let first = path.split('/').nth(1).unwrap_or_default();
    if first == "connectionSpec" {
        return Err(error(1414, "The connection spec of a connection cannot be changed"));
    }
    if path == "/state" && !op["value"].as_str().is_some_and(|state| SETTABLE.contains(&state)) {
        return Err(error(1456, format!("State {} is not allowed", op["value"])));
    }
    let allowed = match entity.kind {
        Kind::Connection => ["/name", "/description", "/auth/params", "/state"].contains(&path),
        Kind::SourceConnection | Kind::TargetConnection => {
            ["/name", "/description"].contains(&path) || ["params", "data"].contains(&first)
        }
        Kind::Flow => is_flow_path(entity, first),
        Kind::Run => false,
    };
    let removes_name = path == "/name" && op["op"] == "remove";
    if allowed && !removes_name {
        Ok(())
    } else {
        Err(error(1455, format!("Path [{path}] cannot be patched so")))
    }
}

fn is_flow_path(entity: &Entity, first: &str) -> bool {
    let draft = entity.state().is_none();
    match first {
        "name" | "description" | "scheduleParams" | "transformations" | "options" | "labels" | "policy" => {
            true
        }
        "sourceConnectionIds" | "targetConnectionIds" => draft,
        _ => false,
    }
}

fn apply(entity: &mut Entity, ops: &[Value]) -> Result<(), Reply> {
    let ops: json_patch::Patch = serde_json::from_value(Value::Array(ops.to_vec()))
        .map_err(|why| error(1455, format!("A patch instruction is not valid: {why}")))?;
    let mut doc = Value::Object(std::mem::take(&mut entity.doc));
    json_patch::patch(&mut doc, &ops)
        .map_err(|why| error(1455, format!("A patch instruction is not valid: {why}")))?;
    if let Value::Object(doc) = doc {
        entity.doc = doc;
    }
    Ok(())
}

/// Checks the changed document and does what follows from the change.
fn accept(ctx: &Context<'_>, before: &Entity, after: &mut Entity, ops: &[Value]) -> Result<(), Reply> {
    let texts = ctx.texts(&after.doc)?;
    after.doc.extend(texts);
    match after.kind {
        Kind::Connection => accept_connection(ctx, after, ops),
        Kind::SourceConnection => endpoint::resource_path(after.doc.get("params")).map(drop),
        Kind::TargetConnection | Kind::Run => Ok(()),
        Kind::Flow => accept_flow(ctx, before, after, ops),
    }
}

fn accept_connection(ctx: &Context<'_>, after: &mut Entity, ops: &[Value]) -> Result<(), Reply> {
    if ops.iter().any(|op| op["path"] == "/auth/params") {
        let params = after.doc.get("auth").and_then(|auth| auth.get("params")).cloned();
        connection::set_credentials(ctx, after, params.as_ref())?;
    }
    if ctx.switches.transition_ms > 0 {
        updating(ctx, after);
    }
    Ok(())
}

fn accept_flow(ctx: &Context<'_>, before: &Entity, after: &mut Entity, ops: &[Value]) -> Result<(), Reply> {
    if before.state().is_none() {
        return Ok(());
    }
    let schedule = flow::validate(ctx, after)?;
    let old = Schedule::parse(before.doc.get("scheduleParams"))?;
    check_schedule_change(ctx, &old, &schedule)?;
    if let Some(plan) = after.plan.as_mut().filter(|_| old != schedule) {
        plan.next_ms = if plan.started == 0 {
            Some(schedule.first_run(ctx.now_ms))
        } else {
            schedule.next_run(ctx.now_ms)
        };
    }
    let ops = Value::Array(ops.to_vec());
    if ctx.switches.fail_patches_later {
        flow::set_operation(after, "update", ctx.now_ms, Some(&ops), "inProgress");
        let outcome = TransitionEnd::Undone(Box::new(before.doc.clone()));
        after.transition = Some(Transition { until_ms: ctx.now_ms + ctx.switches.transition_ms, outcome });
    } else if ctx.switches.transition_ms > 0 {
        flow::set_operation(after, "update", ctx.now_ms, Some(&ops), "inProgress");
        updating(ctx, after);
    } else {
        flow::set_operation(after, "update", ctx.now_ms, Some(&ops), "completed");
    }
    Ok(())
}

fn check_schedule_change(ctx: &Context<'_>, old: &Schedule, new: &Schedule) -> Result<(), Reply> {
    if old.start_ms != new.start_ms && old.start_ms <= ctx.now_ms {
        return Err(error(1455, "startTime cannot be changed once the scheduled start has passed"));
    }
    if !ctx.switches.interval_patchable && old.differs_in_rhythm(new) {
        return Err(error(1455, "interval and backfill cannot be changed"));
    }
    if old.period_ms.is_none() != new.period_ms.is_none() {
        return Err(invalid(400, "a flow that runs once cannot become a repeating one, nor the reverse"));
    }
    Ok(())
}

fn updating(ctx: &Context<'_>, entity: &mut Entity) {
    let back = entity.state().map(str::to_owned);
    entity.set_state(Some("updating"));
    let until_ms = ctx.now_ms + ctx.switches.transition_ms;
    entity.transition = Some(Transition { until_ms, outcome: TransitionEnd::State(back) });
}
