//! The dependency rules of `deny.toml`: licences, duplicates and sources.
//!
//! Advisories are left out: their database is fetched from elsewhere, and a test must not depend on that.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use testbed::binaries;

use crate::tools;

/// The version that is installed where none is found.
const VERSION: &str = "0.20.2";

/// Checks, with a cargo-deny that is installed first where there is none.
pub fn run() -> Result<()> {
    let deny = cargo_deny()?;
    let mut command = Command::new(deny);
    command.current_dir(tools::root());
    tools::run(command.args([
        "--workspace",
        "--locked",
        "check",
        "--hide-inclusion-graph",
        "bans",
        "licenses",
        "sources",
    ]))
}

fn cargo_deny() -> Result<PathBuf> {
    let root = binaries::target_dir().join("tools");
    let installed = root.join("bin/cargo-deny");
    if installed.is_file() {
        return Ok(installed);
    }
    if Command::new("cargo-deny").arg("--version").output().is_ok_and(|output| output.status.success()) {
        return Ok("cargo-deny".into());
    }
    println!("installing cargo-deny {VERSION} into target/tools, once");
    let mut install = tools::cargo();
    // Unoptimised: it is built in half the time and runs for a second.
    install.args(["install", "cargo-deny", "--debug", "--locked", "--version", VERSION, "--root"]).arg(&root);
    tools::run(&mut install)?;
    Ok(installed)
}
