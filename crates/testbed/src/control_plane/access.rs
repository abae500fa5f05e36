//! Clients and kubeconfigs of a control plane, and what "ready" means.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};

use super::{ControlPlane, components, files};
use crate::until;

const TOKEN_SECONDS: i64 = 24 * 3600;

/// A client from a kubeconfig, never through a proxy: the cluster is on this machine or named on purpose.
pub(super) async fn client(kubeconfig: &Path) -> Result<kube::Client> {
    // An error means that another provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let file = Kubeconfig::read_from(kubeconfig)?;
    let mut config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
    config.proxy_url = None;
    Ok(kube::Client::try_from(config)?)
}

/// Waits until `/readyz` answers 200.
pub(super) async fn wait_until_ready(kubeconfig: &Path, deadline: Duration) -> Result<()> {
    let client = client(kubeconfig).await?;
    until("the API server's /readyz", deadline, async || {
        let request = http_get("/readyz")?;
        let asked = tokio::time::timeout(Duration::from_secs(5), client.request_text(request)).await;
        Ok(matches!(asked, Ok(Ok(_))).then_some(()))
    })
    .await
}

fn http_get(path: &str) -> Result<http::Request<Vec<u8>>> {
    Ok(http::Request::get(path).body(Vec::new())?)
}

/// Waits until the controller manager has made the first default service account: from then on Pods and tokens work.
pub(super) async fn wait_for_service_accounts(control_plane: &ControlPlane) -> Result<()> {
    let accounts: Api<ServiceAccount> = Api::namespaced(control_plane.client().await?, "default");
    until("the default service account", components::READY_WITHIN, async || {
        Ok(accounts.get_opt("default").await.ok().flatten().map(drop))
    })
    .await
    .with_context(|| {
        let log = control_plane.folder().join("kube-controller-manager.log");
        let log = std::fs::read_to_string(log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        format!("kube-controller-manager said last:\n{}", lines[lines.len().saturating_sub(10)..].join("\n"))
    })
}

/// See [`ControlPlane::service_account_kubeconfig`].
pub(super) async fn service_account_kubeconfig(
    control_plane: &ControlPlane,
    namespace: &str,
    name: &str,
) -> Result<PathBuf> {
    let accounts: Api<ServiceAccount> = Api::namespaced(control_plane.client().await?, namespace);
    let spec = TokenRequestSpec { expiration_seconds: Some(TOKEN_SECONDS), ..TokenRequestSpec::default() };
    let request = TokenRequest { spec, ..TokenRequest::default() };
    let answer = accounts
        .create_token_request(name, &PostParams::default(), &request)
        .await
        .with_context(|| format!("cannot mint a token for {namespace}/{name}"))?;
    let token = answer.status.context("a token request should be answered with a token")?.token;
    let authority = authority(control_plane.kubeconfig())?;
    let path = control_plane.folder().join(format!("{namespace}.{name}.kubeconfig"));
    files::write_kubeconfig(&path, control_plane.server(), &authority, &token)?;
    Ok(path)
}

/// The certificate authority of a kubeconfig, as PEM.
fn authority(kubeconfig: &Path) -> Result<Vec<u8>> {
    let file = Kubeconfig::read_from(kubeconfig)?;
    let cluster =
        file.clusters.into_iter().find_map(|named| named.cluster).context("no cluster in the kubeconfig")?;
    match (cluster.certificate_authority_data, cluster.certificate_authority) {
        (Some(data), _) => Ok(STANDARD.decode(data)?),
        (None, Some(file)) => Ok(std::fs::read(file)?),
        (None, None) => Ok(Vec::new()),
    }
}

/// The server of a kubeconfig and its token, which may be empty.
pub(super) fn server_and_token(kubeconfig: &Path) -> Result<(String, String)> {
    use kube::config::Kubeconfig as File;
    let file = File::read_from(kubeconfig).with_context(|| format!("cannot use {}", kubeconfig.display()))?;
    let server = file.clusters.iter().find_map(|named| named.cluster.as_ref()?.server.clone());
    let server = server.with_context(|| format!("{} names no server", kubeconfig.display()))?;
    Ok((server, String::new()))
}
