//! Data sets of the Catalog.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{SchemaRef, loose};

/// A data set. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DataSet {
    /// 24 hexadecimal digits: the key under which the answer shows it.
    #[serde(skip)]
    pub id: String,
    /// The name people see. Not unique.
    #[serde(default, deserialize_with = "loose::text")]
    pub name: Option<String>,
    /// Free text.
    #[serde(default, deserialize_with = "loose::text")]
    pub description: Option<String>,
    /// The schema; fixed for the life of the data set.
    #[serde(default, deserialize_with = "loose::or_default")]
    pub schema_ref: Option<SchemaRef>,
    /// Tags, each with a list of values.
    #[serde(default, deserialize_with = "loose::or_default")]
    pub tags: BTreeMap<String, Vec<String>>,
    /// The organisation.
    #[serde(default, rename = "imsOrg", deserialize_with = "loose::text")]
    pub organization: Option<String>,
    /// When it was made.
    #[serde(default, deserialize_with = "loose::number")]
    pub created: Option<i64>,
    /// When it was last changed.
    #[serde(default, deserialize_with = "loose::number")]
    pub updated: Option<i64>,
    /// The client id that made it.
    #[serde(default, deserialize_with = "loose::text")]
    pub created_client: Option<String>,
}

impl DataSet {
    /// Whether a tag has a value.
    pub fn has_tag(&self, key: &str, value: &str) -> bool {
        self.tags.get(key).is_some_and(|values| values.iter().any(|held| held == value))
    }

    /// Whether the data set feeds Profile.
    pub fn is_profile_enabled(&self) -> bool {
        self.has_tag("unifiedProfile", "enabled:true")
    }
}

/// A data set to create.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewDataSet {
    /// The name people see.
    pub name: String,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The schema.
    pub schema_ref: SchemaRef,
    /// Tags, each with a list of values. `adobe…`, `unifiedProfile` and `unifiedIdentity` are Adobe's.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, Vec<String>>,
    /// Whether rejected records are kept with their reasons.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_error_diagnostics: Option<bool>,
}
