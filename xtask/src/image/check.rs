//! Runs what an image holds: unpacked from the finished archive, as the image's user, on a read-only root that holds nothing else.

use std::process::{Command, Stdio};

use aep_operator::api::all_crds;
use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use super::{NAME, USER, layout};

/// Mounts are seen by these commands only, and end with them.
const SCRIPT: &str = r#"mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && exec chroot --userspec="$2:$2" "$1" "$3" "$4""#;

/// Unpacks the archive and runs the operator in it.
pub fn run(archive: &[u8]) -> Result<()> {
    let (config, layer) = layout::read(archive)?;
    ensure!(config["config"]["User"] == format!("{USER}:{USER}"), "the image names its user");
    let root = tempfile::tempdir()?;
    tar::Archive::new(flate2::read::GzDecoder::new(layer.as_slice())).unpack(root.path())?;
    let user = USER.to_string();
    let program = format!("/{NAME}");
    let in_image = |argument: &str| -> Result<Vec<u8>> {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-euc", SCRIPT, "sh"]).arg(root.path());
        command.args([&user, &program, argument]).stdin(Stdio::null());
        let output = command.output().context("cannot run unshare, which comes with util-linux")?;
        if !output.status.success() {
            bail!("the image does not run `{argument}`: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(output.stdout)
    };
    let printed: Value = serde_json::from_slice(&in_image("crds")?)?;
    ensure!(printed["items"] == json!(all_crds()), "the image prints other CRDs than those of this source");
    print!("runs as {USER} on a read-only root: {}", String::from_utf8_lossy(&in_image("--version")?));
    Ok(())
}
