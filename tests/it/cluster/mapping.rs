//! Rows of a living mapping: a new version of the mapping set, once, and the flow on it.

use anyhow::Result;
use serde_json::{Value, json};

use crate::support::World;
use crate::support::commands::quiet_chain;
use crate::support::objects::chain;

fn row(source: &str, xdm_type: &str) -> Value {
    json!({ "source": source, "destination": "_{TENANT_ID}.prices_data.own", "xdmType": xdm_type })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_whose_answer_is_lost_is_found_and_the_flow_moves_to_it() -> Result<()> {
    let world = World::start("lostput").await?;
    world.apply_all(&chain("p", "prices")).await?;
    world.wait_all_ready(4).await?;
    let on = json!({ "method": "PUT", "endpoint": "/mappingSets/{id}" });
    world.sim.post("faults", &json!({ "match": on, "action": "dropAfterCommit" })).await?;
    let (before, writes) = (world.last_call().await?, world.operator_writes()?.len());
    world
        .merge("IngestionMapping", "p", &json!({ "spec": { "mappings": [row("data.nickname", "String")] } }))
        .await?;
    world
        .until("the flow to use version 1", async || {
            let mapping = world.wait_ready("IngestionMapping", "p").await?;
            let calls = world.calls(before).await?;
            let moved = calls.iter().any(|call| call.line == "PATCH /flows/{id}" && call.status == 200);
            Ok((moved && mapping["status"]["mappingSetVersion"] == 1).then_some(()))
        })
        .await?;
    world.wait_ready("IngestionFlow", "p").await?;
    let calls = world.calls(before).await?;
    let count = |line: &str| calls.iter().filter(|call| call.line == line).count();
    assert_eq!(count("PUT /mappingSets/{id}"), 1, "the version that was made is found");
    assert_eq!(count("PATCH /tenant/fieldgroups/{id}"), 1);
    assert_eq!(count("PATCH /flows/{id}"), 1);
    let writes = world.operator_writes()?.split_off(writes);
    let of_mapping = writes.iter().filter(|write| write.contains("ingestionmappings")).count();
    assert!(of_mapping <= 3, "an announcement and the status: {writes:?}");
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_rows_cost_one_put_between_one_read_of_each_version_and_then_one_patch_of_the_flow()
-> Result<()> {
    let world = quiet_chain("rowcalls").await?;
    let before = world.last_call().await?;
    // Another source for a field that the schema has.
    let row = json!({ "source": "data.product", "destination": "_{TENANT_ID}.prices_data.nickname" });
    world.merge("IngestionMapping", "c", &json!({ "spec": { "mappings": [row] } })).await?;
    let calls = world
        .until("the flow to use version 1", async || {
            let calls = world.calls(before).await?;
            let patched = calls.iter().position(|call| call.line == "PATCH /flows/{id}");
            let read_back =
                patched.is_some_and(|at| calls[at..].iter().any(|call| call.line == "GET /flows/{id}"));
            Ok(read_back.then_some(calls))
        })
        .await?;
    let on = |part: &str| -> Vec<&str> {
        let of_part = calls.iter().filter(|call| call.endpoint.starts_with(part));
        of_part.map(|call| call.line.as_str()).collect()
    };
    let (get, put) = ("GET /mappingSets/{id}", "PUT /mappingSets/{id}");
    assert_eq!(
        on("/mappingSets"),
        [get, get, "POST /mappingSets/validate", put, get],
        "the version in use, the next one, and what the PUT made of it: {calls:?}"
    );
    assert_eq!(on("/flows"), ["GET /flows/{id}", "PATCH /flows/{id}", "GET /flows/{id}"]);
    assert!(on("/tenant").iter().all(|line| line.starts_with("GET ")), "the schema stays: {calls:?}");
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breaking_change_is_refused_with_its_row_and_sends_nothing() -> Result<()> {
    let world = World::start("breaking").await?;
    let [base, source, mut mapping, flow] = chain("b", "prices");
    mapping["spec"]["mappings"] = json!([row("data.nickname", "String")]);
    world.apply_all([&base, &source, &mapping, &flow]).await?;
    world.wait_all_ready(4).await?;
    let before = world.last_call().await?;
    mapping["spec"]["mappings"] = json!([row("data.unit_amount", "Long")]);
    world.apply(&mapping).await?;
    let message =
        world.wait_condition("IngestionMapping", "b", "Ready", "False", "SchemaChangeRefused").await?;
    assert!(message.contains("prices_data.own"), "{message}");
    let object = world.get("IngestionMapping", "b").await?.unwrap_or_default();
    assert_eq!(object["status"]["failures"][0]["source"], "data.unit_amount", "{object}");
    let flow = world.wait_ready("IngestionFlow", "b").await?;
    let calls = world.calls(before).await?;
    let changes = ["PUT", "PATCH", "DELETE"];
    assert!(calls.iter().all(|call| !changes.contains(&call.method.as_str())), "{calls:?}");
    assert!(!flow.is_null());

    mapping["spec"]["mappings"] = json!([row("data.nickname", "String")]);
    world.apply(&mapping).await?;
    world.wait_ready("IngestionMapping", "b").await?;
    world.check_invariants().await
}
