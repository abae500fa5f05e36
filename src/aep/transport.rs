//! The single send path: every call to a service goes through [`Session::send`].
//!
//! In this order: budget permit, token, headers, send gate, deadline, transport, classification, redaction. Reads are repeated
//! inside; a write leaves at most once, except after a 401, which the gateway gives before any service is reached.

use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, IF_MATCH};
use http::{Request, Response};
use secrecy::ExposeSecret;
use secrecy::zeroize::Zeroizing;
use tokio::time::Instant;
use tracing::Instrument;
use uuid::Uuid;

use super::auth::{TOKEN, Token, refusal_kind};
use super::call::{Answer, Call, Effect};
use super::envelope::{self, Envelope};
use super::error::{Details, Error, ErrorKind, Operation, is_sandbox_code, number_of};
use super::redact::Redactor;
use super::wire::{BodyCap, TransportError};
use super::{CallReport, Session, retry};

/// Where IMS issues tokens.
const TOKEN_PATH: &str = "/ims/token/v3";
/// Longest that a token call may take.
const TOKEN_DEADLINE: Duration = Duration::from_secs(10);

impl Session {
    /// Sends a call and returns its 2xx answer.
    pub(super) async fn send(&self, mut call: Call<'_>) -> Result<Answer, Error> {
        call.check_path()?;
        let permit = match &mut call.effect {
            Effect::Write { permit, .. } => permit.take(),
            Effect::Read => None,
        };
        // A permit taken ahead does not overrule a pause that was asked for since.
        if let (Some(_), Some(pause)) = (&permit, self.budget.pause()) {
            return Err(limited(call.operation, Some(pause)));
        }
        // Before the turn: a turn that waits for a token would leave together with others.
        self.token(&call, Instant::now() + self.aep.0.settings.call_deadline).await?;
        self.turn(&call, Instant::now() + self.aep.0.settings.queue_deadline).await?;
        drop(permit);
        let deadline = Instant::now() + self.aep.0.settings.call_deadline;
        if call.is_write() {
            return self.attempt(&call, deadline, deadline).await;
        }
        let mut attempt = 1;
        loop {
            let slice = Instant::now() + self.aep.0.settings.call_deadline / 2;
            let error = match self.attempt(&call, deadline, slice.min(deadline)).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let wait = error.retry_after().unwrap_or_else(|| retry::backoff(attempt));
            let worth_it = matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Limited)
                && error.operation() == call.operation
                && attempt < self.aep.0.settings.read_attempts
                && Instant::now() + wait < deadline;
            if !worth_it {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
            if self.turn(&call, deadline).await.is_err() {
                return Err(error);
            }
            attempt += 1;
        }
    }

    async fn turn(&self, call: &Call<'_>, by: Instant) -> Result<(), Error> {
        let lane = self.lane.filter(|_| !call.is_write()).unwrap_or(call.lane);
        self.budget.turn_by(lane, by).await.map_err(|pause| limited(call.operation, pause))
    }

    /// One exchange, and a second one with a new token when the first token was rejected.
    async fn attempt(&self, call: &Call<'_>, deadline: Instant, slice: Instant) -> Result<Answer, Error> {
        let token = self.token(call, deadline).await?;
        let error = match self.exchange(call, &token, slice).await {
            Err(error) if rejects_token(&error) => error,
            result => return result,
        };
        if !self.aep.0.tokens.reject(&self.credentials, &token, &error) {
            return Err(error);
        }
        tracing::debug!(operation = %call.operation, "the token was rejected; asking for a new one");
        let token = self.token(call, deadline).await?;
        self.turn(call, deadline).await?;
        self.exchange(call, &token, deadline).await
    }

    async fn exchange(
        &self,
        call: &Call<'_>,
        token: &Arc<Token>,
        deadline: Instant,
    ) -> Result<Answer, Error> {
        let request_id = Uuid::new_v4().to_string();
        let span = tracing::debug_span!(
            "aep_call",
            method = %call.method,
            endpoint = %call.endpoint.template,
            sandbox = %self.sandbox,
            request_id = %request_id,
            status = tracing::field::Empty,
            otel.kind = "client",
            otel.name = format!("{} {}", call.method, call.endpoint.template),
            otel.status_code = tracing::field::Empty,
        );
        let started = Instant::now();
        let result = self.exchange_in_span(call, token, deadline, &request_id).instrument(span.clone()).await;
        let (status, kind) = match &result {
            Ok(answer) => (Some(answer.status), None),
            Err(error) => (error.status(), Some(error.kind())),
        };
        let report = CallReport {
            operation: call.operation,
            method: call.method.clone(),
            endpoint: call.endpoint.template.clone(),
            status,
            kind,
            duration: started.elapsed(),
        };
        span.record("status", status);
        if kind.is_some() {
            span.record("otel.status_code", "ERROR");
        }
        span.in_scope(|| match &result {
            Ok(_) => tracing::debug!(duration_ms = report.duration.as_millis(), "answered"),
            Err(error) => {
                tracing::debug!(duration_ms = report.duration.as_millis(), kind = report.kind_str(), %error, "failed");
            }
        });
        self.report(&report);
        result
    }

    fn report(&self, report: &CallReport) {
        if let Some(observer) = &self.aep.0.observer {
            observer.finished(report);
        }
    }

    async fn exchange_in_span(
        &self,
        call: &Call<'_>,
        token: &Arc<Token>,
        deadline: Instant,
        request_id: &str,
    ) -> Result<Answer, Error> {
        let request = self.request(call, token, request_id)?;
        // Nothing may be awaited between this check and the transport.
        if let Effect::Write { gate: Some(gate), .. } = &call.effect {
            gate.check()
                .map_err(|closed| Error::new(ErrorKind::NotSent, call.operation, closed.to_string()))?;
        }
        let sent = tokio::time::timeout_at(deadline, self.aep.0.transport.send(request)).await;
        let redactor = || Arc::new(self.redactor(call, token));
        let answer = match sent {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                self.budget.failed(None);
                return Err(no_answer(call, &error, &redactor()).with_request_id(request_id));
            }
            Err(_) => {
                self.budget.failed(None);
                let error = TransportError::no_answer("no complete answer within the deadline");
                return Err(no_answer(call, &error, &redactor()).with_request_id(request_id));
            }
        };
        let redactor = redactor();
        if answer.status().is_success() {
            self.budget.answered();
            return accept(call, answer, request_id, redactor);
        }
        Err(self.refusal(call, &answer, request_id, &redactor))
    }

    fn request(&self, call: &Call<'_>, token: &Token, request_id: &str) -> Result<Request<Vec<u8>>, Error> {
        let mut uri = format!("{}{}", self.aep.0.settings.aep_url, call.endpoint.path);
        if !call.query.is_empty() {
            uri.push('?');
            uri.push_str(&call.query);
        }
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.value.expose_secret()))
            .map_err(|_| call.unsendable("the token cannot stand in a header"))?;
        bearer.set_sensitive(true);
        let mut request = Request::builder()
            .method(&call.method)
            .uri(uri)
            .header(AUTHORIZATION, bearer)
            .header("x-api-key", &self.credentials.client_id)
            .header("x-gw-ims-org-id", &self.credentials.org_id)
            .header("x-sandbox-name", &*self.sandbox)
            .header("x-request-id", request_id)
            .header(ACCEPT, call.accept)
            .extension(call.cap);
        if let Some(etag) = call.if_match {
            request = request.header(IF_MATCH, etag.as_str());
        }
        let mut bytes = Vec::new();
        if let Some(body) = &call.body {
            request = request.header(CONTENT_TYPE, body.content_type);
            bytes.clone_from(&body.bytes);
        }
        request.body(bytes).map_err(|_| {
            let why =
                "the client id, organisation or sandbox name cannot stand in a header; nothing was sent";
            Error::new(ErrorKind::TokenRefused, call.operation, why)
        })
    }

    fn redactor(&self, call: &Call<'_>, token: &Token) -> Redactor {
        let of_body = call.body.iter().flat_map(|body| &body.secrets);
        Redactor::new([&self.credentials.client_secret, &token.value].into_iter().chain(of_body))
    }

    /// Turns an answer that is not a success into an error, and lets the budget know.
    fn refusal(
        &self,
        call: &Call<'_>,
        answer: &Response<Vec<u8>>,
        request_id: &str,
        redactor: &Redactor,
    ) -> Error {
        let status = answer.status().as_u16();
        let envelope = envelope::read(answer.body(), answer.headers(), redactor);
        let asked = retry::retry_after(answer.headers(), crate::clock::now());
        let retry_after = match status {
            429 => Some(self.budget.limited(asked)),
            // The source did not answer, or refused: that says nothing about Adobe's services.
            500.. if envelope.code.as_deref().is_some_and(is_of_provider) => {
                self.budget.answered();
                asked
            }
            500.. => {
                self.budget.failed(asked);
                asked
            }
            _ => {
                self.budget.answered();
                None
            }
        };
        Error::from(Details {
            kind: kind_of(status, &envelope, call.is_write(), asked.is_some()),
            operation: call.operation,
            status: Some(status),
            code: envelope.code,
            message: envelope.message,
            request_id: envelope.request_id.or_else(|| Some(request_id.to_owned())),
            retry_after,
        })
    }

    async fn token(&self, call: &Call<'_>, deadline: Instant) -> Result<Arc<Token>, Error> {
        let token = self.aep.0.tokens.get(&self.credentials, || self.mint());
        match tokio::time::timeout_at(deadline, token).await {
            Ok(result) => result,
            Err(_) => {
                Err(Error::new(ErrorKind::Unavailable, TOKEN, "no token within the deadline of the call")
                    .with_operation(call.operation))
            }
        }
    }

    /// Asks IMS for a token, once.
    async fn mint(&self) -> Result<Token, Error> {
        let started = Instant::now();
        let result = self.mint_unreported().await;
        let error = result.as_ref().err();
        self.report(&CallReport {
            operation: TOKEN,
            method: http::Method::POST,
            endpoint: TOKEN_PATH.to_owned(),
            status: error.map_or(Some(200), Error::status),
            kind: error.map(Error::kind),
            duration: started.elapsed(),
        });
        result
    }

    async fn mint_unreported(&self) -> Result<Token, Error> {
        let redactor = Redactor::new([&self.credentials.client_secret]);
        let request = Request::post(format!("{}{TOKEN_PATH}", self.aep.0.settings.ims_url))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .extension(BodyCap::OBJECT)
            .body(self.credentials.token_form())
            .map_err(|_| Error::new(ErrorKind::Unavailable, TOKEN, "the token call cannot be built"))?;
        let deadline = Instant::now() + TOKEN_DEADLINE.min(self.aep.0.settings.call_deadline);
        let unavailable = |message: &str| Error::new(ErrorKind::Unavailable, TOKEN, redactor.clean(message));
        let answer = match tokio::time::timeout_at(deadline, self.aep.0.transport.send(request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(unavailable(&error.to_string())),
            Err(_) => return Err(unavailable("IMS does not answer in time")),
        };
        let status = answer.status().as_u16();
        if answer.status().is_success() {
            let body = Zeroizing::new(answer.into_body());
            return Token::parse(&body, Instant::now())
                .ok_or_else(|| unavailable("IMS answered without a usable token"));
        }
        let envelope = envelope::read(answer.body(), answer.headers(), &redactor);
        Err(Error::from(Details {
            kind: if envelope.foreign { ErrorKind::Unavailable } else { refusal_kind(status) },
            operation: TOKEN,
            status: Some(status),
            code: envelope.code,
            message: envelope.message,
            request_id: envelope.request_id,
            retry_after: retry::retry_after(answer.headers(), crate::clock::now()),
        }))
    }
}

/// The codes with which Flow Service passes on what the provider of a connection answered: 1100 to 1104.
fn is_of_provider(code: &str) -> bool {
    number_of(code).is_some_and(|number| number / 100 == 11)
}

/// What is not sent, since the organisation or the budget makes it wait for too long.
pub(super) fn limited(operation: Operation, pause: Option<Duration>) -> Error {
    let why = match pause {
        Some(_) => "the organisation was told to wait; nothing was sent",
        None => "the request budget gave no permit in time; nothing was sent",
    };
    Error::new(ErrorKind::Limited, operation, why).with_retry_after(pause)
}

fn accept(
    call: &Call<'_>,
    answer: Response<Vec<u8>>,
    id: &str,
    redactor: Arc<Redactor>,
) -> Result<Answer, Error> {
    let (parts, body) = answer.into_parts();
    let answer = Answer {
        operation: call.operation,
        write: call.is_write(),
        status: parts.status.as_u16(),
        body,
        request_id: id.to_owned(),
        redactor,
    };
    if answer.body.len() > call.cap.0 {
        return Err(answer.not_understood("the answer is longer than allowed"));
    }
    Ok(answer)
}

/// A service-level 401, such as 2000-401 (no access to the organisation), is not cured by a new token.
fn rejects_token(error: &Error) -> bool {
    error.status() == Some(401) && error.code().is_none_or(|code| code == "401013")
}

fn no_answer(call: &Call<'_>, error: &TransportError, redactor: &Redactor) -> Error {
    let kind = match (call.is_write(), error.is_certainly_not_sent()) {
        (true, false) => ErrorKind::Ambiguous,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, call.operation, redactor.clean(&error.to_string()))
}

/// The meaning of a status, given what the body says and whether the call was a write.
fn kind_of(status: u16, envelope: &Envelope, write: bool, told_to_wait: bool) -> ErrorKind {
    let unknown = if write { ErrorKind::Ambiguous } else { ErrorKind::Unavailable };
    let number =
        envelope.code.as_deref().and_then(|code| code.split('-').next()).and_then(|code| code.parse().ok());
    match status {
        401 => ErrorKind::Unauthorized,
        403 => ErrorKind::Denied,
        // A missing sandbox, or a page by something in between, says nothing about the object.
        404 if envelope.foreign || number.is_some_and(is_sandbox_code) => ErrorKind::Refused,
        404 => ErrorKind::NotFound,
        // Adobe's table of errors lists "resource not found" with this status, its examples show 404.
        400 if number == Some(1439) => ErrorKind::NotFound,
        408 => unknown,
        412 => ErrorKind::PreconditionFailed,
        // Too early: the server declined to process it.
        425 => ErrorKind::Unavailable,
        429 => ErrorKind::Limited,
        400..=499 => ErrorKind::Refused,
        // The gateway turned the call away before a service saw it.
        503 if told_to_wait && envelope.service.is_none() => ErrorKind::Unavailable,
        500.. => unknown,
        // A redirect or another answer that no service documents.
        _ if write => ErrorKind::Ambiguous,
        _ => ErrorKind::Malformed,
    }
}
