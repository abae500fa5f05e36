//! `IngestionFlow`: dataset, target connection and dataflow, and its runs.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::policy::{Approval, DeletionPolicy, DriftPolicy, History, UpstreamDeletionPolicy};
use super::reference::LocalRef;
use super::rule::{self, rule};
pub use super::schedule::{Frequency, Schedule};
use super::status::CommonStatus;

/// What flows where, when, and how a change is made.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "ingestion.aep-operator.io",
    version = "v1alpha1",
    kind = "IngestionFlow",
    doc = "A dataflow from a source connection through a mapping into a dataset, and its runs. One flow per source connection.",
    singular = "ingestionflow",
    plural = "ingestionflows",
    shortname = "iflow",
    category = "aep",
    namespaced,
    status = "IngestionFlowStatus",
    derive = "PartialEq",
    validation = rule::adopt_fits("flow", "flowId"),
    validation = dataset_is_kept(),
    selectable = ".spec.sourceConnectionRef.name",
    selectable = ".spec.mappingRef.name"
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rule(
        "!has(self.freshness) || self.schedule.frequency != 'once'",
        "a flow with frequency once has one run and no freshness: remove freshness",
    ),
    validation = rule(
        "!has(self.partialIngestion) || !has(self.errorDiagnostics) || self.errorDiagnostics",
        "partialIngestion always writes error diagnostics: remove errorDiagnostics: false, or remove \
         partialIngestion",
    )
)]
pub struct IngestionFlowSpec {
    /// Name of the flow in Flow Service. One line, at most 200 characters. Absent: `<namespace>/<name>` of
    /// this object. A change is applied in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    #[x_kube(validation = rule::one_line(), validation = rule::no_marker())]
    pub display_name: Option<String>,
    /// Free text of at most 1,000 characters for the people who see the flow upstream. The operator adds its
    /// ownership marker as a last line. A change is applied in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000))]
    #[x_kube(validation = rule::no_marker())]
    pub description: Option<String>,
    /// The `StripeSourceConnection` to read, in the same namespace; no other flow may read it. A change
    /// replaces the flow: a new one is made, the old one is stopped and deleted, see `replacement`.
    pub source_connection_ref: LocalRef,
    /// The `IngestionMapping` to apply, in the same namespace; it must be of the same organisation, sandbox
    /// and resource as the source. A change, or a new version of its rows, is applied in place.
    pub mapping_ref: LocalRef,
    /// The dataset to write to: exactly one of `existing` and `managed`. Once it is in use it changes only
    /// together with `sourceConnectionRef`.
    pub dataset: Dataset,
    /// When the flow runs. A change is applied in place.
    pub schedule: Schedule,
    /// Whether the flow runs at all. `false` disables it upstream; the object stays Ready.
    #[serde(default = "enabled")]
    pub enabled: bool,
    /// Whether runs write error diagnostics for records that failed. Absent: as upstream has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_diagnostics: Option<bool>,
    /// Accept runs in which some records fail. Absent: off, one failed record fails the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial_ingestion: Option<PartialIngestion>,
    /// Access labels of the flow, at most 32, for example `core/C12`. The operator's own credential needs a
    /// role with these labels, or it can no longer read the flow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 128)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    #[x_kube(validation = rule(
        "self.all(l, l.matches('^[A-Za-z0-9_-]+/[A-Za-z0-9_.-]+$'))",
        "each access label must be <group>/<label>, for example core/C12",
    ))]
    pub access_labels: Vec<String>,
    /// What happens when the flow was deleted upstream: `Hold` waits for an approval, since someone may have
    /// stopped it in an emergency; `Recreate` makes it again from the end of its last success.
    #[serde(default)]
    pub on_upstream_deletion: UpstreamDeletionPolicy,
    /// How the flow is replaced when `sourceConnectionRef` changes. Absent: shown in `status.pending` and
    /// held for approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replacement: Option<Replacement>,
    /// How old the last successful run may be before the condition `DataFresh` is False. Absent: no such
    /// condition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freshness: Option<Freshness>,
    /// Take over an existing flow instead of creating one. The operator stops after reading it and lists
    /// every difference in `status.pending`, until that is approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopt: Option<AdoptFlow>,
    /// What happens upstream when this object is deleted. Absent: `Delete` for what the operator created,
    /// `Retain` for what was adopted. A managed dataset has a policy of its own; `Retain` here wins over
    /// `Delete` there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// What happens when the flow was changed by someone else: `Correct` puts it back, `Report` only says so
    /// in the condition Synced.
    #[serde(default)]
    pub drift_policy: DriftPolicy,
}

fn enabled() -> bool {
    true
}

/// The dataset stays with its source connection once it is in use. Before that a wrong name can be put right,
/// and afterwards the name of an existing dataset may still give way to the id it stood for.
fn dataset_is_kept() -> kube::core::Rule {
    rule(
        "self.spec.sourceConnectionRef.name != oldSelf.spec.sourceConnectionRef.name \
         || !has(oldSelf.status) || !has(oldSelf.status.external) \
         || !oldSelf.status.external.exists(e, e.role == 'target-connection' || e.role == 'flow' \
             || (e.role == 'dataset' && has(oldSelf.spec.dataset.managed))) \
         || (has(self.spec.dataset.managed) && has(oldSelf.spec.dataset.managed) \
             && self.spec.dataset.managed.name == oldSelf.spec.dataset.managed.name) \
         || (has(self.spec.dataset.existing) && has(oldSelf.spec.dataset.existing) \
             && (self.spec.dataset.existing == oldSelf.spec.dataset.existing \
                 || (has(self.spec.dataset.existing.id) && oldSelf.status.external.exists(e, \
                     e.role == 'dataset' && e.id == self.spec.dataset.existing.id))))",
        "dataset is in use and changes only together with sourceConnectionRef: keep it (or name the same \
         dataset by its id), or give a new sourceConnectionRef as well",
    )
    .field_path(".spec.dataset")
}

/// The dataset to write to: exactly one of `existing` and `managed`. Once it is in use it changes only
/// together with `sourceConnectionRef`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::exactly_one("existing", "managed"))]
pub struct Dataset {
    /// A dataset that exists; it is written to but never changed or deleted. Its schema must be that of the
    /// mapping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub existing: Option<ExistingDataset>,
    /// A dataset that the operator creates, of the mapping's schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed: Option<ManagedDataset>,
}

/// A dataset that exists, named by exactly one of name and id; it is written to but never changed or deleted.
/// Its schema must be that of the mapping.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::exactly_one("name", "id"))]
pub struct ExistingDataset {
    /// The exact name. None or more than one dataset of that name is a condition, never a guess.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub name: Option<String>,
    /// The id, 24 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 24, max = 24))]
    #[x_kube(validation = rule::dataset_id())]
    pub id: Option<String>,
}

/// A dataset that the operator creates, of the mapping's schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManagedDataset {
    /// Name of the dataset, as people see it in the Platform UI. One line, at most 200 characters.
    #[schemars(length(min = 1, max = 200))]
    #[x_kube(validation = rule::one_line(), validation = rule::no_marker())]
    pub name: String,
    /// What happens to the dataset when this object is deleted. It holds customer data, so `Delete` must be
    /// asked for, and is never done while another flow writes to it. A retained one is taken up again by an
    /// object of the same namespace, kind and name.
    #[serde(default = "retain")]
    pub deletion_policy: DeletionPolicy,
    /// Take over an existing dataset instead of creating one. The operator stops after reading it and lists
    /// every difference in `status.pending`, until that is approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopt: Option<AdoptDataset>,
}

fn retain() -> DeletionPolicy {
    DeletionPolicy::Retain
}

/// Take over an existing dataset instead of creating one. The operator stops after reading it and lists every
/// difference in `status.pending`, until that is approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct AdoptDataset {
    /// Id of the dataset to take over, 24 hex digits.
    #[schemars(length(min = 24, max = 24))]
    #[x_kube(validation = rule::dataset_id())]
    pub id: String,
}

/// Accept runs in which some records fail. Absent: off, one failed record fails the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PartialIngestion {
    /// Share of the records of a run that may fail, in percent, 1 to 100.
    #[schemars(range(min = 1, max = 100))]
    pub percent: i64,
}

/// How the flow is replaced when `sourceConnectionRef` changes. Absent: shown in `status.pending` and held
/// for approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = rule(
    "!has(self.approval) || self.approval != 'Automatic' || has(self.history)",
    "approval Automatic needs history: say None to go on where the old flow ended, or Full to ingest \
     everything again",
))]
pub struct Replacement {
    /// `Manual` waits until the digest in `status.pending` is approved, `Automatic` goes on at once and needs
    /// `history`.
    #[serde(default)]
    pub approval: Approval,
    /// What the new flow ingests of the past: `None` starts where the last successful run of the old flow
    /// ended, `Full` ingests everything again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<History>,
}

/// How old the last successful run may be before the condition `DataFresh` is False. Absent: no such
/// condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Freshness {
    /// A whole number of minutes, hours or days: `90m`, `3h`, `2d`. Choose at least two intervals of the
    /// schedule.
    #[schemars(length(min = 2, max = 6))]
    #[x_kube(validation = rule(
        "self.matches('^[1-9][0-9]{0,4}[mhd]$')",
        "maxAge must be a whole number of minutes, hours or days, for example 90m, 3h or 2d",
    ))]
    pub max_age: String,
}

impl Freshness {
    /// The bound in seconds; `None` when the text is not one that the CRD accepts.
    pub fn max_age_seconds(&self) -> Option<i64> {
        let unit = self.max_age.chars().last()?;
        let seconds = match unit {
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return None,
        };
        let count = self.max_age.strip_suffix(unit)?;
        if count.len() > 5 || count.starts_with('0') || !count.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        count.parse::<i64>().ok().map(|count| count * seconds)
    }
}

/// Take over an existing flow instead of creating one. The operator stops after reading it and lists every
/// difference in `status.pending`, until that is approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdoptFlow {
    /// Id (UUID) of the flow to take over. Its source connection and mapping must be those that the
    /// references name.
    #[schemars(length(min = 36, max = 36))]
    #[x_kube(validation = rule::uuid())]
    pub flow_id: String,
}

/// What the operator knows of an [`IngestionFlow`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IngestionFlowStatus {
    /// What all kinds share.
    #[serde(flatten)]
    pub common: CommonStatus,
    /// Start time that was sent when the flow was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_start_time: Option<Time>,
    /// The last run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run: Option<Run>,
    /// End of the last successful run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success: Option<Time>,
    /// Failed runs since the last success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consecutive_failures: Option<i64>,
    /// The last value of the annotation `ingestion.aep-operator.io/run-requested-at` that was served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub last_handled_run: Option<String>,
    /// How it was served: the id of the run that was started, or why none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub last_handled_run_result: Option<String>,
}

/// The last run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// Id of the run.
    #[schemars(length(max = 512))]
    pub id: String,
    /// `success`, `failed`, `inProgress` …, as Flow Service says it.
    #[schemars(length(max = 512))]
    pub state: String,
    /// Start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// End.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Time>,
    /// Records read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records_in: Option<i64>,
    /// Records written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records_out: Option<i64>,
    /// Records that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records_failed: Option<i64>,
    /// The first error code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub error_code: Option<String>,
    /// The first error message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub error_message: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(max_age: &str) -> Option<i64> {
        Freshness { max_age: max_age.to_owned() }.max_age_seconds()
    }

    #[test]
    fn a_max_age_counts_minutes_hours_and_days() {
        assert_eq!(seconds("90m"), Some(5_400));
        assert_eq!(seconds("3h"), Some(10_800));
        assert_eq!(seconds("99999d"), Some(99_999 * 86_400));
    }

    #[test]
    fn a_max_age_that_the_api_refuses_has_no_length() {
        for text in ["", "h", "0h", "3", "3w", "-3h", "+3h", "1h30m", "３h", "100000m"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
