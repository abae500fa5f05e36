//! `--keep`: what people and programs need to use what the demo leaves running, and its end.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::stage::{NAMESPACE, Stage};
use crate::tools;

const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Writes `env` and `run-operator`, prints how to use them, and waits. A process that ends meanwhile is said, not repaired.
pub async fn until_interrupted(stage: &mut Stage) -> Result<()> {
    let (env, script) = (stage.folder().join("env"), stage.folder().join("run-operator"));
    write_env(stage, &env)?;
    write_script(stage, &env, &script)?;
    println!("\nEverything keeps running until Ctrl-C. In another terminal:\n");
    println!("  . {}", env.display());
    println!("  $KUBECTL get aep --namespace {NAMESPACE}");
    println!("  curl $AEP_URL/_sim/                # the simulator's control API");
    println!("  kill -9 $OPERATOR_PID; {}   # the operator can be killed at any time", script.display());
    println!("\nLogs are in {}.", stage.folder().display());
    tokio::select! {
        interrupted = tools::interrupted() => interrupted?,
        failed = watch(stage) => failed?,
    }
    println!("Stopping.");
    Ok(())
}

/// Reaps what was killed, so that its process id is really gone. Ends only with an error.
async fn watch(stage: &mut Stage) -> Result<()> {
    let mut operator_ran = true;
    loop {
        let runs = stage.operator()?.process().is_running()?;
        if operator_ran && !runs {
            println!(
                "The operator has ended. {} starts it again.",
                stage.folder().join("run-operator").display()
            );
        }
        operator_ran = runs;
        if !stage.simulator().process().is_running()? {
            bail!("the simulator has ended");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Shell assignments.
fn write_env(stage: &mut Stage, path: &Path) -> Result<()> {
    let control_plane = stage.control_plane();
    let kubeconfig = control_plane.kubeconfig().display().to_string();
    let kubectl = control_plane.kubectl_path().display().to_string();
    let simulator = stage.simulator();
    let (aep_url, ims_url, sim_pid) = (simulator.aep_url(), simulator.ims_url(), simulator.process().pid());
    let operator_pid = stage.operator()?.process().pid();
    let text = format!(
        "KUBECONFIG={}\nKUBECTL={}\nAEP_URL={aep_url}\nIMS_URL={ims_url}\nSIM_PID={sim_pid}\nOPERATOR_PID={operator_pid}\n\
         export KUBECONFIG KUBECTL AEP_URL IMS_URL SIM_PID OPERATOR_PID\n",
        quoted(&kubeconfig),
        quoted(&kubectl),
    );
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// A script that starts the operator as it was started here. What it starts ends with the demo.
fn write_script(stage: &mut Stage, env: &Path, path: &Path) -> Result<()> {
    let demo = std::process::id();
    let operator = stage.operator()?.process();
    let log = operator.log_path();
    let spec = operator.spec();
    let words = std::iter::once(spec.program.as_os_str()).chain(spec.args.iter().map(AsRef::as_ref));
    let words: Vec<String> = words.map(|word| quoted(&word.to_string_lossy())).collect();
    let text = format!(
        r#"#!/bin/sh
# Starts the operator of the demo again, in the background, after it was killed. With --foreground it takes this process.
# Its process id goes to the file env. It ends with the demo.
set -eu
export KUBECONFIG={kubeconfig}
set -- "${{1:-}}" {words}
mode=$1
shift
# A guard that held the output of this script would keep its reader waiting.
guard() {{
  exec > /dev/null 2>&1 < /dev/null
  while kill -0 {demo} 2>/dev/null && kill -0 "$1" 2>/dev/null; do sleep 1; done
  kill -0 {demo} 2>/dev/null || kill -9 "$1" 2>/dev/null || true
}}
note() {{
  sed "s/^OPERATOR_PID=.*/OPERATOR_PID=$1/" {env} > {env}.new && mv {env}.new {env}
}}
if [ "$mode" = --foreground ]; then
  note $$
  guard $$ &
  exec "$@"
fi
"$@" > /dev/null 2>> {log} < /dev/null &
pid=$!
note "$pid"
guard "$pid" &
echo "OPERATOR_PID=$pid"
"#,
        kubeconfig = quoted(&stage.operator_kubeconfig().to_string_lossy()),
        words = words.join(" "),
        env = quoted(&env.to_string_lossy()),
        log = quoted(&log.to_string_lossy()),
    );
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
}

/// A word for a POSIX shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
