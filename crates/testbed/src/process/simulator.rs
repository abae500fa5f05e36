//! The simulator as a process, and its control API under `/_sim/`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::{Process, Spec};
use crate::{binaries, until};

const READY_WITHIN: Duration = Duration::from_secs(30);

/// How to start the simulator. The default keeps no state over a restart.
#[derive(Clone, Debug, Default)]
pub struct SimulatorOptions {
    /// The binary; by default the one of [`binaries::simulator`].
    pub program: Option<PathBuf>,
    /// Keeps the state over a restart.
    pub state_file: Option<PathBuf>,
    /// Receives the log files; a temporary folder by default.
    pub log_dir: Option<PathBuf>,
    /// More arguments of `aep-sim serve`.
    pub args: Vec<String>,
}

/// A simulator that answers. Dropping it kills it.
#[derive(Debug)]
pub struct Simulator {
    process: Process,
    address: String,
    http: reqwest::Client,
    _folder: Option<tempfile::TempDir>,
}

impl Simulator {
    /// Starts a simulator on a free port and waits until it answers.
    pub async fn start(options: SimulatorOptions) -> Result<Self> {
        let program = match options.program {
            Some(program) => program,
            None => binaries::simulator()?,
        };
        let (log_dir, folder) = super::operator::log_dir(options.log_dir)?;
        let mut args: Vec<String> = vec!["serve".into(), "--listen".into(), "127.0.0.1:0".into()];
        if let Some(file) = &options.state_file {
            args.extend(["--state-file".into(), file.to_string_lossy().into_owned()]);
        }
        args.extend(options.args);
        let spec = Spec {
            name: "aep-sim".into(),
            program,
            args: args.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            log_dir,
        };
        let mut simulator =
            Self { process: Process::start(spec)?, address: String::new(), http: http()?, _folder: folder };
        simulator.address = simulator.announced().await?;
        // A restart takes the same port, so that its clients find it again.
        simulator.process.spec_mut().args[2] = simulator.address.clone().into();
        simulator.answers().await?;
        Ok(simulator)
    }

    /// The address, `127.0.0.1:<port>`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The URL to give to the operator as `--aep-url`.
    pub fn aep_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The URL to give to the operator as `--ims-url`.
    pub fn ims_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The process, to be signalled, paused or killed.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Starts the simulator again on the same address, killed first if it still runs.
    pub async fn restart(&mut self) -> Result<()> {
        self.process.restart()?;
        self.answers().await
    }

    /// `GET` of a path below `/_sim/`.
    pub async fn get(&self, path: &str) -> Result<Value> {
        self.call(self.http.get(self.url(path)), path).await
    }

    /// `POST` of a JSON body to a path below `/_sim/`.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.call(self.http.post(self.url(path)).json(body), path).await
    }

    /// `DELETE` of a path below `/_sim/`.
    pub async fn delete(&self, path: &str) -> Result<Value> {
        self.call(self.http.delete(self.url(path)), path).await
    }

    /// `PATCH` with a JSON body of a path below `/_sim/`.
    pub async fn patch(&self, path: &str, body: &Value) -> Result<Value> {
        self.call(self.http.patch(self.url(path)).json(body), path).await
    }

    /// Every upstream object.
    pub async fn inventory(&self) -> Result<Value> {
        self.get("inventory").await
    }

    /// The calls since a sequence number.
    pub async fn journal(&self, since: u64) -> Result<Value> {
        self.get(&format!("journal?since={since}")).await
    }

    /// The moments at which two live objects of a role carried the same marker.
    pub async fn violations(&self) -> Result<Value> {
        self.get("violations").await
    }

    /// How often each Stripe object was ingested, per dataset.
    pub async fn rows(&self) -> Result<Value> {
        self.get("rows").await
    }

    /// Moves the virtual clock ahead.
    pub async fn advance(&self, seconds: u64) -> Result<Value> {
        self.post("clock", &serde_json::json!({ "advanceSeconds": seconds })).await
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/_sim/{path}", self.address)
    }

    async fn call(&self, request: reqwest::RequestBuilder, path: &str) -> Result<Value> {
        let answer = request.send().await.with_context(|| format!("no answer to /_sim/{path}"))?;
        let status = answer.status();
        let text = answer.text().await?;
        if !status.is_success() {
            bail!("the simulator answered {status} to /_sim/{path}: {text}");
        }
        if text.trim().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).with_context(|| format!("/_sim/{path} should answer with JSON"))
    }

    /// Reads the address from the line that the simulator prints when it listens.
    async fn announced(&mut self) -> Result<String> {
        let process = &mut self.process;
        until("the simulator's address", READY_WITHIN, async || {
            if let Some(status) = process.exit_status()? {
                bail!("the simulator ended at its start ({status}):\n{}", process.log_tail(20));
            }
            Ok(address_in(&process.output()?))
        })
        .await
    }

    async fn answers(&mut self) -> Result<()> {
        let url = self.url("healthz");
        let http = self.http.clone();
        let process = &mut self.process;
        until("the simulator to answer", READY_WITHIN, async || {
            if let Some(status) = process.exit_status()? {
                bail!("the simulator ended at its start ({status}):\n{}", process.log_tail(20));
            }
            let answer = http.get(&url).send().await;
            Ok(answer.is_ok_and(|answer| answer.status().is_success()).then_some(()))
        })
        .await
    }
}

/// Finds the first `127.0.0.1:<port>` in the whole lines of the announcement, whichever member carries it.
fn address_in(output: &str) -> Option<String> {
    let line = output.split_inclusive('\n').find(|line| line.ends_with('\n'))?;
    let announced: Value = serde_json::from_str(line).ok()?;
    let mut texts = announced.as_object()?.values().filter_map(Value::as_str);
    texts.find_map(|value| {
        let host_and_port = value.trim_start_matches("http://").trim_end_matches('/');
        let parsed: std::net::SocketAddr = host_and_port.parse().ok()?;
        Some(parsed.to_string())
    })
}

/// A plain HTTP client. The TLS provider is named although no TLS is used: the client is built with it.
pub(crate) fn http() -> Result<reqwest::Client> {
    // An error means that another one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build()?)
}

#[cfg(test)]
mod tests {
    use super::address_in;

    #[test]
    fn the_address_is_read_from_a_whole_line_only() {
        assert_eq!(address_in("{\"address\":\"127.0.0.1:80"), None);
        assert_eq!(address_in("{\"address\":\"127.0.0.1:8080\"}\n"), Some("127.0.0.1:8080".into()));
        assert_eq!(address_in("{\"url\":\"http://127.0.0.1:8080/\"}\n"), Some("127.0.0.1:8080".into()));
    }
}
