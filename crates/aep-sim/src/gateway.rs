//! The gateway: checks every platform call in Adobe's order, finds the sandbox, and hands the call to its service.

use serde_json::{Value, json};

use crate::flow_service::{self, Context};
use crate::ims::{self, Check};
use crate::incoming::{Incoming, Service};
use crate::lake::Lake;
use crate::switches::{Limits, MissingSandbox, RetryAfter, Switches};
use crate::wire::{Call, Caller, Reply};
use crate::world::{Space, State, World};

/// Answers a call to any service.
pub fn answer(world: &mut World, incoming: &Incoming, seq: u64, real_ms: i64) -> Reply {
    let now_ms = world.virtual_ms(real_ms);
    let mut reply = match incoming.service {
        Service::Ims => token(world, incoming, real_ms),
        Service::Unknown => gateway_error(404, "404000", "No such service"),
        service => platform(world, incoming, service, real_ms, now_ms).unwrap_or_else(|refused| refused),
    };
    if let Some(report) =
        reply.body.as_mut().and_then(|body| body.get_mut("report")).filter(|r| r.is_object())
    {
        for name in ["request-id", "registryRequestId"] {
            if report.get(name).is_some_and(Value::is_null) {
                report[name] = json!(incoming.header("x-request-id"));
            }
        }
    }
    crate::track::track(world, incoming, &reply, seq, now_ms);
    reply
}

fn token(world: &mut World, incoming: &Incoming, real_ms: i64) -> Reply {
    let client = crate::incoming::decode_query(&String::from_utf8_lossy(&incoming.body))
        .into_iter()
        .find_map(|(name, value)| (name == "client_id").then_some(value))
        .unwrap_or_default();
    let limits = world.state.switches.limits.clone();
    if over(world, &format!("token {client}"), &[(limits.tokens_per_minute, 60_000)], real_ms) {
        return limited(&limits, real_ms, json!({"error": "too_many_requests"}));
    }
    world.state.ims.answer(incoming, &world.config, &world.state.switches, real_ms)
}

fn platform(
    world: &mut World,
    incoming: &Incoming,
    service: Service,
    real_ms: i64,
    now_ms: i64,
) -> Result<Reply, Reply> {
    let mut caller = authenticate(world, incoming, real_ms)?;
    let limits = world.state.switches.limits.clone();
    let rates = [(limits.requests_per_second, 1_000), (limits.requests_per_minute, 60_000)];
    if over(world, &format!("org {}", caller.org), &rates, real_ms) {
        let body = json!({"error_code": "429050", "message": "Too many requests"});
        return Err(limited(&limits, real_ms, body));
    }
    check_content_type(incoming)?;
    let call = Call {
        method: incoming.method.clone(),
        path: incoming.segments.clone(),
        query: incoming.query.clone(),
        headers: incoming.headers.clone(),
        body: incoming.body.clone(),
    };
    if service == Service::Sandboxes {
        return Ok(sandboxes(world, &caller.org, &call));
    }
    caller.sandbox = sandbox_name(incoming, &world.state.switches, service)?;
    in_sandbox(world, &call, caller, service, now_ms)
}

fn in_sandbox(
    world: &mut World,
    call: &Call,
    mut caller: Caller,
    service: Service,
    now_ms: i64,
) -> Result<Reply, Reply> {
    let State { spaces, keys, switches, .. } = &mut world.state;
    let space = spaces.get_mut(&caller.org).and_then(|spaces| spaces.get_mut(&caller.sandbox));
    let space = space.ok_or_else(|| sandbox_error(service, 2100, &caller.sandbox))?;
    if space.state != "active" {
        return Err(sandbox_error(service, 2103, &caller.sandbox));
    }
    caller.sandbox_id.clone_from(&space.id);
    let Space { store, lake, role_lost, .. } = space;
    if *role_lost && service != Service::Flow {
        // Nothing is visible and nothing may be changed.
        if call.method != "GET" {
            return Err(sandbox_error(service, 2120, &caller.sandbox));
        }
        let nothing = &mut Lake::new();
        return Ok(lake_answer(nothing, service, call, &caller, now_ms, switches));
    }
    Ok(match service {
        Service::Conversion | Service::SchemaRegistry | Service::Catalog => {
            lake_answer(lake, service, call, &caller, now_ms, switches)
        }
        _ => flow_service::handle(&mut Context {
            store,
            lake,
            keys,
            switches,
            role_lost: *role_lost,
            call,
            caller: &caller,
            now_ms,
        }),
    })
}

fn lake_answer(
    lake: &mut Lake,
    service: Service,
    call: &Call,
    caller: &Caller,
    now_ms: i64,
    switches: &Switches,
) -> Reply {
    match service {
        Service::Conversion => lake.data_prep(call, caller, now_ms, switches),
        Service::SchemaRegistry => lake.registry(call, caller, now_ms, switches),
        _ => lake.catalog(call, caller, now_ms, switches),
    }
}

/// The checks of section "gateway", in their order. The sandbox is still open.
fn authenticate(world: &World, incoming: &Incoming, real_ms: i64) -> Result<Caller, Reply> {
    let header = |name: &str| incoming.header(name).filter(|value| !value.is_empty());
    let bearer =
        header("authorization").ok_or_else(|| gateway_error(403, "403010", "Oauth token is missing."))?;
    let key = header("x-api-key").ok_or_else(|| gateway_error(403, "403000", "Api Key is required"))?;
    let org = header("x-gw-ims-org-id").ok_or_else(|| gateway_error(400, "400003", "Missing header"))?;
    let token = bearer.strip_prefix("Bearer ").or_else(|| bearer.strip_prefix("bearer ")).unwrap_or_default();
    let Check::Client(client_id) = world.state.ims.check(token, real_ms) else {
        return Err(gateway_error(401, "401013", "Oauth token is not valid"));
    };
    let client = ims::client(&world.config, key).filter(|client| client.client_id == client_id);
    let client = client.ok_or_else(|| gateway_error(403, "403003", "Api Key is invalid"))?;
    let organisation = world.organisation(org).filter(|organisation| organisation.clients.contains(client));
    let organisation = organisation.ok_or_else(|| gateway_error(403, "403025", "Profile is not valid"))?;
    Ok(Caller {
        org: organisation.org_id.clone(),
        tenant: organisation.tenant.clone(),
        sandbox: String::new(),
        sandbox_id: String::new(),
        client_id,
        user: client.user(),
    })
}

fn check_content_type(incoming: &Incoming) -> Result<(), Reply> {
    let json = incoming.header("content-type").is_some_and(|kind| kind.to_ascii_lowercase().contains("json"));
    if incoming.body.is_empty() || json {
        return Ok(());
    }
    let message = "The request must have a valid content-type such as application/json";
    Err(Reply::json(
        400,
        json!({"status": 400, "title": "Bad Request", "detail": message, "message": message}),
    ))
}

fn sandbox_name(incoming: &Incoming, switches: &Switches, service: Service) -> Result<String, Reply> {
    if incoming.header("x-sandbox-id").is_some() {
        return Err(sandbox_error(service, 2110, ""));
    }
    match incoming.header("x-sandbox-name").filter(|name| !name.is_empty()) {
        Some("*") => Err(sandbox_error(service, 2111, "*")),
        Some(name) => Ok(name.to_owned()),
        None if switches.missing_sandbox == MissingSandbox::Prod => Ok("prod".to_owned()),
        None => Err(sandbox_error(service, 2105, "")),
    }
}

fn sandbox_error(service: Service, code: u16, name: &str) -> Reply {
    let reply = flow_service::errors::error(code, format!("Sandbox [{name}] cannot be used"));
    if service == Service::Flow {
        return reply;
    }
    let title = reply.body.as_ref().and_then(|body| body.get("title")).cloned().unwrap_or_default();
    let body = json!({"type": format!("https://ns.adobe.com/aep/errors/SBX-{code}-{}", reply.status),
        "title": title, "status": reply.status, "detail": format!("Sandbox [{name}] cannot be used")});
    Reply::json(reply.status, body)
}

fn sandboxes(world: &mut World, org: &str, call: &Call) -> Reply {
    let spaces = world.state.spaces.get(org);
    let show = |name: &str, space: &Space| {
        let kind = if name == "prod" { "production" } else { "development" };
        json!({"id": space.id, "name": name, "title": name, "state": space.state, "type": kind, "region": "VA7",
            "isDefault": name == "prod", "eTag": 1, "createdBy": "System", "lastModifiedBy": "System"})
    };
    match (call.method.as_str(), call.segments().as_slice()) {
        ("GET", ["sandboxes", name]) => match spaces.and_then(|spaces| spaces.get(*name)) {
            Some(space) => Reply::json(200, show(name, space)),
            None => sandbox_error(Service::Sandboxes, 2100, name),
        },
        ("GET", ["sandboxes"] | []) => {
            let all = spaces.into_iter().flatten().map(|(name, space)| show(name, space));
            Reply::json(
                200,
                json!({"sandboxes": all.collect::<Vec<_>>(), "_page": {"limit": 50}, "_links": {}}),
            )
        }
        ("GET", _) => gateway_error(404, "404000", "No such resource"),
        _ => gateway_error(403, "403000", "Sandboxes are managed elsewhere"),
    }
}

/// Whether one more request would pass a limit; if not, it is counted.
fn over(world: &mut World, who: &str, rates: &[(u32, i64)], real_ms: i64) -> bool {
    if rates.iter().all(|(limit, _)| *limit == 0) {
        return false;
    }
    let recent = world.recent.entry(who.to_owned()).or_default();
    while recent.front().is_some_and(|at_ms| *at_ms <= real_ms - 60_000) {
        recent.pop_front();
    }
    let over = rates.iter().filter(|(limit, _)| *limit > 0).any(|(limit, within_ms)| {
        let start = recent.partition_point(|at_ms| *at_ms <= real_ms - within_ms);
        recent.len() - start >= usize::try_from(*limit).unwrap_or(usize::MAX)
    });
    if !over {
        recent.push_back(real_ms);
    }
    over
}

fn limited(limits: &Limits, real_ms: i64, body: Value) -> Reply {
    let reply = Reply::json(429, body);
    let seconds = i64::from(limits.retry_after_seconds);
    match limits.retry_after {
        RetryAfter::Absent => reply,
        RetryAfter::Seconds => reply.with_header("retry-after", seconds.to_string()),
        RetryAfter::Date => reply.with_header("retry-after", http_date(real_ms + seconds * 1000)),
    }
}

/// A time as HTTP writes it.
pub fn http_date(ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// An error of the gateway itself.
pub fn gateway_error(status: u16, code: &str, message: &str) -> Reply {
    Reply::json(status, json!({"error_code": code, "message": message}))
}
