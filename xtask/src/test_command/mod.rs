//! `cargo xtask test`: everything that CI runs, with a table of phases and times at the end.
//!
//! A failed phase does not stop the others, unless they need what it makes. The Go build of the control plane goes on in the
//! background while Rust is compiled.

mod deny;

use std::path::PathBuf;
use std::process::Command;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use testbed::{binaries, go_build};

use crate::report::Report;
use crate::{book, crds, import_check, tools};

/// Environment variables that bring a control plane from elsewhere; then nothing is built with Go.
const REPLACEMENTS: [&str; 3] = ["KUBEBUILDER_ASSETS", "AEP_TESTBED_KUBECONFIG", go_build::BINARY_VARIABLE];

/// Flags of the command.
#[derive(clap::Args)]
pub struct Args {
    /// Run only the phases whose names contain this word. May be given several times.
    #[arg(long, value_name = "WORD")]
    only: Vec<String>,
    /// Leave out the phases whose names contain this word. May be given several times.
    #[arg(long, value_name = "WORD")]
    skip: Vec<String>,
}

impl Args {
    fn wants(&self, phase: &str) -> bool {
        let any = |words: &[String]| words.iter().any(|word| phase.contains(word.as_str()));
        (self.only.is_empty() || any(&self.only)) && !any(&self.skip)
    }
}

/// Runs the phases.
pub fn run(args: &Args) -> Result<()> {
    let mut report = Report::new(|phase| args.wants(phase));
    let go = args.wants("control plane build").then(GoBuild::start);
    report.phase("fmt", || tools::run(tools::cargo().args(["fmt", "--all", "--check"])));
    report.phase("gofmt", gofmt);
    report.phase("import-check", import_check::run);
    report.phase("crds", || crds::run(true));
    report.phase("book", book::check);
    report.phase("clippy", || {
        tools::run(tools::cargo().args([
            "clippy",
            "--locked",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]))
    });
    let compiled = report.phase("compile", compile);
    report.phase("deny", deny::run);
    let control_plane = go.map_or(ControlPlane::AsFound, |go| go.finish(&mut report));
    report.phase("manifests", || manifests(&control_plane));
    match compiled {
        Some(false) => report.skipped("test", "the code did not compile"),
        _ => {
            report.phase("test", || test(&control_plane));
        }
    }
    report.finish()
}

/// Compiles everything that the tests run, so that only running is left when the control plane is there. One call for all: a second one
/// with other targets would have other features of the dependencies, and compile most of them again.
fn compile() -> Result<()> {
    tools::run(tools::cargo().args(["build", "--locked", "--workspace", "--all-targets"]))
}

/// helm is a part of the control plane, so that this needs it as well.
fn manifests(control_plane: &ControlPlane) -> Result<()> {
    let mut command = tools::cargo();
    command.args(["xtask", "manifests", "--check"]);
    tools::run(control_plane.name_to(&mut command))
}

fn test(control_plane: &ControlPlane) -> Result<()> {
    let built = |package| binaries::target_dir().join("debug").join(package);
    let mut command = tools::cargo();
    command
        .args(["test", "--locked", "--workspace", "--no-fail-fast"])
        .env(binaries::OPERATOR_VARIABLE, built("aep-operator"))
        .env(binaries::SIMULATOR_VARIABLE, built("aep-sim"))
        .env(binaries::PLUGIN_VARIABLE, built("kubectl-aep"))
        // Cluster tests wait for other processes half of their time.
        .env("RUST_TEST_THREADS", "6");
    tools::run(control_plane.name_to(&mut command))
}

/// What the tests have for a control plane.
enum ControlPlane {
    Built(PathBuf),
    Failed,
    /// Brought by the environment, or left to the tests.
    AsFound,
}

impl ControlPlane {
    fn name_to<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        match self {
            Self::Built(path) => command.env(go_build::BINARY_VARIABLE, path),
            // Cluster tests then fail at once and say so, instead of building again one after the other.
            Self::Failed => command.env(go_build::BINARY_VARIABLE, "the control plane that was not built"),
            Self::AsFound => command,
        }
    }
}

/// The form of the one Go file. `go vet` would compile all of Kubernetes a second time for it.
fn gofmt() -> Result<()> {
    let mut gofmt = Command::new("gofmt");
    let output = match gofmt.args(["-l", "."]).current_dir(tools::root().join("hack/control-plane")).output()
    {
        Ok(output) => output,
        Err(_) if REPLACEMENTS.iter().any(|name| std::env::var_os(name).is_some()) => return Ok(()),
        Err(error) => return Err(error).context("cannot run gofmt, which comes with Go"),
    };
    let unformatted = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() || !unformatted.is_empty() {
        bail!("run gofmt -w in hack/control-plane: {unformatted}");
    }
    Ok(())
}

/// The Go build in its own thread.
enum GoBuild {
    Replaced(&'static str),
    Running(JoinHandle<(Result<PathBuf>, Duration)>),
}

impl GoBuild {
    fn start() -> Self {
        let given =
            REPLACEMENTS.into_iter().find(|name| std::env::var_os(name).is_some_and(|v| !v.is_empty()));
        if let Some(name) = given {
            return Self::Replaced(name);
        }
        Self::Running(thread::spawn(|| {
            let start = Instant::now();
            (go_build::control_plane(), start.elapsed())
        }))
    }

    fn finish(self, report: &mut Report<'_>) -> ControlPlane {
        let running = match self {
            Self::Replaced(name) => {
                report.skipped("control plane build", &format!("replaced by {name}"));
                return ControlPlane::AsFound;
            }
            Self::Running(running) => running,
        };
        let ended = running.join().map_err(|_| anyhow!("the thread of the build panicked"));
        let (built, time) = ended.unwrap_or_else(|error| (Err(error), Duration::ZERO));
        let built = built.context("the control plane could not be built");
        report.ended(
            "control plane build",
            built.as_ref().map(|_| ()).map_err(|error| format!("{error:#}")),
            time,
        );
        built.map_or(ControlPlane::Failed, ControlPlane::Built)
    }
}
