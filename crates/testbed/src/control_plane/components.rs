//! The three processes of a control plane: their flags, the order of their start, and when each is ready.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::files::{self, Files};
use super::{access, programs::Programs};
use crate::process::{Process, Spec};
use crate::{ports, until};

/// Generous: a machine that compiles at the same time needs ten times as long as an idle one.
pub(super) const READY_WITHIN: Duration = Duration::from_mins(3);

/// The controllers that a cluster without nodes has work for.
const CONTROLLERS: &str = "namespace-controller,garbage-collector-controller,serviceaccount-controller,\
    serviceaccount-token-controller,root-ca-certificate-publisher-controller,clusterrole-aggregation-controller,\
    deployment-controller,replicaset-controller,disruption-controller,resourcequota-controller";

/// The running processes. Dropped in this order: clients before what they talk to.
#[derive(Debug)]
pub(super) struct Components {
    _controller_manager: Process,
    api_server: Process,
    _etcd: Process,
    etcd_url: String,
}

impl Components {
    /// Starts all three on free ports, and waits until the API server is ready.
    pub(super) async fn start(programs: &Programs, folder: &Path) -> Result<(Self, Files)> {
        let (etcd_port, peer_port, api_port) = (ports::free()?, ports::free()?, ports::free()?);
        let start = Start { programs, folder };
        start.clear_logs();
        let files = files::write(folder, api_port)?;
        let etcd = start.process("etcd", etcd_flags(folder, etcd_port, peer_port))?;
        let mut api_server =
            start.process("kube-apiserver", api_server_flags(folder, &files, etcd_port, api_port))?;
        let certificate = files::certificate(folder);
        until("the API server's certificate", READY_WITHIN, async || {
            Ok(std::fs::read(&certificate).ok().filter(|pem| pem.ends_with(b"-----END CERTIFICATE-----\n")))
        })
        .await
        .and_then(|authority| {
            files::write_kubeconfig(&files.kubeconfig, &files.server, &authority, &files.token)
        })
        .with_context(|| api_server.log_tail(10))?;
        ready_or_ended(&mut api_server, &files.kubeconfig).await?;
        let controller_manager =
            start.process("kube-controller-manager", controller_manager_flags(folder, &files))?;
        let etcd_url = format!("http://127.0.0.1:{etcd_port}");
        Ok((Self { _controller_manager: controller_manager, api_server, _etcd: etcd, etcd_url }, files))
    }

    pub(super) fn api_server(&mut self) -> &mut Process {
        &mut self.api_server
    }

    pub(super) fn etcd_url(&self) -> &str {
        &self.etcd_url
    }
}

/// Whether a component ended because its port was taken.
pub(super) fn is_port_clash(folder: &Path) -> bool {
    ["etcd", "kube-apiserver"].iter().any(|name| {
        std::fs::read_to_string(folder.join(format!("{name}.log")))
            .is_ok_and(|log| log.contains("address already in use"))
    })
}

async fn ready_or_ended(api_server: &mut Process, kubeconfig: &Path) -> Result<()> {
    let ended = async {
        loop {
            if let Some(status) = api_server.exit_status()? {
                bail!("kube-apiserver ended at its start ({status}):\n{}", api_server.log_tail(15));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::select! {
        ready = access::wait_until_ready(kubeconfig, READY_WITHIN) => ready,
        ended = ended => ended,
    }
}

struct Start<'a> {
    programs: &'a Programs,
    folder: &'a Path,
}

impl Start<'_> {
    fn clear_logs(&self) {
        for name in ["etcd", "kube-apiserver", "kube-controller-manager"] {
            let _ = std::fs::remove_file(self.folder.join(format!("{name}.log")));
        }
        // A first start that failed leaves a data folder with another peer URL.
        let _ = std::fs::remove_dir_all(self.folder.join("etcd"));
    }

    fn process(&self, name: &str, flags: Vec<String>) -> Result<Process> {
        let (program, mut args) = self.programs.program(name);
        args.extend(flags.into_iter().map(OsString::from));
        Process::start(Spec {
            name: name.to_owned(),
            program,
            args,
            env: Vec::new(),
            log_dir: self.folder.to_owned(),
        })
    }
}

fn etcd_flags(folder: &Path, port: u16, peer_port: u16) -> Vec<String> {
    let (url, peer) = (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{peer_port}"));
    vec![
        format!("--data-dir={}", folder.join("etcd").display()),
        format!("--listen-client-urls={url}"),
        format!("--advertise-client-urls={url}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=default={peer}"),
        "--unsafe-no-fsync".into(),
        "--log-level=error".into(),
    ]
}

fn api_server_flags(folder: &Path, files: &Files, etcd_port: u16, port: u16) -> Vec<String> {
    vec![
        format!("--etcd-servers=http://127.0.0.1:{etcd_port}"),
        format!("--secure-port={port}"),
        "--bind-address=127.0.0.1".into(),
        "--advertise-address=127.0.0.1".into(),
        format!("--cert-dir={}", folder.join("certs").display()),
        format!("--service-account-key-file={}", files.verifying_key.display()),
        format!("--service-account-signing-key-file={}", files.signing_key.display()),
        "--service-account-issuer=https://kubernetes.default.svc".into(),
        format!("--token-auth-file={}", files.tokens.display()),
        "--authorization-mode=RBAC".into(),
        "--service-cluster-ip-range=10.0.0.0/24".into(),
        "--allow-privileged".into(),
        "--endpoint-reconciler-type=none".into(),
        format!("--audit-policy-file={}", files.audit_policy.display()),
        format!("--audit-log-path={}", files::audit_log(folder).display()),
        // Larger than any test writes, so that counts are never cut by a rotation.
        "--audit-log-maxsize=4096".into(),
    ]
}

fn controller_manager_flags(folder: &Path, files: &Files) -> Vec<String> {
    vec![
        format!("--kubeconfig={}", files.kubeconfig.display()),
        format!("--service-account-private-key-file={}", files.signing_key.display()),
        format!("--root-ca-file={}", files::certificate(folder).display()),
        format!("--controllers={CONTROLLERS}"),
        "--use-service-account-credentials".into(),
        "--leader-elect=false".into(),
        "--secure-port=0".into(),
    ]
}
