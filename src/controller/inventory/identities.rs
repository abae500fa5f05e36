//! Identities that others removed. A descriptor stands beside its schema, whose version it does not move, so one list of all identities
//! tells which of those that spec asks for are missing.

use kube::ResourceExt;
use tokio::time::Instant;

use super::fleet::known;
use crate::aep::Lane;
use crate::api::IngestionMapping;
use crate::api::role::Role;
use crate::controller::context::Context;
use crate::controller::memory::Shown;
use crate::controller::site::Site;
use crate::controller::upstream::identity_of;
use crate::domain::mapping::{IdentityField, identity_fields};
use crate::domain::outcome::Obstacle;

/// Wakes the mappings whose schema lacks an identity. Without identities in spec nothing is asked.
pub(super) async fn review(cx: &Context, site: &Site, mappings: &[IngestionMapping]) -> Result<(), Obstacle> {
    let began = Instant::now();
    let asked_for: Vec<_> = mappings.iter().filter_map(|mapping| Some((mapping, wanted(mapping)?))).collect();
    if asked_for.is_empty() {
        return Ok(());
    }
    let found = site.session.on(Lane::Drift).list_identities().await?;
    for (mapping, wanted) in asked_for {
        for schema in known(site, Role::Schema, std::slice::from_ref(mapping)) {
            let is_there = |field: &IdentityField| {
                found
                    .iter()
                    .any(|descriptor| descriptor.schema == schema.id && identity_of(descriptor) == *field)
            };
            if !wanted.iter().all(is_there) && cx.memory.show(&schema.uid, Role::Schema, Shown::Moved, began)
            {
                cx.wake.wake::<IngestionMapping>(&schema.namespace, &mapping.name_any());
            }
        }
    }
    Ok(())
}

/// What spec asks for; the tenant stands in status.
fn wanted(mapping: &IngestionMapping) -> Option<Vec<IdentityField>> {
    let managed = mapping.spec.target_schema.managed.as_ref()?;
    let tenant = mapping.status.as_ref()?.tenant.as_deref()?;
    Some(identity_fields(&managed.identities, tenant)).filter(|wanted| !wanted.is_empty())
}
