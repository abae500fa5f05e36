//! Stripe keys and the accounts that they open. Keys themselves are never kept, only digests.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::secret::digest;
use crate::stripe::Account;
use crate::switches::Switches;

/// A Stripe key as a connection holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StripeKey {
    /// The key's digest.
    pub digest: String,
    /// Whether it looks like a test key.
    pub test: bool,
}

impl StripeKey {
    /// Takes the digest of a key.
    pub fn new(key: &str) -> Self {
        Self { digest: digest(key), test: key.starts_with("sk_test_") || key.starts_with("rk_test_") }
    }
}

/// The accounts and their keys.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Keys {
    known: BTreeMap<String, String>,
    revoked: BTreeSet<String>,
    accounts: BTreeMap<String, Account>,
}

/// The account behind keys that no configuration names.
const DEFAULT_ACCOUNT: &str = "default";

impl Keys {
    /// The accounts of a configuration, with data up to now.
    pub fn new(config: &Config, now_ms: i64) -> Self {
        let mut keys = Self::default();
        keys.ensure(DEFAULT_ACCOUNT, config, now_ms);
        for access in config.organisations.iter().flat_map(|organisation| &organisation.stripe) {
            keys.ensure(&access.account, config, now_ms);
            for key in &access.keys {
                keys.known.insert(digest(key), access.account.clone());
            }
        }
        keys
    }

    fn ensure(&mut self, account: &str, config: &Config, now_ms: i64) {
        self.accounts
            .entry(account.to_owned())
            .or_insert_with(|| Account::seeded(account, now_ms, config.objects_per_resource));
    }

    /// Makes a key work, for an existing or a new account.
    pub fn allow(&mut self, key: &str, account: &str, config: &Config, now_ms: i64) {
        self.ensure(account, config, now_ms);
        self.revoked.remove(&digest(key));
        self.known.insert(digest(key), account.to_owned());
    }

    /// Makes a key fail from now on.
    pub fn revoke(&mut self, key: &str) {
        self.revoked.insert(digest(key));
    }

    /// Whether Stripe accepts a key now.
    pub fn works(&self, key: &StripeKey, switches: &Switches) -> bool {
        let known = self.known.contains_key(&key.digest) || (key.test && switches.accept_test_keys);
        known && !self.revoked.contains(&key.digest)
    }

    /// The account that a working key opens.
    pub fn account(&self, key: &StripeKey, switches: &Switches) -> Option<&Account> {
        if !self.works(key, switches) {
            return None;
        }
        let name = self.known.get(&key.digest).map_or(DEFAULT_ACCOUNT, String::as_str);
        self.accounts.get(name)
    }

    /// An account by name.
    pub fn account_mut(&mut self, name: &str) -> Option<&mut Account> {
        self.accounts.get_mut(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configured_and_test_keys_work_until_revoked() {
        let config = Config::default();
        let mut keys = Keys::new(&config, 1_700_000_000_000);
        let mut switches = Switches::default();
        let (known, test, other) =
            (StripeKey::new("sk_test_sim"), StripeKey::new("sk_test_x"), StripeKey::new("sk_live_x"));
        assert!(
            keys.works(&known, &switches) && keys.works(&test, &switches) && !keys.works(&other, &switches)
        );
        switches.accept_test_keys = false;
        assert!(keys.works(&known, &switches) && !keys.works(&test, &switches));
        keys.allow("sk_live_x", "second", &config, 1_700_000_000_000);
        assert!(keys.account(&other, &switches).is_some());
        keys.revoke("sk_test_sim");
        assert!(keys.account(&known, &switches).is_none());
    }
}
