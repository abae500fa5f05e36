//! So much is missing from a sandbox at once that nothing about it is believed.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use crate::support::World;
use crate::support::objects::{chain, with};
use crate::support::world::{condition, external_id};

const OWNERS: [(&str, &str); 4] = [
    ("StripeBaseConnection", "connection"),
    ("StripeSourceConnection", "source-connection"),
    ("IngestionFlow", "target-connection"),
    ("IngestionFlow", "flow"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_mass_disappearance_creates_and_releases_nothing_until_each_loss_is_approved() -> Result<()> {
    let world = World::start("missing").await?;
    let [base, source, mapping, flow] = chain("m", "charges");
    let flow = with(flow, "/onUpstreamDeletion", json!("Recreate"));
    world.apply_all(&[base, source, mapping, flow]).await?;
    world.wait_all_ready(4).await?;
    world.inventory_passes(2).await?;
    for (kind, role) in OWNERS {
        let id = world.id_of(kind, "m", role).await?;
        world.sim.delete(&format!("objects/{id}")).await?;
    }
    let since = world.last_call().await?;
    let kinds = ["StripeBaseConnection", "StripeSourceConnection", "IngestionFlow"];
    for kind in kinds {
        world.wait_condition(kind, "m", "InventorySuspect", "True", "InventorySuspect").await?;
    }
    world.delete("IngestionFlow", "m").await?;
    world.inventory_passes(3).await?;
    ensure!(world.get("IngestionFlow", "m").await?.is_some(), "nothing is released");
    let calls = world.calls(since).await?;
    ensure!(calls.iter().all(|call| !call.is_creating_post()), "nothing is created: {calls:?}");
    for kind in &kinds[..2] {
        let object = world.get(kind, "m").await?.context("the object")?;
        let ready = condition(&object, "Ready").context("Ready")?;
        ensure!(ready["status"] == "True", "{kind}: nobody knows better: {ready}");
    }
    // A person who knows better lets the flow go, and believes the other two losses one by one.
    world.merge("IngestionFlow", "m", &json!({ "spec": { "deletionPolicy": "Retain" } })).await?;
    for (kind, role) in &OWNERS[..2] {
        let lost = world.id_of(kind, "m", role).await?;
        world
            .until("an object in the place of the lost one", async || {
                let object = world.get(kind, "m").await?.context("the object")?;
                if let Some(digest) = object["status"]["pending"]["digest"].as_str() {
                    world.annotate(kind, "m", "ingestion.aep-operator.io/approve", Some(digest)).await?;
                }
                Ok((external_id(&object, role).is_ok_and(|id| id != lost)).then_some(()))
            })
            .await?;
    }
    world.wait_all_ready(3).await?;
    world.check_invariants().await
}
