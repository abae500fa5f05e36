//! What `explore` answers: a schema inferred from live records, so fields that are null everywhere have no type.

use serde_json::{Map, Value, json};

use super::record;
use crate::switches::ExploreMode;

/// The tree of a resource; `None` for an unknown one.
pub(super) fn answer(resource: &str, mode: ExploreMode) -> Option<Value> {
    let complete = complete(resource)?;
    Some(match mode {
        ExploreMode::Complete => complete,
        ExploreMode::Partial => {
            let mut answer = complete;
            let mut count = 0;
            if let Some(data) = answer.pointer_mut("/schema/properties/data/properties") {
                forget(data, &mut count);
            }
            answer
        }
        ExploreMode::Empty => wrap(&json!({"type": "object", "properties": {}})),
    })
}

fn complete(resource: &str) -> Option<Value> {
    if resource == "charges" {
        return serde_json::from_str(include_str!("../../samples/stripe/explore-charges.json")).ok();
    }
    Some(wrap(&infer(&record::sample(resource)?)))
}

fn wrap(data: &Value) -> Value {
    json!({"format": "hierarchical", "schema": {"type": "object", "properties": {"data": data}}})
}

fn infer(value: &Value) -> Value {
    match value {
        Value::Null => json!({}),
        Value::Bool(_) => json!({"type": "boolean"}),
        Value::String(_) => json!({"type": "string"}),
        Value::Number(number) if number.is_f64() => json!({"type": "number"}),
        Value::Number(_) => {
            json!({"type": "integer", "minimum": -9_007_199_254_740_992_i64, "maximum": 9_007_199_254_740_991_i64})
        }
        Value::Array(items) => {
            json!({"type": "array", "items": items.first().map_or_else(|| json!({}), infer)})
        }
        Value::Object(members) => {
            let properties: Map<String, Value> =
                members.iter().map(|(name, value)| (name.clone(), infer(value))).collect();
            json!({"type": "object", "properties": properties})
        }
    }
}

/// Takes the type from every second leaf and leaves out every fifth one; the id always stays as it is.
fn forget(properties: &mut Value, count: &mut usize) {
    let Some(members) = properties.as_object_mut() else { return };
    members.retain(|name, node| {
        if let Some(children) = node.get_mut("properties") {
            forget(children, count);
            return true;
        }
        *count += 1;
        if name != "id" && count.is_multiple_of(2) {
            *node = json!({});
        }
        name == "id" || !count.is_multiple_of(5)
    });
}
