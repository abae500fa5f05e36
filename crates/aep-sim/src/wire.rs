//! What a service of the simulator sees of a request, and what it answers.
//!
//! Services are plain functions from a [`Call`] to a [`Reply`]: no sockets, no async, no clock of their own. The gateway
//! makes the call from HTTP and the reply back into HTTP.

use axum::http::{HeaderMap, Method};
use serde_json::Value;

/// One request that the gateway let through.
#[derive(Debug, Clone)]
pub struct Call {
    /// The HTTP method.
    pub method: Method,
    /// Percent-decoded path segments below the service's base path, for example `["connections", "<id>", "test"]`.
    pub path: Vec<String>,
    /// Decoded query parameters in their order; a name may repeat.
    pub query: Vec<(String, String)>,
    /// Request headers.
    pub headers: HeaderMap,
    /// The raw body, empty when there was none.
    pub body: Vec<u8>,
}

impl Call {
    /// The first value of a query parameter.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All values of a query parameter, in their order.
    pub fn queries<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.query.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The path segments as `&str`, to match on.
    pub fn segments(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }

    /// The body as JSON; `None` when it is empty or not JSON.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }
}

/// Who calls, and for which sandbox: settled by the gateway.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The organisation, `…@AdobeOrg`.
    pub org: String,
    /// The tenant id without underscore.
    pub tenant: String,
    /// The sandbox name.
    pub sandbox: String,
    /// The sandbox id (UUID).
    pub sandbox_id: String,
    /// The client id of the credential: `createdClient` and `updatedClient`.
    pub client_id: String,
    /// The technical account: `createdBy` and `updatedBy`.
    pub user: String,
}

/// An answer: status, extra headers and a body.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Extra headers besides content type and request id.
    pub headers: Vec<(&'static str, String)>,
    /// A JSON body; `None` sends an empty one.
    pub body: Option<Value>,
}

impl Reply {
    /// A JSON answer.
    pub fn json(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body: Some(body) }
    }

    /// An answer without a body.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: None }
    }

    /// The same answer with one more header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}
