//! Every field that changes in place, alone and all together: at most one read before one patch, and what others own stays.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::support::World;
use crate::support::commands::quiet_chain;
use crate::support::seen::Call;

/// A change of spec, and what it is upstream.
struct Case {
    /// What is changed.
    name: &'static str,
    kind: &'static str,
    /// The role of the object that shows the change.
    role: &'static str,
    /// Merged into spec.
    spec: Value,
    /// Members of the upstream document afterwards, by pointer.
    upstream: Vec<(&'static str, Value)>,
    /// Calls that write.
    writes: &'static [&'static str],
}

const PATCH_FLOW: &[&str] = &["PATCH /flows/{id}"];
const ACTION: &[&str] = &["POST /flows/{id}/action"];

fn flow(
    name: &'static str,
    spec: Value,
    upstream: Vec<(&'static str, Value)>,
    writes: &'static [&'static str],
) -> Case {
    Case { name, kind: "IngestionFlow", role: "flow", spec, upstream, writes }
}

fn flow_cases() -> Vec<Case> {
    let both = &["PATCH /targetConnections/{id}", "PATCH /flows/{id}"];
    vec![
        flow("the name", json!({ "displayName": "renamed" }), vec![("/name", json!("renamed"))], both),
        flow("the description", json!({ "description": "for the auditors" }), vec![], both),
        flow("its end", json!({ "description": null }), vec![], both),
        flow(
            "the frequency",
            json!({ "schedule": { "frequency": "day" } }),
            vec![("/scheduleParams/frequency", json!("day"))],
            PATCH_FLOW,
        ),
        flow(
            "the interval",
            json!({ "schedule": { "interval": 3 } }),
            vec![("/scheduleParams/interval", json!("3"))],
            PATCH_FLOW,
        ),
        flow(
            "the start, which is ahead",
            json!({ "schedule": { "startTime": "2085-01-01T00:00:00Z" } }),
            vec![("/scheduleParams/startTime", json!("3629145600"))],
            PATCH_FLOW,
        ),
        flow(
            "error diagnostics, on",
            json!({ "errorDiagnostics": true }),
            vec![("/options/errorDiagnosticsEnabled", json!(true)), ("/options/ownedByTheUi", json!("kept"))],
            PATCH_FLOW,
        ),
        flow(
            "partial ingestion, on",
            json!({ "partialIngestion": { "percent": 10 } }),
            vec![("/options/partialIngestionPercent", json!(10)), ("/options/ownedByTheUi", json!("kept"))],
            PATCH_FLOW,
        ),
        flow(
            "partial ingestion, off again",
            json!({ "partialIngestion": null }),
            vec![("/options/partialIngestionPercent", Value::Null), ("/options/ownedByTheUi", json!("kept"))],
            PATCH_FLOW,
        ),
        flow(
            "error diagnostics, off",
            json!({ "errorDiagnostics": false }),
            vec![("/options/errorDiagnosticsEnabled", json!(false))],
            PATCH_FLOW,
        ),
        flow(
            "access labels",
            json!({ "accessLabels": ["core/C12", "core/C5"] }),
            vec![("/labels", json!(["core/C12", "core/C5"]))],
            PATCH_FLOW,
        ),
        flow(
            "fewer labels",
            json!({ "accessLabels": ["core/C5"] }),
            vec![("/labels", json!(["core/C5"]))],
            PATCH_FLOW,
        ),
        flow("no labels", json!({ "accessLabels": null }), vec![("/labels", json!([]))], PATCH_FLOW),
        flow("disabled", json!({ "enabled": false }), vec![("/state", json!("disabled"))], ACTION),
        flow("enabled", json!({ "enabled": true }), vec![("/state", json!("enabled"))], ACTION),
        flow(
            "all together",
            json!({
                "displayName": "all", "description": "all of it", "errorDiagnostics": true,
                "partialIngestion": { "percent": 50 }, "accessLabels": ["core/C1"],
                "schedule": { "frequency": "hour", "interval": 6, "startTime": "2086-01-01T00:00:00Z" },
            }),
            vec![
                ("/name", json!("all")),
                ("/scheduleParams/frequency", json!("hour")),
                ("/scheduleParams/interval", json!("6")),
                ("/scheduleParams/startTime", json!("3660681600")),
                (
                    "/options",
                    json!({ "ownedByTheUi": "kept", "errorDiagnosticsEnabled": true, "partialIngestionPercent": 50 }),
                ),
                ("/labels", json!(["core/C1"])),
            ],
            both,
        ),
        flow("what is not upstream", json!({ "freshness": { "maxAge": "12h" } }), vec![], &[]),
    ]
}

fn connection_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (kind, role, patch) in [
        ("StripeSourceConnection", "source-connection", &["PATCH /sourceConnections/{id}"] as &[&str]),
        ("StripeBaseConnection", "connection", &["PATCH /connections/{id}"]),
    ] {
        let case = |name, spec, upstream| Case { name, kind, role, spec, upstream, writes: patch };
        cases.push(case("the name", json!({ "displayName": "renamed" }), vec![("/name", json!("renamed"))]));
        cases.push(case("the description", json!({ "description": "for the auditors" }), vec![]));
        cases.push(case(
            "both",
            json!({ "displayName": "again", "description": null }),
            vec![("/name", json!("again"))],
        ));
    }
    cases
}

/// Applies one change and returns the calls that it took.
async fn change(world: &World, case: &Case) -> Result<Vec<Call>> {
    let since = world.last_call().await?;
    world.merge(case.kind, "c", &json!({ "spec": case.spec })).await?;
    let object = world.wait_ready(case.kind, "c").await?;
    let id = crate::support::world::external_id(&object, case.role)?;
    let document = world.document(&id).await?;
    for (pointer, wanted) in &case.upstream {
        let found = document.pointer(pointer).cloned().unwrap_or_default();
        ensure!(found == *wanted, "{}: {pointer} is {found}, not {wanted}", case.name);
    }
    let description = case.spec.get("description").and_then(Value::as_str).unwrap_or_default();
    let shown = document["description"].as_str().context("a marker stands in the description")?;
    ensure!(shown.starts_with(description) && shown.contains("[aep-operator/v1 "), "{}: {shown}", case.name);
    world.calls(since).await
}

fn check_counts(case: &Case, calls: &[Call]) -> Result<()> {
    let lines: Vec<&str> = calls.iter().map(|call| call.line.as_str()).collect();
    let writes: Vec<&str> = lines.iter().copied().filter(|line| !line.starts_with("GET ")).collect();
    ensure!(writes == case.writes, "{}: {writes:?}", case.name);
    for write in case.writes {
        let object = write.split_once(' ').map_or("", |(_, path)| path.trim_end_matches("/action"));
        let read = format!("GET {object}");
        let until = lines.iter().position(|line| line == write).unwrap_or(lines.len());
        let reads = lines[..until].iter().filter(|line| **line == read).count();
        ensure!(reads <= 1, "{}: {reads} reads before {write}: {lines:?}", case.name);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_a_flow_changes_in_place_with_one_patch_for_each_object() -> Result<()> {
    let world = quiet_chain("fields").await?;
    let id = world.id_of("IngestionFlow", "c", "flow").await?;
    let theirs = json!([{ "op": "add", "path": "/options", "value": { "ownedByTheUi": "kept" } }]);
    world.edit_upstream(&id, theirs).await?;
    for case in flow_cases() {
        let calls = change(&world, &case).await?;
        check_counts(&case, &calls)?;
    }
    let inventory = world.sim.inventory().await?;
    let flow = inventory["objects"].as_array().into_iter().flatten().find(|object| object["id"] == id);
    assert_eq!(flow.map(|flow| flow["runs"].clone()), Some(json!(0)), "none of it started a run");
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_base_and_source_changes_in_place_with_one_patch() -> Result<()> {
    let world = quiet_chain("parents").await?;
    for case in connection_cases() {
        let calls = change(&world, &case).await?;
        check_counts(&case, &calls)?;
    }
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_fails_while_adobe_works_on_it_is_never_called_applied() -> Result<()> {
    let world = quiet_chain("later").await?;
    world.sim.patch("switches", &json!({ "failPatchesLater": true, "transitionMs": 4_000 })).await?;
    let before = world.wait_ready("IngestionFlow", "c").await?;
    let since = world.last_call().await?;
    let case = json!({ "spec": { "displayName": "renamed" } });
    world.merge("IngestionFlow", "c", &case).await?;
    let message = world.wait_condition("IngestionFlow", "c", "Ready", "False", "UpstreamFailed").await?;
    assert!(message.contains("FLOW-1102-500") && message.contains("change spec"), "{message}");
    assert_eq!(world.count(since, "PATCH /flows/{id}").await?, 1, "it is not sent again at once");
    let ready: Vec<Value> =
        world.get("IngestionFlow", "c").await?.into_iter().filter(crate::support::world::is_ready).collect();
    assert!(ready.is_empty() && crate::support::world::is_ready(&before));

    world.sim.patch("switches", &json!({ "failPatchesLater": false })).await?;
    world.merge("IngestionFlow", "c", &json!({ "spec": { "displayName": "renamed again" } })).await?;
    let flow = world.wait_ready("IngestionFlow", "c").await?;
    let states: Vec<Value> = flow["status"]["external"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|external| external["role"] == "flow")
        .map(|external| external["state"].clone())
        .collect();
    assert_eq!(states, [json!("enabled")], "Ready only when Adobe has finished");
    world.check_invariants().await
}
