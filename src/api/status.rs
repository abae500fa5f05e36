//! The part of status that all four kinds share, and the bounds that writers of status must keep.
//!
//! The CRDs bound every text and list of status. A text that comes from upstream is cut with [`bounded`]
//! before it is written: a status that the API server refuses would lose the ids in it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::role::Role;

/// Longest id, name, state, hash or etag in a status, in characters.
pub const MAX_WORD: usize = 512;
/// Longest free text in a status, in characters.
pub const MAX_TEXT: usize = 4096;
/// Most entries of [`Pending::differences`]; more are summed up in the last one.
pub const MAX_DIFFERENCES: usize = 100;
/// Most entries of a mapping's `failures`.
pub const MAX_FAILURES: usize = 20;
/// Most paths of an explored schema that a status holds.
pub const MAX_EXPLORED_FIELDS: usize = 2000;

/// `text` cut to at most `max` characters, the last of which is then an ellipsis.
pub fn bounded(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    text.chars().take(max.saturating_sub(1)).chain(['…'].into_iter().take(max)).collect()
}

/// Status fields of every kind.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommonStatus {
    /// The generation that the conditions speak of; -1 before the first pass of the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Conditions, one per type. Ready sums them up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Upstream objects that belong to this object, one per role.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["role"]))]
    pub external: Vec<ExternalObject>,
    /// Hash of the desired state that was last applied upstream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub applied_hash: Option<String>,
    /// The last value of the annotation `ingestion.aep-operator.io/sync-requested-at` that was served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub last_handled_sync: Option<String>,
    /// The digest of the last action that went on because it was approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub last_approved: Option<String>,
    /// An action that waits for approval. Approve it with the annotation `ingestion.aep-operator.io/approve:
    /// <digest>`.
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
    #[schemars(length(max = 512))]
    pub id: String,
    /// Etag of the version that the operator last wrote or accepted, quotes included. Not refreshed for
    /// Adobe's own writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub etag: Option<String>,
    /// Adobe's state, for example `enabled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub state: Option<String>,
    /// The organisation, `…@AdobeOrg`.
    #[schemars(length(max = 512))]
    pub organization: String,
    /// The name of the sandbox.
    #[schemars(length(max = 512))]
    pub sandbox: String,
    /// The id of the sandbox, where Adobe tells it. A reset sandbox has another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub sandbox_id: Option<String>,
    /// `true` for an object that existed before and was taken over: fields that spec leaves out stay as they are upstream, and it stays
    /// upstream unless `deletionPolicy` says `Delete`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopted: Option<bool>,
}

/// An action that waits for approval. Approve it with the annotation `ingestion.aep-operator.io/approve:
/// <digest>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pending {
    /// What would be done: `Adopt`, `Replace`, `Recreate`.
    #[schemars(length(max = 64))]
    pub kind: String,
    /// One line per difference; the last one counts those that did not fit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(max = 4096)))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub differences: Vec<String>,
    /// Digest of exactly this action. An approval of another digest does nothing.
    #[schemars(length(max = 128))]
    pub digest: String,
}

#[cfg(test)]
impl ExternalObject {
    /// An object of that role and id, for tests to which the rest does not matter.
    pub(crate) fn example(role: Role, id: &str) -> Self {
        Self {
            role,
            id: id.to_owned(),
            etag: None,
            state: None,
            organization: "o".to_owned(),
            sandbox: "dev".to_owned(),
            sandbox_id: None,
            adopted: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_within_its_bound_stays_as_it_is() {
        assert_eq!(bounded("größe", 5), "größe");
    }

    #[test]
    fn a_longer_text_is_cut_between_characters_and_says_so() {
        assert_eq!(bounded("größer", 5), "größ…");
        assert_eq!(bounded("abc", 1), "…");
        assert_eq!(bounded("abc", 0), "");
    }
}
