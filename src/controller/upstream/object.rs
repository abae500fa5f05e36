//! An upstream object as it was read: what every kind of them tells, each in its own words.

use super::{MARKER_TAG, external};
use crate::aep::model;
use crate::api::role::Role;
use crate::api::status::ExternalObject;
use crate::controller::site::Site;
use crate::domain::lookup::Candidate;
use crate::domain::mapping::IdentityField;
use crate::domain::marker::Marker;

/// The identity that a descriptor of a schema sets.
pub fn identity_of(descriptor: &model::Descriptor) -> IdentityField {
    IdentityField {
        property: descriptor.property.clone().unwrap_or_default(),
        namespace: descriptor.namespace.clone().unwrap_or_default(),
        primary: descriptor.is_primary,
    }
}

/// An upstream object as it was read.
#[expect(
    clippy::large_enum_variant,
    reason = "a pass holds at most three, and never a list of them for long"
)]
#[derive(Debug, Clone)]
pub enum Object {
    /// A base connection.
    Connection(model::Connection),
    /// A source connection.
    SourceConnection(model::SourceConnection),
    /// A target connection.
    TargetConnection(model::TargetConnection),
    /// A dataflow.
    Flow(model::Flow),
    /// A mapping set.
    MappingSet(model::MappingSet),
    /// A field group or a schema, as the registry stores it.
    Resource(model::Resource),
    /// A dataset.
    DataSet(model::DataSet),
}

impl Object {
    fn meta(&self) -> Option<&model::Meta> {
        match self {
            Self::Connection(object) => Some(&object.meta),
            Self::SourceConnection(object) => Some(&object.meta),
            Self::TargetConnection(object) => Some(&object.meta),
            Self::Flow(object) => Some(&object.meta),
            Self::MappingSet(_) | Self::Resource(_) | Self::DataSet(_) => None,
        }
    }

    /// Name or title as Adobe shows it.
    pub fn name(&self) -> &str {
        match self {
            Self::MappingSet(set) => set.name.as_deref().unwrap_or_default(),
            Self::Resource(resource) => &resource.title,
            Self::DataSet(data_set) => data_set.name.as_deref().unwrap_or_default(),
            _ => self.meta().and_then(|meta| meta.name.as_deref()).unwrap_or_default(),
        }
    }

    /// The description as Adobe shows it, marker included.
    pub fn description(&self) -> &str {
        let description = match self {
            Self::Resource(resource) => resource.description.as_deref(),
            Self::DataSet(data_set) => data_set.description.as_deref(),
            Self::MappingSet(_) => None,
            _ => self.meta().and_then(|meta| meta.description.as_deref()),
        };
        description.unwrap_or_default()
    }

    /// The marker that the object carries.
    pub fn marker(&self) -> Option<Marker> {
        match self {
            Self::MappingSet(set) => Marker::find_in(set.name.as_deref().unwrap_or_default()),
            Self::DataSet(data_set) => {
                data_set.tags.get(MARKER_TAG)?.iter().find_map(|value| Marker::find_in(value))
            }
            _ => Marker::find_in(self.description()),
        }
    }

    /// What Adobe says of a last change that it accepted and could not carry out.
    pub fn failed_operation(&self) -> Option<String> {
        let Self::Flow(flow) = self else { return None };
        let errors = &flow.last_operation.as_ref()?.status.errors;
        let said = |error: &model::OperationError| {
            format!("{} {}", error.code.as_deref().unwrap_or_default(), error.message)
        };
        (!errors.is_empty()).then(|| errors.iter().map(said).collect::<Vec<_>>().join("; ").trim().to_owned())
    }

    /// Whether Adobe is still working on a change that it accepted.
    pub fn is_unfinished(&self) -> bool {
        let is_in_transition = self.meta().is_some_and(|meta| meta.state.is_transitional());
        let operation = if let Self::Flow(flow) = self { flow.last_operation.as_ref() } else { None };
        is_in_transition || operation.is_some_and(|operation| operation.status.is_under_way())
    }

    /// Who edited it last, and when, as Adobe tells it.
    pub fn editor(&self) -> Option<String> {
        let meta = self.meta()?;
        let by = meta.updated_by.as_deref().unwrap_or("unknown");
        let client =
            meta.updated_client.as_deref().map(|client| format!(" (client {client})")).unwrap_or_default();
        let time = meta.updated_at.and_then(crate::clock::from_millis);
        let time = time.map(|time| format!(" at {time}")).unwrap_or_default();
        Some(format!("{by}{client}{time}"))
    }

    /// The etag, where the service has one.
    pub fn etag(&self) -> Option<&crate::aep::Etag> {
        self.meta().and_then(|meta| meta.etag.as_ref())
    }

    /// What tells one version of the object from another: the etag, or the version where a service has no etags; a dataset has neither.
    pub fn tag(&self) -> Option<String> {
        match self {
            Self::MappingSet(set) => set.version.map(|version| version.to_string()),
            Self::Resource(resource) => resource.version.clone(),
            Self::DataSet(_) => None,
            _ => self.etag().map(|etag| etag.as_str().to_owned()),
        }
    }

    /// Adobe's id.
    pub fn id(&self) -> &str {
        match self {
            Self::MappingSet(set) => &set.id,
            Self::Resource(resource) => &resource.id,
            Self::DataSet(data_set) => &data_set.id,
            _ => self.meta().map(|meta| meta.id.as_str()).unwrap_or_default(),
        }
    }

    /// What would narrow a search for the object: what it reads from, or writes to, or its title.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Flow(flow) => flow.source_connection_ids.first().map(String::as_str),
            Self::TargetConnection(target) => target.data_set_id(),
            Self::Resource(resource) => Some(&resource.title),
            _ => None,
        }
    }

    /// When the object was created, in epoch milliseconds, where Adobe tells it.
    pub fn created_at(&self) -> Option<i64> {
        self.meta().and_then(|meta| meta.created_at)
    }

    /// What status holds of the object.
    pub fn external(&self, role: Role, site: &Site) -> ExternalObject {
        let state = self.meta().map(|meta| meta.state.as_str().to_owned()).filter(|state| !state.is_empty());
        ExternalObject { state, ..external(site, role, self.id().to_owned(), self.tag()) }
    }

    /// The client that created the object, where Adobe tells it.
    pub fn created_client(&self) -> Option<&str> {
        match self {
            Self::DataSet(data_set) => data_set.created_client.as_deref(),
            _ => self.meta().and_then(|meta| meta.created_client.as_deref()),
        }
    }

    /// The organisation and the sandbox that the object names as its own, where Adobe tells them.
    pub fn home(&self) -> (Option<&str>, Option<&str>) {
        match (self, self.meta()) {
            (Self::DataSet(data_set), _) => (data_set.organization.as_deref(), None),
            (_, Some(meta)) => (meta.organization.as_deref(), meta.sandbox_name.as_deref()),
            (_, None) => (None, None),
        }
    }

    pub(super) fn candidate(&self) -> Candidate {
        Candidate {
            id: self.id().to_owned(),
            marker: self.marker(),
            name: self.name().to_owned(),
            created_client: self.created_client().map(str::to_owned),
            created_at: self.created_at(),
        }
    }
}
