//! A flow is replaced while its last run is in flight; the process dies at every exchange, in every way, and the next one ends with one
//! flow, one target, and every Stripe id as often as the condition says. The simulator watches that no two flows of one object are
//! enabled at any moment. A death before an exchange leaves what a death in the one before it leaves, so it is not tried as well.

use std::time::Duration;

use serde_json::{Value, json};

use super::harness::{End, KINDS, Order, Pass, Process, World, is_ready, text};
use super::tape::{Moment, Plan};
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
    settle(&world, &process).await;
    // The start is in whole seconds.
    while runs(&world) == json!(0) {
        world.wait(Duration::from_millis(500)).await;
    }
    (world, process)
}

/// How many runs the one flow has started.
fn runs(world: &World) -> Value {
    let (_, inventory) = world.sim.control("GET", "/inventory", &Value::Null);
    let mut flows =
        inventory["objects"].as_array().into_iter().flatten().filter(|object| object["kind"] == "flows");
    flows.next().map(|flow| flow["runs"].clone()).unwrap_or_default()
}

async fn settle(world: &World, process: &Process) {
    assert_eq!(world.run(process, Order::ParentsFirst).await, Ok(End::Settled), "{:#?}", world.trace());
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
    let (_, inventory) = world.sim.control("GET", "/inventory", &Value::Null);
    let plays = |object: &&Value| {
        object["markers"].as_array().into_iter().flatten().any(|marker| marker["role"] == role)
    };
    let objects = inventory["objects"].as_array().cloned().unwrap_or_default();
    let documents = objects.iter().filter(plays).map(|object| {
        let path = format!("/objects/{}", text(object, "/id"));
        world.sim.control("GET", &path, &Value::Null).1["doc"].clone()
    });
    documents.collect()
}

fn status(world: &World) -> Value {
    world.api.get("IngestionFlow", "charges").unwrap_or_default()["status"].clone()
}

fn condition(world: &World, type_: &str) -> Value {
    let conditions = status(world)["conditions"].as_array().cloned().unwrap_or_default();
    conditions.into_iter().find(|condition| condition["type"] == type_).unwrap_or_default()
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

async fn replace_under(asked: Asked, plan: Plan) -> Result<Vec<String>, String> {
    let (world, maker) = running(asked).await;
    let world = world.approving();
    drop(maker);
    let made = world.trace().len();
    world.pay(3);
    world.api.apply(&flow(asked, "other"));
    let former = world.process("first", plan);
    let mut end = flow_alone(&world, &former, None).await;
    if plan != Plan::Live {
        end = match end? {
            End::Died => {
                let next = world.process("next", Plan::Live);
                flow_alone(&world, &next, Some(&former)).await
            }
            End::Settled => Err("the exchange was never reached".to_owned()),
        };
    }
    end.and_then(|_| one_flow(&world, "other", "enabled"))
        .map_err(|problem| with_trace(&world, made, &problem))?;
    world.pay(2);
    world.wait(Duration::from_hours(3)).await;
    as_promised(&world, asked).map_err(|problem| with_trace(&world, made, &problem))?;
    Ok(world.trace().split_off(made))
}

/// With windows that follow `created`, history None loses and doubles nothing; history Full doubles what the old flow had.
fn as_promised(world: &World, asked: Asked) -> Result<(), String> {
    let replaced = condition(world, "Replaced");
    if replaced["status"] != "True" || !text(&replaced, "/message").contains(asked.history) {
        return Err(format!("the condition Replaced is {replaced}"));
    }
    let rows = world.rows();
    let times = |wanted: u64| rows.values().filter(|times| **times == wanted).count();
    let seeded = rows.len() - 5;
    let promised = if asked.history == "None" { [rows.len(), 0] } else { [5, seeded] };
    if [times(1), times(2)] != promised {
        return Err(format!("{} ids once, {} twice, promised {promised:?}", times(1), times(2)));
    }
    Ok(())
}

async fn survives(asked: Asked, moments: &[Moment]) {
    let clean = replace_under(asked, Plan::Live).await.expect("a replacement without faults should end");
    let mut failures = Vec::new();
    for (plan, name) in super::deaths(&clean, moments) {
        if let Err(problem) = replace_under(asked, plan).await {
            failures.push(format!("{plan:?} {name}: {problem}"));
        }
    }
    super::report(&failures);
}

#[tokio::test(start_paused = true)]
async fn an_approved_replacement_without_history_ends_wherever_its_process_dies() {
    survives(MANUAL, &[Moment::Executed, Moment::OnItsWay]).await;
}

#[tokio::test(start_paused = true)]
async fn an_approved_replacement_with_full_history_ends_wherever_its_process_dies() {
    survives(Asked { history: "Full", ..MANUAL }, &[Moment::Executed]).await;
}

#[tokio::test(start_paused = true)]
async fn an_automatic_replacement_without_history_ends_wherever_its_process_dies() {
    survives(AUTOMATIC, &[Moment::Executed]).await;
}

#[tokio::test(start_paused = true)]
async fn an_automatic_replacement_with_full_history_ends_wherever_its_process_dies() {
    survives(Asked { history: "Full", ..AUTOMATIC }, &[Moment::Executed, Moment::OnItsWay]).await;
}

#[tokio::test(start_paused = true)]
async fn a_replacement_costs_the_writes_it_needs_and_no_more() {
    let (world, process) = running(AUTOMATIC).await;
    world.wait(Duration::from_mins(1)).await;
    let (upstream, cluster) = (world.upstream_writes().len(), world.api.writes().len());
    world.api.apply(&flow(AUTOMATIC, "other"));
    settle(&world, &process).await;
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
    settle(&world, &process).await;
    assert_eq!(world.api.version(), version, "at rest nothing is written");
}

/// At each exchange of a replacement the user puts the former source back.
#[tokio::test(start_paused = true)]
async fn a_replacement_that_is_reverted_at_any_exchange_ends_with_one_flow_on_the_former_source() {
    let clean = replace_under(MANUAL, Plan::Live).await.expect("a replacement without faults should end");
    let mut failures = Vec::new();
    for (plan, name) in super::notices(&clean).chain(super::deaths(&clean, &[Moment::Executed])) {
        if let Err(problem) = revert_at(plan).await {
            failures.push(format!("{plan:?} {name}: {problem}"));
        }
    }
    super::report(&failures);
}

async fn revert_at(plan: Plan) -> Result<(), String> {
    let (world, maker) = running(MANUAL).await;
    let world = world.approving();
    drop(maker);
    let made = world.trace().len();
    world.api.apply(&flow(MANUAL, "other"));
    let former = world.process("first", plan);
    let api = world.api.clone();
    former.tape.at(move || api.apply(&flow(MANUAL, "charges")));
    let mut end = flow_alone(&world, &former, None).await;
    if let Plan::Die(..) = plan {
        world.api.apply(&flow(MANUAL, "charges"));
        let next = world.process("next", Plan::Live);
        end = flow_alone(&world, &next, Some(&former)).await;
    }
    end.and_then(|_| one_flow(&world, "charges", "enabled"))
        .map_err(|problem| with_trace(&world, made, &problem))
}

/// The new flow was just made when its process died and the user put the former source back; the process that gives the replacement up
/// dies too, at each exchange.
#[tokio::test(start_paused = true)]
async fn a_replacement_is_given_up_wherever_the_process_dies_that_gives_it_up() {
    let clean = replace_under(MANUAL, Plan::Live).await.expect("a replacement without faults should end");
    let made =
        clean.iter().position(|line| line.ends_with("POST /flowservice/flows")).expect("a POST of the flow");
    let giving_up = give_up_under(made, Plan::Live).await.expect("giving up without faults should end");
    let mut failures = Vec::new();
    for (plan, name) in super::deaths(&giving_up, &[Moment::Executed]) {
        if let Err(problem) = give_up_under(made, plan).await {
            failures.push(format!("{plan:?} {name}: {problem}"));
        }
    }
    super::report(&failures);
}

async fn give_up_under(made: usize, plan: Plan) -> Result<Vec<String>, String> {
    let (world, maker) = running(MANUAL).await;
    drop(maker);
    let world = world.approving();
    world.api.apply(&flow(MANUAL, "other"));
    let former = world.process("first", Plan::Die(made, Moment::Executed));
    let _died = flow_alone(&world, &former, None).await?;
    let from = world.trace().len();
    world.api.apply(&flow(MANUAL, "charges"));
    let second = world.process("second", plan);
    let mut end = flow_alone(&world, &second, None).await;
    if plan != Plan::Live && end == Ok(End::Died) {
        let third = world.process("third", Plan::Live);
        end = flow_alone(&world, &third, None).await;
    }
    end.and_then(|_| one_flow(&world, "charges", "enabled"))
        .map_err(|problem| with_trace(&world, from, &problem))?;
    Ok(world.trace().split_off(from))
}

/// As `kubectl replace` does while the last run is waited for.
#[tokio::test(start_paused = true)]
async fn a_replacement_whose_claim_is_lost_in_its_midst_is_given_up_and_begun_again() {
    for dies in [false, true] {
        let (world, process) = running(AUTOMATIC).await;
        world.api.apply(&flow(AUTOMATIC, "other"));
        let _waits = world.pass(&process, "IngestionFlow", "charges").await;
        assert_eq!(condition(&world, "Ready")["reason"], "WaitingForRunToEnd", "{}", status(&world));
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
    let (_, inventory) = world.sim.control("GET", "/inventory", &Value::Null);
    let objects = inventory["objects"].as_array().into_iter().flatten();
    let mut markers = objects.flat_map(|object| object["markers"].as_array().cloned().unwrap_or_default());
    markers
        .find(|marker| marker["role"] == role)
        .map(|marker| marker["incarnation"].clone())
        .unwrap_or_default()
}

/// At each exchange of a replacement the user deletes everything.
#[tokio::test(start_paused = true)]
async fn a_chain_deleted_in_the_midst_of_a_replacement_leaves_nothing_behind() {
    let clean = replace_under(AUTOMATIC, Plan::Live).await.expect("a replacement without faults should end");
    let mut failures = Vec::new();
    for (plan, name) in super::notices(&clean).chain(super::deaths(&clean, &[Moment::Executed])) {
        if let Err(problem) = delete_at(plan).await {
            failures.push(format!("{plan:?} {name}: {problem}"));
        }
    }
    super::report(&failures);
}

async fn delete_at(plan: Plan) -> Result<(), String> {
    let (world, maker) = running(AUTOMATIC).await;
    drop(maker);
    let made = world.trace().len();
    world.api.apply(&flow(AUTOMATIC, "other"));
    let former = world.process("first", plan);
    let api = world.api.clone();
    former.tape.at(move || delete_all(&api));
    let mut end = world.run(&former, Order::ParentsFirst).await;
    if let Plan::Die(..) = plan {
        delete_all(&world.api);
        let next = world.process("next", Plan::Live);
        end = world.run_after(&next, &former, Order::ChildrenFirst).await;
    }
    let nothing_left = |_| {
        let left: Vec<String> = world.owned().into_keys().map(|(_, role)| role).collect();
        let may_stay = ["mapping-set", "field-group", "schema", "dataset"];
        let orphans: Vec<&String> = left.iter().filter(|role| !may_stay.contains(&role.as_str())).collect();
        match (orphans.is_empty(), world.violations().is_empty()) {
            (true, true) => Ok(()),
            _ => Err(format!("left {orphans:?}, violations {:?}", world.violations())),
        }
    };
    end.and_then(nothing_left).map_err(|problem| with_trace(&world, made, &problem))
}

fn delete_all(api: &super::apiserver::ApiServer) {
    for kind in KINDS {
        for object in api.list(kind) {
            api.delete(kind, &text(&object, "/metadata/name"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_flow_that_adobe_refuses_leaves_the_former_one_at_work_wherever_its_process_dies() {
    let clean = refused_under(Plan::Live).await.expect("a refusal should end");
    let mut failures = Vec::new();
    for (plan, name) in super::deaths(&clean, &[Moment::Executed]) {
        if let Err(problem) = refused_under(plan).await {
            failures.push(format!("{plan:?} {name}: {problem}"));
        }
    }
    super::report(&failures);
}

async fn refused_under(plan: Plan) -> Result<Vec<String>, String> {
    let (world, maker) = running(AUTOMATIC).await;
    drop(maker);
    let made = world.trace().len();
    let on = json!({ "method": "POST", "endpoint": "/flows" });
    let body = json!({ "errorCode": "FLOW-1419-400", "errorMessage": "no" });
    world.fault(
        &json!({ "match": on, "times": "forever", "action": { "status": { "status": 400, "body": body } } }),
    );
    world.api.apply(&flow(AUTOMATIC, "other"));
    let former = world.process("first", plan);
    let mut next = None;
    for _ in 0..60 {
        let process = next.as_ref().unwrap_or(&former);
        if let Pass::Died = world.pass(process, "IngestionFlow", "charges").await {
            next = Some(world.process("next", Plan::Live));
            continue;
        }
        if condition(&world, "Ready")["reason"] == "ApprovalRequired" {
            break;
        }
        if let Some(request) = former.tape.take_on_its_way().filter(|_| next.is_some()) {
            request.await;
        }
        world.wait(Duration::from_secs(10)).await;
    }
    let lines = status(&world)["pending"]["differences"].to_string();
    if condition(&world, "Ready")["reason"] != "ApprovalRequired"
        || !lines.contains("the last attempt was refused")
    {
        return Err(with_trace(&world, made, &status(&world).to_string()));
    }
    one_flow(&world, "charges", "enabled").map_err(|problem| with_trace(&world, made, &problem))?;
    Ok(world.trace().split_off(made))
}

#[tokio::test(start_paused = true)]
async fn a_disabled_flow_is_replaced_by_a_held_one_that_never_runs() {
    let (world, process) = running(AUTOMATIC).await;
    let disabled = |source: &str| with(flow(AUTOMATIC, source), "/enabled", json!(false));
    world.api.apply(&disabled("charges"));
    settle(&world, &process).await;
    world.wait(Duration::from_mins(1)).await;
    world.api.apply(&disabled("other"));
    settle(&world, &process).await;
    assert_eq!(one_flow(&world, "other", "disabled"), Ok(()));
    world.wait(Duration::from_hours(5)).await;
    assert_eq!(runs(&world), json!(0));
    let replaced = text(&condition(&world, "Replaced"), "/message");
    assert!(replaced.contains("until it is enabled"), "{replaced}");
}

#[tokio::test(start_paused = true)]
async fn while_a_replacement_waits_for_approval_the_flow_can_be_stopped_and_its_source_is_held() {
    let (world, process) = running(MANUAL).await;
    let stopped = with(flow(MANUAL, "other"), "/enabled", json!(false));
    world.api.apply(&flow(MANUAL, "other"));
    let _waits = world.pass(&process, "IngestionFlow", "charges").await;
    assert_eq!(condition(&world, "Ready")["reason"], "ApprovalRequired", "{}", status(&world));
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
    settle(&world, &process).await;
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
    assert_eq!(condition(&world, "Ready")["reason"], "DatasetChangeRefused", "{}", status(&world));

    world.api.apply(&moved("other"));
    settle(&world, &process).await;
    world.wait(Duration::from_hours(2)).await;
    let (_, rows) = world.sim.control("GET", "/rows", &Value::Null);
    let datasets = rows[ORGANIZATION]["dev"].as_object().cloned().unwrap_or_default();
    let mut sizes: Vec<usize> =
        datasets.values().map(|rows| rows.as_object().map_or(0, serde_json::Map::len)).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [3, before]);
    let replaced = text(&condition(&world, "Replaced"), "/message");
    assert!(replaced.contains("are only in the old dataset"), "{replaced}");
    assert_eq!(live(&world, "flow").len(), 1);
    assert_eq!(live(&world, "dataset").len(), 2);

    world.api.apply(&with(flow(AUTOMATIC, "charges"), "/displayName", json!("Back")));
    settle(&world, &process).await;
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
    assert_eq!(condition(&world, "Ready")["reason"], "AdoptionRefused", "{}", status(&world));
    assert_eq!(one_flow(&world, "charges", "enabled"), Ok(()));

    world.api.apply(&flow(AUTOMATIC, "other"));
    settle(&world, &process).await;
    assert_eq!(one_flow(&world, "other", "enabled"), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_lost_claim_is_found_out_from_upstream_and_no_number_is_used_twice() {
    let (world, process) = running(AUTOMATIC).await;
    world.api.apply(&flow(AUTOMATIC, "other"));
    settle(&world, &process).await;
    drop(process);
    // As `kubectl replace` does, together with the next change of source.
    let stripped = json!({ "annotations": null, "finalizers": null });
    world.api.edit_metadata("IngestionFlow", "charges", &stripped);
    world.api.apply(&flow(AUTOMATIC, "charges"));
    let next = world.process("next", Plan::Live);
    settle(&world, &next).await;
    assert_eq!(one_flow(&world, "charges", "enabled"), Ok(()));
    assert!(is_ready(&world.api.get("IngestionFlow", "charges").unwrap_or_default()));
}

fn with_trace(world: &World, from: usize, problem: &str) -> String {
    format!("{problem}\n{}", world.trace().split_off(from).join("\n"))
}
