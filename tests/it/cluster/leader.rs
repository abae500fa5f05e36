//! Several processes: one works, the others stand by. Leaders that die, are frozen, are told to stop, or lose their lease to a hand.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use aep_operator::api::GROUP;
use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use testbed::{AuditEvent, Operator};

use super::many::one_object_per_role;
use crate::support::World;
use crate::support::objects::{base, chain};
use crate::support::operators::{LEASES, check_outputs, value};
use crate::support::world::{DEADLINE, OPERATOR_USER, Settings};

/// How long a dead leader may stand in the way.
const TAKEOVER: Duration = Duration::from_secs(20);

/// A world whose operator leads, and a second process that stands by.
async fn pair(name: &str) -> Result<(World, Operator)> {
    let world = World::start_with(name, Settings { elect: true, ..Settings::default() }).await?;
    until_it_leads(&world, &world.operator).await?;
    let mut standby = world.another_operator(LEASES[0], &world.namespace).await?;
    standby.ready(DEADLINE).await?;
    ensure!(!leads(&standby).await?, "one process leads");
    ensure!(standby.get("/readyz").await? == (200, "standby\n".to_owned()));
    Ok((world, standby))
}

async fn leads(operator: &Operator) -> Result<bool> {
    Ok(value(&operator.metrics().await?, "aep_operator_leader", &[]) == 1)
}

async fn until_it_leads(world: &World, operator: &Operator) -> Result<Duration> {
    let since = Instant::now();
    world
        .until("the process to lead", async || {
            let leads = leads(operator).await? && operator.get("/readyz").await?.0 == 200;
            Ok(leads.then_some(()))
        })
        .await?;
    Ok(since.elapsed())
}

fn leases(world: &World) -> Api<Lease> {
    Api::namespaced(world.client.clone(), &world.namespace)
}

/// The process ends by itself, and not as if it had been asked to.
async fn ends_with_failure(operator: &mut Operator, why: &str) -> Result<()> {
    let status =
        operator.process().wait("the end of a process that lost its lease".to_owned(), DEADLINE).await?;
    ensure!(status.code() == Some(1), "{status}");
    ensure!(operator.log_tail(20).contains(why), "no {why} in\n{}", operator.log_tail(20));
    Ok(())
}

/// Five chains are applied, and some of their objects made.
async fn amid_five_chains(world: &World) -> Result<()> {
    let objects: Vec<_> = (0..5).flat_map(|n| chain(&format!("c{n}"), "refunds")).collect();
    world.apply_all(&objects).await?;
    world
        .until("some creates", async || {
            let calls = world.calls(0).await?;
            Ok((calls.iter().filter(|call| call.is_creating_post()).count() >= 7).then_some(()))
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_takes_over_from_a_killed_leader_within_twenty_seconds_and_makes_nothing_twice()
-> Result<()> {
    let (mut world, standby) = pair("lead-kill").await?;
    amid_five_chains(&world).await?;
    world.operator.process().kill()?;
    let took = until_it_leads(&world, &standby).await?;
    ensure!(took < TAKEOVER, "it took {took:?}");
    world.wait_all_ready(20).await?;
    one_object_per_role(&world, 5).await?;
    check_outputs(&standby).await?;
    world.check_invariants().await
}

/// What the only process that has written to our kinds so far calls itself.
fn writer(world: &World) -> Result<String> {
    let writes = world.audit()?.writes_by(OPERATOR_USER);
    let agents: BTreeSet<String> = (writes.events().iter())
        .filter(|event| event.group == GROUP)
        .map(|event| event.user_agent.clone())
        .collect();
    ensure!(agents.len() == 1, "{agents:?}");
    agents.into_iter().next().context("a writer")
}

/// Writes of one process. An event that tells of what was done before may come late.
fn writes_by(world: &World, agent: &str) -> Result<Vec<AuditEvent>> {
    let writes = world.audit()?.writes_by(OPERATOR_USER);
    let counts = |event: &AuditEvent| event.succeeded() && event.resource != "events";
    Ok(writes.filter(|event| event.user_agent == agent && counts(event)).events().to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_frozen_beyond_its_lease_writes_nothing_when_it_wakes() -> Result<()> {
    let (mut world, standby) = pair("lead-freeze").await?;
    amid_five_chains(&world).await?;
    world.operator.process().pause()?;
    let agent = writer(&world)?;
    let took = until_it_leads(&world, &standby).await?;
    ensure!(took < TAKEOVER, "it took {took:?}");
    world.wait_all_ready(20).await?;
    let before = (world.last_call().await?, writes_by(&world, &agent)?.len());
    world.operator.process().resume()?;
    ends_with_failure(&mut world.operator, "leads no more").await?;
    let late: Vec<_> = world.calls(before.0).await?;
    let late: Vec<_> = late.iter().filter(|call| call.method != "GET").map(|call| &call.line).collect();
    ensure!(late.is_empty(), "written upstream after the leader woke: {late:?}");
    let late = writes_by(&world, &agent)?.split_off(before.1);
    ensure!(late.is_empty(), "written to the cluster after the leader woke: {late:#?}");
    one_object_per_role(&world, 5).await?;
    check_outputs(&standby).await?;
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_told_to_stop_hands_over_at_once_and_its_standby_too_may_stop() -> Result<()> {
    let (mut world, mut standby) = pair("lead-stop").await?;
    world.apply(&base("eu")).await?;
    world.wait_ready("StripeBaseConnection", "eu").await?;
    let status = world.operator.process().terminate(DEADLINE).await?;
    ensure!(status.success(), "{status}");
    let took = until_it_leads(&world, &standby).await?;
    ensure!(took < Duration::from_secs(6), "it took {took:?}");
    world.apply(&base("us")).await?;
    world.wait_ready("StripeBaseConnection", "us").await?;

    let mut third = world.another_operator(LEASES[0], &world.namespace).await?;
    third.ready(DEADLINE).await?;
    ensure!(third.process().terminate(DEADLINE).await?.success(), "a standby ends in order");
    ensure!(leads(&standby).await?, "the end of a standby moves nothing");
    ensure!(standby.process().terminate(DEADLINE).await?.success());
    let lease = leases(&world).get(LEASES[0]).await?;
    ensure!(lease.spec.context("a lease has a spec")?.holder_identity.is_none(), "the lease is free");
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_deleted_by_hand_is_written_again_by_its_holder() -> Result<()> {
    let (world, standby) = pair("lead-gone").await?;
    leases(&world).delete(LEASES[0], &DeleteParams::default()).await?;
    world.until("the lease to be back", async || Ok(leases(&world).get_opt(LEASES[0]).await?)).await?;
    ensure!(leads(&world.operator).await? && !leads(&standby).await?, "the holder goes on");
    world.apply_all(&chain("a", "prices")).await?;
    world.wait_all_ready(4).await?;
    one_object_per_role(&world, 1).await?;
    check_outputs(&standby).await?;
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_whose_lease_names_somebody_else_ends_and_the_standby_takes_what_nobody_renews() -> Result<()>
{
    let (mut world, standby) = pair("lead-edit").await?;
    let edit = json!({ "spec": { "holderIdentity": "a-hand" } });
    leases(&world).patch(LEASES[0], &PatchParams::default(), &Patch::Merge(edit)).await?;
    ends_with_failure(&mut world.operator, "held by a-hand").await?;
    ensure!(!leads(&standby).await?, "what was just written is respected");
    let took = until_it_leads(&world, &standby).await?;
    ensure!(took < TAKEOVER, "it took {took:?}");
    world.apply_all(&chain("a", "prices")).await?;
    world.wait_all_ready(4).await?;
    one_object_per_role(&world, 1).await?;
    check_outputs(&standby).await?;
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn work_in_flight_at_sigterm_ends_in_time_and_is_resumed_by_the_next() -> Result<()> {
    let (mut world, standby) = pair("lead-drain").await?;
    let hang = json!([{ "match": { "service": "flowservice", "method": "POST", "endpoint": "/connections" }, "times": "forever", "action": "hang" }]);
    world.sim.post("faults", &hang).await?;
    let bases: Vec<Value> = (0..40).map(|n| base(&format!("b{n}"))).collect();
    world.apply_all(&bases).await?;
    world
        .until("creates in flight", async || {
            let faults = world.sim.get("faults").await?;
            let reached = faults["faults"][0]["reached"].as_u64().unwrap_or_default();
            Ok((reached >= 8).then_some(()))
        })
        .await?;
    let since = Instant::now();
    let status = world.operator.process().terminate(DEADLINE).await?;
    ensure!(
        status.success() && since.elapsed() < Duration::from_secs(25),
        "{status} after {:?}",
        since.elapsed()
    );
    let claimed = world.list("StripeBaseConnection").await?;
    let intents = claimed
        .iter()
        .filter(|object| object["metadata"]["annotations"]["ingestion.aep-operator.io/intent"].is_string());
    ensure!(intents.count() >= 8, "the claims of what was in flight stay");
    world.sim.delete("faults").await?;
    until_it_leads(&world, &standby).await?;
    world.wait_all_ready(40).await?;
    let connections = world.upstream().await?.iter().filter(|object| object.kind == "connections").count();
    ensure!(connections == 40, "{connections} connections for 40 objects");
    check_outputs(&standby).await?;
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_installations_split_the_namespaces_of_one_organisation_with_a_lease_each() -> Result<()> {
    let (world, _standby) = pair("lead-split").await?;
    // Its namespace is what is wanted of the second world: one simulator serves both.
    let mut other = World::start("lead-split-b").await?;
    other.operator.process().kill()?;
    let mut second = world.another_operator(LEASES[1], &other.namespace).await?;
    second.ready(DEADLINE).await?;
    until_it_leads(&world, &second).await?;
    ensure!(leads(&world.operator).await?, "each leads its own namespaces");
    world.apply_all(&chain("a", "refunds")).await?;
    other.apply_all(&chain("b", "refunds")).await?;
    tokio::try_join!(world.wait_all_ready(4), other.wait_all_ready(4))?;
    one_object_per_role(&world, 2).await?;
    let holders: Vec<_> = leases(&world).list(&ListParams::default()).await?.items;
    ensure!(holders.len() == 2, "one lease each: {holders:?}");
    check_outputs(&second).await?;
    world.check_invariants().await
}
