//! Deletions: what stays and says so, what blocks and goes on by itself, and what a later apply finds.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::many::no_orphans;
use crate::support::World;
use crate::support::objects::{chain, with};
use crate::support::world::{KINDS, external_id};

/// The kinds of upstream objects of Flow Service that are left, each with its role.
async fn left(world: &World) -> Result<Vec<String>> {
    let mut roles: Vec<String> =
        world.upstream().await?.into_iter().filter_map(|object| object.owner).map(|(_, role)| role).collect();
    roles.retain(|role| role.contains("connection") || role == "flow");
    roles.sort_unstable();
    Ok(roles)
}

async fn notes(world: &World, reason: &str) -> Result<Vec<String>> {
    let events = world.list("Event").await?;
    let of_reason = events.iter().filter(|event| event["reason"] == reason);
    Ok(of_reason
        .map(|event| {
            let kind = event["involvedObject"]["kind"].as_str().unwrap_or_default();
            format!("{kind}: {}", event["message"].as_str().unwrap_or_default())
        })
        .collect())
}

async fn upstream_id(world: &World, kind: &str, name: &str, role: &str) -> Result<String> {
    external_id(&world.wait_ready(kind, name).await?, role)
}

async fn delete_chain(world: &World, name: &str) -> Result<()> {
    for kind in KINDS {
        world.delete(kind, name).await?;
    }
    Ok(())
}

/// A copy of an object as somebody else would have made it.
async fn foreign_copy(world: &World, id: &str, fields: Value) -> Result<String> {
    let mut fields = fields;
    fields["name"] = json!("made in the UI");
    fields["description"] = json!("");
    let seed = json!({ "sandbox": "dev", "objects": [{ "copyOf": id, "fields": fields }] });
    let made = world.sim.post("seed", &seed).await?;
    made["ids"][0].as_str().map(str::to_owned).context("a seed answers with ids")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retained_flow_keeps_what_it_uses_and_events_say_so() -> Result<()> {
    let world = World::start("retain").await?;
    let [base, source, mapping, flow] = chain("r", "refunds");
    let flow = with(flow, "/deletionPolicy", json!("Retain"));
    world.apply_all([&base, &source, &mapping, &flow]).await?;
    world.wait_all_ready(4).await?;
    let flow_id = upstream_id(&world, "IngestionFlow", "r", "flow").await?;
    let before = world.last_call().await?;
    delete_chain(&world, "r").await?;
    world.wait_until_empty().await?;
    assert_eq!(left(&world).await?, ["connection", "flow", "source-connection", "target-connection"]);
    let deletes = world.calls(before).await?.into_iter().filter(|call| call.method == "DELETE");
    assert_eq!(deletes.count(), 0, "nothing that is in use is even tried");
    world
        .until("events for what is kept", async || {
            let notes = notes(&world, "Retained").await?;
            let named = |kind: &str, part: &str| {
                notes.iter().any(|note| note.starts_with(kind) && note.contains(part))
            };
            let all = named("IngestionFlow", &flow_id)
                && named("StripeSourceConnection", &flow_id)
                && named("StripeBaseConnection", "source-connection");
            Ok(all.then_some(()))
        })
        .await?;
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_is_deleted_and_applied_again_ingests_every_record_once() -> Result<()> {
    let world = World::start("rowsagain").await?;
    let objects = chain("c", "charges");
    let run = async |world: &World| {
        world.wait_all_ready(4).await?;
        world.wait_success("c").await
    };
    world.apply_all(&objects).await?;
    run(&world).await?;
    let dataset = upstream_id(&world, "IngestionFlow", "c", "dataset").await?;
    let history = world.rows(&dataset).await?.len();
    let new_charge = json!({ "stripe": [{ "resource": "charges", "count": 1 }] });
    let rounds = 2;
    for _ in 0..rounds {
        world.sim.post("seed", &new_charge).await?;
        delete_chain(&world, "c").await?;
        world.wait_until_empty().await?;
        world.sim.post("seed", &new_charge).await?;
        world.apply_all(&objects).await?;
        run(&world).await?;
        assert_eq!(upstream_id(&world, "IngestionFlow", "c", "dataset").await?, dataset, "the same dataset");
    }
    // A charge of the second in which a run began is left to the next run.
    world.sim.advance(3600).await?;
    let rows = world
        .until("the charges that came meanwhile", async || {
            let rows = world.rows(&dataset).await?;
            Ok((rows.len() >= history + 2 * rounds).then_some(rows))
        })
        .await?;
    assert_eq!(rows.len(), history + 2 * rounds);
    assert!(rows.values().all(|times| *times == 1), "each charge once: {rows:?}");
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_flows_block_a_deletion_that_goes_on_once_they_are_gone() -> Result<()> {
    let world = World::start("foreign").await?;
    let [base, source, mapping, flow] = chain("f", "prices");
    let flow = with(flow, "/dataset/managed/deletionPolicy", json!("Delete"));
    world.apply_all([&base, &source, &mapping, &flow]).await?;
    world.wait_all_ready(4).await?;
    let base_id = upstream_id(&world, "StripeBaseConnection", "f", "connection").await?;
    let source_id = upstream_id(&world, "StripeSourceConnection", "f", "source-connection").await?;
    let target_id = upstream_id(&world, "IngestionFlow", "f", "target-connection").await?;
    let flow_id = upstream_id(&world, "IngestionFlow", "f", "flow").await?;

    // One flow of somebody else reads our source, one writes to our dataset, and one reads a source of its own on our base.
    let their_target = foreign_copy(&world, &target_id, json!({})).await?;
    let their_source = foreign_copy(&world, &source_id, json!({ "baseConnectionId": base_id })).await?;
    let on_dataset = foreign_copy(
        &world,
        &flow_id,
        json!({ "sourceConnectionIds": [their_source], "targetConnectionIds": [their_target] }),
    )
    .await?;
    let on_source = foreign_copy(&world, &flow_id, json!({ "targetConnectionIds": [their_target] })).await?;

    delete_chain(&world, "f").await?;
    let message = world.wait_condition("IngestionFlow", "f", "Ready", "False", "InUseUpstream").await?;
    assert!(message.contains("dataset") && message.contains(&on_dataset), "{message}");
    let remove = async |id: &str| world.sim.delete(&format!("objects/{id}")).await.map(drop);
    world.sim.delete(&format!("objects/{their_target}")).await?;
    world
        .until("the flow to be gone by itself", async || {
            Ok(world.get("IngestionFlow", "f").await?.is_none().then_some(()))
        })
        .await?;

    let message =
        world.wait_condition("StripeSourceConnection", "f", "Ready", "False", "InUseUpstream").await?;
    assert!(message.contains(&on_source), "{message}");
    remove(&on_source).await?;
    let message =
        world.wait_condition("StripeBaseConnection", "f", "Ready", "False", "InUseUpstream").await?;
    assert!(message.contains(&on_dataset), "the flow on their source is named: {message}");
    remove(&on_dataset).await?;
    remove(&their_source).await?;
    world.wait_until_empty().await?;
    no_orphans(&world).await?;
    let roles: Vec<_> = world.upstream().await?.into_iter().filter_map(|object| object.owner).collect();
    assert!(roles.iter().all(|(_, role)| role != "dataset"), "its dataset went too: {roles:?}");
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_a_dataset_of_others_uses_blocks_its_deletion_which_goes_on_once_that_is_gone()
-> Result<()> {
    let world = World::start("foreignset").await?;
    let [base, source, mapping, flow] = chain("s", "prices");
    let mapping = with(mapping, "/targetSchema/managed/deletionPolicy", json!("Delete"));
    let flow = with(flow, "/dataset/managed/deletionPolicy", json!("Delete"));
    world.apply_all([&base, &source, &mapping, &flow]).await?;
    world.wait_all_ready(4).await?;
    let schema = upstream_id(&world, "IngestionMapping", "s", "schema").await?;
    let content_type = "application/vnd.adobe.xed+json;version=1";
    let body = json!({ "name": "Theirs", "schemaRef": { "id": schema, "contentType": content_type } });
    let seed = json!({ "sandbox": "dev", "lake": [{ "kind": "dataSets", "body": body }] });
    let made = world.sim.post("seed", &seed).await?;
    let theirs = made["ids"][0].as_str().context("a seed answers with ids")?.to_owned();
    let since = world.last_call().await?;
    delete_chain(&world, "s").await?;
    let message = world.wait_condition("IngestionMapping", "s", "Ready", "False", "InUseUpstream").await?;
    assert!(message.contains(&theirs) && message.contains(&schema), "{message}");
    assert_eq!(
        world.count(since, "DELETE /tenant/schemas/{id}").await?,
        0,
        "what is in use is not even tried"
    );
    world.sim.delete(&format!("objects/{theirs}")).await?;
    world.wait_until_empty().await?;
    let left: Vec<_> = world.upstream().await?.into_iter().filter_map(|object| object.owner).collect();
    assert!(left.iter().all(|(_, role)| role == "mapping-set"), "Data Prep has no DELETE: {left:?}");
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_hidden_by_an_access_label_keeps_its_finalizer_until_it_can_be_deleted() -> Result<()> {
    let world = World::start("hidden").await?;
    world.apply_all(&chain("h", "refunds")).await?;
    world.wait_all_ready(4).await?;
    let flow = upstream_id(&world, "IngestionFlow", "h", "flow").await?;
    world.sim.post(&format!("objects/{flow}"), &json!({ "hidden": true })).await?;
    delete_chain(&world, "h").await?;
    let message = world.wait_condition("IngestionFlow", "h", "Ready", "False", "HiddenByAccessLabel").await?;
    assert!(message.contains(&flow), "{message}");
    let object = world.get("IngestionFlow", "h").await?.context("it waits")?;
    assert!(object["metadata"]["finalizers"].to_string().contains("ingestion.aep-operator.io/upstream"));
    world.sim.post(&format!("objects/{flow}"), &json!({ "hidden": false })).await?;
    world.wait_until_empty().await?;
    no_orphans(&world).await?;
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_made_again_under_its_name_gets_an_upstream_object_of_its_own() -> Result<()> {
    let world = World::start("again2").await?;
    let objects = chain("a", "prices");
    world.apply_all(&objects).await?;
    world.wait_all_ready(4).await?;
    let ids = async || -> Result<Vec<String>> {
        Ok(vec![
            upstream_id(&world, "StripeBaseConnection", "a", "connection").await?,
            upstream_id(&world, "StripeSourceConnection", "a", "source-connection").await?,
            upstream_id(&world, "IngestionFlow", "a", "target-connection").await?,
            upstream_id(&world, "IngestionFlow", "a", "flow").await?,
        ])
    };
    let first = ids().await?;
    delete_chain(&world, "a").await?;
    // Each is applied again in the moment in which the former one is gone, whatever the others are doing.
    for object in &objects {
        let kind = object["kind"].as_str().unwrap_or_default();
        world
            .until("the former one to be gone", async || {
                Ok(world.get(kind, "a").await?.is_none().then_some(()))
            })
            .await?;
        world.apply(object).await?;
    }
    world.wait_all_ready(4).await?;
    let second = ids().await?;
    assert!(first.iter().all(|id| !second.contains(id)), "{first:?} {second:?}");
    let live = world.upstream().await?;
    assert!(first.iter().all(|id| live.iter().all(|object| object.id != *id)), "the former ones are gone");
    super::many::one_flow_service_object_per_role(&live)?;
    world.check_invariants().await
}

/// Removing the CRDs is removing the operator, not the data flows.
#[tokio::test(flavor = "multi_thread")]
async fn deleted_crds_take_the_custom_resources_and_leave_upstream_alone() -> Result<()> {
    if std::env::var_os(testbed::control_plane::KUBECONFIG_VARIABLE).is_some() {
        return Ok(()); // Not on a cluster that others use.
    }
    let world = World::start_alone("crds").await?;
    world.apply_all(&chain("k", "refunds")).await?;
    world.wait_all_ready(4).await?;
    let before = world.upstream().await?;
    let calls = world.last_call().await?;
    world.plane.run_kubectl(["delete", "crd", "--all", "--wait=false"]).await?;
    world
        .until_within(Duration::from_mins(2), "the CRDs to be gone", async || {
            let left = world.plane.run_kubectl(["get", "crd", "--output", "name"]).await?;
            Ok(left.trim().is_empty().then_some(()))
        })
        .await?;
    assert_eq!(world.upstream().await?, before, "upstream is as it was");
    let deletes = world.calls(calls).await?.into_iter().filter(|call| call.method == "DELETE");
    assert_eq!(deletes.count(), 0);
    Ok(())
}
