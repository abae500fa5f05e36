//! Adobe by role: search, read and delete, the same for whichever kind owns the object.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::managed::Managed;
use super::site::Site;
use crate::aep::model::ResourceKind;
use crate::aep::{Created, Deleted, Filter, Gate, Presence, Session, model, spec};
use crate::api::condition::{Reason, eq_ignoring_times};
use crate::api::role::Role;
use crate::api::status::ExternalObject;
use crate::domain::lookup::Candidate;
use crate::domain::marker::{Marker, Relation};
use crate::domain::outcome::{Class, Obstacle};

/// Dataset tag that holds the marker.
pub const MARKER_TAG: &str = "aepOperator";
/// Dataset tag that holds cluster, namespace and name of the owner: what a look-up filters by.
pub const OWNER_TAG: &str = "aepOperatorOwner";

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

    fn candidate(&self) -> Candidate {
        Candidate {
            id: self.id().to_owned(),
            marker: self.marker(),
            name: self.name().to_owned(),
            created_client: self.created_client().map(str::to_owned),
            created_at: self.created_at(),
        }
    }
}

/// What status holds of an object with that id and etag; services without etags have a version in its place.
pub fn external(site: &Site, role: Role, id: String, etag: Option<String>) -> ExternalObject {
    ExternalObject {
        role,
        id,
        etag,
        state: None,
        organization: site.organization.clone(),
        sandbox: site.sandbox.clone(),
        sandbox_id: site.sandbox_id.clone(),
        adopted: None,
    }
}

/// What status holds of an object that a POST has just created.
pub fn created(site: &Site, role: Role, created: Created) -> ExternalObject {
    external(site, role, created.id, created.etag.map(|etag| etag.as_str().to_owned()))
}

/// Everything that a narrowed search for a role shows: the caller decides by the marker.
pub async fn search(site: &Site, role: Role, key: &str) -> Result<Vec<Candidate>, Obstacle> {
    let session = &site.session;
    let objects: Vec<Object> = match role {
        Role::Connection | Role::Probe => all(
            session.list::<model::Connection>(&Filter::all().equal("connectionSpec.id", key)).await?,
            Object::Connection,
        ),
        Role::SourceConnection => all(
            session.list::<model::SourceConnection>(&Filter::all().equal("baseConnectionId", key)).await?,
            Object::SourceConnection,
        ),
        Role::TargetConnection | Role::PreviousTargetConnection => all(
            session.list::<model::TargetConnection>(&Filter::all().equal("params.dataSetId", key)).await?,
            Object::TargetConnection,
        ),
        Role::Flow | Role::PreviousFlow => all(
            session.list::<model::Flow>(&Filter::all().equal("sourceConnectionIds[]", key)).await?,
            Object::Flow,
        ),
        Role::MappingSet => all(session.find_mapping_sets(key).await?, Object::MappingSet),
        Role::FieldGroup => {
            all(session.find_resources(ResourceKind::FieldGroup, key).await?, Object::Resource)
        }
        Role::Schema => all(session.find_resources(ResourceKind::Schema, key).await?, Object::Resource),
        Role::Dataset | Role::PreviousDataset => {
            all(session.find_data_sets_by_tag(OWNER_TAG, key).await?, Object::DataSet)
        }
    };
    Ok(objects.iter().map(Object::candidate).collect())
}

/// All target connections of the sandbox that write to the data lake.
pub async fn search_targets(site: &Site) -> Result<Vec<Candidate>, Obstacle> {
    Ok(list(&site.session, Role::TargetConnection).await?.iter().map(Object::candidate).collect())
}

/// Everything of a role in the sandbox, narrowed to our specs and tags: a real sandbox is shared.
pub async fn list(session: &Session, role: Role) -> Result<Vec<Object>, Obstacle> {
    let of_spec = |path: &str, spec: &str| Filter::all().equal(path, spec);
    let stripe = of_spec("connectionSpec.id", spec::STRIPE_CONNECTION_SPEC);
    let lake = of_spec("connectionSpec.id", spec::DATA_LAKE_CONNECTION_SPEC);
    let rest = of_spec("flowSpec.id", spec::REST_FLOW_SPEC);
    Ok(match role.present() {
        Role::Connection | Role::Probe => {
            all(session.list::<model::Connection>(&stripe).await?, Object::Connection)
        }
        Role::SourceConnection => {
            all(session.list::<model::SourceConnection>(&stripe).await?, Object::SourceConnection)
        }
        Role::FieldGroup => all(session.list_resources(ResourceKind::FieldGroup).await?, Object::Resource),
        Role::Schema => all(session.list_resources(ResourceKind::Schema).await?, Object::Resource),
        Role::MappingSet => all(session.list_mapping_sets().await?, Object::MappingSet),
        Role::Dataset | Role::PreviousDataset => {
            all(session.list_tagged_data_sets(OWNER_TAG).await?, Object::DataSet)
        }
        Role::TargetConnection | Role::PreviousTargetConnection => {
            all(session.list::<model::TargetConnection>(&lake).await?, Object::TargetConnection)
        }
        Role::Flow | Role::PreviousFlow => all(session.list::<model::Flow>(&rest).await?, Object::Flow),
    })
}

fn all<T>(items: Vec<T>, wrap: impl Fn(T) -> Object) -> Vec<Object> {
    items.into_iter().map(wrap).collect()
}

/// One object by its id; `None` when Adobe answers that there is none.
pub async fn read(
    site: &Site,
    role: Role,
    id: &str,
    version: Option<i64>,
) -> Result<Option<Object>, Obstacle> {
    let session = &site.session;
    Ok(match role {
        Role::Connection | Role::Probe => session.get::<model::Connection>(id).await?.map(Object::Connection),
        Role::SourceConnection => {
            session.get::<model::SourceConnection>(id).await?.map(Object::SourceConnection)
        }
        Role::TargetConnection | Role::PreviousTargetConnection => {
            session.get::<model::TargetConnection>(id).await?.map(Object::TargetConnection)
        }
        Role::Flow | Role::PreviousFlow => session.get::<model::Flow>(id).await?.map(Object::Flow),
        // The documents disagree on the version that a plain GET returns, so the version is always named.
        Role::MappingSet => {
            session.get_mapping_set(id, version.unwrap_or_default()).await?.map(Object::MappingSet)
        }
        Role::FieldGroup => session.get_resource(ResourceKind::FieldGroup, id).await?.map(Object::Resource),
        Role::Schema => session.get_resource(ResourceKind::Schema, id).await?.map(Object::Resource),
        Role::Dataset | Role::PreviousDataset => session.get_data_set(id).await?.map(Object::DataSet),
    })
}

/// The newest version of a mapping set, found in few reads: versions have no gaps, and the documents disagree on the version that a plain
/// GET returns.
pub async fn newest_set(site: &Site, id: &str) -> Result<Option<model::MappingSet>, Obstacle> {
    let session = &site.session;
    let Some(mut newest) = session.get_mapping_set(id, 0).await? else { return Ok(None) };
    let (mut known, mut step) = (0, 1);
    while let Some(set) = session.get_mapping_set(id, known + step).await? {
        (newest, known, step) = (set, known + step, step * 2);
    }
    let mut missing = known + step;
    while missing - known > 1 {
        let middle = known.midpoint(missing);
        match session.get_mapping_set(id, middle).await? {
            Some(set) => (newest, known) = (set, middle),
            None => missing = middle,
        }
    }
    Ok(Some(newest))
}

/// Tells a hidden object from a missing one. Only Flow Service can be asked: its objects have etags and labels.
pub async fn presence(site: &Site, role: Role, id: &str, name: &str) -> Result<Presence, Obstacle> {
    let session = &site.session;
    Ok(match role.present() {
        Role::Connection | Role::Probe => session.presence::<model::Connection>(id, name).await?,
        Role::SourceConnection => session.presence::<model::SourceConnection>(id, name).await?,
        Role::TargetConnection => session.presence::<model::TargetConnection>(id, name).await?,
        Role::Flow => session.presence::<model::Flow>(id, name).await?,
        _ => Presence::Gone,
    })
}

/// Deletes an object that carries our marker and sees it gone. `false` when it was not to be seen in the first place.
///
/// A 404 on GET alone proves nothing: a flow with an access label that our role lacks answers so too, and only its DELETE tells (403).
pub async fn delete(
    site: &Site,
    gate: &Gate,
    role: Role,
    id: &str,
    marker: &Marker,
) -> Result<bool, Obstacle> {
    let session = &site.session;
    let found = read(site, role, id, None).await?;
    if let Some(object) = &found {
        let relation = object.marker().map(|found| found.relation(marker));
        if !matches!(relation, Some(Relation::Ours | Relation::OtherIncarnation)) {
            return Err(Obstacle::invalid(
                Reason::NotOurs,
                format!(
                    "the {role} {id} does not carry this object's marker, so it is not deleted: delete it in AEP, or set deletionPolicy to Retain"
                ),
            ));
        }
    }
    let deleted = match role {
        Role::Connection | Role::Probe => session.delete::<model::Connection>(gate, id).await,
        Role::SourceConnection => session.delete::<model::SourceConnection>(gate, id).await,
        Role::TargetConnection | Role::PreviousTargetConnection => {
            session.delete::<model::TargetConnection>(gate, id).await
        }
        Role::Flow | Role::PreviousFlow => session.delete::<model::Flow>(gate, id).await,
        Role::FieldGroup => session.delete_resource(gate, ResourceKind::FieldGroup, id).await,
        Role::Schema => session.delete_resource(gate, ResourceKind::Schema, id).await,
        Role::Dataset | Role::PreviousDataset => session.delete_data_set(gate, id).await,
        // Data Prep documents no DELETE.
        Role::MappingSet => return Err(Obstacle::bug("a mapping set cannot be deleted")),
    };
    match deleted.map_err(|error| refused_delete(error, role, id))? {
        Deleted::Gone => Ok(found.is_some()),
        Deleted::Accepted if read(site, role, id, None).await?.is_none() => Ok(true),
        Deleted::Accepted => Err(Obstacle::new(
            Class::Unavailable,
            Reason::Deleting,
            format!("the deletion of the {role} {id} is under way upstream"),
        )),
    }
}

fn refused_delete(error: crate::aep::Error, role: Role, id: &str) -> Obstacle {
    let is_denied = error.kind() == crate::aep::ErrorKind::Denied;
    let is_refused = error.kind() == crate::aep::ErrorKind::Refused;
    let mut obstacle = Obstacle::from(error);
    if is_refused && matches!(role, Role::Schema | Role::FieldGroup) {
        // Adobe documents no code for it: what else could stand in the way of a deletion is a dataset or a schema that uses it.
        return Obstacle::blocked(
            Reason::InUseUpstream,
            format!(
                "Adobe refuses the deletion of the {role} {id}: {}: delete what uses it, or set spec.targetSchema.managed.deletionPolicy to Retain",
                obstacle.message
            ),
        );
    }
    if is_denied {
        obstacle.reason = Reason::HiddenByAccessLabel;
        obstacle.message = format!(
            "Adobe refuses the deletion of the {role} {id}: {}. {}",
            obstacle.message,
            Reason::HiddenByAccessLabel.remedy()
        );
    }
    obstacle
}

/// The version that status holds of a mapping set.
pub fn version_of(external: Option<&ExternalObject>) -> Option<i64> {
    external?.etag.as_deref()?.parse().ok()
}

/// A short, stable hash of anything that serialises.
pub fn hash(value: &impl Serialize) -> String {
    let bytes = serde_json::to_vec(value).unwrap_or_default();
    hex(&Sha256::digest(&bytes))
}

/// A hash that tells whether a secret changed and nothing else: salted with the object's UID.
pub fn secret_hash(uid: &str, secret: impl AsRef<[u8]>) -> String {
    let mut digest = Sha256::new();
    digest.update(uid.as_bytes());
    digest.update([0]);
    digest.update(secret);
    hex(&digest.finalize())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().take(16).fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

/// Whether two statuses differ in anything but times of conditions and etags: every run moves a flow's etag, and that alone is worth no
/// write. (What stands in an etag's place where a service has none is a version, and counts.)
pub fn differs<K: Managed>(before: &K::Status, after: &K::Status) -> bool {
    let untimed = |status: &K::Status| {
        let mut status = status.clone();
        let common = K::common_mut(&mut status);
        let conditions: Vec<Condition> = std::mem::take(&mut common.conditions);
        common
            .external
            .iter_mut()
            .filter(|external| has_etag(external.role))
            .for_each(|external| external.etag = None);
        (status, conditions)
    };
    let ((before, conditions_before), (after, conditions_after)) = (untimed(before), untimed(after));
    before != after || !eq_ignoring_times(&conditions_before, &conditions_after)
}

fn has_etag(role: Role) -> bool {
    matches!(
        role,
        Role::Connection | Role::SourceConnection | Role::TargetConnection | Role::Flow | Role::Probe
    )
}

/// The first few of many names, for a message.
pub fn some_of(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(SHOWN) {
        Some(more) if more > 0 => format!("{shown} and {more} more"),
        _ => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_hash_depends_on_the_object_and_the_secret() {
        assert_ne!(secret_hash("u1", "s"), secret_hash("u2", "s"));
        assert_ne!(secret_hash("u1", "s"), secret_hash("u1", "t"));
        assert_eq!(secret_hash("u1", "s"), secret_hash("u1", "s"));
    }

    #[test]
    fn a_long_list_of_names_is_cut() {
        let names: Vec<String> = (1..=7).map(|n| n.to_string()).collect();
        assert_eq!(some_of(&names), "1, 2, 3, 4, 5 and 2 more");
        assert_eq!(some_of(&names[..2]), "1, 2");
    }
}
