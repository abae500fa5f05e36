//! Fields of a managed schema: types, titles, conflicts and request bodies.

use super::*;
use crate::api::mapping::RowType;

pub(crate) fn row(destination: &str, shape: impl Into<Option<Shape>>) -> Row {
    Row {
        source: format!("source of {destination}"),
        destination: destination.into(),
        row_type: RowType::Attribute,
        shape: shape.into(),
        title: String::new(),
    }
}

fn leaf(destination: &str, xdm_type: XdmType) -> Row {
    row(destination, Shape::Leaf(xdm_type))
}

fn refusal(rows: &[Row]) -> String {
    field_group_definition(rows, "acme").unwrap_err().to_string()
}

#[test]
fn rows_become_typed_and_titled_fields() {
    let rows = [
        leaf("_acme.charges_data.amount_refunded", XdmType::Long),
        leaf("_acme.charges_data.paid_on", XdmType::Date),
    ];
    let expected = json!({"charges_data": {"title": "Charges data", "type": "object", "properties": {
        "amount_refunded": {
            "title": "Amount refunded",
            "type": "integer",
            "minimum": -9_007_199_254_740_991_i64,
            "maximum": 9_007_199_254_740_991_i64,
        },
        "paid_on": {"title": "Paid on", "type": "string", "format": "date"},
    }}});
    assert_eq!(field_group_definition(&rows, "acme").unwrap(), expected);
}

#[test]
fn an_index_makes_a_list() {
    let rows = [
        leaf("_acme.x.lines[*].id", XdmType::String),
        leaf("_acme.x.lines[0].price", XdmType::Number),
        leaf("_acme.x.tags[*]", XdmType::String),
    ];
    let fields = &field_group_definition(&rows, "acme").unwrap()["x"]["properties"];
    assert_eq!(fields["lines"]["items"]["properties"]["id"]["type"], "string");
    assert_eq!(fields["lines"]["items"]["properties"]["price"]["type"], "number");
    assert_eq!(fields["tags"]["items"], json!({"type": "string"}));
}

#[test]
fn a_row_without_type_is_named() {
    let reason = refusal(&[row("_acme.x.y", None)]);
    assert_eq!(
        reason,
        "row source of _acme.x.y -> _acme.x.y has no type: give xdmType, or map the fields below it"
    );
}

#[test]
fn a_path_is_either_a_leaf_or_an_object() {
    let reason = refusal(&[leaf("_acme.x.y", XdmType::String), leaf("_acme.x.y.z", XdmType::String)]);
    assert_eq!(
        reason,
        "_acme.x.y would be a string by row _acme.x.y and an object by row _acme.x.y.z: change xdmType or \
         destination of one"
    );
}

#[test]
fn a_path_has_one_type() {
    let copied = Shape::Object(BTreeMap::from([("year".into(), Shape::Leaf(XdmType::Long))]));
    let reason = refusal(&[row("_acme.card", copied), leaf("_acme.card.year", XdmType::String)]);
    assert!(reason.starts_with("_acme.card.year would be a long by row _acme.card and a string"), "{reason}");
    let reason = refusal(&[leaf("_acme.x[*].y", XdmType::Long), leaf("_acme.x[0].y", XdmType::Integer)]);
    assert!(reason.starts_with("_acme.x[*].y would be"), "{reason}");
}

#[test]
fn a_copied_object_and_rows_below_it_are_one_object() {
    let copied = Shape::Object(BTreeMap::from([("year".into(), Shape::Leaf(XdmType::Long))]));
    let rows = [
        row("_acme.card", copied),
        leaf("_acme.card.brand", XdmType::String),
        leaf("_acme.card.year", XdmType::Long),
    ];
    let definition = field_group_definition(&rows, "acme").unwrap();
    assert_eq!(definition["card"]["properties"].as_object().unwrap().len(), 2);
}

#[test]
fn fields_of_the_class_are_allowed_and_left_out() {
    let rows = [
        leaf("_id", XdmType::String),
        leaf("timestamp", XdmType::DateTime),
        leaf("_acme.x", XdmType::String),
    ];
    let definition = field_group_definition(&rows, "acme").unwrap();
    assert_eq!(definition.as_object().unwrap().len(), 1);
}

#[test]
fn other_fields_outside_the_tenant_are_refused() {
    for destination in ["person.name", "_other.x", "_acme", "acme.x", "_acme[*].x"] {
        let invalid = field_group_definition(&[leaf(destination, XdmType::String)], "acme").unwrap_err();
        assert_eq!(invalid.problems(), [Problem::OutsideTenant { destination: destination.into() }]);
    }
}

#[test]
fn names_that_xdm_refuses_are_named() {
    for (destination, name) in [
        ("_acme._x", "_x"),
        ("_acme.a b", "a b"),
        ("_acme.x..y", ""),
        ("_acme.x[*][*]", "x[*]"),
        (r"_acme.a\.b", "a.b"),
    ] {
        let invalid = field_group_definition(&[leaf(destination, XdmType::String)], "acme").unwrap_err();
        let expected = Problem::FieldName { destination: destination.into(), name: name.into() };
        assert_eq!(invalid.problems(), [expected]);
    }
}

#[test]
fn every_problem_is_reported_at_once() {
    let rows = [row("_acme.a", None), row("_acme.b", None), row("_acme.c", None), row("_acme.d", None)];
    let invalid = field_group_definition(&rows, "acme").unwrap_err();
    assert_eq!(invalid.problems().len(), 4);
    assert!(invalid.to_string().ends_with("; and 1 more"));
}

#[test]
fn as_many_rows_as_the_resource_allows_fit_their_own_fields() {
    let path = |number: usize| format!("_acme.c.group{}.field{number}", number % 50);
    let rows: Vec<Row> = (0..2_000).map(|number| leaf(&path(number), XdmType::String)).collect();
    let definition = field_group_definition(&rows, "acme").unwrap();
    let group = field_group_body("t", "class", "d", "acme", &definition);
    assert_eq!(crate::domain::mapping::growth(&group, &definition, "acme"), Ok(vec![]));
    let schema = &group["definitions"]["customFields"];
    assert_eq!(crate::domain::mapping::preflight(&rows, schema), []);
}

#[test]
fn an_experience_event_needs_id_and_timestamp() {
    let id = leaf("_id", XdmType::String);
    let reason = check_class(std::slice::from_ref(&id), EXPERIENCE_EVENT).unwrap_err().to_string();
    assert!(reason.contains("requires a row for timestamp"), "{reason}");
    assert!(check_class(&[id, leaf("timestamp", XdmType::DateTime)], EXPERIENCE_EVENT).is_ok());
    assert!(check_class(&[], "https://ns.adobe.com/xdm/context/profile").is_ok());
}

#[test]
fn an_identity_stands_on_a_string() {
    let rows = [leaf("_acme.c.email", XdmType::String), leaf("_acme.c.age", XdmType::Long)];
    let definition = field_group_definition(&rows, "acme").unwrap();
    let check = |destination: &str| {
        let identity =
            Identity { destination: destination.into(), namespace: "Email".into(), primary: Some(true) };
        check_identities(&[identity], &definition, "acme").map_err(|invalid| invalid.to_string())
    };
    assert_eq!(check("_{TENANT_ID}.c.email"), Ok(()));
    assert!(check("_{TENANT_ID}.c.age").unwrap_err().ends_with("it is a long"));
    assert!(check("_{TENANT_ID}.c.phone").unwrap_err().ends_with("no row fills it"));
    assert_eq!(identity_path("_acme.c.email"), "/_acme/c/email");
}

#[test]
fn the_bodies_are_those_of_schema_registry() {
    let group = field_group_body("Stripe fields", "class", "ours", "acme", &json!({"x": {"type": "string"}}));
    assert_eq!(group["meta:intendedToExtend"], json!(["class"]));
    let reference = group["allOf"][0]["$ref"].as_str().unwrap();
    let fields = group.pointer(reference.trim_start_matches('#')).unwrap();
    assert_eq!(fields["properties"]["_acme"]["properties"]["x"]["type"], "string");
    let schema = schema_body("Stripe", "ours", "class", "group");
    assert_eq!(schema["allOf"], json!([{"$ref": "class"}, {"$ref": "group"}]));
    assert_eq!(schema["type"], "object");
}
