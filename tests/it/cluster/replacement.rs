//! Replacement of a flow on a real control plane: the main roads, and what they mean for the rows under each model of Adobe's windows.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::World;
use crate::support::objects::{self, with};
use crate::support::world::{condition, external_id};

/// Payments in each period of a test.
const PAID: usize = 3;

fn flow(source: &str, policy: &Value) -> Value {
    with(objects::flow("f", source, "f", "Charges of f"), "/replacement", policy.clone())
}

/// A flow that has run, and a second source for it.
async fn running(name: &str, policy: &Value, switches: &Value) -> Result<World> {
    let world = World::start(name).await?;
    world.sim.patch("switches", switches).await?;
    let mapping = objects::mapping("f", "new", "charges", "Charges of f");
    let sources = ["old", "new"].map(|source| objects::source(source, "f", "charges"));
    world.apply_all(&[objects::base("f"), mapping, flow("old", policy)]).await?;
    world.apply_all(&sources).await?;
    world.wait_all_ready(5).await?;
    world.sim.advance(60).await?;
    world.wait_success("f").await?;
    Ok(world)
}

async fn pay(world: &World) -> Result<()> {
    world.sim.post("seed", &json!({ "stripe": [{ "resource": "charges", "count": PAID }] })).await?;
    Ok(())
}

async fn replaced(world: &World) -> Result<String> {
    world.wait_condition("IngestionFlow", "f", "Replaced", "True", "Replaced").await
}

/// How many Stripe ids were ingested how often.
async fn histogram(world: &World, dataset: &str) -> Result<BTreeMap<u64, usize>> {
    let mut histogram = BTreeMap::new();
    for times in world.rows(dataset).await?.into_values() {
        *histogram.entry(times).or_default() += 1;
    }
    Ok(histogram)
}

/// One flow on the source, one target, and nothing of the former pair.
async fn one_pair(world: &World, source: &str) -> Result<String> {
    let object = world.wait_ready("IngestionFlow", "f").await?;
    let upstream = world.upstream().await?;
    let count =
        |kind: &str| upstream.iter().filter(|object| object.kind == kind && object.owner.is_some()).count();
    ensure!(count("flows") == 1 && count("targetConnections") == 1, "{upstream:?}");
    let id = external_id(&object, "flow")?;
    let document = world.sim.get(&format!("objects/{id}")).await?;
    let source = world.get("StripeSourceConnection", source).await?.context("the source")?;
    ensure!(document["doc"]["sourceConnectionIds"] == json!([external_id(&source, "source-connection")?]));
    Ok(id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manual_replacement_waits_for_its_digest_and_for_the_run_in_flight_and_frees_the_former_source()
-> Result<()> {
    let policy = json!({ "approval": "Manual", "history": "None" });
    let world = running("replmanual", &policy, &json!({ "runDurationMs": 1000 })).await?;
    let old = external_id(&world.wait_ready("IngestionFlow", "f").await?, "flow")?;
    world.apply(&flow("new", &policy)).await?;
    world.delete("StripeSourceConnection", "old").await?;
    let said = world.wait_condition("IngestionFlow", "f", "Ready", "False", "ApprovalRequired").await?;
    assert!(said.contains("history None"), "{said}");
    world.wait_condition("StripeSourceConnection", "old", "Ready", "False", "WaitingForDependents").await?;

    // A run is in flight when the approval comes.
    world
        .sim
        .post(
            &format!("objects/{old}"),
            &json!({ "outcomes": [{ "result": "natural", "durationMs": 600_000 }] }),
        )
        .await?;
    world.sim.advance(3600).await?;
    let digest = world.approve("IngestionFlow", "f").await?;
    world.wait_condition("IngestionFlow", "f", "Ready", "False", "WaitingForRunToEnd").await?;
    let posts = world.calls(0).await?.iter().filter(|call| call.line == "POST /flows").count();
    assert_eq!(posts, 1, "the new flow is not made before the run has ended");

    world.sim.advance(601).await?;
    replaced(&world).await?;
    one_pair(&world, "new").await?;
    world
        .until("the former source to be free", async || {
            Ok(world.get("StripeSourceConnection", "old").await?.is_none().then_some(()))
        })
        .await?;
    let flow = world.get("IngestionFlow", "f").await?.context("the flow")?;
    assert_eq!(flow["status"]["lastApproved"], json!(digest));
    assert!(condition(&flow, "Stalled").is_none(), "{flow}");
    world.check_invariants().await
}

/// Kills the operator in each of the calls, when it was executed and is not answered, and starts it again.
async fn kill_in_each(world: &mut World, calls: &[(&str, &str)]) -> Result<()> {
    let hang = async |world: &World, (method, endpoint): &(&str, &str)| -> Result<()> {
        let on = json!({ "method": method, "endpoint": endpoint });
        world.sim.delete("faults").await?;
        world.sim.post("faults", &json!([{ "match": on, "action": "hangAfterCommit" }])).await?;
        Ok(())
    };
    hang(world, calls.first().context("a call")?).await?;
    for (at, (method, endpoint)) in calls.iter().enumerate() {
        world
            .until(&format!("a {method} {endpoint} to be executed"), async || {
                let faults = world.sim.get("faults").await?;
                Ok((faults["faults"][0]["reached"] == 1).then_some(()))
            })
            .await?;
        world.operator.process().kill()?;
        // Nobody makes the next call before it is to hang.
        if let Some(next) = calls.get(at + 1) {
            hang(world, next).await?;
        }
        world.operator.process().restart()?;
        world.operator.ready(Duration::from_secs(30)).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manual_replacement_with_full_history_goes_on_after_a_kill_in_each_of_its_steps() -> Result<()> {
    let policy = json!({ "approval": "Manual", "history": "Full" });
    let mut world = running("replkill", &policy, &json!({ "incremental": "createdWindow" })).await?;
    let object = world.wait_ready("IngestionFlow", "f").await?;
    let (old, dataset) = (external_id(&object, "flow")?, external_id(&object, "dataset")?);
    let seeded = world.rows(&dataset).await?.len();
    world.apply(&flow("new", &policy)).await?;
    let said = world.wait_condition("IngestionFlow", "f", "Ready", "False", "ApprovalRequired").await?;
    assert!(said.contains("history Full"), "{said}");
    world.approve("IngestionFlow", "f").await?;
    let steps = [
        ("POST", "/targetConnections"),
        ("POST", "/flows/{id}/action"),
        ("POST", "/flows"),
        ("DELETE", "/flows/{id}"),
        ("DELETE", "/targetConnections/{id}"),
    ];
    kill_in_each(&mut world, &steps).await?;
    let message = replaced(&world).await?;
    assert!(message.contains(&old) && message.contains("history Full"), "{message}");
    one_pair(&world, "new").await?;
    let calls = world.calls(0).await?;
    for line in ["POST /targetConnections", "POST /flows"] {
        let count = calls.iter().filter(|call| call.line == line).count();
        assert_eq!(count, 2, "{line}: the first one and its successor");
    }
    world.sim.advance(2 * 3600).await?;
    world
        .until("everything to be ingested again", async || {
            Ok((histogram(&world, &dataset).await? == BTreeMap::from([(2, seeded)])).then_some(()))
        })
        .await?;
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replacement_whose_spec_is_reverted_gives_the_former_flow_back() -> Result<()> {
    let policy = json!({ "approval": "Automatic", "history": "None" });
    let world = running("replrevert", &policy, &json!({ "runDurationMs": 1000 })).await?;
    let object = world.wait_ready("IngestionFlow", "f").await?;
    let (old, dataset) = (external_id(&object, "flow")?, external_id(&object, "dataset")?);
    let outcomes = json!([{ "result": "natural", "durationMs": 600_000 }]);
    world.sim.post(&format!("objects/{old}"), &json!({ "outcomes": outcomes })).await?;
    world.sim.advance(3600).await?;
    world.apply(&flow("new", &policy)).await?;
    world.wait_condition("IngestionFlow", "f", "Ready", "False", "WaitingForRunToEnd").await?;
    world.apply(&flow("old", &policy)).await?;
    let id = one_pair(&world, "old").await?;
    assert_eq!(id, old, "the former flow is in its place again");
    assert_eq!(world.document(&id).await?["state"], "enabled");
    let posts = world.calls(0).await?.iter().filter(|call| call.line == "POST /flows").count();
    assert_eq!(posts, 1, "the new flow was never made");
    world
        .until("the event that says so", async || {
            Ok((world.events_of("f", "ReplacementAbandoned").await? == 1).then_some(()))
        })
        .await?;
    pay(&world).await?;
    let before = world.rows(&dataset).await?.len();
    world.sim.advance(2 * 3600).await?;
    world
        .until("the flow to read on", async || {
            Ok((world.rows(&dataset).await?.len() >= before + PAID).then_some(()))
        })
        .await?;
    assert!(world.rows(&dataset).await?.values().all(|times| *times == 1), "nothing twice");
    world.check_invariants().await
}

/// What came of a replacement.
struct Outcome {
    /// What the condition Replaced, and the event of that name, say.
    message: String,
    /// How many Stripe ids were ingested how often.
    histogram: BTreeMap<u64, usize>,
    /// How many the old flow had ingested.
    seeded: usize,
    /// The end of the last success of the old flow.
    from: Timestamp,
    /// When the new flow was created.
    to: Timestamp,
}

/// Replaces the flow with payments before, while and after.
async fn rows_under(model: &str, history: &str) -> Result<Outcome> {
    let policy = json!({ "approval": "Automatic", "history": history });
    let name = format!("repl{}{}", model.to_lowercase(), history.to_lowercase());
    let world = running(&name, &policy, &json!({ "incremental": model })).await?;
    let object = world.wait_ready("IngestionFlow", "f").await?;
    let dataset = external_id(&object, "dataset")?;
    let seeded = world.rows(&dataset).await?.len();
    let from: Timestamp = object["status"]["lastSuccess"].as_str().context("a last success")?.parse()?;
    world.sim.advance(600).await?;
    pay(&world).await?;
    world.sim.advance(600).await?;
    world.apply(&flow("new", &policy)).await?;
    let message = replaced(&world).await?;
    let id = one_pair(&world, "new").await?;
    let created = world.sim.get(&format!("objects/{id}")).await?["doc"]["createdAt"].as_i64();
    let to = Timestamp::from_millisecond(created.context("a time of creation")?)?;
    world
        .until("the event of the replacement", async || {
            Ok(world.notes_of("f", "Replaced").await?.contains(&message).then_some(()))
        })
        .await?;
    world.sim.advance(60).await?;
    pay(&world).await?;
    world.sim.advance(2 * 3600).await?;
    world
        .until("all payments to be ingested", async || {
            Ok((world.rows(&dataset).await?.len() == seeded + 2 * PAID).then_some(()))
        })
        .await?;
    let histogram = histogram(&world, &dataset).await?;
    world.check_invariants().await?;
    Ok(Outcome { message, histogram, seeded, from, to })
}

impl Outcome {
    /// Without history the condition names the period in which rows may be doubled or missing: from the run that was the old flow's
    /// last success, which took seconds, to the creation of the new one.
    fn names_its_period(&self) -> Result<()> {
        let said = self.message.split_once("rows created from ").context("a period")?.1;
        let (from, rest) = said.split_once(" to ").context("an end")?;
        let (to, _) = rest.split_once(" may be doubled or missing").context("what may be")?;
        let run = self.from.duration_since(from.parse()?);
        ensure!(!run.is_negative() && run.as_secs() <= 5, "{}: {}", self.from, self.message);
        self.is_the_creation(to)
    }

    /// With full history it says up to when everything is ingested again.
    fn names_its_end(&self) -> Result<()> {
        for part in ["had ingested stands twice", "what else was created up to then may be doubled"] {
            ensure!(self.message.contains(part), "{part}: {}", self.message);
        }
        let (_, said) = self.message.split_once("everything created up to ").context("an end")?;
        self.is_the_creation(said.split_once(' ').context("a time")?.0)
    }

    fn is_the_creation(&self, to: &str) -> Result<()> {
        let after = to.parse::<Timestamp>()?.duration_since(self.to);
        ensure!(!after.is_negative() && after.as_secs() <= 1, "{}: {}", self.to, self.message);
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_history_nothing_is_lost_or_doubled_when_windows_follow_created() -> Result<()> {
    let outcome = rows_under("createdWindow", "None").await?;
    outcome.names_its_period()?;
    assert_eq!(outcome.histogram, BTreeMap::from([(1, outcome.seeded + 2 * PAID)]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_history_only_rows_of_the_named_period_are_doubled_when_windows_follow_runs() -> Result<()> {
    let outcome = rows_under("runWindow", "None").await?;
    outcome.names_its_period()?;
    // The payments between the last success of the old flow and the first run of the new one are the named period.
    assert_eq!(outcome.histogram, BTreeMap::from([(1, outcome.seeded + PAID), (2, PAID)]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn with_full_history_what_the_old_flow_had_stands_twice() -> Result<()> {
    for model in ["createdWindow", "runWindow"] {
        let outcome = rows_under(model, "Full").await?;
        outcome.names_its_end()?;
        // What was paid between the last success and the new flow's first run stands in two of its windows, if these follow runs.
        let again = if model == "runWindow" { PAID } else { 0 };
        let promised = BTreeMap::from([(1, 2 * PAID - again), (2, outcome.seeded + again)]);
        assert_eq!(outcome.histogram, promised, "{model}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_reads_everything_in_each_run_is_read_as_often_as_there_are_runs() -> Result<()> {
    for history in ["None", "Full"] {
        let outcome = rows_under("fullPull", history).await?;
        if history == "None" { outcome.names_its_period() } else { outcome.names_its_end() }?;
        let histogram = outcome.histogram;
        let most = histogram.keys().max().copied().unwrap_or_default();
        assert_eq!(histogram[&most], outcome.seeded, "{history}: {histogram:?}");
        assert_eq!(
            histogram[&(most - 1)],
            PAID,
            "{history}: what was paid after the old flow's only run misses that run alone: {histogram:?}"
        );
    }
    Ok(())
}
