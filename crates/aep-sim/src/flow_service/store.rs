//! The objects of one sandbox, with the older versions that lagging reads still see.
//!
//! Every write goes through [`Store::write`], which gives a new etag. No rules of the service are known here.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::entity::{Entity, Kind};
use super::run::InFlight;

/// One object and its past.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Record {
    current: Option<Entity>,
    past: Vec<Past>,
}

/// What an object was until a moment; `None` when it did not exist.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Past {
    until_ms: i64,
    entity: Option<Entity>,
}

impl Record {
    fn at(&self, ms: i64) -> Option<&Entity> {
        match self.past.iter().find(|past| past.until_ms > ms) {
            Some(past) => past.entity.as_ref(),
            None => self.current.as_ref(),
        }
    }
}

/// The objects of one sandbox.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Store {
    records: BTreeMap<Kind, BTreeMap<String, Record>>,
    in_flight: BTreeMap<String, InFlight>,
    agenda: BTreeSet<(i64, Kind, String)>,
    /// Objects with a past, by the moment it began.
    aging: BTreeSet<(i64, Kind, String)>,
    writes: u64,
    /// How long the past is kept, in milliseconds.
    #[serde(skip)]
    pub keep_ms: i64,
}

impl Store {
    /// An object as it is.
    pub fn get(&self, kind: Kind, id: &str) -> Option<&Entity> {
        self.records.get(&kind)?.get(id)?.current.as_ref()
    }

    /// An object to change; the change becomes real with [`Store::write`].
    pub fn copy(&self, kind: Kind, id: &str) -> Option<Entity> {
        self.get(kind, id).cloned()
    }

    /// An object as it was at a moment.
    pub fn get_at(&self, kind: Kind, id: &str, ms: i64) -> Option<&Entity> {
        self.records.get(&kind)?.get(id)?.at(ms)
    }

    /// All objects of a kind as they are.
    pub fn all(&self, kind: Kind) -> impl Iterator<Item = &Entity> {
        self.records
            .get(&kind)
            .into_iter()
            .flat_map(BTreeMap::values)
            .filter_map(|record| record.current.as_ref())
    }

    /// All objects of a kind as they were at a moment.
    pub fn all_at(&self, kind: Kind, ms: i64) -> impl Iterator<Item = &Entity> {
        self.records.get(&kind).into_iter().flat_map(BTreeMap::values).filter_map(move |record| record.at(ms))
    }

    /// Stores an object with a new etag and gives that.
    pub fn write(&mut self, mut entity: Entity, now_ms: i64) -> String {
        self.writes += 1;
        let etag = new_etag(self.writes, now_ms);
        entity.order = self.writes;
        entity.doc.insert("updatedAt".to_owned(), json!(now_ms));
        entity.doc.insert("version".to_owned(), json!(etag));
        entity.doc.insert("etag".to_owned(), json!(etag));
        if let Some(wake_ms) = entity.wake_ms() {
            self.agenda.insert((wake_ms, entity.kind, entity.id.clone()));
        }
        let keep_ms = self.keep_ms;
        let record = self.records.entry(entity.kind).or_default().entry(entity.id.clone()).or_default();
        if push_past(record, keep_ms, now_ms) {
            self.aging.insert((now_ms, entity.kind, entity.id.clone()));
        }
        record.current = Some(entity);
        etag
    }

    /// Changes what is not part of the document, without a new etag.
    pub fn amend(&mut self, kind: Kind, id: &str, change: impl FnOnce(&mut Entity)) {
        let record = self.records.get_mut(&kind).and_then(|records| records.get_mut(id));
        if let Some(entity) = record.and_then(|record| record.current.as_mut()) {
            change(entity);
            if let Some(wake_ms) = entity.wake_ms() {
                self.agenda.insert((wake_ms, kind, id.to_owned()));
            }
        }
    }

    /// Starts a run. It outlives its flow.
    pub fn start(&mut self, run: InFlight) {
        if let Some(ends_ms) = run.ends_ms {
            self.agenda.insert((ends_ms, Kind::Run, run.run_id.clone()));
        }
        self.in_flight.insert(run.run_id.clone(), run);
    }

    /// A run in flight.
    pub fn running(&self, run_id: &str) -> Option<&InFlight> {
        self.in_flight.get(run_id)
    }

    /// Takes a run out of flight.
    pub fn end(&mut self, run_id: &str) -> Option<InFlight> {
        self.in_flight.remove(run_id)
    }

    /// The next thing to look at that is due, once. It may be out of date: the agenda is a hint.
    pub fn due(&mut self, now_ms: i64) -> Option<(i64, Kind, String)> {
        if self.agenda.first()?.0 > now_ms {
            return None;
        }
        self.agenda.pop_first()
    }

    /// Removes an object; lagging reads see it a while longer.
    pub fn remove(&mut self, kind: Kind, id: &str, now_ms: i64) {
        let keep_ms = self.keep_ms;
        let Some(records) = self.records.get_mut(&kind) else { return };
        let Some(record) = records.get_mut(id) else { return };
        if push_past(record, keep_ms, now_ms) {
            self.aging.insert((now_ms, kind, id.to_owned()));
        }
        record.current = None;
        if record.past.is_empty() {
            records.remove(id);
        }
    }

    /// Drops the past that no read can see any more.
    pub fn forget_past(&mut self, now_ms: i64) {
        let oldest = now_ms - self.keep_ms;
        while self.aging.first().is_some_and(|(until_ms, _, _)| *until_ms <= oldest) {
            let Some((_, kind, id)) = self.aging.pop_first() else { return };
            let Some(records) = self.records.get_mut(&kind) else { continue };
            let Some(record) = records.get_mut(&id) else { continue };
            record.past.retain(|past| past.until_ms > oldest);
            if record.current.is_none() && record.past.is_empty() {
                records.remove(&id);
            }
        }
    }
}

/// Keeps what an object has been, if reads lag.
fn push_past(record: &mut Record, keep_ms: i64, now_ms: i64) -> bool {
    record.past.retain(|past| past.until_ms > now_ms - keep_ms);
    if keep_ms > 0 {
        record.past.push(Past { until_ms: now_ms, entity: record.current.clone() });
    }
    keep_ms > 0
}

/// An etag in the form that Adobe's examples have: the last group holds the seconds of the write.
fn new_etag(writes: u64, now_ms: i64) -> String {
    // An odd multiplier visits every 32-bit number once, so etags differ although they look random.
    let head = u32::try_from(writes & 0xffff_ffff).unwrap_or(0).wrapping_mul(0x9e37_79b1);
    let seconds = u32::try_from(now_ms / 1000).unwrap_or(u32::MAX);
    format!("\"{head:08x}-0000-0200-0000-{seconds:08x}0000\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Caller;

    fn caller() -> Caller {
        let text = |text: &str| text.to_owned();
        Caller {
            org: text("o"),
            tenant: text("t"),
            sandbox: text("dev"),
            sandbox_id: text("s"),
            client_id: text("c"),
            user: text("u"),
        }
    }

    #[test]
    fn etags_are_unique_and_carry_the_second_of_the_write() {
        let etags: BTreeSet<String> = (0..1000).map(|n| new_etag(n, 1_709_854_288_000)).collect();
        assert_eq!(etags.len(), 1000);
        assert!(etags.iter().all(|etag| etag.ends_with("65ea4e500000\"") && etag.len() == 38));
    }

    #[test]
    fn lagging_reads_see_the_past_and_writers_the_present() {
        let mut store = Store { keep_ms: 100, ..Store::default() };
        let entity = Entity::new(Kind::Flow, &caller(), 1000, serde_json::Map::new());
        let id = entity.id.clone();
        store.write(entity, 1000);
        assert!(store.get_at(Kind::Flow, &id, 950).is_none());
        assert!(store.get_at(Kind::Flow, &id, 1000).is_some());
        assert_eq!(store.all_at(Kind::Flow, 999).count(), 0);
        assert_eq!(store.all(Kind::Flow).count(), 1);
        store.remove(Kind::Flow, &id, 1050);
        assert!(store.get(Kind::Flow, &id).is_none());
        assert!(store.get_at(Kind::Flow, &id, 1049).is_some());
        store.forget_past(1200);
        assert!(store.get_at(Kind::Flow, &id, 1049).is_none());
    }
}
