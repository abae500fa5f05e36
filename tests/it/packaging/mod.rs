//! How the operator is installed: by Helm, kustomize, Argo CD and Flux.
//!
//! What needs the CRDs to belong to a release, or installs rights of its own, runs on control planes of its own: the other tests share
//! one in which the CRDs come from kubectl.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of a test may fail like the test itself")]

mod alerts;
mod argocd;
mod gitops;
mod kustomize;
mod lifecycle;
mod namespaced;
mod render;
mod rights;
mod workflows;

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use testbed::{ControlPlane, Operator, OperatorOptions, Options, Simulator, until};
use tokio::sync::OnceCell;

use crate::support::World;
use crate::support::world::DEADLINE;

/// A path in the repository.
fn path(relative: &str) -> PathBuf {
    testbed::binaries::workspace_root().join(relative)
}

/// The text of a file in the repository.
fn read(relative: &str) -> String {
    std::fs::read_to_string(path(relative)).unwrap()
}

/// The documents of a YAML text.
fn documents(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple::<Value>(text)
        .unwrap()
        .into_iter()
        .filter(|document| !document.is_null())
        .collect()
}

/// The first object of a kind.
fn of_kind<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    objects.iter().find(|object| object["kind"] == kind).unwrap_or(&Value::Null)
}

/// A tool finds no fault.
fn judged(tool: &str, args: impl IntoIterator<Item: AsRef<OsStr>>) -> Result<()> {
    let output = testbed::tool(tool)?.args(args).stdin(Stdio::null()).output().with_context(|| {
        format!("cannot run {tool}: with a control plane of your own, it has to be on the PATH")
    })?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    ensure!(output.status.success(), "{tool}: {}{}", text(&output.stdout), text(&output.stderr));
    Ok(())
}

/// helm without a cluster: its stdout, or its stderr.
fn helm(args: &[&str]) -> Result<String, String> {
    let mut command: Command = testbed::helm().unwrap();
    let output = command.args(args).stdin(Stdio::null()).current_dir(path("")).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// A control plane with our CRDs from kubectl, for tests that install rights of their own.
async fn plane() -> Result<&'static ControlPlane> {
    static PLANE: OnceCell<ControlPlane> = OnceCell::const_new();
    PLANE
        .get_or_try_init(|| async {
            let plane = ControlPlane::start(Options::default()).await?;
            let crds = path("crds").to_string_lossy().into_owned();
            plane.run_kubectl(["apply", "--server-side", "--kustomize", &crds]).await?;
            plane
                .run_kubectl(["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"])
                .await?;
            Ok(plane)
        })
        .await
}

/// A namespace in which only Pods of the restricted profile are admitted.
async fn restricted_namespace(plane: &ControlPlane, name: &str) -> Result<()> {
    let namespaces: Api<Namespace> = Api::all(plane.client().await?);
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": {
        "name": name, "labels": { "pod-security.kubernetes.io/enforce": "restricted" } } });
    namespaces.patch(name, &PatchParams::apply("tests").force(), &Patch::Apply(namespace)).await?;
    Ok(())
}

/// Waits until the Deployment's Pod is admitted. It stays Pending: there is no kubelet.
async fn a_pod_is_admitted(plane: &ControlPlane, namespace: &str) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(plane.client().await?, namespace);
    let ours = ListParams::default().labels("app.kubernetes.io/name=aep-operator");
    until("the operator's Pod to be admitted", DEADLINE, async || {
        Ok((!pods.list(&ours).await?.items.is_empty()).then_some(()))
    })
    .await
}

/// The flags of the operator's container as the API server has them.
async fn flags(plane: &ControlPlane, namespace: &str) -> Result<Vec<String>> {
    let deployments: Api<Deployment> = Api::namespaced(plane.client().await?, namespace);
    let deployment = deployments.get("aep-operator").await?;
    let pod = deployment.spec.and_then(|spec| spec.template.spec).context("a Deployment has a template")?;
    let args = pod.containers.into_iter().next().and_then(|container| container.args);
    args.context("the container has arguments")
}

/// Flags that the test bed gives by itself.
const GIVEN: [&str; 6] = ["run", "--aep-url", "--ims-url", "--allow-http", "--http-addr", "--log-format"];

/// Starts the operator as the Deployment would: its flags, its service account.
async fn start_operator(plane: &ControlPlane, namespace: &str, sim: &Simulator) -> Result<Operator> {
    let kubeconfig = plane.service_account_kubeconfig(namespace, "aep-operator").await?;
    let mut options = OperatorOptions::new(&kubeconfig, sim.aep_url(), sim.ims_url());
    let flags = flags(plane, namespace).await?;
    let name = |flag: &str| flag.split('=').next().unwrap_or_default().to_owned();
    options.args = flags.into_iter().filter(|flag| !GIVEN.contains(&name(flag).as_str())).collect();
    // Outside a Pod, nothing tells a process which namespace is its own.
    options.args.push(format!("--lease-namespace={namespace}"));
    options.env.push(("RUST_LOG".to_owned(), "info,aep_operator=debug".to_owned()));
    let mut operator = Operator::start(options)?;
    operator.ready(DEADLINE).await?;
    Ok(operator)
}

/// The values that let a chart's operator work with the simulator at the pace of tests.
fn test_values(sim: &Simulator) -> Vec<String> {
    [
        format!("aep.url={}", sim.aep_url()),
        format!("aep.imsUrl={}", sim.ims_url()),
        "aep.allowHttp=true".to_owned(),
        "aep.requestsPerSecond=500".to_owned(),
        "aep.callDeadline=5s".to_owned(),
        "reconcile.driftInterval=5s".to_owned(),
        "reconcile.lookupGrace=6s".to_owned(),
    ]
    .map(|value| format!("--set={value}"))
    .to_vec()
}

/// The next POST of a flow is refused for a moment, so that its object is met with a claim and without an id.
async fn a_refused_flow_is_tried_again(sim: &Simulator) -> Result<()> {
    let on = json!({ "method": "POST", "endpoint": "/flows" });
    let busy = json!({ "status": { "status": 429, "headers": { "Retry-After": "1" } } });
    sim.post("faults", &json!([{ "match": on, "times": 1, "action": busy }])).await?;
    Ok(())
}

/// A change of a Secret shows in the condition of the base that uses it; done twice, the events are repeated ones.
async fn a_bad_secret_is_noticed_and_mended(world: &World) -> Result<()> {
    world.merge("Secret", "stripe", &json!({ "data": { "access-token": "" } })).await?;
    world.wait_condition("StripeBaseConnection", "charges", "Ready", "False", "SecretInvalid").await?;
    world.apply(&crate::support::objects::stripe_secret()).await?;
    world.wait_all_ready(4).await
}

/// A difference that kubectl finds between manifests and the cluster is an error that shows it.
async fn no_difference(plane: &ControlPlane, args: &[&str]) -> Result<()> {
    let mut command = plane.kubectl();
    command.args(["diff", "--server-side"]).args(args).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    ensure!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    Ok(())
}
