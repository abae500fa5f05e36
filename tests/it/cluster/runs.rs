//! Runs in status: one write for each, none while one is under way, one event for each flip, and Ready stays True.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use crate::support::World;
use crate::support::objects::{chain, flow, mapping, source, with};
use crate::support::world::{condition, is_ready};

const FLOW: &str = "IngestionFlow";
const PLURAL: &str = "ingestionflows";

/// Waits until status holds another finished run than `before`.
async fn next_run(world: &World, name: &str, before: &Value) -> Result<Value> {
    world
        .until("the next run in status", async || {
            let flow = world.get(FLOW, name).await?.unwrap_or_default();
            let last = &flow["status"]["lastRun"];
            Ok((last["id"].is_string() && last["id"] != before["status"]["lastRun"]["id"]).then_some(flow))
        })
        .await
}

fn status_of(object: &Value, type_: &str) -> String {
    let condition = condition(object, type_).unwrap_or_default();
    condition["status"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_costs_one_write_when_it_has_ended_and_none_while_it_is_under_way() -> Result<()> {
    let world = World::start("onewrite").await?;
    world.apply_all(&chain("w", "prices")).await?;
    world.wait_all_ready(4).await?;
    let first = next_run(&world, "w", &Value::Null).await?;
    world.inventory_passes(2).await?;
    world.sim.patch("switches", &json!({ "runDurationMs": 600_000 })).await?;
    let (since, writes) = (world.last_call().await?, world.operator_writes()?.len());
    world.sim.advance(3_600).await?;
    world.inventory_passes(2).await?;
    assert_eq!(world.count(since, "GET /flows/{id}").await?, 0, "the list tells of the run under way");
    assert_eq!(world.operator_writes()?.len(), writes, "and writes nothing");
    world.sim.advance(600).await?;
    let second = next_run(&world, "w", &first).await?;
    world.inventory_passes(2).await?;
    assert_eq!(world.operator_writes()?.len(), writes + 1, "its end is one write");
    assert_eq!(second["status"]["lastRun"]["state"], "success");
    assert!(world.count(since, "GET /runs").await? <= 1, "the runs are read once");
    assert!(is_ready(&second));
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_counted_and_each_flip_is_one_event() -> Result<()> {
    let world = World::start("flips").await?;
    world.apply_all(&chain("f", "prices")).await?;
    world.wait_all_ready(4).await?;
    let mut last = next_run(&world, "f", &Value::Null).await?;
    let id = world.id_of(FLOW, "f", "flow").await?;
    let outcomes = json!({ "outcomes": [
        { "result": "copyFailure", "runs": 2, "code": "CONNECTOR-1001-500", "message": "Stripe says no." },
        { "result": "natural" },
    ] });
    world.sim.post(&format!("objects/{id}"), &outcomes).await?;
    let success = last["status"]["lastSuccess"].clone();
    for failures in [1, 2] {
        world.sim.advance(3_600).await?;
        last = next_run(&world, "f", &last).await?;
        assert_eq!(last["status"]["consecutiveFailures"], json!(failures));
        assert_eq!(last["status"]["lastSuccess"], success);
        assert_eq!(last["status"]["lastRun"]["errorCode"], "CONNECTOR-1001-500");
        assert_eq!(last["status"]["lastRun"]["errorMessage"], "Stripe says no.");
        assert_eq!((status_of(&last, "RunsHealthy").as_str(), is_ready(&last)), ("False", true));
    }
    assert_eq!(
        world.events_of("f", "RunFailed").await?,
        1,
        "one event for the flip, none for the second failure"
    );
    let recovered = world.events_of("f", "RunSucceeded").await?;
    world.sim.advance(3_600).await?;
    last = next_run(&world, "f", &last).await?;
    assert_eq!(last["status"]["consecutiveFailures"], json!(0));
    assert_eq!(status_of(&last, "RunsHealthy"), "True");
    world
        .until("the event of the recovery", async || {
            Ok((world.events_of("f", "RunSucceeded").await? == recovered + 1).then_some(()))
        })
        .await?;
    assert!(world.status_writes(PLURAL, "f")? >= 4);
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn data_that_gets_old_is_told_once_and_a_failed_run_differs_from_none() -> Result<()> {
    let world = World::start("freshness").await?;
    let [base, source, mapping, flow] = chain("d", "prices");
    world.apply_all(&[base, source, mapping, with(flow, "/freshness", json!({ "maxAge": "1m" }))]).await?;
    world.wait_all_ready(4).await?;
    let first = next_run(&world, "d", &Value::Null).await?;
    world.wait_condition(FLOW, "d", "DataFresh", "True", "Fresh").await?;
    world.inventory_passes(2).await?;
    let writes = world.operator_writes()?.len();
    let flow = world
        .until_within(Duration::from_mins(2), "the data to be too old", async || {
            let flow = world.get(FLOW, "d").await?.unwrap_or_default();
            Ok((status_of(&flow, "DataFresh") == "False").then_some(flow))
        })
        .await?;
    let said = condition(&flow, "DataFresh").unwrap_or_default();
    assert_eq!(said["reason"], "RunsMissing", "no run came: {said}");
    assert!(is_ready(&flow), "it is no part of Ready: {flow}");
    assert_eq!(status_of(&flow, "RunsHealthy"), "True", "nor of the last run");
    world.inventory_passes(1).await?;
    assert_eq!(world.operator_writes()?.len(), writes + 1, "the flip is one write");

    let id = world.id_of(FLOW, "d", "flow").await?;
    let outcomes = json!([{ "result": "copyFailure", "runs": 1 }, { "result": "natural" }]);
    world.sim.post(&format!("objects/{id}"), &json!({ "outcomes": outcomes })).await?;
    world.sim.advance(3_600).await?;
    let failed = next_run(&world, "d", &first).await?;
    let message = world.wait_condition(FLOW, "d", "DataFresh", "False", "Stale").await?;
    assert!(message.contains("the run since then failed"), "{message}");
    assert!(is_ready(&failed), "{failed}");
    world.sim.advance(3_600).await?;
    next_run(&world, "d", &failed).await?;
    world.wait_condition(FLOW, "d", "DataFresh", "True", "Fresh").await?;
    world
        .until("one event for each flip", async || {
            let told = [world.events_of("d", "RunsMissing").await?, world.events_of("d", "Stale").await?];
            Ok((told == [1, 0] && world.events_of("d", "Fresh").await? == 2).then_some(()))
        })
        .await?;
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_success_with_failed_records_is_not_healthy() -> Result<()> {
    let world = World::start("partial").await?;
    let [base, source, mapping, flow] = chain("p", "refunds");
    let flow = with(flow, "/schedule/startTime", json!("2090-01-01T00:00:00Z"));
    world.apply_all(&[base, source, mapping, flow]).await?;
    world.wait_all_ready(4).await?;
    let id = world.id_of(FLOW, "p", "flow").await?;
    world.sim.post(&format!("objects/{id}"), &json!({ "outcomes": [{ "result": "failedRecords" }] })).await?;
    // A start in the past becomes the next possible one.
    let soon = json!({ "spec": { "schedule": { "startTime": "2026-01-01T00:00:00Z" } } });
    world.merge(FLOW, "p", &soon).await?;
    world.wait_ready(FLOW, "p").await?;
    world.sim.advance(60).await?;
    let flow = next_run(&world, "p", &Value::Null).await?;
    let run = &flow["status"]["lastRun"];
    assert_eq!(run["state"], "success");
    let number = |name: &str| run[name].as_i64().unwrap_or_default();
    assert!(number("recordsFailed") > 0, "{run}");
    assert_eq!(number("recordsIn"), number("recordsOut") + number("recordsFailed"), "{run}");
    let message = world.wait_condition(FLOW, "p", "RunsHealthy", "False", "RunPartial").await?;
    assert!(message.contains(&format!("{} records failed", number("recordsFailed"))), "{message}");
    assert!(is_ready(&flow) && flow["status"]["lastSuccess"].is_string());
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guardrail_of_batches_a_day_is_told_once_for_each_time_it_is_passed() -> Result<()> {
    let world = World::start("guardrail").await?;
    let [base, source_a, mapping_a, flow_a] = chain("a", "prices");
    let often = json!({ "frequency": "minute", "interval": 20, "startTime": "2090-01-01T00:00:00Z" });
    world.apply_all(&[base, source_a, mapping_a, with(flow_a, "/schedule", often.clone())]).await?;
    world
        .apply_all(&[
            source("b", "a", "refunds"),
            mapping("b", "b", "refunds", "Refunds of b"),
            with(flow("b", "b", "b", "Refunds of b"), "/schedule", often),
        ])
        .await?;
    world.wait_all_ready(7).await?;
    let told = async |count: u64| {
        world
            .until_within(Duration::from_mins(1), "the event", async || {
                Ok((world.events_of("a", "BatchGuardrail").await? == count).then_some(()))
            })
            .await
    };
    told(1).await?;
    let notes = world.notes_of("a", "BatchGuardrail").await?;
    assert!(
        notes.iter().all(|note| note.contains("144 runs a day") && note.contains("90 batches")),
        "{notes:?}"
    );
    world.inventory_passes(2).await?;
    told(1).await?;
    for (enabled, count) in [(false, 1), (true, 2)] {
        world.merge(FLOW, "b", &json!({ "spec": { "enabled": enabled } })).await?;
        world.wait_ready(FLOW, "b").await?;
        world.inventory_passes(2).await?;
        told(count).await?;
    }
    world.check_invariants().await
}
