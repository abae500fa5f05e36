//! A resolved schema seen as a tree of fields: finding a field, and fitting a value to it.
//!
//! Knows nothing of where the schema comes from. Whole numbers beyond a long are refused like any other misfit.

use serde_json::{Map, Value};

use crate::lake::convert;

/// The field at a path of names; arrays and maps are passed through.
pub(crate) fn field_at<'f>(root: &'f Value, path: &[&str]) -> Option<&'f Value> {
    let Some((name, rest)) = path.split_first() else { return Some(root) };
    let node = innermost(root);
    if let Some(child) = node.get("properties").and_then(|properties| properties.get(*name)) {
        return field_at(child, rest);
    }
    let values = node.get("additionalProperties").filter(|values| values.is_object())?;
    field_at(values, rest)
}

/// An array stands for what is in it.
fn innermost(field: &Value) -> &Value {
    match field.get("items") {
        Some(items) => innermost(items),
        None => field,
    }
}

/// The JSON type of a field.
pub(crate) fn json_type(field: &Value) -> &str {
    field.get("type").and_then(Value::as_str).unwrap_or("object")
}

/// Why a record does not fit its schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// Dotted path of the field.
    pub(crate) path: String,
    /// What is wrong with it.
    pub(crate) reason: String,
}

/// Fits an object to a field: values are converted where Data Prep converts them, nothings and unknown members are
/// dropped, and what then still does not fit is reported.
pub(crate) fn fit(value: &Value, field: &Value) -> Result<Value, Misfit> {
    fit_at(value, field, "").map(|fitted| fitted.unwrap_or(Value::Object(Map::new())))
}

fn fit_at(value: &Value, field: &Value, path: &str) -> Result<Option<Value>, Misfit> {
    let misfit = |reason: String| Misfit { path: path.to_owned(), reason };
    if value.is_null() {
        return Ok(None);
    }
    match (json_type(field), value) {
        ("object", Value::Object(members)) => fit_members(members, field, path),
        ("array", Value::Array(items)) => {
            let nothing = Value::Object(Map::new());
            let inner = field.get("items").unwrap_or(&nothing);
            let fitted: Result<Vec<_>, _> = items.iter().map(|item| fit_at(item, inner, path)).collect();
            let fitted: Vec<Value> = fitted?.into_iter().flatten().collect();
            Ok((!fitted.is_empty()).then_some(Value::Array(fitted)))
        }
        ("object" | "array", other) => {
            Err(misfit(format!("expected {}, found {}", json_type(field), convert::type_of(other))))
        }
        (_, scalar) => convert::to_field(scalar, field).map(Some).map_err(misfit),
    }
}

fn fit_members(members: &Map<String, Value>, field: &Value, path: &str) -> Result<Option<Value>, Misfit> {
    let at = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    let mut out = Map::new();
    for (name, member) in members {
        let child = field.get("properties").and_then(|properties| properties.get(name));
        let child = child.or_else(|| field.get("additionalProperties").filter(|values| values.is_object()));
        let Some(child) = child else { continue };
        if let Some(fitted) = fit_at(member, child, &at(name))? {
            out.insert(name.clone(), fitted);
        }
    }
    let required =
        field.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    // An object that is absent as a whole lacks nothing, except at the top.
    let present = !out.is_empty() || path.is_empty();
    if let Some(missing) = required.into_iter().find(|name| present && !out.contains_key(*name)) {
        return Err(Misfit { path: at(missing), reason: "required field is missing".to_owned() });
    }
    Ok((!out.is_empty()).then_some(Value::Object(out)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema() -> Value {
        json!({"type": "object", "required": ["id"], "properties": {
            "id": {"type": "string"},
            "card": {"type": "object", "properties": {"last4": {"type": "string"}, "year": {"type": "integer"}}},
            "items": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}}}}
        }})
    }

    #[test]
    fn fields_are_found_through_objects_and_arrays() {
        assert_eq!(field_at(&schema(), &["card", "last4"]), Some(&json!({"type": "string"})));
        assert_eq!(field_at(&schema(), &["items", "n"]), Some(&json!({"type": "integer"})));
        assert_eq!(field_at(&schema(), &["card", "none"]), None);
    }

    #[test]
    fn nothings_and_unknown_members_are_dropped() {
        let value = json!({"id": "a", "card": {"last4": null, "unknown": 1}, "items": [{"n": 1}, null]});
        assert_eq!(fit(&value, &schema()).unwrap(), json!({"id": "a", "items": [{"n": 1}]}));
    }

    #[test]
    fn a_missing_required_field_and_a_wrong_type_are_named() {
        assert_eq!(fit(&json!({}), &schema()).unwrap_err().path, "id");
        let wrong = fit(&json!({"id": "a", "card": {"year": "soon"}}), &schema()).unwrap_err();
        assert_eq!(wrong.path, "card.year");
    }
}
