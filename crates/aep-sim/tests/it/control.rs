//! The control API: markers, inventory, journal, seeds, switches, reset.

use serde_json::{Value, json};

use crate::support::{CATALOG, CLIENT, World, connection, with};

const MARKER: &str = "[aep-operator/v1 u-1/connection/1 prod cluster/ns/name]";

fn marked(name: &str) -> Value {
    with(connection(name), "/description", json!(format!("text\n{MARKER}")))
}

fn violations(world: &World) -> Vec<Value> {
    world.control("GET", "/violations", &Value::Null)["violations"].as_array().unwrap().clone()
}

#[tokio::test]
async fn two_live_objects_with_one_marker_are_a_violation_even_for_a_moment() {
    let world = World::new().await;
    let first = world.post("/connections", &marked("a")).await.id();
    assert!(violations(&world).is_empty());
    let second = world.post("/connections", &marked("b")).await.id();
    world.delete(&format!("/connections/{first}")).await;
    let found = violations(&world);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["ids"], json!([first, second]));
    assert!(found[0]["endedMs"].is_i64());
    world.post("/connections", &with(marked("c"), "/description", json!("no marker"))).await.id();
    assert_eq!(violations(&world).len(), 1);
    world.control("DELETE", "/violations", &Value::Null);
    assert!(violations(&world).is_empty());
}

#[tokio::test]
async fn a_moved_marker_is_no_violation_and_a_copied_one_is() {
    let world = World::new().await;
    let first = world.post("/connections", &marked("a")).await.id();
    let second = world.connection("b").await;
    let text = |text: &str| json!([{"op": "replace", "path": "/description", "value": text}]);
    world.patch(&format!("/connections/{first}"), &text("none")).await;
    world.patch(&format!("/connections/{second}"), &text(MARKER)).await;
    assert!(violations(&world).is_empty());
    world.patch(&format!("/connections/{first}"), &text(MARKER)).await;
    assert_eq!(violations(&world).len(), 1);
}

#[tokio::test]
async fn markers_count_in_names_of_mapping_sets_and_tags_of_data_sets_too() {
    let world = World::new().await;
    let schema = world.schema("Charges").await;
    let reference = json!({"id": schema, "contentType": "application/vnd.adobe.xed-full+json;version=1"});
    let dataset = json!({"name": "d", "schemaRef": reference, "tags": {"owner": [MARKER]}});
    let uri = format!("{CATALOG}/dataSets");
    let first = world.call("POST", &uri, Some(&dataset)).await;
    assert!(violations(&world).is_empty());
    let id = first.body[0].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    world.call("DELETE", &format!("{uri}/{id}"), None).await;
    world.call("POST", &uri, Some(&dataset)).await;
    assert!(violations(&world).is_empty());
    let set = json!({"name": MARKER, "outputSchema": {"schemaRef": reference}, "mappings": []});
    let made = world.call("POST", "/data/foundation/conversion/mappingSets", Some(&set)).await;
    assert_eq!(made.status, 200, "{made:?}");
    assert_eq!(violations(&world).len(), 1);
}

#[tokio::test]
async fn the_inventory_lists_everything_with_parsed_markers() {
    let world = World::new().await;
    let id = world.post("/connections", &marked("a")).await.id();
    let chain = world.chain().await;
    let inventory = world.control("GET", "/inventory", &Value::Null);
    let objects = inventory["objects"].as_array().unwrap();
    let find = |id: &str| objects.iter().find(|object| object["id"] == id).unwrap();
    let marker = &find(&id)["markers"][0];
    assert_eq!(
        (&marker["uid"], &marker["role"], &marker["owner"]),
        (&json!("u-1"), &json!("connection"), &json!("cluster/ns/name"))
    );
    assert_eq!(find(&chain.flow)["kind"], "flows");
    assert_eq!(find(&chain.dataset)["kind"], "dataSets");
    assert_eq!(find(&chain.mapping)["kind"], "mappingSets");
    for kind in ["schemas", "fieldgroups", "sourceConnections", "targetConnections"] {
        assert!(objects.iter().any(|object| object["kind"] == kind), "{kind}");
    }
}

#[tokio::test]
async fn the_journal_tells_every_call_without_secrets() {
    let world = World::new().await;
    let since = world.control("GET", "/journal", &Value::Null)["last"].as_u64().unwrap();
    world.connection("Stripe").await;
    world.get("/flows/none").await;
    let journal = world.control("GET", &format!("/journal?since={since}"), &Value::Null);
    let entries = journal["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0]["endpoint"], "/connections");
    assert_eq!(entries[0]["status"], 201);
    assert_eq!(entries[0]["client"], CLIENT);
    assert_eq!(entries[0]["body"]["auth"]["params"]["accessToken"], "***");
    assert!(entries[0]["created"].is_string());
    assert_eq!(
        (&entries[1]["endpoint"], &entries[1]["code"]),
        (&json!("/flows/{id}"), &json!("FLOW-1439-404"))
    );
    let only =
        world.control("GET", &format!("/journal?since={since}&method=GET&service=flowservice"), &Value::Null);
    assert_eq!(only["entries"].as_array().unwrap().len(), 1);
    world.control("DELETE", "/journal", &Value::Null);
    assert_eq!(world.control("GET", "/journal", &Value::Null)["last"], since + 2);
}

#[tokio::test]
async fn a_colleague_can_edit_and_delete_behind_our_back() {
    let world = World::new().await;
    let chain = world.chain().await;
    let before = world.flow(&chain.flow).await;
    let edit = json!({"patch": [{"op": "replace", "path": "/name", "value": "edited"}]});
    world.control("POST", &format!("/objects/{}", chain.flow), &edit);
    let after = world.flow(&chain.flow).await;
    assert_eq!((&after["name"], &after["updatedClient"]), (&json!("edited"), &json!("exc_app")));
    assert_ne!(after["etag"], before["etag"]);
    world.control("POST", &format!("/objects/{}", chain.flow), &json!({"touch": true}));
    assert_ne!(world.flow(&chain.flow).await["etag"], after["etag"]);
    let state = json!({"state": "updating", "stateForMs": 1000});
    world.control("POST", &format!("/objects/{}", chain.flow), &state);
    assert_eq!(world.flow(&chain.flow).await["state"], "updating");
    world.advance(2);
    assert_eq!(world.flow(&chain.flow).await["state"], "enabled");
    world.control("DELETE", &format!("/objects/{}", chain.flow), &Value::Null);
    assert_eq!(world.get(&format!("/flows/{}", chain.flow)).await.status, 404);
    assert_eq!(world.sim.control("GET", "/objects/none", &Value::Null).0, 404);
}

#[tokio::test]
async fn seeds_are_foreign_and_do_not_count_as_duplicates() {
    let world = World::new().await;
    let id = world.post("/connections", &marked("a")).await.id();
    world.control("POST", "/seed", &json!({"foreignConnections": 2, "destinationFlows": 3}));
    let copy = world.control("POST", "/seed", &json!({"objects": [{"copyOf": id}]}))["ids"][0].clone();
    assert!(violations(&world).is_empty());
    let copy = world.get(&format!("/connections/{}", copy.as_str().unwrap())).await;
    assert_eq!((&copy.item()["name"], &copy.item()["createdClient"]), (&json!("a"), &json!("exc_app")));
    assert_eq!(world.get("/flows").await.items().len(), 3);
    assert_eq!(world.get("/sourceConnections").await.items().len(), 2);
    let counted = json!({"objects": [{"copyOf": id, "counts": true}]});
    world.control("POST", "/seed", &counted);
    assert_eq!(violations(&world).len(), 1);
}

#[tokio::test]
async fn switches_are_patched_member_by_member() {
    let world = World::new().await;
    let switches =
        world.control("PATCH", "/switches", &json!({"listLagMs": 5, "limits": {"requestsPerSecond": 9}}));
    assert_eq!((&switches["listLagMs"], &switches["limits"]["requestsPerSecond"]), (&json!(5), &json!(9)));
    assert_eq!(switches["deleteStatus"], "noContent");
    assert_eq!(world.sim.control("PATCH", "/switches", &json!({"noSuchSwitch": 1})).0, 400);
    assert_eq!(world.sim.control("PATCH", "/switches", &json!({"explore": "sideways"})).0, 400);
    assert_eq!(world.control("GET", "/switches", &Value::Null), switches);
}

#[tokio::test]
async fn the_clock_moves_forward_only() {
    let world = World::new().await;
    let before = world.control("GET", "/clock", &Value::Null)["nowMs"].as_i64().unwrap();
    let after = world.control("POST", "/clock", &json!({"advanceSeconds": 60}))["nowMs"].as_i64().unwrap();
    assert!(after >= before + 60_000);
    assert_eq!(world.sim.control("POST", "/clock", &json!({"advanceSeconds": -1})).0, 400);
}

#[tokio::test]
async fn reset_forgets_everything_but_the_numbers_of_the_journal() {
    let world = World::new().await;
    world.chain().await;
    let last = world.control("GET", "/journal", &Value::Null)["last"].as_u64().unwrap();
    world.control("POST", "/reset", &Value::Null);
    assert_eq!(world.control("GET", "/inventory", &Value::Null)["objects"], json!([]));
    assert_eq!(world.control("GET", "/journal", &Value::Null)["last"], last);
    assert_eq!(world.get("/flows").await.status, 401);
}

#[tokio::test]
async fn the_index_names_every_endpoint() {
    let world = World::new().await;
    let index = world.control("GET", "/", &Value::Null);
    assert!(index["endpoints"].as_array().unwrap().len() > 10);
    assert_eq!(world.control("GET", "/healthz", &Value::Null), json!({"status": "ok"}));
    assert_eq!(world.sim.control("GET", "/nothing", &Value::Null).0, 404);
}
