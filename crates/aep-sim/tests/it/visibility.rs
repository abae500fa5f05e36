//! What a caller sees: lag, access labels, lost roles, reset sandboxes.

use serde_json::{Value, json};

use crate::support::{CATALOG, ORG, REGISTRY, World};

#[tokio::test]
async fn lists_lag_behind_writes() {
    let world = World::new().await;
    let old = world.connection("old").await;
    world.switch(|switches| switches.list_lag_ms = 60_000);
    let new = world.connection("new").await;
    let rename = json!([{"op": "replace", "path": "/name", "value": "renamed"}]);
    world.patch(&format!("/connections/{old}"), &rename).await;
    let names = async || -> Vec<Value> {
        world.get("/connections?orderby=name").await.items().iter().map(|item| item["name"].clone()).collect()
    };
    assert_eq!(names().await, ["old"]);
    assert_eq!(world.get(&format!("/connections/{new}")).await.item()["name"], "new");
    world.advance(61);
    assert_eq!(names().await, ["new", "renamed"]);
    world.delete(&format!("/connections/{new}")).await;
    assert_eq!(names().await.len(), 2);
    assert_eq!(world.get(&format!("/connections/{new}")).await.status, 404);
    world.advance(61);
    assert_eq!(names().await, ["renamed"]);
}

#[tokio::test]
async fn a_get_by_id_can_lag_too_while_a_patch_does_not() {
    let world = World::new().await;
    world.switch(|switches| switches.get_lag_ms = 60_000);
    let created = world.post("/connections", &crate::support::connection("new")).await;
    let path = format!("/connections/{}", created.id());
    assert_eq!(world.get(&path).await.code(), "1439-404");
    let rename = json!([{"op": "replace", "path": "/name", "value": "renamed"}]);
    assert_eq!(world.patch_if(&path, &created.etag(), &rename).await.status, 200);
    assert_eq!(world.patch_if(&path, "\"never issued\"", &rename).await.status, 412);
    world.advance(61);
    assert_eq!(world.get(&path).await.item()["name"], "renamed");
}

#[tokio::test]
async fn a_labelled_flow_is_hidden_but_not_gone() {
    let world = World::new().await;
    let chain = world.chain().await;
    let path = format!("/flows/{}", chain.flow);
    let etag = world.flow(&chain.flow).await["etag"].as_str().unwrap().to_owned();
    world.control("POST", &format!("/objects/{}", chain.flow), &json!({"hidden": true}));
    assert_eq!(world.get(&path).await.code(), "1439-404");
    let rename = json!([{"op": "replace", "path": "/name", "value": "new"}]);
    assert_eq!(world.patch_if(&path, &etag, &rename).await.code(), "2120-403");
    assert_eq!(world.patch_if(&path, "\"never issued\"", &rename).await.code(), "2120-403");
    assert_eq!(world.delete(&path).await.code(), "2120-403");
    assert_eq!(world.get("/flows").await.items().len(), 0);
    world.switch(|switches| switches.labelled_in_lists = true);
    assert_eq!(world.get("/flows").await.items().len(), 1);
    world.control("POST", &format!("/objects/{}", chain.flow), &json!({"hidden": false}));
    assert_eq!(world.flow(&chain.flow).await["etag"], etag);
}

#[tokio::test]
async fn a_lost_role_sees_empty_lists() {
    let world = World::new().await;
    let chain = world.chain().await;
    let sandbox = format!("/sandboxes/{ORG}/prod");
    world.control("POST", &sandbox, &json!({"roleLost": true}));
    assert!(world.get("/flows").await.items().is_empty());
    assert_eq!(world.get(&format!("/flows/{}", chain.flow)).await.code(), "1439-404");
    assert_eq!(world.delete(&format!("/flows/{}", chain.flow)).await.code(), "2120-403");
    assert_eq!(world.post("/connections", &crate::support::connection("x")).await.code(), "2120-403");
    let dataset = format!("{CATALOG}/dataSets/{}", chain.dataset);
    assert_eq!(world.call("GET", &dataset, None).await.status, 404);
    assert_eq!(world.call("DELETE", &dataset, None).await.status, 403);
    assert_eq!(world.call("GET", &format!("{REGISTRY}/stats"), None).await.status, 200);
    world.control("POST", &sandbox, &json!({"roleLost": false}));
    assert_eq!(world.get("/flows").await.items().len(), 1);
    assert_eq!(world.call("GET", &dataset, None).await.status, 200);
}

#[tokio::test]
async fn a_reset_sandbox_has_another_id_and_nothing_in_it() {
    let world = World::new().await;
    let chain = world.chain().await;
    let before = world.flow(&chain.flow).await["sandboxId"].clone();
    world.control("POST", &format!("/sandboxes/{ORG}/prod"), &json!({"reset": true}));
    assert!(world.get("/flows").await.items().is_empty());
    assert_eq!(world.get(&format!("/flows/{}", chain.flow)).await.status, 404);
    let sandbox = world.call("GET", "/data/foundation/sandbox-management/sandboxes/prod", None).await;
    assert_ne!(sandbox.body["id"], before);
    let inventory = world.control("GET", "/inventory", &Value::Null);
    assert_eq!(inventory["objects"], json!([]));
}
