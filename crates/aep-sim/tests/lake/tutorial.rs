//! The data half of Adobe's Stripe tutorial, as a client that follows it would call: tenant id, field group, schema, data
//! set, mapping set in the older body form, then charges arriving twice.

use aep_sim::lake::{IngestRequest, Lake};
use aep_sim::stripe::Account;
use aep_sim::switches::ExploreMode;
use serde_json::{Map, Value, json};

use crate::support::Service::{DataPrep, Registry};
use crate::support::*;

/// What the tutorial maps, below `data` and below the container of the tenant.
const PATHS: [&str; 36] = [
    "id",
    "refunded",
    "disputed",
    "payment_method_details.card.last4",
    "livemode",
    "status",
    "payment_method_details.card.overcapture.maximum_amount_capturable",
    "receipt_url",
    "payment_method_details.card.fingerprint",
    "payment_intent",
    "payment_method_details.card.overcapture.status",
    "payment_method_details.card.network_token.used",
    "payment_method_details.card.funding",
    "amount",
    "customer",
    "payment_method_details.card.incremental_authorization.status",
    "payment_method_details.card.multicapture.status",
    "amount_captured",
    "payment_method",
    "object",
    "captured",
    "created",
    "paid",
    "amount_refunded",
    "currency",
    "payment_method_details.card.country",
    "payment_method_details.card.exp_year",
    "payment_method_details.card.amount_authorized",
    "payment_method_details.card.network",
    "payment_method_details",
    "payment_method_details.card.exp_month",
    "calculated_statement_descriptor",
    "payment_method_details.card.brand",
    "balance_transaction",
    "payment_method_details.card.extended_authorization.status",
    "outcome",
];

/// An explored node as an XDM field; what has no type becomes a text.
fn field(node: &Value) -> Value {
    match node["properties"].as_object() {
        Some(children) => {
            let children: Map<String, Value> =
                children.iter().map(|(name, node)| (name.clone(), field(node))).collect();
            json!({"type": "object", "properties": children})
        }
        None if node["type"] == "integer" => {
            json!({"type": "integer", "minimum": -9_007_199_254_740_991_i64, "maximum": 9_007_199_254_740_991_i64})
        }
        None => json!({"type": node["type"].as_str().unwrap_or("string")}),
    }
}

#[test]
fn the_tutorial_runs_from_the_tenant_id_to_doubled_rows() {
    let mut world = World::new();
    let tenant = text(&world.get(Registry, "/stats").send(), "tenantId");
    let account = Account::seeded("sk_test_tutorial", NOW, 30);
    let explored = account.explore("charges", ExploreMode::Complete).unwrap();
    let charges = field(&explored["schema"]["properties"]["data"]);
    let group = world.field_group("Stripe Charges Fields", &json!({"charges_data": charges}));
    let schema = world.schema("Stripe Charges", PROFILE, &[&group]);
    let dataset = world.dataset("Stripe Charges", &schema);
    let rows: Vec<Value> = PATHS
        .iter()
        .map(|path| {
            json!({"destinationXdmPath": format!("_{tenant}.charges_data.{path}"), "sourceAttribute": format!("data.{path}"),
                "identity": false, "version": 0})
        })
        .collect();
    let set = json!({"version": 0, "xdmSchema": schema, "xdmVersion": "1.0", "id": null, "mappings": rows});
    let results = world.post(DataPrep, "/mappingSets/validate", &set);
    let results = body(&results)["validationResponse"].as_array().unwrap().clone();
    assert!(results.len() == 36 && results.iter().all(|result| result["status"] == "SUCCESS"), "{results:?}");
    let set = text(&world.post(DataPrep, "/mappingSets", &set), "id");
    let lake = &mut world.lake;
    assert_eq!(lake.mapping_problems(&set, 0), Vec::<String>::new());
    let (target, mapped) =
        (lake.dataset_schema(&dataset).unwrap(), lake.mapping_set(&set, 0).unwrap().schema);
    assert!(Lake::same_schema(&target, &mapped, false));
    let records = account.records("charges", None, NOW);
    for times in 1..=2 {
        let outcome = lake.ingest(&IngestRequest {
            dataset_id: &dataset,
            mapping_id: &set,
            mapping_version: 0,
            records: &records,
            partial_ingestion_percent: None,
            now_ms: NOW,
        });
        assert_eq!((outcome.input, outcome.output, &outcome.errors), (30, 30, &Vec::new()), "{outcome:?}");
        let rows = lake.rows()[&dataset].as_object().unwrap().clone();
        assert!(rows.len() == 30 && rows.values().all(|count| *count == json!(times)));
    }
}
