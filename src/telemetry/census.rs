//! The custom resources as the watches hold them, counted when somebody asks: no counter that could drift from the truth.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::api::IngestionFlowStatus;
use crate::api::condition::{ConditionType, Reason, find};
use crate::api::status::CommonStatus;

/// One object as it is counted.
#[derive(Debug, Clone, Copy)]
pub struct Sighted<'a> {
    /// The kind.
    pub kind: &'a str,
    /// The namespace.
    pub namespace: &'a str,
    /// The name.
    pub name: &'a str,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// It holds something that this version cannot read.
    pub unparsed: bool,
    /// What all kinds share; `None` for an object that does not parse or has no status.
    pub status: Option<&'a CommonStatus>,
    /// What only a flow has.
    pub flow: Option<&'a IngestionFlowStatus>,
}

/// Shows every object of one store.
pub type Store = Box<dyn Fn(&mut dyn FnMut(Sighted<'_>)) + Send + Sync>;

/// The stores of all controllers. Clones share them.
#[derive(Clone, Default)]
pub struct Census(Arc<Mutex<Vec<Store>>>);

impl fmt::Debug for Census {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Census")
    }
}

impl Census {
    /// Adds a store.
    pub fn add(&self, store: Store) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(store);
    }

    /// Counts the objects of all stores.
    pub fn count(&self) -> Tally {
        let mut tally = Tally::default();
        for store in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            store(&mut |object| tally.add(object));
        }
        tally
    }
}

/// Objects by what they say of themselves.
#[derive(Debug, Default)]
pub struct Tally {
    /// By kind, and by status and reason of Ready.
    pub ready: BTreeMap<(String, &'static str, &'static str), u64>,
    /// By kind, type and status of the other conditions.
    pub conditions: BTreeMap<(String, &'static str, &'static str), u64>,
    /// Objects that are being deleted, by kind.
    pub deleting: BTreeMap<String, u64>,
    /// The flows, by namespace and name.
    pub flows: BTreeMap<(String, String), FlowRuns>,
}

/// What a flow says of its runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FlowRuns {
    /// Whether the last run was healthy, where that can be said.
    pub healthy: Option<bool>,
    /// When the last success ended, in seconds since 1970.
    pub last_success: Option<i64>,
    /// Failures in a row.
    pub failures: i64,
    /// Records of the last run: read, written, failed.
    pub records: [Option<i64>; 3],
}

impl Tally {
    fn add(&mut self, object: Sighted<'_>) {
        let kind = object.kind.to_owned();
        let (status, reason) = ready_of(&object);
        *self.ready.entry((kind.clone(), status, reason)).or_default() += 1;
        for type_ in ConditionType::ALL.iter().filter(|type_| **type_ != ConditionType::Ready) {
            let condition = object.status.and_then(|status| find(&status.conditions, *type_));
            if let Some(condition) = condition {
                let key = (kind.clone(), type_.as_str(), status_label(&condition.status));
                *self.conditions.entry(key).or_default() += 1;
            }
        }
        if object.deleting {
            *self.deleting.entry(kind).or_default() += 1;
        }
        if let Some(flow) = object.flow {
            self.flows.insert((object.namespace.to_owned(), object.name.to_owned()), runs_of(flow));
        }
    }
}

fn ready_of(object: &Sighted<'_>) -> (&'static str, &'static str) {
    if object.unparsed {
        return ("False", Reason::Unparsable.as_str());
    }
    let ready = object.status.and_then(|status| find(&status.conditions, ConditionType::Ready));
    ready.map_or(("Unknown", Reason::Pending.as_str()), |ready| {
        (status_label(&ready.status), Reason::parse(&ready.reason).map_or("Other", Reason::as_str))
    })
}

/// A closed set, whatever stands in the object.
fn status_label(status: &str) -> &'static str {
    match status {
        "True" => "True",
        "False" => "False",
        _ => "Unknown",
    }
}

fn runs_of(flow: &IngestionFlowStatus) -> FlowRuns {
    let healthy = find(&flow.common.conditions, ConditionType::RunsHealthy).and_then(|condition| {
        match condition.status.as_str() {
            "True" => Some(true),
            "False" => Some(false),
            _ => None,
        }
    });
    let run = flow.last_run.as_ref();
    FlowRuns {
        healthy,
        last_success: flow.last_success.as_ref().map(|time| time.0.as_second()),
        failures: flow.consecutive_failures.unwrap_or_default(),
        records: run.map_or([None; 3], |run| [run.records_in, run.records_out, run.records_failed]),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_are_counted_by_closed_sets_whatever_stands_in_them() {
        let condition = |type_: &str, status: &str, reason: &str| json!({ "type": type_, "status": status, "reason": reason, "message": "a text", "lastTransitionTime": "2026-01-01T00:00:00Z" });
        let status: CommonStatus = serde_json::from_value(json!({ "conditions": [
            condition("Ready", "False", "SecretMissing"),
            condition("Stalled", "True", "SecretMissing"),
            condition("Invented", "True", "Invented"),
        ] }))
        .unwrap();
        let strange: CommonStatus =
            serde_json::from_value(json!({ "conditions": [condition("Ready", "Perhaps", "Invented")] }))
                .unwrap();
        let census = Census::default();
        census.add(Box::new(move |see| {
            let object = Sighted {
                kind: "K",
                namespace: "n",
                name: "a",
                deleting: false,
                unparsed: false,
                status: None,
                flow: None,
            };
            see(object);
            see(Sighted { status: Some(&status), deleting: true, ..object });
            see(Sighted { status: Some(&strange), ..object });
            see(Sighted { unparsed: true, ..object });
        }));
        let tally = census.count();
        let kind = || "K".to_owned();
        assert_eq!(
            tally.ready,
            BTreeMap::from([
                ((kind(), "False", "SecretMissing"), 1),
                ((kind(), "False", "Unparsable"), 1),
                ((kind(), "Unknown", "Other"), 1),
                ((kind(), "Unknown", "Pending"), 1),
            ])
        );
        assert_eq!(tally.conditions, BTreeMap::from([((kind(), "Stalled", "True"), 1)]));
        assert_eq!(tally.deleting, BTreeMap::from([(kind(), 1)]));
    }
}
