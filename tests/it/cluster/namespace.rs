//! A namespace that is deleted with everything in it, its Secrets included.

use std::time::Duration;

use anyhow::Result;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::DeleteParams;
use serde_json::json;

use super::many::no_orphans;
use crate::support::World;
use crate::support::objects::chain;

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_namespace_takes_its_upstream_objects_with_it_and_ends() -> Result<()> {
    let world = World::start("gone").await?;
    world.apply_all(chain("a", "refunds").iter().chain(&chain("b", "prices"))).await?;
    world.wait_all_ready(8).await?;
    // A run in flight is waited for, but not for ever.
    let flow = world.id_of("IngestionFlow", "b", "flow").await?;
    let outcomes = json!([{ "result": "natural", "durationMs": 24 * 3_600_000 }]);
    world.sim.post(&format!("objects/{flow}"), &json!({ "outcomes": outcomes })).await?;
    world.sim.advance(3_600).await?;
    let since = world.last_call().await?;
    let namespaces: Api<Namespace> = Api::all(world.client.clone());
    namespaces.delete(&world.namespace, &DeleteParams::background()).await?;
    world
        .until_within(Duration::from_mins(2), "the namespace to be gone", async || {
            Ok(namespaces.get_opt(&world.namespace).await?.is_none().then_some(()))
        })
        .await?;
    no_orphans(&world).await?;
    let calls = world.calls(since).await?;
    for part in ["/flows/{id}", "/targetConnections/{id}", "/sourceConnections/{id}", "/connections/{id}"] {
        let deleted = calls.iter().filter(|call| call.method == "DELETE" && call.endpoint == part).count();
        assert_eq!(deleted, 2, "{part}: each once");
    }
    assert!(calls.iter().all(|call| !call.is_creating_post()), "nothing is made any more");
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_replaced_under_its_name_is_not_held_for_long() -> Result<()> {
    let world = World::start("replaced").await?;
    world.apply(&crate::support::objects::base("eu")).await?;
    world.wait_ready("StripeBaseConnection", "eu").await?;
    world.delete("Secret", "stripe").await?;
    world
        .until("the deleted Secret to be let go", async || {
            Ok(world.get("Secret", "stripe").await?.is_none().then_some(()))
        })
        .await?;
    let message =
        world.wait_condition("StripeBaseConnection", "eu", "Ready", "False", "SecretMissing").await?;
    assert!(message.contains("stripe"), "{message}");
    world.apply(&crate::support::objects::stripe_secret()).await?;
    world.wait_ready("StripeBaseConnection", "eu").await?;
    world.check_invariants().await
}
