//! A flow that must not run yet has no run, whatever happens to the operator in between.

use anyhow::Result;
use serde_json::{Value, json};

use crate::support::World;
use crate::support::objects::{chain, with};
use crate::support::world::external_id;

fn held_chain() -> [Value; 4] {
    let [base, source, mapping, flow] = chain("held", "customers");
    [base, source, mapping, with(flow, "/enabled", json!(false))]
}

async fn runs_of(world: &World, flow_id: &str) -> Result<usize> {
    // Far beyond the schedule, so that a flow that may run has run.
    world.sim.advance(2 * 3600).await?;
    let rows = world.sim.rows().await?;
    let ingested = rows.as_object().map_or(0, |datasets| {
        datasets.values().filter(|rows| rows.as_object().is_some_and(|rows| !rows.is_empty())).count()
    });
    let inventory = world.sim.inventory().await?;
    let runs = inventory["objects"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|object| object["kind"] == "runs" && object["flowId"] == flow_id)
        .count();
    Ok(ingested + runs)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_flow_has_no_run_until_it_is_enabled() -> Result<()> {
    let world = World::start("held").await?;
    world.apply_all(&held_chain()).await?;
    world.wait_all_ready(4).await?;
    let flow = world.wait_ready("IngestionFlow", "held").await?;
    assert_eq!(runs_of(&world, &external_id(&flow, "flow")?).await?, 0);

    world.merge("IngestionFlow", "held", &json!({ "spec": { "enabled": true } })).await?;
    world.wait_ready("IngestionFlow", "held").await?;
    world.sim.advance(3600).await?;
    world
        .until("a run once it is enabled", async || {
            let flow = world.get("IngestionFlow", "held").await?;
            Ok(flow.filter(|flow| flow["status"]["lastRun"]["state"] == "success"))
        })
        .await?;
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_flow_has_no_run_when_the_operator_is_killed_between_post_and_disable() -> Result<()> {
    let mut world = World::start("heldkill").await?;
    let hang = json!([{ "match": { "service": "flowservice", "endpoint": "/flows/{id}/action" }, "times": "forever", "action": "hang" }]);
    world.sim.post("faults", &hang).await?;
    world.apply_all(&held_chain()).await?;
    world
        .until("the flow to be posted", async || {
            Ok(world.calls(0).await?.iter().any(|call| call.line == "POST /flows").then_some(()))
        })
        .await?;
    world
        .until("the disable to be asked for", async || {
            let faults = world.sim.get("faults").await?;
            let reached = faults["faults"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|fault| fault["reached"].as_u64())
                .sum::<u64>();
            Ok((reached > 0).then_some(()))
        })
        .await?;
    world.operator.process().kill()?;
    world.sim.delete("faults").await?;
    world.operator.process().restart()?;

    world.wait_all_ready(4).await?;
    let flow = world.wait_ready("IngestionFlow", "held").await?;
    assert_eq!(runs_of(&world, &external_id(&flow, "flow")?).await?, 0);
    assert_eq!(
        flow["status"]["external"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|external| external["role"] == "flow")
            .map(|flow| flow["state"].clone()),
        Some(json!("disabled"))
    );
    world.check_invariants().await
}
