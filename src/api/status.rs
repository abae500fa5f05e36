//! The part of status that all four kinds share.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::role::Role;

/// Status fields of every kind.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommonStatus {
    /// The generation that the conditions speak of; -1 before the first pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Conditions, one per type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Upstream objects that belong to this object, one per role.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub external: Vec<ExternalObject>,
    /// Hash of the desired state that was last applied upstream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_hash: Option<String>,
    /// The last value of the annotation `sync-requested-at` that was served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_sync: Option<String>,
    /// An action that waits for approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
}

/// One upstream object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalObject {
    /// What it is to its owner.
    pub role: Role,
    /// Adobe's id.
    pub id: String,
    /// Etag of the version that the operator last wrote or accepted, quotes included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// Adobe's state, for example `enabled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The organisation, `…@AdobeOrg`.
    pub organization: String,
    /// The sandbox name.
    pub sandbox: String,
    /// The sandbox id, where Adobe tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox_id: Option<String>,
}

/// An action that waits for approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pending {
    /// What would be done: `Adopt`, `Replace`, `Recreate`.
    pub kind: String,
    /// One line per difference.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<String>,
    /// Digest to put into the annotation `approve`.
    pub digest: String,
}
