//! What takes part in Real-Time Customer Profile is never deleted: Adobe allows no way back, and for datasets it checks nothing.

use super::site::Site;
use super::upstream::{self, Object};
use crate::aep::model::ResourceKind;
use crate::api::condition::Reason;
use crate::api::role::Role;
use crate::domain::outcome::Obstacle;

/// Refuses the deletion of a schema in the union, of a dataset that feeds Profile, and of one whose schema is in the union.
pub(super) async fn refuse_deletion(site: &Site, role: Role, id: &str) -> Result<(), Obstacle> {
    if !matches!(role, Role::Schema | Role::Dataset) {
        return Ok(());
    }
    match upstream::read(site, role, id, None).await? {
        Some(Object::Resource(schema)) if schema.is_in_union() => {
            Err(refused("spec.targetSchema.managed.deletionPolicy", role, id))
        }
        Some(Object::DataSet(data_set)) => {
            let is_fed = data_set.is_profile_enabled() || is_in_union(site, data_set.schema_ref).await?;
            if is_fed { Err(refused("spec.dataset.managed.deletionPolicy", role, id)) } else { Ok(()) }
        }
        _ => Ok(()),
    }
}

async fn is_in_union(site: &Site, schema: Option<crate::aep::model::SchemaRef>) -> Result<bool, Obstacle> {
    let Some(schema) = schema else { return Ok(false) };
    let schema = site.session.get_resource(ResourceKind::Schema, &schema.id).await?;
    Ok(schema.is_some_and(|schema| schema.is_in_union()))
}

fn refused(field: &str, role: Role, id: &str) -> Obstacle {
    Obstacle::invalid(
        Reason::ProfileEnabled,
        format!(
            "{field}: the {role} {id} takes part in Real-Time Customer Profile, so it is never deleted here: set this to Retain, and this object goes while the {role} stays"
        ),
    )
}
