//! A flow that must not run yet has no run, whatever happens to the operator in between.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::support::World;
use crate::support::objects::{chain, with};
use crate::support::world::external_id;

fn held_chain() -> [Value; 4] {
    let [base, source, mapping, flow] = chain("held", "customers");
    [base, source, mapping, with(flow, "/enabled", json!(false))]
}

/// Runs that the flow has had, far beyond its schedule.
async fn runs_of(world: &World, flow_id: &str) -> Result<u64> {
    world.sim.advance(2 * 3600).await?;
    let inventory = world.sim.inventory().await?;
    let flow = inventory["objects"].as_array().into_iter().flatten().find(|object| object["id"] == flow_id);
    flow.and_then(|flow| flow["runs"].as_u64()).context("the flow is in the inventory and counts its runs")
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
    world.wait_success("held").await?;
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
