//! One chain: what it costs to make, to keep and to delete, in calls and in writes.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::support::World;
use crate::support::objects::chain;
use crate::support::seen::Call;
use crate::support::world::external_id;

fn count(calls: &[Call]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for call in calls {
        *counts.entry(call.line.clone()).or_default() += 1;
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_costs_five_posts_and_eight_writes_and_its_deletion_four_of_each() -> Result<()> {
    let world = World::start("cost").await?;
    world.apply_all(&chain("charges", "charges")).await?;
    world.wait_all_ready(4).await?;

    let calls = world.calls(0).await?;
    let creating: Vec<&str> =
        calls.iter().filter(|call| call.is_creating_post()).map(|call| call.line.as_str()).collect();
    assert_eq!(creating.len(), 5, "one POST per object of Flow Service and Data Prep: {creating:?}");
    let counts = count(&calls);
    for (once, why) in [
        ("POST /ims/token/v3", "one token"),
        ("GET /connections/{id}/test", "one test"),
        ("GET /connections/{id}/explore", "one explore"),
        ("POST /mappingSets/validate", "one validation"),
        ("POST /tenant/fieldgroups", "one field group"),
        ("POST /tenant/schemas", "one schema"),
        ("POST /dataSets", "one dataset"),
    ] {
        assert_eq!(counts.get(once), Some(&1), "{why}: {counts:#?}");
    }
    let refused: Vec<&Call> = calls.iter().filter(|call| call.status >= 400).collect();
    assert!(refused.is_empty(), "no call fails: {refused:?}");

    let writes = world.operator_writes()?;
    let on_kinds: Vec<&String> = writes.iter().filter(|write| !write.contains(" secrets/")).collect();
    assert_eq!(on_kinds.len(), 8, "claim and status for each of four: {on_kinds:#?}");
    assert_eq!(writes.len() - on_kinds.len(), 2, "one write per protected Secret: {writes:#?}");

    let before = world.last_call().await?;
    let written = writes.len();
    world.delete_everything().await?;
    let calls = world.calls(before).await?;
    let deletes: Vec<&str> =
        calls.iter().filter(|call| call.method == "DELETE").map(|call| call.line.as_str()).collect();
    assert_eq!(
        deletes,
        [
            "DELETE /flows/{id}",
            "DELETE /targetConnections/{id}",
            "DELETE /sourceConnections/{id}",
            "DELETE /connections/{id}"
        ],
        "in the order of the references"
    );
    let writes = world.operator_writes()?.split_off(written);
    let releases =
        writes.iter().filter(|write| !write.contains("/status") && !write.contains(" secrets/")).count();
    assert_eq!(releases, 4, "one finalizer write per object: {writes:#?}");
    let waiting = writes.iter().filter(|write| write.contains("/status")).count();
    assert!(waiting <= 4, "at most one status write for each object that had to wait: {writes:#?}");

    let left: Vec<String> = world
        .upstream()
        .await?
        .into_iter()
        .filter(|object| object.owner.is_some())
        .map(|object| object.kind)
        .collect();
    ensure!(
        left.iter()
            .all(|kind| ["mappingSets", "schemas", "fieldgroups", "dataSets"].contains(&kind.as_str())),
        "left upstream: {left:?}"
    );
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn at_rest_nothing_is_written_and_only_inventory_pages_are_read() -> Result<()> {
    let world = World::start("rest").await?;
    world.apply_all(&chain("charges", "charges")).await?;
    world.wait_all_ready(4).await?;
    // The first run is noted once; then nothing happens for an hour of simulated time that does not pass.
    world.wait_success("charges").await?;
    world
        .until("an inventory pass that finds nothing new", async || {
            let before = world.last_call().await?;
            let calls = inventory_passes(&world, before, 1).await?;
            Ok(calls.iter().all(is_inventory_page).then_some(()))
        })
        .await?;

    let (calls_before, writes_before) = (world.last_call().await?, world.operator_writes()?.len());
    // One pass takes about 5 s: two minutes and more.
    let calls = inventory_passes(&world, calls_before, 26).await?;
    let others: Vec<&Call> = calls.iter().filter(|call| !is_inventory_page(call)).collect();
    assert!(others.is_empty(), "calls besides the inventory pages: {others:?}");
    assert_eq!(world.operator_writes()?.len(), writes_before, "no write at rest");
    world.check_invariants().await
}

/// Waits for as many whole inventory passes, each of which ends with the list of flows, and returns all calls until then.
async fn inventory_passes(world: &World, since: u64, count: usize) -> Result<Vec<Call>> {
    world
        .until_within(Duration::from_mins(4), "inventory passes", async || {
            let calls = world.calls(since).await?;
            let passes = calls.iter().filter(|call| call.line == "GET /flows").count();
            Ok((passes >= count).then_some(calls))
        })
        .await
}

fn is_inventory_page(call: &Call) -> bool {
    call.method == "GET"
        && ["/connections", "/sourceConnections", "/targetConnections", "/flows"]
            .contains(&call.endpoint.as_str())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_stripe_object_is_ingested_exactly_once_and_runs_appear_in_status() -> Result<()> {
    let world = World::start("rows").await?;
    world.apply_all(&chain("refunds", "refunds")).await?;
    world.wait_all_ready(4).await?;
    let flow = world.wait_success("refunds").await?;
    let dataset = external_id(&flow, "dataset")?;
    let rows = world.rows(&dataset).await?;
    assert!(!rows.is_empty(), "the first run backfills");
    assert!(rows.values().all(|times| *times == 1), "each Stripe id once: {rows:?}");
    assert_eq!(flow["status"]["lastRun"]["recordsIn"], serde_json::json!(rows.len()));
    let healthy =
        world.wait_condition("IngestionFlow", "refunds", "RunsHealthy", "True", "RunSucceeded").await?;
    assert!(!healthy.is_empty());
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn retained_schemas_and_datasets_are_attached_again() -> Result<()> {
    let world = World::start("again").await?;
    let objects = chain("prices", "prices");
    world.apply_all(&objects).await?;
    world.wait_all_ready(4).await?;
    let ids = async || -> Result<[String; 3]> {
        let mapping = world.wait_ready("IngestionMapping", "prices").await?;
        let flow = world.wait_ready("IngestionFlow", "prices").await?;
        Ok([
            external_id(&mapping, "field-group")?,
            external_id(&mapping, "schema")?,
            external_id(&flow, "dataset")?,
        ])
    };
    let first = ids().await?;
    world.delete_everything().await?;
    world.apply_all(&objects).await?;
    world.wait_all_ready(4).await?;
    assert_eq!(ids().await?, first, "the same field group, schema and dataset");
    let kept = world.upstream().await?;
    for kind in ["fieldgroups", "schemas", "dataSets"] {
        let ours = kept.iter().filter(|object| object.kind == kind && object.owner.is_some()).count();
        assert_eq!(ours, 1, "{kind}: {kept:#?}");
    }
    world.check_invariants().await
}
