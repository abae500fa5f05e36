//! The identities that spec asks for, against a list of all descriptors.

use crate::aep::model::Descriptor;
use crate::api::IngestionMapping;
use crate::controller::upstream::identity_of;
use crate::domain::mapping::{IdentityField, identity_fields};

/// What spec asks for, if it asks for any; the tenant stands in status.
pub(super) fn wanted(mapping: &IngestionMapping) -> Option<Vec<IdentityField>> {
    let managed = mapping.spec.target_schema.managed.as_ref()?;
    let tenant = mapping.status.as_ref()?.tenant.as_deref()?;
    Some(identity_fields(&managed.identities, tenant)).filter(|wanted| !wanted.is_empty())
}

/// Whether a schema has all of them.
pub(super) fn stand(wanted: &[IdentityField], schema_id: &str, found: &[Descriptor]) -> bool {
    let stands = |field: &IdentityField| {
        found.iter().any(|descriptor| descriptor.schema == schema_id && identity_of(descriptor) == *field)
    };
    wanted.iter().all(stands)
}
