//! Finds the workspace, its target folder and the built operator, simulator and plugin.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, bail};

/// Names a built operator.
pub const OPERATOR_VARIABLE: &str = "AEP_OPERATOR_BIN";
/// Names a built simulator.
pub const SIMULATOR_VARIABLE: &str = "AEP_SIM_BIN";

/// Names a built kubectl plugin.
pub const PLUGIN_VARIABLE: &str = "AEP_PLUGIN_BIN";

/// Which of cargo's profiles to build with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    /// Quick to build.
    Dev,
    /// As it is shipped.
    Release,
}

/// The root of the workspace.
pub fn workspace_root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap_or(root)
}

/// Cargo's target folder.
pub fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace_root().join("target"), PathBuf::from)
}

/// The operator: the one named by `AEP_OPERATOR_BIN`, else built now.
pub fn operator() -> Result<PathBuf> {
    from_variable_or_built(OPERATOR_VARIABLE, "aep-operator")
}

/// The simulator: the one named by `AEP_SIM_BIN`, else built now.
pub fn simulator() -> Result<PathBuf> {
    from_variable_or_built(SIMULATOR_VARIABLE, "aep-sim")
}

/// The kubectl plugin: the one named by `AEP_PLUGIN_BIN`, else built now.
pub fn plugin() -> Result<PathBuf> {
    from_variable_or_built(PLUGIN_VARIABLE, "kubectl-aep")
}

fn from_variable_or_built(variable: &str, package: &str) -> Result<PathBuf> {
    let Some(path) = std::env::var_os(variable) else {
        return build(package, Profile::Dev);
    };
    let path = PathBuf::from(path);
    if !path.is_file() {
        bail!("{variable} names {}, which is not a file", path.display());
    }
    Ok(path)
}

/// Builds the binary of a package with cargo, at most once per process, and returns its path.
pub fn build(package: &str, profile: Profile) -> Result<PathBuf> {
    static BUILT: Mutex<Option<HashMap<(String, Profile), PathBuf>>> = Mutex::new(None);
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let built = built.get_or_insert_default();
    let key = (package.to_owned(), profile);
    if let Some(path) = built.get(&key) {
        return Ok(path.clone());
    }
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--quiet", "--locked", "--package", package, "--bin", package]);
    if profile == Profile::Release {
        command.arg("--release");
    }
    let status = command.current_dir(workspace_root()).status().context("cannot run cargo")?;
    if !status.success() {
        bail!("cargo build of {package} failed ({status})");
    }
    let folder = if profile == Profile::Release { "release" } else { "debug" };
    let path = target_dir().join(folder).join(package);
    built.insert(key, path.clone());
    Ok(path)
}
