//! The wire: one trait that carries a request to an answer, and its implementation over reqwest.
//!
//! No retries, tokens, budgets or meanings here. A transport only has to be honest about one thing: whether a request that got
//! no answer was certainly not sent.

use std::error::Error as _;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use secrecy::zeroize::Zeroizing;

/// Carries requests. Implemented by [`HttpTransport`], and by tests that put a simulator in its place.
pub trait Transport: Send + Sync {
    /// Sends one request and returns the whole answer, whatever its status.
    ///
    /// A body longer than the request's [`BodyCap`] extension is cut when the status is an error, and is
    /// [`TransportError::too_large`] otherwise. Dropping the future abandons the call; a request already sent stays sent.
    fn send(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> BoxFuture<'_, Result<http::Response<Vec<u8>>, TransportError>>;
}

/// The most bytes of an answer's body that the sender of a request will take; a request extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyCap(pub usize);

impl BodyCap {
    /// For single objects: 1 MiB.
    pub const OBJECT: Self = Self(1 << 20);
    /// For list pages, explored schemas and mapping sets: 16 MiB.
    pub const LIST: Self = Self(16 << 20);
}

impl Default for BodyCap {
    fn default() -> Self {
        Self::OBJECT
    }
}

/// Why there is no answer. The text names no URL and no header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TransportError {
    sent: bool,
    message: String,
}

impl TransportError {
    /// The request certainly did not leave: no connection could be made, or it could not be built.
    pub fn not_sent(message: impl Into<String>) -> Self {
        Self { sent: false, message: message.into() }
    }

    /// The request may have reached the server, and no answer was received.
    pub fn no_answer(message: impl Into<String>) -> Self {
        Self { sent: true, message: message.into() }
    }

    /// The server answered with success and a body longer than `cap`.
    pub fn too_large(cap: BodyCap) -> Self {
        Self::no_answer(format!("the answer is longer than {} bytes", cap.0))
    }

    /// Whether the request certainly never left this process.
    pub fn is_certainly_not_sent(&self) -> bool {
        !self.sent
    }
}

/// HTTP over reqwest: TLS, keep-alive, no redirects (they would carry credentials elsewhere), no retries of its own.
#[derive(Debug, Clone)]
pub struct HttpTransport {
    client: reqwest::Client,
}

/// The client cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum TransportSetupError {
    /// No TLS provider is installed for the process.
    #[error("no TLS provider is installed; main has to install one before it builds clients")]
    NoTlsProvider,
    /// reqwest refused its settings or found no root certificates.
    #[error("the HTTP client cannot be built")]
    Client(#[from] reqwest::Error),
}

impl HttpTransport {
    /// A transport whose connections have to be up within `connect_timeout`. Proxies come from the environment.
    ///
    /// The process's rustls provider must have been installed before.
    pub fn new(connect_timeout: Duration) -> Result<Self, TransportSetupError> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(TransportSetupError::NoTlsProvider);
        }
        let client = reqwest::Client::builder()
            .user_agent(concat!("aep-operator/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .connect_timeout(connect_timeout)
            .pool_idle_timeout(Duration::from_secs(50))
            // A connection that died silently would otherwise take every call of its pool into its deadline.
            .tcp_keepalive(Duration::from_secs(15))
            .http2_keep_alive_interval(Duration::from_secs(15))
            .http2_keep_alive_timeout(Duration::from_secs(10))
            .build()?;
        Ok(Self { client })
    }

    async fn exchange(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> Result<http::Response<Vec<u8>>, TransportError> {
        let (parts, body) = request.into_parts();
        let cap = parts.extensions.get::<BodyCap>().copied().unwrap_or_default();
        // The buffer may hold a credential: it is overwritten when the last view of it is dropped.
        let body = reqwest::Body::from(Bytes::from_owner(Zeroizing::new(body)));
        let request = reqwest::Request::try_from(http::Request::from_parts(parts, body))
            .map_err(|error| TransportError::not_sent(describe(error)))?;
        let mut answer = self.client.execute(request).await.map_err(classify)?;

        let mut whole = http::Response::new(Vec::new());
        *whole.status_mut() = answer.status();
        *whole.headers_mut() = std::mem::take(answer.headers_mut());
        let success = answer.status().is_success();
        while let Some(chunk) =
            answer.chunk().await.map_err(|error| TransportError::no_answer(describe(error)))?
        {
            let room = cap.0 - whole.body().len();
            if chunk.len() > room && success {
                return Err(TransportError::too_large(cap));
            }
            whole.body_mut().extend_from_slice(&chunk[..chunk.len().min(room)]);
            if whole.body().len() == cap.0 && !success {
                break;
            }
        }
        Ok(whole)
    }
}

impl Transport for HttpTransport {
    fn send(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> BoxFuture<'_, Result<http::Response<Vec<u8>>, TransportError>> {
        Box::pin(self.exchange(request))
    }
}

fn classify(error: reqwest::Error) -> TransportError {
    // A connection that was never made carried nothing; everything later may have been read by the server.
    if error.is_connect() || error.is_builder() {
        TransportError::not_sent(describe(error))
    } else {
        TransportError::no_answer(describe(error))
    }
}

/// The error with its causes and without its URL, whose query may hold more than a log should.
fn describe(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
