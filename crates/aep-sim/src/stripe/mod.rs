//! A Stripe account: dated objects per resource, and what the service's `explore` makes of them.
//!
//! Owns no secret but a fingerprint of the token it was seeded with, so that two accounts differ. Everything is a function of
//! the seed: the same account gives the same objects in every process.

mod explore;
mod record;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use crate::switches::ExploreMode;

/// The resource paths of the source, in Adobe's order.
pub const RESOURCES: [&str; 6] =
    ["charges", "subscriptions", "refunds", "balance_transactions", "customers", "prices"];

/// Time between two seeded objects of one resource.
const SPACING_MS: i64 = 60_000;

/// One object: everything else follows from its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    number: u64,
    created_ms: i64,
}

/// All objects of one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    fingerprint: u64,
    objects: BTreeMap<String, Vec<Entry>>,
}

impl Account {
    /// An account with that many objects per resource, one per minute, the newest one minute before `start_ms`.
    pub fn seeded(access_token: &str, start_ms: i64, objects_per_resource: usize) -> Self {
        let objects = RESOURCES.iter().map(|resource| ((*resource).to_owned(), Vec::new())).collect();
        let mut account = Self { fingerprint: record::fingerprint(access_token), objects };
        let count = i64::try_from(objects_per_resource).unwrap_or(i64::MAX / SPACING_MS);
        for resource in RESOURCES {
            for back in (1..=count).rev() {
                account.add(resource, start_ms.saturating_sub(back * SPACING_MS), 1);
            }
        }
        account
    }

    /// Adds `n` objects created at that time; an unknown resource is ignored.
    pub fn add(&mut self, resource: &str, created_ms: i64, n: usize) {
        let Some(entries) = self.objects.get_mut(resource) else { return };
        for _ in 0..n {
            let number = u64::try_from(entries.len()).unwrap_or(u64::MAX);
            entries.push(Entry { number, created_ms });
        }
    }

    /// The objects of a resource created from `from_ms` (inclusive) to `to_ms` (exclusive), in order of creation. Stripe counts
    /// `created` in whole seconds, so whoever asks by it asks for whole seconds.
    pub fn records(&self, resource: &str, from_ms: Option<i64>, to_ms: i64) -> Vec<Value> {
        let mut entries = self.objects.get(resource).cloned().unwrap_or_default();
        let second = |ms: i64| ms.div_euclid(1000);
        entries.retain(|entry| {
            let created = second(entry.created_ms);
            from_ms.is_none_or(|from| created >= second(from)) && created < second(to_ms)
        });
        entries.sort_by_key(|entry| (entry.created_ms, entry.number));
        entries.iter().filter_map(|entry| self.record(resource, *entry)).collect()
    }

    /// How many objects a resource has.
    pub fn count(&self, resource: &str) -> usize {
        self.objects.get(resource).map_or(0, Vec::len)
    }

    fn record(&self, resource: &str, entry: Entry) -> Option<Value> {
        record::make(resource, self.fingerprint, entry.number, entry.created_ms)
    }

    /// What `explore` answers for a resource; `None` for an unknown one.
    pub fn explore(&self, resource: &str, mode: ExploreMode) -> Option<Value> {
        explore::answer(resource, mode)
    }
}

#[cfg(test)]
mod tests;
