//! The roles that upstream objects play for their owners.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an upstream object is to the custom resource that owns it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// A Flow Service base connection.
    Connection,
    /// A connection that only tries a new key.
    Probe,
    /// A Flow Service source connection.
    SourceConnection,
    /// A Schema Registry field group.
    FieldGroup,
    /// A Schema Registry schema.
    Schema,
    /// A Data Prep mapping set.
    MappingSet,
    /// A Catalog dataset.
    Dataset,
    /// A Flow Service target connection.
    TargetConnection,
    /// A Flow Service dataflow.
    Flow,
}

impl Role {
    /// The spelling in markers, status and events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Probe => "probe",
            Self::SourceConnection => "source-connection",
            Self::FieldGroup => "field-group",
            Self::Schema => "schema",
            Self::MappingSet => "mapping-set",
            Self::Dataset => "dataset",
            Self::TargetConnection => "target-connection",
            Self::Flow => "flow",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 9] = [
        Self::Connection,
        Self::Probe,
        Self::SourceConnection,
        Self::FieldGroup,
        Self::Schema,
        Self::MappingSet,
        Self::Dataset,
        Self::TargetConnection,
        Self::Flow,
    ];
}

/// A word that names no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a role")]
pub struct UnknownRole;

impl std::str::FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(UnknownRole)
    }
}
