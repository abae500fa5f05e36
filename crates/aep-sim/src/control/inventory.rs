//! What exists: every object of every sandbox in one flat list, and the rows that were ingested.

use serde_json::{Map, Value, json};

use crate::flow_service::entity::{Entity, Kind};
use crate::marker;
use crate::world::{Space, World};

/// All objects. Runs only on request.
pub fn inventory(world: &World, runs: bool) -> Value {
    let mut objects = Vec::new();
    for (org, spaces) in &world.state.spaces {
        for (sandbox, space) in spaces {
            let place = json!({"org": org, "sandbox": sandbox, "sandboxId": space.id});
            objects.extend(of_space(space, runs).into_iter().map(|object| joined(&place, object)));
        }
    }
    json!({"objects": objects})
}

fn of_space(space: &Space, runs: bool) -> Vec<Value> {
    let kinds = Kind::ALL.into_iter().filter(|kind| runs || *kind != Kind::Run);
    let mut objects: Vec<Value> = kinds.flat_map(|kind| space.store.all(kind)).map(of_entity).collect();
    if let Value::Array(found) = space.lake.inventory() {
        objects.extend(found.into_iter().map(of_lake));
    }
    objects
}

/// One object of Flow Service.
pub fn of_entity(entity: &Entity) -> Value {
    let mut object = json!({
        "service": "flowservice", "kind": entity.kind.collection(), "id": entity.id,
        "name": entity.doc.get("name"), "description": entity.doc.get("description"),
        "state": entity.state(), "etag": entity.etag(), "createdClient": entity.text("createdClient"),
        "updatedClient": entity.text("updatedClient"), "seeded": entity.seeded, "hidden": entity.hidden,
        "markers": marker::in_value(&json!([entity.text("name"), entity.text("description")])),
    });
    if let Some(plan) = &entity.plan {
        object["runs"] = json!(plan.started);
        object["nextRunMs"] = json!(plan.next_ms);
        object["cursorMs"] = json!(plan.cursor_ms);
    }
    object
}

fn of_lake(mut object: Value) -> Value {
    object["service"] = json!("lake");
    object["markers"] = json!(marker::in_value(&object));
    if object.get("name").is_none_or(Value::is_null) {
        object["name"] = object.get("title").cloned().unwrap_or_default();
    }
    object
}

fn joined(place: &Value, object: Value) -> Value {
    let mut fields = place.as_object().cloned().unwrap_or_default();
    if let Value::Object(object) = object {
        fields.extend(object);
    }
    Value::Object(fields)
}

/// Per organisation, sandbox, data set and Stripe id, how often it was ingested.
pub fn rows(world: &World) -> Value {
    let orgs = world.state.spaces.iter().map(|(org, spaces)| {
        let spaces: Map<String, Value> =
            spaces.iter().map(|(name, space)| (name.clone(), space.lake.rows())).collect();
        (org.clone(), Value::Object(spaces))
    });
    Value::Object(orgs.collect())
}
