//! Faults: before and after the commit, broken connections, spoilt bodies.

use std::time::Duration;

use aep_sim::Dropped;
use futures::FutureExt;
use serde_json::{Value, json};

use crate::support::{FLOW, World, connection};

fn plan(world: &World, fault: &Value) {
    world.control("POST", "/faults", fault);
}

fn reached(world: &World) -> u64 {
    world.control("GET", "/faults", &Value::Null)["faults"][0]["reached"].as_u64().unwrap()
}

async fn create(world: &World) -> Result<crate::support::Answer, Dropped> {
    let uri = format!("{FLOW}/connections");
    world.send("POST", &uri, &world.headers(), Some(&connection("Stripe"))).await
}

async fn count(world: &World) -> u64 {
    world.get("/connections?count=true").await.body["count"].as_u64().unwrap()
}

#[tokio::test]
async fn a_status_before_the_commit_creates_nothing() {
    let world = World::new().await;
    plan(
        &world,
        &json!({"match": {"method": "POST"}, "action": {"status": {"status": 503, "headers": {"Retry-After": "3"}}}}),
    );
    let answer = create(&world).await.unwrap();
    assert_eq!((answer.status, answer.headers["retry-after"].to_str().unwrap()), (503, "3"));
    assert_eq!((count(&world).await, reached(&world)), (0, 1));
    assert_eq!(create(&world).await.unwrap().status, 201);
}

#[tokio::test]
async fn a_status_after_the_commit_leaves_an_object() {
    let world = World::new().await;
    plan(
        &world,
        &json!({"match": {"method": "POST"}, "action": {"statusAfterCommit": {"status": 502, "body": "<html>bad</html>"}}}),
    );
    let answer = create(&world).await.unwrap();
    assert_eq!(answer.status, 502);
    assert_eq!(answer.headers["content-type"], "text/html");
    assert_eq!(count(&world).await, 1);
}

#[tokio::test]
async fn somebody_else_can_write_between_a_read_and_a_patch() {
    let world = World::new().await;
    let path = format!("/connections/{}", world.connection("Stripe").await);
    let edit = json!({"patch": [{"op": "replace", "path": "/description", "value": "theirs"}]});
    plan(
        &world,
        &json!({"match": {"method": "PATCH", "endpoint": "/connections/{id}"}, "action": {"edit": edit}}),
    );
    let rename = json!([{"op": "replace", "path": "/name", "value": "ours"}]);
    assert_eq!(world.patch(&path, &rename).await.status, 412);
    assert_eq!(world.get(&path).await.item()["updatedClient"], "exc_app");
    assert_eq!(world.patch(&path, &rename).await.status, 200);
    let item = world.get(&path).await.item().clone();
    assert_eq!((&item["name"], &item["description"]), (&json!("ours"), &json!("theirs")));
}

#[tokio::test]
async fn a_connection_can_break_on_either_side_of_the_commit() {
    let world = World::new().await;
    for (action, left) in [("dropBeforeCommit", 0), ("dropAfterCommit", 1), ("dropMidBody", 2)] {
        plan(&world, &json!({"match": {"method": "POST"}, "action": action}));
        let dropped = create(&world).await.unwrap_err();
        assert_eq!(matches!(dropped, Dropped::MidBody(_)), action == "dropMidBody");
        assert_eq!(count(&world).await, left, "{action}");
    }
    let entries = world.sim.journal(0);
    let executed: Vec<bool> = entries
        .iter()
        .filter(|entry| entry.method == "POST" && entry.fault.is_some())
        .map(|entry| entry.executed)
        .collect();
    assert_eq!(executed, [false, true, true]);
}

#[tokio::test]
async fn a_call_can_hang_for_ever_with_or_without_effect() {
    let world = World::new().await;
    for (action, left) in [("hang", 0), ("hangAfterCommit", 1)] {
        plan(&world, &json!({"match": {"method": "POST"}, "action": action}));
        assert!(create(&world).now_or_never().is_none());
        assert_eq!(count(&world).await, left, "{action}");
    }
}

#[tokio::test(start_paused = true)]
async fn delays_stand_before_or_after_the_commit() {
    let world = World::new().await;
    for (delay, left) in [(json!({"before": 61_000}), 0), (json!({"after": 61_000}), 1)] {
        plan(&world, &json!({"match": {"method": "POST"}, "action": {"delayMs": delay}}));
        let result = tokio::time::timeout(Duration::from_mins(1), create(&world)).await;
        assert!(result.is_err());
        assert_eq!(count(&world).await, left);
    }
    world.switch(|switches| switches.latency_ms = 250);
    let start = tokio::time::Instant::now();
    world.get("/flows").await;
    assert!(start.elapsed() >= Duration::from_millis(250));
}

#[tokio::test(start_paused = true)]
async fn simulated_time_follows_a_paused_clock() {
    let world = World::new().await;
    let before = world.sim.now_ms();
    tokio::time::advance(Duration::from_hours(25)).await;
    assert!(world.sim.now_ms() - before >= 90_000_000);
    assert_eq!(world.get("/flows").await.status, 401);
}

#[tokio::test]
async fn bodies_can_be_spoilt_in_many_ways() {
    let world = World::new().await;
    let spoil = async |how: &str| {
        plan(&world, &json!({"match": {"method": "POST"}, "action": {"replaceBody": how}}));
        create(&world).await.unwrap()
    };
    assert!(spoil("empty").await.raw.is_empty());
    assert_eq!(spoil("cut").await.body, Value::Null);
    assert!(spoil("html").await.raw.starts_with(b"<!DOCTYPE"));
    assert!(spoil("huge").await.raw.len() > 10 * 1024 * 1024);
    assert!(String::from_utf8(spoil("invalidUtf8").await.raw).is_err());
    assert!(spoil("noId").await.body.get("id").is_none());
    assert!(spoil("badId").await.body["id"].as_str().unwrap().contains("not an id"));
    assert!(spoil("wrongType").await.body.is_array());
    assert!(spoil("deep").await.raw.len() > 10_000);
    assert!(spoil("extraFields").await.body["somethingNew"].is_object());
    let wrong = spoil("wrongId").await.body["id"].as_str().unwrap().to_owned();
    assert_eq!(world.get(&format!("/connections/{wrong}")).await.status, 404);
    assert_eq!(count(&world).await, 11);
}

#[tokio::test]
async fn etags_can_be_spoilt() {
    let world = World::new().await;
    let id = world.connection("Stripe").await;
    for (how, part) in [("noEtag", None), ("weakEtag", Some("W/\"")), ("doubleQuotedEtag", Some("\"\""))] {
        plan(&world, &json!({"match": {"method": "GET"}, "action": {"replaceBody": how}}));
        let answer = world.get(&format!("/connections/{id}")).await;
        let etag = answer.item()["etag"].as_str();
        assert_eq!(etag.map(|etag| etag.starts_with(part.unwrap())), part.map(|_| true), "{how}");
    }
}

#[tokio::test]
async fn pages_can_go_round_in_circles() {
    let world = World::new().await;
    world.control("POST", "/seed", &json!({"destinationFlows": 5}));
    plan(&world, &json!({"times": "forever", "action": {"replaceBody": "pageLoop"}}));
    let first = world.get("/flows?limit=2").await;
    let second = first.body["_links"]["next"]["href"].as_str().unwrap().to_owned();
    assert_eq!(world.get(&second).await.body["_links"]["next"]["href"], second);
}

#[tokio::test]
async fn a_fault_can_be_told_apart_by_endpoint_body_and_query() {
    let world = World::new().await;
    let id = world.connection("Stripe").await;
    plan(&world, &json!({"match": {"endpoint": "/connections/{id}"}, "action": {"status": {"status": 500}}}));
    plan(&world, &json!({"match": {"body": "special"}, "action": {"status": {"status": 501}}}));
    plan(&world, &json!({"match": {"query": "name==x"}, "action": {"status": {"status": 504}}}));
    plan(&world, &json!({"match": {"service": "ims"}, "action": {"status": {"status": 502}}}));
    assert_eq!(create(&world).await.unwrap().status, 201);
    assert_eq!(world.get("/connections").await.status, 200);
    assert_eq!(world.get(&format!("/connections/{id}")).await.status, 500);
    assert_eq!(world.post("/connections", &connection("special")).await.status, 501);
    assert_eq!(world.get("/connections?property=name==x").await.status, 504);
    assert_eq!(world.token(&[]).await.status, 502);
    world.control("DELETE", "/faults", &Value::Null);
    assert_eq!(world.control("GET", "/faults", &Value::Null)["faults"], json!([]));
}
