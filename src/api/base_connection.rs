//! `StripeBaseConnection`: an authenticated Stripe account inside one AEP sandbox.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::policy::{DeletionPolicy, DriftPolicy};
use super::reference::{SecretKeyRef, SecretRef};
use super::rule;
use super::status::CommonStatus;

/// The Stripe account, and the sandbox of Adobe Experience Platform that it is connected to.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "ingestion.aep-operator.io",
    version = "v1alpha1",
    kind = "StripeBaseConnection",
    doc = "An authenticated Stripe account inside one sandbox of Adobe Experience Platform: a Flow Service base connection.",
    singular = "stripebaseconnection",
    plural = "stripebaseconnections",
    shortname = "sbc",
    category = "aep",
    namespaced,
    status = "StripeBaseConnectionStatus",
    derive = "PartialEq",
    validation = rule::adopt_fits("connection", "connectionId"),
    selectable = ".spec.sandbox",
    selectable = ".spec.platformCredentialsSecretRef.name",
    selectable = ".spec.stripeCredentialsSecretRef.name"
)]
#[serde(rename_all = "camelCase")]
pub struct StripeBaseConnectionSpec {
    /// Name of the base connection in Flow Service, as people see it in the Platform UI. One line, at most
    /// 200 characters. Absent: `<namespace>/<name>` of this object. A change is applied in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    #[x_kube(validation = rule::one_line(), validation = rule::no_marker())]
    pub display_name: Option<String>,
    /// Free text of at most 1,000 characters for the people who see the connection upstream. The operator
    /// adds its ownership marker as a last line. A change is applied in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000))]
    #[x_kube(validation = rule::no_marker())]
    pub description: Option<String>,
    /// Name (not title) of the sandbox that holds everything built on this account, for example `dev` or
    /// `prod`. Immutable: another sandbox means another set of objects. The same manifests work in every
    /// sandbox.
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = rule::sandbox_name(), validation = rule::immutable("sandbox"))]
    pub sandbox: String,
    /// Secret with the credential of an OAuth server-to-server project of Adobe's developer console: the keys
    /// `client-id`, `client-secret`, `org-id` (`…@AdobeOrg`) and optionally `scopes`. A change of the Secret
    /// is noticed within seconds; a credential of another organisation is refused once the connection exists.
    pub platform_credentials_secret_ref: SecretRef,
    /// Secret key that holds the Stripe API key (`sk_live_…`, `rk_live_…`, or a test key). A change is tried
    /// on a connection of its own before the real one is updated, so a typo stops no flow.
    pub stripe_credentials_secret_ref: SecretKeyRef,
    /// Take over an existing base connection instead of creating one. The operator stops after reading it and
    /// lists every difference in `status.pending`, until that is approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopt: Option<AdoptConnection>,
    /// What happens upstream when this object is deleted. Absent: `Delete` for what the operator created,
    /// `Retain` for what was adopted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// What happens when the base connection was changed by someone else: `Correct` puts it back, `Report`
    /// only says so in the condition Synced.
    #[serde(default)]
    pub drift_policy: DriftPolicy,
}

/// Take over an existing base connection instead of creating one. The operator stops after reading it and
/// lists every difference in `status.pending`, until that is approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdoptConnection {
    /// Id (UUID) of the base connection to take over.
    #[schemars(length(min = 36, max = 36))]
    #[x_kube(validation = rule::uuid())]
    pub connection_id: String,
}

/// What the operator knows of a [`StripeBaseConnection`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StripeBaseConnectionStatus {
    /// What all kinds share.
    #[serde(flatten)]
    pub common: CommonStatus,
    /// Hash of the Stripe credentials last applied, salted with the object's UID. Never the credentials
    /// themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub credentials_hash: Option<String>,
}
