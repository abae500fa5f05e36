//! Flow Service: routes a call to the endpoint that answers it.
//!
//! ```text
//!   connection <- source connection <- flow -> target connection -> data set (lake)
//!                                       |
//!                                      runs (engine)
//! ```
//!
//! Everything here is a function of the store, the call and the time. The engine alone lets time pass.

pub mod engine;
pub mod entity;
pub mod errors;
pub mod run;
pub mod specs;
pub mod store;

mod action;
mod connection;
mod endpoint;
mod flow;
mod patch;
mod query;
mod read;
mod run_calls;
mod schedule;
mod search;

use serde_json::{Map, Value, json};

use entity::{Entity, Kind};
use errors::{error, invalid};
use store::Store;

use crate::keys::Keys;
use crate::lake::Lake;
use crate::switches::Switches;
use crate::wire::{Call, Caller, Reply};

/// Either an answer or the error that ends the call early; both are replies.
type Answer = Result<Reply, Reply>;

/// Everything an endpoint works with.
pub struct Context<'a> {
    /// The objects of the caller's sandbox.
    pub store: &'a mut Store,
    /// The data lake of that sandbox.
    pub lake: &'a Lake,
    /// Stripe keys and accounts.
    pub keys: &'a Keys,
    /// The switches.
    pub switches: &'a Switches,
    /// The caller lost the role that lets it see anything.
    pub role_lost: bool,
    /// The request.
    pub call: &'a Call,
    /// Who calls.
    pub caller: &'a Caller,
    /// The virtual time.
    pub now_ms: i64,
}

/// Answers a call below `/data/foundation/flowservice`.
pub fn handle(ctx: &mut Context<'_>) -> Reply {
    ctx.store.keep_ms = ctx.switches.list_lag_ms.max(ctx.switches.get_lag_ms);
    let answer = route(ctx);
    answer.unwrap_or_else(|refused| refused)
}

fn route(ctx: &mut Context<'_>) -> Answer {
    let segments = ctx.call.segments();
    let method = ctx.call.method.as_str();
    match (method, segments.as_slice()) {
        ("GET", ["connectionSpecs" | "flowSpecs", rest @ ..]) if rest.len() < 2 => {
            let properties: Vec<&str> = ctx.call.queries("property").collect();
            Ok(specs::get(segments[0], rest.first().copied(), &properties))
        }
        ("POST", ["flowSpecs", "search"]) => search::specs(ctx),
        (_, ["connectionSpecs" | "flowSpecs", ..]) => Err(error(1426, "Specs are written by Adobe only")),
        ("POST", ["connections" | "flows", "search"]) => search::entities(ctx),
        (_, [collection, rest @ ..]) => match Kind::of(collection) {
            Some(kind) => entity_route(ctx, kind, method, rest),
            None => Err(errors::invalid(404, "No such resource")),
        },
        _ => Err(errors::invalid(404, "No such resource")),
    }
}

fn entity_route(ctx: &mut Context<'_>, kind: Kind, method: &str, rest: &[&str]) -> Answer {
    match (method, rest) {
        ("GET", []) => read::list(ctx, kind),
        ("GET", [id]) => read::single(ctx, kind, id),
        ("POST", []) => create(ctx, kind),
        ("PUT" | "DELETE" | "PATCH", [_]) if kind == Kind::Run => {
            Err(error(1427, "Flow runs are written by Adobe's providers only"))
        }
        ("PATCH", [id]) => patch::patch(ctx, kind, id),
        ("DELETE", [id]) => read::delete(ctx, kind, id),
        ("POST", [id, "action"]) if kind == Kind::Run => run_calls::action(ctx, id),
        ("POST", [id, "action"]) => action::action(ctx, kind, id),
        ("GET", [id, "test"]) if kind == Kind::Connection => connection::test(ctx, id),
        ("GET", [id, "explore"]) if kind == Kind::Connection => connection::explore(ctx, id),
        ("GET", [id, "configs"]) if kind == Kind::Connection => connection::configs(ctx, id),
        (_, [] | [_]) => Err(invalid(405, "Method not allowed")),
        _ => Err(invalid(404, "No such resource")),
    }
}

fn create(ctx: &mut Context<'_>, kind: Kind) -> Answer {
    if ctx.role_lost {
        return Err(error(2120, format!("Permission to manage {} is missing", kind.collection())));
    }
    if kind == Kind::Run {
        return run_calls::create(ctx);
    }
    let body = ctx.body()?;
    let entity = match kind {
        Kind::Connection => connection::create(ctx, &body)?,
        Kind::SourceConnection => endpoint::create_source(ctx, &body)?,
        Kind::TargetConnection => endpoint::create_target(ctx, &body)?,
        Kind::Flow | Kind::Run => flow::create(ctx, &body)?,
    };
    let id = entity.id.clone();
    let etag = ctx.store.write(entity, ctx.now_ms);
    let location = format!("/{}/{id}", kind.collection());
    Ok(Reply::json(201, json!({"id": id, "etag": etag})).with_header("location", location))
}

impl Context<'_> {
    /// The body as a JSON object.
    fn body(&self) -> Result<Map<String, Value>, Reply> {
        if self.call.body.is_empty() {
            return Err(error(1405, "The request body is empty"));
        }
        match self.call.json() {
            Some(Value::Object(body)) => Ok(body),
            _ => Err(invalid(400, "The request body is not a JSON object")),
        }
    }

    /// An object that the caller may change, with the refusals that come before anything else.
    fn writable(&self, kind: Kind, id: &str) -> Result<Entity, Reply> {
        let entity = self.store.copy(kind, id).ok_or_else(|| errors::not_found(kind.collection(), id))?;
        if entity.hidden || self.role_lost {
            return Err(error(2120, format!("Permission to manage {id} is missing")));
        }
        Ok(entity)
    }

    /// Name and description of a body, checked and as they are stored.
    fn texts(&self, body: &Map<String, Value>) -> Result<Map<String, Value>, Reply> {
        let mut fields = Map::new();
        for field in ["name", "description"] {
            match body.get(field) {
                Some(Value::String(text)) => {
                    fields.insert(field.to_owned(), json!(self.stored_text(field, text)?));
                }
                None | Some(Value::Null) if field == "description" => {}
                None | Some(Value::Null) => return Err(invalid(400, "name is required")),
                Some(_) => return Err(invalid(400, format!("{field} must be a string"))),
            }
        }
        Ok(fields)
    }

    /// A name or description as it is stored.
    fn stored_text(&self, field: &str, text: &str) -> Result<String, Reply> {
        let text = if self.switches.trim_names { text.trim() } else { text };
        if field == "name" && text.trim().is_empty() {
            return Err(invalid(400, "name must not be empty"));
        }
        let limit = self.switches.max_text;
        if limit > 0 && text.chars().count() > limit {
            return Err(invalid(400, format!("{field} must have at most {limit} characters")));
        }
        Ok(text.to_owned())
    }
}
