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
use crate::cluster::events::Severity;
use crate::domain::outcome::Obstacle;

/// The next pass over an object that is gone, which its event forgets.
const GONE: Duration = Duration::from_hours(1);
/// The next pass over an object that parses again: the event of that is on its way.
const MENDED: Duration = Duration::from_secs(5);

/// Reads the object again, and records why it cannot be read.
pub(super) async fn refuse<K: Managed>(cx: &Context, meta: &ObjectMeta) -> Result<Action, Obstacle> {
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    let found = cx.cluster.get_raw::<K>(&part(&meta.namespace), &part(&meta.name)).await?;
    let Some(object) = found.filter(|object| object.metadata.uid == meta.uid) else {
        return Ok(Action::requeue(GONE));
    };
    match parse::<K>(&object) {
        Ok(()) => Ok(Action::requeue(MENDED)),
        Err(why) => {
            let obstacle = obstacle(&object.metadata, &why);
            record::<K>(cx, &object, &obstacle).await?;
            Err(obstacle)
        }
    }
}

fn parse<K: Managed>(object: &DynamicObject) -> Result<(), String> {
    let value = serde_json::to_value(object).map_err(|error| error.to_string())?;
    serde_path_to_error::deserialize::<_, K>(value).map(drop).map_err(|error| error.to_string())
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

/// Writes the conditions into status as it stands, what cannot be read included. The same again writes nothing.
async fn record<K: Managed>(
    cx: &Context,
    object: &DynamicObject,
    obstacle: &Obstacle,
) -> Result<(), Obstacle> {
    let held = object.data.get("status").filter(|status| status.is_object()).cloned();
    let mut status = held.clone().unwrap_or_else(|| json!({}));
    let mut list: Vec<Condition> = Deserialize::deserialize(&status["conditions"]).unwrap_or_default();
    let mut conditions =
        Conditions { list: &mut list, generation: object.metadata.generation, now: cx.now() };
    conditions.obstructed(obstacle, obstacle.effect(0));
    status["conditions"] = json!(list);
    status["observedGeneration"] = json!(object.metadata.generation);
    if held.as_ref() == Some(&status) {
        return Ok(());
    }
    cx.cluster.write_raw_status::<K>(object, &status).await?;
    if held.is_none_or(|held| says(&held) != says(&status)) {
        let object: PartialObjectMeta<K> = object.metadata.clone().into_response_partial();
        cx.cluster.publish(&object, Severity::Warning, obstacle.reason, &obstacle.message).await;
    }
    Ok(())
}

/// What Ready says in a status.
fn says(status: &Value) -> Option<&Value> {
    status["conditions"].as_array()?.iter().find(|condition| condition["type"] == "Ready")?.get("message")
}
