//! Identities and Real-Time Customer Profile, on a record class and on Experience Events.

use anyhow::Result;
use serde_json::{Value, json};

use crate::support::World;
use crate::support::objects::{EVENT_CLASS, chain, with};
use crate::support::world::external_id;

/// A chain of charges as Experience Events in Profile.
fn events(name: &str) -> [Value; 4] {
    let [base, source, mapping, flow] = chain(name, "charges");
    let mapping = with(mapping, "/targetSchema/managed/class", json!(EVENT_CLASS));
    let mapping = with(mapping, "/mappings", class_rows());
    let identity = json!([{ "destination": "_{TENANT_ID}.charges_data.id", "namespace": "StripeCharge", "primary": true }]);
    let mapping = with(mapping, "/targetSchema/managed/identities", identity);
    [base, source, with(mapping, "/targetSchema/managed/profile", json!(true)), flow]
}

fn class_rows() -> Value {
    json!([
        { "source": "data.id", "destination": "_id" },
        {
            "source": "dformat(data.created * 1000, \"yyyy-MM-dd'T'HH:mm:ss.SSSX\")",
            "destination": "timestamp", "type": "Expression",
        },
    ])
}

async fn tags(world: &World, kind: &str) -> Result<Value> {
    let inventory = world.sim.inventory().await?;
    let found = inventory["objects"].as_array().into_iter().flatten().find(|object| object["kind"] == kind);
    Ok(found.map(|object| object["tags"].clone()).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn experience_events_are_ingested_into_profile() -> Result<()> {
    let world = World::start("events").await?;
    let [base, source, mapping, flow] = events("e");
    let incomplete = with(mapping.clone(), "/mappings", json!([class_rows()[0]]));
    world.apply_all([&base, &source, &incomplete, &flow]).await?;
    let message =
        world.wait_condition("IngestionMapping", "e", "Ready", "False", "RequiredFieldUnmapped").await?;
    assert!(message.contains("timestamp"), "{message}");
    world.apply(&mapping).await?;
    world.wait_all_ready(4).await?;

    let calls = world.calls(0).await?;
    let count = |line: &str| calls.iter().filter(|call| call.line == line).count();
    assert_eq!(count("POST /tenant/schemas"), 1);
    assert_eq!(count("POST /tenant/descriptors"), 1);
    assert_eq!(count("PATCH /tenant/schemas/{id}"), 1, "the union tag");
    assert_eq!(count("PATCH /dataSets/{id}"), 0, "the dataset is made with its tags");
    assert_eq!(tags(&world, "schemas").await?, json!(["union"]));
    let dataset = tags(&world, "dataSets").await?;
    for tag in ["unifiedProfile", "unifiedIdentity"] {
        assert_eq!(dataset[tag], json!(["enabled:true"]), "{dataset}");
    }
    assert_eq!(world.get("IngestionMapping", "e").await?.unwrap_or_default()["status"]["profile"], true);

    world.sim.advance(3 * 3600).await?;
    let object = world.wait_success("e").await?;
    assert_eq!(object["status"]["lastRun"]["recordsFailed"].as_i64().unwrap_or_default(), 0, "{object}");
    let rows = world.rows(&external_id(&object, "dataset")?).await?;
    assert!(!rows.is_empty(), "events were ingested");
    world.delete_everything().await?;
    assert_eq!(tags(&world, "schemas").await?, json!(["union"]), "the schema is retained");
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn profile_is_switched_on_later_and_never_off_or_deleted() -> Result<()> {
    let world = World::start("union").await?;
    let [base, source, mapping, flow] = chain("u", "customers");
    let mapping = with(mapping, "/targetSchema/managed/deletionPolicy", json!("Delete"));
    let flow = with(flow, "/dataset/managed/deletionPolicy", json!("Delete"));
    world.apply_all([&base, &source, &mapping, &flow]).await?;
    world.wait_all_ready(4).await?;
    let before = world.last_call().await?;
    let identity = json!([{ "destination": "_{TENANT_ID}.customers_data.email", "namespace": "Email", "primary": true }]);
    let identified = with(mapping.clone(), "/targetSchema/managed/identities", identity);
    world.apply(&with(identified.clone(), "/targetSchema/managed/profile", json!(true))).await?;
    world
        .until("the dataset to feed Profile", async || {
            let dataset = tags(&world, "dataSets").await?;
            Ok((dataset["unifiedProfile"] == json!(["enabled:true"])).then_some(()))
        })
        .await?;
    world.wait_all_ready(4).await?;
    let calls = world.calls(before).await?;
    let count = |line: &str| calls.iter().filter(|call| call.line == line).count();
    let made = ["POST /tenant/descriptors", "PATCH /tenant/schemas/{id}", "PATCH /dataSets/{id}"].map(count);
    assert_eq!(made, [1, 1, 1]);
    assert_eq!(count("PUT /mappingSets/{id}"), 0, "the rows did not change");

    let refused = world.apply(&with(identified, "/targetSchema/managed/profile", json!(false))).await;
    let refused = format!("{:#}", refused.expect_err("profile cannot be switched off"));
    assert!(refused.contains("cannot be switched off"), "{refused}");

    world.delete("IngestionFlow", "u").await?;
    let message = world.wait_condition("IngestionFlow", "u", "Ready", "False", "ProfileEnabled").await?;
    assert!(message.contains("spec.dataset.managed.deletionPolicy"), "{message}");
    let retain = json!({ "spec": { "dataset": { "managed": { "deletionPolicy": "Retain" } } } });
    world.merge("IngestionFlow", "u", &retain).await?;
    world.delete("IngestionMapping", "u").await?;
    let message = world.wait_condition("IngestionMapping", "u", "Ready", "False", "ProfileEnabled").await?;
    assert!(message.contains("spec.targetSchema.managed.deletionPolicy"), "{message}");
    let retain = json!({ "spec": { "targetSchema": { "managed": { "deletionPolicy": "Retain" } } } });
    world.merge("IngestionMapping", "u", &retain).await?;
    world.delete_everything().await?;
    let calls = world.calls(before).await?;
    let deleted = |line: &str| calls.iter().filter(|call| call.line == line).count();
    assert_eq!(deleted("DELETE /tenant/schemas/{id}") + deleted("DELETE /dataSets/{id}"), 0);
    world.check_invariants().await
}
