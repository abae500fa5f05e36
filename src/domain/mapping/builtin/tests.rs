//! The shipped tables against the facts they were made from, and against the code that uses them.

use sha2::{Digest, Sha256};

use super::*;
use crate::domain::mapping::{
    EXPLORED_PATHS, explored_fields, field_group_body, field_group_definition, fill_tenant, preflight,
    unseen_sources,
};

/// The mapped paths of the tutorial; each source is `data.` and each destination `_{TENANT_ID}.charges_data.` before the path.
const TUTORIAL: [&str; 36] = [
    "amount",
    "amount_captured",
    "amount_refunded",
    "balance_transaction",
    "calculated_statement_descriptor",
    "captured",
    "created",
    "currency",
    "customer",
    "disputed",
    "id",
    "livemode",
    "object",
    "outcome",
    "paid",
    "payment_intent",
    "payment_method",
    "payment_method_details",
    "payment_method_details.card.amount_authorized",
    "payment_method_details.card.brand",
    "payment_method_details.card.country",
    "payment_method_details.card.exp_month",
    "payment_method_details.card.exp_year",
    "payment_method_details.card.extended_authorization.status",
    "payment_method_details.card.fingerprint",
    "payment_method_details.card.funding",
    "payment_method_details.card.incremental_authorization.status",
    "payment_method_details.card.last4",
    "payment_method_details.card.multicapture.status",
    "payment_method_details.card.network",
    "payment_method_details.card.network_token.used",
    "payment_method_details.card.overcapture.maximum_amount_capturable",
    "payment_method_details.card.overcapture.status",
    "receipt_url",
    "refunded",
    "status",
];

#[test]
fn charges_v1_is_exactly_the_tutorial() {
    let shipped: BTreeSet<(String, String)> = builtin_rows(BuiltinName::ChargesV1)
        .into_iter()
        .map(|row| {
            assert_eq!(row.row_type, RowType::Attribute);
            (row.source, row.destination)
        })
        .collect();
    let tutorial: BTreeSet<(String, String)> = TUTORIAL
        .iter()
        .map(|path| (format!("data.{path}"), format!("_{{TENANT_ID}}.charges_data.{path}")))
        .collect();
    assert_eq!(shipped, tutorial);
    assert_eq!(builtin_rows(BuiltinName::ChargesV1).len(), 36);
}

/// Number of rows and digest over source, destination and shape, with all fields of copied objects, of every row.
const RELEASED: [(&str, usize, &str); 6] = [
    ("charges/v1", 36, "079c922aa80ea43f"),
    ("subscriptions/v1", 49, "55da737e3728a0ef"),
    ("refunds/v1", 18, "7c9e3dd1a2e92ad7"),
    ("balance_transactions/v1", 15, "1a9ac5754c9fdce0"),
    ("customers/v1", 32, "a8a59eb52d99109e"),
    ("prices/v1", 25, "4def13fb7bfc65f6"),
];

#[test]
fn a_released_set_never_changes() {
    for (builtin, (name, count, digest)) in ALL.into_iter().zip(RELEASED) {
        let mut hash = Sha256::new();
        for row in builtin_rows(builtin) {
            hash.update(format!("{}|{}|{:?}\n", row.source, row.destination, row.shape));
        }
        let head: [u8; 8] = hash.finalize()[..8].try_into().unwrap();
        let hex = format!("{:016x}", u64::from_be_bytes(head));
        assert_eq!((name_of(builtin), builtin_rows(builtin).len(), hex.as_str()), (name, count, digest));
    }
}

#[test]
fn no_path_is_listed_twice() {
    for builtin in ALL {
        let table = fields(resource_of(builtin));
        let paths: BTreeSet<&str> = table.iter().map(|field| field.path).collect();
        assert_eq!(paths.len(), table.len(), "{}", name_of(builtin));
    }
}

#[test]
fn names_are_those_of_the_custom_resource() {
    for builtin in ALL {
        assert_eq!(serde_json::to_value(builtin).unwrap(), name_of(builtin));
        assert!(name_of(builtin).starts_with(resource_of(builtin).as_str()));
    }
}

#[test]
fn every_row_has_a_shape_and_a_title() {
    for row in ALL.into_iter().flat_map(builtin_rows) {
        assert!(row.shape.is_some(), "{}", row.destination);
        assert!(!row.title.is_empty(), "{}", row.destination);
    }
}

#[test]
fn only_charges_map_a_parent_and_its_fields() {
    for builtin in ALL {
        let rows = builtin_rows(builtin);
        let is_copied = |row: &Row| {
            rows.iter().any(|other| super::super::path::is_below(&row.destination, &other.destination))
        };
        let overlapping = rows.iter().filter(|row| is_copied(row)).count();
        assert_eq!(overlapping > 0, builtin == BuiltinName::ChargesV1, "{}", name_of(builtin));
    }
}

#[test]
fn every_set_passes_preflight_against_its_own_field_group() {
    for builtin in ALL {
        let rows = fill_tenant(builtin_rows(builtin), "acme").unwrap();
        let definition = field_group_definition(&rows, "acme").unwrap();
        let group = field_group_body("t", "class", "d", "acme", &definition);
        let schema = group["definitions"]["customFields"].clone();
        assert_eq!(preflight(&rows, &schema), [], "{}", name_of(builtin));
    }
}

#[test]
fn copied_objects_find_all_their_fields_in_the_field_group() {
    let rows = fill_tenant(builtin_rows(BuiltinName::ChargesV1), "acme").unwrap();
    let definition = field_group_definition(&rows, "acme").unwrap();
    let below = definition["charges_data"]["properties"].as_object().unwrap();
    assert_eq!(below.len(), 21, "19 values and two objects");
    let outcome = &below["outcome"]["properties"];
    assert_eq!(outcome["risk_score"]["type"], "integer");
    assert_eq!(outcome["seller_message"]["title"], "Seller message");
    let card = &below["payment_method_details"]["properties"]["card"]["properties"];
    assert_eq!(card["checks"]["properties"]["cvc_check"]["type"], "string");
    assert_eq!(card["capture_before"]["maximum"], 9_007_199_254_740_991_i64);
    assert!(below.get("description").is_none(), "a field without row and without copied parent stays out");
}

#[test]
fn subscription_items_become_a_list_of_records() {
    let rows = fill_tenant(builtin_rows(BuiltinName::SubscriptionsV1), "acme").unwrap();
    let definition = field_group_definition(&rows, "acme").unwrap();
    let items = &definition["subscriptions_data"]["properties"]["items"]["properties"];
    assert_eq!(items["data"]["type"], "array");
    let item = &items["data"]["items"]["properties"];
    assert_eq!(item["price"]["properties"]["unit_amount_decimal"]["type"], "string");
    assert!(items.get("total_count").is_none(), "the envelope of the list is not mapped");
}

/// An explore answer over Adobe's own sample of a charge, as far as the rows of the tutorial read it.
#[test]
fn an_answer_with_every_tutorial_path_leaves_nothing_unseen() {
    let rows = builtin_rows(BuiltinName::ChargesV1);
    let mut root = serde_json::json!({"type": "object", "properties": {}});
    for path in TUTORIAL {
        let mut node = &mut root;
        for key in ["data"].into_iter().chain(path.split('.')) {
            node = &mut node["properties"][key];
        }
        node["type"].take();
    }
    let fields = explored_fields(&serde_json::json!({"format": "hierarchical", "schema": root}));
    assert!(fields.len() < EXPLORED_PATHS);
    assert_eq!(unseen_sources(&rows, &fields), Vec::<String>::new());
}

#[test]
fn types_are_found_by_destination_and_by_source() {
    let charges = ResourcePath::Charges;
    let text = Some(Shape::Leaf(XdmType::String));
    assert_eq!(shape_at_destination(charges, "_{TENANT_ID}.charges_data.description"), text);
    assert_eq!(shape_at_destination(charges, "_acme.charges_data.description"), text);
    assert_eq!(shape_at_destination(charges, "_acme.refunds_data.description"), None);
    assert_eq!(shape_at_source(charges, "data.billing_details.email"), text);
    assert!(matches!(shape_at_source(charges, "data.billing_details"), Some(Shape::Object(_))));
    assert_eq!(shape_at_source(charges, "data.metadata"), None, "free-form objects have no shape");
    let fee = shape_at_source(ResourcePath::BalanceTransactions, "data.fee_details[0].amount");
    assert_eq!(fee, Some(Shape::Leaf(XdmType::Long)));
}
