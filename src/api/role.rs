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
    /// A source connection whose base connection was lost: another one has taken its place, and it goes when no flow reads it any more.
    FormerSourceConnection,
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
    /// The dataset of a flow that is being replaced together with its dataset.
    PreviousDataset,
    /// The target connection of a flow that is being replaced.
    PreviousTargetConnection,
    /// A dataflow that is being replaced.
    PreviousFlow,
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
            Self::FormerSourceConnection => "former-source-connection",
            Self::SourceConnection => "source-connection",
            Self::FieldGroup => "field-group",
            Self::Schema => "schema",
            Self::MappingSet => "mapping-set",
            Self::Dataset => "dataset",
            Self::PreviousDataset => "previous-dataset",
            Self::PreviousTargetConnection => "previous-target-connection",
            Self::PreviousFlow => "previous-flow",
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
    /// All roles, in the order of creation: deletion goes the other way. What is replaced counts as older than what replaces it.
    pub const ALL: [Self; 13] = [
        Self::Connection,
        Self::Probe,
        Self::FormerSourceConnection,
        Self::SourceConnection,
        Self::FieldGroup,
        Self::Schema,
        Self::MappingSet,
        Self::Dataset,
        Self::PreviousDataset,
        Self::PreviousTargetConnection,
        Self::PreviousFlow,
        Self::TargetConnection,
        Self::Flow,
    ];

    /// The role of an object of this role while it is being replaced.
    pub fn previous(self) -> Option<Self> {
        match self {
            Self::Dataset => Some(Self::PreviousDataset),
            Self::TargetConnection => Some(Self::PreviousTargetConnection),
            Self::Flow => Some(Self::PreviousFlow),
            _ => None,
        }
    }

    /// The role of an object of this role that has outlived what it is bound to.
    pub fn former(self) -> Option<Self> {
        (self == Self::SourceConnection).then_some(Self::FormerSourceConnection)
    }

    /// The role without regard to what takes or took an object's place: what markers say.
    #[must_use]
    pub fn present(self) -> Self {
        match self {
            Self::FormerSourceConnection => Self::SourceConnection,
            Self::PreviousDataset => Self::Dataset,
            Self::PreviousTargetConnection => Self::TargetConnection,
            Self::PreviousFlow => Self::Flow,
            other => other,
        }
    }

    /// The kind of custom resource that owns objects of this role.
    pub fn owner_kind(self) -> &'static str {
        match self.present() {
            Self::Connection | Self::Probe => "StripeBaseConnection",
            Self::SourceConnection => "StripeSourceConnection",
            Self::FieldGroup | Self::Schema | Self::MappingSet => "IngestionMapping",
            _ => "IngestionFlow",
        }
    }

    /// Whether the object is being replaced.
    pub fn is_previous(self) -> bool {
        matches!(self, Self::PreviousDataset | Self::PreviousTargetConnection | Self::PreviousFlow)
    }

    /// Whether the object has outlived what it is bound to.
    pub fn is_former(self) -> bool {
        self == Self::FormerSourceConnection
    }
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
