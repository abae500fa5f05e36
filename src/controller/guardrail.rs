//! Adobe's guardrail of batches per day and sandbox, over all our flows there: told once when it is passed, on each base connection of the
//! sandbox, and again only after it was kept in between.

use std::collections::{BTreeMap, HashSet};

use super::context::Context;
use super::inventory::Fleet;
use super::managed::Managed;
use crate::api::condition::Reason;
use crate::api::flow::Schedule;
use crate::api::role::Role;
use crate::api::{IngestionFlow, StripeBaseConnection};
use crate::cluster::events::Severity;
use crate::domain::schedule::{BATCHES_PER_DAY, thousandth_runs_per_day};

/// Organisation and sandbox.
type Place = (String, String);

/// The sandboxes in which the guardrail is passed, as was told.
#[derive(Debug, Default)]
pub struct Guardrail {
    passed: HashSet<Place>,
}

impl Guardrail {
    /// Adds up the schedules of all flows that may run.
    pub async fn review(&mut self, cx: &Context, fleet: &Fleet) {
        for (place, runs) in self.newly_passed(&fleet.flows) {
            let note = format!(
                "the flows in sandbox {} start about {} runs a day, and Adobe's guardrail for Profile and experience event data is {BATCHES_PER_DAY} batches a day and sandbox: lengthen their intervals, or spread them over sandboxes",
                place.1,
                runs / 1_000
            );
            let is_there =
                |base: &&StripeBaseConnection| place_of(*base, Role::Connection).as_ref() == Some(&place);
            for base in fleet.bases.iter().filter(is_there) {
                cx.cluster.publish(base, Severity::Warning, Reason::BatchGuardrail, &note).await;
            }
        }
    }

    /// Sandboxes that pass the guardrail since this review, with thousandths of runs a day.
    fn newly_passed(&mut self, flows: &[IngestionFlow]) -> BTreeMap<Place, i64> {
        let mut schedules: BTreeMap<Place, Vec<&Schedule>> = BTreeMap::new();
        let running = |flow: &&IngestionFlow| flow.spec.enabled && flow.metadata.deletion_timestamp.is_none();
        for flow in flows.iter().filter(running) {
            if let Some(place) = place_of(flow, Role::Flow) {
                schedules.entry(place).or_default().push(&flow.spec.schedule);
            }
        }
        let runs =
            schedules.into_iter().map(|(place, schedules)| (place, thousandth_runs_per_day(schedules)));
        let passed: BTreeMap<Place, i64> = runs.filter(|(_, runs)| *runs > BATCHES_PER_DAY * 1_000).collect();
        let before = std::mem::replace(&mut self.passed, passed.keys().cloned().collect());
        passed.into_iter().filter(|(place, _)| !before.contains(place)).collect()
    }
}

fn place_of<K: Managed>(object: &K, role: Role) -> Option<Place> {
    let external = K::common(object.status()?).external.iter().find(|external| external.role == role)?;
    Some((external.organization.clone(), external.sandbox.clone()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn flow(sandbox: &str, minutes: i64, enabled: bool) -> IngestionFlow {
        serde_json::from_value(json!({
            "apiVersion": "ingestion.aep-operator.io/v1alpha1", "kind": "IngestionFlow", "metadata": { "name": "f" },
            "spec": {
                "sourceConnectionRef": { "name": "s" }, "mappingRef": { "name": "m" },
                "dataset": { "managed": { "name": "d" } }, "enabled": enabled,
                "schedule": { "frequency": "minute", "interval": minutes },
            },
            "status": { "external": [{ "role": "flow", "id": "f", "organization": "o", "sandbox": sandbox }] },
        }))
        .expect("a flow")
    }

    #[test]
    fn each_transition_is_told_once_and_per_sandbox() {
        let mut guardrail = Guardrail::default();
        let mut told = |flows: &[IngestionFlow]| -> Vec<String> {
            guardrail.newly_passed(flows).into_keys().map(|(_, sandbox)| sandbox).collect()
        };
        let half = flow("dev", 20, true);
        assert!(told(&[half.clone(), flow("prod", 20, true), flow("dev", 15, false)]).is_empty());
        assert_eq!(told(&[half.clone(), half.clone()]), ["dev"]);
        assert!(told(&[half.clone(), half.clone()]).is_empty(), "not at every review");
        assert!(told(std::slice::from_ref(&half)).is_empty());
        assert_eq!(told(&[half.clone(), half, flow("prod", 15, true)]), ["dev", "prod"]);
    }
}
