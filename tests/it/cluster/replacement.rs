//! Replacement of a flow on a real control plane: the main roads, and what they mean for the rows under each model of Adobe's windows.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::support::World;
use crate::support::objects::{self, with};
use crate::support::world::{condition, external_id};

/// Payments in each period of a test.
const PAID: usize = 3;

fn flow(source: &str, policy: &Value) -> Value {
    with(objects::flow("f", source, "f", "Charges of f"), "/replacement", policy.clone())
}

/// A flow that has run, and a second source for it.
async fn running(name: &str, policy: &Value, switches: &Value) -> Result<World> {
    let world = World::start(name).await?;
    world.sim.patch("switches", switches).await?;
    let mapping = objects::mapping("f", "new", "charges", "Charges of f");
    let sources = ["old", "new"].map(|source| objects::source(source, "f", "charges"));
    world.apply_all(&[objects::base("f"), mapping, flow("old", policy)]).await?;
    world.apply_all(&sources).await?;
    world.wait_all_ready(5).await?;
    world.sim.advance(60).await?;
    wait_for_success(&world).await?;
    Ok(world)
}

async fn wait_for_success(world: &World) -> Result<()> {
    world
        .until("a success of the flow", async || {
            let flow = world.get("IngestionFlow", "f").await?.unwrap_or_default();
            Ok((flow["status"]["lastRun"]["state"] == "success").then_some(()))
        })
        .await
}

async fn pay(world: &World) -> Result<()> {
    world.sim.post("seed", &json!({ "stripe": [{ "resource": "charges", "count": PAID }] })).await?;
    Ok(())
}

async fn replaced(world: &World) -> Result<String> {
    world.wait_condition("IngestionFlow", "f", "Replaced", "True", "Replaced").await
}

/// How many Stripe ids were ingested how often.
async fn histogram(world: &World, dataset: &str) -> Result<BTreeMap<u64, usize>> {
    let mut histogram = BTreeMap::new();
    for times in world.rows(dataset).await?.into_values() {
        *histogram.entry(times).or_default() += 1;
    }
    Ok(histogram)
}

/// One flow on the source, one target, and nothing of the former pair.
async fn one_pair(world: &World, source: &str) -> Result<String> {
    let object = world.wait_ready("IngestionFlow", "f").await?;
    let upstream = world.upstream().await?;
    let count =
        |kind: &str| upstream.iter().filter(|object| object.kind == kind && object.owner.is_some()).count();
    ensure!(count("flows") == 1 && count("targetConnections") == 1, "{upstream:?}");
    let id = external_id(&object, "flow")?;
    let document = world.sim.get(&format!("objects/{id}")).await?;
    let source = world.get("StripeSourceConnection", source).await?.context("the source")?;
    ensure!(document["doc"]["sourceConnectionIds"] == json!([external_id(&source, "source-connection")?]));
    Ok(id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manual_replacement_waits_for_its_digest_and_for_the_run_in_flight_and_frees_the_former_source()
-> Result<()> {
    let policy = json!({ "approval": "Manual", "history": "None" });
    let world = running("replmanual", &policy, &json!({ "runDurationMs": 1000 })).await?;
    let old = external_id(&world.wait_ready("IngestionFlow", "f").await?, "flow")?;
    world.apply(&flow("new", &policy)).await?;
    world.delete("StripeSourceConnection", "old").await?;
    let said = world.wait_condition("IngestionFlow", "f", "Ready", "False", "ApprovalRequired").await?;
    assert!(said.contains("history None"), "{said}");
    world.wait_condition("StripeSourceConnection", "old", "Ready", "False", "WaitingForDependents").await?;

    // A run is in flight when the approval comes.
    world
        .sim
        .post(
            &format!("objects/{old}"),
            &json!({ "outcomes": [{ "result": "natural", "durationMs": 600_000 }] }),
        )
        .await?;
    world.sim.advance(3600).await?;
    let flow = world.get("IngestionFlow", "f").await?.context("the flow")?;
    let digest = flow["status"]["pending"]["digest"].as_str().context("a digest")?.to_owned();
    let approve = json!({ "metadata": { "annotations": { "ingestion.aep-operator.io/approve": digest } } });
    world.merge("IngestionFlow", "f", &approve).await?;
    world.wait_condition("IngestionFlow", "f", "Ready", "False", "WaitingForRunToEnd").await?;
    let posts = world.calls(0).await?.iter().filter(|call| call.line == "POST /flows").count();
    assert_eq!(posts, 1, "the new flow is not made before the run has ended");

    world.sim.advance(601).await?;
    replaced(&world).await?;
    one_pair(&world, "new").await?;
    world
        .until("the former source to be free", async || {
            Ok(world.get("StripeSourceConnection", "old").await?.is_none().then_some(()))
        })
        .await?;
    let flow = world.get("IngestionFlow", "f").await?.context("the flow")?;
    assert_eq!(flow["status"]["lastApproved"], json!(digest));
    assert!(condition(&flow, "Stalled").is_none(), "{flow}");
    world.check_invariants().await
}

/// Replaces the flow with payments before, while and after, and returns the message and how often ids were ingested.
async fn rows_under(model: &str, history: &str) -> Result<(String, BTreeMap<u64, usize>, usize)> {
    let policy = json!({ "approval": "Automatic", "history": history });
    let name = format!("repl{}{}", model.to_lowercase(), history.to_lowercase());
    let world = running(&name, &policy, &json!({ "incremental": model })).await?;
    let object = world.wait_ready("IngestionFlow", "f").await?;
    let dataset = external_id(&object, "dataset")?;
    let seeded = world.rows(&dataset).await?.len();
    world.sim.advance(600).await?;
    pay(&world).await?;
    world.sim.advance(600).await?;
    world.apply(&flow("new", &policy)).await?;
    let message = replaced(&world).await?;
    one_pair(&world, "new").await?;
    world.sim.advance(60).await?;
    pay(&world).await?;
    world.sim.advance(2 * 3600).await?;
    world
        .until("all payments to be ingested", async || {
            Ok((world.rows(&dataset).await?.len() == seeded + 2 * PAID).then_some(()))
        })
        .await?;
    let histogram = histogram(&world, &dataset).await?;
    world.check_invariants().await?;
    Ok((message, histogram, seeded))
}

#[tokio::test(flavor = "multi_thread")]
async fn without_history_nothing_is_lost_or_doubled_when_windows_follow_created() -> Result<()> {
    let (message, histogram, seeded) = rows_under("createdWindow", "None").await?;
    assert!(message.contains("may be doubled or missing"), "{message}");
    assert_eq!(histogram, BTreeMap::from([(1, seeded + 2 * PAID)]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_history_only_rows_of_the_named_period_are_doubled_when_windows_follow_runs() -> Result<()> {
    let (message, histogram, seeded) = rows_under("runWindow", "None").await?;
    assert!(message.contains("may be doubled or missing"), "{message}");
    // The payments between the last success of the old flow and the first run of the new one are the named period.
    assert_eq!(histogram, BTreeMap::from([(1, seeded + PAID), (2, PAID)]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn with_full_history_what_the_old_flow_had_stands_twice() -> Result<()> {
    let (message, histogram, seeded) = rows_under("createdWindow", "Full").await?;
    assert!(message.contains("stands twice"), "{message}");
    assert_eq!(histogram, BTreeMap::from([(1, 2 * PAID), (2, seeded)]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_reads_everything_in_each_run_is_read_as_often_as_there_are_runs() -> Result<()> {
    let (_, histogram, seeded) = rows_under("fullPull", "None").await?;
    let most = histogram.keys().max().copied().unwrap_or_default();
    assert_eq!(histogram[&most], seeded, "{histogram:?}");
    assert_eq!(
        histogram[&(most - 1)],
        PAID,
        "what was paid after the old flow's only run misses that run alone: {histogram:?}"
    );
    Ok(())
}
