//! Identities and the way into Profile: one descriptor per identity whatever happens, the union tag after them, and no way back.

use serde_json::{Value, json};

use super::harness::{End, Order, World, is_ready, text};
use super::mapping::{KIND, arrive_late, chain, change_under, mapping, survives};
use super::tape::{Moment, Plan};
use crate::support::objects::with;

fn identities() -> Value {
    json!([
        { "destination": "_{TENANT_ID}.customers_data.email", "namespace": "Email", "primary": true },
        { "destination": "_{TENANT_ID}.customers_data.id", "namespace": "StripeCustomer" },
    ])
}

/// The mapping with two identities and in Profile.
fn in_profile(mapping: Value) -> Value {
    with(
        with(mapping, "/targetSchema/managed/identities", identities()),
        "/targetSchema/managed/profile",
        json!(true),
    )
}

/// Identities by field, the tags of the schema, and those of the dataset.
fn profile(world: &World) -> (Vec<String>, Value, bool) {
    let mut identities: Vec<String> = world
        .inventory("descriptors")
        .iter()
        .map(|found| {
            format!("{} {} {}", text(found, "/property"), text(found, "/namespace"), found["primary"])
        })
        .collect();
    identities.sort_unstable();
    let schema = world.inventory("schemas").pop().unwrap_or_default();
    let dataset = world.inventory("dataSets").pop().unwrap_or_default();
    let enabled = json!(["enabled:true"]);
    let feeds = ["unifiedProfile", "unifiedIdentity"].iter().all(|tag| dataset["tags"][tag] == enabled);
    (identities, schema["tags"].clone(), feeds)
}

fn full_profile() -> (Vec<String>, Value, bool) {
    let tenant = "_simtenant";
    let identities = vec![
        format!("/{tenant}/customers_data/email Email true"),
        format!("/{tenant}/customers_data/id StripeCustomer false"),
    ];
    (identities, json!(["union"]), true)
}

#[tokio::test(start_paused = true)]
async fn identities_and_profile_are_set_once_wherever_their_process_dies() {
    let clean = change_under(&chain(), &in_profile(mapping()), Plan::Live).await.expect("settled");
    assert_eq!(profile(&clean), full_profile());
    survives(&chain(), &in_profile(mapping()), |world| (profile(world), world.owned())).await;
}

#[tokio::test(start_paused = true)]
async fn a_chain_is_made_in_profile_wherever_its_process_dies() {
    let [base, source, mapping, flow] = chain();
    let before = [base, source, flow];
    let clean = {
        let world = World::with(&before);
        world.api.apply(&in_profile(mapping.clone()));
        let process = world.process("first", Plan::Live);
        world.settle(&process).await;
        world
    };
    assert_eq!(profile(&clean), full_profile());
    let mut failures = Vec::new();
    let exchanges = clean.trace();
    for (plan, name) in super::deaths(&exchanges, &Moment::ALL) {
        let world = World::with(&before);
        world.switches(&json!({ "secondDescriptorAllowed": true }));
        world.api.apply(&in_profile(mapping.clone()));
        let former = world.process("first", plan);
        let died = world.run(&former, Order::ParentsFirst).await;
        let next = world.process("next", Plan::Live);
        let end = world.run_after(&next, &former, Order::ParentsFirst).await;
        arrive_late(&former).await;
        let stands = (profile(&world), world.owned().values().copied().max());
        if died != Ok(End::Died) || end != Ok(End::Settled) || stands != (full_profile(), Some(1)) {
            let trace = world.trace().join("\n");
            failures.push(format!("{plan:?} {name}: {end:?} {stands:?}\n{trace}"));
        }
    }
    super::report(&failures);
}

#[tokio::test(start_paused = true)]
async fn each_identity_is_one_post_and_the_union_tag_one_patch_after_them() {
    let (world, process) = World::settled(&chain()).await;
    let (before, version) = (world.upstream_writes().len(), world.api.writes().len());
    world.api.apply(&in_profile(mapping()));
    world.settle(&process).await;
    assert_eq!(
        world.upstream_writes().split_off(before),
        [
            "POST /tenant/descriptors",
            "POST /tenant/descriptors",
            "PATCH /tenant/schemas/{id}",
            "PATCH /dataSets/{id}",
        ]
    );
    assert_eq!(profile(&world), full_profile());
    let writes = world.api.writes().split_off(version);
    let of_mapping = writes.iter().filter(|write| write.contains("ingestionmappings")).count();
    assert_eq!(of_mapping, 2, "one announcement and one status: {writes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_descriptor_that_lists_do_not_show_yet_is_not_made_twice() {
    for fate in ["none", "dropAfterCommit", "dropBeforeCommit"] {
        let (world, process) = World::settled(&chain()).await;
        world.switches(&json!({ "listLagMs": 30_000, "secondDescriptorAllowed": true }));
        if fate != "none" {
            let on = json!({ "method": "POST", "endpoint": "/tenant/descriptors" });
            world.fault(&json!({ "match": on, "skip": 1, "action": fate }));
        }
        world.api.apply(&in_profile(mapping()));
        world.settle(&process).await;
        assert_eq!(profile(&world), full_profile(), "{fate}");
        let posts = if fate == "dropBeforeCommit" { 3 } else { 2 };
        assert_eq!(world.count("POST /tenant/descriptors"), posts, "{fate}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_identity_that_spec_no_longer_asks_for_is_deleted() {
    let with_both = with(mapping(), "/targetSchema/managed/identities", identities());
    let [base, source, _, flow] = chain();
    let (world, process) = World::settled(&[base, source, with_both, flow]).await;
    assert_eq!(profile(&world).0, full_profile().0);
    let before = world.upstream_writes().len();
    let other = json!([{ "destination": "_{TENANT_ID}.customers_data.id", "namespace": "StripeCustomer" }]);
    world.api.apply(&with(mapping(), "/targetSchema/managed/identities", other));
    world.settle(&process).await;
    assert_eq!(world.upstream_writes().split_off(before), ["DELETE /tenant/descriptors/{id}"]);
    assert_eq!(profile(&world).0, full_profile().0[1..]);
}

#[tokio::test(start_paused = true)]
async fn identities_of_another_client_are_left_alone_and_named_when_they_stand_in_the_way() {
    let (world, process) = World::settled(&chain()).await;
    let schema = world.inventory("schemas").pop().unwrap_or_default()["id"].clone();
    for (field, namespace) in [("phone", "Phone"), ("email", "CRMID")] {
        let property = format!("/_simtenant/customers_data/{field}");
        let body = json!({
            "@type": "xdm:descriptorIdentity", "xdm:sourceSchema": schema, "xdm:sourceVersion": 1, "xdm:sourceProperty": property,
            "xdm:namespace": namespace, "xdm:property": "xdm:code", "xdm:isPrimary": false,
        });
        let seed = json!({ "sandbox": "dev", "lake": [{ "kind": "descriptors", "body": body }] });
        let (status, answer) = world.sim.control("POST", "/seed", &seed);
        assert_eq!(status, 201, "{answer}");
    }
    let before = world.upstream_writes().len();
    world.api.apply(&in_profile(mapping()));
    let _refused = world.pass(&process, KIND, "charges").await;
    let ready = world.condition(KIND, "Ready");
    assert_eq!(ready["reason"], "IdentityInvalid", "{ready}");
    assert!(text(&ready, "/message").contains("customers_data/email (CRMID)"), "{ready}");
    assert_eq!(world.upstream_writes().len(), before, "nothing is sent");

    let wrong = world.inventory("descriptors").into_iter().find(|found| found["namespace"] == "CRMID");
    let path = format!("/objects/{}", text(&wrong.unwrap_or_default(), "/id"));
    assert_eq!(world.sim.control("DELETE", &path, &Value::Null).0, 204);
    world.settle(&process).await;
    let identities = profile(&world).0;
    assert_eq!(identities.len(), 3, "the one on the phone is left: {identities:?}");
}

#[tokio::test(start_paused = true)]
async fn the_primary_identity_in_profile_is_kept_and_named() {
    let [base, source, _, flow] = chain();
    let (world, process) = World::settled(&[base, source, in_profile(mapping()), flow]).await;
    let before = world.upstream_writes().len();
    let other = json!([{ "destination": "_{TENANT_ID}.customers_data.id", "namespace": "StripeCustomer", "primary": true }]);
    world.api.apply(&with(in_profile(mapping()), "/targetSchema/managed/identities", other));
    let _refused = world.pass(&process, KIND, "charges").await;
    let ready = world.condition(KIND, "Ready");
    assert_eq!(ready["reason"], "IdentityInvalid", "{ready}");
    assert!(text(&ready, "/message").contains("customers_data/email (Email, primary)"), "{ready}");
    assert_eq!(world.upstream_writes().len(), before, "nothing is sent");
    world.api.apply(&in_profile(mapping()));
    world.settle(&process).await;
    assert_eq!(world.upstream_writes().len(), before);
}

#[tokio::test(start_paused = true)]
async fn what_takes_part_in_profile_is_never_deleted_and_says_why() {
    let [base, source, _, flow] = chain();
    let mapping = with(in_profile(mapping()), "/targetSchema/managed/deletionPolicy", json!("Delete"));
    let flow = with(flow, "/dataset/managed/deletionPolicy", json!("Delete"));
    let (world, process) = World::settled(&[base, source, mapping.clone(), flow.clone()]).await;
    world.api.delete("IngestionFlow", "charges");
    world.api.delete(KIND, "charges");
    assert!(world.run(&process, Order::ChildrenFirst).await.is_err(), "it waits for a human");
    let ready = world.condition("IngestionFlow", "Ready");
    assert_eq!(ready["reason"], "ProfileEnabled", "{ready}");
    assert!(text(&ready, "/message").contains("spec.dataset.managed.deletionPolicy"), "{ready}");

    world.api.apply(&with(flow, "/dataset/managed/deletionPolicy", json!("Retain")));
    assert!(world.run(&process, Order::ChildrenFirst).await.is_err());
    assert!(world.api.get("IngestionFlow", "charges").is_none(), "the flow goes and its dataset stays");
    let ready = world.condition(KIND, "Ready");
    assert_eq!(ready["reason"], "ProfileEnabled", "{ready}");
    assert!(text(&ready, "/message").contains("spec.targetSchema.managed.deletionPolicy"), "{ready}");

    world.api.apply(&with(mapping, "/targetSchema/managed/deletionPolicy", json!("Retain")));
    world.settle(&process).await;
    assert!(world.api.get(KIND, "charges").is_none());
    assert_eq!((world.inventory("schemas").len(), world.inventory("dataSets").len()), (1, 1));
    let deletes = world.upstream_writes().iter().filter(|write| write.starts_with("DELETE /tenant")).count();
    assert_eq!((deletes, world.count("DELETE /dataSets/{id}")), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_schema_in_profile_is_not_taken_for_one_that_is_not() {
    let [base, source, _, flow] = chain();
    let (world, process) = World::settled(&[base, source, in_profile(mapping()), flow]).await;
    world.api.delete("IngestionFlow", "charges");
    world.api.delete(KIND, "charges");
    world.settle(&process).await;
    world.api.apply(&mapping());
    assert!(world.run(&process, Order::ParentsFirst).await.is_err());
    let ready = world.condition(KIND, "Ready");
    assert_eq!(ready["reason"], "SchemaChangeRefused", "{ready}");
    assert!(text(&ready, "/message").contains("spec.targetSchema.managed.profile"), "{ready}");
    world.api.apply(&in_profile(mapping()));
    world.settle(&process).await;
    assert_eq!(profile(&world).0, full_profile().0, "no identity is made twice");
    let object = world.api.get(KIND, "charges").unwrap_or_default();
    assert!(is_ready(&object), "{object}");
}
