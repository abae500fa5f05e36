//! Flattening of explore answers, and the hint about sources that were not seen.

use serde_json::json;

use super::*;

fn row(source: &str, row_type: RowType) -> Row {
    Row { source: source.into(), destination: "_t.x".into(), row_type, shape: None, title: String::new() }
}

fn unseen(sources: &[&str], answer: &Value) -> Vec<String> {
    let rows: Vec<Row> = sources.iter().map(|source| row(source, RowType::Attribute)).collect();
    unseen_sources(&rows, &explored_fields(answer))
}

fn answer() -> Value {
    json!({"format": "hierarchical", "schema": {"type": "object", "properties": {"data": {
        "type": "object",
        "properties": {
            "amount": {"type": "integer", "minimum": -9_007_199_254_740_992_i64},
            "rate": {"type": "number"},
            "review": {},
            "metadata": {"type": "object", "properties": {}},
            "outcome": {"type": "object", "properties": {"type": {"type": "string"}}},
            "locales": {"type": "array"},
            "lines": {"type": "array", "items": {"properties": {"id": {"type": ["null", "string"]}}}},
            "a.b": {"type": "boolean"},
        },
    }}}})
}

#[test]
fn every_path_has_its_type() {
    let fields = explored_fields(&answer());
    let expected = [
        ("data", "object"),
        (r"data.a\.b", "boolean"),
        ("data.amount", "integer"),
        ("data.lines", "array"),
        ("data.lines[*]", "object"),
        ("data.lines[*].id", "string"),
        ("data.locales", "array"),
        ("data.metadata", "object"),
        ("data.outcome", "object"),
        ("data.outcome.type", "string"),
        ("data.rate", "number"),
        ("data.review", "unknown"),
    ];
    let expected: BTreeMap<String, String> =
        expected.into_iter().map(|(path, kind)| (path.to_owned(), kind.to_owned())).collect();
    assert_eq!(fields, expected);
}

#[test]
fn the_tree_may_come_without_its_envelope() {
    assert_eq!(explored_fields(&answer()["schema"]), explored_fields(&answer()));
    assert!(explored_fields(&json!({})).is_empty());
    assert!(explored_fields(&json!(null)).is_empty());
}

#[test]
fn a_huge_answer_is_cut_at_the_same_place_whatever_its_order() {
    let names: Vec<String> = (0..3_000).map(|number| format!("f{number}")).collect();
    let tree = |names: &[String]| {
        let properties: serde_json::Map<String, Value> =
            names.iter().map(|name| (name.clone(), json!({"type": "string"}))).collect();
        json!({"properties": {"data": {"properties": properties}}})
    };
    let mut backwards = names.clone();
    backwards.reverse();
    let fields = explored_fields(&tree(&names));
    assert_eq!(fields.len(), EXPLORED_PATHS);
    assert_eq!(fields, explored_fields(&tree(&backwards)));
    let rows = [row("data.f2999", RowType::Attribute)];
    assert!(unseen_sources(&rows, &fields).is_empty(), "a cut list proves nothing");
}

#[test]
fn a_null_field_and_what_may_lie_below_it_count_as_seen() {
    assert!(
        unseen(&["data.review", "data.review.id", "data.locales[*]", "data.locales[0].x"], &answer())
            .is_empty()
    );
    assert!(unseen(&["data.lines[0].id", "data.lines", "data.outcome"], &answer()).is_empty());
}

#[test]
fn a_field_beside_explored_ones_is_unseen() {
    let sources = ["data.ammount", "data.outcome.kind", "data.lines[*].no", "data.metadata.order", "amount"];
    let expected = ["amount", "data.ammount", "data.lines[*].no", "data.metadata.order", "data.outcome.kind"];
    assert_eq!(unseen(&sources, &answer()), expected);
}

#[test]
fn expressions_are_not_looked_at() {
    let rows = [row("concat(data.nothing)", RowType::Expression)];
    assert!(unseen_sources(&rows, &explored_fields(&answer())).is_empty());
}
