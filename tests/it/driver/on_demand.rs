//! Runs on demand: one token starts one run, wherever the process dies and whatever becomes of the answer.

use std::time::Duration;

use aep_operator::api::RUN_REQUESTED_AT;
use serde_json::{Value, json};

use super::harness::{End, GRACE, Order, Pass, Process, World, is_ready, text};
use super::tape::{Moment, Plan, Tape};
use crate::support::objects::{self, with};

const FLOW: &str = "IngestionFlow";
const TOKEN: &str = "2026-12-01T00:00:00Z";
/// Passes until a request has to be served.
const PASSES: usize = 40;

/// A chain whose flow runs once, and has run.
async fn finished_world() -> World {
    let [base, source, mapping, flow] = objects::chain("charges", "charges");
    let flow = with(flow, "/schedule", json!({ "frequency": "once" }));
    let (world, maker) = World::settled(&[base, source, mapping, flow]).await;
    world.wait(Duration::from_mins(1)).await;
    check(&world, &maker).await;
    assert_eq!(runs(&world), 1);
    world
}

async fn check(world: &World, process: &Process) {
    process.cx.memory.ask_for_check(&text(&flow(world), "/metadata/uid"));
    let ended = world.pass(process, FLOW, "charges").await;
    assert!(matches!(ended, Pass::Ended(Ok(_))), "{ended:?}");
}

fn flow(world: &World) -> Value {
    world.api.get(FLOW, "charges").unwrap_or_default()
}

fn runs(world: &World) -> u64 {
    world.sim.tick();
    world.upstream("flow")["summary"]["runs"].as_u64().unwrap_or_default()
}

fn is_served(world: &World) -> bool {
    text(&flow(world), "/status/lastHandledRun") == TOKEN
}

/// Passes over the flow until the request is served. A request of a former process that is on its way arrives after the first of them.
async fn serve(world: &World, process: &Process, former: Option<&Tape>) -> Result<End, String> {
    let mut last = String::new();
    for _ in 0..PASSES {
        let wait = match world.pass(process, FLOW, "charges").await {
            Pass::Died => return Ok(End::Died),
            Pass::Ended(Err(obstacle)) => {
                last = obstacle.to_string();
                obstacle.retry_after
            }
            Pass::Ended(Ok(_)) | Pass::Absent => None,
        };
        if let Some(request) = former.and_then(Tape::take_on_its_way) {
            request.await;
        } else if is_served(world) {
            return Ok(End::Settled);
        } else {
            world.wait(wait.unwrap_or(Duration::from_secs(1))).await;
        }
    }
    Err(format!("not served after {PASSES} passes: {last}"))
}

/// One more run than before, told in status, with the flow Ready, and none at a later pass.
async fn agrees(world: &World, process: &Process) -> Result<(), String> {
    world.wait(GRACE * 2).await;
    let _ended = world.pass(process, FLOW, "charges").await;
    let result = text(&flow(world), "/status/lastHandledRunResult");
    if runs(world) != 2 || !result.starts_with("started run ") || !is_ready(&flow(world)) {
        return Err(format!("{} runs, {result}\n{}", runs(world), world.trace().join("\n")));
    }
    Ok(())
}

async fn served_in_spite_of(plan: Plan) -> Result<Vec<String>, String> {
    let world = finished_world().await;
    let made = world.trace().len();
    world.api.annotate(FLOW, "charges", RUN_REQUESTED_AT, TOKEN);
    let mut process = world.process("first", plan);
    if serve(&world, &process, None).await? == End::Died {
        let next = world.process("next", Plan::Live);
        serve(&world, &next, Some(&process.tape)).await?;
        process = next;
    }
    let exchanges = world.trace().split_off(made);
    agrees(&world, &process).await?;
    Ok(exchanges)
}

#[tokio::test(start_paused = true)]
async fn a_token_starts_one_run_wherever_the_process_dies() {
    let clean = served_in_spite_of(Plan::Live).await.expect("a request without faults should be served");
    let posts = clean.iter().filter(|line| line.ends_with("POST /flowservice/runs")).count();
    assert_eq!(posts, 1, "{clean:#?}");
    super::try_each(super::deaths(&clean, &Moment::ALL), served_in_spite_of).await;
}

#[tokio::test(start_paused = true)]
async fn a_token_starts_one_run_whatever_becomes_of_the_answer() {
    let fates = [
        json!("dropAfterCommit"),
        json!("dropBeforeCommit"),
        json!("dropMidBody"),
        json!({ "statusAfterCommit": { "status": 502 } }),
        json!({ "status": { "status": 500 } }),
        json!({ "status": { "status": 429 } }),
        json!("hangAfterCommit"),
    ];
    let mut failures = Vec::new();
    for (fate, lag) in fates.iter().flat_map(|fate| [(fate, 0), (fate, 60_000)]) {
        let world = finished_world().await;
        world.wait(Duration::from_mins(5)).await;
        world.switches(&json!({ "listLagMs": lag }));
        world.fault(&json!({ "match": { "method": "POST", "endpoint": "/runs" }, "action": fate }));
        world.api.annotate(FLOW, "charges", RUN_REQUESTED_AT, TOKEN);
        let process = world.process("p", Plan::Live);
        let served = serve(&world, &process, None).await;
        if let Err(problem) = served.and(agrees(&world, &process).await) {
            failures.push(format!("{fate} with a lag of {lag} ms: {problem}"));
        }
    }
    super::report(&failures);
}

#[tokio::test(start_paused = true)]
async fn two_processes_start_one_run_for_a_token() {
    let mut failures = Vec::new();
    for seed in 0..20 {
        let world = finished_world().await;
        world.api.annotate(FLOW, "charges", RUN_REQUESTED_AT, TOKEN);
        let one = world.process("one", Plan::Mix(seed));
        let other = world.process("other", Plan::Mix(seed));
        let ends = tokio::join!(serve(&world, &one, None), serve(&world, &other, None));
        if let Err(problem) = ends.0.and(ends.1).and(agrees(&world, &one).await) {
            failures.push(format!("seed {seed}: {problem}"));
        }
    }
    super::report(&failures);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_cannot_be_started_is_refused_with_the_way_out_and_once() {
    let repeating = json!({ "frequency": "hour", "interval": 1 });
    let ahead = json!({ "frequency": "once", "startTime": "2090-01-01T00:00:00Z" });
    let cases = [
        ("it repeats", json!({ "schedule": repeating }), "runs by the hour"),
        ("it has not run yet", json!({ "schedule": ahead }), "has not had its scheduled run yet"),
        ("it is disabled", json!({ "schedule": { "frequency": "once" }, "enabled": false }), "spec.enabled"),
    ];
    for (reason, changes, part) in cases {
        let [base, source, mapping, mut flow] = objects::chain("charges", "charges");
        for (member, value) in changes.as_object().into_iter().flatten() {
            flow = with(flow, member, value.clone());
        }
        let world = World::with(&[base, source, mapping, flow]);
        let process = world.blank_process("p", Plan::Live);
        assert_eq!(world.run(&process, Order::ParentsFirst).await, Ok(End::Settled), "{reason}");
        world.api.annotate(FLOW, "charges", RUN_REQUESTED_AT, TOKEN);
        assert_eq!(serve(&world, &process, None).await, Ok(End::Settled), "{reason}");
        let flow = self::flow(&world);
        let result = text(&flow, "/status/lastHandledRunResult");
        assert!(result.starts_with("refused: ") && result.contains(part), "{reason}: {result}");
        assert!(is_ready(&flow), "{reason}");
        assert_eq!(world.api.events("RunRefused").len(), 1, "{reason}");
        check(&world, &process).await;
        let posts = world.upstream_writes().into_iter().filter(|call| call == "POST /runs").count();
        assert_eq!(posts, 0, "{reason}");
        assert_eq!(world.api.events("RunRefused").len(), 1, "{reason}: told once");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_on_demand_ingests_nothing_twice() {
    let world = finished_world().await;
    world.api.annotate(FLOW, "charges", RUN_REQUESTED_AT, TOKEN);
    let process = world.process("p", Plan::Live);
    assert_eq!(serve(&world, &process, None).await, Ok(End::Settled));
    world.wait(Duration::from_mins(1)).await;
    check(&world, &process).await;
    let (_, rows) = world.sim.control("GET", "/rows", &Value::Null);
    let times: Vec<u64> = rows[objects::ORGANIZATION]["dev"]
        .as_object()
        .into_iter()
        .flatten()
        .flat_map(|(_, dataset)| dataset.as_object().into_iter().flatten())
        .filter_map(|(_, times)| times.as_u64())
        .collect();
    assert!(!times.is_empty() && times.iter().all(|times| *times == 1), "{rows}");
}
