//! The control API below `/_sim/`: what tests and demos use to look behind the scenes and to pull strings.
//!
//! It is not part of Adobe's API and needs no credentials, so the simulator must never listen where strangers reach it.

mod inventory;
mod objects;
mod seed;

pub use self::objects::edit_named;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::faults::Fault;
use crate::incoming::Incoming;
use crate::sim::Sim;
use crate::switches::Switches;
use crate::wire::Reply;
use crate::world::World;

/// What the index page says.
const ENDPOINTS: &[(&str, &str)] = &[
    ("GET /_sim/healthz", "whether it runs"),
    (
        "GET /_sim/journal?since=&service=&method=&endpoint=&kind=&limit=",
        "every call, in order; DELETE forgets them",
    ),
    (
        "GET /_sim/violations",
        "live objects that shared a marker, or enabled flows of one owner, at any moment; DELETE forgets them",
    ),
    ("GET|POST|DELETE /_sim/faults[/{id}]", "fault plans and how often each was reached"),
    ("GET /_sim/inventory?runs=", "every object of every sandbox"),
    ("GET /_sim/rows", "per data set and Stripe id, how often it was ingested"),
    ("GET|POST /_sim/clock", "the virtual clock; {\"advanceSeconds\": n}"),
    ("GET|PATCH /_sim/switches", "behaviours on which Adobe's documents differ"),
    ("POST /_sim/seed", "foreign objects, destination flows, Stripe records"),
    ("GET|POST|DELETE /_sim/objects/{id}", "look at, edit or remove an object as another person would"),
    (
        "GET|POST /_sim/sandboxes/{org}/{name}",
        "{\"create\": true}, {\"reset\": true}, {\"state\": …}, {\"roleLost\": true}",
    ),
    ("GET|POST /_sim/ims", "{\"revokeTokens\": true}, {\"clientId\": …, \"secrets\": […]}"),
    ("POST /_sim/stripe", "{\"allow\": key, \"account\": name}, {\"revoke\": key}"),
    ("POST /_sim/reset", "back to the first state"),
];

/// Either an answer or a refusal; both are replies.
type Answer = Result<Reply, Reply>;

/// Answers a control call.
pub fn answer(sim: &Sim, call: &Incoming) -> Reply {
    let parts: Vec<&str> = call.segments.iter().skip(1).map(String::as_str).collect();
    let real_ms = sim.real_ms();
    let mut world = sim.world();
    world.advance(real_ms);
    if call.method != "GET" {
        world.changes += 1;
    }
    let answer = route(&mut world, call, &parts, real_ms);
    answer.unwrap_or_else(|refused| refused)
}

fn route(world: &mut World, call: &Incoming, parts: &[&str], real_ms: i64) -> Answer {
    let now_ms = world.virtual_ms(real_ms);
    match (call.method.as_str(), parts) {
        ("GET", []) => Ok(index()),
        ("GET", ["healthz"]) => Ok(ok(json!({"status": "ok"}))),
        ("GET", ["journal"]) => journal(world, call),
        ("DELETE", ["journal"]) => {
            world.journal.clear();
            Ok(Reply::empty(204))
        }
        ("GET", ["violations"]) => Ok(ok(json!({"violations": world.state.markers.violations()}))),
        ("DELETE", ["violations"]) => {
            world.state.markers.clear_violations();
            Ok(Reply::empty(204))
        }
        (_, ["faults", rest @ ..]) => faults(world, call, rest),
        ("GET", ["inventory"]) => Ok(ok(inventory::inventory(world, query(call, "runs") == Some("true")))),
        ("GET", ["rows"]) => Ok(ok(inventory::rows(world))),
        (_, ["clock"]) => clock(world, call, real_ms),
        (_, ["switches"]) => switches(world, call),
        ("POST", ["seed"]) => seed::seed(world, &body(call)?, now_ms),
        (_, ["objects", id]) => objects::object(world, call, id, now_ms),
        (_, ["sandboxes", org, name]) => sandbox(world, call, org, name, now_ms),
        (_, ["ims"]) => ims(world, call, real_ms),
        ("POST", ["stripe"]) => stripe(world, call, now_ms),
        ("POST", ["reset"]) => {
            world.reset(real_ms);
            Ok(Reply::empty(204))
        }
        _ => Err(refuse(404, "no such control endpoint; GET /_sim/ lists them")),
    }
}

fn index() -> Reply {
    let endpoints = ENDPOINTS.iter().map(|(call, what)| json!({"call": call, "what": what}));
    ok(json!({"endpoints": endpoints.collect::<Vec<_>>()}))
}

fn ok(body: Value) -> Reply {
    Reply::json(200, body)
}

fn refuse(status: u16, why: impl Into<String>) -> Reply {
    Reply::json(status, json!({"error": why.into()}))
}

fn query<'a>(call: &'a Incoming, name: &str) -> Option<&'a str> {
    call.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

fn body<T: DeserializeOwned>(call: &Incoming) -> Result<T, Reply> {
    serde_json::from_slice(&call.body).map_err(|why| refuse(400, why.to_string()))
}

fn journal(world: &World, call: &Incoming) -> Answer {
    let number = |name: &str| match query(call, name).map(str::parse::<u64>) {
        None => Ok(None),
        Some(Ok(number)) => Ok(Some(number)),
        Some(Err(_)) => Err(refuse(400, format!("{name} must be a number"))),
    };
    let (since, limit) = (number("since")?.unwrap_or(0), number("limit")?);
    let is =
        |name: &str, have: &str| query(call, name).is_none_or(|wanted| wanted.eq_ignore_ascii_case(have));
    let found = world.journal.since(since).filter(|entry| {
        is("service", entry.service)
            && is("method", &entry.method)
            && is("endpoint", &entry.endpoint)
            && is("kind", entry.kind)
    });
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    let entries: Vec<_> = found.take(limit).collect();
    Ok(ok(json!({"entries": entries, "last": world.journal.last_seq()})))
}

fn faults(world: &mut World, call: &Incoming, rest: &[&str]) -> Answer {
    let id = match rest {
        [] => None,
        [id] => Some(id.parse().map_err(|_| refuse(404, "no such fault"))?),
        _ => return Err(refuse(404, "no such fault")),
    };
    match call.method.as_str() {
        "GET" => Ok(ok(json!({"faults": world.faults.report()}))),
        "DELETE" => {
            world.faults.remove(id);
            Ok(Reply::empty(204))
        }
        "POST" => {
            // Read by hand, since an untagged enum would not say what is wrong.
            let value: Value = body(call)?;
            let values = if value.is_array() { value } else { json!([value]) };
            let faults: Vec<Fault> =
                serde_json::from_value(values).map_err(|why| refuse(400, why.to_string()))?;
            let ids: Result<Vec<u64>, String> =
                faults.into_iter().map(|fault| world.faults.add(fault)).collect();
            Ok(Reply::json(201, json!({"ids": ids.map_err(|why| refuse(400, why))?})))
        }
        _ => Err(refuse(405, "GET, POST or DELETE")),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ClockChange {
    #[serde(default)]
    advance_seconds: i64,
    #[serde(default)]
    advance_ms: i64,
}

fn clock(world: &mut World, call: &Incoming, real_ms: i64) -> Answer {
    if call.method == "POST" {
        let change: ClockChange = body(call)?;
        let by_ms = change.advance_ms.saturating_add(change.advance_seconds.saturating_mul(1000));
        if by_ms < 0 {
            return Err(refuse(400, "time does not run backwards"));
        }
        world.state.offset_ms = world.state.offset_ms.saturating_add(by_ms);
        world.advance(real_ms);
    }
    let now_ms = world.virtual_ms(real_ms);
    Ok(ok(json!({"nowMs": now_ms, "realMs": real_ms, "offsetMs": world.state.offset_ms})))
}

fn switches(world: &mut World, call: &Incoming) -> Answer {
    if call.method == "PATCH" {
        let change: Value = body(call)?;
        let mut value =
            serde_json::to_value(&world.state.switches).map_err(|why| refuse(500, why.to_string()))?;
        json_patch::merge(&mut value, &change);
        let switches: Switches = serde_json::from_value(value).map_err(|why| refuse(400, why.to_string()))?;
        world.state.switches = switches;
    }
    Ok(ok(json!(world.state.switches)))
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct SandboxChange {
    create: bool,
    reset: bool,
    state: Option<String>,
    role_lost: Option<bool>,
}

fn sandbox(world: &mut World, call: &Incoming, org: &str, name: &str, now_ms: i64) -> Answer {
    let change = if call.method == "POST" { body(call)? } else { SandboxChange::default() };
    if change.create {
        world.create_space(org, name);
    }
    if change.reset {
        world.reset_space(org, name, now_ms);
    }
    let space = world.space(org, name).ok_or_else(|| refuse(404, "no such sandbox"))?;
    if call.method == "POST" {
        if let Some(state) = change.state {
            space.state = state;
        }
        if let Some(role_lost) = change.role_lost {
            space.role_lost = role_lost;
        }
    }
    Ok(ok(json!({"id": space.id, "name": name, "state": space.state, "roleLost": space.role_lost})))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ImsChange {
    #[serde(default)]
    revoke_tokens: bool,
    client_id: Option<String>,
    secrets: Option<Vec<String>>,
}

fn ims(world: &mut World, call: &Incoming, real_ms: i64) -> Answer {
    if call.method == "POST" {
        let change: ImsChange = body(call)?;
        if change.revoke_tokens {
            world.state.ims.revoke(change.client_id.as_deref());
        }
        match (&change.client_id, &change.secrets) {
            (Some(client_id), Some(secrets)) => world.state.ims.set_secrets(client_id, secrets),
            (None, Some(_)) => return Err(refuse(400, "secrets need a clientId")),
            _ => {}
        }
    }
    Ok(ok(world.state.ims.report(real_ms)))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StripeChange {
    allow: Option<String>,
    account: Option<String>,
    revoke: Option<String>,
}

fn stripe(world: &mut World, call: &Incoming, now_ms: i64) -> Answer {
    let change: StripeChange = body(call)?;
    if let Some(key) = &change.allow {
        let account = change.account.as_deref().unwrap_or("default");
        world.state.keys.allow(key, account, &world.config, now_ms);
    }
    if let Some(key) = &change.revoke {
        world.state.keys.revoke(key);
    }
    Ok(Reply::empty(204))
}
