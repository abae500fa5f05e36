//! What a control plane needs before an operator can work on it: CRDs, rights, a namespace.

use std::path::{Path, PathBuf};

use anyhow::Result;
use k8s_openapi::api::core::v1::Namespace;
use kube::Client;
use kube::api::{Api, PostParams};
use serde_json::json;
use testbed::ControlPlane;

/// The CRDs of this version.
pub fn present_crds() -> PathBuf {
    testbed::binaries::workspace_root().join("crds")
}

/// Installs CRDs and the operator's rights, and gives a kubeconfig with these rights.
pub async fn install(plane: &ControlPlane, crds: &Path) -> Result<PathBuf> {
    let rights = testbed::binaries::workspace_root().join("deploy/rbac");
    for folder in [crds, &rights] {
        plane.run_kubectl(["apply", "--server-side", "-f", &folder.to_string_lossy()]).await?;
    }
    plane.run_kubectl(["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]).await?;
    plane.service_account_kubeconfig("aep-operator-system", "aep-operator").await
}

/// Makes a namespace.
pub async fn create_namespace(client: &Client, name: &str) -> Result<()> {
    let api: Api<Namespace> = Api::all(client.clone());
    let namespace = serde_json::from_value(json!({ "metadata": { "name": name } }))?;
    api.create(&PostParams::default(), &namespace).await?;
    Ok(())
}
