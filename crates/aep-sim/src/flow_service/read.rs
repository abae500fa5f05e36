//! Lists, single reads and deletes: what all collections have in common.

use serde_json::json;

use super::entity::{Entity, Kind, Transition, TransitionEnd};
use super::errors::{error, not_found};
use super::query::{Ask, page};
use super::{Answer, Context, endpoint};
use crate::switches::DeleteStatus;
use crate::wire::Reply;

/// `GET /{collection}`.
pub fn list(ctx: &Context<'_>, kind: Kind) -> Answer {
    let ask = Ask::read(&ctx.call.query)?;
    let href = format!("/{}", kind.collection());
    let at_ms = ctx.now_ms - ctx.switches.list_lag_ms;
    let masking = ctx.switches.secret_masking;
    let shown = ctx.store.all_at(kind, at_ms).filter(|entity| listed(ctx, entity));
    let answer = page(&ask, &href, shown, ctx.switches.page_cap, |entity| entity.render(masking))?;
    Ok(Reply::json(200, answer))
}

/// Whether an object stands in the caller's lists.
pub fn listed(ctx: &Context<'_>, entity: &Entity) -> bool {
    !ctx.role_lost && (!entity.hidden || ctx.switches.labelled_in_lists)
}

/// `GET /{collection}/{id}`.
pub fn single(ctx: &Context<'_>, kind: Kind, id: &str) -> Answer {
    let found = ctx.store.get_at(kind, id, ctx.now_ms - ctx.switches.get_lag_ms);
    match found.filter(|entity| !entity.hidden && !ctx.role_lost) {
        Some(entity) => Ok(Reply::json(200, json!({"items": [entity.render(ctx.switches.secret_masking)]}))),
        None => Err(not_found(kind.collection(), id)),
    }
}

/// `DELETE /{collection}/{id}`.
pub fn delete(ctx: &mut Context<'_>, kind: Kind, id: &str) -> Answer {
    let mut entity = ctx.writable(kind, id)?;
    match &entity.transition {
        Some(Transition { outcome: TransitionEnd::Gone, .. }) => {
            return Err(error(1458, format!("[{id}] is being deleted")));
        }
        Some(_) => {
            let state = entity.state().unwrap_or("draft");
            return Err(error(1416, format!("[{id}] cannot be deleted in state {state}")));
        }
        None => {}
    }
    endpoint::check_unused(ctx, kind, id)?;
    let running = entity.plan.as_ref().is_some_and(|plan| plan.running.is_some());
    if running && ctx.switches.refuse_delete_while_running {
        return Err(error(1416, format!("[{id}] has a run in flight")));
    }
    if ctx.switches.delete_status == DeleteStatus::NoContent {
        ctx.store.remove(kind, id, ctx.now_ms);
        return Ok(Reply::empty(204));
    }
    entity.set_state(Some("delete-finalizing"));
    let until_ms = ctx.now_ms + ctx.switches.delete_lag_ms;
    entity.transition = Some(Transition { until_ms, outcome: TransitionEnd::Gone });
    ctx.store.write(entity, ctx.now_ms);
    Ok(Reply::empty(202))
}
