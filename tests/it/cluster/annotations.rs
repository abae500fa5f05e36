//! Commands by annotation: pause, check now, run now. And drift that is only reported.

use aep_operator::api::{PAUSED, RUN_REQUESTED_AT, SYNC_REQUESTED_AT};
use anyhow::Result;
use serde_json::{Value, json};

use crate::support::World;
use crate::support::commands::without_inventory;
use crate::support::objects::{chain, with};
use crate::support::world::{condition, external_id, is_ready};

const FLOW: &str = "IngestionFlow";

/// A chain that has nothing to do: its flow starts far in the future.
fn quiet_chain(name: &str) -> [Value; 4] {
    let [base, source, mapping, flow] = chain(name, "prices");
    [base, source, mapping, with(flow, "/schedule/startTime", json!("2090-01-01T00:00:00Z"))]
}

fn rename(name: &str) -> Value {
    json!({ "spec": { "displayName": name } })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_object_is_left_alone_and_goes_on_when_the_pause_ends() -> Result<()> {
    let world = World::start("paused").await?;
    world.apply_all(&quiet_chain("p")).await?;
    world.wait_all_ready(4).await?;
    let before = world.wait_ready(FLOW, "p").await?;
    world.annotate(FLOW, "p", PAUSED, Some("true")).await?;
    world.wait_condition(FLOW, "p", "Paused", "True", "Paused").await?;

    let since = world.last_call().await?;
    world.merge(FLOW, "p", &rename("renamed")).await?;
    let id = external_id(&before, "flow")?;
    world
        .edit_upstream(&id, json!([{ "op": "replace", "path": "/scheduleParams/interval", "value": "7" }]))
        .await?;
    world.inventory_passes(2).await?;
    let paused = world.get(FLOW, "p").await?.unwrap_or_default();
    assert_eq!(paused["status"]["observedGeneration"], before["status"]["observedGeneration"]);
    assert_eq!(condition(&paused, "Ready").map(|ready| ready["status"].clone()), Some(json!("True")));
    assert_eq!(world.document(&id).await?["scheduleParams"]["interval"], "7");
    assert_eq!(world.count(since, "PATCH /flows/{id}").await?, 0);

    world.annotate(FLOW, "p", PAUSED, None).await?;
    world
        .until("the spec and the drift to be applied", async || {
            let flow = world.get(FLOW, "p").await?.unwrap_or_default();
            Ok((is_ready(&flow) && condition(&flow, "Paused").is_none()).then_some(()))
        })
        .await?;
    let document = world.document(&id).await?;
    assert_eq!(
        (&document["name"], &document["scheduleParams"]["interval"]),
        (&json!("renamed"), &json!("1"))
    );
    assert_eq!(world.count(since, "PATCH /flows/{id}").await?, 1, "both in one patch");

    world.annotate(FLOW, "p", PAUSED, Some("true")).await?;
    world.wait_condition(FLOW, "p", "Paused", "True", "Paused").await?;
    world.delete(FLOW, "p").await?;
    world
        .until("the condition to speak of the deletion", async || {
            let message = world.wait_condition(FLOW, "p", "Paused", "True", "Paused").await?;
            Ok(message.contains("deletion waits").then_some(()))
        })
        .await?;
    world.inventory_passes(1).await?;
    assert_eq!(world.count(since, "DELETE /flows/{id}").await?, 0);
    world.annotate(FLOW, "p", PAUSED, None).await?;
    world
        .until("the flow to be gone", async || Ok(world.get(FLOW, "p").await?.is_none().then_some(())))
        .await?;
    assert_eq!(world.count(since, "DELETE /flows/{id}").await?, 1);
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_requested_sync_is_one_look_and_is_echoed() -> Result<()> {
    let world = World::start_with("sync", without_inventory()).await?;
    world.apply_all(&quiet_chain("s")).await?;
    world.wait_all_ready(4).await?;
    let synced = async |token: &str| -> Result<(usize, usize)> {
        let (since, writes) = (world.last_call().await?, world.status_writes("ingestionflows", "s")?);
        world.annotate(FLOW, "s", SYNC_REQUESTED_AT, Some(token)).await?;
        world
            .until("the echo", async || {
                let flow = world.get(FLOW, "s").await?.unwrap_or_default();
                Ok((flow["status"]["lastHandledSync"] == token).then_some(()))
            })
            .await?;
        let looks = world.count(since, "GET /flows/{id}").await?;
        Ok((looks, world.status_writes("ingestionflows", "s")? - writes))
    };
    assert_eq!(synced("first").await?, (1, 1), "one look, one write");

    let id = world.id_of(FLOW, "s", "flow").await?;
    world.edit_upstream(&id, json!([{ "op": "replace", "path": "/name", "value": "by hand" }])).await?;
    let since = world.last_call().await?;
    synced("second").await?;
    assert_eq!(world.count(since, "PATCH /flows/{id}").await?, 1, "what it found is put back");
    let notes = world.notes_of("s", "DriftCorrected").await?;
    assert!(notes.iter().any(|note| note.contains("displayName") && note.contains("exc_app")), "{notes:?}");

    // The end of the annotation asks for nothing. The rename afterwards shows that the operator has seen it.
    let since = world.last_call().await?;
    world.annotate(FLOW, "s", SYNC_REQUESTED_AT, None).await?;
    world.merge(FLOW, "s", &rename("renamed")).await?;
    world.wait_ready(FLOW, "s").await?;
    assert_eq!(world.count(since, "PATCH /flows/{id}").await?, 1);
    assert_eq!(world.get(FLOW, "s").await?.unwrap_or_default()["status"]["lastHandledSync"], "second");
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_once_flow_runs_again_on_request_and_not_again_after_a_restart() -> Result<()> {
    let mut world = World::start("runnow").await?;
    let [base, source, mapping, flow] = chain("o", "refunds");
    let flow = with(flow, "/schedule", json!({ "frequency": "once" }));
    world.apply_all(&[base, source, mapping, flow]).await?;
    world.wait_all_ready(4).await?;
    let ended = async |world: &World, after: &Value| {
        world
            .until("another run to be over", async || {
                let flow = world.get(FLOW, "o").await?.unwrap_or_default();
                let last = flow["status"]["lastRun"].clone();
                Ok((last["state"] == "success" && last["id"] != after["id"]).then_some(last))
            })
            .await
    };
    let first = ended(&world, &Value::Null).await?;
    let flow = world.wait_ready(FLOW, "o").await?;
    assert_eq!(condition(&flow, "RunsHealthy").map(|healthy| healthy["status"].clone()), Some(json!("True")));
    world.annotate(FLOW, "o", RUN_REQUESTED_AT, Some("t1")).await?;
    let second = ended(&world, &first).await?;
    let flow = world.wait_ready(FLOW, "o").await?;
    assert_eq!(flow["status"]["lastHandledRun"], "t1");
    let started = format!("started run {}", second["id"].as_str().unwrap_or_default());
    assert_eq!(flow["status"]["lastHandledRunResult"], started);
    assert_eq!(world.events_of("o", "RunStarted").await?, 1);

    world.operator.process().restart()?;
    world.inventory_passes(2).await?;
    assert_eq!(world.count(0, "POST /runs").await?, 1, "one token, one run");
    let rows = world.rows(&external_id(&flow, "dataset")?).await?;
    assert!(!rows.is_empty() && rows.values().all(|times| *times == 1), "nothing twice: {rows:?}");
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_a_repeating_flow_is_refused_with_a_word_and_the_flow_stays_ready() -> Result<()> {
    let world = World::start("norun").await?;
    world.apply_all(&quiet_chain("h")).await?;
    world.wait_all_ready(4).await?;
    world.annotate(FLOW, "h", RUN_REQUESTED_AT, Some("t1")).await?;
    let flow = world
        .until("the echo", async || {
            let flow = world.get(FLOW, "h").await?;
            Ok(flow.filter(|flow| flow["status"]["lastHandledRun"] == "t1"))
        })
        .await?;
    let result = flow["status"]["lastHandledRunResult"].as_str().unwrap_or_default();
    assert!(result.contains("only for flows with schedule.frequency once"), "{result}");
    assert!(is_ready(&flow));
    world.inventory_passes(2).await?;
    assert_eq!(world.count(0, "POST /runs").await?, 0);
    assert_eq!(world.events_of("h", "RunRefused").await?, 1);
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_is_only_reported_where_spec_says_so() -> Result<()> {
    let world = World::start("report").await?;
    let [base, source, mapping, flow] = quiet_chain("r");
    world.apply_all(&[base, source, mapping, with(flow, "/driftPolicy", json!("Report"))]).await?;
    world.wait_all_ready(4).await?;
    let id = world.id_of(FLOW, "r", "flow").await?;
    let since = world.last_call().await?;
    world.edit_upstream(&id, json!([{ "op": "replace", "path": "/name", "value": "by hand" }])).await?;
    let message = world.wait_condition(FLOW, "r", "Synced", "False", "DriftReported").await?;
    for part in ["displayName", "by hand", "exc_app"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    // The API server logs a write a moment after it can be read.
    world.inventory_passes(1).await?;
    let writes = world.operator_writes()?.len();
    world.annotate(FLOW, "r", SYNC_REQUESTED_AT, Some("again")).await?;
    world.inventory_passes(2).await?;
    let flow = world.wait_ready(FLOW, "r").await?;
    assert_eq!(flow["status"]["lastHandledSync"], "again");
    assert_eq!(
        condition(&flow, "Synced").and_then(|synced| synced["message"].as_str().map(str::to_owned)),
        Some(message)
    );
    assert_eq!(world.operator_writes()?.len(), writes + 1, "the echo and nothing else");
    assert_eq!(world.count(since, "PATCH /flows/{id}").await?, 0);
    assert_eq!(world.events_of("r", "DriftReported").await?, 1);

    // What spec changes is applied all the same, and takes the difference in the same field with it.
    world.merge(FLOW, "r", &rename("renamed")).await?;
    world.wait_condition(FLOW, "r", "Synced", "True", "InSync").await?;
    assert_eq!(world.document(&id).await?["name"], "renamed");
    world.check_invariants().await
}
