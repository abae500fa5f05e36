//! The life of a release of the chart for all namespaces, on a control plane of its own: installed, used, upgraded with its CRDs, rolled
//! back, removed and installed again. The operator runs with the flags and the rights that the chart renders, and nothing else.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use aep_operator::api::SECRET_FINALIZER;
use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::{Namespace, Pod, Secret};
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde_json::json;
use testbed::{ControlPlane, Operator, Options, Simulator, SimulatorOptions};
use tokio::sync::OnceCell;

use super::{
    a_pod_is_admitted, flags, path, read, restricted_namespace, rights, start_operator, test_values,
};
use crate::support::World;
use crate::support::objects::{self, chain};
use crate::support::world::{KINDS, OPERATOR_USER};

const SYSTEM: &str = "aep-operator-system";
const TENANT: &str = "payments";
const CRD: &str = "stripebaseconnections.ingestion.aep-operator.io";

/// The control plane on which the CRDs belong to a release.
async fn plane() -> Result<&'static ControlPlane> {
    static PLANE: OnceCell<ControlPlane> = OnceCell::const_new();
    PLANE.get_or_try_init(|| ControlPlane::start(Options::default())).await
}

async fn helm(plane: &ControlPlane, command: &[&str], values: &[String]) -> Result<String> {
    let args = ["--namespace", SYSTEM].into_iter().chain(command.iter().copied());
    plane.run_helm(args.chain(values.iter().map(String::as_str))).await
}

async fn crd_description(plane: &ControlPlane) -> Result<String> {
    let path = "--output=jsonpath={.spec.versions[0].schema.openAPIV3Schema.description}";
    plane.run_kubectl(["get", "crd", CRD, path]).await
}

/// A later version of the chart: its CRDs have changed.
fn later_chart(folder: &Path) -> Result<String> {
    let chart = folder.join("aep-operator");
    let copied =
        std::process::Command::new("cp").arg("-r").args([&path("charts/aep-operator"), &chart]).status()?;
    ensure!(copied.success(), "the chart is copied");
    let file = chart.join("files/crds/stripebaseconnections.yaml");
    let before = std::fs::read_to_string(&file)?;
    let after = before.replacen("An authenticated Stripe account", "A later authenticated Stripe account", 1);
    ensure!(before != after, "the description of the CRD is changed");
    std::fs::write(&file, after)?;
    Ok(chart.to_string_lossy().into_owned())
}

async fn creating_posts(world: &World) -> Result<usize> {
    Ok(world.calls(0).await?.iter().filter(|call| call.is_creating_post()).count())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_is_installed_upgraded_rolled_back_removed_and_installed_again() -> Result<()> {
    let plane = plane().await?;
    let sim = Simulator::start(SimulatorOptions::default()).await?;
    let values = test_values(&sim);
    restricted_namespace(plane, SYSTEM).await?;
    restricted_namespace(plane, TENANT).await?;
    install(plane, &values).await?;
    only_restricted_pods(plane).await?;

    let operator = start_operator(plane, SYSTEM, &sim).await?;
    let mut world = World::around(plane, TENANT, sim, operator).await?;
    super::a_refused_flow_is_tried_again(&world.sim).await?;
    world.apply_all(&chain("charges", "charges")).await?;
    world.wait_all_ready(4).await?;
    for _ in 0..2 {
        super::a_bad_secret_is_noticed_and_mended(&world).await?;
    }
    let posts = creating_posts(&world).await?;

    upgrade_and_roll_back(plane, &values).await?;
    let sim_objects = world.upstream().await?.len();
    remove_and_install_again(&mut world, &values).await?;
    ensure!(world.upstream().await?.len() == sim_objects, "an uninstall deletes nothing upstream");
    world
        .merge("IngestionFlow", "charges", &json!({ "spec": { "displayName": "After the reinstall" } }))
        .await?;
    world.wait_all_ready(4).await?;
    ensure!(creating_posts(&world).await? == posts, "nothing is created a second time");

    delete_namespace(&world).await?;
    the_rights_are_minimal_and_sufficient(plane).await?;
    world.check_invariants().await?;
    crds_that_are_deleted_leave_everything_upstream(&mut world, &values).await?;
    another_release_takes_the_crds_only_when_told_to(plane).await?;
    the_documented_command_frees_secrets(plane).await
}

async fn install(plane: &ControlPlane, values: &[String]) -> Result<()> {
    let chart = path("charts/aep-operator").to_string_lossy().into_owned();
    let notes = helm(plane, &["install", "aep-operator", &chart, "--wait=hookOnly"], values).await?;
    for next in ["rollout status deployment/aep-operator", "create secret generic aep-credentials"] {
        ensure!(notes.contains(next), "the notes say what comes next: {notes}");
    }
    plane.run_kubectl(["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]).await?;
    a_pod_is_admitted(plane, SYSTEM).await
}

/// The namespace admits our Pods and would refuse others.
async fn only_restricted_pods(plane: &ControlPlane) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(plane.client().await?, SYSTEM);
    let pod =
        json!({ "metadata": { "name": "lax" }, "spec": { "containers": [{ "name": "a", "image": "a" }] } });
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    let refused = pods.create(&dry_run, &serde_json::from_value(pod)?).await;
    let message = refused.err().map(|error| error.to_string()).unwrap_or_default();
    ensure!(message.contains("violates PodSecurity"), "a Pod of another profile is refused: {message}");
    Ok(())
}

async fn upgrade_and_roll_back(plane: &ControlPlane, values: &[String]) -> Result<()> {
    let before = crd_description(plane).await?;
    let folder = tempfile::tempdir()?;
    let chart = later_chart(folder.path())?;
    let mut changed = values.to_vec();
    changed.extend(["--set=replicas=2", "--set=reconcile.concurrency=3"].map(str::to_owned));
    helm(plane, &["upgrade", "aep-operator", &chart, "--wait=hookOnly"], &changed).await?;
    ensure!(crd_description(plane).await?.starts_with("A later"), "an upgrade reaches the CRDs");
    ensure!(flags(plane, SYSTEM).await?.contains(&"--concurrency=3".to_owned()), "and the Deployment");

    helm(plane, &["rollback", "aep-operator", "1", "--wait=hookOnly"], &[]).await?;
    ensure!(crd_description(plane).await? == before, "a rollback brings the former CRDs back");
    ensure!(flags(plane, SYSTEM).await?.contains(&"--concurrency=16".to_owned()), "and the Deployment");
    Ok(())
}

/// As long as the release is away nothing happens to the objects, here or upstream.
async fn remove_and_install_again(world: &mut World, values: &[String]) -> Result<()> {
    let plane = world.plane;
    world.operator.process().terminate(Duration::from_secs(30)).await?;
    let calls = world.last_call().await?;
    let objects = uids(world).await?;
    helm(plane, &["uninstall", "aep-operator"], &[]).await?;
    let left = ["get", "deployment,service,serviceaccount,role", "--namespace", SYSTEM, "--output=name"];
    let left = plane.run_kubectl(left).await?;
    ensure!(!left.contains("aep-operator"), "left in the namespace: {left}");
    let left = plane.run_kubectl(["get", "clusterrole,clusterrolebinding", "--output=name"]).await?;
    ensure!(!left.contains("aep-operator"), "left in the cluster: {left}");
    ensure!(uids(world).await? == objects, "CRDs and custom resources are kept");
    ensure!(world.last_call().await? == calls, "nothing is called upstream");

    install(plane, values).await?;
    let mut operator: Operator = start_operator(plane, SYSTEM, &world.sim).await?;
    std::mem::swap(&mut world.operator, &mut operator);
    Ok(())
}

/// UIDs of all custom resources.
async fn uids(world: &World) -> Result<BTreeSet<String>> {
    let mut uids = BTreeSet::new();
    for kind in KINDS {
        let list = world.list(kind).await?;
        uids.extend(list.iter().filter_map(|object| object["metadata"]["uid"].as_str().map(str::to_owned)));
    }
    ensure!(uids.len() == 4, "four custom resources: {uids:?}");
    Ok(uids)
}

/// Everything goes at once, Secrets included.
async fn delete_namespace(world: &World) -> Result<()> {
    let namespaces: Api<Namespace> = Api::all(world.client.clone());
    namespaces.delete(TENANT, &DeleteParams::background()).await?;
    world
        .until_within(Duration::from_mins(2), "the namespace to be gone", async || {
            Ok(namespaces.get_opt(TENANT).await?.is_none().then_some(()))
        })
        .await?;
    let owned = world.upstream().await?.into_iter().filter(|object| object.owner.is_some());
    let left: Vec<String> = owned.map(|object| object.kind).collect();
    let kept = ["mappingSets", "schemas", "fieldgroups", "dataSets"];
    ensure!(left.iter().all(|kind| kept.contains(&kind.as_str())), "left upstream: {left:?}");
    Ok(())
}

/// Over this whole life no rule was left unused, and nothing was refused but events in the namespace that was going.
async fn the_rights_are_minimal_and_sufficient(plane: &ControlPlane) -> Result<()> {
    let (used, missing) = rights::used_and_missing(&plane.audit_log()?.by(OPERATOR_USER));
    let given = rights::given(plane, &[]).await?;
    assert_eq!(used, given, "used, and given by the chart");
    let events = ["create", "patch"].map(|verb| format!("{verb} events.k8s.io/events"));
    ensure!(missing.iter().all(|right| events.contains(right)), "refused: {missing:?}");
    Ok(())
}

/// The objects go with their CRDs, without an operator that could not tell why; the next upgrade brings the CRDs back.
async fn crds_that_are_deleted_leave_everything_upstream(world: &mut World, values: &[String]) -> Result<()> {
    let plane = world.plane;
    restricted_namespace(plane, "kept").await?;
    "kept".clone_into(&mut world.namespace);
    world.apply(&objects::platform_secret()).await?;
    world.apply(&objects::stripe_secret()).await?;
    world.apply_all(&chain("kept", "prices")).await?;
    world.wait_all_ready(4).await?;
    let before = world.upstream().await?;
    let crds = path("crds").to_string_lossy().into_owned();
    plane.run_kubectl(["delete", "--kustomize", &crds, "--timeout=60s"]).await?;
    ensure!(world.upstream().await? == before, "nothing is deleted upstream");

    let chart = path("charts/aep-operator").to_string_lossy().into_owned();
    helm(plane, &["upgrade", "aep-operator", &chart, "--wait=hookOnly"], values).await?;
    ensure!(plane.run_kubectl(["get", "crd", "--output=name"]).await?.contains(CRD), "the CRDs are back");
    Ok(())
}

async fn another_release_takes_the_crds_only_when_told_to(plane: &ControlPlane) -> Result<()> {
    helm(plane, &["uninstall", "aep-operator"], &[]).await?;
    let chart = path("charts/aep-operator").to_string_lossy().into_owned();
    let install = ["install", "ingestion", &chart, "--wait=hookOnly"];
    let refused = helm(plane, &install, &[]).await.err().map(|error| error.to_string()).unwrap_or_default();
    ensure!(
        refused.contains("release-name") && refused.contains("aep-operator"),
        "the owner is named: {refused}"
    );
    helm(plane, &install, &["--take-ownership".to_owned()]).await?;
    helm(plane, &["uninstall", "ingestion"], &[]).await?;
    ensure!(plane.run_kubectl(["get", "crd", "--output=name"]).await?.contains(CRD), "the CRDs are kept");
    Ok(())
}

/// What docs/helm.md says to do when `secrets.protect` is switched off or the operator does not come back.
async fn the_documented_command_frees_secrets(plane: &ControlPlane) -> Result<()> {
    let secrets: Api<Secret> = Api::namespaced(plane.client().await?, "default");
    let held = json!({ "metadata": { "name": "held", "finalizers": [SECRET_FINALIZER] } });
    secrets.create(&PostParams::default(), &serde_json::from_value(held)?).await?;
    let docs = read("docs/helm.md");
    let command = docs.split("```").find(|block| block.contains("go-template")).unwrap_or_default();
    let tools = plane.kubectl_path();
    let path =
        format!("{}:{}", tools.parent().unwrap_or_else(|| Path::new("")).display(), std::env::var("PATH")?);
    let mut shell = tokio::process::Command::new("sh");
    shell.args(["-euc", command.trim_start_matches("sh")]).env("PATH", path).kill_on_drop(true);
    ensure!(shell.status().await?.success(), "{command}");
    ensure!(secrets.get("held").await?.metadata.finalizers.is_none(), "the Secret is free");
    Ok(())
}
