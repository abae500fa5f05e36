//! `cargo xtask crds`: the CRDs as files, one per kind, generated from the types.

use std::fs;
use std::path::Path;
use std::process::Command;

use aep_operator::api::all_crds;
use anyhow::{Context as _, Result, bail};

use crate::tools;

/// Writes the files, or checks that they are as they would be written.
pub fn run(check: bool) -> Result<()> {
    let folder = tools::root().join("crds");
    if check { compare(&folder) } else { write(&folder) }
}

/// File names and contents.
fn generated() -> Result<Vec<(String, String)>> {
    all_crds()
        .into_iter()
        .map(|crd| {
            let name = format!("{}.yaml", crd.spec.names.plural);
            let value = serde_json::to_value(&crd)?;
            Ok((name, serde_saphyr::to_string(&value)?))
        })
        .collect()
}

fn write(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let files = generated()?;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if !files.iter().any(|(name, _)| path.ends_with(name)) {
            fs::remove_file(&path)?;
            println!("removed {}", path.display());
        }
    }
    for (name, content) in files {
        let path = folder.join(&name);
        if fs::read_to_string(&path).is_ok_and(|old| old == content) {
            continue;
        }
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        println!("wrote crds/{name}");
    }
    Ok(())
}

fn compare(folder: &Path) -> Result<()> {
    let expected = tempfile::tempdir()?;
    for (name, content) in generated()? {
        fs::write(expected.path().join(name), content)?;
    }
    // Exit code 1 means that there are differences, anything above that they could not be found.
    let diff = Command::new("diff").arg("-ruN").arg(folder).arg(expected.path()).output();
    let diff = diff.context("cannot run diff")?;
    match diff.status.code() {
        Some(0) => Ok(()),
        Some(1) => {
            print!("{}", String::from_utf8_lossy(&diff.stdout));
            bail!("crds/ is not as generated from src/api: run `cargo xtask crds` and commit the result")
        }
        _ => bail!("diff failed: {}", String::from_utf8_lossy(&diff.stderr)),
    }
}
