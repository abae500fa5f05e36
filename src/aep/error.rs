//! What can go wrong with a call, told so that a caller can decide without reading text.
//!
//! The kind says whether the call may have been executed; nothing in here holds a secret, an answer's raw body or a URL.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What a failed call means. Every kind except [`ErrorKind::Ambiguous`] says that a write was **not** executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// A write that the gate held back: too late after its claim, or this process does not lead any more.
    NotSent,
    /// IMS refused the credentials, or they could not even stand in a header; no call was made with them.
    TokenRefused,
    /// 401 although the token was fresh.
    Unauthorized,
    /// 403: a missing right, a wrong organisation or API key, or an access label that hides the object.
    Denied,
    /// 404 by the service that owns the resource.
    NotFound,
    /// 412: the entity tag is not that of the latest version.
    PreconditionFailed,
    /// Another 4xx; [`Error::code`] says why. Includes a sandbox that does not exist, and a call that cannot be built, for
    /// instance because an id is none.
    Refused,
    /// 429, or the organisation's budget waits for one; see [`Error::retry_after`].
    Limited,
    /// A read that failed, or a write known not to have been executed: no connection could be made, or the gateway turned it away.
    Unavailable,
    /// A write left and what became of it is unknown. Only a look-up can tell; never send the same write again before it.
    Ambiguous,
    /// The answer to a read was not understood. Nothing may be concluded from it.
    Malformed,
}

impl ErrorKind {
    /// A short constant name for metric labels and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotSent => "NotSent",
            Self::TokenRefused => "TokenRefused",
            Self::Unauthorized => "Unauthorized",
            Self::Denied => "Denied",
            Self::NotFound => "NotFound",
            Self::PreconditionFailed => "PreconditionFailed",
            Self::Refused => "Refused",
            Self::Limited => "Limited",
            Self::Unavailable => "Unavailable",
            Self::Ambiguous => "Ambiguous",
            Self::Malformed => "Malformed",
        }
    }
}

/// What was asked of which resource, from a closed set: fit for messages and metric labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Operation {
    /// What is done: create, get, list, patch, …
    pub verb: &'static str,
    /// To which resource, in Adobe's spelling: connections, mappingSets, dataSets, …
    pub resource: &'static str,
}

impl Operation {
    pub(super) const fn new(verb: &'static str, resource: &'static str) -> Self {
        Self { verb, resource }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)
    }
}

/// The number at the start of a code, without the status that Adobe appends.
pub(super) fn number_of(code: &str) -> Option<u32> {
    code.split('-').next()?.parse().ok()
}

/// A failed call. Cheap to clone; its texts are capped, free of control characters and of the secrets of the call.
#[derive(Clone, thiserror::Error)]
#[error("{0}")]
pub struct Error(Arc<Details>);

#[derive(Debug, Clone)]
pub(super) struct Details {
    pub kind: ErrorKind,
    pub operation: Operation,
    pub status: Option<u16>,
    pub code: Option<String>,
    pub message: String,
    pub request_id: Option<String>,
    pub retry_after: Option<Duration>,
}

impl fmt::Display for Details {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.operation)?;
        match (self.status, &self.code) {
            (Some(status), Some(code)) => write!(f, "{status} ({code}): ")?,
            (Some(status), None) => write!(f, "{status}: ")?,
            (None, Some(code)) => write!(f, "({code}): ")?,
            (None, None) => {}
        }
        f.write_str(&self.message)?;
        match &self.request_id {
            Some(id) => write!(f, " [request {id}]"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({}: {self})", self.kind().as_str())
    }
}

impl Error {
    /// An error without an answer behind it. `message` must be free of secrets.
    pub(super) fn new(kind: ErrorKind, operation: Operation, message: impl Into<String>) -> Self {
        Self::from(Details {
            kind,
            operation,
            status: None,
            code: None,
            message: message.into(),
            request_id: None,
            retry_after: None,
        })
    }

    pub(super) fn with_retry_after(&self, wait: Option<Duration>) -> Self {
        Self::from(Details { retry_after: wait, ..(*self.0).clone() })
    }

    pub(super) fn with_operation(&self, operation: Operation) -> Self {
        Self::from(Details { operation, ..(*self.0).clone() })
    }

    pub(super) fn with_request_id(&self, id: &str) -> Self {
        Self::from(Details { request_id: Some(id.to_owned()), ..(*self.0).clone() })
    }

    /// What the failure means.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What was being done.
    pub fn operation(&self) -> Operation {
        self.0.operation
    }

    /// The HTTP status, when there was an answer.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The service's own code: the end of the problem type (`1425-400` of `…/FLOW-1425-400`), a gateway `error_code`
    /// (`429050`), or an OAuth `error` (`invalid_client`).
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// The number at the start of [`Error::code`], without the status that Adobe appends: 1425 of `1425-400`.
    pub fn code_number(&self) -> Option<u32> {
        self.code().and_then(number_of)
    }

    /// What the service said, in one line of at most 512 characters.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The id under which Adobe's support finds the call.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// How long to wait before the next call, already capped.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Whether the service said that the object does not exist (or is hidden by an access label: it says the same).
    pub fn is_not_found(&self) -> bool {
        self.kind() == ErrorKind::NotFound
    }

    /// Whether a write may have been executed although it failed.
    pub fn is_ambiguous(&self) -> bool {
        self.kind() == ErrorKind::Ambiguous
    }

    /// Whether the sandbox itself is missing: Flow Service 2100, 2101, 2103 and 2106.
    pub fn is_sandbox_missing(&self) -> bool {
        self.code_number().is_some_and(is_sandbox_code)
    }
}

impl From<Details> for Error {
    fn from(details: Details) -> Self {
        Self(Arc::new(details))
    }
}

/// The Flow Service codes for a sandbox that is not there. They come as 404, like a missing object (Adobe: "Flow Service API
/// error messages"), and must never be read as one.
pub(super) fn is_sandbox_code(number: u32) -> bool {
    matches!(number, 2100 | 2101 | 2103 | 2106)
}
