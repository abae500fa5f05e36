//! What growth adds, what it refuses, and that it ends.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::api::mapping::{RowType, XdmType};
use crate::domain::mapping::{Row, Shape, field_group_body, field_group_definition};

fn group(properties: &Value) -> Value {
    field_group_body("title", "class", "description", "acme", properties)
}

fn hoisted(properties: &Value) -> Value {
    json!({"type": "object", "properties": {"_acme": {"type": "object", "properties": properties}}})
}

fn grown(mut group: Value, desired: &Value) -> Value {
    let additions = growth(&group, desired, "acme").unwrap();
    let add = |addition: &Addition| json!({"op": "add", "path": addition.pointer, "value": addition.value});
    let patch: json_patch::Patch = serde_json::from_value(additions.iter().map(add).collect()).unwrap();
    json_patch::patch(&mut group, &patch).unwrap();
    group
}

#[test]
fn only_what_is_missing_is_added() {
    let current = json!({"c": {"type": "object", "title": "Mine", "properties": {"id": {"type": "string"}}}});
    let desired = json!({"c": {"type": "object", "title": "C", "properties": {
        "id": {"type": "string", "title": "Id"},
        "paid": {"type": "boolean"},
    }}});
    let additions = growth(&group(&current), &desired, "acme").unwrap();
    let pointer = "/definitions/customFields/properties/_acme/properties/c/properties/paid".to_owned();
    let value = json!({"type": "boolean"});
    assert_eq!(additions, [Addition { path: "_acme.c.paid".to_owned(), pointer, value }]);
}

#[test]
fn a_missing_object_is_added_with_all_its_fields() {
    let desired = json!({"c": {"type": "object", "properties": {"a": {"type": "string"}}}});
    let additions = growth(&group(&json!({})), &desired, "acme").unwrap();
    assert_eq!(additions.len(), 1);
    assert_eq!(additions[0].value, desired["c"]);
}

#[test]
fn fields_may_stand_at_the_top_or_below_any_definition() {
    let desired = json!({"a": {"type": "string"}, "b": {"type": "string"}});
    let current = json!({"a": {"type": "string"}});
    let hoisted = hoisted(&current);
    assert_eq!(growth(&hoisted, &desired, "acme").unwrap()[0].pointer, "/properties/_acme/properties/b");
    let named = json!({"definitions": {
        "customFields": {"properties": {}},
        "my/fields": {"properties": hoisted["properties"]},
    }});
    assert_eq!(
        growth(&named, &desired, "acme").unwrap()[0].pointer,
        "/definitions/my~1fields/properties/_acme/properties/b"
    );
}

#[test]
fn a_group_without_the_tenant_gets_it_whole() {
    let empty = json!({"definitions": {"customFields": {"type": "object", "properties": {}}}});
    let additions = growth(&empty, &json!({"a": {"type": "string"}}), "acme").unwrap();
    assert_eq!(additions[0].pointer, "/definitions/customFields/properties/_acme");
    assert_eq!(additions[0].value["properties"]["a"]["type"], "string");
    assert!(growth(&json!({"title": "no fields"}), &json!({}), "acme").is_err());
}

#[test]
fn a_changed_type_is_a_breaking_change_and_named() {
    let current = json!({"c": {"type": "object", "properties": {
        "a": {"type": "integer", "meta:xdmType": "int"},
        "b": {"type": "string"},
    }}});
    let desired = json!({"c": {"type": "object", "properties": {
        "a": {"type": "integer", "minimum": -9_007_199_254_740_991_i64, "maximum": 9_007_199_254_740_991_i64},
        "b": {"type": "object", "properties": {}},
        "new": {"type": "string"},
    }}});
    let breaking = growth(&group(&current), &desired, "acme").unwrap_err();
    let lines: Vec<String> = breaking.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "_acme.c.a is an integer upstream and the rows need a long",
            "_acme.c.b is a string upstream and the rows need an object",
        ]
    );
}

#[test]
fn a_removed_row_leaves_its_field() {
    let current = json!({"a": {"type": "string"}, "b": {"type": "string"}});
    assert_eq!(growth(&group(&current), &json!({"a": {"type": "string"}}), "acme"), Ok(vec![]));
}

#[test]
fn records_of_a_list_grow() {
    let list =
        |fields: Value| json!({"l": {"type": "array", "items": {"type": "object", "properties": fields}}});
    let current = group(&list(json!({"a": {"type": "string"}})));
    let desired = list(json!({"a": {"type": "string"}, "b": {"type": "string"}}));
    let additions = growth(&current, &desired, "acme").unwrap();
    let path = "/definitions/customFields/properties/_acme/properties/l/items/properties/b";
    assert_eq!((additions[0].pointer.as_str(), additions[0].path.as_str()), (path, "_acme.l[*].b"));
    let scalar = group(&json!({"l": {"type": "array", "items": {"type": "string"}}}));
    assert_eq!(growth(&scalar, &desired, "acme").unwrap_err()[0].path, "_acme.l[*]");
}

/// What the registry adds to an answer by itself.
fn as_answered(node: &mut Value) {
    if let Value::Object(members) = node {
        members.values_mut().for_each(as_answered);
        let xdm_type = match members.get("type").and_then(Value::as_str) {
            Some("object") => "object",
            Some("array") => "array",
            Some("boolean") => "boolean",
            _ => return,
        };
        members.insert("meta:xdmType".into(), xdm_type.into());
    }
}

fn leaf_shape() -> impl Strategy<Value = Shape> {
    prop_oneof![
        Just(XdmType::String),
        Just(XdmType::Long),
        Just(XdmType::Integer),
        Just(XdmType::Number),
        Just(XdmType::Boolean),
        Just(XdmType::DateTime),
    ]
    .prop_map(Shape::Leaf)
}

fn shape() -> impl Strategy<Value = Shape> {
    leaf_shape().prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|item| Shape::List(Box::new(item))),
            proptest::collection::btree_map("[abc]", inner, 1..3).prop_map(Shape::Object),
        ]
    })
}

fn distinct_rows() -> impl Strategy<Value = Vec<Row>> {
    let path = proptest::collection::vec("[abc](\\[\\*\\])?", 1..4).prop_map(|keys| keys.join("."));
    proptest::collection::btree_map(path, shape(), 0..8).prop_map(|rows: BTreeMap<String, Shape>| {
        rows.into_iter().map(|(path, shape)| row(&format!("_acme.{path}"), shape)).collect()
    })
}

fn row(destination: &str, shape: Shape) -> Row {
    Row {
        source: "data.x".into(),
        destination: destination.into(),
        row_type: RowType::Attribute,
        shape: Some(shape),
        title: String::new(),
    }
}

/// The longest beginning of the rows that is free of conflicts, and its fields.
fn without_conflict(rows: Vec<Row>) -> Vec<Row> {
    let mut kept: Vec<Row> = Vec::new();
    for row in rows {
        kept.push(row);
        if field_group_definition(&kept, "acme").is_err() {
            kept.pop();
        }
    }
    kept
}

proptest! {
    #[test]
    fn growth_after_growth_is_empty(rows in distinct_rows(), split in 0_usize..8, hoist: bool) {
        let rows = without_conflict(rows);
        let few = field_group_definition(&rows[..split.min(rows.len())], "acme").unwrap();
        let all = field_group_definition(&rows, "acme").unwrap();
        let mut start = if hoist { hoisted(&few) } else { group(&few) };
        as_answered(&mut start);
        let mut end = grown(start, &all);
        as_answered(&mut end);
        prop_assert_eq!(growth(&end, &all, "acme"), Ok(vec![]));
        prop_assert_eq!(growth(&end, &few, "acme"), Ok(vec![]), "what was there still fits");
    }

    #[test]
    fn rows_pass_preflight_against_their_own_fields(rows in distinct_rows()) {
        let rows = without_conflict(rows);
        let definition = field_group_definition(&rows, "acme").unwrap();
        prop_assert_eq!(crate::domain::mapping::preflight(&rows, &hoisted(&definition)), vec![]);
    }
}
