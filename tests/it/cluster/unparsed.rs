//! An object that this version of the operator cannot read: it says so itself, nothing of it is touched, and nobody else is held up.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::support::World;
use crate::support::objects::{base, chain};
use crate::support::world::{condition, external_id};

const BASE: &str = "StripeBaseConnection";
const FLOW: &str = "IngestionFlow";

/// A time that the API server takes for one, with an offset from UTC that no clock has.
const NO_TIME: &str = "2026-01-01T00:00:00+99:00";

async fn set_last_success(world: &World, time: &str) -> Result<()> {
    let patch = json!({ "status": { "lastSuccess": time } });
    world.merge_status(FLOW, "a", &patch).await?;
    // Status wakes nobody.
    world.ask_for_check(FLOW, "a").await?;
    Ok(())
}

async fn events(world: &World) -> Result<usize> {
    let events = world.list("Event").await?;
    Ok(events.iter().filter(|event| event["reason"] == "Unparsable" && event["type"] == "Warning").count())
}

fn without_conditions(object: &Value) -> Value {
    let mut status = object["status"].clone();
    for member in ["conditions", "lastSuccess", "lastHandledSync", "observedGeneration"] {
        status.as_object_mut().map(|status| status.remove(member));
    }
    status
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_says_so_keeps_what_it_has_and_holds_up_nobody_else() -> Result<()> {
    let world = World::start("unparsed").await?;
    world.apply_all(chain("a", "refunds").iter().chain(&chain("b", "prices"))).await?;
    world.wait_all_ready(8).await?;
    // Status rests once the run is in it.
    let (before, upstream) = (world.wait_success("a").await?, world.upstream().await?);
    set_last_success(&world, NO_TIME).await?;
    let message = world.wait_condition(FLOW, "a", "Ready", "False", "Unparsable").await?;
    for part in ["status.lastSuccess: ", "offset", "Change what the message names"] {
        assert!(message.contains(part), "{message}");
    }
    let flow = world.get(FLOW, "a").await?.context("the flow")?;
    assert_eq!(condition(&flow, "Stalled").context("Stalled")?["status"], "True");
    assert_eq!(without_conditions(&flow), without_conditions(&before), "the rest of status stays");

    // The inventory goes on, and takes nothing of the flow for an orphan.
    let other = world.get("StripeBaseConnection", "b").await?.context("the base")?;
    let connection = external_id(&other, "connection")?;
    let theirs = json!([{ "op": "replace", "path": "/name", "value": "Theirs" }]);
    world.edit_upstream(&connection, theirs).await?;
    world
        .until("the edit of another object to be put back", async || {
            Ok((world.document(&connection).await?["name"] != "Theirs").then_some(()))
        })
        .await?;
    world.apply_all(&chain("c", "customers")).await?;
    world.wait_ready(FLOW, "c").await?;
    world.delete(FLOW, "c").await?;
    world
        .until("another flow to be gone", async || Ok(world.get(FLOW, "c").await?.is_none().then_some(())))
        .await?;

    // What it uses waits for it.
    world.delete("IngestionMapping", "a").await?;
    world.delete("StripeSourceConnection", "a").await?;
    let message =
        world.wait_condition("StripeSourceConnection", "a", "Ready", "False", "WaitingForDependents").await?;
    assert!(message.contains("IngestionFlow a"), "{message}");
    world.delete(FLOW, "a").await?;
    world
        .until("the deletion to say what it waits for", async || {
            let flow = world.get(FLOW, "a").await?.unwrap_or_default();
            let ready = condition(&flow, "Ready").unwrap_or_default();
            Ok(ready["message"].to_string().contains("its deletion waits").then_some(()))
        })
        .await?;
    let now = world.upstream().await?;
    assert!(upstream.iter().all(|object| now.contains(object)), "what it has stays: {now:#?}");

    world
        .until("an event when it was found and one when its deletion had to wait", async || {
            Ok((events(&world).await? == 2).then_some(()))
        })
        .await?;
    set_last_success(&world, "2026-01-01T00:00:00Z").await?;
    world
        .until("the flow and its source to be gone", async || {
            let source = world.get("StripeSourceConnection", "a").await?;
            Ok((world.get(FLOW, "a").await?.is_none() && source.is_none()).then_some(()))
        })
        .await?;
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_that_cannot_be_read_is_written_anew() -> Result<()> {
    let world = World::start("unreadcond").await?;
    world.apply(&base("eu")).await?;
    world.wait_ready(BASE, "eu").await?;
    let broken = json!({ "type": "Ready", "status": "True", "reason": "Known", "message": "", "lastTransitionTime": NO_TIME });
    world.merge_status(BASE, "eu", &json!({ "status": { "conditions": [broken] } })).await?;
    let since = world.last_call().await?;
    world.ask_for_check(BASE, "eu").await?;
    world.until("its events", async || Ok((events(&world).await? == 1).then_some(()))).await?;
    let object = world.wait_ready(BASE, "eu").await?;
    assert_eq!(condition(&object, "Stalled"), None, "{object}");
    assert!(world.calls(since).await?.iter().all(|call| !call.is_creating_post()));
    world.check_invariants().await
}
