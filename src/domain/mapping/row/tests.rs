//! Merging of shipped and own rows, and the filling in of the tenant.

use super::*;
use crate::api::mapping::BuiltinName;

fn spec(builtin: Option<Builtin>, mappings: Vec<MappingRow>) -> IngestionMappingSpec {
    let manifest = serde_json::json!({
        "sourceConnectionRef": {"name": "source"},
        "targetSchema": {"existing": {"title": "Stripe"}},
        "driftPolicy": "Correct",
    });
    let empty: IngestionMappingSpec = serde_json::from_value(manifest).unwrap();
    IngestionMappingSpec { builtin, mappings, ..empty }
}

fn charges(exclude: &[&str]) -> Builtin {
    let exclude = exclude.iter().map(|path| format!("_{{TENANT_ID}}.charges_data.{path}")).collect();
    Builtin { name: BuiltinName::ChargesV1, exclude }
}

fn mapping(source: &str, destination: &str) -> MappingRow {
    MappingRow { source: source.into(), destination: destination.into(), row_type: None, xdm_type: None }
}

fn merged(builtin: Option<Builtin>, mappings: Vec<MappingRow>) -> Result<Vec<Row>, String> {
    rows(&spec(builtin, mappings), ResourcePath::Charges).map_err(|invalid| invalid.to_string())
}

#[test]
fn excluded_rows_are_left_out() {
    let rows = merged(Some(charges(&["receipt_url"])), vec![]).unwrap();
    assert_eq!(rows.len(), 35);
    assert!(rows.iter().all(|row| row.source != "data.receipt_url"));
}

#[test]
fn an_exclude_that_matches_nothing_is_refused_and_named() {
    let reason = merged(Some(charges(&["reciept_url"])), vec![]).unwrap_err();
    assert_eq!(
        reason,
        "exclude _{TENANT_ID}.charges_data.reciept_url matches no row of charges/v1: correct or remove it"
    );
}

#[test]
fn an_exclude_below_a_copied_object_is_refused() {
    let last4 = "payment_method_details.card.last4";
    let reason = merged(Some(charges(&[last4])), vec![]).unwrap_err();
    assert!(reason.contains("keeps nothing out"), "{reason}");
    assert!(reason.contains("_{TENANT_ID}.charges_data.payment_method_details copies"), "{reason}");
    let without_the_object = merged(Some(charges(&[last4, "payment_method_details"])), vec![]).unwrap();
    assert_eq!(without_the_object.len(), 34);
}

#[test]
fn a_set_of_another_resource_is_refused() {
    let invalid = rows(&spec(Some(charges(&[])), vec![]), ResourcePath::BalanceTransactions).unwrap_err();
    assert_eq!(
        invalid.to_string(),
        "builtin charges/v1 does not fit resourcePath balance_transactions: use balance_transactions/v1"
    );
}

#[test]
fn an_own_row_overrides_by_destination_and_keeps_the_type_of_the_field() {
    let destination = "_{TENANT_ID}.charges_data.amount";
    let rows = merged(Some(charges(&[])), vec![mapping("data.status", destination)]).unwrap();
    assert_eq!(rows.len(), 36);
    let row = rows.iter().find(|row| row.destination == destination).unwrap();
    assert_eq!(row.source, "data.status");
    assert_eq!(row.xdm_type(), Some(XdmType::Long));
}

#[test]
fn an_own_row_takes_the_type_of_its_source() {
    let own = vec![mapping("data.receipt_email", "_{TENANT_ID}.crm.receipt_email"), mapping("x", "_acme.y")];
    let rows = merged(None, own).unwrap();
    assert_eq!(rows[0].destination, "_acme.y");
    assert_eq!(rows[0].shape, None);
    assert_eq!(rows[1].xdm_type(), Some(XdmType::String));
    assert_eq!(rows[1].title, "Receipt email");
}

#[test]
fn an_expression_has_the_declared_type_only() {
    let mut own = mapping("data.amount", "_{TENANT_ID}.x.amount");
    own.row_type = Some(RowType::Expression);
    assert_eq!(merged(None, vec![own.clone()]).unwrap()[0].shape, None);
    own.xdm_type = Some(XdmType::Number);
    assert_eq!(merged(None, vec![own]).unwrap()[0].xdm_type(), Some(XdmType::Number));
}

#[test]
fn the_order_of_the_manifest_means_nothing() {
    let (one, two) = (mapping("data.a", "_{TENANT_ID}.a"), mapping("data.b", "_{TENANT_ID}.b"));
    let forth = merged(Some(charges(&[])), vec![one.clone(), two.clone()]);
    assert_eq!(forth, merged(Some(charges(&[])), vec![two, one]));
    let rows = forth.unwrap();
    let of = |path: &str| rows.iter().position(|row| row.source == path).unwrap();
    assert!(of("data.payment_method_details") < of("data.payment_method_details.card.brand"));
}

#[test]
fn nothing_to_map_is_refused() {
    assert_eq!(merged(None, vec![]).unwrap_err(), "no row is left: give mappings, or exclude less");
}

#[test]
fn the_tenant_is_filled_in_at_the_start() {
    let own = vec![mapping("data.id", "_{TENANT_ID}.x.id"), mapping("data.id", "_id")];
    let filled = fill_tenant(merged(None, own).unwrap(), "acme").unwrap();
    let destinations: Vec<&str> = filled.iter().map(|row| row.destination.as_str()).collect();
    assert_eq!(destinations, ["_acme.x.id", "_id"]);
}

#[test]
fn a_key_in_braces_is_no_placeholder() {
    let rows = merged(None, vec![mapping("data.id", "_{TENANT_ID}.${my-key}.id")]).unwrap();
    assert_eq!(fill_tenant(rows, "acme").unwrap()[0].destination, "_acme.${my-key}.id");
}

#[test]
fn rows_that_become_equal_are_both_named() {
    let own = vec![mapping("data.id", "_{TENANT_ID}.x.id"), mapping("data.id", "_acme.x.id")];
    let reason = fill_tenant(merged(None, own).unwrap(), "acme").unwrap_err().to_string();
    assert!(reason.contains("_{TENANT_ID}.x.id") && reason.contains("_acme.x.id"), "{reason}");
}

#[test]
fn other_placeholders_are_refused() {
    for (destination, placeholder) in [
        ("_{ORG_ID}.x", "{ORG_ID}"),
        ("_{TENANT_ID}.{TENANT_ID}", "{TENANT_ID}"),
        ("_{TENANT_ID}x.y", "{TENANT_ID}"),
        ("_{TENANT_ID", "{TENANT_ID"),
        ("a.}b", "}"),
    ] {
        let rows = merged(None, vec![mapping("data.id", destination)]).unwrap();
        let invalid = fill_tenant(rows, "acme").unwrap_err();
        let expected =
            Problem::UnknownPlaceholder { destination: destination.into(), placeholder: placeholder.into() };
        assert_eq!(invalid.problems(), [expected]);
    }
}
