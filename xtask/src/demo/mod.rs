//! `cargo xtask demo`: the operator's main job on a bare machine, and proof of what it promises.
//!
//! One module per concern: [`stage`] holds the running processes, [`objects`] the custom resources, [`upstream`] what AEP
//! holds, [`keep`] what `--keep` leaves for people. A broken promise is an error, and ends the command.

mod keep;
mod objects;
mod stage;
mod upstream;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use testbed::binaries::Profile;

use crate::report::shown;
use crate::tools;
use objects::Objects;
use stage::Stage;
use upstream::{Rows, Upstream};

/// Custom resources in `deploy/samples`.
const SAMPLES: usize = 19;
/// Generous: a machine that does other things at the same time is several times slower.
const PATIENCE: Duration = Duration::from_mins(4);

/// Flags of the command.
#[derive(clap::Args)]
pub struct Args {
    /// Leave everything running at the end, until Ctrl-C or SIGTERM, and print how to use it.
    #[arg(long)]
    keep: bool,
    /// Build the operator and the simulator as they are shipped (slower to build).
    #[arg(long)]
    release: bool,
}

/// Runs the demo. Whatever ends it, no process stays behind.
pub fn run(args: &Args) -> Result<()> {
    tools::block_on(async {
        let mut times = Times::default();
        tokio::select! {
            ended = all(args, &mut times) => ended,
            interrupted = tools::interrupted() => {
                interrupted?;
                bail!("interrupted")
            }
        }
    })
}

async fn all(args: &Args, times: &mut Times) -> Result<()> {
    let profile = if args.release { Profile::Release } else { Profile::Dev };
    println!(
        "Stripe data into Adobe Experience Platform, declared in Kubernetes: a run against a simulated AEP."
    );
    let binaries = times.phase("build operator and simulator", stage::build(profile)).await?;
    let mut stage = times.phase("start control plane and simulator", Stage::start(binaries)).await?;
    let shown = show(&mut stage, times).await;
    if let Err(error) = shown {
        stage.explain().await;
        return Err(error);
    }
    times.print(&stage);
    println!("\nEvery promise was kept.");
    if args.keep { keep::until_interrupted(&mut stage).await } else { Ok(()) }
}

async fn show(stage: &mut Stage, times: &mut Times) -> Result<()> {
    times.phase("install CRDs, rights and credentials", stage.install()).await?;
    let objects = Objects::new(stage.control_plane(), stage::NAMESPACE).await?;
    times.phase("start the operator", first_reconcile(stage, &objects)).await?;
    times.phase("one chain becomes ready", one_chain(stage, &objects)).await?;
    times.phase("all 19 objects become ready", all_ready(stage, &objects)).await?;
    let first = times.phase("look upstream", look(stage, &objects)).await?;
    times.phase("first runs", runs(stage, &objects)).await?;
    stage.measure_memory()?;
    times.phase("delete everything", delete_all(stage, &objects)).await?;
    times.phase("apply everything again", all_ready(stage, &objects)).await?;
    times.phase("look upstream again", look_again(stage, &objects, &first)).await
}

/// The base connection is there before the operator, so that its first reconcile can be timed.
async fn first_reconcile(stage: &mut Stage, objects: &Objects) -> Result<()> {
    stage.start_operator().await?;
    objects.wait_ready(1, PATIENCE).await
}

async fn one_chain(stage: &mut Stage, objects: &Objects) -> Result<()> {
    let start = Instant::now();
    stage.apply("20-charges.yaml").await?;
    objects.wait_ready(4, PATIENCE).await?;
    stage.measured("apply to Ready of one chain (3 objects)", shown(start.elapsed()));
    Ok(())
}

async fn all_ready(stage: &mut Stage, objects: &Objects) -> Result<()> {
    stage.apply_samples().await?;
    objects.wait_ready(SAMPLES, PATIENCE).await?;
    println!("{}", stage.kubectl(&["get", "aep"]).await?);
    Ok(())
}

async fn look(stage: &mut Stage, objects: &Objects) -> Result<Upstream> {
    let upstream = Upstream::read(stage.simulator()).await?;
    println!("{}", upstream.table(&objects.list().await?)?);
    Ok(upstream)
}

async fn runs(stage: &mut Stage, objects: &Objects) -> Result<()> {
    objects.wait_for_runs(PATIENCE).await?;
    println!("{}", objects.runs_table().await?);
    println!("{}", Rows::read(stage.simulator()).await?.each_once()?);
    Ok(())
}

async fn delete_all(stage: &mut Stage, objects: &Objects) -> Result<()> {
    stage.delete_samples().await?;
    objects.wait_gone(PATIENCE).await?;
    stage.wait_for_secrets_to_go(PATIENCE).await?;
    let left = Upstream::read(stage.simulator()).await?;
    println!("{}", left.table_of_retained()?);
    Ok(())
}

async fn look_again(stage: &mut Stage, objects: &Objects, first: &Upstream) -> Result<()> {
    let second = look(stage, objects).await?;
    second.reuses_what_was_retained(first).context("delete and apply must not double anything")?;
    println!("Retained schemas, field groups and datasets were taken up again; none is new.");
    objects.wait_for_runs(PATIENCE).await?;
    println!("{}", Rows::read(stage.simulator()).await?.each_once()?);
    upstream::no_duplicate_at_any_moment(stage.simulator()).await
}

/// How long each phase took.
#[derive(Default)]
struct Times {
    phases: Vec<(&'static str, Duration)>,
}

impl Times {
    async fn phase<T>(&mut self, name: &'static str, work: impl Future<Output = Result<T>>) -> Result<T> {
        println!("\n=== {name}");
        let start = Instant::now();
        let result = work.await.with_context(|| format!("in phase \"{name}\""));
        self.phases.push((name, start.elapsed()));
        result
    }

    fn print(&self, stage: &Stage) {
        println!("\n{:<44} {:>12}", "phase", "time");
        for (name, time) in &self.phases {
            println!("{name:<44} {:>12}", shown(*time));
        }
        let total = self.phases.iter().map(|(_, time)| *time).sum();
        println!("{:<44} {:>12}\n\nmeasured", "total", shown(total));
        for (what, value) in stage.measurements() {
            println!("{what:<44} {value:>12}");
        }
    }
}
