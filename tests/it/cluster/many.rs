//! Many objects at once, in random order.

use std::collections::HashMap;

use anyhow::{Result, ensure};
use rand::seq::SliceRandom;
use serde_json::Value;

use crate::support::World;
use crate::support::objects::chain;
use crate::support::seen::Upstream;

const RESOURCES: [&str; 6] =
    ["charges", "subscriptions", "refunds", "balance_transactions", "customers", "prices"];

/// Chains in random order, as an Argo CD sync or a `kubectl apply` of a folder would bring them.
pub(super) fn shuffled(count: usize) -> Vec<Value> {
    let mut objects: Vec<Value> =
        (0..count).flat_map(|n| chain(&format!("c{n}"), RESOURCES[n % RESOURCES.len()])).collect();
    objects.shuffle(&mut rand::rng());
    objects
}

/// Upstream holds exactly one object for each role of each custom resource.
pub(super) async fn one_object_per_role(world: &World, chains: usize) -> Result<()> {
    let mut per_owner: HashMap<(String, String), usize> = HashMap::new();
    for object in world.upstream().await? {
        if let Some(owner) = object.owner {
            *per_owner.entry(owner).or_default() += 1;
        }
    }
    let twice: Vec<_> = per_owner.iter().filter(|(_, count)| **count > 1).collect();
    ensure!(twice.is_empty(), "more than one upstream object per role: {twice:?}");
    // connection, source connection, field group, schema, mapping set, dataset, target connection, flow
    ensure!(per_owner.len() == 8 * chains, "{} upstream objects for {chains} chains", per_owner.len());
    Ok(())
}

/// No two objects play one role for one owner.
pub(super) fn one_flow_service_object_per_role(objects: &[Upstream]) -> Result<()> {
    let mut owners: Vec<_> = objects.iter().filter_map(|object| object.owner.as_ref()).collect();
    let count = owners.len();
    owners.sort_unstable();
    owners.dedup();
    ensure!(owners.len() == count, "two objects of one role: {objects:?}");
    Ok(())
}

/// Nothing of Flow Service is left that carries a marker.
pub(super) async fn no_orphans(world: &World) -> Result<()> {
    let kinds = ["connections", "sourceConnections", "targetConnections", "flows"];
    let left: Vec<_> = world
        .upstream()
        .await?
        .into_iter()
        .filter(|object| object.owner.is_some() && kinds.contains(&object.kind.as_str()))
        .collect();
    ensure!(left.is_empty(), "orphans: {left:?}");
    Ok(())
}

async fn forty_of_each(round: usize) -> Result<()> {
    let world = World::start(&format!("many{round}")).await?;
    world.apply_all(&shuffled(40)).await?;
    world.wait_all_ready(160).await?;
    one_object_per_role(&world, 40).await?;
    for fact in ["GET /stats", "GET /sandboxes/{id}"] {
        ensure!(
            world.count(0, fact).await? == 1,
            "{fact} is asked for once, also by forty at the same moment"
        );
    }
    world.delete_everything().await?;
    no_orphans(&world).await?;
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn forty_of_each_kind_at_once_make_no_duplicate_and_leave_no_orphan_three_times_in_a_row() -> Result<()>
{
    for round in 1..=3 {
        forty_of_each(round).await?;
    }
    Ok(())
}
