//! `cargo xtask import-check`: who may import whom, as a table, and what may be called or written where.
//!
//! [`rules`] is the table, [`paths`] finds the paths in a source file, [`words`] looks at all committed text. It reads text,
//! not types: good enough to keep an architecture, cheap enough to run on each change.

mod paths;
mod rules;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::tools;

/// Folders that hold nothing of ours.
const SKIPPED: [&str; 3] = ["target", ".git", "node_modules"];

/// Checks the whole workspace and prints each arrow that breaks a rule.
pub fn run() -> Result<()> {
    let root = tools::root();
    let mut files = Vec::new();
    collect(&root, &root, &mut files)?;
    files.sort();
    let mut broken = Vec::new();
    for file in &files {
        let Ok(text) = fs::read_to_string(root.join(file)) else { continue };
        if file.extension().is_some_and(|extension| extension == "rs") {
            broken.extend(rules::check(file, &text));
        }
        broken.extend(words::check(file, &text));
    }
    for line in &broken {
        println!("{line}");
    }
    if !broken.is_empty() {
        bail!(
            "{} broken rules in {} files; the table is xtask/src/import_check/rules.rs",
            broken.len(),
            files.len()
        );
    }
    println!("import-check: {} files, no broken rule", files.len());
    Ok(())
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if SKIPPED.iter().any(|name| entry.file_name() == *name) || kind.is_symlink() {
            continue;
        }
        if kind.is_dir() {
            collect(root, &path, files)?;
        } else {
            files.push(path.strip_prefix(root)?.to_owned());
        }
    }
    Ok(())
}
