//! The binary in an image: static, free of the builder's paths, with the list of its dependencies inside, and that list as a bill of
//! materials.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use testbed::binaries;

use super::NAME;
use crate::tools;

/// Puts the list of dependencies into the binary, where scanners of images find it.
const AUDITABLE: (&str, &str) = ("cargo-auditable", "0.7.7");
/// Reads that list in the form of `CycloneDX`.
const TO_CYCLONEDX: (&str, &str) = ("auditable2cdx", "0.1.0");

/// What was compiled.
pub struct Binary {
    /// The file.
    pub path: PathBuf,
    /// Its dependencies as a `CycloneDX` document.
    pub sbom: Vec<u8>,
}

/// Compiles the operator as it is shipped.
pub fn build(target: &str, epoch: u64) -> Result<Binary> {
    let [auditable, to_cyclonedx] =
        [AUDITABLE, TO_CYCLONEDX].map(|(name, version)| tools::installed(name, version));
    let mut command = Command::new(auditable?);
    command.current_dir(tools::root());
    command.args(["auditable", "build", "--release", "--locked", "--package", NAME, "--bin", NAME]);
    command.args(["--target", target]).env("SOURCE_DATE_EPOCH", epoch.to_string());
    command.env("CARGO_ENCODED_RUSTFLAGS", flags()?.join("\u{1f}"));
    let compiler = format!("CC_{}", target.replace('-', "_"));
    if std::env::var_os(&compiler).is_none() {
        command.env(compiler, "musl-gcc");
    }
    tools::run(&mut command)?;
    let path = binaries::target_dir().join(target).join("release").join(NAME);
    let output = Command::new(to_cyclonedx?).arg(&path).output().context("cannot run auditable2cdx")?;
    if !output.status.success() {
        bail!("auditable2cdx failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(Binary { path, sbom: output.stdout })
}

/// Flags that keep the builder's folders out of the binary. The last one that fits wins.
fn flags() -> Result<Vec<String>> {
    let cargo = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo = cargo.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let cargo = cargo.context("set CARGO_HOME")?;
    let mut folders = vec![
        (tools::root(), "/aep-operator".to_owned()),
        (binaries::target_dir(), "/target".to_owned()),
        (cargo.clone(), "/cargo".to_owned()),
    ];
    // One folder for each registry, named after it and a hash.
    for registry in fs::read_dir(cargo.join("registry/src")).into_iter().flatten() {
        folders.push((registry?.path(), "/crates".to_owned()));
    }
    Ok(folders.iter().map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display())).collect())
}
