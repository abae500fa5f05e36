//! The managed dataset of a flow: its tags, which hold the marker and make it feed Profile. Nothing else of it ever changes.

use std::collections::BTreeMap;

use serde_json::json;

use super::flow_checks::refuse_other_schema;
use crate::aep::{Patch, model};
use crate::api::IngestionFlow;
use crate::api::role::Role;
use crate::api::status::ExternalObject;
use crate::controller::managed::{Change, Managed, Shape};
use crate::controller::upstream::{MARKER_TAG, OWNER_TAG, Object};
use crate::domain::drift::Drift;
use crate::domain::outcome::Obstacle;

type FlowShape<'a> = Shape<'a, IngestionFlow>;

/// Adobe's tags of a dataset that feeds Profile and the identity graph.
const PROFILE_TAGS: [&str; 2] = ["unifiedProfile", "unifiedIdentity"];
/// Their value.
const ENABLED: &str = "enabled:true";

/// The tags of a managed dataset: the marker decides, the owner narrows a look-up, and Adobe's own ones make it feed Profile.
pub(super) fn tags(shape: &FlowShape<'_>) -> BTreeMap<String, Vec<String>> {
    let marker = shape.marker(Role::Dataset);
    let mut tags = BTreeMap::from([
        (MARKER_TAG.to_owned(), vec![marker.to_string()]),
        (OWNER_TAG.to_owned(), vec![marker.owner.to_string()]),
    ]);
    if shape.desired.profile {
        tags.extend(PROFILE_TAGS.map(|tag| (tag.to_owned(), vec![ENABLED.to_owned()])));
    }
    tags
}

/// The difference of the dataset.
pub(super) fn drift(shape: &FlowShape<'_>, object: &Object, data_set: &model::DataSet) -> Drift {
    let desired = shape.desired;
    // A dataset without the owner's tag would not be found by a look-up.
    let owner = shape.marker(Role::Dataset).owner.to_string();
    let marker = object.marker().filter(|_| data_set.has_tag(OWNER_TAG, &owner));
    let marker = marker.map(|marker| marker.to_string()).unwrap_or_default();
    let schema = if refuse_other_schema(data_set, &desired.schema_id).is_ok() {
        desired.schema_id.as_str()
    } else {
        "another schema"
    };
    let feeds_profile = PROFILE_TAGS.iter().all(|tag| data_set.has_tag(tag, ENABLED));
    let drift = Drift::default()
        .field("marker", shape.marker(Role::Dataset), marker)
        .field("dataset schema", &desired.schema_id, schema)
        // A dataset that feeds Profile although nobody here asked for it is left so.
        .field("profile", desired.profile, desired.profile && feeds_profile);
    // A dataset that the operator made is left with the name that people gave it since.
    if shape.is_adopted(Role::Dataset) {
        drift.field("dataset.managed.name", desired.dataset.as_deref().unwrap_or_default(), object.name())
    } else {
        drift
    }
}

/// Puts the tags right, one key at a time: those of others stay.
pub(super) async fn update(
    flow: &IngestionFlow,
    shape: &FlowShape<'_>,
    change: &Change<'_>,
    data_set: &model::DataSet,
) -> Result<ExternalObject, Obstacle> {
    refuse_other_schema(data_set, &shape.desired.schema_id)?;
    let session = &shape.site().session;
    let mut patch = Patch::new();
    if change.drift.has("description") {
        patch = patch.add("/description", shape.desired.description.clone().unwrap_or_default());
    }
    if change.drift.has("dataset.managed.name") {
        patch = patch.add("/name", flow.upstream_name(change.role));
    }
    if data_set.tags.is_empty() {
        patch = patch.add("/tags", json!(tags(shape)));
    } else {
        let missing = tags(shape)
            .into_iter()
            .filter(|(key, values)| !values.iter().all(|value| data_set.has_tag(key, value)));
        for (key, mut values) in missing {
            if PROFILE_TAGS.contains(&key.as_str()) {
                // Others stand beside it, such as the one for upserts.
                let others = data_set.tags.get(&key).into_iter().flatten();
                values.extend(others.filter(|value| !value.starts_with("enabled:")).cloned());
            }
            patch = patch.add(format!("/tags/{}", Patch::segment(&key)), json!(values));
        }
    }
    session.patch_data_set(change.gate, &data_set.id, &patch).await?;
    if change.drift.has("marker") {
        tracing::info!(dataset = data_set.id, flow = flow.metadata.name, "attached a retained dataset");
    }
    Ok(change.object.external(change.role, shape.site()))
}
