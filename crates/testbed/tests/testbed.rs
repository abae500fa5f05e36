//! The testbed itself, on a control plane that is really started.

use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{Api, DeleteParams, ListParams, ObjectMeta, PostParams};
use testbed::{ControlPlane, Options, until};

const SOON: Duration = Duration::from_mins(1);

async fn namespace(client: &kube::Client, name: &str) -> Result<()> {
    let metadata = ObjectMeta { name: Some(name.into()), ..ObjectMeta::default() };
    let namespace = Namespace { metadata, ..Namespace::default() };
    Api::<Namespace>::all(client.clone()).create(&PostParams::default(), &namespace).await?;
    Ok(())
}

#[tokio::test]
async fn kubectl_and_helm_reach_the_same_cluster() -> Result<()> {
    let control_plane = ControlPlane::shared().await?;
    namespace(&control_plane.client().await?, "tools").await?;
    let names = control_plane.run_kubectl(["get", "namespace", "-o", "name"]).await?;
    assert!(names.contains("namespace/tools"), "{names}");
    control_plane.run_helm(["list", "--namespace", "tools"]).await?;
    let script = Command::new(control_plane.kubectl_path()).args(["get", "ns", "tools"]).output()?;
    assert!(script.status.success(), "{}", String::from_utf8_lossy(&script.stderr));
    Ok(())
}

#[tokio::test]
async fn a_service_account_has_its_own_rights_and_shows_in_the_audit_log() -> Result<()> {
    let control_plane = ControlPlane::shared().await?;
    namespace(&control_plane.client().await?, "accounts").await?;
    control_plane.run_kubectl(["create", "serviceaccount", "reader", "-n", "accounts"]).await?;
    let kubeconfig = control_plane.service_account_kubeconfig("accounts", "reader").await?;
    let mut kubectl = control_plane.kubectl();
    kubectl.args(["get", "secrets", "-n", "accounts"]).env("KUBECONFIG", kubeconfig);
    let output = kubectl.output()?;
    assert!(String::from_utf8_lossy(&output.stderr).contains("Forbidden"), "{output:?}");
    let user = "system:serviceaccount:accounts:reader";
    let refused = control_plane.audit_log()?.by(user).on("secrets").forbidden();
    assert_eq!(refused.count(), 1, "{refused:?}");
    assert_eq!(refused.events()[0].namespace, "accounts");
    Ok(())
}

#[tokio::test]
async fn a_deleted_namespace_goes_away_with_what_is_in_it() -> Result<()> {
    let control_plane = ControlPlane::shared().await?;
    let client = control_plane.client().await?;
    namespace(&client, "short-lived").await?;
    let secrets: Api<Secret> = Api::namespaced(client.clone(), "short-lived");
    let metadata = ObjectMeta { name: Some("s".into()), ..ObjectMeta::default() };
    secrets.create(&PostParams::default(), &Secret { metadata, ..Secret::default() }).await?;
    let namespaces: Api<Namespace> = Api::all(client);
    namespaces.delete("short-lived", &DeleteParams::default()).await?;
    until("the end of the namespace", SOON, async || {
        Ok(namespaces.get_opt("short-lived").await?.is_none().then_some(()))
    })
    .await
}

#[tokio::test]
async fn an_api_server_that_was_killed_comes_back_with_its_data() -> Result<()> {
    let control_plane = ControlPlane::start(Options::default()).await?;
    namespace(&control_plane.client().await?, "kept").await?;
    control_plane.kill_api_server()?;
    assert!(control_plane.run_kubectl(["get", "namespace"]).await.is_err());
    control_plane.restart_api_server().await?;
    let namespaces: Api<Namespace> = Api::all(control_plane.client().await?);
    let names: Vec<_> = namespaces.list(&ListParams::default()).await?.into_iter().collect();
    assert!(names.iter().any(|namespace| namespace.metadata.name.as_deref() == Some("kept")));
    Ok(())
}

const CHILD_VARIABLE: &str = "TESTBED_HOLDS_A_CHILD";

/// Not a test of its own: what the next test runs in another process and kills.
#[test]
fn holds_a_child_when_asked_to() -> Result<()> {
    let Some(folder) = std::env::var_os(CHILD_VARIABLE) else { return Ok(()) };
    let folder = std::path::PathBuf::from(folder);
    testbed::guard::remove_at_exit(&folder.join("removed"))?;
    let mut child = testbed::guard::spawn(Command::new("sleep").arg("600"))?;
    std::fs::write(folder.join("unfinished"), child.id().to_string())?;
    std::fs::rename(folder.join("unfinished"), folder.join("pid"))?;
    child.wait()?;
    Ok(())
}

#[tokio::test]
async fn no_child_outlives_a_parent_that_is_killed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::create_dir(folder.path().join("removed"))?;
    let mut parent = tokio::process::Command::new(std::env::current_exe()?)
        .args(["--exact", "holds_a_child_when_asked_to"])
        .env(CHILD_VARIABLE, folder.path())
        .stdout(std::process::Stdio::null())
        .spawn()?;
    let pid =
        until("the child's id", SOON, async || Ok(std::fs::read_to_string(folder.path().join("pid")).ok()))
            .await?;
    let child = std::path::PathBuf::from(format!("/proc/{pid}/cmdline"));
    assert!(std::fs::read_to_string(&child)?.contains("sleep"));
    parent.kill().await?;
    until("the end of the child and of its folder", SOON, async || {
        let gone = std::fs::read_to_string(&child).map_or(true, |line| !line.contains("sleep"));
        Ok((gone && !folder.path().join("removed").exists()).then_some(()))
    })
    .await
}
