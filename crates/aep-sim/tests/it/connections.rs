//! Base connections: creation, credentials, test and explore.

use aep_sim::switches::{ExploreMode, SecretMasking};
use base64::Engine;
use serde_json::{Value, json};

use crate::support::{World, connection, with};

fn explore_path(id: &str, resource: &str) -> String {
    let params = json!({"resourcePath": resource}).to_string();
    let params = base64::engine::general_purpose::STANDARD.encode(params).replace('=', "%3D");
    format!(
        "/connections/{id}/explore?objectType=rest&object=json&fileType=json&preview=true&sourceParams={params}"
    )
}

#[tokio::test]
async fn a_create_answers_id_and_etag_only() {
    let world = World::new().await;
    let answer = world.post("/connections", &connection("Stripe")).await;
    let id = answer.id();
    assert_eq!(answer.headers["location"], format!("/connections/{id}"));
    assert_eq!(answer.body.as_object().unwrap().keys().collect::<Vec<_>>(), ["id", "etag"]);
    let etag = answer.body["etag"].as_str().unwrap();
    assert!(etag.starts_with('"') && etag.ends_with("0000\"") && etag.contains("-0000-0200-0000-"), "{etag}");
    let got = world.get(&format!("/connections/{id}")).await;
    let item = got.item();
    assert_eq!(item["etag"], etag);
    assert_eq!(item["version"], etag);
    assert_eq!(item["state"], "enabled");
    assert_eq!(item["createdClient"], "sim-client");
    assert_eq!(item["sandboxName"], "prod");
}

#[tokio::test]
async fn wrong_bodies_have_their_codes() {
    let world = World::new().await;
    let good = connection("Stripe");
    let cases = [
        (with(good.clone(), "/connectionSpec/id", json!("nonsense")), 400, "1413-400"),
        (with(good.clone(), "/connectionSpec", Value::Null), 400, "1413-400"),
        (with(good.clone(), "/auth/specName", json!("Basic")), 400, "1415-400"),
        (with(good.clone(), "/auth", Value::Null), 400, "1415-400"),
        (with(good.clone(), "/auth/params", json!({})), 400, ""),
        (with(good.clone(), "/name", Value::Null), 400, ""),
        (with(good.clone(), "/name", json!(7)), 400, ""),
        (with(good, "/connectionSpec/version", json!("9.9")), 422, ""),
    ];
    for (body, status, code) in cases {
        let answer = world.post("/connections", &body).await;
        assert_eq!(answer.status, status, "{body}");
        assert!(code.is_empty() || answer.code() == code, "{answer:?}");
        assert!(answer.body["errorMessage"].is_string());
    }
    assert_eq!(world.act("/connections").await.code(), "1405-400");
    assert!(world.get("/connections").await.items().is_empty());
}

#[tokio::test]
async fn secrets_come_back_masked_in_three_ways() {
    let world = World::new().await;
    let id = world.connection("Stripe").await;
    let path = format!("/connections/{id}");
    let read = async || world.get(&path).await.item()["auth"]["params"]["accessToken"].clone();
    assert_eq!(read().await, "***");
    world.switch(|switches| switches.secret_masking = SecretMasking::Absent);
    assert_eq!(read().await, Value::Null);
    world.switch(|switches| switches.secret_masking = SecretMasking::Ciphertext);
    assert_ne!(read().await, read().await);
    assert!(!String::from_utf8_lossy(&world.get(&path).await.raw).contains("sk_test"));
    assert!(!serde_json::to_string(&world.sim.journal(0)).unwrap().contains("sk_test"));
}

#[tokio::test]
async fn test_tells_a_bad_key_with_200() {
    let world = World::new().await;
    let id = world.connection("Stripe").await;
    assert_eq!(world.get(&format!("/connections/{id}/test")).await.body, json!({"result": true}));
    world.control("POST", "/stripe", &json!({"revoke": "sk_test_sim"}));
    let answer = world.get(&format!("/connections/{id}/test")).await;
    assert_eq!((answer.status, answer.body), (200, json!({"result": false})));
    assert_eq!(world.get(&explore_path(&id, "charges")).await.code(), "1100-400");
    assert_eq!(world.get("/connections/none/test").await.code(), "1439-404");
}

#[tokio::test]
async fn new_credentials_replace_the_old_ones() {
    let world = World::new().await;
    let bad = with(connection("Stripe"), "/auth/params", json!({"accessToken": "sk_live_unknown"}));
    let id = world.post("/connections", &bad).await.id();
    let path = format!("/connections/{id}");
    assert_eq!(world.get(&format!("{path}/test")).await.body["result"], false);
    let ops = json!([{"op": "replace", "path": "/auth/params", "value": {"accessToken": "sk_test_new"}}]);
    assert_eq!(world.patch(&path, &ops).await.status, 200);
    assert_eq!(world.get(&format!("{path}/test")).await.body["result"], true);
    let empty = json!([{"op": "replace", "path": "/auth/params", "value": {}}]);
    assert_eq!(world.patch(&path, &empty).await.status, 400);
    assert!(!serde_json::to_string(&world.sim.journal(0)).unwrap().contains("sk_"));
}

#[tokio::test]
async fn a_key_can_be_verified_on_create() {
    let world = World::new().await;
    world.switch(|switches| switches.verify_key_on_create = true);
    let bad = with(connection("Stripe"), "/auth/params", json!({"accessToken": "sk_live_unknown"}));
    assert_eq!(world.post("/connections", &bad).await.code(), "1100-400");
}

#[tokio::test]
async fn explore_reports_each_resource_as_completely_as_the_account_allows() {
    let world = World::new().await;
    let id = world.connection("Stripe").await;
    let fields = async |resource: &str| {
        let answer = world.get(&explore_path(&id, resource)).await;
        assert_eq!(answer.body["format"], "hierarchical");
        answer.body["schema"]["properties"]["data"]["properties"].as_object().map_or(0, serde_json::Map::len)
    };
    let complete = fields("charges").await;
    for resource in ["subscriptions", "refunds", "balance_transactions", "customers", "prices"] {
        assert!(fields(resource).await > 10, "{resource}");
    }
    world.switch(|switches| switches.explore = ExploreMode::Partial);
    let partial = fields("charges").await;
    world.switch(|switches| switches.explore = ExploreMode::Empty);
    assert!(complete > partial && partial > fields("charges").await);
}

#[tokio::test]
async fn explore_refuses_what_the_source_does_not_have() {
    let world = World::new().await;
    let id = world.connection("Stripe").await;
    assert_eq!(world.get(&explore_path(&id, "payouts")).await.code(), "1451-400");
    let bad = ["", "?objectType=rest&object=json", "?objectType=rest&object=json&sourceParams=%%%"];
    for query in bad {
        let path = format!("/connections/{id}/explore{}", query.replace("%%%", "bm90IGpzb24%3D"));
        assert_eq!(world.get(&path).await.code(), "1451-400", "{query}");
    }
}

#[tokio::test]
async fn a_used_connection_cannot_be_deleted() {
    let world = World::new().await;
    let chain = world.chain().await;
    let path = format!("/connections/{}", chain.connection);
    let refused = world.delete(&path).await;
    assert_eq!(refused.code(), "1418-400");
    assert!(refused.body["errorMessage"].as_str().unwrap().contains(&chain.flow));
    assert_eq!(world.delete(&format!("/flows/{}", chain.flow)).await.status, 204);
    let refused = world.delete(&path).await;
    assert_eq!(refused.code(), "1418-400");
    assert!(refused.body["errorMessage"].as_str().unwrap().contains(&chain.source));
    assert_eq!(world.delete(&format!("/sourceConnections/{}", chain.source)).await.status, 204);
    assert_eq!(world.delete(&path).await.status, 204);
    assert_eq!(world.get(&path).await.code(), "1439-404");
    assert_eq!(world.delete(&path).await.code(), "1439-404");
}

#[tokio::test]
async fn names_are_not_unique_and_can_be_trimmed() {
    let world = World::new().await;
    let first = world.connection("  twin ").await;
    world.switch(|switches| switches.trim_names = true);
    let second = world.connection("  twin ").await;
    assert_ne!(first, second);
    let name = async |id: &str| world.get(&format!("/connections/{id}")).await.item()["name"].clone();
    assert_eq!(name(&first).await, "  twin ");
    assert_eq!(name(&second).await, "twin");
}

#[tokio::test]
async fn texts_can_be_bounded() {
    let world = World::new().await;
    world.switch(|switches| switches.max_text = 10);
    assert_eq!(world.post("/connections", &connection("a name that is long")).await.status, 400);
}
