//! `kubectl aep` as people run it: the built binary against a real control plane, a running operator and the simulator.

mod adopt;
mod krew;
mod orphans;
mod plan;
mod preview;
mod steer;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::support::World;
use crate::support::operators::holds_no_secret;

/// What one run of the plugin said.
#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    /// The one JSON document of a run that ended with the code.
    fn json(&self, code: i32) -> Result<Value> {
        ensure!(self.code == code, "ended with {} instead of {code}: {self:?}", self.code);
        serde_json::from_str(&self.out).with_context(|| format!("{self:?}"))
    }
}

/// Runs the plugin in the namespace and with the endpoints of a world.
async fn aep(world: &World, args: &[&str]) -> Result<Said> {
    answering(world, args, "").await
}

/// The same for a plugin that asks something.
async fn answering(world: &World, args: &[&str], answer: &str) -> Result<Said> {
    let mut plugin = Command::new(testbed::binaries::plugin()?)
        .args(args)
        .args(["--namespace", &world.namespace])
        .env("KUBECONFIG", world.plane.kubeconfig())
        .env("AEP_URL", world.sim.aep_url())
        .env("IMS_URL", world.sim.ims_url())
        .env("ALLOW_HTTP", "true")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut input = plugin.stdin.take().context("the plugin reads")?;
    // One that asks nothing may have ended before.
    let _unread = input.write_all(answer.as_bytes()).await;
    drop(input);
    let output = plugin.wait_with_output().await?;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).context("the plugin prints text");
    let said = Said {
        code: output.status.code().context("the plugin was not killed")?,
        out: text(output.stdout)?,
        err: text(output.stderr)?,
    };
    holds_no_secret("the plugin's output", &format!("{said:?}"))?;
    ensure!(!said.out.contains('\u{1b}'), "colours belong on terminals: {said:?}");
    Ok(said)
}

/// Writes manifests to a file, as a user has them.
fn file(folder: &Path, objects: &[Value]) -> Result<PathBuf> {
    let documents: Vec<String> =
        objects.iter().map(|object| Ok(serde_saphyr::to_string(object)?)).collect::<Result<_>>()?;
    let path = folder.join("manifests.yaml");
    std::fs::write(&path, documents.join("---\n"))?;
    Ok(path)
}

/// Calls of anybody that changed, or tried to change, something upstream since a sequence number.
async fn writes(world: &World, since: u64) -> Result<Vec<String>> {
    let questions = ["/ims/token/v3", "/mappingSets/validate", "/mappingSets/preview"];
    let calls = world.calls(since).await?.into_iter();
    Ok(calls
        .filter(|call| call.method != "GET" && !questions.contains(&call.endpoint.as_str()))
        .map(|call| call.line)
        .collect())
}
