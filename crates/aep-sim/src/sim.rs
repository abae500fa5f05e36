//! The facade: one request in, one answer or a broken connection out. Faults strike here, between arrival and answer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::config::Config;
use crate::faults::{Action, Canned, Strike};
use crate::incoming::Incoming;
use crate::journal::Entry;
use crate::switches::Switches;
use crate::wire::Reply;
use crate::world::{State, World};
use crate::{control, gateway, spoil, track};

/// The connection broke: whether the call was executed is for the caller to find out.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Dropped {
    /// Nothing of an answer was sent.
    #[error("connection closed before the answer")]
    BeforeAnswer,
    /// The head of this answer and a part of its body were sent.
    #[error("connection closed within the answer")]
    MidBody(Box<Response<Vec<u8>>>),
}

/// The simulator. Clones share one state.
#[derive(Debug, Clone)]
pub struct Sim {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    world: Mutex<World>,
    clock: Clock,
}

impl Sim {
    /// A simulator in its first state.
    pub fn new(config: Config) -> Self {
        let clock = Clock::new(config.clock);
        let world = World::new(config, clock.real_ms());
        Self::over(world, clock)
    }

    /// A simulator that goes on from a saved state.
    pub fn resume(config: Config, state: State) -> Self {
        let clock = Clock::new(config.clock);
        Self::over(World::with_state(config, state), clock)
    }

    fn over(world: World, clock: Clock) -> Self {
        Self { inner: Arc::new(Inner { world: Mutex::new(world), clock }) }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        // A panic elsewhere must not hide what the simulator knows.
        self.inner.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn real_ms(&self) -> i64 {
        self.inner.clock.real_ms()
    }

    /// The virtual time in milliseconds since the epoch.
    pub fn now_ms(&self) -> i64 {
        self.world().virtual_ms(self.real_ms())
    }

    /// Moves the virtual clock ahead and lets happen what then is due.
    pub fn advance(&self, by: Duration) {
        let by_ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        let real_ms = self.real_ms();
        let mut world = self.world();
        world.advance(real_ms);
        world.state.offset_ms = world.state.offset_ms.saturating_add(by_ms);
        world.advance(real_ms);
        world.changes += 1;
    }

    /// Changes switches.
    pub fn switch(&self, change: impl FnOnce(&mut Switches)) {
        let mut world = self.world();
        change(&mut world.state.switches);
        world.changes += 1;
    }

    /// Journal lines after a number.
    pub fn journal(&self, since: u64) -> Vec<Entry> {
        self.world().journal.since(since).cloned().collect()
    }

    /// Calls the control API: method, path below `/_sim` with its query, and a JSON body. Gives status and answer.
    pub fn control(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let request = Request::builder().method(method).uri(format!("/_sim{path}"));
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        match request.body(body) {
            Ok(request) => {
                let reply = control::answer(self, &Incoming::read(request));
                (reply.status, reply.body.unwrap_or_default())
            }
            Err(why) => (400, json!({"error": why.to_string()})),
        }
    }

    /// How many engine events, such as starts and ends of runs, have happened. Reading it does not let time pass.
    pub fn events(&self) -> u64 {
        self.world().events
    }

    /// Lets happen what is due now.
    pub fn tick(&self) {
        let real_ms = self.real_ms();
        self.world().advance(real_ms);
    }

    /// Answers one request, as the network would: in its own time, or not at all.
    ///
    /// # Errors
    /// [`Dropped`] when a planned fault breaks the connection.
    pub async fn handle(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, Dropped> {
        let incoming = Incoming::read(request);
        if incoming.path.starts_with("/_sim/") {
            let reply = control::answer(self, &incoming);
            return Ok(response(&incoming, reply));
        }
        let (seq, strike) = self.arrive(&incoming);
        sleep(strike.delay.before).await;
        match &strike.action {
            Some(Action::Hang) => return std::future::pending().await,
            Some(Action::DropBeforeCommit) => return Err(Dropped::BeforeAnswer),
            Some(Action::Status(canned)) => {
                self.note(seq, canned.status, None);
                sleep(strike.delay.after).await;
                return Ok(canned_response(&incoming, canned));
            }
            _ => {}
        }
        let reply = self.execute(&incoming, seq, strike.action.as_ref());
        sleep(strike.delay.after).await;
        self.deliver(&incoming, seq, reply, strike.action).await
    }

    fn arrive(&self, incoming: &Incoming) -> (u64, Strike) {
        let real_ms = self.real_ms();
        let mut world = self.world();
        let virtual_ms = world.virtual_ms(real_ms);
        let seq = world.journal.begin(incoming, virtual_ms, real_ms);
        let mut strike = world.faults.strike(incoming);
        strike.delay.before += world.state.switches.latency_ms;
        world.journal.update(seq, |entry| entry.fault.clone_from(&strike.label));
        (seq, strike)
    }

    fn execute(&self, incoming: &Incoming, seq: u64, action: Option<&Action>) -> Reply {
        let real_ms = self.real_ms();
        let mut world = self.world();
        world.advance(real_ms);
        if let Some(Action::Edit(edit)) = action {
            let now_ms = world.virtual_ms(real_ms);
            control::edit_named(&mut world, incoming, edit, now_ms);
        }
        let reply = gateway::answer(&mut world, incoming, seq, real_ms);
        world.journal.update(seq, |entry| {
            entry.executed = true;
            entry.status = Some(reply.status);
            entry.code = code(&reply);
            entry.created = (incoming.method == "POST").then(|| track::created(&reply)).flatten();
        });
        reply
    }

    async fn deliver(
        &self,
        incoming: &Incoming,
        seq: u64,
        reply: Reply,
        action: Option<Action>,
    ) -> Result<Response<Vec<u8>>, Dropped> {
        match action {
            Some(Action::HangAfterCommit) => std::future::pending().await,
            Some(Action::DropAfterCommit) => Err(Dropped::BeforeAnswer),
            Some(Action::DropMidBody) => Err(Dropped::MidBody(Box::new(response(incoming, reply)))),
            Some(Action::StatusAfterCommit(canned)) => {
                self.note(seq, canned.status, None);
                Ok(canned_response(incoming, &canned))
            }
            Some(Action::ReplaceBody(spoilt)) => {
                Ok(spoil::spoil(incoming, response(incoming, reply), spoilt))
            }
            _ => Ok(response(incoming, reply)),
        }
    }

    fn note(&self, seq: u64, status: u16, code: Option<String>) {
        self.world().journal.update(seq, |entry| {
            entry.status = Some(status);
            entry.code = code;
        });
    }
}

async fn sleep(ms: u64) {
    if ms > 0 {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}

/// The code of an error answer.
fn code(reply: &Reply) -> Option<String> {
    let body = reply.body.as_ref().filter(|_| reply.status >= 400)?;
    let kind = body.get("type").and_then(Value::as_str).and_then(|text| text.rsplit('/').next());
    kind.or_else(|| body.get("error_code").and_then(Value::as_str))
        .or_else(|| body.get("error").and_then(Value::as_str))
        .map(str::to_owned)
}

/// A reply as an HTTP response.
pub(crate) fn response(incoming: &Incoming, reply: Reply) -> Response<Vec<u8>> {
    let body = reply.body.map(|body| body.to_string().into_bytes());
    let mut response = Response::new(body.unwrap_or_default());
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/json;charset=UTF-8"));
    if let Some(id) = incoming.headers.get("x-request-id") {
        headers.insert("x-request-id", id.clone());
    }
    for (name, value) in reply.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    response
}

fn canned_response(incoming: &Incoming, canned: &Canned) -> Response<Vec<u8>> {
    let reason = StatusCode::from_u16(canned.status).ok().and_then(|status| status.canonical_reason());
    let default = || json!({"error_code": format!("{}000", canned.status), "message": reason});
    let reply = match (&canned.body, canned.status) {
        (Some(body), status) => Reply::json(status, body.clone()),
        (None, 401) => gateway::gateway_error(401, "401013", "Oauth token is not valid"),
        (None, 429) => gateway::gateway_error(429, "429050", "Too many requests"),
        (None, status) => Reply::json(status, default()),
    };
    let html = reply.body.as_ref().and_then(Value::as_str).map(str::to_owned);
    let mut response = response(incoming, reply);
    if let Some(html) = html {
        *response.body_mut() = html.into_bytes();
        response.headers_mut().insert("content-type", HeaderValue::from_static("text/html"));
    }
    for (name, value) in &canned.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
