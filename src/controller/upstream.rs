//! Adobe by role: search, read and delete, the same for whichever kind owns the object.

mod object;

pub use self::object::{Object, identity_of};
use super::site::Site;
use crate::aep::model::ResourceKind;
use crate::aep::{Created, Deleted, Filter, Gate, Presence, Session, model, spec};
use crate::api::condition::Reason;
use crate::api::role::Role;
use crate::api::status::ExternalObject;
use crate::domain::lookup::Candidate;
use crate::domain::marker::{Marker, Relation};
use crate::domain::outcome::{Class, Obstacle};

/// Dataset tag that holds the marker.
pub const MARKER_TAG: &str = "aepOperator";
/// Dataset tag that holds cluster, namespace and name of the owner: what a look-up filters by.
pub const OWNER_TAG: &str = "aepOperatorOwner";

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
        Role::SourceConnection | Role::FormerSourceConnection => all(
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
        Role::SourceConnection | Role::FormerSourceConnection => {
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
        Role::SourceConnection | Role::FormerSourceConnection => {
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
        Role::SourceConnection | Role::FormerSourceConnection => {
            session.delete::<model::SourceConnection>(gate, id).await
        }
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
