//! What several commands need: the root, an async runtime, signals, generated files, and running other programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use tokio::signal::unix::{SignalKind, signal};

/// The root of the workspace.
pub fn root() -> PathBuf {
    testbed::binaries::workspace_root()
}

/// Cargo, as it was called.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// A program that comes from crates.io: the one in `target/tools`, else the one on the PATH, else installed into `target/tools` now.
pub fn installed(name: &str, version: &str) -> Result<PathBuf> {
    let folder = testbed::binaries::target_dir().join("tools");
    let program = folder.join("bin").join(name);
    if program.is_file() {
        return Ok(program);
    }
    if Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success()) {
        return Ok(name.into());
    }
    println!("installing {name} {version} into target/tools, once");
    let mut install = cargo();
    // Unoptimised, cargo-deny is built in a third of the time (1:12 instead of 3:18 of processor time) and checks in two seconds.
    install.args(["install", name, "--debug", "--locked", "--version", version, "--root"]).arg(&folder);
    install.env("CARGO_PROFILE_DEV_DEBUG", "0");
    run(&mut install)?;
    Ok(program)
}

/// Runs the async part of a command. What it has left in the background does not hold up the end.
pub fn block_on(work: impl Future<Output = Result<()>>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(work);
    runtime.shutdown_background();
    result
}

/// Waits for Ctrl-C or SIGTERM.
pub async fn interrupted() -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// Runs a program with its output shown. An end other than success is an error.
pub fn run(command: &mut Command) -> Result<()> {
    let shown = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("cannot run {shown}"))?;
    if !status.success() {
        bail!("{shown} ended with {status}");
    }
    Ok(())
}

/// Writes generated files into a folder that holds nothing else.
pub fn write(folder: &Path, files: &[(String, String)]) -> Result<()> {
    fs::create_dir_all(folder)?;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if !files.iter().any(|(name, _)| path.ends_with(name)) {
            fs::remove_file(&path)?;
            println!("removed {}", path.display());
        }
    }
    for (name, content) in files {
        let path = folder.join(name);
        if fs::read_to_string(&path).is_ok_and(|old| old == *content) {
            continue;
        }
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        println!("wrote {}", path.display());
    }
    Ok(())
}

/// Fails and shows the difference if a folder is not as [`write()`] would leave it.
pub fn compare(folder: &Path, files: &[(String, String)], source: &str, command: &str) -> Result<()> {
    let expected = tempfile::tempdir()?;
    for (name, content) in files {
        fs::write(expected.path().join(name), content)?;
    }
    // Exit code 1 means that there are differences, anything above that they could not be found.
    let diff = Command::new("diff").arg("-ruN").arg(folder).arg(expected.path()).output();
    let diff = diff.context("cannot run diff")?;
    match diff.status.code() {
        Some(0) => Ok(()),
        Some(1) => {
            print!("{}", String::from_utf8_lossy(&diff.stdout));
            bail!(
                "{} is not as generated from {source}: run `{command}` and commit the result",
                folder.display()
            )
        }
        _ => bail!("diff failed: {}", String::from_utf8_lossy(&diff.stderr)),
    }
}
