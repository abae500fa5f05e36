//! Changes of spec while everything runs.

use anyhow::Result;
use serde_json::json;

use crate::support::World;
use crate::support::objects::chain;

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_adobe_accepts_and_fails_to_carry_out_is_said_and_not_sent_for_ever() -> Result<()> {
    let world = World::start("failed").await?;
    world.apply_all(&chain("f", "prices")).await?;
    world.wait_all_ready(4).await?;
    world.sim.patch("switches", &json!({ "failPatchesLater": true })).await?;
    let before = world.last_call().await?;
    world.merge("IngestionFlow", "f", &json!({ "spec": { "displayName": "renamed" } })).await?;
    let message = world.wait_condition("IngestionFlow", "f", "Ready", "False", "UpstreamFailed").await?;
    assert!(message.contains("flow"), "{message}");
    world.inventory_passes(3).await?;
    let patches = world.calls(before).await?.iter().filter(|call| call.line == "PATCH /flows/{id}").count();
    assert!(patches <= 2, "the same change is not sent at each look: {patches}");

    world.sim.patch("switches", &json!({ "failPatchesLater": false })).await?;
    world.merge("IngestionFlow", "f", &json!({ "spec": { "displayName": "renamed again" } })).await?;
    world.wait_ready("IngestionFlow", "f").await?;
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_and_schedule_reach_the_running_flow_and_runs_go_on() -> Result<()> {
    let world = World::start("rowschange").await?;
    world.apply_all(&chain("r", "refunds")).await?;
    world.wait_all_ready(4).await?;
    let before = world.last_call().await?;
    let row = json!([{ "source": "concat(data.id, data.currency)", "destination": "_{TENANT_ID}.refunds_data.label", "type": "Expression", "xdmType": "String" }]);
    world.merge("IngestionMapping", "r", &json!({ "spec": { "mappings": row } })).await?;
    world.merge("IngestionFlow", "r", &json!({ "spec": { "schedule": { "interval": 2 } } })).await?;
    world
        .until("version 1 of the mapping set to be applied", async || {
            let mapping = world.wait_ready("IngestionMapping", "r").await?;
            Ok((mapping["status"]["mappingSetVersion"] == 1).then_some(()))
        })
        .await?;
    world
        .until("the flow to be patched", async || {
            let calls = world.calls(before).await?;
            let patches =
                calls.iter().filter(|call| call.line == "PATCH /flows/{id}" && call.status == 200).count();
            Ok((patches >= 2).then_some(()))
        })
        .await?;
    world.wait_ready("IngestionFlow", "r").await?;
    let calls = world.calls(before).await?;
    let count = |line: &str| calls.iter().filter(|call| call.line == line).count();
    assert_eq!(count("PUT /mappingSets/{id}"), 1, "one new version");
    assert_eq!(count("PATCH /tenant/fieldgroups/{id}"), 1, "the managed schema grows once");
    assert_eq!(count("PATCH /flows/{id}"), 2, "one patch for each change that the flow sees");
    world
        .until("an event of its own for each change", async || {
            let notes = world.notes_of("r", "Updated").await?;
            let tells =
                |field: &str| notes.iter().any(|note| note.contains(field) && note.contains("the flow"));
            Ok((tells("schedule.interval") && tells("mappingRef")).then_some(()))
        })
        .await?;
    assert!(calls.iter().all(|call| !call.is_creating_post()), "nothing is created");
    world.sim.advance(3 * 3600).await?;
    world.wait_success("r").await?;
    world.check_invariants().await
}
