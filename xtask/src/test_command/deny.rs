//! The dependency rules of `deny.toml`: licences, duplicates and sources.
//!
//! Advisories are left out: their database is fetched from elsewhere, and a test must not depend on that.

use std::process::Command;

use anyhow::Result;

use crate::tools;

/// The version that is installed where none is found.
const VERSION: &str = "0.20.2";

/// Checks, with a cargo-deny that is installed first where there is none.
pub fn run() -> Result<()> {
    let mut command = Command::new(tools::installed("cargo-deny", VERSION)?);
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
