//! Who exists at the start: organisations with their credentials and sandboxes, and the Stripe keys that work.
//!
//! Data only. Defaults describe one organisation with the sandboxes `prod` and `dev`, so that the simulator works unconfigured.

use serde::{Deserialize, Serialize};

/// Everything that is fixed when a simulator starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    /// The organisations.
    pub organisations: Vec<Organisation>,
    /// Objects per Stripe resource in a new Stripe account, one created per minute before the start.
    pub objects_per_resource: usize,
    /// How many journal entries are kept; older ones are dropped.
    pub journal_capacity: usize,
    /// Where time comes from.
    pub clock: ClockSource,
    /// The switches at the start and after a reset.
    pub switches: crate::switches::Switches,
}

/// Where the simulator's real time comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ClockSource {
    /// The runtime's clock, which a test may pause: simulated time then moves with the test.
    #[default]
    Runtime,
    /// The machine's clock.
    Machine,
}

/// One organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Organisation {
    /// `…@AdobeOrg`.
    pub org_id: String,
    /// The tenant id, without underscore.
    pub tenant: String,
    /// Server-to-server credentials.
    pub clients: Vec<Client>,
    /// Sandboxes.
    pub sandboxes: Vec<Sandbox>,
    /// Stripe accounts and the keys that open them.
    #[serde(default)]
    pub stripe: Vec<StripeAccess>,
}

/// One server-to-server credential.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Client {
    /// The client id, which is also the API key.
    pub client_id: String,
    /// The secrets that work; Adobe allows two at a time.
    pub client_secrets: Vec<String>,
    /// What `createdBy` says; by default derived from the client id.
    #[serde(default)]
    pub technical_account: Option<String>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// One sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sandbox {
    /// The name.
    pub name: String,
    /// The id; by default derived from organisation and name.
    #[serde(default)]
    pub id: Option<String>,
}

/// A Stripe account and its keys.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StripeAccess {
    /// The account's name; keys of the same name read the same data.
    pub account: String,
    /// Keys that open it.
    pub keys: Vec<String>,
}

impl std::fmt::Debug for StripeAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StripeAccess").field("account", &self.account).finish_non_exhaustive()
    }
}

impl Client {
    /// What `createdBy` says.
    pub fn user(&self) -> String {
        self.technical_account.clone().unwrap_or_else(|| format!("{}@techacct.adobe.com", self.client_id))
    }
}

impl Organisation {
    /// An organisation with one credential and the sandboxes `prod` and `dev`.
    pub fn new(org_id: &str, tenant: &str, client_id: &str, client_secret: &str) -> Self {
        let sandbox = |name: &str| Sandbox { name: name.to_owned(), id: None };
        Self {
            org_id: org_id.to_owned(),
            tenant: tenant.to_owned(),
            clients: vec![Client {
                client_id: client_id.to_owned(),
                client_secrets: vec![client_secret.to_owned()],
                technical_account: None,
            }],
            sandboxes: vec![sandbox("prod"), sandbox("dev")],
            stripe: Vec::new(),
        }
    }
}

impl Default for Organisation {
    fn default() -> Self {
        let mut organisation =
            Self::new("53C0A1B2D3E4F50617283940@AdobeOrg", "simtenant", "sim-client", "sim-client-secret");
        let keys = vec!["sk_test_sim".to_owned()];
        organisation.stripe.push(StripeAccess { account: "default".to_owned(), keys });
        organisation
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            organisations: vec![Organisation::default()],
            objects_per_resource: 40,
            journal_capacity: 200_000,
            clock: ClockSource::default(),
            switches: crate::switches::Switches::default(),
        }
    }
}
