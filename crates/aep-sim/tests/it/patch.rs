//! PATCH: versions, instructions, and which paths may change.

use serde_json::{Value, json};

use crate::support::{FLOW, World};

fn replace(path: &str, value: impl Into<Value>) -> Value {
    json!([{"op": "replace", "path": path, "value": value.into()}])
}

#[tokio::test]
async fn a_version_is_needed_and_must_be_the_current_one() {
    let world = World::new().await;
    let id = world.connection("Stripe").await;
    let path = format!("/connections/{id}");
    let etag = world.get(&path).await.item()["etag"].as_str().unwrap().to_owned();
    let ops = replace("/name", json!("new"));
    let missing = world.send("PATCH", &format!("{FLOW}{path}"), &world.headers(), Some(&ops)).await.unwrap();
    assert_eq!(missing.code(), "1403-400");
    let new = world.patch_if(&path, &etag, &ops).await.etag();
    assert_ne!(new, etag);
    let stale = world.patch_if(&path, &etag, &ops).await;
    assert_eq!(stale.code(), "1404-412");
    assert!(stale.body["errorMessage"].as_str().unwrap().contains(&new));
    for spoilt in [new.trim_matches('"').to_owned(), format!("W/{new}"), format!("\"{new}\"")] {
        assert_eq!(world.patch_if(&path, &spoilt, &ops).await.code(), "1404-412", "{spoilt}");
    }
    world.switch(|switches| switches.unquoted_if_match = true);
    assert_eq!(world.patch_if(&path, new.trim_matches('"'), &ops).await.status, 200);
}

#[tokio::test]
async fn broken_instructions_have_their_codes_and_change_nothing() {
    let world = World::new().await;
    let id = world.connection("Stripe").await;
    let path = format!("/connections/{id}");
    let before = world.get(&path).await.item().clone();
    let cases = [
        (json!([{"op": "move", "from": "/name", "path": "/description"}]), "1434-400"),
        (json!([{"op": "test", "path": "/name", "value": "Stripe"}]), "1434-400"),
        (json!([{"op": "replace", "path": "/name"}]), "1455-400"),
        (json!([{"op": "replace", "value": 1}]), "1455-400"),
        (json!([{"path": "/name", "value": 1}]), "1455-400"),
        (json!([{"op": "remove", "path": "/name"}]), "1455-400"),
        (json!([]), "1405-400"),
        (json!("text"), "1455-400"),
        (replace("/connectionSpec/id", json!("x")), "1414-400"),
        (replace("/id", json!("x")), "1455-400"),
        (replace("/auth/params/accessToken", json!("x")), "1455-400"),
        (replace("/state", json!("updating")), "1456-400"),
    ];
    for (ops, code) in cases {
        assert_eq!(world.patch(&path, &ops).await.code(), code, "{ops}");
    }
    let empty = world.patch_if(&path, before["etag"].as_str().unwrap(), &Value::Null).await;
    assert_eq!(empty.code(), "1455-400");
    assert_eq!(world.get(&path).await.item(), &before);
}

#[tokio::test]
async fn one_broken_instruction_spoils_all() {
    let world = World::new().await;
    let id = world.connection("Stripe").await;
    let path = format!("/connections/{id}");
    let ops = json!([{"op": "replace", "path": "/name", "value": "new"}, {"op": "replace", "path": "/x", "value": 1}]);
    assert_eq!(world.patch(&path, &ops).await.code(), "1455-400");
    assert_eq!(world.get(&path).await.item()["name"], "Stripe");
}

#[tokio::test]
async fn a_single_upper_case_instruction_is_accepted() {
    let world = World::new().await;
    let id = world.connection("Stripe").await;
    let path = format!("/connections/{id}");
    let op = json!({"op": "REPLACE", "path": "/name", "value": "new"});
    assert_eq!(world.patch(&path, &op).await.status, 200);
    let item = world.get(&path).await.item().clone();
    assert_eq!((&item["name"], &item["updatedClient"]), (&json!("new"), &json!("sim-client")));
}

#[tokio::test]
async fn a_description_can_be_added_and_removed() {
    let world = World::new().await;
    let chain = world.chain().await;
    for path in
        [format!("/sourceConnections/{}", chain.source), format!("/targetConnections/{}", chain.target)]
    {
        let add = json!([{"op": "add", "path": "/description", "value": "text"}]);
        assert_eq!(world.patch(&path, &add).await.status, 200);
        assert_eq!(world.get(&path).await.item()["description"], "text");
        assert_eq!(world.patch(&path, &json!([{"op": "remove", "path": "/description"}])).await.status, 200);
        assert_eq!(world.get(&path).await.item().get("description"), None);
    }
}

#[tokio::test]
async fn a_flows_documented_paths_can_change() {
    let world = World::new().await;
    let chain = world.chain().await;
    let path = format!("/flows/{}", chain.flow);
    let cases = [
        (
            json!([{"op": "replace", "path": "/scheduleParams/frequency", "value": "day"}]),
            "/scheduleParams/frequency",
            json!("day"),
        ),
        (
            json!([{"op": "replace", "path": "/scheduleParams/interval", "value": 2}]),
            "/scheduleParams/interval",
            json!("2"),
        ),
        (
            json!([{"op": "add", "path": "/options", "value": {"partialIngestionPercent": "10"}}]),
            "/options/partialIngestionPercent",
            json!(10),
        ),
        (
            json!([{"op": "add", "path": "/options/errorDiagnosticsEnabled", "value": true}]),
            "/options/errorDiagnosticsEnabled",
            json!(true),
        ),
        (json!([{"op": "add", "path": "/labels", "value": ["core/C12"]}]), "/labels/0", json!("core/C12")),
    ];
    for (ops, pointer, expected) in cases {
        assert_eq!(world.patch(&path, &ops).await.status, 200, "{ops}");
        let flow = world.flow(&chain.flow).await;
        assert_eq!(flow.pointer(pointer), Some(&expected), "{flow}");
        assert_eq!(flow["lastOperation"]["operation"], "update");
        assert_eq!(flow["lastOperation"]["ops"], ops);
    }
}

#[tokio::test]
async fn a_flow_keeps_its_rules_when_it_changes() {
    let world = World::new().await;
    let chain = world.chain().await;
    let path = format!("/flows/{}", chain.flow);
    let step = |version: u32| json!({"name": "Mapping", "params": {"mappingId": chain.mapping, "mappingVersion": version}});
    let cases = [
        (replace("/transformations/0", step(7)), "1412-400"),
        (replace("/transformations/3", step(0)), "1455-400"),
        (replace("/sourceConnectionIds", json!(["x"])), "1455-400"),
        (replace("/flowSpec", json!({})), "1455-400"),
        (replace("/options/partialIngestionPercent", json!(1)), "1455-400"),
    ];
    for (ops, code) in cases {
        assert_eq!(world.patch(&path, &ops).await.code(), code, "{ops}");
    }
    assert_eq!(world.patch(&path, &replace("/scheduleParams/interval", json!(0))).await.status, 400);
}

#[tokio::test]
async fn interval_and_backfill_can_be_frozen() {
    let world = World::new().await;
    let chain = world.chain().await;
    world.switch(|switches| switches.interval_patchable = false);
    let path = format!("/flows/{}", chain.flow);
    assert_eq!(world.patch(&path, &replace("/scheduleParams/interval", json!(2))).await.code(), "1455-400");
    assert_eq!(
        world.patch(&path, &replace("/scheduleParams/backfill", json!(false))).await.code(),
        "1455-400"
    );
    assert_eq!(world.patch(&path, &replace("/scheduleParams/frequency", json!("day"))).await.status, 200);
}

#[tokio::test]
async fn the_start_can_change_until_it_has_passed() {
    let world = World::new().await;
    let chain = world.chain().await;
    let path = format!("/flows/{}", chain.flow);
    let start = |at: i64| replace("/scheduleParams/startTime", json!(at.to_string()));
    assert_eq!(world.patch(&path, &start(world.now() + 100)).await.status, 200);
    world.advance(200);
    assert_eq!(world.runs(&chain.flow).await.len(), 1);
    assert_eq!(world.patch(&path, &start(world.now() + 100)).await.code(), "1455-400");
}
