//! Facts about organisations and sandboxes that hold for the life of the process. Many objects that need one at the same moment ask once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// Facts, kept once learnt.
#[derive(Debug, Default)]
pub struct Known {
    /// The tenant id of an organisation.
    pub tenants: Facts<String, String>,
    /// The id of an active sandbox, by organisation and name; `None` where it may not be read.
    pub sandboxes: Facts<(String, String), Option<String>>,
}

/// Facts of one sort.
#[derive(Debug)]
pub struct Facts<K, V>(Mutex<HashMap<K, Arc<Fact<V>>>>);

#[derive(Debug)]
struct Fact<V> {
    value: Mutex<Option<V>>,
    asking: tokio::sync::Mutex<()>,
}

impl<K, V> Default for Facts<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, V: Clone> Facts<K, V> {
    /// The fact, or what `ask` brings. While somebody asks, others wait for that answer; if it fails, each of them asks for itself, since
    /// the failure may be that of one credential.
    pub async fn get_or_ask<E>(&self, key: K, ask: impl Future<Output = Result<V, E>>) -> Result<V, E> {
        let fact = self.fact(key);
        if let Some(value) = fact.get() {
            return Ok(value);
        }
        let turn = fact.asking.try_lock();
        if turn.is_err() {
            drop(fact.asking.lock().await);
            if let Some(value) = fact.get() {
                return Ok(value);
            }
        }
        let value = ask.await?;
        fact.set(value.clone());
        Ok(value)
    }

    /// Puts another fact in the place of what was known.
    pub fn note(&self, key: K, value: V) {
        self.fact(key).set(value);
    }

    fn fact(&self, key: K) -> Arc<Fact<V>> {
        let mut facts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let blank = || Arc::new(Fact { value: Mutex::new(None), asking: tokio::sync::Mutex::new(()) });
        Arc::clone(facts.entry(key).or_insert_with(blank))
    }
}

impl<V: Clone> Fact<V> {
    fn get(&self) -> Option<V> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, value: V) {
        *self.value.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use futures::future::join_all;

    use super::*;

    /// Forty ask at once; the first answers are failures. Returns how often the question was put, and how many got an answer.
    async fn forty(failures: usize) -> (usize, usize) {
        let (facts, asked) = (Facts::<u8, u8>::default(), AtomicUsize::new(0));
        let one = || {
            facts.get_or_ask(1, async {
                let before = asked.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_secs(1)).await;
                if before < failures { Err(()) } else { Ok(7) }
            })
        };
        let answers = join_all((0..40).map(|_| one())).await;
        (asked.load(Ordering::Relaxed), answers.iter().filter(|answer| **answer == Ok(7)).count())
    }

    #[tokio::test(start_paused = true)]
    async fn many_ask_once() {
        assert_eq!(forty(0).await, (1, 40));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_nobody_elses() {
        let (asked, answered) = forty(1).await;
        assert_eq!((asked, answered), (40, 39));
    }
}
