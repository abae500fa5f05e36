//! What only the passing of time brings about: a held start, a start that has passed, and data that gets old.

use std::time::Duration;

use serde_json::{Value, json};

use super::harness::{Pass, Process, World, is_ready, text};
use crate::support::objects::{self, with};
use crate::support::world::condition;

const FLOW: &str = "IngestionFlow";
const HOUR: Duration = Duration::from_hours(1);

async fn settled_with(flow: Value) -> (World, Process) {
    let [base, source, mapping, _] = objects::chain("charges", "charges");
    World::settled(&[base, source, mapping, flow]).await
}

fn hourly() -> Value {
    objects::flow("charges", "charges", "charges", "Stripe charges of charges")
}

fn flow(world: &World) -> Value {
    world.api.get(FLOW, "charges").unwrap_or_default()
}

fn runs(world: &World) -> u64 {
    world.sim.tick();
    world.upstream("flow")["summary"]["runs"].as_u64().unwrap_or_default()
}

fn start_upstream(world: &World) -> i64 {
    text(&world.upstream("flow"), "/doc/scheduleParams/startTime").parse().unwrap_or_default()
}

async fn pass(world: &World, process: &Process) {
    let ended = world.pass(process, FLOW, "charges").await;
    assert!(matches!(ended, Pass::Ended(Ok(_))), "{ended:?}");
}

async fn check(world: &World, process: &Process) {
    process.cx.memory.ask_for_check(&text(&flow(world), "/metadata/uid"));
    pass(world, process).await;
}

/// Status and reason of a condition.
fn said(world: &World, type_: &str) -> (String, String) {
    let condition = condition(&flow(world), type_).unwrap_or_default();
    (text(&condition, "/status"), text(&condition, "/reason"))
}

fn pair(status: &str, reason: &str) -> (String, String) {
    (status.to_owned(), reason.to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_disabled_flow_is_held_for_weeks_and_runs_soon_after_it_is_enabled() {
    let (world, process) = settled_with(with(hourly(), "/enabled", json!(false))).await;
    for _ in 0..60 {
        world.wait(6 * HOUR).await;
        pass(&world, &process).await;
        assert!(start_upstream(&world) > world.now().as_second(), "the far start is moved on");
    }
    assert_eq!(runs(&world), 0, "in fifteen days");
    let moves = world.upstream_writes().iter().filter(|call| *call == "PATCH /flows/{id}").count();
    assert!(moves <= 31, "one move for each half of the held time: {moves}");

    world.api.apply(&hourly());
    world.settle(&process).await;
    let start = text(&flow(&world), "/status/effectiveStartTime");
    let start = start.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_second);
    assert_eq!(start.ok(), Some(start_upstream(&world)));
    world.wait(Duration::from_mins(2)).await;
    assert_eq!(runs(&world), 1);
}

#[tokio::test(start_paused = true)]
async fn a_start_follows_spec_until_it_has_passed_and_is_then_ignored_with_a_word() {
    let at = |world: &World, hours: i64| {
        let seconds = world.now().as_second() + hours * 3_600;
        jiff::Timestamp::from_second(seconds).map(|time| time.to_string()).unwrap_or_default()
    };
    let starting = |start: &str| with(hourly(), "/schedule/startTime", json!(start));
    let (world, process) = settled_with(starting("2090-01-01T00:00:00Z")).await;
    let soon = at(&world, 2);
    world.api.apply(&starting(&soon));
    world.settle(&process).await;
    assert_eq!(text(&flow(&world), "/status/effectiveStartTime"), soon);
    assert_eq!(said(&world, "Synced"), pair("True", "InSync"));
    world.wait(HOUR).await;
    assert_eq!(runs(&world), 0);
    world.wait(HOUR + Duration::from_mins(1)).await;
    assert_eq!(runs(&world), 1);

    let writes = world.upstream_writes().len();
    let late = at(&world, 24);
    world.api.apply(&starting(&late));
    pass(&world, &process).await;
    assert_eq!(world.upstream_writes().len(), writes, "a start that has passed is never touched");
    assert!(is_ready(&flow(&world)));
    assert_eq!(said(&world, "Synced"), pair("True", "StartTimeIgnored"));
    let synced = text(&condition(&flow(&world), "Synced").unwrap_or_default(), "/message");
    assert!(synced.contains(&soon) && synced.contains(&late), "{synced}");
    let version = world.api.version();
    check(&world, &process).await;
    check(&world, &process).await;
    assert_eq!(world.api.version(), version, "said once: {:?}", world.api.writes());

    world.api.apply(&starting(&soon));
    pass(&world, &process).await;
    assert_eq!(said(&world, "Synced"), pair("True", "InSync"));
    assert_eq!(world.upstream_writes().len(), writes);
}

#[tokio::test(start_paused = true)]
async fn a_backfill_that_spec_changes_after_the_creation_is_ignored_with_a_word() {
    let asking = |backfill: bool| with(hourly(), "/schedule/backfill", json!(backfill));
    let (world, process) = settled_with(asking(false)).await;
    assert_eq!(said(&world, "Synced"), pair("True", "InSync"));
    let writes = world.upstream_writes().len();
    world.api.apply(&asking(true));
    pass(&world, &process).await;
    assert!(is_ready(&flow(&world)));
    assert_eq!(said(&world, "Synced"), pair("True", "BackfillIgnored"));
    let synced = text(&condition(&flow(&world), "Synced").unwrap_or_default(), "/message");
    for part in ["schedule.backfill true", "made with backfill false", "history Full"] {
        assert!(synced.contains(part), "{part}: {synced}");
    }
    let version = world.api.version();
    check(&world, &process).await;
    assert_eq!(world.api.version(), version, "said once: {:?}", world.api.writes());
    world.api.apply(&asking(false));
    pass(&world, &process).await;
    assert_eq!(said(&world, "Synced"), pair("True", "InSync"));
    assert_eq!(world.upstream_writes().len(), writes, "nothing is sent");
}

#[tokio::test(start_paused = true)]
async fn data_gets_old_by_the_clock_alone_and_a_failed_run_differs_from_none() {
    let (world, process) = settled_with(with(hourly(), "/freshness", json!({ "maxAge": "3h" }))).await;
    assert_eq!(said(&world, "DataFresh"), pair("Unknown", "NoRunYet"));
    world.wait(Duration::from_mins(1)).await;
    check(&world, &process).await;
    assert_eq!(said(&world, "DataFresh"), pair("True", "Fresh"));
    assert_eq!(said(&world, "RunsHealthy"), pair("True", "RunSucceeded"));

    let id = text(&world.upstream("flow"), "/summary/id");
    let outcomes = json!({ "outcomes": [{ "result": "copyFailure", "runs": 99 }] });
    let (status, answer) = world.sim.control("POST", &format!("/objects/{id}"), &outcomes);
    assert_eq!(status, 200, "{answer}");
    let (calls, version) = (world.calls().len(), world.api.version());
    world.wait(2 * HOUR).await;
    pass(&world, &process).await;
    assert_eq!(world.api.version(), version, "still young enough");
    world.wait(2 * HOUR).await;
    pass(&world, &process).await;
    assert_eq!(said(&world, "DataFresh"), pair("False", "RunsMissing"));
    pass(&world, &process).await;
    assert_eq!(world.api.version(), version + 1, "the flip is one write");
    assert_eq!(world.calls().len(), calls, "and no call");
    assert_eq!(world.api.events("RunsMissing").len(), 1);

    check(&world, &process).await;
    assert_eq!(said(&world, "DataFresh"), pair("False", "Stale"));
    assert_eq!(said(&world, "RunsHealthy"), pair("False", "RunFailed"));
    assert_eq!(flow(&world)["status"]["consecutiveFailures"], json!(4));
    assert!(is_ready(&flow(&world)), "neither is part of Ready");
    assert_eq!(world.api.events("RunFailed").len(), 1);
    assert_eq!(world.api.events("Stale").len(), 0, "it was not fresh before");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_hangs_is_told_when_it_is_overdue() {
    let (world, process) =
        settled_with(with(hourly(), "/schedule/startTime", json!("2090-01-01T00:00:00Z"))).await;
    let id = text(&world.upstream("flow"), "/summary/id");
    let outcomes = json!({ "outcomes": [{ "result": "stuck" }] });
    let (status, answer) = world.sim.control("POST", &format!("/objects/{id}"), &outcomes);
    assert_eq!(status, 200, "{answer}");
    let now = jiff::Timestamp::from_second(world.now().as_second()).map(|now| json!(now.to_string()));
    world.api.apply(&with(hourly(), "/schedule/startTime", now.unwrap_or_default()));
    world.settle(&process).await;
    world.wait(Duration::from_mins(1)).await;
    let version = world.api.version();
    check(&world, &process).await;
    let after_first_look = world.api.version();
    assert!(after_first_look - version <= 1, "at most what was seen for the first time");
    assert_eq!(said(&world, "RunsHealthy"), pair("Unknown", "NoRunYet"));
    world.wait(HOUR).await;
    pass(&world, &process).await;
    assert_eq!(world.api.version(), after_first_look, "a run under way writes nothing");
    world.wait(HOUR).await;
    pass(&world, &process).await;
    assert_eq!(said(&world, "RunsHealthy"), pair("False", "RunOverdue"));
    assert_eq!(world.api.version(), after_first_look + 1);
    assert_eq!(world.api.events("RunOverdue").len(), 1);
}
