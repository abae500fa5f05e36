//! What the engine relies on: objects are many, distinct, dated and always the same.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;

const START: i64 = 1_700_000_000_000;

fn account() -> Account {
    Account::seeded("sk_test_one", START, 50)
}

#[test]
fn every_object_has_its_own_id_with_the_prefix_of_its_kind() {
    for (resource, prefix) in [
        ("charges", "ch_"),
        ("subscriptions", "sub_"),
        ("refunds", "re_"),
        ("balance_transactions", "txn_"),
        ("customers", "cus_"),
        ("prices", "price_"),
    ] {
        let ids: BTreeSet<String> = account()
            .records(resource, None, START)
            .iter()
            .map(|record| record["id"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(ids.len(), 50, "{resource}");
        assert!(ids.iter().all(|id| id.starts_with(prefix)), "{resource}: {ids:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_objects_and_another_token_gives_others() {
    let records = |token: &str| Account::seeded(token, START, 5).records("charges", None, i64::MAX);
    assert_eq!(records("sk_test_one"), records("sk_test_one"));
    assert_ne!(records("sk_test_one"), records("sk_test_two"));
}

#[test]
fn a_window_is_closed_at_its_start_and_open_at_its_end() {
    let mut account = Account::seeded("t", START, 0);
    account.add("charges", START, 2);
    account.add("charges", START + 1000, 1);
    assert_eq!(account.records("charges", None, i64::MAX).len(), 3);
    assert_eq!(account.records("charges", Some(START), START + 1000).len(), 2);
    assert_eq!(account.records("charges", Some(START + 1000), START + 2000).len(), 1);
    assert_eq!(account.records("charges", None, START).len(), 0);
}

#[test]
fn objects_keep_the_shape_of_the_sample_and_their_own_date() {
    let record = &account().records("charges", None, i64::MAX)[49];
    let sample = record::sample("charges").unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(record), keys(&sample));
    assert_eq!(record["created"], json!(START / 1000 - 60), "everything exists when the simulation starts");
    assert_eq!(record["object"], "charge");
    assert!(record["amount"].as_i64().unwrap() > 0);
    assert_eq!(record["amount"], record["amount_captured"]);
    assert_eq!(record["customer"], Value::Null);
}

#[test]
fn an_account_survives_being_saved() {
    let text = serde_json::to_string(&account()).unwrap();
    assert!(!text.contains("sk_test_one"), "the token itself is not kept");
    let loaded: Account = serde_json::from_str(&text).unwrap();
    assert_eq!(loaded, account());
}

#[test]
fn explore_of_charges_is_the_documented_answer() {
    let documented: Value =
        serde_json::from_str(include_str!("../../samples/stripe/explore-charges.json")).unwrap();
    assert_eq!(account().explore("charges", ExploreMode::Complete), Some(documented));
    assert_eq!(account().explore("payouts", ExploreMode::Complete), None);
}

#[test]
fn explore_has_no_type_where_the_sample_is_null() {
    let answer = account().explore("subscriptions", ExploreMode::Complete).unwrap();
    let data = &answer["schema"]["properties"]["data"]["properties"];
    assert_eq!(data["application"], json!({}));
    assert_eq!(data["metadata"], json!({"type": "object", "properties": {}}));
    assert_eq!(data["items"]["properties"]["data"]["type"], "array");
    assert_eq!(data["items"]["properties"]["data"]["items"]["properties"]["quantity"]["type"], "integer");
    assert_eq!(data["created"]["minimum"], json!(-9_007_199_254_740_992_i64));
}

#[test]
fn a_partial_explore_knows_fewer_types_and_an_empty_one_none() {
    let typed = |mode| account().explore("charges", mode).unwrap().to_string().matches("\"type\"").count();
    assert!(typed(ExploreMode::Partial) < typed(ExploreMode::Complete));
    let empty = account().explore("charges", ExploreMode::Empty).unwrap();
    assert_eq!(empty["schema"]["properties"]["data"]["properties"], json!({}));
}
