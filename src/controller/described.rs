//! Name, description and marker: what every Flow Service object has alike.

use super::managed::{Change, Managed, Shape};
use super::upstream::Object;
use crate::aep::{Entity, Patch};
use crate::api::role::Role;
use crate::api::status::ExternalObject;
use crate::domain::drift::Drift;
use crate::domain::marker::Marker;
use crate::domain::outcome::Obstacle;

/// The difference in name, description and marker. The description is compared before its marker.
pub fn drift<K: Managed>(
    shape: &Shape<'_, K>,
    role: Role,
    object: &Object,
    said_name: &str,
    said_description: Option<&str>,
) -> Drift {
    let observed = object.description();
    let name = name(shape, role, object, said_name);
    let description = description(shape, role, object, said_description);
    let wanted = shape.marker(role);
    let marker = object.marker().map(|marker| marker.to_string()).unwrap_or_default();
    Drift::default()
        .field("displayName", name.trim(), object.name().trim())
        .field("description", description.unwrap_or_default().trim_end(), Marker::text_before(observed))
        .field("marker", wanted, marker)
}

/// What spec says of the name; an adopted object keeps its own where spec says nothing.
fn name<'a, K: Managed>(shape: &Shape<'_, K>, role: Role, object: &'a Object, said: &'a str) -> &'a str {
    if shape.is_adopted(role) && shape.unsaid.name { object.name() } else { said }
}

/// What spec says of the description; an adopted object keeps its own where spec says nothing.
pub fn description<'a, K: Managed>(
    shape: &Shape<'_, K>,
    role: Role,
    object: &'a Object,
    said: Option<&'a str>,
) -> Option<&'a str> {
    let keeps = shape.is_adopted(role) && shape.unsaid.description;
    if keeps { Some(Marker::text_before(object.description())) } else { said }
}

/// The patch for the differences in name, description and marker.
pub fn patch<K: Managed>(
    shape: &Shape<'_, K>,
    change: &Change<'_>,
    said_name: &str,
    said_description: Option<&str>,
) -> Patch {
    let mut patch = Patch::new();
    if change.drift.has("displayName") {
        patch = patch.replace("/name", name(shape, change.role, change.object, said_name));
    }
    if change.drift.has("description") || change.drift.has("marker") {
        let description = description(shape, change.role, change.object, said_description);
        // `add` also overwrites, and does not fail where the description was removed by hand.
        patch = patch.add("/description", shape.marker(change.role).describe(description));
    }
    patch
}

/// Sends a patch with the etag that was observed.
pub async fn send<E: Entity, K: Managed>(
    shape: &Shape<'_, K>,
    change: &Change<'_>,
    patch: Patch,
) -> Result<ExternalObject, Obstacle> {
    let mut external = change.object.external(change.role, shape.site());
    if patch.is_empty() {
        return Ok(external);
    }
    let etag = change
        .object
        .etag()
        .ok_or_else(|| Obstacle::bug(format!("the {} came without an etag", change.role)))?;
    let etag = shape.site().session.patch::<E>(&external.id, etag, &patch).await?;
    external.etag = etag.map(|etag| etag.as_str().to_owned());
    Ok(external)
}
