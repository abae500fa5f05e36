//! Adobe IMS: issues access tokens for client credentials and checks them. Only digests of tokens are kept.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::config::{Client, Config};
use crate::incoming::{Incoming, decode_query};
use crate::secret::digest;
use crate::switches::Switches;
use crate::wire::Reply;

/// Scopes that a token may be asked for.
const SCOPES: &[&str] = &[
    "openid",
    "session",
    "AdobeID",
    "profile",
    "email",
    "read_organizations",
    "additional_info",
    "additional_info.projectedProductContext",
    "additional_info.roles",
    "additional_info.job_function",
    "read_client_secret",
    "manage_client_secrets",
    "adobeio_api",
    "target_sdk",
];

/// A token that was issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Token {
    client_id: String,
    expires_ms: i64,
}

/// The tokens and what a test changed of the credentials.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Ims {
    tokens: BTreeMap<String, Token>,
    /// Digests of secrets per client, where they differ from the configuration.
    secrets: BTreeMap<String, BTreeSet<String>>,
    issued: BTreeMap<String, u64>,
}

/// Whether a token is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// It is, and belongs to this client.
    Client(String),
    /// It is unknown, revoked or expired.
    Invalid,
}

impl Ims {
    /// Answers `POST /ims/token/v3`. `now_ms` is real time: a token's life is the client's business too.
    pub fn answer(&mut self, call: &Incoming, config: &Config, switches: &Switches, now_ms: i64) -> Reply {
        if !matches!(call.path.as_str(), "/ims/token/v3" | "/ims/token/v2") {
            return Reply::json(404, json!({"error": "not_found"}));
        }
        if call.method != "POST" {
            return Reply::json(405, json!({"error": "method_not_allowed"}));
        }
        let form = decode_query(&String::from_utf8_lossy(&call.body));
        let field = |name: &str| {
            let found = form.iter().chain(&call.query).find(|(key, _)| key == name);
            found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
        };
        match field("grant_type") {
            Some("client_credentials") => {}
            Some(_) => return refuse("unsupported_grant_type", "The grant type is not supported"),
            None => return refuse("invalid_request", "grant_type is missing"),
        }
        let (Some(id), Some(secret)) = (field("client_id"), field("client_secret")) else {
            return refuse("invalid_client", "client_id or client_secret is missing");
        };
        let Some(client) = client(config, id) else {
            return refuse("invalid_client", "The client id is not known");
        };
        if !self.secret_works(client, secret) {
            return refuse("invalid_client", "The client secret is not valid");
        }
        let scopes: Vec<&str> = field("scope").unwrap_or_default().split([',', ' ']).map(str::trim).collect();
        if !scopes.iter().all(|scope| SCOPES.contains(scope)) {
            return refuse("invalid_scope", "A scope is missing or not known");
        }
        self.issue(client, switches, now_ms)
    }

    fn issue(&mut self, client: &Client, switches: &Switches, now_ms: i64) -> Reply {
        let token = format!("sim.{}.{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        let expires_ms = now_ms + switches.token_seconds * 1000;
        self.tokens.retain(|_, token| token.expires_ms > now_ms);
        self.tokens.insert(digest(&token), Token { client_id: client.client_id.clone(), expires_ms });
        *self.issued.entry(client.client_id.clone()).or_default() += 1;
        let body =
            json!({"access_token": token, "token_type": "bearer", "expires_in": switches.token_seconds});
        Reply::json(200, body).with_header("cache-control", "no-store")
    }

    fn secret_works(&self, client: &Client, secret: &str) -> bool {
        match self.secrets.get(&client.client_id) {
            Some(digests) => digests.contains(&digest(secret)),
            None => client.client_secrets.iter().any(|known| known == secret),
        }
    }

    /// Checks a bearer token.
    pub fn check(&self, token: &str, now_ms: i64) -> Check {
        match self.tokens.get(&digest(token)) {
            Some(token) if token.expires_ms > now_ms => Check::Client(token.client_id.clone()),
            _ => Check::Invalid,
        }
    }

    /// Revokes all tokens, or those of one client.
    pub fn revoke(&mut self, client_id: Option<&str>) {
        self.tokens.retain(|_, token| client_id.is_some_and(|client_id| client_id != token.client_id));
    }

    /// Replaces the secrets of a client.
    pub fn set_secrets(&mut self, client_id: &str, secrets: &[String]) {
        self.secrets.insert(client_id.to_owned(), secrets.iter().map(|secret| digest(secret)).collect());
    }

    /// How many tokens were issued per client, and how many still work.
    pub fn report(&self, now_ms: i64) -> Value {
        let live = self.tokens.values().filter(|token| token.expires_ms > now_ms).count();
        json!({"issued": self.issued, "live": live})
    }
}

/// A client of any organisation.
pub fn client<'a>(config: &'a Config, id: &str) -> Option<&'a Client> {
    config
        .organisations
        .iter()
        .flat_map(|organisation| &organisation.clients)
        .find(|client| client.client_id == id)
}

fn refuse(error: &str, description: &str) -> Reply {
    Reply::json(400, json!({"error": error, "error_description": description}))
}
