//! `deploy/` as people apply it with kubectl, on the control plane of the packaging tests.

use aep_operator::args::Cli;
use anyhow::{Result, ensure};
use clap::Parser as _;
use serde_json::Value;
use testbed::ControlPlane;

use super::{a_pod_is_admitted, documents, flags, no_difference, path, plane, restricted_namespace};

fn folder(name: &str) -> String {
    path(&format!("deploy/{name}")).to_string_lossy().into_owned()
}

async fn built(plane: &ControlPlane, name: &str) -> Result<Vec<Value>> {
    Ok(documents(&plane.run_kubectl(["kustomize", &folder(name)]).await?))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_base_is_applied_by_people_and_by_gitops_tools_and_then_shows_no_difference() -> Result<()> {
    let plane = plane().await?;
    let base = folder("base");
    plane.run_kubectl(["apply", "--kustomize", &base]).await?;
    a_pod_is_admitted(plane, "aep-operator-system").await?;
    let again = plane.run_kubectl(["apply", "--kustomize", &base]).await?;
    ensure!(again.lines().all(|line| line.ends_with(" unchanged")), "{again}");
    let manager = "--field-manager=argocd-controller";
    plane.run_kubectl(["apply", "--server-side", "--force-conflicts", manager, "--kustomize", &base]).await?;
    a_pod_is_admitted(plane, "aep-operator-system").await?;
    no_difference(plane, &["--force-conflicts", manager, "--kustomize", &base]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_overlay_for_one_namespace_needs_no_cluster_role_but_a_name_for_the_cluster() -> Result<()> {
    let plane = plane().await?;
    for object in built(plane, "overlays/namespaced").await? {
        assert_eq!(object["metadata"]["namespace"], "stripe", "{}", object["kind"]);
    }
    restricted_namespace(plane, "stripe").await?;
    plane.run_kubectl(["apply", "--kustomize", &folder("overlays/namespaced")]).await?;
    a_pod_is_admitted(plane, "stripe").await?;
    let mut command = vec!["aep-operator".to_owned()];
    command.extend(flags(plane, "stripe").await?);
    let refusal = Cli::try_parse_from(&command).err().map(|error| error.to_string()).unwrap_or_default();
    ensure!(refusal.contains("--cluster-id") && refusal.contains("1 to 64"), "{refusal}");
    command[2] = "--cluster-id=eu-1".to_owned();
    Cli::try_parse_from(&command)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn pre_production_differs_from_the_samples_in_namespace_and_sandbox_only() -> Result<()> {
    let plane = plane().await?;
    let mut stage = built(plane, "overlays/pre-production").await?;
    let samples = built(plane, "samples").await?;
    for object in &mut stage {
        let metadata = object["metadata"].as_object_mut().unwrap();
        assert_eq!(metadata.remove("namespace"), Some("stripe-stage".into()));
        if object["kind"] == "StripeBaseConnection" {
            assert_eq!(object["spec"]["sandbox"], "stage");
            object["spec"]["sandbox"] = "dev".into();
        }
    }
    assert_eq!(stage, samples);
    plane.run_kubectl(["create", "namespace", "stripe-stage"]).await?;
    plane.run_kubectl(["apply", "--kustomize", &folder("overlays/pre-production")]).await?;
    let applied = plane.run_kubectl(["get", "aep", "--namespace", "stripe-stage", "--output=name"]).await?;
    ensure!(applied.lines().count() == 19, "{applied}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_samples_for_gitops_hold_no_secret() -> Result<()> {
    for overlay in ["overlays/without-secrets", "argocd/stripe"] {
        let objects = built(plane().await?, overlay).await?;
        assert_eq!(objects.len(), 19, "{overlay}");
        assert!(objects.iter().all(|object| object["kind"] != "Secret"), "{overlay}");
    }
    Ok(())
}
