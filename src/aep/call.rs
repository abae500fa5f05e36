//! What a call is before it is sent, and what came back: plain data for the send path.

use std::sync::Arc;

use http::Method;
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::budget::{Lane, Permit};
use super::encode;
use super::error::{Details, Error, ErrorKind, Operation};
use super::gate::Gate;
use super::ids::Etag;
use super::redact::Redactor;
use super::wire::BodyCap;

/// A path and its template; the template names no object and is fit for logs.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    pub path: String,
    pub template: String,
}

impl Endpoint {
    pub fn new(base: &str) -> Self {
        Self { path: base.to_owned(), template: base.to_owned() }
    }

    /// A fixed segment.
    pub fn then(mut self, segment: &str) -> Self {
        for text in [&mut self.path, &mut self.template] {
            text.push('/');
            text.push_str(segment);
        }
        self
    }

    /// An id or a name, encoded as one segment.
    pub fn id(mut self, id: &str) -> Self {
        self.path.push('/');
        self.path.push_str(&encode::component(id));
        self.template.push_str("/{id}");
        self
    }
}

/// A body, overwritten when dropped, and the secrets in it, which no error may repeat.
#[derive(Default)]
pub(super) struct Body {
    pub bytes: Zeroizing<Vec<u8>>,
    pub secrets: Vec<SecretString>,
    pub content_type: &'static str,
}

/// Large enough that a body with a credential is never moved to a larger buffer, which would leave a copy behind.
const ROOM: usize = 16 * 1024;

impl Body {
    /// A JSON body.
    pub fn json(value: &impl Serialize) -> Result<Self, serde_json::Error> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(ROOM));
        serde_json::to_writer(&mut *bytes, value)?;
        Ok(Self { bytes, secrets: Vec::new(), content_type: "application/json" })
    }

    pub fn with_secret(mut self, secret: &SecretString) -> Self {
        self.secrets.push(secret.clone());
        self
    }

    pub fn with_content_type(mut self, content_type: &'static str) -> Self {
        self.content_type = content_type;
        self
    }
}

/// Whether a call changes anything upstream, and what a change needs to be sent.
pub(super) enum Effect<'a> {
    /// May be repeated at will.
    Read,
    /// Sent at most once. `gate` is absent where `If-Match` fences the write.
    Write { gate: Option<&'a Gate>, permit: Option<Permit> },
}

/// One call, complete but for token and headers.
pub(super) struct Call<'a> {
    pub operation: Operation,
    pub method: Method,
    pub endpoint: Endpoint,
    pub query: String,
    pub accept: &'static str,
    pub if_match: Option<&'a Etag>,
    pub body: Option<Body>,
    pub cap: BodyCap,
    pub lane: Lane,
    pub effect: Effect<'a>,
}

impl<'a> Call<'a> {
    pub fn read(operation: Operation, endpoint: Endpoint, lane: Lane) -> Self {
        Self::new(operation, Method::GET, endpoint, lane, Effect::Read)
    }

    /// A write that the gate guards.
    pub fn write(operation: Operation, method: Method, endpoint: Endpoint, gate: &'a Gate) -> Self {
        Self::new(operation, method, endpoint, Lane::Change, Effect::Write { gate: Some(gate), permit: None })
    }

    /// A creation: the gate guards it and its permit was taken before the claim.
    pub fn create(operation: Operation, endpoint: Endpoint, permit: Permit, gate: &'a Gate) -> Self {
        let effect = Effect::Write { gate: Some(gate), permit: None };
        Self::new(operation, Method::POST, endpoint, Lane::Create, effect).with_permit(permit)
    }

    /// A change that `If-Match` guards.
    pub fn guarded_patch(operation: Operation, endpoint: Endpoint, etag: Option<&'a Etag>) -> Self {
        let effect = Effect::Write { gate: None, permit: None };
        let mut call = Self::new(operation, Method::PATCH, endpoint, Lane::Change, effect);
        call.if_match = etag;
        call
    }

    fn new(operation: Operation, method: Method, endpoint: Endpoint, lane: Lane, effect: Effect<'a>) -> Self {
        Self {
            operation,
            method,
            endpoint,
            query: String::new(),
            accept: "application/json",
            if_match: None,
            body: None,
            cap: BodyCap::OBJECT,
            lane,
            effect,
        }
    }

    pub fn query(mut self, pairs: &[(&str, &str)]) -> Self {
        self.query = encode::query(pairs);
        self
    }

    /// A write whose permit was taken ahead.
    pub fn with_permit(mut self, taken: Permit) -> Self {
        if let Effect::Write { permit, .. } = &mut self.effect {
            *permit = Some(taken);
        }
        self
    }

    pub fn accept(mut self, accept: &'static str) -> Self {
        self.accept = accept;
        self
    }

    pub fn body(mut self, body: Body) -> Self {
        self.body = Some(body);
        self
    }

    /// A JSON body; values that cannot be JSON (a map with a key that is no text) make the call fail before it is sent.
    pub fn json(self, value: &impl Serialize) -> Result<Self, Error> {
        let body = Body::json(value).map_err(|_| self.unsendable("the body cannot be written as JSON"))?;
        Ok(self.body(body))
    }

    pub fn large(mut self) -> Self {
        self.cap = BodyCap::LIST;
        self
    }

    pub fn is_write(&self) -> bool {
        matches!(self.effect, Effect::Write { .. })
    }

    /// The call cannot even be built.
    pub fn unsendable(&self, why: &str) -> Error {
        Error::new(ErrorKind::Refused, self.operation, why)
    }

    /// An id that is empty or made of dots would change which endpoint the path means.
    pub fn check_path(&self) -> Result<(), Error> {
        let mut segments = self.endpoint.path.split('/').skip(1);
        if segments.any(|segment| matches!(segment, "" | "." | "..")) {
            return Err(self.unsendable("an id or name that cannot be part of a path; nothing was sent"));
        }
        Ok(())
    }
}

/// A 2xx answer.
pub(super) struct Answer {
    pub operation: Operation,
    pub write: bool,
    pub status: u16,
    pub body: Vec<u8>,
    pub request_id: String,
    pub redactor: Arc<Redactor>,
}

impl Answer {
    /// The body as `T`. A body that is not `T` makes a write ambiguous and a read malformed.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body)
            .map_err(|error| self.not_understood(&format!("unexpected answer: {error}")))
    }

    /// The error for an answer that cannot be trusted.
    pub fn not_understood(&self, why: &str) -> Error {
        Error::from(Details {
            kind: if self.write { ErrorKind::Ambiguous } else { ErrorKind::Malformed },
            operation: self.operation,
            status: Some(self.status),
            code: None,
            message: self.redactor.clean(why),
            request_id: Some(self.request_id.clone()),
            retry_after: None,
        })
    }
}
