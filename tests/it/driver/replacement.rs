//! A flow is replaced: what it costs, what it waits for, and what it refuses.

use std::time::Duration;

use serde_json::{Value, json};

mod interrupted;

use super::harness::seen::path_of;
use super::harness::{End, Pass, Process, World, is_ready, text};
use super::tape::Plan;
use crate::support::objects::{self, ORGANIZATION, with};

/// How a replacement is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Asked {
    approval: &'static str,
    history: &'static str,
}

impl Asked {
    fn policy(self) -> Value {
        json!({ "approval": self.approval, "history": self.history })
    }
}

const MANUAL: Asked = Asked { approval: "Manual", history: "None" };
const AUTOMATIC: Asked = Asked { approval: "Automatic", history: "None" };

fn flow(asked: Asked, source: &str) -> Value {
    let flow = objects::flow("charges", source, "charges", "Stripe charges of charges");
    with(flow, "/replacement", asked.policy())
}

/// A flow at work, its first run in flight, and a second source for it.
async fn running(asked: Asked) -> (World, Process) {
    let [base, source, _, _] = objects::chain("charges", "charges");
    let other = objects::source("other", "charges", "charges");
    let mapping = objects::mapping("charges", "other", "charges", "Stripe charges of charges");
    let world = World::with(&[base, source, other, mapping, flow(asked, "charges")]);
    world.switches(&json!({ "runDurationMs": 9_000 }));
    let process = world.blank_process("maker", Plan::Live);
    world.settle(&process).await;
    // The start is in whole seconds.
    while runs(&world) == json!(0) {
        world.wait(Duration::from_millis(500)).await;
    }
    (world, process)
}

/// How many runs the one flow has started.
fn runs(world: &World) -> Value {
    world.inventory("flows").pop().map(|flow| flow["runs"].clone()).unwrap_or_default()
}

/// Passes over the flow alone, since nothing else changes, until it is Ready or the process dies.
async fn flow_alone(world: &World, process: &Process, former: Option<&Process>) -> Result<End, String> {
    let moved = || (world.api.version(), world.upstream_writes().len());
    let mut last = String::new();
    for _ in 0..80 {
        let before = moved();
        let wait = match world.pass(process, "IngestionFlow", "charges").await {
            Pass::Died => return Ok(End::Died),
            Pass::Ended(Err(obstacle)) => {
                last = obstacle.to_string();
                obstacle.retry_after
            }
            Pass::Ended(Ok(_)) | Pass::Absent => None,
        };
        world.approve();
        if moved() != before {
            continue;
        }
        if is_ready(&world.api.get("IngestionFlow", "charges").unwrap_or_default()) {
            return Ok(End::Settled);
        }
        match former.and_then(|former| former.tape.take_on_its_way()) {
            Some(request) => request.await,
            None => world.wait(wait.unwrap_or(Duration::from_secs(5))).await,
        }
    }
    Err(format!("not settled: {last}"))
}

/// The upstream id that a source connection has.
fn source_id(world: &World, name: &str) -> String {
    let source = world.api.get("StripeSourceConnection", name).unwrap_or_default();
    text(&source, "/status/external/0/id")
}

/// The documents of the live objects that play a role for the flow.
fn live(world: &World, role: &str) -> Vec<Value> {
    let documents = world.playing(role).into_iter().map(|object| {
        world.sim.control("GET", &path_of(&text(&object, "/id")), &Value::Null).1["doc"].clone()
    });
    documents.collect()
}

fn status(world: &World) -> Value {
    world.api.get("IngestionFlow", "charges").unwrap_or_default()["status"].clone()
}

/// One flow, on that source, enabled as wanted; one target; nothing previous; never two enabled; a dataset that was never doubled.
fn one_flow(world: &World, source: &str, state: &str) -> Result<(), String> {
    if !world.violations().is_empty() {
        return Err(format!("at some moment: {:?}", world.violations()));
    }
    let (flows, targets, datasets) =
        (live(world, "flow"), live(world, "target-connection"), live(world, "dataset"));
    let [flow] = flows.as_slice() else { return Err(format!("{} flows: {flows:?}", flows.len())) };
    if targets.len() != 1 || datasets.len() != 1 {
        return Err(format!("{} targets, {} datasets", targets.len(), datasets.len()));
    }
    if flow["sourceConnectionIds"] != json!([source_id(world, source)]) || flow["state"] != state {
        return Err(format!("the flow is {flow}"));
    }
    let roles: Vec<String> = status(world)["external"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|object| text(object, "/role"))
        .collect();
    if roles != ["dataset", "target-connection", "flow"] {
        return Err(format!("status names {roles:?}"));
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_replacement_costs_the_writes_it_needs_and_no_more() {
    let (world, process) = running(AUTOMATIC).await;
    world.wait(Duration::from_mins(1)).await;
    let (upstream, cluster) = (world.upstream_writes().len(), world.api.writes().len());
    world.api.apply(&flow(AUTOMATIC, "other"));
    world.settle(&process).await;
    assert_eq!(
        world.upstream_writes().split_off(upstream),
        [
            "POST /targetConnections",
            "POST /flows/{id}/action",
            "POST /flows",
            "DELETE /flows/{id}",
            "DELETE /targetConnections/{id}"
        ]
    );
    let writes = world.api.writes().split_off(cluster);
    assert_eq!(
        writes,
        ["ingestionflows/charges", "ingestionflows/charges", "ingestionflows/charges/status"],
        "a claim that begins it, one that says where the new flow starts, and the status"
    );
    let version = world.api.version();
    world.settle(&process).await;
    assert_eq!(world.api.version(), version, "at rest nothing is written");
}

/// As `kubectl replace` does while the last run is waited for.
#[tokio::test(start_paused = true)]
async fn a_replacement_whose_claim_is_lost_in_its_midst_is_given_up_and_begun_again() {
    for dies in [false, true] {
        let (world, process) = running(AUTOMATIC).await;
        world.api.apply(&flow(AUTOMATIC, "other"));
        let _waits = world.pass(&process, "IngestionFlow", "charges").await;
        assert_eq!(
            world.condition("IngestionFlow", "Ready")["reason"],
            "WaitingForRunToEnd",
            "{}",
            status(&world)
        );
        world.api.edit_metadata(
            "IngestionFlow",
            "charges",
            &json!({ "annotations": null, "finalizers": null }),
        );
        let process = if dies { world.process("next", Plan::Live) } else { process };
        assert_eq!(flow_alone(&world, &process, None).await, Ok(End::Settled), "{:#?}", world.trace());
        assert_eq!(one_flow(&world, "other", "enabled"), Ok(()));
        let incarnations: Vec<Value> =
            ["flow", "target-connection"].map(|role| marker(&world, role)).to_vec();
        assert_eq!(incarnations[0], incarnations[1], "the objects of a pair have one number");
    }
}

/// The incarnation in the marker of a role's one object.
fn marker(world: &World, role: &str) -> Value {
    let mut markers = world
        .all_upstream()
        .into_iter()
        .flat_map(|object| object["markers"].as_array().cloned().unwrap_or_default());
    markers
        .find(|marker| marker["role"] == role)
        .map(|marker| marker["incarnation"].clone())
        .unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn a_disabled_flow_is_replaced_by_a_held_one_that_never_runs() {
    let (world, process) = running(AUTOMATIC).await;
    let disabled = |source: &str| with(flow(AUTOMATIC, source), "/enabled", json!(false));
    world.api.apply(&disabled("charges"));
    world.settle(&process).await;
    world.wait(Duration::from_mins(1)).await;
    world.api.apply(&disabled("other"));
    world.settle(&process).await;
    assert_eq!(one_flow(&world, "other", "disabled"), Ok(()));
    world.wait(Duration::from_hours(5)).await;
    assert_eq!(runs(&world), json!(0));
    let replaced = text(&world.condition("IngestionFlow", "Replaced"), "/message");
    assert!(replaced.contains("until it is enabled"), "{replaced}");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_never_ends_is_waited_for_and_after_an_hour_somebody_is_asked() {
    let (world, process) = running(AUTOMATIC).await;
    let id = text(&live(&world, "flow")[0], "/id");
    let outcomes = json!({ "outcomes": [{ "result": "stuck" }] });
    assert_eq!(world.sim.control("POST", &format!("/objects/{id}"), &outcomes).0, 200);
    world.wait(Duration::from_hours(1)).await;
    world.api.apply(&flow(AUTOMATIC, "other"));
    let look = async || {
        for _ in 0..4 {
            let _waits = world.pass(&process, "IngestionFlow", "charges").await;
        }
    };
    look().await;
    assert_eq!(
        world.condition("IngestionFlow", "Ready")["reason"],
        "WaitingForRunToEnd",
        "{}",
        status(&world)
    );
    assert_eq!(world.condition("IngestionFlow", "Stalled"), Value::Null, "it may end yet");
    world.wait(Duration::from_mins(61)).await;
    look().await;
    let stalled = world.condition("IngestionFlow", "Stalled");
    assert_eq!(stalled["reason"], "WaitingForRunToEnd", "{}", status(&world));
    assert!(text(&stalled, "/message").contains("stop the run in the Platform UI"), "{stalled}");
    assert_eq!(live(&world, "flow").len(), 1, "no second flow");
    world.api.apply(&flow(AUTOMATIC, "charges"));
    look().await;
    assert_eq!(one_flow(&world, "charges", "enabled"), Ok(()), "{}", status(&world));
}

#[tokio::test(start_paused = true)]
async fn while_a_replacement_waits_for_approval_the_flow_can_be_stopped_and_its_source_is_held() {
    let (world, process) = running(MANUAL).await;
    let stopped = with(flow(MANUAL, "other"), "/enabled", json!(false));
    world.api.apply(&flow(MANUAL, "other"));
    let _waits = world.pass(&process, "IngestionFlow", "charges").await;
    assert_eq!(world.condition("IngestionFlow", "Ready")["reason"], "ApprovalRequired", "{}", status(&world));
    assert_eq!(live(&world, "flow")[0]["state"], "enabled");

    world.api.delete("StripeSourceConnection", "charges");
    let _waits = world.pass(&process, "StripeSourceConnection", "charges").await;
    let source = world.api.get("StripeSourceConnection", "charges").unwrap_or_default();
    assert!(source["status"].to_string().contains("WaitingForDependents"), "{source}");

    world.api.apply(&stopped);
    let _waits = world.pass(&process, "IngestionFlow", "charges").await;
    assert_eq!(live(&world, "flow")[0]["state"], "disabled");
    assert_eq!(one_flow(&world, "charges", "disabled"), Ok(()));

    let world = world.approving();
    world.api.apply(&flow(MANUAL, "other"));
    world.settle(&process).await;
    assert_eq!(world.api.get("StripeSourceConnection", "charges"), None, "nothing reads it any more");
    assert_eq!(live(&world, "flow")[0]["state"], "enabled");
    assert_eq!(status(&world)["pending"], Value::Null);
    assert!(status(&world)["lastApproved"].is_string(), "{}", status(&world));
}

#[tokio::test(start_paused = true)]
async fn a_new_dataset_goes_with_a_new_source_and_the_old_one_keeps_its_rows() {
    let (world, process) = running(AUTOMATIC).await;
    world.wait(Duration::from_mins(1)).await;
    let before = world.rows().len();
    world.pay(3);
    let moved = |source: &str| with(flow(AUTOMATIC, source), "/dataset/managed/name", json!("Another"));
    world.api.apply(&moved("charges"));
    let _refused = world.pass(&process, "IngestionFlow", "charges").await;
    assert_eq!(
        world.condition("IngestionFlow", "Ready")["reason"],
        "DatasetChangeRefused",
        "{}",
        status(&world)
    );

    world.api.apply(&moved("other"));
    world.settle(&process).await;
    world.wait(Duration::from_hours(2)).await;
    let (_, rows) = world.sim.control("GET", "/rows", &Value::Null);
    let datasets = rows[ORGANIZATION]["dev"].as_object().cloned().unwrap_or_default();
    let mut sizes: Vec<usize> =
        datasets.values().map(|rows| rows.as_object().map_or(0, serde_json::Map::len)).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [3, before]);
    let replaced = text(&world.condition("IngestionFlow", "Replaced"), "/message");
    assert!(replaced.contains("are only in the old dataset"), "{replaced}");
    assert_eq!(live(&world, "flow").len(), 1);
    assert_eq!(live(&world, "dataset").len(), 2);

    world.api.apply(&with(flow(AUTOMATIC, "charges"), "/displayName", json!("Back")));
    world.settle(&process).await;
    assert_eq!(live(&world, "dataset").len(), 2, "the first dataset is attached again");
    assert!(world.violations().is_empty(), "{:?}", world.violations());
    assert_eq!(live(&world, "target-connection").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_flow_that_spec_names_by_its_id_is_not_replaced_until_the_name_goes() {
    let (world, process) = running(AUTOMATIC).await;
    let id = text(&live(&world, "flow")[0], "/id");
    world.api.apply(&with(flow(AUTOMATIC, "other"), "/adopt", json!({ "flowId": id })));
    let _refused = world.pass(&process, "IngestionFlow", "charges").await;
    assert_eq!(world.condition("IngestionFlow", "Ready")["reason"], "AdoptionRefused", "{}", status(&world));
    assert_eq!(one_flow(&world, "charges", "enabled"), Ok(()));

    world.api.apply(&flow(AUTOMATIC, "other"));
    world.settle(&process).await;
    assert_eq!(one_flow(&world, "other", "enabled"), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_lost_claim_is_found_out_from_upstream_and_no_number_is_used_twice() {
    let (world, process) = running(AUTOMATIC).await;
    world.api.apply(&flow(AUTOMATIC, "other"));
    world.settle(&process).await;
    drop(process);
    // As `kubectl replace` does, together with the next change of source.
    let stripped = json!({ "annotations": null, "finalizers": null });
    world.api.edit_metadata("IngestionFlow", "charges", &stripped);
    world.api.apply(&flow(AUTOMATIC, "charges"));
    let next = world.process("next", Plan::Live);
    world.settle(&next).await;
    assert_eq!(one_flow(&world, "charges", "enabled"), Ok(()));
    assert!(is_ready(&world.api.get("IngestionFlow", "charges").unwrap_or_default()));
}

fn with_trace(world: &World, from: usize, problem: &str) -> String {
    format!("{problem}\n{}", world.trace().split_off(from).join("\n"))
}
