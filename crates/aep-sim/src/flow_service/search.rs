//! The search endpoints. Adobe documents their body but not the grammar of `queryString`.
//!
//! Here a query string is one or more `property` filters joined by ` AND `; an empty one finds everything.

use serde_json::{Value, json};

use super::entity::Kind;
use super::errors::{error, invalid};
use super::query::{Ask, page};
use super::{Answer, Context, read, specs};
use crate::wire::Reply;

const MAX_LIMIT: u64 = 1000;

/// `POST /connections/search` and `/flows/search`.
pub fn entities(ctx: &Context<'_>) -> Answer {
    let kind = Kind::of(&ctx.call.path[0]).unwrap_or(Kind::Flow);
    let ask = ask(ctx)?;
    let at_ms = ctx.now_ms - ctx.switches.list_lag_ms;
    let shown = ctx.store.all_at(kind, at_ms).filter(|entity| read::listed(ctx, entity));
    let href = format!("/{}/search", kind.collection());
    let masking = ctx.switches.secret_masking;
    let answer = page(&ask, &href, shown, ctx.switches.page_cap, |entity| entity.render(masking))?;
    Ok(Reply::json(200, answer))
}

/// `POST /flowSpecs/search`.
pub fn specs(ctx: &Context<'_>) -> Answer {
    let properties = ask(ctx)?.properties;
    let properties: Vec<&str> = properties.iter().map(String::as_str).collect();
    Ok(specs::get("flowSpecs", None, &properties))
}

fn ask(ctx: &Context<'_>) -> Result<Ask, Reply> {
    if let Some(token) = ctx.call.query("continuationToken") {
        return Ask::read(&[("continuationToken".to_owned(), token.to_owned())]);
    }
    let body = ctx.body()?;
    let text = body.get("queryString").and_then(Value::as_str).unwrap_or_default();
    let properties =
        text.split(" AND ").filter(|part| !part.trim().is_empty()).map(|part| part.trim().to_owned());
    let limit = match body.get("limit") {
        None | Some(Value::Null) => None,
        Some(limit) => Some(
            limit
                .as_u64()
                .filter(|limit| (1..=MAX_LIMIT).contains(limit))
                .ok_or_else(|| invalid(400, format!("limit must be from 1 to {MAX_LIMIT}")))?,
        ),
    };
    let count = body.get("count") == Some(&json!(true));
    if count && limit.is_some() {
        return Err(error(1401, "limit and count must not be given together"));
    }
    Ok(Ask {
        properties: properties.collect(),
        orderby: body.get("orderby").and_then(Value::as_str).map(str::to_owned),
        limit: limit.and_then(|limit| usize::try_from(limit).ok()),
        count,
        ..Ask::default()
    })
}
