//! The four kinds seen alike: what a person wants to know of any of them.

use aep_operator::api::condition::{self, ConditionType, Reason};
use aep_operator::api::role::Role;
use aep_operator::api::status::{CommonStatus, Pending};
use aep_operator::api::{
    IngestionFlow, IngestionMapping, PAUSED, StripeBaseConnection, StripeSourceConnection,
};
use kube::{Resource, ResourceExt};
use serde::Serialize;

/// One custom resource.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// Its kind.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The object above it in a chain: kind and name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<(String, String)>,
    /// What it is about: a sandbox, a Stripe resource, a schedule.
    pub about: String,
    /// True, False or Unknown.
    pub ready: String,
    /// The reason of the condition that matters most.
    pub reason: String,
    /// Its message.
    pub message: String,
    /// What to do about it; empty when there is nothing to do.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remedy: String,
    /// Whether a person has to look at it.
    pub needs_attention: bool,
    /// Adobe's objects: role, id and state.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub upstream: Vec<Upstream>,
    /// The last run of a flow, in a few words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_run: Option<String>,
    /// The action that waits for approval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
}

/// One of Adobe's objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Upstream {
    /// What it is to its owner.
    pub role: Role,
    /// Adobe's id.
    pub id: String,
    /// Adobe's state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

/// What differs from kind to kind.
pub trait Shown: Resource<DynamicType = ()> {
    /// The shared part of the status.
    fn common(&self) -> Option<&CommonStatus>;
    /// The object above it in a chain.
    fn parent(&self) -> Option<(String, String)>;
    /// What it is about.
    fn about(&self) -> String;
    /// The last run.
    fn last_run(&self) -> Option<String> {
        None
    }
}

impl Shown for StripeBaseConnection {
    fn common(&self) -> Option<&CommonStatus> {
        self.status.as_ref().map(|status| &status.common)
    }

    fn parent(&self) -> Option<(String, String)> {
        None
    }

    fn about(&self) -> String {
        format!("sandbox {}", self.spec.sandbox)
    }
}

impl Shown for StripeSourceConnection {
    fn common(&self) -> Option<&CommonStatus> {
        self.status.as_ref().map(|status| &status.common)
    }

    fn parent(&self) -> Option<(String, String)> {
        Some(("StripeBaseConnection".to_owned(), self.spec.base_connection_ref.name.clone()))
    }

    fn about(&self) -> String {
        self.spec.resource_path.as_str().to_owned()
    }
}

impl Shown for IngestionMapping {
    fn common(&self) -> Option<&CommonStatus> {
        self.status.as_ref().map(|status| &status.common)
    }

    fn parent(&self) -> Option<(String, String)> {
        Some(("StripeSourceConnection".to_owned(), self.spec.source_connection_ref.name.clone()))
    }

    fn about(&self) -> String {
        let rows = self.status.as_ref().and_then(|status| status.rows);
        rows.map_or_else(|| "rows".to_owned(), |rows| format!("{rows} rows"))
    }
}

impl Shown for IngestionFlow {
    fn common(&self) -> Option<&CommonStatus> {
        self.status.as_ref().map(|status| &status.common)
    }

    fn parent(&self) -> Option<(String, String)> {
        Some(("IngestionMapping".to_owned(), self.spec.mapping_ref.name.clone()))
    }

    fn about(&self) -> String {
        let schedule = &self.spec.schedule;
        let every = match schedule.interval {
            Some(interval) if interval > 1 => format!("every {interval} {}s", schedule.frequency.as_str()),
            Some(_) => format!("every {}", schedule.frequency.as_str()),
            None => schedule.frequency.as_str().to_owned(),
        };
        if self.spec.enabled { every } else { format!("{every}, disabled") }
    }

    fn last_run(&self) -> Option<String> {
        let run = self.status.as_ref()?.last_run.as_ref()?;
        let counts = [(run.records_in, "in"), (run.records_out, "out"), (run.records_failed, "failed")];
        let counts: Vec<String> =
            counts.iter().filter_map(|(count, what)| Some(format!("{} {what}", (*count)?))).collect();
        Some(format!("{} {}", run.state, counts.join(", ")).trim_end().to_owned())
    }
}

/// Sums an object up.
pub fn item<K: Shown>(object: &K) -> Item {
    let said = summary(object);
    let common = object.common();
    let upstream = common.map(|common| common.external.as_slice()).unwrap_or_default();
    Item {
        kind: K::kind(&()).into_owned(),
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
        parent: object.parent(),
        about: object.about(),
        ready: said.ready,
        remedy: Reason::parse(&said.reason)
            .filter(|_| said.needs_attention)
            .map(|reason| reason.remedy().to_owned())
            .unwrap_or_default(),
        reason: said.reason,
        message: said.message,
        needs_attention: said.needs_attention,
        upstream: upstream
            .iter()
            .map(|external| Upstream {
                role: external.role,
                id: external.id.clone(),
                state: external.state.clone(),
            })
            .collect(),
        last_run: object.last_run(),
        pending: common.and_then(|common| common.pending.clone()),
    }
}

struct Summary {
    ready: String,
    reason: String,
    message: String,
    needs_attention: bool,
}

/// The condition that matters most: whatever is wrong before Ready, which may be True although runs fail.
fn summary<K: Shown>(object: &K) -> Summary {
    let conditions = object.common().map(|common| common.conditions.as_slice()).unwrap_or_default();
    let find = |wanted: ConditionType| condition::find(conditions, wanted);
    let ready = find(ConditionType::Ready);
    let is_stale = object.common().and_then(|common| common.observed_generation) != object.meta().generation;
    let status = ready.map_or("Unknown", |ready| ready.status.as_str());
    let failed = [
        ConditionType::RunsHealthy,
        ConditionType::DataFresh,
        ConditionType::CredentialsValid,
        ConditionType::Synced,
    ]
    .into_iter()
    .find_map(|wanted| find(wanted).filter(|condition| condition.status == "False"));
    let is_paused = object.annotations().get(PAUSED).is_some_and(|value| value == "true");
    let told = match ready {
        Some(ready) if ready.status == "False" => Some(ready),
        _ => failed
            .or_else(|| find(ConditionType::Paused))
            .or_else(|| find(ConditionType::Reconciling))
            .or(ready),
    };
    Summary {
        ready: status.to_owned(),
        reason: told.map(|told| told.reason.clone()).unwrap_or_default(),
        message: told.map(|told| told.message.clone()).unwrap_or_default(),
        needs_attention: !is_paused && (status != "True" || failed.is_some() || is_stale),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn flow(conditions: &serde_json::Value, annotations: &serde_json::Value) -> Item {
        let flow: IngestionFlow = serde_json::from_value(json!({
            "apiVersion": "ingestion.aep-operator.io/v1alpha1", "kind": "IngestionFlow",
            "metadata": {"name": "charges", "namespace": "shop", "generation": 2, "annotations": annotations},
            "spec": {
                "sourceConnectionRef": {"name": "charges"}, "mappingRef": {"name": "charges"},
                "dataset": {"managed": {"name": "Charges"}},
                "schedule": {"frequency": "hour", "interval": 3}, "enabled": true,
            },
            "status": {
                "observedGeneration": 2, "conditions": conditions,
                "lastRun": {"id": "r", "state": "failed", "recordsIn": 40, "recordsFailed": 2},
            },
        }))
        .expect("a flow");
        item(&flow)
    }

    fn condition(type_: &str, status: &str, reason: &str) -> serde_json::Value {
        json!({"type": type_, "status": status, "reason": reason, "message": "it says why",
            "lastTransitionTime": "2026-01-01T00:00:00Z"})
    }

    #[test]
    fn a_flow_that_is_ready_and_whose_runs_fail_needs_attention() {
        let conditions =
            json!([condition("Ready", "True", "Available"), condition("RunsHealthy", "False", "RunFailed")]);
        let item = flow(&conditions, &json!({}));
        assert_eq!((item.ready.as_str(), item.reason.as_str()), ("True", "RunFailed"));
        assert!(item.needs_attention && item.remedy.contains("the next run"), "{item:?}");
        assert_eq!(item.about, "every 3 hours");
        assert_eq!(item.last_run.as_deref(), Some("failed 40 in, 2 failed"));
    }

    #[test]
    fn what_is_well_or_paused_needs_nobody() {
        let well = json!([condition("Ready", "True", "Available")]);
        assert!(!flow(&well, &json!({})).needs_attention);
        let failed = json!([condition("Ready", "False", "SecretMissing")]);
        assert!(flow(&failed, &json!({})).needs_attention);
        assert!(!flow(&failed, &json!({PAUSED: "true"})).needs_attention);
    }
}
