//! Which changes of a schema break its data, and which fields of two schemas cannot live together.

use serde_json::{Map, Value};

/// The first difference that takes something away from data already written; `None` when the change only adds.
pub(super) fn breaking(old: &Value, new: &Value) -> Option<String> {
    breaking_field(old, new, "")
}

fn breaking_fields(old: &Map<String, Value>, new: &Map<String, Value>, path: &str) -> Option<String> {
    old.iter().find_map(|(name, before)| {
        let path = format!("{path}/{name}");
        match new.get(name) {
            None => Some(format!("field {path} was removed")),
            Some(after) => breaking_field(before, after, &path),
        }
    })
}

fn breaking_field(before: &Value, after: &Value, path: &str) -> Option<String> {
    let (was, is) = (type_name(before), type_name(after));
    if was != is {
        return Some(format!("field {path} changed its type from {was} to {is}"));
    }
    if narrowed(before, after) {
        return Some(format!("field {path} accepts fewer values"));
    }
    if let Some(name) = required(after).find(|name| !required(before).any(|known| known == *name)) {
        return Some(format!("field {path}/{name} became required"));
    }
    let empty = Map::new();
    if let Some(old) = children(before) {
        let found = breaking_fields(old, children(after).unwrap_or(&empty), path);
        if found.is_some() {
            return found;
        }
    }
    match (before.get("items"), after.get("items")) {
        (Some(before), Some(after)) => breaking_field(before, after, &format!("{path}/items")),
        _ => None,
    }
}

fn required(field: &Value) -> impl Iterator<Item = &str> {
    field.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn children(field: &Value) -> Option<&Map<String, Value>> {
    field.get("properties").and_then(Value::as_object)
}

fn narrowed(before: &Value, after: &Value) -> bool {
    let number = |field: &Value, name: &str| field.get(name).and_then(Value::as_f64);
    let tighter = |name: &str, smaller_is_wider: bool| match (number(before, name), number(after, name)) {
        (None, Some(_)) => true,
        (Some(was), Some(is)) => {
            if smaller_is_wider {
                is > was
            } else {
                is < was
            }
        }
        _ => false,
    };
    let values = |field: &Value| field.get("enum").and_then(Value::as_array).cloned();
    let fewer_values = match (values(before), values(after)) {
        (None, Some(_)) => true,
        (Some(was), Some(is)) => was.iter().any(|value| !is.contains(value)),
        _ => false,
    };
    let other_pattern = after.get("pattern").is_some() && after.get("pattern") != before.get("pattern");
    tighter("minimum", true)
        || tighter("maximum", false)
        || tighter("maxLength", false)
        || fewer_values
        || other_pattern
}

/// The first path that both trees have with different types: path and both types.
pub(super) fn conflict<'a>(
    one: &'a Map<String, Value>,
    other: &'a Map<String, Value>,
    path: &str,
) -> Option<(String, &'a str, &'a str)> {
    one.iter().find_map(|(name, field)| {
        let counterpart = other.get(name)?;
        let path = format!("{path}/{name}");
        let types = (type_name(field), type_name(counterpart));
        if types.0 != types.1 {
            return Some((path, types.0, types.1));
        }
        match (children(field), children(counterpart)) {
            (Some(one), Some(other)) => conflict(one, other, &path),
            _ => None,
        }
    })
}

/// XDM's name of a field's type, else JSON's.
fn type_name(field: &Value) -> &str {
    let named = field.get("meta:xdmType").or_else(|| field.get("type"));
    named.and_then(Value::as_str).unwrap_or("object")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn map(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn judge(old: &Value, new: &Value) -> Option<String> {
        breaking(&json!({"properties": old}), &json!({"properties": new}))
    }

    #[test]
    fn adding_fields_and_texts_is_allowed() {
        let old = json!({"a": {"type": "object", "properties": {"b": {"type": "string", "title": "B"}}}});
        let new = json!({"a": {"type": "object", "properties": {
            "b": {"type": "string", "title": "Better"}, "c": {"type": "boolean"}}}});
        assert_eq!(judge(&old, &new), None);
    }

    #[test]
    fn removing_retyping_and_narrowing_are_named() {
        let old = json!({"a": {"type": "integer", "minimum": 0, "maximum": 10}});
        assert_eq!(judge(&old, &json!({})).unwrap(), "field /a was removed");
        assert!(judge(&old, &json!({"a": {"type": "string"}})).unwrap().contains("from integer to string"));
        let narrower = json!({"a": {"type": "integer", "minimum": 1, "maximum": 10}});
        assert!(judge(&old, &narrower).unwrap().contains("fewer values"));
        let wider = json!({"a": {"type": "integer", "minimum": -1, "maximum": 10}});
        assert_eq!(judge(&old, &wider), None);
    }

    #[test]
    fn an_enumeration_may_only_grow() {
        let field = |values: Value| json!({"a": {"type": "string", "enum": values}});
        assert_eq!(judge(&field(json!(["x"])), &field(json!(["x", "y"]))), None);
        assert!(judge(&field(json!(["x", "y"])), &field(json!(["x"]))).is_some());
        assert!(judge(&json!({"a": {"type": "string"}}), &field(json!(["x"]))).is_some());
    }

    #[test]
    fn a_conflict_is_found_at_its_deepest_path() {
        let one = json!({"_t": {"type": "object", "properties": {"id": {"type": "string"}, "n": {"type": "integer"}}}});
        let other = json!({"_t": {"type": "object", "properties": {"id": {"type": "integer"}}}});
        assert_eq!(
            conflict(&map(&one), &map(&other), "").unwrap(),
            ("/_t/id".to_owned(), "string", "integer")
        );
        assert_eq!(conflict(&map(&one), &map(&one), ""), None);
    }
}
