//! A large sandbox at rest: what a pass of the inventory costs when most of what it sees belongs to others. `driver::drift` counts the same
//! for a thousand flows; here the size is what `AEP_FLEET` says, so that a thousand can be tried as well.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;

use crate::support::World;
use crate::support::objects::{chain, flow, source, with};
use crate::support::operators::value;
use crate::support::seen::Call;
use crate::support::world::{Settings, is_ready};

/// Flows of ours where nothing else is said.
const FLOWS: usize = 250;
/// Adobe's largest page.
const PAGE: usize = 100;
/// Objects that are applied at the same time.
const AT_ONCE: usize = 8;
/// Seconds until each hourly flow has run once more.
const AN_HOUR_AND_A_RUN: u64 = 3600 + 600;
/// How long the creation, or a pass with a run of every flow, may take on a busy machine.
const LONG: Duration = Duration::from_mins(5);

/// Flows of ours, and as many sources, on one base; they share a mapping and a dataset. Others have as many connections to Stripe, each with a
/// source connection, and as many flows, which are of another spec.
fn size() -> usize {
    std::env::var("AEP_FLEET").ok().and_then(|size| size.parse().ok()).unwrap_or(FLOWS)
}

async fn world() -> Result<World> {
    let mut settings = Settings::default();
    for (flag, value) in [("--drift-interval", "4s"), ("--requests-per-second", "2000")] {
        let at = settings.operator.iter().position(|argument| argument == flag).context("a default")?;
        value.clone_into(&mut settings.operator[at + 1]);
    }
    let world = World::start_with("fleet", settings).await?;
    world.apply_all(&chain("shared", "charges")).await?;
    world.wait_all_ready(4).await?;
    let dataset = world.id_of("IngestionFlow", "shared", "dataset").await?;
    let others = json!({ "foreignConnections": size(), "destinationFlows": size() });
    world.sim.post("seed", &others).await?;
    let existing = json!({ "existing": { "id": dataset } });
    let objects = (1..size()).flat_map(|number| {
        let name = format!("f{number}");
        let flow = flow(&name, &name, "shared", "unused");
        [source(&name, "shared", "charges"), with(flow, "/dataset", existing.clone())]
    });
    let applied = stream::iter(objects).map(|object| {
        let world = &world;
        async move { world.apply(&object).await }
    });
    applied.buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
    Ok(world)
}

/// Waits until all flows are Ready.
async fn all_ready(world: &World) -> Result<()> {
    let ready = [("kind", "IngestionFlow"), ("ready", "True")];
    world
        .until_within(LONG, "all flows to be Ready", async || {
            let page = world.operator.metrics().await?;
            Ok((value(&page, "aep_operator_objects", &ready) == size() as u64).then_some(()))
        })
        .await
}

/// Lets time pass, waits until each flow has a successful run that is none of the former ones, and returns the ids of those.
async fn runs_of_all(world: &World, former: &BTreeSet<String>) -> Result<BTreeSet<String>> {
    world.sim.advance(AN_HOUR_AND_A_RUN).await?;
    world
        .until_within(LONG, "a success of every flow", async || {
            // The page tells cheaply when it is worth while to read them all.
            let page = world.operator.metrics().await?;
            let healthy = [("kind", "IngestionFlow"), ("type", "RunsHealthy"), ("status", "True")];
            if value(&page, "aep_operator_conditions", &healthy) < size() as u64 {
                return Ok(None);
            }
            whole_passes(world, world.last_call().await?, 1).await?;
            let flows = world.list("IngestionFlow").await?;
            let successes = flows.iter().filter(|flow| is_ready(flow)).filter_map(|flow| {
                let run = &flow["status"]["lastRun"];
                run["id"].as_str().filter(|id| run["state"] == "success" && !former.contains(*id))
            });
            let successes: BTreeSet<String> = successes.map(str::to_owned).collect();
            Ok((successes.len() == size()).then_some(successes))
        })
        .await
}

/// The calls of whole passes of the inventory, each from its first page of connections to the next one's.
async fn whole_passes(world: &World, since: u64, count: usize) -> Result<Vec<Call>> {
    let is_first = |call: &Call| call.line == "GET /connections" && !call.query.contains("continuationToken");
    world
        .until_within(LONG, "whole passes of the inventory", async || {
            let calls = world.calls(since).await?;
            let starts: Vec<usize> =
                calls.iter().enumerate().filter(|(_, call)| is_first(call)).map(|(at, _)| at).collect();
            let whole = starts.first().zip(starts.get(count));
            Ok(whole.map(|(first, last)| calls[*first..*last].to_vec()))
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn flows_among_twice_as_many_objects_of_others_cost_their_pages_and_no_write() -> Result<()> {
    let world = world().await?;
    let flows = size();
    let bound = (flows + 1).div_ceil(PAGE) + (2 * flows).div_ceil(PAGE) + 2 * flows.div_ceil(PAGE);
    let within = |calls: usize, passes: usize| calls * 100 <= passes * bound * 105;
    all_ready(&world).await?;
    let first = runs_of_all(&world, &BTreeSet::new()).await?;
    let writes = world.operator_writes()?.len();
    let calls = whole_passes(&world, world.last_call().await?, 2).await?;
    ensure!(within(calls.len(), 2), "{} calls in two passes of {bound} pages", calls.len());
    ensure!(calls.iter().all(|call| call.method == "GET"), "only reads");
    assert_eq!(world.operator_writes()?.len(), writes, "no write");

    let since = world.last_call().await?;
    runs_of_all(&world, &first).await?;
    let calls = world.calls(since).await?;
    let runs = calls.iter().filter(|call| call.endpoint == "/runs").count();
    ensure!(runs * 100 <= 2 * flows.div_ceil(PAGE) * 105, "{runs} reads of runs for {flows} new ones");
    let calls = whole_passes(&world, world.last_call().await?, 2).await?;
    ensure!(within(calls.len(), 2), "{} calls in two passes of {bound} pages", calls.len());
    world.check_invariants().await
}
