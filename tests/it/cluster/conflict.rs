//! Two writers: while the operator changes a flow, somebody in Adobe's UI edits it as well, again and again.

use anyhow::Result;
use serde_json::{Value, json};

use crate::support::World;
use crate::support::commands::quiet_chain;
use crate::support::world::condition;

const FLOW: &str = "IngestionFlow";

/// Somebody edits the flow right before so many patches of it.
async fn edit_before_patches(world: &World, times: u64, patch: Value) -> Result<()> {
    let fault = json!({
        "match": { "method": "PATCH", "endpoint": "/flows/{id}" }, "times": times,
        "action": { "edit": { "patch": patch, "client": "exc_app" } },
    });
    world.sim.post("faults", &fault).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn five_edits_in_a_row_end_within_six_tries_and_both_sides_survive() -> Result<()> {
    let world = quiet_chain("race").await?;
    let theirs = json!([{ "op": "add", "path": "/options", "value": { "ownedByTheUi": "kept" } }]);
    edit_before_patches(&world, 5, theirs).await?;
    let since = world.last_call().await?;
    world
        .merge(
            FLOW,
            "c",
            &json!({ "spec": { "displayName": "renamed", "partialIngestion": { "percent": 5 } } }),
        )
        .await?;
    let flow = world.wait_ready(FLOW, "c").await?;
    assert_eq!(world.count(since, "PATCH /flows/{id}").await?, 6);
    assert_eq!(condition(&flow, "Synced").map(|synced| synced["status"].clone()), Some(json!("True")));
    let document = world.document(&world.id_of(FLOW, "c", "flow").await?).await?;
    assert_eq!(document["name"], "renamed");
    assert_eq!(document["options"], json!({ "ownedByTheUi": "kept", "partialIngestionPercent": 5 }));
    let told = world
        .until("the event that tells of the others", async || {
            let notes = world.notes_of("c", "Updated").await?;
            Ok(notes.into_iter().find(|note| note.contains("others wrote 5 times")))
        })
        .await?;
    for part in ["displayName", "partialIngestion", "exc_app@AdobeID", "client exc_app", " at 20"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_the_same_field_gives_way_to_spec() -> Result<()> {
    let world = quiet_chain("same").await?;
    edit_before_patches(&world, 2, json!([{ "op": "replace", "path": "/name", "value": "theirs" }])).await?;
    let since = world.last_call().await?;
    world.merge(FLOW, "c", &json!({ "spec": { "displayName": "renamed" } })).await?;
    world.wait_ready(FLOW, "c").await?;
    assert_eq!(world.count(since, "PATCH /flows/{id}").await?, 3);
    let document = world.document(&world.id_of(FLOW, "c", "flow").await?).await?;
    assert_eq!(document["name"], "renamed");
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_never_stops_is_named_in_a_condition() -> Result<()> {
    let world = quiet_chain("endless").await?;
    edit_before_patches(&world, 1_000, json!([{ "op": "replace", "path": "/name", "value": "theirs" }]))
        .await?;
    world.merge(FLOW, "c", &json!({ "spec": { "displayName": "renamed" } })).await?;
    let message = world.wait_condition(FLOW, "c", "Reconciling", "True", "LostUpdateRace").await?;
    for part in ["displayName", "renamed", "theirs", "exc_app@AdobeID", "client exc_app", " at 20"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    world.sim.delete("faults").await?;
    world.wait_ready(FLOW, "c").await?;
    let document = world.document(&world.id_of(FLOW, "c", "flow").await?).await?;
    assert_eq!(document["name"], "renamed");
    world.check_invariants().await
}
