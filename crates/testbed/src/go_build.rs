//! Builds the control plane (`hack/control-plane`), and the tools of its module, with Go, once per state of its sources and version of Go.
//!
//! The result stays in a cache, `target/control-plane` or the folder named by `AEP_CONTROL_PLANE_CACHE`. Builders that run at
//! the same time wait for each other.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use crate::binaries::{target_dir, workspace_root};
use crate::guard;

/// Names the folder that keeps built control planes.
pub const CACHE_VARIABLE: &str = "AEP_CONTROL_PLANE_CACHE";
/// Names a control plane that is built already.
pub const BINARY_VARIABLE: &str = "AEP_CONTROL_PLANE";

/// The Kubernetes version that the binary reports; `go.mod` decides what it is made from.
const KUBERNETES: (&str, &str, &str) = ("v1.37.2", "1", "37");
const REPORT_EVERY: Duration = Duration::from_secs(10);

const WITHOUT_GO: &str = "the control plane is built with Go 1.26 or newer, and `go` is not on the PATH. Two ways out: install Go \
    (https://go.dev/dl), or bring a control plane of your own: set KUBEBUILDER_ASSETS to a folder with etcd, kube-apiserver, \
    kube-controller-manager and kubectl, or AEP_TESTBED_KUBECONFIG to the kubeconfig of a cluster that may be used for tests";

/// The binary that is the control plane.
const CONTROL_PLANE: &str = "control-plane";
/// Tools that judge what the project ships, built beside it: name and package.
const TOOLS: [(&str, &str); 2] = [
    ("actionlint", "github.com/rhysd/actionlint/cmd/actionlint"),
    ("promtool", "github.com/prometheus/prometheus/cmd/promtool"),
];
/// Leaves out of promtool the clouds' SDKs, with which Prometheus finds targets.
const TAGS: &str = "remove_all_sd";

/// Returns the path of the control plane, built first where it is not in the cache.
pub fn control_plane() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(BINARY_VARIABLE) {
        let path = PathBuf::from(path);
        if !path.is_file() {
            bail!("{BINARY_VARIABLE} names {}, which is not a file", path.display());
        }
        return Ok(path);
    }
    let sources = workspace_root().join("hack/control-plane");
    let cache =
        std::env::var_os(CACHE_VARIABLE).map_or_else(|| target_dir().join("control-plane"), PathBuf::from);
    build(&sources, &cache)
}

fn build(sources: &Path, cache: &Path) -> Result<PathBuf> {
    let version = go_version()?;
    let folder = cache.join(&digest(sources, &version)?[..16]);
    let binary = folder.join(CONTROL_PLANE);
    if binary.is_file() {
        return Ok(binary);
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let lock = fs::File::create(folder.join("lock"))?;
    lock.lock().context("cannot wait for another build of the control plane")?;
    if binary.is_file() {
        return Ok(binary);
    }
    eprintln!("control plane: building with {version} (about 6 minutes on 2 cores, once)");
    let unfinished = folder.join("unfinished");
    go_build(sources, &unfinished)?;
    // The control plane goes last: where it is, everything is.
    for program in TOOLS.map(|(name, _)| name).into_iter().chain([CONTROL_PLANE]) {
        fs::rename(unfinished.join(program), folder.join(program))
            .with_context(|| format!("the Go build left no {program}"))?;
    }
    Ok(binary)
}

fn go_version() -> Result<String> {
    let output = match Command::new("go").arg("version").output() {
        Ok(output) if output.status.success() => output,
        Ok(output) => bail!("`go version` failed: {}", String::from_utf8_lossy(&output.stderr).trim()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!(WITHOUT_GO),
        Err(error) => return Err(error).context("cannot run `go version`"),
    };
    Ok(String::from_utf8_lossy(&output.stdout).trim().trim_start_matches("go version ").to_owned())
}

/// What decides the binary: the sources, the Go that compiles them and the version that is stamped in.
fn digest(sources: &Path, go_version: &str) -> Result<String> {
    let mut files: Vec<PathBuf> = fs::read_dir(sources)
        .with_context(|| format!("cannot read {}", sources.display()))?
        .collect::<std::io::Result<Vec<_>>>()?
        .into_iter()
        .map(|entry| entry.path())
        .filter(|path| {
            let kind = path.extension().and_then(OsStr::to_str);
            matches!(kind, Some("go" | "mod" | "sum"))
        })
        .collect();
    files.sort();
    let mut hasher = Sha256::new();
    hasher.update(go_version);
    hasher.update(KUBERNETES.0);
    for file in files {
        hasher.update(file.file_name().unwrap_or_default().as_encoded_bytes());
        let content = fs::read(&file)?;
        hasher.update(content.len().to_be_bytes());
        hasher.update(content);
    }
    Ok(hex(&hasher.finalize()))
}

/// Bytes as lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn go_build(sources: &Path, output: &Path) -> Result<()> {
    fs::create_dir_all(output)?;
    let (version, major, minor) = KUBERNETES;
    let stamp = "-X k8s.io/component-base/version.";
    let ldflags =
        format!("-s -w {stamp}gitVersion={version} {stamp}gitMajor={major} {stamp}gitMinor={minor}");
    let mut command = Command::new("go");
    command
        // Nobody debugs Kubernetes with this.
        .args(["build", "-v", "-buildvcs=false", "-gcflags=all=-dwarf=false", "-ldflags", &ldflags])
        .args(["-tags", TAGS, "-o"])
        .arg(output)
        .arg(".")
        .args(TOOLS.map(|(_, package)| package))
        .current_dir(sources)
        .env("CGO_ENABLED", "0")
        // The compiler is short-lived: collecting its garbage later costs memory and saves time.
        .env("GOGC", "400")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = guard::spawn(&mut command)?;
    let stderr = child.stderr.take().context("the build should have a pipe")?;
    let other = report_progress(BufReader::new(stderr));
    let status = child.wait()?;
    guard::release(child.id());
    if !status.success() {
        bail!("the Go build of the control plane failed ({status}):\n{}", other.join("\n"));
    }
    Ok(())
}

/// Counts the packages that `go build -v` names, says so now and then, and returns all other lines.
fn report_progress(lines: impl BufRead) -> Vec<String> {
    let start = Instant::now();
    let (mut compiled, mut downloaded, mut other) = (0_usize, 0_usize, Vec::new());
    let mut reported = start;
    for line in lines.lines().map_while(Result::ok) {
        if line.starts_with("go: downloading ") {
            downloaded += 1;
        } else if line.contains(' ') {
            other.push(line);
        } else {
            compiled += 1;
        }
        if reported.elapsed() > REPORT_EVERY {
            reported = Instant::now();
            let seconds = start.elapsed().as_secs();
            eprintln!(
                "control plane: {downloaded} modules fetched, {compiled} of about 3,300 packages compiled, {seconds} s"
            );
        }
    }
    other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_source_or_another_go_is_another_binary() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("main.go"), "package main").unwrap();
        let first = digest(folder.path(), "go1.26.8").unwrap();
        assert_eq!(first, digest(folder.path(), "go1.26.8").unwrap());
        assert_ne!(first, digest(folder.path(), "go1.27.0").unwrap());
        fs::write(folder.path().join("main.go"), "package main\n").unwrap();
        assert_ne!(first, digest(folder.path(), "go1.26.8").unwrap());
    }

    #[test]
    fn the_lines_of_a_failed_build_are_kept_for_the_error() {
        let output = "go: downloading example.com/x v1.0.0\nexample.com/x\n./main.go:3:1: syntax error\n";
        assert_eq!(report_progress(output.as_bytes()), ["./main.go:3:1: syntax error"]);
    }
}
