//! `cargo xtask image`: the operator as a container image, built without a daemon, and its bill of materials.
//!
//! [`binary`] compiles, [`layer`] is the file system, [`layout`] the OCI image layout around it, [`check`] runs what came out. The same
//! source and toolchain give the same digest: paths are taken out of the binary, and every time stamp is that of the commit.

mod binary;
mod check;
mod layer;
mod layout;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use testbed::binaries;

use crate::tools;
use layout::Image;

/// The user and the group that the operator runs as: the number that distroless images use for "nonroot".
const USER: u32 = 65532;
const NAME: &str = "aep-operator";

/// Flags of the command.
#[derive(clap::Args)]
pub struct Args {
    /// What to compile for; its standard library comes by `rustup target add`, its C compiler (musl-gcc) with musl-tools.
    #[arg(long, default_value = "x86_64-unknown-linux-musl")]
    target: String,
    /// Also run what the image holds, as its user, on a read-only root. Needs root itself.
    #[arg(long)]
    check: bool,
}

/// Writes `target/image/aep-operator-<version>-<platform>.{oci.tar,cdx.json}`.
pub fn run(args: &Args) -> Result<()> {
    let architecture = architecture(&args.target)?;
    let (epoch, revision) = (epoch()?, revision());
    let binary = binary::build(&args.target, epoch)?;
    let version = env!("CARGO_PKG_VERSION");
    let image = Image {
        layer: layer::layer(&fs::read(&binary.path)?, epoch)?,
        architecture,
        version,
        revision,
        epoch,
    };
    let folder = binaries::target_dir().join("image");
    fs::create_dir_all(&folder)?;
    let stem = folder.join(format!("{NAME}-{version}-linux-{architecture}"));
    let (archive, sbom) = (extended(&stem, "oci.tar"), extended(&stem, "cdx.json"));
    let (bytes, digest) = image.archive()?;
    fs::write(&archive, &bytes)?;
    fs::write(&sbom, &binary.sbom)?;
    if args.check {
        check::run(&bytes)?;
    }
    println!("binary  {:>10} bytes", fs::metadata(&binary.path)?.len());
    println!("image   {:>10} bytes  {}", bytes.len(), archive.display());
    println!("sbom    {:>10} bytes  {}", binary.sbom.len(), sbom.display());
    println!("digest  {digest}");
    Ok(())
}

/// The name of the processor in an image, from the target of the compiler.
fn architecture(target: &str) -> Result<&'static str> {
    match target.split_once('-') {
        Some(("x86_64", "unknown-linux-musl")) => Ok("amd64"),
        Some(("aarch64", "unknown-linux-musl")) => Ok("arm64"),
        _ => bail!(
            "{target}: only x86_64-unknown-linux-musl and aarch64-unknown-linux-musl give a static binary"
        ),
    }
}

/// The time of everything in the image, in seconds since 1970: `SOURCE_DATE_EPOCH`, else that of the commit.
fn epoch() -> Result<u64> {
    let text = match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => text,
        Err(_) => {
            git(&["log", "-1", "--format=%ct"]).context("set SOURCE_DATE_EPOCH outside a git checkout")?
        }
    };
    text.parse().with_context(|| format!("SOURCE_DATE_EPOCH should be seconds since 1970, and is {text:?}"))
}

/// The commit, where there is one, and whether anything differs from it.
fn revision() -> Option<String> {
    git(&["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"])
}

fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).current_dir(tools::root()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

/// Adds an extension. The version holds dots, so that `with_extension` would cut it.
fn extended(stem: &std::path::Path, extension: &str) -> PathBuf {
    let mut name = stem.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_targets_of_static_binaries_are_taken() {
        assert_eq!(architecture("aarch64-unknown-linux-musl").unwrap(), "arm64");
        assert!(architecture("x86_64-unknown-linux-gnu").unwrap_err().to_string().contains("static"));
    }
}
