//! A real control plane: etcd, kube-apiserver and kube-controller-manager, on 127.0.0.1 and in a private folder.
//!
//! Started for a demo or a test process, gone with it. There is no kubelet: Pods stay Pending.

mod access;
mod components;
mod files;
mod programs;
mod stored;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use crate::audit::AuditLog;
use crate::binaries::target_dir;
use components::Components;
use programs::Programs;

/// Names the kubeconfig of a cluster that replaces ours. Everything in it may be changed by tests.
pub const KUBECONFIG_VARIABLE: &str = "AEP_TESTBED_KUBECONFIG";

/// Starts that are tried when a port was taken between its choice and its use.
const STARTS: usize = 4;

/// helm without a cluster: to render and to lint.
pub fn helm() -> Result<Command> {
    Ok(programs()?.command("helm", Path::new("/dev/null"), &target_dir().join("helm")))
}

/// A tool that is built beside the control plane, such as promtool; from the PATH where the control plane is not ours.
pub fn tool(name: &str) -> Result<Command> {
    Ok(Command::new(programs()?.tool(name)))
}

fn programs() -> Result<Programs> {
    match std::env::var_os(KUBECONFIG_VARIABLE) {
        Some(_) => Ok(Programs::on_path()),
        None => Programs::find(None),
    }
}

/// How to start a control plane. The default is right for tests.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// A cluster to use instead of starting one. Also from the environment: `AEP_TESTBED_KUBECONFIG`.
    pub kubeconfig: Option<PathBuf>,
    /// The control plane binary, as built from `hack/control-plane`. By default, the programs in the folder that
    /// `KUBEBUILDER_ASSETS` names, else the binary that `AEP_CONTROL_PLANE` names, else it is built.
    pub binary: Option<PathBuf>,
    /// Data, logs and credentials go to this folder and stay there. By default, to a temporary one.
    pub folder: Option<PathBuf>,
}

/// A control plane that is ready: the default service account of the namespace `default` exists.
///
/// Nothing in it is bound to an async runtime, so that one may serve many tests.
#[derive(Debug)]
pub struct ControlPlane {
    folder: PathBuf,
    kubeconfig: PathBuf,
    server: String,
    token: String,
    programs: Programs,
    /// `None`: somebody else's cluster.
    components: Option<Mutex<Components>>,
    // Last, so that it is removed after the processes have ended.
    _temporary: Option<TempDir>,
}

impl ControlPlane {
    /// Starts a control plane and waits until it is ready: about 10 s, and minutes where it is built first.
    pub async fn start(options: Options) -> Result<Self> {
        let given =
            options.kubeconfig.clone().or_else(|| std::env::var_os(KUBECONFIG_VARIABLE).map(Into::into));
        let (folder, temporary) = private_folder(options.folder)?;
        if let Some(kubeconfig) = given {
            return Self::external(kubeconfig, folder, temporary);
        }
        let binary = options.binary;
        let programs = tokio::task::spawn_blocking(move || Programs::find(binary)).await??;
        let mut start = 1;
        let (components, files) = loop {
            match Components::start(&programs, &folder).await {
                Ok(started) => break started,
                Err(error) if start < STARTS && components::is_port_clash(&folder) => {
                    eprintln!("control plane: a port was taken meanwhile, starting again ({error:#})");
                    start += 1;
                }
                Err(error) => return Err(error),
            }
        };
        programs.write_tools(&folder, &files.kubeconfig)?;
        let control_plane = Self {
            kubeconfig: files.kubeconfig,
            server: files.server,
            token: files.token,
            folder,
            programs,
            components: Some(Mutex::new(components)),
            _temporary: temporary,
        };
        access::wait_for_service_accounts(&control_plane).await?;
        Ok(control_plane)
    }

    /// The control plane of this test process: started by the first caller, stopped when the process ends. Tests share it
    /// and keep to a namespace of their own.
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: tokio::sync::OnceCell<ControlPlane> = tokio::sync::OnceCell::const_new();
        SHARED.get_or_try_init(|| Self::start(Options::default())).await
    }

    fn external(kubeconfig: PathBuf, folder: PathBuf, temporary: Option<TempDir>) -> Result<Self> {
        let (server, token) = access::server_and_token(&kubeconfig)?;
        let programs = Programs::on_path();
        programs.write_tools(&folder, &kubeconfig)?;
        Ok(Self { folder, kubeconfig, server, token, programs, components: None, _temporary: temporary })
    }

    /// The kubeconfig of an administrator.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The token of that administrator (empty for an external cluster that authenticates otherwise).
    pub fn admin_token(&self) -> &str {
        &self.token
    }

    /// The URL of the API server.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The folder of data, logs and credentials.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// kubectl, as administrator of this cluster.
    pub fn kubectl(&self) -> Command {
        self.programs.command("kubectl", &self.kubeconfig, &self.folder)
    }

    /// kubectl as a script that can be given to people: it needs no environment.
    pub fn kubectl_path(&self) -> PathBuf {
        self.folder.join("bin/kubectl")
    }

    /// helm, as administrator of this cluster.
    pub fn helm(&self) -> Command {
        self.programs.command("helm", &self.kubeconfig, &self.folder)
    }

    /// Runs kubectl to its end off the async threads, and returns its stdout. Its stderr is in the error.
    pub async fn run_kubectl<I, S>(&self, args: I) -> Result<String>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<std::ffi::OsStr>,
    {
        let mut command = self.kubectl();
        command.args(args);
        output_of(command).await
    }

    /// Runs helm to its end off the async threads, and returns its stdout. Its stderr is in the error.
    pub async fn run_helm<I, S>(&self, args: I) -> Result<String>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<std::ffi::OsStr>,
    {
        let mut command = self.helm();
        command.args(args);
        output_of(command).await
    }

    /// The file of the audit log. An external cluster has none that we could read.
    pub fn audit_log_path(&self) -> Result<PathBuf> {
        if self.components.is_none() {
            bail!("the audit log of an external cluster cannot be read here");
        }
        Ok(files::audit_log(&self.folder))
    }

    /// The audit log as it stands now.
    pub fn audit_log(&self) -> Result<AuditLog> {
        AuditLog::read(&self.audit_log_path()?)
    }

    /// A client with an administrator's rights, bound to the async runtime of the caller.
    pub async fn client(&self) -> Result<kube::Client> {
        access::client(&self.kubeconfig).await
    }

    /// Mints a token of a service account (one day) and returns a kubeconfig that uses it.
    pub async fn service_account_kubeconfig(&self, namespace: &str, name: &str) -> Result<PathBuf> {
        access::service_account_kubeconfig(self, namespace, name).await
    }

    /// Kills the API server (SIGKILL); etcd keeps its data.
    pub fn kill_api_server(&self) -> Result<()> {
        self.own_components()?.api_server().kill()
    }

    /// Freezes the API server: its connections stay open and nothing is answered.
    pub fn pause_api_server(&self) -> Result<()> {
        self.own_components()?.api_server().pause()
    }

    /// Lets a frozen API server go on.
    pub fn resume_api_server(&self) -> Result<()> {
        self.own_components()?.api_server().resume()
    }

    /// Starts the API server again, on its old port, and waits until it is ready.
    pub async fn restart_api_server(&self) -> Result<()> {
        self.own_components()?.api_server().restart()?;
        access::wait_until_ready(&self.kubeconfig, components::READY_WITHIN).await
    }

    /// Puts a custom resource into etcd as it is, UID and status included, past the API server: what another version has left behind.
    pub async fn store(&self, plural_and_group: (&str, &str), object: &serde_json::Value) -> Result<()> {
        let etcd = self.own_components()?.etcd_url().to_owned();
        stored::put(&etcd, plural_and_group, object).await
    }

    fn own_components(&self) -> Result<MutexGuard<'_, Components>> {
        let components = self.components.as_ref().context("an external cluster is left alone")?;
        Ok(components.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn private_folder(wanted: Option<PathBuf>) -> Result<(PathBuf, Option<TempDir>)> {
    if let Some(folder) = wanted {
        std::fs::create_dir_all(&folder)?;
        return Ok((folder, None));
    }
    let folder = tempfile::Builder::new().prefix("aep-control-plane-").tempdir()?;
    crate::guard::remove_at_exit(folder.path())?;
    Ok((folder.path().to_owned(), Some(folder)))
}

/// Longest time that a kubectl or helm call may take.
const CALL_WITHIN: Duration = Duration::from_mins(5);

async fn output_of(command: Command) -> Result<String> {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let shown = words.map(std::ffi::OsStr::to_string_lossy).collect::<Vec<_>>().join(" ");
    let mut command = tokio::process::Command::from(command);
    command.kill_on_drop(true).stdin(std::process::Stdio::null());
    let output = tokio::time::timeout(CALL_WITHIN, command.output())
        .await
        .with_context(|| format!("{shown} took longer than {} s", CALL_WITHIN.as_secs()))?
        .with_context(|| format!("cannot run {shown}"))?;
    if !output.status.success() {
        bail!("{shown} failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
