//! Adobe Experience Platform over HTTP: IMS, Flow Service, Data Prep, Schema Registry, Catalog and sandboxes.
//!
//! ```text
//!   Aep ── session(credentials, sandbox) ──▶ Session ── flow_service, data_prep, schema_registry, catalog, sandbox
//!                                               │
//!                                           transport (the one send path)
//!                                  budget · auth · gate · retry · envelope · redact
//!                                               │
//!                                           wire::Transport
//! ```
//!
//! It knows nothing of Kubernetes and nothing of what the objects are for. Its promises: a write leaves at most once and only
//! through its gate; an error says whether the write may have happened; no text that leaves here holds a secret.

mod auth;
mod budget;
mod call;
mod catalog;
mod data_prep;
mod encode;
mod envelope;
mod error;
mod flow_service;
mod gate;
mod ids;
mod listing;
pub mod model;
mod pace;
mod patch;
mod redact;
mod retry;
mod runs;
mod sandbox;
mod schema_registry;
pub mod spec;
#[cfg(test)]
mod tests;
mod transport;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use self::auth::Tokens;
pub use self::auth::{Credentials, DEFAULT_SCOPES};
use self::budget::{Budget, Budgets};
pub use self::budget::{Lane, Permit};
pub use self::error::{Error, ErrorKind, Operation};
pub use self::flow_service::{Created, Deleted, Entity, FlowAction, Presence};
pub use self::gate::{Closed, Gate, sole_leadership};
pub use self::ids::{Etag, is_data_set_id, is_mapping_set_id, is_sandbox_name, is_schema_id, is_uuid};
pub use self::listing::{Filter, Pages};
pub use self::patch::Patch;
pub use self::wire::{BodyCap, HttpTransport, Transport, TransportError, TransportSetupError};

/// How the client behaves; the same for all organisations.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The gateway, `https://platform.adobe.io`; no path, query or user.
    pub aep_url: String,
    /// The identity service, `https://ims-na1.adobelogin.com`.
    pub ims_url: String,
    /// Accept plain `http` in the two URLs. Credentials then travel in the open: for simulators only.
    pub allow_http: bool,
    /// Calls a second for each organisation, evenly spaced. Adobe publishes no limit.
    pub requests_per_second: f64,
    /// From sending to the complete answer; a read spends it over all its attempts.
    pub call_deadline: Duration,
    /// How long a call may wait for a budget permit before it fails as limited.
    pub queue_deadline: Duration,
    /// How often a read is tried in all.
    pub read_attempts: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            aep_url: "https://platform.adobe.io".to_owned(),
            ims_url: "https://ims-na1.adobelogin.com".to_owned(),
            allow_http: false,
            requests_per_second: 10.0,
            call_deadline: Duration::from_secs(30),
            queue_deadline: Duration::from_mins(1),
            read_attempts: 3,
        }
    }
}

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Not an absolute URL of scheme, host and port only.
    #[error(
        "{name} should be a URL with a host and without user, path or query, such as https://platform.adobe.io"
    )]
    Url {
        /// Which of the two.
        name: &'static str,
    },
    /// Plain http was not allowed.
    #[error(
        "{name} uses plain http, which would send credentials in the open; it has to be allowed explicitly"
    )]
    PlainHttp {
        /// Which of the two.
        name: &'static str,
    },
    /// A rate that is not a positive number.
    #[error("requests per second should be a positive number")]
    Rate,
    /// A deadline or a number of attempts of zero.
    #[error("deadlines and the number of attempts should be greater than zero")]
    Zero,
}

/// What is told of every exchange with a service, for metrics. No names, no ids.
#[derive(Debug, Clone, PartialEq)]
pub struct CallReport {
    /// What was done; a closed set.
    pub operation: Operation,
    /// The method.
    pub method: http::Method,
    /// The template of the path, such as `/data/foundation/flowservice/flows/{id}`; a closed set.
    pub endpoint: String,
    /// The HTTP status, when there was an answer.
    pub status: Option<u16>,
    /// The kind of the error, if it failed.
    pub kind: Option<ErrorKind>,
    /// From building the request to reading the answer, without waiting for the budget or a token.
    pub duration: Duration,
}

impl CallReport {
    fn kind_str(&self) -> &'static str {
        self.kind.map_or("", ErrorKind::as_str)
    }
}

/// Told of every exchange. Called on the caller's task, so it must be quick and must not block.
pub trait Observer: Send + Sync {
    /// An exchange has ended, well or badly.
    fn finished(&self, call: &CallReport);

    /// The budget has given a permit, after a wait.
    fn permitted(&self, _lane: Lane, _waited: Duration) {}
}

/// The client. Clones share tokens, budgets and connections; one per process.
#[derive(Clone)]
pub struct Aep(Arc<Shared>);

struct Shared {
    settings: Settings,
    transport: Arc<dyn Transport>,
    tokens: Tokens,
    budgets: Budgets,
    observer: Option<Arc<dyn Observer>>,
}

impl Aep {
    /// A client over `transport`.
    pub fn new(settings: Settings, transport: Arc<dyn Transport>) -> Result<Self, SettingsError> {
        Self::build(settings, transport, None)
    }

    /// A client whose exchanges are reported to `observer`.
    pub fn observed(
        settings: Settings,
        transport: Arc<dyn Transport>,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, SettingsError> {
        Self::build(settings, transport, Some(observer))
    }

    fn build(
        mut settings: Settings,
        transport: Arc<dyn Transport>,
        observer: Option<Arc<dyn Observer>>,
    ) -> Result<Self, SettingsError> {
        settings.aep_url = base_url("the AEP URL", &settings.aep_url, settings.allow_http)?;
        settings.ims_url = base_url("the IMS URL", &settings.ims_url, settings.allow_http)?;
        if !(settings.requests_per_second.is_finite() && settings.requests_per_second > 0.0) {
            return Err(SettingsError::Rate);
        }
        if settings.call_deadline.is_zero()
            || settings.queue_deadline.is_zero()
            || settings.read_attempts == 0
        {
            return Err(SettingsError::Zero);
        }
        let budgets = Budgets::new(settings.requests_per_second, observer.clone());
        Ok(Self(Arc::new(Shared { settings, transport, tokens: Tokens::default(), budgets, observer })))
    }

    /// Calls on behalf of one credential, in one sandbox. Cheap, makes no call, and holds the credential: build one per piece
    /// of work and drop it.
    pub fn session(&self, credentials: &Credentials, sandbox: &str) -> Session {
        Session {
            aep: self.clone(),
            budget: self.0.budgets.of(&credentials.org_id),
            credentials: Arc::new(credentials.clone()),
            sandbox: sandbox.into(),
            lane: None,
        }
    }

    /// How many calls wait for the budget, by lane in the order of [`Lane::ALL`], over all organisations.
    pub fn waiting(&self) -> [usize; Lane::ALL.len()] {
        self.0.budgets.waiting()
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }
}

/// Scheme, host and port of a base URL, without a trailing slash.
fn base_url(name: &'static str, text: &str, allow_http: bool) -> Result<String, SettingsError> {
    let malformed = SettingsError::Url { name };
    let url: http::Uri = text.trim_end_matches('/').parse().map_err(|_| malformed.clone())?;
    let (Some(scheme), Some(authority)) = (url.scheme_str(), url.authority()) else { return Err(malformed) };
    if authority.as_str().contains('@') || url.path() != "/" || url.query().is_some() {
        return Err(malformed);
    }
    match scheme {
        "https" => {}
        "http" if allow_http => {}
        "http" => return Err(SettingsError::PlainHttp { name }),
        _ => return Err(malformed),
    }
    Ok(format!("{scheme}://{authority}"))
}

/// Calls with one credential in one sandbox. Has no `Debug`, since it holds a secret.
#[derive(Clone)]
pub struct Session {
    aep: Aep,
    credentials: Arc<Credentials>,
    sandbox: Arc<str>,
    budget: Budget,
    lane: Option<Lane>,
}

impl Session {
    /// The same session with its reads in another lane, such as [`Lane::Drift`] for an inventory pass. Writes keep theirs.
    #[must_use]
    pub fn on(&self, lane: Lane) -> Self {
        Self { lane: Some(lane), ..self.clone() }
    }

    /// The organisation.
    pub fn org_id(&self) -> &str {
        &self.credentials.org_id
    }

    /// The sandbox name.
    pub fn sandbox(&self) -> &str {
        &self.sandbox
    }

    /// The client id of the credential, which upstream objects carry as `createdClient`.
    pub fn client_id(&self) -> &str {
        &self.credentials.client_id
    }

    /// Differs whenever the credential does. Only to be hashed with a salt: it is not one by itself.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.credentials.fingerprint()
    }

    /// Takes `count` permits ahead, so that nothing waits between a claim and the creation it announces. Cancel-safe.
    ///
    /// # Errors
    /// `Limited` while the organisation is told to wait for long.
    pub async fn permits(&self, count: usize) -> Result<Vec<Permit>, Error> {
        let operation = Operation::new("claim", "permits");
        self.budget.permits(count).await.map_err(|pause| transport::limited(operation, Some(pause)))
    }

    /// For how long the organisation is told to wait, if it is.
    pub fn pause(&self) -> Option<Duration> {
        self.budget.pause()
    }
}
