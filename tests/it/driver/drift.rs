//! Drift by inventory: what others edit is put back from the list item, and what nobody edited costs the list pages and nothing else.

use aep_operator::api::PAUSED;
use aep_operator::controller::inventory::Inventory;
use serde_json::{Value, json};

mod lake;

use super::budget::{OTHER, two_organisations};
use super::harness::{KINDS, Process, World, is_ready, text};
use super::tape::Plan;
use crate::support::objects::{self, ORGANIZATION, with};

/// The lists of one round over Flow Service.
const FLOW_SERVICE: [&str; 4] =
    ["GET /connections", "GET /sourceConnections", "GET /targetConnections", "GET /flows"];
/// The lists of a slow round, after those of Flow Service.
const LAKE: [&str; 4] =
    ["GET /tenant/fieldgroups", "GET /tenant/schemas", "GET /mappingSets", "GET /dataSets"];

/// A chain whose flow does not run during a test.
fn quiet_chain() -> [Value; 4] {
    let [base, source, mapping, flow] = objects::chain("charges", "charges");
    [base, source, mapping, with(flow, "/schedule/frequency", json!("week"))]
}

/// One inventory round and one pass over everything; returns the calls beside the lists of a slow round.
async fn round(world: &World, process: &Process, inventory: &mut Inventory) -> Vec<String> {
    world.wait(process.cx.settings.drift_interval).await;
    let mut calls = any_round(world, process, inventory).await;
    calls.retain(|call| !LAKE.contains(&call.as_str()));
    calls
}

/// The same when both shelves are due.
async fn slow_round(world: &World, process: &Process, inventory: &mut Inventory) -> Vec<String> {
    world.wait(process.cx.settings.slow_drift_interval).await;
    any_round(world, process, inventory).await
}

async fn any_round(world: &World, process: &Process, inventory: &mut Inventory) -> Vec<String> {
    let before = world.calls().len();
    inventory.round(&process.cx).await;
    for kind in KINDS {
        let _ended = world.pass(process, kind, "charges").await;
    }
    world.calls().split_off(before)
}

#[tokio::test(start_paused = true)]
async fn what_nobody_edited_costs_the_list_pages_and_no_write() {
    let (world, process, mut inventory) = World::kept(&quiet_chain()).await;
    let version = world.api.version();
    for _ in 0..3 {
        assert_eq!(round(&world, &process, &mut inventory).await, FLOW_SERVICE);
    }
    assert_eq!(slow_round(&world, &process, &mut inventory).await, [FLOW_SERVICE, LAKE].concat());
    assert_eq!(world.api.version(), version, "{:?}", world.api.writes());
}

#[tokio::test(start_paused = true)]
async fn a_restarted_process_compares_from_the_list_alone() {
    let (world, process, _) = World::kept(&objects::chain("charges", "charges")).await;
    // Runs have moved the etag of the flow since status was written.
    world.wait(process.cx.settings.drift_interval * 3).await;
    drop(process);
    let next = world.process("next", Plan::Live);
    let mut inventory = Inventory::new(vec![None]);
    let calls = round(&world, &next, &mut inventory).await;
    let others: Vec<_> = calls.iter().filter(|call| !FLOW_SERVICE.contains(&call.as_str())).collect();
    assert_eq!(others, ["POST /ims/token/v3", "GET /sandboxes/{id}", "GET /stats"]);
}

#[tokio::test(start_paused = true)]
async fn a_new_run_costs_a_read_of_the_runs_and_one_status_write() {
    let (world, process, mut inventory) = World::kept(&objects::chain("charges", "charges")).await;
    world.wait(std::time::Duration::from_hours(1)).await;
    let version = world.api.version();
    let calls = round(&world, &process, &mut inventory).await;
    let others: Vec<_> = calls.iter().filter(|call| !FLOW_SERVICE.contains(&call.as_str())).collect();
    assert_eq!(others, ["GET /runs"]);
    assert_eq!(world.api.version(), version + 1, "{:?}", world.api.writes());
}

#[tokio::test(start_paused = true)]
async fn an_etag_that_the_service_moved_is_no_reason_to_look() {
    let (world, process, mut inventory) = World::kept(&objects::chain("charges", "charges")).await;
    for role in ["connection", "source-connection", "target-connection", "flow"] {
        let id = text(&world.upstream(role), "/summary/id");
        let (status, _) = world.sim.control("POST", &format!("/objects/{id}"), &json!({ "touch": true }));
        assert_eq!(status, 200);
    }
    let version = world.api.version();
    assert_eq!(round(&world, &process, &mut inventory).await, FLOW_SERVICE);
    assert_eq!(world.api.version(), version);
}

/// A field that others edit: its place in the document of an object that plays a role, and what they put there.
type Edit = (&'static str, &'static str, Value, &'static str);

fn edits() -> Vec<Edit> {
    vec![
        ("connection", "/name", json!("theirs"), "PATCH /connections/{id}"),
        ("connection", "/description", json!("theirs"), "PATCH /connections/{id}"),
        ("source-connection", "/name", json!("theirs"), "PATCH /sourceConnections/{id}"),
        ("source-connection", "/description", json!("theirs"), "PATCH /sourceConnections/{id}"),
        ("target-connection", "/name", json!("theirs"), "PATCH /targetConnections/{id}"),
        ("target-connection", "/description", json!("theirs"), "PATCH /targetConnections/{id}"),
        ("flow", "/name", json!("theirs"), "PATCH /flows/{id}"),
        ("flow", "/description", json!("theirs"), "PATCH /flows/{id}"),
        ("flow", "/scheduleParams/interval", json!("9"), "PATCH /flows/{id}"),
        ("flow", "/scheduleParams/frequency", json!("day"), "PATCH /flows/{id}"),
        ("flow", "/transformations/0/params/mappingVersion", json!(7), "PATCH /flows/{id}"),
        ("flow", "/options/partialIngestionPercent", json!(99), "PATCH /flows/{id}"),
        ("flow", "/options/errorDiagnosticsEnabled", json!(false), "PATCH /flows/{id}"),
        ("flow", "/labels", json!(["core/C99"]), "PATCH /flows/{id}"),
        ("flow", "/state", json!("disabled"), "POST /flows/{id}/action"),
    ]
}

fn rich_chain() -> [Value; 4] {
    let [base, source, mapping, flow] = objects::chain("charges", "charges");
    let flow = with(flow, "/partialIngestion", json!({ "percent": 5 }));
    [base, source, mapping, with(flow, "/errorDiagnostics", json!(true))]
}

/// The document without what moves with every write.
fn document(world: &World, role: &str) -> Value {
    let mut document = world.upstream(role)["doc"].clone();
    for member in
        ["etag", "version", "updatedAt", "updatedBy", "updatedClient", "lastOperation", "lastRunDetails"]
    {
        document.as_object_mut().and_then(|members| members.remove(member));
    }
    // No labels and an empty list of them are the same.
    if let Some(members) = document.as_object_mut() {
        members.retain(|name, value| name != "labels" || *value != json!([]));
    }
    document
}

#[tokio::test(start_paused = true)]
async fn a_foreign_edit_of_each_managed_field_is_put_back_without_another_read() {
    let (world, process, mut inventory) = World::kept(&rich_chain()).await;
    let unmanaged = json!([{ "op": "add", "path": "/inheritedAttributes", "value": { "theirs": true } }]);
    for role in ["connection", "source-connection", "target-connection", "flow"] {
        world.edit_upstream(role, &unmanaged);
    }
    for (role, path, value, write) in edits() {
        let before = document(&world, role);
        world.edit_upstream(role, &json!([{ "op": "add", "path": path, "value": value }]));
        let calls = round(&world, &process, &mut inventory).await;
        let at = calls.iter().position(|call| call == write);
        let at = at.unwrap_or_else(|| panic!("{role} {path}: {calls:?}"));
        let object = write.split_once(' ').map_or("", |(_, path)| path.trim_end_matches("/action"));
        assert!(!calls[..at].contains(&format!("GET {object}")), "{role} {path}: read again: {calls:?}");
        let writes: Vec<_> = calls.iter().filter(|call| !call.starts_with("GET ")).collect();
        assert_eq!(writes, [write], "{role} {path}");
        let mut after = document(&world, role);
        if path == "/description" {
            after["description"] = before["description"].clone();
            let shown = text(&world.upstream(role), "/doc/description");
            assert!(shown.starts_with("[aep-operator/v1 "), "{shown}");
        }
        assert_eq!(after, before, "{role} {path}: put back, and nothing else");
    }
    assert!(KINDS.iter().flat_map(|kind| world.api.list(kind)).all(|object| is_ready(&object)));
}

#[tokio::test(start_paused = true)]
async fn a_foreign_edit_of_a_start_that_is_ahead_or_of_the_mapping_of_a_flow_is_put_back() {
    let [base, source, mapping, flow] = objects::chain("charges", "charges");
    let ahead = with(flow, "/schedule/startTime", json!("2090-01-01T00:00:00Z"));
    let (world, process, mut inventory) = World::kept(&[base, source, mapping, ahead]).await;
    for (path, value) in [
        ("/scheduleParams/startTime", json!("1900000000")),
        ("/transformations/0/params/mappingId", json!("other")),
    ] {
        let before = document(&world, "flow");
        world.edit_upstream("flow", &json!([{ "op": "add", "path": path, "value": value }]));
        let calls = round(&world, &process, &mut inventory).await;
        let writes: Vec<_> = calls.iter().filter(|call| !call.starts_with("GET ")).collect();
        assert_eq!(writes, ["PATCH /flows/{id}"], "{path}");
        assert_eq!(document(&world, "flow"), before, "{path}: put back, and nothing else");
    }
}

/// Somebody edits the object that plays a role.
fn edit(world: &World, role: &str) {
    match role {
        "dataset" => world.set_in_the_lake(&world.id_of(role), &json!({ "tags": {} })),
        "field-group" => world.set_in_the_lake(&world.id_of(role), &json!({ "description": "theirs" })),
        _ => world.edit_upstream(role, &json!([{ "op": "add", "path": "/name", "value": "theirs" }])),
    }
}

#[tokio::test(start_paused = true)]
async fn an_edit_of_any_kind_is_only_told_where_spec_says_report() {
    let chain = quiet_chain().map(|object| with(object, "/driftPolicy", json!("Report")));
    for (kind, role) in [
        ("StripeBaseConnection", "connection"),
        ("StripeSourceConnection", "source-connection"),
        ("IngestionMapping", "field-group"),
        ("IngestionFlow", "dataset"),
    ] {
        let (world, process, mut inventory) = World::kept(&chain).await;
        edit(&world, role);
        let calls = slow_round(&world, &process, &mut inventory).await;
        assert!(calls.iter().all(|call| call.starts_with("GET ")), "{role}: {calls:?}");
        let synced = world.condition(kind, "Synced");
        assert_eq!(synced["reason"], "DriftReported", "{role}: {synced}");
        assert_eq!(world.condition(kind, "Ready")["status"], "True", "{role}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_paused_object_of_any_kind_is_left_as_others_edited_it_until_the_pause_ends() {
    for (kind, role) in [
        ("StripeBaseConnection", "connection"),
        ("StripeSourceConnection", "source-connection"),
        ("IngestionMapping", "field-group"),
        ("IngestionFlow", "flow"),
    ] {
        let (world, process, mut inventory) = World::kept(&quiet_chain()).await;
        world.api.annotate(kind, "charges", PAUSED, "true");
        let _paused = world.pass(&process, kind, "charges").await;
        edit(&world, role);
        let calls = slow_round(&world, &process, &mut inventory).await;
        assert!(calls.iter().all(|call| call.starts_with("GET ")), "{kind}: {calls:?}");
        assert_eq!(world.condition(kind, "Paused")["status"], "True", "{kind}");
        assert_eq!(world.condition(kind, "Ready")["status"], "True", "{kind}: what it was stays");
        world.api.annotate(kind, "charges", PAUSED, "false");
        let calls = any_round(&world, &process, &mut inventory).await;
        let patches = calls.iter().filter(|call| call.starts_with("PATCH ")).count();
        assert_eq!(patches, 1, "{kind}: put back: {calls:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reported_edit_is_said_once_and_never_put_back() {
    let chain =
        objects::chain("charges", "charges").map(|object| with(object, "/driftPolicy", json!("Report")));
    let (world, process, mut inventory) = World::kept(&chain).await;
    world.edit_upstream("flow", &json!([{ "op": "add", "path": "/scheduleParams/interval", "value": "9" }]));
    world.edit_upstream("target-connection", &json!([{ "op": "add", "path": "/name", "value": "theirs" }]));
    let calls = round(&world, &process, &mut inventory).await;
    assert!(calls.iter().all(|call| call.starts_with("GET ")), "{calls:?}");
    let said = || {
        let flow = world.api.get("IngestionFlow", "charges").unwrap_or_default();
        assert!(is_ready(&flow), "{flow}");
        let conditions = flow["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let synced =
            conditions.into_iter().find(|condition| condition["type"] == "Synced").unwrap_or_default();
        assert_eq!(synced["reason"], "DriftReported", "{synced}");
        text(&synced, "/message")
    };
    let message = said();
    assert!(message.contains("schedule.interval") && message.contains("displayName"), "{message}");
    let version = world.api.version();
    assert_eq!(round(&world, &process, &mut inventory).await, FLOW_SERVICE);
    assert_eq!(world.api.version(), version);
    // Half of it is put back by hand: the other half is still said.
    let name = json!([{ "op": "add", "path": "/name", "value": "payments/charges" }]);
    world.edit_upstream("target-connection", &name);
    round(&world, &process, &mut inventory).await;
    let message = said();
    assert!(message.contains("schedule.interval") && !message.contains("displayName"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_round_that_failed_is_made_up_for_in_the_next() {
    let (world, process, mut inventory) = World::kept(&quiet_chain()).await;
    let on = json!({ "service": "catalog", "method": "GET", "endpoint": "/dataSets" });
    world.fault(&json!({ "match": on, "times": 4, "action": { "status": { "status": 403 } } }));
    world.set_in_the_lake(&world.id_of("dataset"), &json!({ "tags": {} }));
    let calls = slow_round(&world, &process, &mut inventory).await;
    assert!(calls.iter().all(|call| call.starts_with("GET ")), "the list of datasets is refused: {calls:?}");
    world.sim.control("DELETE", "/faults", &Value::Null);
    let calls = round(&world, &process, &mut inventory).await;
    assert!(calls.iter().any(|call| call == "PATCH /dataSets/{id}"), "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn an_organisation_whose_lists_hang_delays_no_round_of_another() {
    let world = two_organisations();
    let other = objects::chain("other", "charges");
    let secret = json!({ "name": "other-credentials" });
    world.api.apply(&with(other[0].clone(), "/platformCredentialsSecretRef", secret));
    quiet_chain().iter().chain(&other[1..]).for_each(|object| world.api.apply(object));
    let process = world.blank_process("p", Plan::Live);
    world.settle(&process).await;
    let hangs =
        json!({ "match": { "org": ORGANIZATION, "method": "GET" }, "times": "forever", "action": "hang" });
    world.fault(&hangs);
    let (began, seen) = (world.now().as_millisecond(), world.sim.journal(0).len());
    Inventory::new(vec![None]).round(&process.cx).await;
    let entries = world.sim.journal(0).split_off(seen);
    let listed = |org: &str| -> Vec<i64> {
        let lists = entries.iter().filter(|entry| entry.method == "GET" && entry.org.as_deref() == Some(org));
        lists.map(|entry| entry.virtual_ms - began).collect()
    };
    let (hanging, others) = (listed(ORGANIZATION), listed(OTHER));
    assert!(!hanging.is_empty() && others.len() >= 8, "{hanging:?} {others:?}");
    assert!(others.iter().all(|at| *at < 5_000), "the lists of the other one came after {others:?} ms");
    let took = world.now().as_millisecond() - began;
    assert!(took > 20_000, "the first one's calls ran into their deadline: {took} ms");
}

/// Flows of ours, and as many sources.
const OURS: usize = 1_000;
/// Flows of others that the same list shows.
const FOREIGN_FLOWS: usize = 1_000;

/// A thousand flows of ours on one base, which share a mapping and a dataset, among twice as many of others: as many flows of the same
/// kind, and connections and flows of other kinds.
async fn fleet() -> (World, Process, Inventory) {
    let (world, process) = World::settled(&objects::chain("charges", "charges")).await;
    let theirs = json!({ "name": "theirs", "description": "", "state": "disabled" });
    let copy = json!({ "copyOf": world.id_of("flow"), "fields": theirs });
    let others = json!({
        "foreignConnections": 500, "destinationFlows": 500,
        "sandbox": "dev", "objects": vec![copy; FOREIGN_FLOWS],
    });
    assert_eq!(world.sim.control("POST", "/seed", &others).0, 201);
    let data_set = world.id_of("dataset");
    for number in 1..OURS {
        let name = format!("f{number}");
        let flow = objects::flow(&name, &name, "charges", "unused");
        world.api.apply(&objects::source(&name, "charges", "charges"));
        world.api.apply(&with(flow, "/dataset", json!({ "existing": { "id": data_set } })));
        for kind in ["StripeSourceConnection", "IngestionFlow"] {
            let ended = world.pass(&process, kind, &name).await;
            assert!(is_ready(&world.api.get(kind, &name).unwrap_or_default()), "{ended:?}");
        }
    }
    (world, process, Inventory::new(vec![None]))
}

/// One round, and a pass over every flow, as the inventory would wake some of them; returns the calls.
async fn fleet_round(world: &World, process: &Process, inventory: &mut Inventory) -> Vec<String> {
    world.wait(process.cx.settings.drift_interval).await;
    let before = world.calls().len();
    inventory.round(&process.cx).await;
    for flow in world.api.list("IngestionFlow") {
        let _ended = world.pass(process, "IngestionFlow", &text(&flow, "/metadata/name")).await;
    }
    let mut calls = world.calls().split_off(before);
    calls.retain(|call| !LAKE.contains(&call.as_str()));
    calls
}

#[tokio::test(start_paused = true)]
async fn a_thousand_flows_among_twice_as_many_of_others_cost_their_pages() {
    let (world, process, mut inventory) = fleet().await;
    // Connections, sources and flows of others are of the same spec and fill pages as well.
    let pages = |objects: usize| objects.div_ceil(100);
    let bound = pages(1 + 500) + pages(OURS + 500) + pages(OURS) + pages(OURS + FOREIGN_FLOWS);
    let within = |calls: usize| calls * 100 <= bound * 105;
    fleet_round(&world, &process, &mut inventory).await;
    let version = world.api.version();
    let calls = fleet_round(&world, &process, &mut inventory).await;
    assert!(within(calls.len()), "{} calls, {bound} pages", calls.len());
    assert_eq!(world.api.version(), version, "no write");

    world.wait(std::time::Duration::from_hours(1)).await;
    let calls = fleet_round(&world, &process, &mut inventory).await;
    let (runs, pages): (Vec<_>, Vec<_>) = calls.into_iter().partition(|call| call == "GET /runs");
    assert!(within(pages.len()), "{} calls, {bound} pages, although every flow had a run", pages.len());
    assert!(runs.len() * 100 <= OURS.div_ceil(100) * 2 * 105, "{} reads of runs", runs.len());
    assert_eq!(world.api.version() - version, OURS as u64, "one status write for each new run");
    let version = world.api.version();
    let calls = fleet_round(&world, &process, &mut inventory).await;
    assert!(within(calls.len()), "{} calls, {bound} pages", calls.len());
    assert_eq!(world.api.version(), version, "no write");
}
