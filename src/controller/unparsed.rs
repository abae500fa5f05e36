//! An object that this version cannot read. What is wrong is said on it, and nothing else is done: what it has upstream stays.
//!
//! The API server lets no such object in, but it may have been written under other CRDs than those that this version brings.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use kube::api::DynamicObject;
use kube::core::{PartialObjectMeta, PartialObjectMetaExt};
use kube::runtime::controller::Action;
use serde::Deserialize;
use serde_json::{Value, json};

use super::conditions::Conditions;
use super::context::Context;
use super::managed::Managed;
use crate::api::condition::Reason;
use crate::api::status::bounded;
use crate::cluster::events::Severity;
use crate::cluster::read::MAX_WHY;
use crate::domain::outcome::Obstacle;

/// The next pass over an object that is gone, which its event forgets.
const GONE: Duration = Duration::from_hours(1);
/// The next pass over an object that parses again: the event of that is on its way.
const MENDED: Duration = Duration::from_secs(5);

/// Reads the object again, and records why it cannot be read.
pub(super) async fn refuse<K: Managed>(cx: &Context, meta: &ObjectMeta) -> Result<Action, Obstacle> {
    let namespace = meta.namespace.as_deref().unwrap_or_default();
    let found = cx.cluster.get_raw::<K>(namespace, meta.name.as_deref().unwrap_or_default()).await?;
    let Some(object) = found.filter(|object| object.metadata.uid == meta.uid) else {
        return Ok(Action::requeue(GONE));
    };
    let Err(why) = parse::<K>(&object) else { return Ok(Action::requeue(MENDED)) };
    let obstacle = obstacle(&object.metadata, &why);
    let status = judged(cx, &object, &obstacle);
    record::<K>(cx, &object, &status, &obstacle).await?;
    let mut written = object;
    written.data["status"] = status;
    // What could not be read was a condition, and has gone with it.
    if parse::<K>(&written).is_ok() { Ok(Action::requeue(MENDED)) } else { Err(obstacle) }
}

fn parse<K: Managed>(object: &DynamicObject) -> Result<(), String> {
    let parsed = match serde_json::to_value(object) {
        Ok(value) => serde_path_to_error::deserialize::<_, K>(value).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    parsed.map(drop).map_err(|why| bounded(&why, MAX_WHY))
}

fn obstacle(meta: &ObjectMeta, why: &str) -> Obstacle {
    let waits = if meta.deletion_timestamp.is_some() { "; its deletion waits for that" } else { "" };
    Obstacle::invalid(
        Reason::Unparsable,
        format!(
            "this version of the operator cannot read the object: {why}. {}{waits}",
            Reason::Unparsable.remedy()
        ),
    )
}

/// Status as it stands, what cannot be read included, with the conditions that tell of it.
fn judged(cx: &Context, object: &DynamicObject, obstacle: &Obstacle) -> Value {
    let mut status = status_of(object).cloned().unwrap_or_else(|| json!({}));
    let held = status["conditions"].as_array().cloned().unwrap_or_default();
    let mut list: Vec<Condition> =
        held.iter().filter_map(|condition| Condition::deserialize(condition).ok()).collect();
    let mut conditions =
        Conditions { list: &mut list, generation: object.metadata.generation, now: cx.now() };
    conditions.obstructed(obstacle, obstacle.effect(0));
    status["conditions"] = json!(list);
    status["observedGeneration"] = json!(object.metadata.generation);
    status
}

fn status_of(object: &DynamicObject) -> Option<&Value> {
    object.data.get("status").filter(|status| status.is_object())
}

/// Writes status if it differs; an event tells of what is new.
async fn record<K: Managed>(
    cx: &Context,
    object: &DynamicObject,
    status: &Value,
    obstacle: &Obstacle,
) -> Result<(), Obstacle> {
    let held = status_of(object);
    if held == Some(status) {
        return Ok(());
    }
    cx.cluster.write_raw_status::<K>(object, status).await?;
    if held.is_none_or(|held| says(held) != says(status)) {
        let object: PartialObjectMeta<K> = object.metadata.clone().into_response_partial();
        cx.cluster.publish(&object, Severity::Warning, obstacle.reason, &obstacle.message).await;
    }
    Ok(())
}

/// What Ready says in a status.
fn says(status: &Value) -> Option<&Value> {
    status["conditions"].as_array()?.iter().find(|condition| condition["type"] == "Ready")?.get("message")
}
