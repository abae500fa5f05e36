//! `IngestionFlow`: dataset, target connection and dataflow, and its runs.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::policy::{Approval, DeletionPolicy, DriftPolicy, History, UpstreamDeletionPolicy};
use super::reference::LocalRef;
use super::status::CommonStatus;

/// Dataset, target connection and dataflow, and its runs.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "ingestion.aep-operator.io",
    version = "v1alpha1",
    kind = "IngestionFlow",
    shortname = "iflow",
    category = "aep",
    namespaced,
    status = "IngestionFlowStatus",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct IngestionFlowSpec {
    /// Flow Service "name". Default: `<namespace>/<name>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The source; a change is a replacement.
    pub source_connection_ref: LocalRef,
    /// The rows.
    pub mapping_ref: LocalRef,
    /// The dataset: exactly one of `existing` and `managed`.
    pub dataset: Dataset,
    /// When the flow runs.
    pub schedule: Schedule,
    /// Whether the flow runs at all.
    #[serde(default = "enabled")]
    pub enabled: bool,
    /// Write error diagnostics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_diagnostics: Option<bool>,
    /// Accept runs with some failed records. Absent: off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial_ingestion: Option<PartialIngestion>,
    /// Access labels such as `core/C12`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub access_labels: Vec<String>,
    /// What to do when somebody deleted the flow upstream.
    #[serde(default)]
    pub on_upstream_deletion: UpstreamDeletionPolicy,
    /// How a replacement is approved and what it ingests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replacement: Option<Replacement>,
    /// Drives the DataFresh condition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freshness: Option<Freshness>,
    /// Take over an existing flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopt: Option<AdoptFlow>,
    /// Default: `Delete` for what the operator created, `Retain` for what was adopted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// What to do about drift.
    #[serde(default)]
    pub drift_policy: DriftPolicy,
}

fn enabled() -> bool {
    true
}

/// The dataset; exactly one member.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Dataset {
    /// A dataset that exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub existing: Option<ExistingDataset>,
    /// A dataset that the operator creates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed: Option<ManagedDataset>,
}

/// Names an existing dataset by exactly one of name and id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExistingDataset {
    /// The exact name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The id, 24 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// A dataset that the operator creates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManagedDataset {
    /// Name of the dataset.
    pub name: String,
    /// Default `Retain`.
    #[serde(default = "retain")]
    pub deletion_policy: DeletionPolicy,
    /// Take over an existing dataset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopt: Option<AdoptDataset>,
}

fn retain() -> DeletionPolicy {
    DeletionPolicy::Retain
}

/// Names an existing dataset to take over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AdoptDataset {
    /// Id of the dataset, 24 hex digits.
    pub id: String,
}

/// When a flow runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Schedule {
    /// Unit of the interval.
    pub frequency: Frequency,
    /// Number of units between runs; not with `once`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<i64>,
    /// First run. Absent: when the flow is first created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// Ingest what is there already; not with `once`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backfill: Option<bool>,
}

/// Unit of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Frequency {
    /// One run.
    Once,
    /// Minutes, at least 15.
    Minute,
    /// Hours.
    Hour,
    /// Days.
    Day,
    /// Weeks.
    Week,
}

impl Frequency {
    /// The value as Flow Service spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
        }
    }
}

/// Share of records that may fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PartialIngestion {
    /// Percent, 1 to 100.
    pub percent: i64,
}

/// How a flow is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Replacement {
    /// Who starts it.
    #[serde(default)]
    pub approval: Approval,
    /// What the new flow ingests of the past; required with `Automatic`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<History>,
}

/// How old the last success may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Freshness {
    /// A duration such as `3h`, `90m`, `2d`.
    pub max_age: String,
}

/// Names an existing flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdoptFlow {
    /// Id of the flow.
    pub flow_id: String,
}

/// Status of an [`IngestionFlow`].
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
}

/// A run of a flow.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// Id of the run.
    pub id: String,
    /// `success`, `failed`, `inProgress` …, as Flow Service says it.
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
    pub error_code: Option<String>,
    /// The first error message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
}
