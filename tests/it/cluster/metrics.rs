//! What the operator's own pages tell, beside what the simulator and the API server have seen.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::support::World;
use crate::support::objects::{base, chain};
use crate::support::operators::value;
use crate::support::world::{KINDS, Settings, external_id};

#[tokio::test(flavor = "multi_thread")]
async fn the_page_agrees_with_the_journal_and_tells_of_drift_and_of_no_name() -> Result<()> {
    let mut settings = Settings::default();
    settings.operator.push("--metrics-per-flow".to_owned());
    let world = World::start_with("metrics", settings).await?;
    world.apply_all(&chain("canary-name", "refunds")).await?;
    world.wait_all_ready(4).await?;
    let page = world
        .until("all objects on the page", async || {
            let page = world.operator.metrics().await?;
            let ready = value(&page, "aep_operator_objects", &[("ready", "True"), ("reason", "Available")]);
            // A pass is counted when it has ended, a moment after its status can be read.
            let has_ended = |kind: &&str| {
                let passes = [("kind", *kind), ("outcome", "Done")];
                value(&page, "aep_operator_time_to_ready_seconds_count", &[("kind", kind)]) == 1
                    && value(&page, "aep_operator_reconcile_duration_seconds_count", &passes) >= 1
            };
            Ok((ready == 4 && KINDS.iter().all(has_ended)).then_some(page))
        })
        .await?;
    for kind in KINDS {
        ensure!(value(&page, "aep_operator_drift_found_total", &[("kind", kind)]) == 0, "{kind}: {page}");
    }
    let calls = world.calls(0).await?;
    for path in ["/connections", "/sourceConnections", "/targetConnections", "/flows"] {
        let seen =
            calls.iter().filter(|call| call.line == format!("POST {path}") && call.status == 201).count();
        let labels = [("api", "flowservice"), ("path", path), ("method", "POST"), ("code", "201")];
        let told = value(&page, "aep_operator_upstream_requests_total", &labels);
        ensure!(told == 1 && seen == 1, "{path}: {told} on the page, {seen} in the journal");
    }
    ensure!(
        value(&page, "aep_operator_upstream_requests_total", &[("api", "ims"), ("code", "200")]) >= 1,
        "{page}"
    );
    ensure!(value(&page, "aep_operator_budget_wait_seconds_count", &[("lane", "Create")]) >= 5, "{page}");
    ensure!(
        value(&page, "aep_operator_leader", &[]) == 1
            && value(&page, "aep_operator_duplicates_refused_total", &[]) == 0
    );
    let named = page.lines().filter(|line| line.contains("canary-name"));
    ensure!(
        named.clone().count() >= 1 && named.clone().all(|line| line.starts_with("aep_operator_flow_")),
        "{page}"
    );

    let flow = world.wait_ready("IngestionFlow", "canary-name").await?;
    let edit = json!({ "patch": [{ "op": "replace", "path": "/name", "value": "edited by hand" }] });
    world.sim.post(&format!("objects/{}", external_id(&flow, "flow")?), &edit).await?;
    let drift = [("kind", "IngestionFlow")];
    let page = world
        .until("drift that is found and corrected", async || {
            let page = world.operator.metrics().await?;
            Ok((value(&page, "aep_operator_drift_corrected_total", &drift) == 1).then_some(page))
        })
        .await?;
    ensure!(value(&page, "aep_operator_drift_found_total", &drift) == 1, "{page}");
    // A line about a call says for which object it was made, and under which id Adobe finds it.
    let log = world.operator.log_tail(usize::MAX);
    let of_a_call = |line: &&str| line.contains("\"request_id\"") && line.contains("/flows");
    ensure!(
        log.lines().filter(of_a_call).any(|line| line.contains("canary-name")),
        "no object beside a call"
    );
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_that_is_stuck_is_named_by_healthz_until_it_ends() -> Result<()> {
    let mut settings = Settings::default();
    settings.operator.extend(["--stuck-after", "1s"].map(str::to_owned));
    let world = World::start_with("stuck", settings).await?;
    ensure!(world.operator.get("/healthz").await?.0 == 200);
    let hang = json!([{ "match": { "service": "flowservice", "method": "POST", "endpoint": "/connections" }, "times": 1, "action": "hang" }]);
    world.sim.post("faults", &hang).await?;
    world.apply(&base("eu")).await?;
    let said = world
        .until("the stuck pass to be named", async || {
            let (status, text) = world.operator.get("/healthz").await?;
            Ok((status == 503).then_some(text))
        })
        .await?;
    ensure!(said.contains("StripeBaseConnection has been under way for"), "{said}");
    ensure!(!said.contains("eu"), "{said}");
    ensure!(world.operator.get("/readyz").await? == (200, "leading\n".to_owned()));
    world.wait_ready("StripeBaseConnection", "eu").await?;
    world
        .until("the process to be alive again", async || {
            Ok((world.operator.get("/healthz").await?.0 == 200).then_some(()))
        })
        .await?;
    world.check_invariants().await
}
