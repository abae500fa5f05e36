//! Living objects: at rest nothing is exchanged, and a change of spec is one write upstream that leaves what others own alone.

use serde_json::{Value, json};

use super::harness::{End, KINDS, Order, Process, World, is_ready, text};
use super::tape::Plan;
use crate::support::objects::{self, with};

async fn one_round(world: &World, process: &Process) {
    for kind in KINDS {
        let _ended = world.pass(process, kind, "charges").await;
    }
}

#[tokio::test(start_paused = true)]
async fn at_rest_adobe_is_not_asked_and_nothing_is_written() {
    let (world, process) = World::settled(&objects::chain("charges", "charges")).await;
    let (calls, version) = (world.calls(), world.api.version());
    one_round(&world, &process).await;
    one_round(&world, &process).await;
    assert_eq!(world.calls(), calls);
    assert_eq!(world.api.version(), version, "{:?}", world.api.writes());
}

#[tokio::test(start_paused = true)]
async fn a_restart_writes_nothing_and_asks_adobe_for_a_token_and_its_facts_only() {
    let (world, process) = World::settled(&objects::chain("charges", "charges")).await;
    drop(process);
    let (calls, version) = (world.calls().len(), world.api.version());
    let next = world.process("next", Plan::Live);
    one_round(&world, &next).await;
    assert_eq!(world.api.version(), version, "{:?}", world.api.writes());
    let asked = world.calls().split_off(calls);
    assert_eq!(asked, ["POST /ims/token/v3", "GET /sandboxes/{id}", "GET /stats"]);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_finds_nothing_writes_at_most_what_it_saw_for_the_first_time() {
    let (world, process) = World::settled(&objects::chain("charges", "charges")).await;
    let check = async || {
        for kind in KINDS {
            let uid = text(&world.api.get(kind, "charges").unwrap_or_default(), "/metadata/uid");
            process.cx.memory.ask_for_check(&uid);
        }
        one_round(&world, &process).await;
    };
    check().await;
    let (writes, version) = (world.upstream_writes(), world.api.version());
    check().await;
    assert_eq!(world.upstream_writes(), writes);
    assert_eq!(world.api.version(), version, "{:?}", world.api.writes());
}

#[tokio::test(start_paused = true)]
async fn a_parent_that_fails_writes_nothing_on_its_children() {
    let (world, process) = World::settled(&objects::chain("charges", "charges")).await;
    world.sim.switch(|switches| switches.accept_test_keys = false);
    let (status, _) = world.sim.control("POST", "/stripe", &json!({ "revoke": objects::STRIPE_KEY }));
    assert_eq!(status, 204);
    let before: Vec<Value> = KINDS[1..].iter().flat_map(|kind| world.api.list(kind)).collect();
    world.api.apply(&with(objects::base("charges"), "/displayName", json!("Renamed")));
    one_round(&world, &process).await;
    let base = world.api.get("StripeBaseConnection", "charges").unwrap_or_default();
    assert!(!is_ready(&base), "{base}");
    one_round(&world, &process).await;
    let after: Vec<Value> = KINDS[1..].iter().flat_map(|kind| world.api.list(kind)).collect();
    assert_eq!(after, before);
}

/// Applies a change and returns the writes that it costs upstream.
async fn change(object: Value) -> (World, Vec<String>) {
    let (world, process) = World::settled(&objects::chain("charges", "charges")).await;
    let before = world.upstream_writes().len();
    world.api.apply(&object);
    world.settle(&process).await;
    let writes = world.upstream_writes().split_off(before);
    (world, writes)
}

fn source() -> Value {
    objects::source("charges", "charges", "charges")
}

fn mapping() -> Value {
    objects::mapping("charges", "charges", "charges", "Stripe charges of charges")
}

fn flow() -> Value {
    objects::flow("charges", "charges", "charges", "Stripe charges of charges")
}

#[tokio::test(start_paused = true)]
async fn a_changed_name_is_one_patch() {
    let (world, writes) = change(with(source(), "/displayName", json!("Renamed"))).await;
    assert_eq!(writes, ["PATCH /sourceConnections/{id}"]);
    assert_eq!(world.upstream("source-connection")["doc"]["name"], "Renamed");
}

#[tokio::test(start_paused = true)]
async fn a_changed_description_is_one_patch_and_keeps_the_marker() {
    let (world, writes) =
        change(with(objects::base("charges"), "/description", json!("For the auditors"))).await;
    assert_eq!(writes, ["PATCH /connections/{id}"]);
    let description = text(&world.upstream("connection"), "/doc/description");
    assert!(description.starts_with("For the auditors\n[aep-operator/v1 "), "{description}");
}

#[tokio::test(start_paused = true)]
async fn a_changed_interval_is_one_patch() {
    let (world, writes) = change(with(flow(), "/schedule/interval", json!(6))).await;
    assert_eq!(writes, ["PATCH /flows/{id}"]);
    let interval = world.upstream("flow")["doc"]["scheduleParams"]["interval"].clone();
    assert!(interval == json!(6) || interval == json!("6"), "{interval}");
}

#[tokio::test(start_paused = true)]
async fn an_added_row_is_one_patch_of_the_fields_one_put_and_one_patch_of_the_flow() {
    let destination = "_{TENANT_ID}.charges_data.receiptEmailOwn";
    let row = json!([{ "source": "receipt_email", "destination": destination, "xdmType": "String" }]);
    let (world, writes) = change(with(mapping(), "/mappings", row)).await;
    assert_eq!(writes, ["PATCH /tenant/fieldgroups/{id}", "PUT /mappingSets/{id}", "PATCH /flows/{id}"]);
    assert!(world.violations().is_empty());
}

/// Another mapping of the same source, with rows of its own for the schema that the first one made.
fn other_mapping() -> Value {
    let schema = json!({ "existing": { "title": "Stripe charges of charges" } });
    with(objects::mapping("other", "charges", "charges", "unused"), "/targetSchema", schema)
}

#[tokio::test(start_paused = true)]
async fn another_mapping_is_one_patch_also_beside_every_other_field() {
    let other = with(flow(), "/mappingRef/name", json!("other"));
    let all = [
        ("/displayName", json!("Renamed")),
        ("/description", json!("For the auditors")),
        ("/schedule/interval", json!(6)),
        ("/enabled", json!(false)),
        ("/errorDiagnostics", json!(true)),
        ("/partialIngestion", json!({ "percent": 5 })),
        ("/accessLabels", json!(["core/C12"])),
    ];
    let together = all.into_iter().fold(other.clone(), |flow, (at, value)| with(flow, at, value));
    let of_flow = vec!["PATCH /flows/{id}"];
    let of_all = vec!["PATCH /targetConnections/{id}", "PATCH /flows/{id}", "POST /flows/{id}/action"];
    for (changed, mut expected) in [(other, of_flow), (together, of_all)] {
        let (world, process) = World::settled(&objects::chain("charges", "charges")).await;
        world.api.apply(&other_mapping());
        world.settle(&process).await;
        let before = world.upstream_writes().len();
        world.api.apply(&changed);
        world.settle(&process).await;
        let mut writes = world.upstream_writes().split_off(before);
        writes.sort_unstable();
        expected.sort_unstable();
        assert_eq!(writes, expected);
        let mapping = world.api.get("IngestionMapping", "other").unwrap_or_default();
        let used = &world.upstream("flow")["doc"]["transformations"][0]["params"]["mappingId"];
        assert_eq!(*used, mapping["status"]["external"][0]["id"], "{mapping}");
    }
}

#[tokio::test(start_paused = true)]
async fn changed_rows_are_one_version_and_one_patch_of_each_flow_that_uses_them() {
    let [base, source, mapping, flow] = objects::chain("charges", "charges");
    let second = [
        objects::source("second", "charges", "charges"),
        objects::flow("second", "second", "charges", "Second"),
    ];
    let (world, process) = World::settled(&[base, source, mapping.clone(), flow]).await;
    second.iter().for_each(|object| world.api.apply(object));
    world.settle(&process).await;
    let before = world.upstream_writes().len();
    // Another source for a field that the schema has.
    let row = json!([{ "source": "data.id", "destination": "_{TENANT_ID}.charges_data.currency" }]);
    world.api.apply(&with(mapping, "/mappings", row));
    world.settle(&process).await;
    let writes = world.upstream_writes().split_off(before);
    assert_eq!(writes, ["PUT /mappingSets/{id}", "PATCH /flows/{id}", "PATCH /flows/{id}"]);
    let used = |flow: &Value| {
        let id = format!("/objects/{}", text(flow, "/id"));
        let (_, object) = world.sim.control("GET", &id, &Value::Null);
        object["doc"]["transformations"][0]["params"]["mappingVersion"].to_string().replace('"', "")
    };
    let versions: Vec<String> = world.playing("flow").iter().map(used).collect();
    assert_eq!(versions, ["1", "1"]);
}

#[tokio::test(start_paused = true)]
async fn disabling_and_enabling_are_one_action_each() {
    let (world, writes) = change(with(flow(), "/enabled", json!(false))).await;
    assert_eq!(writes, ["POST /flows/{id}/action"]);
    assert_eq!(world.upstream("flow")["doc"]["state"], "disabled");
    let process = world.process("next", Plan::Live);
    world.api.apply(&flow());
    world.settle(&process).await;
    assert_eq!(world.upstream("flow")["doc"]["state"], "enabled");
    assert_eq!(world.upstream_writes().iter().filter(|write| write.ends_with("/action")).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn fields_of_others_survive_a_change() {
    let (world, process) = World::settled(&objects::chain("charges", "charges")).await;
    let options = json!({ "ownedByTheUi": "kept" });
    world.edit_upstream("flow", &json!([{ "op": "add", "path": "/options", "value": options }]));
    let changed = with(flow(), "/displayName", json!("Renamed"));
    world.api.apply(&with(changed, "/partialIngestion", json!({ "percent": 5 })));
    world.settle(&process).await;
    let document = world.upstream("flow")["doc"].clone();
    assert_eq!(document["name"], "Renamed");
    assert_eq!(document["options"]["ownedByTheUi"], "kept", "{document}");
}

#[tokio::test(start_paused = true)]
async fn five_stale_etags_in_a_row_end_within_six_tries() {
    let cases = [
        (objects::base("charges"), "connection", "/connections/{id}"),
        (source(), "source-connection", "/sourceConnections/{id}"),
        (flow(), "target-connection", "/targetConnections/{id}"),
        (flow(), "flow", "/flows/{id}"),
    ];
    for (object, role, endpoint) in cases {
        let (world, process) = World::settled(&objects::chain("charges", "charges")).await;
        let on = json!({ "method": "PATCH", "endpoint": endpoint });
        world.fault(&json!({ "match": on, "times": 5, "action": { "status": { "status": 412 } } }));
        world.api.apply(&with(object, "/displayName", json!("Renamed")));
        world.settle(&process).await;
        let name = text(&world.upstream(role), "/doc/name");
        assert!(name.starts_with("Renamed"), "{role}: {name}");
        let tries = world.count(&format!("PATCH {endpoint}"));
        assert_eq!(tries, 6, "{role}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rotated_key_is_one_patch() {
    let (world, process) = World::settled(&objects::chain("charges", "charges")).await;
    let before = world.upstream_writes().len();
    world.api.apply(&objects::secret("stripe", &[("access-token", "sk_test_rotated")]));
    world.settle(&process).await;
    let writes = world.upstream_writes().split_off(before);
    assert_eq!(writes.iter().filter(|write| *write == "PATCH /connections/{id}").count(), 1, "{writes:?}");
}

/// The user edits while the operator works: at whichever exchange that falls, the last spec is what upstream ends with.
#[tokio::test(start_paused = true)]
async fn a_spec_changed_while_its_objects_are_made_is_applied() {
    let clean = {
        let world = World::with(&objects::chain("charges", "charges"));
        let process = world.process("p", Plan::Live);
        world.settle(&process).await;
        world.trace()
    };
    let mut failures = Vec::new();
    for (index, name) in clean.iter().enumerate() {
        let world = World::with(&objects::chain("charges", "charges"));
        let process = world.process("p", Plan::Notify(index));
        let api = world.api.clone();
        process.tape.at(move || {
            for object in [objects::base("charges"), source(), flow()] {
                api.apply(&with(object, "/displayName", json!("Renamed")));
            }
            api.apply(&with(mapping(), "/displayName", json!("Renamed")));
        });
        let end = world.run(&process, Order::ParentsFirst).await;
        let stale: Vec<&str> = ["connection", "source-connection", "target-connection", "flow"]
            .into_iter()
            .filter(|role| world.upstream(role)["doc"]["name"] != "Renamed")
            .collect();
        if end != Ok(End::Settled) || !stale.is_empty() || !world.violations().is_empty() {
            failures.push(format!("at {name}: {end:?}, old names: {stale:?}\n{}", world.trace().join("\n")));
        }
    }
    super::report(&failures);
}
