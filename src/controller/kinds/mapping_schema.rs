//! The managed schema: its identities, and its way into Profile.
//!
//! Descriptors have no marker and no etag, so they are looked up before each creation and announced like a POST. The union tag can never
//! be taken back: it is set last, when the primary identity stands and the rows were accepted.

use serde_json::{Value, json};

use super::mapping_checks;
use super::mapping_update::send_patch;
use crate::aep::Patch;
use crate::aep::model::{self, ResourceKind};
use crate::api::IngestionMapping;
use crate::api::condition::Reason;
use crate::api::role::Role;
use crate::api::status::ExternalObject;
use crate::controller::announce::waiting_for_change;
use crate::controller::context::Context;
use crate::controller::hash;
use crate::controller::managed::{Before, Change, Shape};
use crate::controller::site::Site;
use crate::controller::upstream::identity_of;
use crate::domain::drift::Drift;
use crate::domain::intent::Announced;
use crate::domain::mapping::{
    IdentityChanges, IdentityField, ObservedIdentity, identity_body, identity_changes,
};
use crate::domain::outcome::{Class, Obstacle};

type MappingShape<'a> = Shape<'a, IngestionMapping>;

/// What is announced for the union tag.
const UNION: &str = "union";

/// Reads the identities of the schema.
pub(super) async fn complete(site: &Site, schema: &mut model::Resource) -> Result<(), Obstacle> {
    schema.identities = site.session.list_descriptors(&schema.id).await?;
    schema.identities.retain(model::Descriptor::is_identity);
    Ok(())
}

/// The difference of the schema itself.
pub(super) fn drift(mapping: &IngestionMapping, shape: &MappingShape<'_>, schema: &model::Resource) -> Drift {
    let managed = mapping.spec.target_schema.managed.as_ref();
    let class = managed.map(|managed| managed.class_id.as_str()).unwrap_or_default();
    let differ = changes(shape, schema).map_or(true, |changes| !changes.is_empty());
    let observed = if differ { described(schema) } else { shown(&shape.desired.identities) };
    Drift::default()
        .field("class", class, schema.class().unwrap_or(class))
        .field("identities", shown(&shape.desired.identities), observed)
        .field("profile", shape.desired.profile, schema.is_in_union())
}

fn observed(shape: &MappingShape<'_>, schema: &model::Resource) -> Vec<ObservedIdentity> {
    let client = shape.site().client_id();
    let identity = |descriptor: &model::Descriptor| ObservedIdentity {
        id: descriptor.id.clone(),
        field: identity_of(descriptor),
        is_ours: descriptor.created_client.as_deref() == Some(client),
    };
    schema.identities.iter().map(identity).collect()
}

pub(super) fn changes(
    shape: &MappingShape<'_>,
    schema: &model::Resource,
) -> Result<IdentityChanges, Obstacle> {
    if shape.desired.identities.is_empty() && shape.is_adopted(Role::Schema) {
        return Ok(IdentityChanges::default());
    }
    identity_changes(&shape.desired.identities, &observed(shape, schema), schema.is_in_union()).map_err(
        |conflict| {
            Obstacle::invalid(
                Reason::IdentityInvalid,
                format!("spec.targetSchema.managed.identities: {conflict}"),
            )
        },
    )
}

fn shown(identities: &[IdentityField]) -> String {
    identities.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// What stands upstream, in words that never equal what is wanted.
fn described(schema: &model::Resource) -> String {
    let descriptors = schema.identities.iter().map(|descriptor| {
        let property = descriptor.property.as_deref().unwrap_or_default();
        format!("{property} (descriptor {})", descriptor.id)
    });
    let text = descriptors.collect::<Vec<_>>().join(", ");
    if text.is_empty() { "none".to_owned() } else { text }
}

/// Refuses what cannot be done, waits while a descriptor may still surface, and announces what is to be made.
pub(super) async fn before(
    cx: &Context,
    shape: &MappingShape<'_>,
    schema: &model::Resource,
    drift: &Drift,
) -> Result<Before, Obstacle> {
    refuse_leaving_profile(shape, schema)?;
    let changes = changes(shape, schema)?;
    let hash = |field: &IdentityField| hash::of(field);
    let mut hashes: Vec<String> = changes.create.iter().map(hash).collect();
    wait_for_descriptors(cx, shape, schema, &hashes)?;
    if drift.has("profile") {
        mapping_checks::check_rows(shape, &schema.id).await?;
        hashes.push(UNION.to_owned());
    }
    if hashes.is_empty() {
        return Ok(Before::Send);
    }
    let announced = Announced { id: schema.id.clone(), version: None, hashes };
    Ok(Before::Announce(announced, changes.create.len()))
}

pub(super) fn refuse_leaving_profile(
    shape: &MappingShape<'_>,
    schema: &model::Resource,
) -> Result<(), Obstacle> {
    if shape.desired.profile || !schema.is_in_union() {
        return Ok(());
    }
    Err(Obstacle::invalid(
        Reason::SchemaChangeRefused,
        format!(
            "spec.targetSchema.managed.profile: the schema {} takes part in Profile, and Adobe never takes one out again: set profile: true, with the primary identity that it has",
            schema.id
        ),
    ))
}

fn wait_for_descriptors(
    cx: &Context,
    shape: &MappingShape<'_>,
    schema: &model::Resource,
    missing: &[String],
) -> Result<(), Obstacle> {
    let announced = shape.intent.and_then(|intent| intent.changes.get(&Role::Schema));
    let is_in_doubt = announced.is_some_and(|announced| {
        announced.id == schema.id && missing.iter().any(|hash| announced.hashes.contains(hash))
    });
    let grace = cx.memory.change_grace(shape.uid, Role::Schema, cx.settings.lookup_grace);
    if !is_in_doubt || grace.is_zero() {
        return Ok(());
    }
    Err(waiting_for_change(&format!("an identity descriptor of schema {}", schema.id), grace))
}

/// Brings the descriptors to what spec asks for; when they stand, sets description and union tag.
pub(super) async fn update(
    mapping: &IngestionMapping,
    shape: &MappingShape<'_>,
    mut change: Change<'_>,
    schema: &model::Resource,
) -> Result<ExternalObject, Obstacle> {
    let changes = changes(shape, schema)?;
    if !changes.is_empty() {
        change_identities(shape, &mut change, &schema.id, &changes).await?;
        return Ok(change.object.external(change.role, shape.site()));
    }
    let mut patch = Patch::new();
    if change.drift.has("profile") {
        patch = patch.add("/meta:immutableTags", with_union(schema));
    }
    send_patch(mapping, shape, &change, (ResourceKind::Schema, schema), patch).await
}

/// The immutable tags with the union in them: all of them, so that the same patch twice adds nothing.
fn with_union(schema: &model::Resource) -> Value {
    let mut tags =
        schema.raw.get("meta:immutableTags").and_then(Value::as_array).cloned().unwrap_or_default();
    tags.push(json!(UNION));
    Value::Array(tags)
}

async fn change_identities(
    shape: &MappingShape<'_>,
    change: &mut Change<'_>,
    schema_id: &str,
    changes: &IdentityChanges,
) -> Result<(), Obstacle> {
    let session = &shape.site().session;
    for id in &changes.delete {
        session.delete_descriptor(change.gate, id).await?;
    }
    for (made, field) in changes.create.iter().enumerate() {
        let permit = change
            .permits
            .pop()
            .ok_or_else(|| Obstacle::bug("a descriptor needs a permit from before its claim"))?;
        let body = identity_body(schema_id, field);
        match session.create_descriptor(permit, change.gate, &body).await {
            Ok(_) => {}
            // What was made so far may not be visible yet; the next look tells, and the rest is tried again.
            Err(error) if made > 0 && !error.is_ambiguous() => return Ok(()),
            Err(error) => return Err(refused(error, field)),
        }
    }
    Ok(())
}

fn refused(error: crate::aep::Error, field: &IdentityField) -> Obstacle {
    let obstacle = Obstacle::from(error);
    if obstacle.class != Class::Invalid {
        return obstacle;
    }
    let message = format!(
        "spec.targetSchema.managed.identities: Adobe refuses the identity {field}: {}",
        obstacle.message
    );
    Obstacle { reason: Reason::IdentityInvalid, message, ..obstacle }
}
