//! Access tokens from IMS: one per credential, one refresh at a time, refreshed early, and never a storm of token calls.
//!
//! The client secret is read for each token call and not kept; what is kept is a hash of it, to tell credentials apart.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::error::{Error, ErrorKind, Operation};
use super::{encode, model};

/// The scopes that Adobe's own examples ask for.
pub const DEFAULT_SCOPES: &str =
    "openid,session,AdobeID,read_organizations,additional_info.projectedProductContext";
/// A credential that failed is not tried again sooner than this.
const FAILURE_PAUSE: Duration = Duration::from_secs(30);
/// Tokens are renewed this long before they expire, or in the last tenth of a shorter life.
const EARLY: Duration = Duration::from_secs(500);
/// When IMS does not say how long a token lives.
const ASSUMED_LIFE: Duration = Duration::from_mins(10);
/// Real lives are about a day in seconds; a larger number is the older API's milliseconds.
const LONGEST_LIFE_SECONDS: i64 = 10 * 24 * 3600;

pub(super) const TOKEN: Operation = Operation::new("request", "token");

/// An OAuth server-to-server credential of one organisation. Has no `Debug`, since it holds a secret.
#[derive(Clone)]
pub struct Credentials {
    /// The API key; sent as `x-api-key`.
    pub client_id: String,
    /// The client secret.
    pub client_secret: SecretString,
    /// The organisation, `…@AdobeOrg`; sent as `x-gw-ims-org-id`.
    pub org_id: String,
    /// Comma separated scopes; [`DEFAULT_SCOPES`] when absent.
    pub scopes: Option<String>,
}

impl Credentials {
    pub(super) fn scopes(&self) -> &str {
        self.scopes.as_deref().unwrap_or(DEFAULT_SCOPES)
    }

    fn key(&self) -> Key {
        Key {
            client_id: self.client_id.clone(),
            secret: Sha256::digest(self.client_secret.expose_secret().as_bytes()).into(),
            scopes: self.scopes().to_owned(),
        }
    }

    /// Differs whenever the credential does. Only to be hashed with a salt: it is not one by itself.
    pub(super) fn fingerprint(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for part in [&self.client_id, self.client_secret.expose_secret(), &self.org_id, self.scopes()] {
            digest.update(part.len().to_be_bytes());
            digest.update(part);
        }
        digest.finalize().into()
    }

    /// The form that IMS takes (Adobe: "Server to server authentication").
    pub(super) fn token_form(&self) -> Vec<u8> {
        let mut form = Vec::with_capacity(4096);
        for (name, value) in [
            ("grant_type", "client_credentials"),
            ("client_id", &self.client_id),
            ("client_secret", self.client_secret.expose_secret()),
            ("scope", self.scopes()),
        ] {
            if !form.is_empty() {
                form.push(b'&');
            }
            form.extend_from_slice(name.as_bytes());
            form.push(b'=');
            form.extend_from_slice(encode::component(value).as_bytes());
        }
        form
    }
}

#[derive(PartialEq, Eq, Hash)]
struct Key {
    client_id: String,
    secret: [u8; 32],
    scopes: String,
}

/// A token and the times that matter. Has no `Debug`.
pub(super) struct Token {
    pub value: SecretString,
    refresh_at: Instant,
    expires_at: Instant,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    #[serde(default, deserialize_with = "model::loose::number")]
    expires_in: Option<i64>,
}

impl Token {
    /// Reads IMS's answer, received at `now`. `None` when there is no usable token in it.
    pub fn parse(body: &[u8], now: Instant) -> Option<Self> {
        let answer: TokenAnswer = serde_json::from_slice(body).ok()?;
        let value = SecretString::from(answer.access_token);
        let text = value.expose_secret();
        if text.is_empty() || !text.bytes().all(|byte| (0x21..0x7f).contains(&byte)) {
            return None;
        }
        let life = match answer.expires_in {
            None => ASSUMED_LIFE,
            Some(number) if number > LONGEST_LIFE_SECONDS => Duration::from_millis(number.unsigned_abs()),
            Some(number) => Duration::from_secs(u64::try_from(number).ok()?),
        };
        let life = life.min(Duration::from_hours(10 * 24));
        let expires_at = now + life;
        Some(Self { value, refresh_at: expires_at - EARLY.min(life / 10), expires_at })
    }
}

/// The tokens of all credentials in use.
#[derive(Default)]
pub(super) struct Tokens {
    entries: Mutex<HashMap<Key, Arc<Entry>>>,
}

#[derive(Default)]
struct Entry {
    state: Mutex<State>,
    /// Held while a token call is under way, so that there is one at a time.
    minting: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    token: Option<Arc<Token>>,
    failure: Option<(Error, Instant)>,
    /// When a rejected token was last replaced: a credential whose fresh tokens are rejected must not loop.
    replaced: Option<Instant>,
}

enum Found {
    Fresh(Arc<Token>),
    Ageing(Arc<Token>),
    Failed(Error),
    Nothing,
}

impl Tokens {
    /// The credential's token, from memory or by `mint`. Callers share one `mint` at a time; while a token is only ageing, the
    /// others keep using it. After a failure its error is repeated for half a minute without a call.
    pub async fn get<F>(
        &self,
        credentials: &Credentials,
        mint: impl FnOnce() -> F,
    ) -> Result<Arc<Token>, Error>
    where
        F: Future<Output = Result<Token, Error>>,
    {
        let entry = self.entry(credentials.key());
        let (ageing, _one_at_a_time) = match entry.look(Instant::now()) {
            Found::Fresh(token) => return Ok(token),
            Found::Failed(error) => return Err(error),
            Found::Ageing(token) => match entry.minting.try_lock() {
                Ok(guard) => (Some(token), guard),
                Err(_) => return Ok(token),
            },
            Found::Nothing => (None, entry.minting.lock().await),
        };
        // Someone else may have finished while this caller waited.
        match entry.look(Instant::now()) {
            Found::Fresh(token) => return Ok(token),
            Found::Failed(error) => return Err(error),
            Found::Ageing(_) | Found::Nothing => {}
        }
        match mint().await {
            Ok(token) => Ok(entry.store(token)),
            Err(error) => {
                let error = entry.remember(&error, FAILURE_PAUSE);
                ageing.ok_or(error)
            }
        }
    }

    /// A service rejected this token. True: forget it and try once more with a new one. False: a token was replaced for this
    /// reason within the last half minute; `error` then answers for the credential until that time is over.
    pub fn reject(&self, credentials: &Credentials, token: &Arc<Token>, error: &Error) -> bool {
        let entry = self.entry(credentials.key());
        let mut state = entry.lock();
        let now = Instant::now();
        // Another caller has already dealt with it.
        if state.token.as_ref().is_none_or(|held| !Arc::ptr_eq(held, token)) {
            return true;
        }
        state.token = None;
        match state.replaced {
            Some(then) if now < then + FAILURE_PAUSE => {
                state.failure = Some((error.clone(), then + FAILURE_PAUSE));
                false
            }
            _ => {
                state.replaced = Some(now);
                true
            }
        }
    }

    fn entry(&self, key: Key) -> Arc<Entry> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if !entries.contains_key(&key) {
            // A new credential is the moment to forget those that were rotated away.
            let now = Instant::now();
            entries.retain(|_, entry| Arc::strong_count(entry) > 1 || entry.lock().is_useful(now));
        }
        Arc::clone(entries.entry(key).or_default())
    }
}

impl Entry {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self, now: Instant) -> Found {
        let state = self.lock();
        match (&state.token, &state.failure) {
            (Some(token), _) if now < token.refresh_at => Found::Fresh(Arc::clone(token)),
            // A refresh that just failed is not tried again while the old token still works.
            (Some(token), Some((_, until))) if now < token.expires_at && now < *until => {
                Found::Fresh(Arc::clone(token))
            }
            (Some(token), _) if now < token.expires_at => Found::Ageing(Arc::clone(token)),
            (_, Some((error, until))) if now < *until => {
                Found::Failed(error.with_retry_after(Some(*until - now)))
            }
            _ => Found::Nothing,
        }
    }

    fn store(&self, token: Token) -> Arc<Token> {
        let token = Arc::new(token);
        let mut state = self.lock();
        state.token = Some(Arc::clone(&token));
        state.failure = None;
        token
    }

    fn remember(&self, error: &Error, pause: Duration) -> Error {
        let pause = pause.max(error.retry_after().unwrap_or_default());
        let error = error.with_retry_after(Some(pause));
        self.lock().failure = Some((error.clone(), Instant::now() + pause));
        error
    }
}

impl State {
    fn is_useful(&self, now: Instant) -> bool {
        self.token.as_ref().is_some_and(|token| now < token.expires_at)
            || self.failure.as_ref().is_some_and(|(_, until)| now < *until)
    }
}

/// The kind of a refused token call: what IMS refuses is the credential, everything else is IMS itself.
pub(super) fn refusal_kind(status: u16) -> ErrorKind {
    match status {
        429 => ErrorKind::Limited,
        400..=499 if status != 408 => ErrorKind::TokenRefused,
        _ => ErrorKind::Unavailable,
    }
}
