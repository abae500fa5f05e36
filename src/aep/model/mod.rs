//! What Adobe's services send and take, as plain data.
//!
//! Answers are read tolerantly: unknown members are ignored, wrong types of optional members count as absent, and enumerations
//! are open. Nothing here decides anything.

mod catalog;
mod connection;
mod data_prep;
mod flow;
pub(super) mod loose;
mod registry;
mod run;
mod sandbox;

use serde::{Deserialize, Serialize};

pub use self::catalog::{DataSet, NewDataSet};
pub use self::connection::{
    Connection, NewConnection, NewSourceConnection, NewTargetConnection, SourceConnection, TargetConnection,
};
pub use self::data_prep::{
    MappingRow, MappingSet, MappingSetRef, NewMappingSet, Preview, RowFailure, RowKind,
};
pub use self::flow::{
    Flow, Frequency, LastOperation, LastRun, MappingRef, NewFlow, NewSchedule, OperationError, Options,
    Schedule, Transformation,
};
pub use self::registry::{Descriptor, Resource, ResourceKind, Stats};
pub use self::run::{NewRun, Records, Run, RunError, RunStatus};
pub use self::sandbox::Sandbox;
use super::ids::Etag;

/// The members that every Flow Service object has. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    /// The UUID; checked to be one.
    #[serde(default)]
    pub id: String,
    /// The name people see. Not unique.
    #[serde(default, deserialize_with = "loose::text")]
    pub name: Option<String>,
    /// Free text.
    #[serde(default, deserialize_with = "loose::text")]
    pub description: Option<String>,
    /// The tag to send as `If-Match`. It moves with every write, also with the service's own.
    #[serde(default, deserialize_with = "etag")]
    pub etag: Option<Etag>,
    /// The life cycle state.
    #[serde(default, deserialize_with = "loose::or_default")]
    pub state: State,
    /// When it was made.
    #[serde(default, deserialize_with = "loose::number")]
    pub created_at: Option<i64>,
    /// When it was last written, by anybody.
    #[serde(default, deserialize_with = "loose::number")]
    pub updated_at: Option<i64>,
    /// The client id that made it; `exc_app` is Adobe's user interface.
    #[serde(default, deserialize_with = "loose::text")]
    pub created_client: Option<String>,
    /// The client id that last wrote it.
    #[serde(default, deserialize_with = "loose::shown")]
    pub updated_client: Option<String>,
    /// The account that last wrote it, for people to read.
    #[serde(default, deserialize_with = "loose::shown")]
    pub updated_by: Option<String>,
    /// The id of the sandbox; another one under the same name means that the sandbox was reset.
    #[serde(default, deserialize_with = "loose::text")]
    pub sandbox_id: Option<String>,
    /// The name of the sandbox.
    #[serde(default, deserialize_with = "loose::text")]
    pub sandbox_name: Option<String>,
    /// The organisation, `…@AdobeOrg`.
    #[serde(default, rename = "imsOrgId", deserialize_with = "loose::text")]
    pub organization: Option<String>,
}

fn etag<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Etag>, D::Error> {
    Ok(loose::text(deserializer)?.and_then(Etag::new))
}

/// The life cycle state of a Flow Service object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(from = "String")]
pub enum State {
    /// Usable; a flow runs on schedule.
    Enabled,
    /// Made inactive.
    Disabled,
    /// Being set up.
    Initializing,
    /// A change is under way.
    InProgress,
    /// A change is under way.
    Updating,
    /// On the way to enabled.
    Enabling,
    /// On the way to disabled.
    Disabling,
    /// Being deleted.
    Deleting,
    /// Waiting for something.
    Pending,
    /// A draft, not published.
    Draft,
    /// Not given.
    #[default]
    Absent,
    /// A state unknown to this version, as received.
    Other(String),
}

impl State {
    /// Whether the service is still working on the object, so that a write would be refused (1420, 1421, 1457, 1458).
    pub fn is_transitional(&self) -> bool {
        matches!(
            self,
            Self::Initializing
                | Self::InProgress
                | Self::Updating
                | Self::Enabling
                | Self::Disabling
                | Self::Deleting
                | Self::Pending
        )
    }

    /// The state in Adobe's spelling.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Initializing => "initializing",
            Self::InProgress => "inProgress",
            Self::Updating => "updating",
            Self::Enabling => "enabling",
            Self::Disabling => "disabling",
            Self::Deleting => "deleting",
            Self::Pending => "pending",
            Self::Draft => "draft",
            Self::Absent => "",
            Self::Other(text) => text,
        }
    }
}

impl From<String> for State {
    fn from(text: String) -> Self {
        match loose::word(&text).as_str() {
            "enabled" => Self::Enabled,
            "disabled" => Self::Disabled,
            "initializing" => Self::Initializing,
            "inprogress" => Self::InProgress,
            "updating" => Self::Updating,
            "enabling" | "enabledfinalizing" => Self::Enabling,
            "disabling" | "disabledfinalizing" => Self::Disabling,
            "deleting" | "deletefinalizing" => Self::Deleting,
            "pending" => Self::Pending,
            "draft" => Self::Draft,
            "" => Self::Absent,
            _ => Self::Other(super::redact::shown(&text)),
        }
    }
}

/// A reference to a connection spec or flow spec.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct SpecRef {
    /// The spec's UUID.
    #[serde(default)]
    pub id: String,
    /// Its version, `1.0`. Always sent: one of Adobe's documents says that a missing one is refused with 422.
    #[serde(default, deserialize_with = "loose::text", skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl SpecRef {
    /// Version 1.0 of a spec.
    pub fn v1(id: &str) -> Self {
        Self { id: id.to_owned(), version: Some("1.0".to_owned()) }
    }
}

/// A reference to an XDM schema.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SchemaRef {
    /// The schema's `$id`.
    #[serde(default)]
    pub id: String,
    /// The media type with the version, such as `application/vnd.adobe.xed-full+json;version=1`.
    #[serde(default, alias = "version")]
    pub content_type: String,
}

impl SchemaRef {
    /// The major version named by the media type: 1 of `…;version=1.3`. Rule 1425 needs data set and mapping to agree on it.
    pub fn major_version(&self) -> Option<u32> {
        let (_, version) = self.content_type.split_once("version=")?;
        version.trim().split(['.', ';']).next()?.parse().ok()
    }

    /// Whether both name the same schema in the same major version.
    pub fn is_same_major(&self, other: &Self) -> bool {
        self.id == other.id && self.major_version() == other.major_version()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_an_open_enumeration_and_keep_their_spelling() {
        assert_eq!(State::from("ENABLED".to_owned()), State::Enabled);
        assert_eq!(State::from("in_progress".to_owned()), State::InProgress);
        assert!(State::from("delete-finalizing".to_owned()).is_transitional());
        assert!(!State::from("hibernating".to_owned()).is_transitional());
        assert_eq!(State::from("hibernating".to_owned()).as_str(), "hibernating");
    }

    #[test]
    fn schema_references_compare_by_id_and_major_version() {
        let reference =
            |content_type: &str| SchemaRef { id: "a".to_owned(), content_type: content_type.to_owned() };
        let one = reference("application/vnd.adobe.xed-full+json;version=1");
        assert!(one.is_same_major(&reference("application/vnd.adobe.xed+json; version=1.3")));
        assert!(!one.is_same_major(&reference("application/vnd.adobe.xed+json;version=2")));
        assert!(!one.is_same_major(&SchemaRef { id: "b".to_owned(), ..one.clone() }));
    }

    #[test]
    fn a_foreign_object_of_strange_types_is_still_read() {
        let meta: Meta = serde_json::from_value(serde_json::json!({
            "id": "a9950001-a386-4642-a0cd-5eaac6db5556", "name": 7, "description": null, "state": ["x"],
            "createdAt": "1710267000000", "etag": {"odd": true}, "unknown": {}
        }))
        .expect("a tolerant reader");
        assert_eq!(meta.name.as_deref(), Some("7"));
        assert_eq!(meta.created_at, Some(1_710_267_000_000));
        assert_eq!((meta.state, meta.etag), (State::Absent, None));
    }
}
