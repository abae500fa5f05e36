//! Tests of the client as a whole against a scripted transport, and the transport itself.
//!
//! Time is paused: waits cost nothing and are exact. What a service really answers is tested elsewhere, against the simulator.

mod flow_service;
mod lake;
mod pace;
mod redaction;
mod robust;
mod send;
mod tokens;
mod wire;

use std::collections::VecDeque;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use http::{Method, Request, Response};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use super::*;

pub(super) const ORG: &str = "ORG@AdobeOrg";
pub(super) const CLIENT_SECRET: &str = "p8e-canary-client-secret-0123456789";
pub(super) const STRIPE_KEY: &str = "canary+stripe/key=abcdefghijklmnopqrstuvwxyz";
pub(super) const ID: &str = "a9950001-a386-4642-a0cd-5eaac6db5556";
pub(super) const OTHER_ID: &str = "abbfac4e-202c-4e04-902d-6f73e9041068";
pub(super) const ETAG: &str = "\"dc01244d-0000-0200-0000-65ea4e500000\"";

/// What the fake does with a request.
#[derive(Clone)]
pub(super) enum Reply {
    Answer { status: u16, headers: Vec<(&'static str, String)>, body: Vec<u8> },
    NotSent,
    NoAnswer,
    Hang,
    After(Duration, Box<Reply>),
}

impl Reply {
    pub fn json(status: u16, body: &Value) -> Self {
        Self::raw(status, body.to_string())
    }

    pub fn raw(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::Answer { status, headers: Vec::new(), body: body.into() }
    }

    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name, value.to_owned()));
        }
        self
    }

    pub fn written() -> Self {
        Self::json(201, &json!({"id": ID, "etag": ETAG}))
    }

    pub fn token(text: &str) -> Self {
        Self::json(200, &json!({"access_token": text, "token_type": "bearer", "expires_in": 86399}))
    }
}

/// A request as the fake saw it.
#[derive(Clone)]
pub(super) struct Seen {
    pub at: Instant,
    pub method: Method,
    pub url: String,
    pub headers: http::HeaderMap,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a readable header"))
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    /// Decoded query parameters.
    pub fn query(&self) -> Vec<(String, String)> {
        let (_, query) = self.url.split_once('?').unwrap_or_default();
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        pairs
            .map(|pair| pair.split_once('=').expect("a pair"))
            .map(|(name, value)| (encode::decode(name), encode::decode(value)))
            .collect()
    }
}

#[derive(Default)]
struct Log {
    replies: VecDeque<Reply>,
    tokens: VecDeque<Reply>,
    last: Option<Reply>,
    calls: Vec<Seen>,
    token_calls: Vec<Seen>,
}

/// A transport that answers from a script; the last reply repeats. Token calls are apart: `token-1`, `token-2`, … by default.
#[derive(Default)]
pub(super) struct Fake(Mutex<Log>);

impl Fake {
    pub fn answering(replies: impl IntoIterator<Item = Reply>) -> Arc<Self> {
        let fake = Self::default();
        fake.log().replies.extend(replies);
        Arc::new(fake)
    }

    pub fn tokens(self: Arc<Self>, replies: impl IntoIterator<Item = Reply>) -> Arc<Self> {
        self.log().tokens.extend(replies);
        self
    }

    pub fn then(&self, reply: Reply) {
        self.log().replies.push_back(reply);
    }

    pub fn calls(&self) -> Vec<Seen> {
        self.log().calls.clone()
    }

    pub fn token_calls(&self) -> usize {
        self.log().token_calls.len()
    }

    pub fn last_token_call(&self) -> Seen {
        self.log().token_calls.last().expect("a token call").clone()
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self, request: Request<Vec<u8>>) -> Reply {
        let (parts, body) = request.into_parts();
        let seen = Seen {
            at: Instant::now(),
            method: parts.method,
            url: parts.uri.to_string(),
            headers: parts.headers,
            body,
        };
        let mut log = self.log();
        if seen.url.contains("/ims/token/") {
            log.token_calls.push(seen);
            let default = Reply::token(&format!("token-{}", log.token_calls.len()));
            return log.tokens.pop_front().unwrap_or(default);
        }
        log.calls.push(seen);
        if let Some(reply) = log.replies.pop_front() {
            log.last = Some(reply);
        }
        log.last.clone().expect("a scripted reply")
    }
}

impl Transport for Fake {
    fn send(&self, request: Request<Vec<u8>>) -> BoxFuture<'_, Result<Response<Vec<u8>>, TransportError>> {
        let mut reply = self.next(request);
        Box::pin(async move {
            loop {
                match reply {
                    Reply::After(wait, then) => {
                        tokio::time::sleep(wait).await;
                        reply = *then;
                    }
                    Reply::Hang => pending().await,
                    Reply::NotSent => return Err(TransportError::not_sent("connection refused")),
                    Reply::NoAnswer => return Err(TransportError::no_answer("connection reset")),
                    Reply::Answer { status, headers, body } => {
                        let mut response = Response::builder().status(status);
                        for (name, value) in headers {
                            response = response.header(name, value);
                        }
                        return Ok(response.body(body).expect("a response"));
                    }
                }
            }
        })
    }
}

pub(super) fn settings() -> Settings {
    Settings { requests_per_second: 1000.0, ..Settings::default() }
}

pub(super) fn credentials() -> Credentials {
    Credentials {
        client_id: "client".to_owned(),
        client_secret: SecretString::from(CLIENT_SECRET),
        org_id: ORG.to_owned(),
        scopes: None,
    }
}

pub(super) fn client(fake: &Arc<Fake>) -> Aep {
    Aep::new(settings(), Arc::clone(fake) as Arc<dyn Transport>).expect("usable settings")
}

pub(super) fn session(fake: &Arc<Fake>) -> Session {
    client(fake).session(&credentials(), "dev")
}

/// An open gate, with the leadership that keeps it open.
pub(super) fn gate() -> (watch::Sender<Instant>, Gate) {
    let (leader, until) = sole_leadership();
    (leader, Gate::new(Instant::now() + Duration::from_hours(1), until))
}

pub(super) fn new_connection() -> model::NewConnection {
    model::NewConnection {
        name: "Stripe EU".to_owned(),
        description: Some("marker".to_owned()),
        connection_spec: model::SpecRef::v1(spec::STRIPE_CONNECTION_SPEC),
        auth_spec_name: spec::STRIPE_AUTH_SPEC_NAME.to_owned(),
        access_token: SecretString::from(STRIPE_KEY),
    }
}

pub(super) async fn permit(session: &Session) -> Permit {
    session.permits(1).await.expect("no pause").pop().expect("a permit")
}

/// A write with a permit taken ahead.
pub(super) async fn create(session: &Session) -> Result<Created, Error> {
    let (_leader, gate) = gate();
    session.create::<model::Connection>(permit(session).await, &gate, &new_connection()).await
}

/// A read.
pub(super) async fn get(session: &Session) -> Result<Option<model::Flow>, Error> {
    session.get::<model::Flow>(ID).await
}
