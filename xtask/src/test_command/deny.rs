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
    // Unoptimised, it is built in a third of the time (1:12 instead of 3:18 of processor time) and checks in two seconds.
    install.args(["install", "cargo-deny", "--debug", "--locked", "--version", VERSION, "--root"]).arg(&root);
    install.env("CARGO_PROFILE_DEV_DEBUG", "0");
    tools::run(&mut install)?;
    Ok(installed)
}
