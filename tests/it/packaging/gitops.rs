//! Real objects as Argo CD and Flux see them, on the shared control plane: no difference after a sync, and a health that tells the truth in
//! every state.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::argocd::health;
use super::{no_difference, path};
use crate::support::World;
use crate::support::objects::{base, chain, source, with};
use crate::support::world::{KINDS, condition};

const ARGO_CD: &str = "--field-manager=argocd-controller";

/// What kstatus, by which Flux judges, says of an object.
fn kstatus(object: &Value) -> &'static str {
    let is =
        |type_: &str, status: &str| condition(object, type_).is_some_and(|found| found["status"] == status);
    if object["metadata"]["deletionTimestamp"].is_string() {
        "Terminating"
    } else if object["status"]["observedGeneration"] != object["metadata"]["generation"]
        || is("Reconciling", "True")
    {
        "InProgress"
    } else if is("Stalled", "True") {
        "Failed"
    } else if is("Ready", "True") {
        "Current"
    } else {
        "InProgress"
    }
}

fn judged(object: &Value) -> (String, &'static str) {
    (health(object).0, kstatus(object))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_leaves_no_difference_and_everything_healthy() -> Result<()> {
    let world = World::start("gitops").await?;
    let folder = path("deploy/argocd/stripe").to_string_lossy().into_owned();
    let args = ["--namespace", &world.namespace, ARGO_CD, "--kustomize", &folder];
    world.plane.run_kubectl(["apply", "--server-side"].iter().chain(&args)).await?;
    world.wait_all_ready(19).await?;
    // What a run writes into status is no difference, but it must not be written between the two reads of a comparison.
    world
        .until("a run of each flow in status", async || {
            let flows = world.list("IngestionFlow").await?;
            let has_run = |flow: &Value| flow["status"]["lastRun"]["state"] == "success";
            Ok(flows.iter().all(has_run).then_some(()))
        })
        .await?;
    no_difference(world.plane, &args).await?;
    for kind in KINDS {
        for object in world.list(kind).await? {
            ensure!(judged(&object) == ("Healthy".into(), "Current"), "{object}");
        }
    }
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn health_of_real_objects_tells_what_they_wait_for() -> Result<()> {
    let world = World::start("health").await?;
    // A namespace that no operator serves: what the API server alone says of a new object.
    let unserved = format!("{}-unserved", world.namespace);
    world.plane.run_kubectl(["create", "namespace", &unserved]).await?;
    let samples = path("deploy/samples").to_string_lossy().into_owned();
    world.plane.run_kubectl(["apply", "--namespace", &unserved, "--kustomize", &samples]).await?;
    let list = ["get", "aep", "--namespace", &unserved, "--output=json"];
    let list: Value = serde_json::from_str(&world.plane.run_kubectl(list).await?)?;
    for object in list["items"].as_array().into_iter().flatten() {
        ensure!(judged(object) == ("Progressing".into(), "InProgress"), "never looked at: {object}");
    }

    world.apply_all(&chain("a", "refunds")).await?;
    world.wait_all_ready(4).await?;
    world.apply(&source("lonely", "missing", "prices")).await?;
    expect(&world, "StripeSourceConnection", "lonely", ("Progressing", "InProgress"), "missing").await?;
    world.apply(&with(base("elsewhere"), "/sandbox", json!("nowhere"))).await?;
    expect(&world, "StripeBaseConnection", "elsewhere", ("Degraded", "Failed"), "nowhere").await?;

    let paused = json!({ "metadata": { "annotations": { "ingestion.aep-operator.io/paused": "true" } } });
    world.merge("IngestionFlow", "a", &paused).await?;
    expect(&world, "IngestionFlow", "a", ("Suspended", "Current"), "paused").await?;
    world.delete("StripeBaseConnection", "a").await?;
    expect(&world, "StripeBaseConnection", "a", ("Progressing", "Terminating"), "StripeSourceConnection a")
        .await?;
    world.merge("IngestionFlow", "a", &json!({ "metadata": { "annotations": null } })).await?;
    world.plane.run_kubectl(["delete", "namespace", &unserved, "--wait=false"]).await?;
    world.delete_everything().await?;
    world.check_invariants().await
}

/// Waits until Argo CD and Flux would say so, and Argo CD's message holds a text.
async fn expect(
    world: &World,
    kind: &str,
    name: &str,
    (argo_cd, flux): (&str, &str),
    text: &str,
) -> Result<()> {
    world
        .until(&format!("{kind} {name} to be {argo_cd} and {flux} and to say {text}"), async || {
            let object = world.get(kind, name).await?.unwrap_or_default();
            let (status, message) = health(&object);
            let said = status == argo_cd && message.contains(text) && kstatus(&object) == flux;
            Ok(said.then_some(()))
        })
        .await
}
