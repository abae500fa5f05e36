//! Rows against a full schema: existence, types and required fields.

use serde_json::json;

use super::*;
use crate::api::mapping::RowType;

fn row(destination: &str, shape: impl Into<Option<Shape>>) -> Row {
    Row {
        source: "data.x".into(),
        destination: destination.into(),
        row_type: RowType::Attribute,
        shape: shape.into(),
        title: String::new(),
    }
}

fn leaf(destination: &str, xdm_type: XdmType) -> Row {
    row(destination, Shape::Leaf(xdm_type))
}

fn schema() -> Value {
    json!({
        "title": "Stripe",
        "required": ["@id"],
        "properties": {
            "_id": {"type": "string", "meta:xdmType": "string"},
            "_acme": {"type": "object", "properties": {
                "paid": {"type": "boolean"},
                "amount": {"type": "integer", "meta:xdmType": "int"},
                "when": {"type": "string", "format": "date-time", "meta:xdmType": "date-time"},
                "tags": {"type": "array", "items": {"type": "string"}},
                "lines": {"type": "array", "items": {"type": "object", "required": ["id"], "properties": {
                    "id": {"type": "string"},
                    "price": {"type": "number"},
                }}},
                "card": {"type": "object", "required": ["brand", "year"], "properties": {
                    "brand": {"type": "string"},
                    "year": {"type": "integer"},
                    "issuer": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
                }},
            }},
        },
    })
}

/// Failures of rows beside the required `_id`, as `destination: reason`.
fn failures(mut rows: Vec<Row>) -> Vec<String> {
    rows.push(leaf("_id", XdmType::String));
    let failures = preflight(&rows, &schema());
    failures
        .into_iter()
        .map(|misfit| misfit.failure)
        .map(|failure| format!("{}: {}", failure.destination, failure.reason))
        .collect()
}

fn only_failure(row: Row) -> String {
    let prefix = format!("{}: ", row.destination);
    let mut found = failures(vec![row]);
    found.retain(|failure| failure.starts_with(&prefix));
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[test]
fn a_missing_destination_is_named_with_what_to_do() {
    assert_eq!(
        only_failure(leaf("_acme.paied", XdmType::Boolean)),
        "_acme.paied: the schema has no field _acme.paied: add the field to the schema, or correct or exclude the row"
    );
    assert!(only_failure(row("_other.x.y", None)).contains("no field _other:"));
}

#[test]
fn fitting_rows_pass() {
    let rows = vec![
        leaf("_acme.paid", XdmType::Boolean),
        leaf("_acme.amount", XdmType::Integer),
        leaf("_acme.lines[*].id", XdmType::Long),
        leaf("_acme.lines[*].price", XdmType::Long),
        leaf("_acme.when", XdmType::String),
        leaf("_acme.tags[*]", XdmType::String),
        row("_acme.tags", Shape::List(Box::new(Shape::Leaf(XdmType::String)))),
    ];
    assert_eq!(failures(rows), Vec::<String>::new());
}

#[test]
fn a_narrowing_is_refused_with_a_way_out() {
    let reason = only_failure(leaf("_acme.amount", XdmType::Long));
    assert!(reason.contains("the schema has an integer there and the row gives a long"), "{reason}");
    assert!(reason.ends_with("xdmType: Integer"), "{reason}");
}

#[test]
fn a_number_of_seconds_is_not_a_date() {
    let reason = only_failure(leaf("_acme.when", XdmType::Long));
    assert!(reason.contains("a date-time there") && reason.contains("type Expression"), "{reason}");
}

#[test]
fn single_values_and_objects_do_not_mix() {
    assert!(only_failure(leaf("_acme.lines", XdmType::String)).contains("has a list there"));
    let card = Shape::Object([("brand".to_owned(), Shape::Leaf(XdmType::String))].into());
    assert!(only_failure(row("_acme.paid", card.clone())).contains("map single fields"));
    assert!(only_failure(row("_acme.tags", card)).contains("map single fields"));
    let found = failures(vec![leaf("_acme.card", XdmType::String)]);
    assert!(found[0].contains("map to one of its fields"), "{found:?}");
}

#[test]
fn a_copied_object_needs_fields_of_fitting_types() {
    let object = |name: &str, leaf: XdmType| Shape::Object([(name.to_owned(), Shape::Leaf(leaf))].into());
    assert!(failures(vec![row("_acme.card", object("brand", XdmType::String))]).is_empty());
    let wrong = only_failure(row("_acme.card", object("year", XdmType::String)));
    assert!(wrong.contains("its field year: the schema has a long there"), "{wrong}");
    assert!(only_failure(row("_acme.card", object("other", XdmType::String))).contains("none of its fields"));
}

#[test]
fn lists_want_an_index_and_only_lists_do() {
    assert!(only_failure(leaf("_acme.lines.id", XdmType::String)).contains("write _acme.lines[*]"));
    assert!(only_failure(leaf("_acme.paid[*]", XdmType::String)).contains("not a list"));
}

#[test]
fn required_fields_need_rows() {
    let missing = preflight(&[leaf("_acme.paid", XdmType::Boolean)], &schema());
    assert_eq!(missing.len(), 1);
    let Misfit { kind, failure } = &missing[0];
    assert_eq!(*kind, Reason::RequiredFieldUnmapped);
    assert_eq!((failure.source.as_str(), failure.destination.as_str()), ("", "_id"));
    assert!(failure.reason.ends_with("add a row"));
}

#[test]
fn required_fields_of_an_object_count_once_it_is_filled() {
    let found = failures(vec![leaf("_acme.card.brand", XdmType::String)]);
    assert_eq!(found, ["_acme.card.year: the schema requires this field and no row fills it: add a row"]);
    let found = failures(vec![leaf("_acme.lines[0].price", XdmType::Number)]);
    assert_eq!(found, ["_acme.lines[*].id: the schema requires this field and no row fills it: add a row"]);
}

#[test]
fn a_row_of_unknown_type_is_checked_for_existence_only() {
    assert!(failures(vec![row("_acme.when", None)]).is_empty());
}

#[test]
fn the_type_of_a_destination_is_that_of_a_single_value_or_none() {
    assert_eq!(leaf_type("_acme.amount", &schema()), Some(XdmType::Integer));
    assert_eq!(leaf_type("_acme.lines[0].price", &schema()), Some(XdmType::Number));
    assert_eq!(leaf_type("_acme.card", &schema()), None);
    assert_eq!(leaf_type("_acme.nowhere", &schema()), None);
}
