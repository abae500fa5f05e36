//! A child process that a test or the demo starts, signals, kills and starts again; with its output in a file.
//!
//! Ends with its handle. Knows nothing of what it runs; the simulator and the operator are in modules of their own.

mod operator;
mod simulator;

pub use operator::{Operator, OperatorOptions};
pub(crate) use simulator::http;
pub use simulator::{Simulator, SimulatorOptions};

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};

use crate::{guard, until};

/// Removed from the environment of every child: all that they talk to is on this machine.
pub const PROXY_VARIABLES: [&str; 6] =
    ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];

/// What to start, so that it can be started again in the same way.
#[derive(Clone, Debug)]
pub struct Spec {
    /// A word for messages and for the names of the log files.
    pub name: String,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Its environment: `None` for a value removes the variable. All others are inherited.
    pub env: Vec<(OsString, Option<OsString>)>,
    /// Receives `<name>.log` (stderr) and `<name>.out` (stdout).
    pub log_dir: PathBuf,
}

/// A started process. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    spec: Spec,
    child: Child,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts the process. Output is appended to the log files of the spec.
    pub fn start(spec: Spec) -> Result<Self> {
        let child = Self::spawn(&spec)?;
        Ok(Self { spec, child, ended: None })
    }

    fn spawn(spec: &Spec) -> Result<Child> {
        let mut command = Command::new(&spec.program);
        command
            .args(&spec.args)
            .stdin(Stdio::null())
            .stdout(append(&spec.log_dir.join(format!("{}.out", spec.name)))?)
            .stderr(append(&spec.log_dir.join(format!("{}.log", spec.name)))?);
        for name in PROXY_VARIABLES {
            command.env_remove(name);
        }
        for (name, value) in &spec.env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        guard::spawn(&mut command)
    }

    /// What was started.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The process id, also after the end.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether the process runs (or is stopped by SIGSTOP).
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.exit_status()?.is_none())
    }

    /// How the process ended, `None` while it runs.
    pub fn exit_status(&mut self) -> Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait()?;
            if self.ended.is_some() {
                guard::release(self.child.id());
            }
        }
        Ok(self.ended)
    }

    /// Sends a signal.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        if self.exit_status()?.is_some() {
            bail!("{} has ended already", self.spec.name);
        }
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.context("a process id should be positive")?, signal)
            .with_context(|| format!("cannot signal {}", self.spec.name))
    }

    /// Freezes the process (SIGSTOP).
    pub fn pause(&mut self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets a frozen process go on (SIGCONT).
    pub fn resume(&mut self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Kills the process (SIGKILL) and waits for its end. No error if it has ended.
    pub fn kill(&mut self) -> Result<()> {
        if self.exit_status()?.is_none() {
            self.child.kill()?;
            self.ended = Some(self.child.wait()?);
            guard::release(self.child.id());
        }
        Ok(())
    }

    /// Asks the process to end (SIGTERM) and waits for it. Killed and an error if it takes longer than `deadline`.
    pub async fn terminate(&mut self, deadline: Duration) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        let what = format!("the end of {} after SIGTERM", self.spec.name);
        let ended = self.wait(what, deadline).await;
        if ended.is_err() {
            self.kill()?;
        }
        ended
    }

    /// Waits for the process to end by itself.
    pub async fn wait(&mut self, what: String, deadline: Duration) -> Result<ExitStatus> {
        until(what, deadline, async || self.exit_status()).await
    }

    /// Starts the process again, killed first if it still runs.
    pub fn restart(&mut self) -> Result<()> {
        self.kill()?;
        self.child = Self::spawn(&self.spec)?;
        self.ended = None;
        Ok(())
    }

    /// Changes what the next [`restart`](Self::restart) starts.
    pub fn spec_mut(&mut self) -> &mut Spec {
        &mut self.spec
    }

    /// The file with everything written to stderr.
    pub fn log_path(&self) -> PathBuf {
        self.spec.log_dir.join(format!("{}.log", self.spec.name))
    }

    /// Everything written to stderr, over all starts.
    pub fn log(&self) -> Result<String> {
        read_lossy(&self.log_path())
    }

    /// Everything written to stdout, over all starts.
    pub fn output(&self) -> Result<String> {
        read_lossy(&self.spec.log_dir.join(format!("{}.out", self.spec.name)))
    }

    /// The last lines of the log, for messages.
    pub fn log_tail(&self, lines: usize) -> String {
        let log = self.log().unwrap_or_default();
        let all: Vec<&str> = log.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    /// The resident memory in bytes, of a process that runs.
    pub fn resident_bytes(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1)).context("no VmRSS in /proc")?;
        Ok(kib.parse::<u64>()? * 1024)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing to be done about an error here; the guard tries again at our end.
        let _ = self.kill();
    }
}

fn append(path: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))
}

fn read_lossy(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
