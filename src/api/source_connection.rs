//! `StripeSourceConnection`: one Stripe resource of an account, for one flow.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::policy::{DeletionPolicy, DriftPolicy};
use super::reference::LocalRef;
use super::rule;
use super::status::CommonStatus;

/// The Stripe account and which of its resources is read.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "ingestion.aep-operator.io",
    version = "v1alpha1",
    kind = "StripeSourceConnection",
    doc = "One resource of a Stripe account, such as charges, to be read by one flow: a Flow Service source connection.",
    singular = "stripesourceconnection",
    plural = "stripesourceconnections",
    shortname = "ssc",
    category = "aep",
    namespaced,
    status = "StripeSourceConnectionStatus",
    derive = "PartialEq",
    validation = rule::adopt_fits("source-connection", "sourceConnectionId"),
    selectable = ".spec.baseConnectionRef.name",
    selectable = ".spec.resourcePath"
)]
#[serde(rename_all = "camelCase")]
pub struct StripeSourceConnectionSpec {
    /// Name of the source connection in Flow Service. One line, at most 200 characters. Absent:
    /// `<namespace>/<name>` of this object. A change is applied in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    #[x_kube(validation = rule::one_line(), validation = rule::no_marker())]
    pub display_name: Option<String>,
    /// Free text of at most 1,000 characters for the people who see the source connection upstream. The
    /// operator adds its ownership marker as a last line. A change is applied in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000))]
    #[x_kube(validation = rule::no_marker())]
    pub description: Option<String>,
    /// The `StripeBaseConnection` of the account, in the same namespace. Immutable. It gives the sandbox and
    /// the credentials.
    #[x_kube(validation = rule::immutable("baseConnectionRef"))]
    pub base_connection_ref: LocalRef,
    /// The Stripe resource to read: `charges`, `subscriptions`, `refunds`, `balance_transactions`,
    /// `customers` or `prices`. Immutable: an edited source connection would not reach a running flow.
    #[x_kube(validation = rule::immutable("resourcePath"))]
    pub resource_path: ResourcePath,
    /// Take over an existing source connection instead of creating one. The operator stops after reading it
    /// and lists every difference in `status.pending`, until that is approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopt: Option<AdoptSourceConnection>,
    /// What happens upstream when this object is deleted. Absent: `Delete` for what the operator created,
    /// `Retain` for what was adopted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// What happens when the source connection was changed by someone else: `Correct` puts it back, `Report`
    /// only says so in the condition Synced.
    #[serde(default)]
    pub drift_policy: DriftPolicy,
}

/// A resource that Adobe's Stripe source can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResourcePath {
    /// Payments.
    Charges,
    /// Recurring payments.
    Subscriptions,
    /// Money given back.
    Refunds,
    /// Every movement of the account's balance.
    BalanceTransactions,
    /// People and companies that pay.
    Customers,
    /// What products cost.
    Prices,
}

impl ResourcePath {
    /// The value as Adobe and Stripe spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Charges => "charges",
            Self::Subscriptions => "subscriptions",
            Self::Refunds => "refunds",
            Self::BalanceTransactions => "balance_transactions",
            Self::Customers => "customers",
            Self::Prices => "prices",
        }
    }
}

/// Take over an existing source connection instead of creating one. The operator stops after reading it and
/// lists every difference in `status.pending`, until that is approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdoptSourceConnection {
    /// Id (UUID) of the source connection to take over.
    #[schemars(length(min = 36, max = 36))]
    #[x_kube(validation = rule::uuid())]
    pub source_connection_id: String,
}

/// What the operator knows of a [`StripeSourceConnection`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StripeSourceConnectionStatus {
    /// What all kinds share.
    #[serde(flatten)]
    pub common: CommonStatus,
    /// What Adobe's explore call saw of the resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explored: Option<ExploredSchema>,
}

/// Summary of what Adobe's explore call saw. It infers from live records, so it is a hint and not the truth
/// about the source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExploredSchema {
    /// Hash of the explored tree.
    #[schemars(length(max = 128))]
    pub hash: String,
    /// Type of each explored path below the root, for example `data.id: string`; `unknown` where explore saw
    /// only nulls. At most 2,000 paths.
    #[schemars(extend("maxProperties" = 2000, "additionalProperties" = {"type": "string", "maxLength": 64}))]
    pub fields: BTreeMap<String, String>,
}
