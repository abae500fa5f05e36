//! `StripeBaseConnection`: an authenticated Stripe account inside one AEP sandbox.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::policy::{DeletionPolicy, DriftPolicy};
use super::reference::{SecretKeyRef, SecretRef};
use super::status::CommonStatus;

/// An authenticated Stripe account inside one AEP sandbox.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "ingestion.aep-operator.io",
    version = "v1alpha1",
    kind = "StripeBaseConnection",
    shortname = "sbc",
    category = "aep",
    namespaced,
    status = "StripeBaseConnectionStatus",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct StripeBaseConnectionSpec {
    /// Flow Service "name". Default: `<namespace>/<name>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Sandbox name. Immutable.
    pub sandbox: String,
    /// Secret with the keys `client-id`, `client-secret`, `org-id` and optionally `scopes`.
    pub platform_credentials_secret_ref: SecretRef,
    /// Secret key that holds the Stripe secret key.
    pub stripe_credentials_secret_ref: SecretKeyRef,
    /// Take over an existing connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopt: Option<AdoptConnection>,
    /// Default: `Delete` for what the operator created, `Retain` for what was adopted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// What to do about drift.
    #[serde(default)]
    pub drift_policy: DriftPolicy,
}

/// Names an existing connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdoptConnection {
    /// Id of the connection.
    pub connection_id: String,
}

/// Status of a [`StripeBaseConnection`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StripeBaseConnectionStatus {
    /// What all kinds share.
    #[serde(flatten)]
    pub common: CommonStatus,
    /// Hash of the Stripe credentials last applied, salted with the object's UID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_hash: Option<String>,
}
