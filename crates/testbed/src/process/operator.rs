//! The operator as a process, with the rights of its service account only.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};

use super::{Process, Spec, simulator};
use crate::{binaries, ports, until};

/// How to start the operator.
#[derive(Clone, Debug)]
pub struct OperatorOptions {
    /// The binary; by default the one of [`binaries::operator`].
    pub program: Option<PathBuf>,
    /// The kubeconfig, normally of the operator's service account.
    pub kubeconfig: PathBuf,
    /// Where AEP is.
    pub aep_url: String,
    /// Where IMS is.
    pub ims_url: String,
    /// The name of the cluster in markers; `None` leaves it to the operator.
    pub cluster_id: Option<String>,
    /// Receives the log files; a temporary folder by default.
    pub log_dir: Option<PathBuf>,
    /// A word for the names of the log files, of use with two replicas.
    pub name: String,
    /// More arguments of `aep-operator run`.
    pub args: Vec<String>,
    /// More environment.
    pub env: Vec<(String, String)>,
}

impl OperatorOptions {
    /// The options that have no default.
    pub fn new(kubeconfig: &Path, aep_url: impl Into<String>, ims_url: impl Into<String>) -> Self {
        Self {
            program: None,
            kubeconfig: kubeconfig.to_owned(),
            aep_url: aep_url.into(),
            ims_url: ims_url.into(),
            cluster_id: None,
            log_dir: None,
            name: "aep-operator".into(),
            args: Vec::new(),
            env: Vec::new(),
        }
    }
}

/// A started operator. Dropping it kills it.
#[derive(Debug)]
pub struct Operator {
    process: Process,
    http_address: String,
    http: reqwest::Client,
    _folder: Option<tempfile::TempDir>,
}

impl Operator {
    /// Starts the operator. Readiness is not waited for: see [`ready`](Self::ready).
    pub fn start(options: OperatorOptions) -> Result<Self> {
        let program = match options.program {
            Some(program) => program,
            None => binaries::operator()?,
        };
        let (log_dir, folder) = log_dir(options.log_dir)?;
        let http_address = format!("127.0.0.1:{}", ports::free()?);
        let mut args: Vec<String> =
            ["run", "--aep-url", &options.aep_url, "--ims-url", &options.ims_url].map(str::to_owned).to_vec();
        args.extend(
            ["--allow-http", "--http-addr", &http_address, "--log-format", "json"].map(str::to_owned),
        );
        if let Some(cluster_id) = &options.cluster_id {
            args.extend(["--cluster-id".to_owned(), cluster_id.clone()]);
        }
        args.extend(options.args);
        let mut env = vec![("KUBECONFIG".into(), Some(options.kubeconfig.into_os_string()))];
        env.extend(options.env.into_iter().map(|(name, value)| (name.into(), Some(value.into()))));
        let args = args.into_iter().map(Into::into).collect();
        let process = Process::start(Spec { name: options.name, program, args, env, log_dir })?;
        Ok(Self { process, http_address, http: simulator::http()?, _folder: folder })
    }

    /// The process, to be signalled, paused, killed or started again.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// The last lines of the log.
    pub fn log_tail(&self, lines: usize) -> String {
        self.process.log_tail(lines)
    }

    /// The address of health and metrics.
    pub fn http_address(&self) -> &str {
        &self.http_address
    }

    /// `GET` of a path of the operator's own server: status and body.
    pub async fn get(&self, path: &str) -> Result<(u16, String)> {
        let answer = self.http.get(format!("http://{}{path}", self.http_address)).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// The metrics page.
    pub async fn metrics(&self) -> Result<String> {
        match self.get("/metrics").await? {
            (200, text) => Ok(text),
            (status, text) => bail!("/metrics answered {status}: {text}"),
        }
    }

    /// Waits until `/readyz` answers 200. An operator that ends meanwhile is an error with its last log lines.
    pub async fn ready(&mut self, deadline: Duration) -> Result<()> {
        let url = format!("http://{}/readyz", self.http_address);
        let http = self.http.clone();
        let process = &mut self.process;
        until("the operator to be ready", deadline, async || {
            if let Some(status) = process.exit_status()? {
                bail!("the operator ended ({status}):\n{}", process.log_tail(20));
            }
            Ok(http.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()).then_some(()))
        })
        .await
    }
}

/// The folder for the log files: the one asked for, else a temporary one that lives as long as the handle.
pub(super) fn log_dir(wanted: Option<PathBuf>) -> Result<(PathBuf, Option<tempfile::TempDir>)> {
    if let Some(folder) = wanted {
        std::fs::create_dir_all(&folder)?;
        return Ok((folder, None));
    }
    let folder = tempfile::Builder::new().prefix("aep-logs-").tempdir()?;
    crate::guard::remove_at_exit(folder.path())?;
    Ok((folder.path().to_owned(), Some(folder)))
}
