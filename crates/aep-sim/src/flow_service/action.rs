//! `POST /{collection}/{id}/action`: enable, disable and publish.

use serde_json::json;

use super::entity::{Entity, Kind, Transition, TransitionEnd};
use super::errors::error;
use super::schedule::Schedule;
use super::{Answer, Context, flow, patch};
use crate::wire::Reply;

/// Answers an action. Both cases of `op` are accepted, since Adobe's documents differ.
pub fn action(ctx: &mut Context<'_>, kind: Kind, id: &str) -> Answer {
    let mut entity = ctx.writable(kind, id)?;
    if let Some(given) = ctx.call.header("if-match") {
        patch::check_version(ctx, &entity, given)?;
    }
    let sub_op = ctx.call.query("subOp").map(str::to_ascii_lowercase);
    match sub_op.as_deref() {
        None if ctx.switches.sub_op_required => return Err(error(1436, "subOp is required")),
        None | Some("apply" | "rollback") => {}
        Some(other) => return Err(error(1436, format!("subOp [{other}] is not supported"))),
    }
    let op = ctx.call.query("op").unwrap_or_default().to_ascii_lowercase();
    match (op.as_str(), kind) {
        ("enable", Kind::Flow) => toggle(ctx, &mut entity, "disabled", "enabling", "enabled")?,
        ("disable", Kind::Flow) => toggle(ctx, &mut entity, "enabled", "disabling", "disabled")?,
        ("publish", Kind::Flow) => {
            if entity.state().is_some() {
                return Err(error(1422, format!("[{id}] is not a draft")));
            }
            flow::publish(ctx, &mut entity)?;
        }
        ("publish", _) => {}
        ("finalize" | "finalize_update", _) => return Err(error(1402, "There is nothing to finalize")),
        (other, _) => return Err(error(1435, format!("Action [{other}] is not supported"))),
    }
    entity.touched_by(ctx.caller);
    let etag = ctx.store.write(entity, ctx.now_ms);
    Ok(Reply::json(200, json!({"id": id, "etag": etag})))
}

fn toggle(ctx: &Context<'_>, flow: &mut Entity, from: &str, through: &str, to: &str) -> Result<(), Reply> {
    if flow.transition.is_some() {
        let state = flow.state().unwrap_or("draft");
        return Err(error(1421, format!("[{}] cannot be transitioned in state {state}", flow.id)));
    }
    let state = flow.state().unwrap_or("draft");
    if state != from {
        return Err(error(1422, format!("[{}] is {state}", flow.id)));
    }
    if ctx.switches.transition_ms > 0 {
        flow.set_state(Some(through));
        let until_ms = ctx.now_ms + ctx.switches.transition_ms;
        flow.transition = Some(Transition { until_ms, outcome: TransitionEnd::State(Some(to.to_owned())) });
    } else {
        settle(flow, to, ctx.now_ms);
    }
    Ok(())
}

/// Puts a flow into its new state and plans its next run.
pub fn settle(flow: &mut Entity, to: &str, now_ms: i64) {
    let resumes = flow.state() != Some("updating");
    flow.set_state(Some(to));
    let schedule = Schedule::parse(flow.doc.get("scheduleParams")).ok();
    let (Some(plan), Some(schedule)) = (flow.plan.as_mut(), schedule) else { return };
    if to != "enabled" {
        plan.next_ms = None;
    } else if resumes {
        plan.next_ms =
            if plan.started == 0 { Some(schedule.first_run(now_ms)) } else { schedule.next_run(now_ms) };
    }
}
