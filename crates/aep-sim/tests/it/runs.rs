//! Runs: when they start, what they ingest, how they fail.

use aep_sim::switches::{Incremental, RunsAnswer};
use serde_json::{Value, json};

use crate::support::{Chain, World, with};

const OBJECTS: usize = 40;

/// A chain whose flow has just started.
async fn started(world: &World) -> Chain {
    let mut chain = world.parts().await;
    chain.flow = world.post("/flows", &chain.flow_body(world.now())).await.id();
    chain
}

fn add_charges(world: &World, count: usize) {
    world.control("POST", "/seed", &json!({"stripe": [{"resource": "charges", "count": count}]}));
}

fn outcome(world: &World, flow: &str, outcome: &Value) {
    world.control("POST", &format!("/objects/{flow}"), &json!({"outcomes": [outcome]}));
}

#[tokio::test]
async fn a_flow_whose_start_has_passed_runs_at_once_and_ingests_everything() {
    let world = World::new().await;
    world.switch(|switches| switches.run_duration_ms = 5_000);
    let chain = started(&world).await;
    let created = world.flow(&chain.flow).await["etag"].clone();
    world.advance(1);
    let runs = world.runs(&chain.flow).await;
    assert_eq!(runs.len(), 1);
    let metrics = &runs[0]["metrics"];
    assert_eq!(metrics["statusSummary"]["status"], "inProgress");
    assert_eq!(metrics["durationSummary"].get("completedAtUTC"), None);
    let running = world.flow(&chain.flow).await;
    assert_eq!(running["lastRunDetails"]["state"], "inProgress");
    world.advance(5);
    let run = &world.runs(&chain.flow).await[0];
    assert_eq!(run["state"], "success");
    assert_eq!(run["metrics"]["recordSummary"]["outputRecordCount"], OBJECTS);
    assert!(run["activities"][1]["targetInfo"][0]["reference"]["ids"][0].is_string());
    let ended = world.flow(&chain.flow).await;
    assert_eq!(ended["lastRunDetails"]["state"], "success");
    assert!(created != running["etag"] || created != ended["etag"]);
    assert_ne!(running["etag"], ended["etag"]);
    assert_eq!(world.rows(&chain.dataset), [1; OBJECTS]);
}

#[tokio::test]
async fn a_flow_waits_for_its_start() {
    let world = World::new().await;
    let chain = world.chain().await;
    world.advance(3500);
    assert!(world.runs(&chain.flow).await.is_empty());
    world.advance(200);
    assert_eq!(world.runs(&chain.flow).await.len(), 1);
}

#[tokio::test]
async fn windows_by_creation_ingest_each_object_once() {
    let world = World::new().await;
    let chain = started(&world).await;
    world.advance(10);
    add_charges(&world, 3);
    world.advance(3600);
    assert_eq!(world.runs(&chain.flow).await.len(), 2);
    add_charges(&world, 2);
    world.advance(7200);
    assert_eq!(world.rows(&chain.dataset), [1; OBJECTS + 5]);
}

#[tokio::test]
async fn full_pulls_double_and_windows_by_run_can_miss() {
    let world = World::new().await;
    world.switch(|switches| switches.incremental = Incremental::FullPull);
    let chain = started(&world).await;
    world.advance(3700);
    assert_eq!(world.rows(&chain.dataset), [2; OBJECTS]);

    world.switch(|switches| switches.incremental = Incremental::RunWindow);
    let path = format!("/flows/{}/action", chain.flow);
    world.act(&format!("{path}?op=disable")).await;
    world.advance(100);
    add_charges(&world, 4);
    world.advance(3 * 3600);
    world.act(&format!("{path}?op=enable")).await;
    world.advance(3600);
    assert_eq!(world.rows(&chain.dataset).len(), OBJECTS);
}

#[tokio::test]
async fn without_backfill_only_what_follows_the_start_is_ingested() {
    let world = World::new().await;
    let mut chain = world.parts().await;
    let body = with(chain.flow_body(world.now() - 600), "/scheduleParams/backfill", json!(false));
    chain.flow = world.post("/flows", &body).await.id();
    world.advance(10);
    // One object was created per minute before the start of the simulator.
    let rows = world.rows(&chain.dataset).len();
    assert!((9..=11).contains(&rows), "{rows}");
    add_charges(&world, 1);
    world.advance(3600);
    assert_eq!(world.rows(&chain.dataset).len(), rows + 1);
}

#[tokio::test]
async fn a_disabled_flow_starts_no_run_and_loses_no_data() {
    let world = World::new().await;
    let chain = started(&world).await;
    world.advance(10);
    world.act(&format!("/flows/{}/action?op=disable", chain.flow)).await;
    add_charges(&world, 2);
    world.advance(5 * 3600);
    assert_eq!(world.runs(&chain.flow).await.len(), 1);
    world.act(&format!("/flows/{}/action?op=enable", chain.flow)).await;
    world.advance(3600);
    assert_eq!(world.runs(&chain.flow).await.len(), 2);
    assert_eq!(world.rows(&chain.dataset), [1; OBJECTS + 2]);
}

#[tokio::test]
async fn a_held_flow_that_never_ran_runs_when_its_start_is_moved_and_it_is_enabled() {
    let world = World::new().await;
    let chain = world.chain().await;
    let path = format!("/flows/{}", chain.flow);
    world.act(&format!("{path}/action?op=disable")).await;
    let start =
        json!([{"op": "replace", "path": "/scheduleParams/startTime", "value": world.now().to_string()}]);
    assert_eq!(world.patch(&path, &start).await.status, 200);
    world.advance(100);
    assert!(world.runs(&chain.flow).await.is_empty());
    world.act(&format!("{path}/action?op=enable")).await;
    world.advance(2);
    assert_eq!(world.runs(&chain.flow).await.len(), 1);
}

#[tokio::test]
async fn a_run_in_flight_survives_disable_and_delete() {
    let world = World::new().await;
    world.switch(|switches| switches.run_duration_ms = 60_000);
    let chain = started(&world).await;
    world.advance(1);
    let run = world.runs(&chain.flow).await[0]["id"].as_str().unwrap().to_owned();
    world.act(&format!("/flows/{}/action?op=disable", chain.flow)).await;
    assert_eq!(world.delete(&format!("/flows/{}", chain.flow)).await.status, 204);
    world.advance(60);
    assert_eq!(world.get(&format!("/runs/{run}")).await.item()["state"], "success");
    assert_eq!(world.rows(&chain.dataset).len(), OBJECTS);
}

#[tokio::test]
async fn a_delete_can_be_refused_while_a_run_is_in_flight() {
    let world = World::new().await;
    world.switch(|switches| {
        switches.run_duration_ms = 60_000;
        switches.refuse_delete_while_running = true;
    });
    let chain = started(&world).await;
    world.advance(1);
    assert_eq!(world.delete(&format!("/flows/{}", chain.flow)).await.code(), "1416-400");
    world.advance(60);
    assert_eq!(world.delete(&format!("/flows/{}", chain.flow)).await.status, 204);
}

#[tokio::test]
async fn a_bad_stripe_key_fails_the_copy() {
    let world = World::new().await;
    let chain = world.chain().await;
    world.control("POST", "/stripe", &json!({"revoke": "sk_test_sim"}));
    world.advance(3700);
    let run = &world.runs(&chain.flow).await[0];
    assert_eq!(run["state"], "failed");
    assert_eq!(run["metrics"]["statusSummary"]["errors"][0]["code"], "CONNECTOR-1001-500");
    assert_eq!(run["activities"].as_array().unwrap().len(), 1);
    assert_eq!(world.flow(&chain.flow).await["lastRunDetails"]["state"], "failed");
    assert!(world.rows(&chain.dataset).is_empty());
    world.control("POST", "/stripe", &json!({"allow": "sk_test_sim", "account": "default"}));
    world.advance(3600);
    assert_eq!(world.rows(&chain.dataset), [1; OBJECTS]);
}

#[tokio::test]
async fn a_missing_data_set_fails_the_promotion() {
    let world = World::new().await;
    let chain = world.chain().await;
    world.control("DELETE", &format!("/objects/{}", chain.dataset), &Value::Null);
    world.advance(3700);
    let run = &world.runs(&chain.flow).await[0];
    assert_eq!(run["state"], "failed");
    assert_eq!(run["activities"][1]["statusSummary"]["errors"][0]["code"], "CONNECTOR-2001-500");
}

#[tokio::test]
async fn tests_can_dictate_outcomes() {
    let world = World::new().await;
    let chain = world.chain().await;
    outcome(&world, &chain.flow, &json!({"result": "copyFailure", "code": "CONNECTOR-1234-500"}));
    world.advance(3700);
    let run = world.runs(&chain.flow).await[0].clone();
    assert_eq!(run["metrics"]["statusSummary"]["errors"][0]["code"], "CONNECTOR-1234-500");
    outcome(&world, &chain.flow, &json!({"result": "failedRecords"}));
    world.advance(3600);
    let run = world.runs(&chain.flow).await[0].clone();
    assert_eq!(run["state"], "success");
    let records = &run["metrics"]["recordSummary"];
    assert_eq!((&records["inputRecordCount"], &records["failedRecordCount"]), (&json!(40), &json!(10)));
    assert_eq!(run["metrics"]["statusSummary"]["errors"][0]["code"], "CONNECTOR-2001-500");
    outcome(&world, &chain.flow, &json!({"result": "promotionFailure"}));
    world.advance(3600);
    assert_eq!(world.runs(&chain.flow).await[0]["state"], "failed");
    outcome(&world, &chain.flow, &json!({"result": "stuck"}));
    world.advance(4 * 3600);
    assert_eq!(world.runs(&chain.flow).await[0]["state"], "inProgress");
    assert_eq!(world.runs(&chain.flow).await.len(), 4);
}

#[tokio::test]
async fn runs_on_demand_are_for_flows_that_run_once() {
    let world = World::new().await;
    let mut chain = world.parts().await;
    let once =
        with(chain.flow_body(0), "/scheduleParams", json!({"startTime": world.now(), "frequency": "once"}));
    chain.flow = world.post("/flows", &once).await.id();
    world.advance(10 * 3600);
    assert_eq!(world.runs(&chain.flow).await.len(), 1);
    let window = json!({"windowStartTime": world.now() - 3600, "windowEndTime": world.now().to_string()});
    let body = json!({"flowId": chain.flow, "params": window});
    let created = world.post("/runs", &body).await;
    assert!(created.body["id"].is_string());
    world.switch(|switches| switches.runs_answer = RunsAnswer::Items);
    assert!(world.post("/runs", &body).await.body["items"][0]["id"].is_string());
    world.advance(5);
    assert_eq!(world.runs(&chain.flow).await.len(), 3);

    let hourly = world.chain_again(&chain).await;
    assert_eq!(world.post("/runs", &json!({"flowId": hourly})).await.code(), "1422-400");
    assert_eq!(world.post("/runs", &json!({"flowId": "none"})).await.code(), "1430-400");
    assert_eq!(world.post("/runs", &json!({})).await.status, 400);
    let run = format!("/runs/{}", created.body["id"].as_str().unwrap());
    assert_eq!(world.delete(&run).await.code(), "1427-400");
}

impl World {
    /// An hourly flow over the same parts.
    async fn chain_again(&self, chain: &Chain) -> String {
        self.post("/flows", &chain.flow_body(self.now() + 3600)).await.id()
    }
}

#[tokio::test]
async fn a_failed_run_can_be_retried_for_its_own_window() {
    let world = World::new().await;
    let chain = world.chain().await;
    outcome(&world, &chain.flow, &json!({"result": "copyFailure"}));
    world.advance(3700);
    let run = world.runs(&chain.flow).await[0]["id"].as_str().unwrap().to_owned();
    let again = world.act(&format!("/runs/{run}/action?op=RE_TRIGGER")).await;
    assert_eq!(again.status, 200);
    world.advance(2);
    assert_eq!(world.rows(&chain.dataset), [1; OBJECTS]);
    world.advance(3600);
    assert_eq!(world.rows(&chain.dataset), [1; OBJECTS]);
    let done = again.body["id"].as_str().unwrap();
    assert_eq!(world.act(&format!("/runs/{done}/action?op=RE_TRIGGER")).await.code(), "1422-400");
}

#[tokio::test]
async fn a_clock_that_jumps_a_year_says_what_it_left_out() {
    let world = World::new().await;
    world.switch(|switches| switches.max_catch_up_runs = 5);
    let chain = world.chain().await;
    add_charges(&world, 3);
    world.advance(365 * 86_400);
    assert_eq!(world.runs(&chain.flow).await.len(), 5);
    assert_eq!(world.rows(&chain.dataset), [1; OBJECTS + 3]);
    let journal = world.control("GET", "/journal?kind=runsSkipped", &Value::Null);
    let entry = &journal["entries"][0]["body"];
    assert_eq!(entry["flowId"], chain.flow);
    assert!(entry["runs"].as_u64().unwrap() > 8_000);
}

#[tokio::test]
async fn an_edited_source_connection_does_not_reach_its_flow() {
    let world = World::new().await;
    let chain = world.chain().await;
    let ops = json!([{"op": "replace", "path": "/params/resourcePath", "value": "refunds"}]);
    assert_eq!(world.patch(&format!("/sourceConnections/{}", chain.source), &ops).await.status, 200);
    world.advance(3700);
    let rows = world.control("GET", "/rows", &Value::Null).to_string();
    assert!(rows.contains("ch_") && !rows.contains("re_"), "{rows}");
}

#[tokio::test]
async fn empty_runs_can_be_left_out() {
    let world = World::new().await;
    world.switch(|switches| switches.skip_empty_runs = true);
    let chain = started(&world).await;
    world.advance(5 * 3600);
    assert_eq!(world.runs(&chain.flow).await.len(), 1);
    add_charges(&world, 1);
    world.advance(3600);
    assert_eq!(world.runs(&chain.flow).await.len(), 2);
}

#[tokio::test]
async fn a_long_run_delays_the_next_one() {
    let world = World::new().await;
    world.switch(|switches| switches.run_duration_ms = 5_000 * 1000);
    let chain = started(&world).await;
    world.advance(3 * 3600);
    let runs = world.runs(&chain.flow).await;
    let times: Vec<(i64, i64)> = runs
        .iter()
        .rev()
        .map(|run| &run["metrics"]["durationSummary"])
        .map(|times| {
            (times["startedAtUTC"].as_i64().unwrap(), times["completedAtUTC"].as_i64().unwrap_or(i64::MAX))
        })
        .collect();
    assert!(times.len() >= 2);
    assert!(times.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{times:?}");
}
