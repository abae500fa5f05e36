//! What others do upstream while the operator runs: edits are put back within one interval, deletions are proven and mended, and what only
//! looks like a deletion changes nothing.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::support::World;
use crate::support::by_hand::Person;
use crate::support::objects::{ORGANIZATION, chain, with};
use crate::support::world::{Settings, condition, external_id};

/// The interval of these worlds, and how long a pass over a small sandbox may take on a busy machine.
const INTERVAL: Duration = Duration::from_secs(5);
const PASS: Duration = Duration::from_secs(5);

fn with_policy(policy: &str) -> [Value; 4] {
    let [base, source, mapping, flow] = chain("d", "charges");
    [base, source, mapping, with(flow, "/onUpstreamDeletion", json!(policy))]
}

/// A chain that has run once and is at rest.
async fn at_rest(name: &str, chain: &[Value; 4]) -> Result<World> {
    let world = World::start(name).await?;
    world.apply_all(chain).await?;
    world.wait_all_ready(4).await?;
    world.wait_success("d").await?;
    world.inventory_passes(2).await?;
    Ok(world)
}

async fn delete_upstream(world: &World, kind: &str, role: &str) -> Result<String> {
    let id = world.id_of(kind, "d", role).await?;
    world.sim.delete(&format!("objects/{id}")).await?;
    Ok(id)
}

/// Waits until another object plays the role, and the custom resource is Ready with it.
async fn made_again(world: &World, kind: &str, role: &str, lost: &str) -> Result<String> {
    world
        .until("another object in the place of the lost one", async || {
            let id = world.id_of(kind, "d", role).await?;
            Ok((id != lost).then_some(()))
        })
        .await?;
    external_id(&world.wait_ready(kind, "d").await?, role)
}

/// The flow reads on, and nothing is there twice.
async fn reads_on(world: &World) -> Result<()> {
    world.sim.advance(2 * 3600).await?;
    world.inventory_passes(2).await?;
    let dataset = world.id_of("IngestionFlow", "d", "dataset").await?;
    let rows = world.rows(&dataset).await?;
    ensure!(!rows.is_empty() && rows.values().all(|times| *times == 1), "{rows:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_each_kind_is_put_back_within_one_interval_and_written_nowhere_else() -> Result<()> {
    let world = at_rest("edits", &with_policy("Hold")).await?;
    for (kind, role, path) in [
        ("StripeBaseConnection", "connection", "/name"),
        ("StripeSourceConnection", "source-connection", "/name"),
        ("IngestionFlow", "target-connection", "/name"),
        ("IngestionFlow", "flow", "/scheduleParams/interval"),
    ] {
        let id = world.id_of(kind, "d", role).await?;
        let before = world.document(&id).await?.pointer(path).cloned().context("the field")?;
        let (since, writes) = (world.last_call().await?, world.operator_writes()?.len());
        let theirs = json!([
            { "op": "replace", "path": path, "value": "9" },
            { "op": "add", "path": "/inheritedAttributes", "value": { "theirs": true } },
        ]);
        world.edit_upstream(&id, theirs).await?;
        let edited = Instant::now();
        world
            .until("the edit to be put back", async || {
                Ok((world.document(&id).await?.pointer(path) == Some(&before)).then_some(()))
            })
            .await?;
        let took = edited.elapsed();
        ensure!(took < INTERVAL + PASS, "{role}: {took:?}");
        assert_eq!(world.document(&id).await?["inheritedAttributes"]["theirs"], true, "{role}");
        world.inventory_passes(1).await?;
        let calls = world.calls(since).await?;
        let patches = calls.iter().filter(|call| call.method == "PATCH").count();
        assert_eq!(patches, 1, "{role}: {calls:?}");
        let written = world.operator_writes()?.split_off(writes);
        ensure!(written.len() <= 1, "{role}: at most the state, which was never seen before: {written:?}");
    }
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_flow_is_made_again_and_reads_on_where_the_lost_one_ended() -> Result<()> {
    let world = at_rest("recreate", &with_policy("Recreate")).await?;
    let lost = delete_upstream(&world, "IngestionFlow", "flow").await?;
    let (since, writes) = (world.last_call().await?, world.operator_writes()?.len());
    world.sim.post("seed", &json!({ "stripe": [{ "resource": "charges", "count": 3 }] })).await?;
    made_again(&world, "IngestionFlow", "flow", &lost).await?;
    world.inventory_passes(1).await?;
    let calls = world.calls(since).await?;
    let made: Vec<&str> =
        calls.iter().filter(|call| call.is_creating_post()).map(|call| call.line.as_str()).collect();
    assert_eq!(made, ["POST /flows"], "nothing else is made");
    let written = world.operator_writes()?.split_off(writes);
    ensure!(written.len() <= 6, "what is missing, two claims, the flow and its run: {written:#?}");
    reads_on(&world).await?;
    let told = world.wait_condition("IngestionFlow", "d", "Replaced", "True", "Replaced").await?;
    assert!(told.contains(&lost), "{told}");
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_flow_is_made_again_when_its_digest_is_approved() -> Result<()> {
    let world = at_rest("hold", &with_policy("Hold")).await?;
    let lost = delete_upstream(&world, "IngestionFlow", "flow").await?;
    let said = world.wait_condition("IngestionFlow", "d", "Ready", "False", "ApprovalRequired").await?;
    assert!(said.contains(&lost), "{said}");
    let flow = world.get("IngestionFlow", "d").await?.context("the flow")?;
    assert_eq!(flow["status"]["pending"]["kind"], "Recreate");
    world.approve("IngestionFlow", "d").await?;
    made_again(&world, "IngestionFlow", "flow", &lost).await?;
    reads_on(&world).await?;
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_source_is_made_again_and_its_flow_waits_for_the_approval_of_its_replacement() -> Result<()> {
    let world = at_rest("source", &with_policy("Hold")).await?;
    let lost = delete_upstream(&world, "StripeSourceConnection", "source-connection").await?;
    let source = made_again(&world, "StripeSourceConnection", "source-connection", &lost).await?;
    let said = world.wait_condition("IngestionFlow", "d", "Ready", "False", "ApprovalRequired").await?;
    assert!(said.contains(&source), "{said}");
    let flow = world.get("IngestionFlow", "d").await?.context("the flow")?;
    let former = external_id(&flow, "flow")?;
    world.approve("IngestionFlow", "d").await?;
    made_again(&world, "IngestionFlow", "flow", &former).await?;
    reads_on(&world).await?;
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_outlived_its_connection_goes_as_soon_as_its_flow_has_moved() -> Result<()> {
    let [base, source, mapping, flow] = with_policy("Hold");
    let flow = with(flow, "/replacement", json!({ "approval": "Automatic", "history": "None" }));
    let world = at_rest("outlived", &[base, source, mapping, flow]).await?;
    let outlived = world.id_of("StripeSourceConnection", "d", "source-connection").await?;
    let flow = world.id_of("IngestionFlow", "d", "flow").await?;
    let lost = delete_upstream(&world, "StripeBaseConnection", "connection").await?;
    world.sim.post("seed", &json!({ "stripe": [{ "resource": "charges", "count": 3 }] })).await?;
    made_again(&world, "StripeBaseConnection", "connection", &lost).await?;
    made_again(&world, "StripeSourceConnection", "source-connection", &outlived).await?;
    made_again(&world, "IngestionFlow", "flow", &flow).await?;
    world
        .until("the former source to go", async || {
            let left = world.upstream().await?.iter().any(|object| object.id == outlived);
            let source = world.get("StripeSourceConnection", "d").await?.unwrap_or_default();
            let named = source["status"]["external"].as_array().map_or(0, Vec::len);
            Ok((!left && named == 1).then_some(()))
        })
        .await?;
    reads_on(&world).await?;
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_edit_or_delete_in_the_lake_is_mended_by_the_slow_rounds() -> Result<()> {
    let mut settings = Settings::default();
    "2s".clone_into(&mut settings.operator[1]);
    settings.operator.extend(["--slow-drift-interval".to_owned(), "2s".to_owned()]);
    let [base, source, mapping, flow] = with_policy("Recreate");
    let world = World::start_with("lake", settings).await?;
    let person = Person::of(&world)?;
    world.apply_all(&[base, source, with(mapping, "/description", json!("ours")), flow]).await?;
    world.wait_all_ready(4).await?;
    world.wait_success("d").await?;
    world.inventory_passes(2).await?;
    for (kind, role, member) in [
        ("IngestionMapping", "schema", "description"),
        ("IngestionMapping", "field-group", "description"),
        ("IngestionFlow", "dataset", "tags"),
    ] {
        let id = world.id_of(kind, "d", role).await?;
        let path = format!("objects/{}", id.replace(':', "%3A").replace('/', "%2F"));
        let before = person.in_the_lake(role, &id).await;
        let mut theirs = json!("theirs");
        if member == "tags" {
            theirs = before["tags"].clone();
            theirs.as_object_mut().and_then(|tags| tags.remove("aepOperator")).context("a tag")?;
        }
        let since = world.last_call().await?;
        world.sim.post(&path, &json!({ "set": { member: theirs } })).await?;
        world
            .until("a patch", async || {
                let calls = world.calls(since).await?;
                Ok(calls.iter().any(|call| call.method == "PATCH").then_some(()))
            })
            .await?;
        world.inventory_passes(1).await?;
        assert_eq!(person.in_the_lake(role, &id).await[member], before[member], "{role}: put back");
        let calls = world.calls(since).await?;
        let patches = calls.iter().filter(|call| call.method == "PATCH").count();
        assert_eq!(patches, 1, "{role}: {calls:?}");
    }
    let lost = world.id_of("IngestionMapping", "d", "mapping-set").await?;
    let since = world.last_call().await?;
    world.sim.delete(&format!("objects/{lost}")).await?;
    made_again(&world, "IngestionMapping", "mapping-set", &lost).await?;
    world
        .until("the flow to use the new set", async || {
            Ok((world.count(since, "PATCH /flows/{id}").await? > 0).then_some(()))
        })
        .await?;
    let made = world.calls(since).await?.iter().filter(|call| call.is_creating_post()).count();
    assert_eq!(made, 1, "one set in the place of the lost one");
    world.wait_all_ready(4).await?;
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_role_and_a_reset_sandbox_create_and_release_nothing() -> Result<()> {
    let world = at_rest("role", &with_policy("Recreate")).await?;
    let since = world.last_call().await?;
    let sandbox = format!("sandboxes/{ORGANIZATION}/dev");
    world.sim.post(&sandbox, &json!({ "roleLost": true })).await?;
    world.wait_condition("IngestionFlow", "d", "InventorySuspect", "True", "InventorySuspect").await?;
    let flow = world.get("IngestionFlow", "d").await?.context("the flow")?;
    assert_eq!(condition(&flow, "Ready").map(|ready| ready["status"].clone()), Some(json!("True")));
    world.inventory_passes(2).await?;
    world.sim.post(&sandbox, &json!({ "roleLost": false })).await?;
    world
        .until("the suspicion to end", async || {
            let flow = world.get("IngestionFlow", "d").await?.unwrap_or_default();
            Ok(condition(&flow, "InventorySuspect").is_none().then_some(()))
        })
        .await?;
    world.wait_all_ready(4).await?;

    world.sim.post(&sandbox, &json!({ "reset": true })).await?;
    world.wait_condition("IngestionFlow", "d", "Stalled", "True", "SandboxReset").await?;
    world.delete("IngestionFlow", "d").await?;
    world.inventory_passes(2).await?;
    ensure!(world.get("IngestionFlow", "d").await?.is_some(), "a flow in another sandbox is not released");
    ensure!(world.calls(since).await?.iter().all(|call| !call.is_creating_post()), "nothing is created");
    world.merge("IngestionFlow", "d", &json!({ "spec": { "deletionPolicy": "Retain" } })).await?;
    world
        .until("Retain to let it go", async || {
            Ok(world.get("IngestionFlow", "d").await?.is_none().then_some(()))
        })
        .await?;
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_flow_is_named_and_found_again_when_the_label_goes() -> Result<()> {
    let world = at_rest("label", &with_policy("Recreate")).await?;
    let id = world.id_of("IngestionFlow", "d", "flow").await?;
    let since = world.last_call().await?;
    world.sim.post(&format!("objects/{id}"), &json!({ "hidden": true })).await?;
    world.wait_condition("IngestionFlow", "d", "Stalled", "True", "HiddenByAccessLabel").await?;
    world.inventory_passes(2).await?;
    world.sim.post(&format!("objects/{id}"), &json!({ "hidden": false })).await?;
    world.wait_ready("IngestionFlow", "d").await?;
    assert_eq!(world.id_of("IngestionFlow", "d", "flow").await?, id);
    ensure!(world.calls(since).await?.iter().all(|call| !call.is_creating_post()), "nothing is created");
    world.check_invariants().await
}
