//! Watches what calls do to markers: after each write, the markers of the object that was written are known again.

use serde_json::{Value, json};

use crate::flow_service::entity::Kind;
use crate::incoming::{Incoming, Service};
use crate::marker::{self, Marker};
use crate::wire::Reply;
use crate::world::World;

/// Notes the effect of an answered call.
pub fn track(world: &mut World, call: &Incoming, reply: &Reply, seq: u64, now_ms: i64) {
    if call.method == "GET" {
        return;
    }
    world.changes += 1;
    if !(200..300).contains(&reply.status) || matches!(call.service, Service::Ims | Service::Unknown) {
        return;
    }
    let org = call.header("x-gw-ims-org-id").unwrap_or_default();
    if call.service == Service::Flow {
        flow_service(world, call, org, reply, seq, now_ms);
    } else {
        lake(world, call, org, reply, seq, now_ms);
    }
}

fn flow_service(world: &mut World, call: &Incoming, org: &str, reply: &Reply, seq: u64, now_ms: i64) {
    let Some(kind) = call.segments.first().and_then(|name| Kind::of(name)) else { return };
    let Some(id) = created(reply).or_else(|| call.segments.get(1).cloned()) else { return };
    let sandbox = call.header("x-sandbox-name").unwrap_or("prod").to_owned();
    let entity = world.space(org, &sandbox).and_then(|space| space.store.get(kind, &id));
    let Some(entity) = entity else { return world.unmark(org, &id, seq, now_ms) };
    if entity.seeded {
        return;
    }
    // Accepted for deletion: nobody can take it for a live one.
    let texts = if entity.state() == Some("delete-finalizing") {
        Value::Null
    } else {
        json!([entity.text("name"), entity.text("description")])
    };
    let mut markers = marker::in_value(&texts);
    if kind == Kind::Flow && matches!(entity.state(), Some("enabled" | "enabling" | "updating")) {
        markers.extend(markers.clone().into_iter().map(Marker::of_enabled));
    }
    world.mark(org, &id, &markers, seq, now_ms);
}

fn lake(world: &mut World, call: &Incoming, org: &str, reply: &Reply, seq: u64, now_ms: i64) {
    let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
    match call.method.as_str() {
        "POST" => {
            if let Some(id) = created(reply).filter(|_| reply.status <= 201) {
                world.mark(org, &id, &marker::in_value(&body), seq, now_ms);
            }
        }
        "DELETE" => {
            if let Some(id) = call.segments.last() {
                world.unmark(org, &plain(id), seq, now_ms);
            }
        }
        // A change that does not mention the marker leaves it as it is.
        _ if !marker::in_value(&body).is_empty() => {
            if let Some(id) = call.segments.last() {
                world.mark(org, &plain(id), &marker::in_value(&body), seq, now_ms);
            }
        }
        _ => {}
    }
}

/// The id in the answer to a create: a member, a schema's `$id`, or Catalog's reference.
pub fn created(reply: &Reply) -> Option<String> {
    let body = reply.body.as_ref()?;
    let first = body.get(0).and_then(Value::as_str).filter(|text| text.starts_with("@/"));
    let text =
        ["$id", "@id", "id"].iter().find_map(|name| body.get(*name).and_then(Value::as_str)).or(first)?;
    Some(plain(text))
}

/// The last part of an id, whichever of its forms is given.
pub fn plain(id: &str) -> String {
    id.rsplit(['/', '.']).next().unwrap_or(id).to_owned()
}
