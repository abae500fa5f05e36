//! `StripeSourceConnection`: one Stripe resource of an account, for one flow.

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::policy::{DeletionPolicy, DriftPolicy};
use super::reference::LocalRef;
use super::status::CommonStatus;

/// One Stripe resource of an account, for one flow.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "ingestion.aep-operator.io",
    version = "v1alpha1",
    kind = "StripeSourceConnection",
    shortname = "ssc",
    category = "aep",
    namespaced,
    status = "StripeSourceConnectionStatus",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct StripeSourceConnectionSpec {
    /// Flow Service "name". Default: `<namespace>/<name>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The account. Immutable.
    pub base_connection_ref: LocalRef,
    /// The Stripe resource. Immutable.
    pub resource_path: ResourcePath,
    /// Take over an existing source connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopt: Option<AdoptSourceConnection>,
    /// Default: `Delete` for what the operator created, `Retain` for what was adopted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// What to do about drift.
    #[serde(default)]
    pub drift_policy: DriftPolicy,
}

/// A Stripe resource that Adobe's Stripe source can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResourcePath {
    /// Charges.
    Charges,
    /// Subscriptions.
    Subscriptions,
    /// Refunds.
    Refunds,
    /// Balance transactions.
    BalanceTransactions,
    /// Customers.
    Customers,
    /// Prices.
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

/// Names an existing source connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdoptSourceConnection {
    /// Id of the source connection.
    pub source_connection_id: String,
}

/// Status of a [`StripeSourceConnection`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StripeSourceConnectionStatus {
    /// What all kinds share.
    #[serde(flatten)]
    pub common: CommonStatus,
    /// What explore saw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explored: Option<ExploredSchema>,
}

/// Summary of an explored source schema.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExploredSchema {
    /// Hash of the explored tree.
    pub hash: String,
    /// Type of each explored path below the root, for example `data.id: string`; `unknown` where explore saw only nulls.
    pub fields: BTreeMap<String, String>,
}
