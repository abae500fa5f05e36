//! The processes of the demo and what is done to the cluster: install, apply, delete.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use testbed::binaries::{self, Profile};
use testbed::{ControlPlane, Operator, OperatorOptions, Options, Simulator, SimulatorOptions, until};

use crate::tools;

/// The namespace of the samples.
pub const NAMESPACE: &str = "stripe";
/// The namespace and the service account of the operator.
const OPERATOR: (&str, &str) = ("aep-operator-system", "aep-operator");
/// Short, so that runs show in status while people watch.
const DRIFT_INTERVAL: &str = "5s";

/// Built programs.
pub struct Binaries {
    operator: PathBuf,
    simulator: PathBuf,
    profile: Profile,
}

/// Builds operator and simulator.
pub async fn build(profile: Profile) -> Result<Binaries> {
    tokio::task::spawn_blocking(move || {
        let operator = binaries::build("aep-operator", profile)?;
        let simulator = binaries::build("aep-sim", profile)?;
        Ok(Binaries { operator, simulator, profile })
    })
    .await?
}

/// What runs.
pub struct Stage {
    binaries: Binaries,
    operator: Option<Operator>,
    simulator: Simulator,
    control_plane: ControlPlane,
    folder: PathBuf,
    kubeconfig: PathBuf,
    measurements: Vec<(&'static str, String)>,
}

impl Stage {
    /// Starts control plane and simulator side by side. Logs go to `target/demo`.
    pub async fn start(binaries: Binaries) -> Result<Self> {
        let folder = binaries::target_dir().join("demo");
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        let options = SimulatorOptions {
            program: Some(binaries.simulator.clone()),
            log_dir: Some(folder.clone()),
            ..SimulatorOptions::default()
        };
        let (control_plane, simulator) =
            tokio::try_join!(ControlPlane::start(Options::default()), Simulator::start(options))?;
        println!("control plane {}, simulator {}", control_plane.server(), simulator.aep_url());
        let mut measurements = Vec::new();
        let size = std::fs::metadata(&binaries.operator)?.len();
        let what = match binaries.profile {
            Profile::Dev => "size of the operator (debug build)",
            Profile::Release => "size of the operator",
        };
        measurements.push((what, megabytes(size)));
        let kubeconfig = control_plane.kubeconfig().to_owned();
        Ok(Self { binaries, operator: None, simulator, control_plane, folder, kubeconfig, measurements })
    }

    /// The control plane.
    pub fn control_plane(&self) -> &ControlPlane {
        &self.control_plane
    }

    /// The simulator.
    pub fn simulator(&mut self) -> &mut Simulator {
        &mut self.simulator
    }

    /// The operator, once it is started.
    pub fn operator(&mut self) -> Result<&mut Operator> {
        self.operator.as_mut().context("the operator should have been started")
    }

    /// The folder for logs and for what `--keep` writes.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The kubeconfig of the operator's service account.
    pub fn operator_kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// CRDs, rights, the namespace, and in it the Secrets and the base connection.
    pub async fn install(&mut self) -> Result<()> {
        let apply = ["apply", "--server-side", "--filename"];
        for folder in ["crds", "deploy/rbac"] {
            let path = tools::root().join(folder);
            print!("{}", self.kubectl(&[&apply[..], &[&path.to_string_lossy()]].concat()).await?);
        }
        self.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]).await?;
        self.control_plane.run_kubectl(["create", "namespace", NAMESPACE]).await?;
        for file in ["00-secrets.yaml", "10-base-connection.yaml"] {
            self.apply(file).await?;
        }
        self.kubeconfig = self.control_plane.service_account_kubeconfig(OPERATOR.0, OPERATOR.1).await?;
        Ok(())
    }

    /// Starts the operator as its service account, and times its start.
    pub async fn start_operator(&mut self) -> Result<()> {
        let mut options =
            OperatorOptions::new(&self.kubeconfig, self.simulator.aep_url(), self.simulator.ims_url());
        options.program = Some(self.binaries.operator.clone());
        options.cluster_id = Some("demo".into());
        options.log_dir = Some(self.folder.clone());
        options.args = vec!["--drift-interval".into(), DRIFT_INTERVAL.into()];
        let clock = self.simulator.get("clock").await?["realMs"].as_i64();
        let start = Instant::now();
        self.operator = Some(Operator::start(options)?);
        self.operator()?.ready(Duration::from_mins(1)).await?;
        self.measured("start to ready", format!("{} ms", start.elapsed().as_millis()));
        let first = until("the operator's first call to AEP", Duration::from_mins(1), async || {
            Ok(self.simulator.journal(0).await?["entries"][0]["realMs"].as_i64())
        })
        .await?;
        let took = first - clock.context("the simulator's clock should be a number")?;
        self.measured("start to first reconcile (first call to AEP)", format!("{took} ms"));
        Ok(())
    }

    /// Applies one file of the samples.
    pub async fn apply(&self, file: &str) -> Result<()> {
        let path = samples().join(file);
        print!("{}", self.kubectl(&["apply", "--filename", &path.to_string_lossy()]).await?);
        Ok(())
    }

    /// Applies all samples.
    pub async fn apply_samples(&self) -> Result<()> {
        self.kubectl(&["apply", "--kustomize", &samples().to_string_lossy()]).await.map(drop)
    }

    /// Deletes all samples, Secrets included, in whatever order the API server takes them.
    pub async fn delete_samples(&self) -> Result<()> {
        let samples = samples();
        self.kubectl(&["delete", "--wait=false", "--kustomize", &samples.to_string_lossy()]).await.map(drop)
    }

    /// Secrets in use are held by a finalizer, which must go as well.
    pub async fn wait_for_secrets_to_go(&self, deadline: Duration) -> Result<()> {
        until("the Secrets to go", deadline, async || {
            Ok(self.kubectl(&["get", "secrets", "--output", "name"]).await?.trim().is_empty().then_some(()))
        })
        .await
    }

    /// Runs kubectl in the namespace of the samples.
    pub async fn kubectl(&self, args: &[&str]) -> Result<String> {
        self.control_plane.run_kubectl(["--namespace", NAMESPACE].iter().chain(args)).await
    }

    /// Notes a measurement for the table at the end.
    pub fn measured(&mut self, what: &'static str, value: String) {
        self.measurements.push((what, value));
    }

    /// Notes the resident memory of the operator.
    pub fn measure_memory(&mut self) -> Result<()> {
        let bytes = self.operator()?.process().resident_bytes()?;
        self.measured("resident memory with 19 objects at rest", megabytes(bytes));
        Ok(())
    }

    /// All measurements.
    pub fn measurements(&self) -> &[(&'static str, String)] {
        &self.measurements
    }

    /// After a failure: what is not ready, and what the operator said last.
    pub async fn explain(&mut self) {
        if let Ok(wide) = self.kubectl(&["get", "aep", "--output", "wide"]).await {
            println!("\n{wide}");
        }
        if let Ok(operator) = self.operator() {
            println!("\nLast lines of the operator:\n{}", operator.process().log_tail(20));
        }
        println!("\nAll logs are in {}.", self.folder.display());
    }
}

fn samples() -> PathBuf {
    tools::root().join("deploy/samples")
}

fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000)
}
