//! Where the programs of a control plane come from: our own binary, the folder of `KUBEBUILDER_ASSETS`, or the PATH.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::go_build;
use crate::process::PROXY_VARIABLES;

/// Names a folder with etcd, kube-apiserver, kube-controller-manager and kubectl.
const ASSETS_VARIABLE: &str = "KUBEBUILDER_ASSETS";
const NEEDED: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"];

/// Programs by name.
#[derive(Clone, Debug)]
pub(super) enum Programs {
    /// One binary that is told by its first argument which program to be.
    One(PathBuf),
    /// A binary per program in a folder; helm from the PATH where it is not there.
    Folder(PathBuf),
    /// Clients from the PATH, for an external cluster.
    OnPath,
}

impl Programs {
    pub(super) fn find(binary: Option<PathBuf>) -> Result<Self> {
        if let Some(binary) = binary {
            return Ok(Self::One(binary));
        }
        match std::env::var_os(ASSETS_VARIABLE) {
            Some(folder) if !folder.is_empty() => Self::in_folder(PathBuf::from(folder)),
            _ => go_build::control_plane().map(Self::One),
        }
    }

    pub(super) fn on_path() -> Self {
        Self::OnPath
    }

    fn in_folder(folder: PathBuf) -> Result<Self> {
        let missing: Vec<&str> = NEEDED.into_iter().filter(|name| !folder.join(name).is_file()).collect();
        if !missing.is_empty() {
            bail!(
                "{ASSETS_VARIABLE} names {}, which lacks {}. (kube-controller-manager is not part of the archives that \
                 setup-envtest fetches; it is needed here, because namespaces are deleted and service accounts made by \
                 it.) Unset {ASSETS_VARIABLE} to have everything built with Go",
                folder.display(),
                missing.join(", ")
            );
        }
        Ok(Self::Folder(folder))
    }

    /// The program and its first arguments.
    pub(super) fn program(&self, name: &str) -> (PathBuf, Vec<OsString>) {
        match self {
            Self::One(binary) => (binary.clone(), vec![name.into()]),
            Self::Folder(folder) if folder.join(name).is_file() => (folder.join(name), Vec::new()),
            Self::Folder(_) | Self::OnPath => (name.into(), Vec::new()),
        }
    }

    /// A program of its own beside these.
    pub(super) fn tool(&self, name: &str) -> PathBuf {
        let beside = match self {
            Self::One(binary) => binary.with_file_name(name),
            Self::Folder(folder) => folder.join(name),
            Self::OnPath => return name.into(),
        };
        if beside.is_file() { beside } else { name.into() }
    }

    /// A client of the cluster, with nothing from the home folder of whoever runs it.
    pub(super) fn command(&self, name: &str, kubeconfig: &Path, folder: &Path) -> Command {
        let (program, args) = self.program(name);
        let mut command = Command::new(program);
        command.args(args).env("KUBECONFIG", kubeconfig);
        for (variable, value) in private_homes(folder) {
            command.env(variable, value);
        }
        for variable in PROXY_VARIABLES {
            command.env_remove(variable);
        }
        command
    }

    /// Writes `bin/kubectl` and `bin/helm`: scripts for people and for other programs.
    pub(super) fn write_tools(&self, folder: &Path, kubeconfig: &Path) -> Result<()> {
        let bin = folder.join("bin");
        fs::create_dir_all(&bin)?;
        for name in ["kubectl", "helm"] {
            let (program, args) = self.program(name);
            let kubeconfig = (String::from("KUBECONFIG"), kubeconfig.to_owned());
            let mut lines = vec![String::from("#!/bin/sh")];
            lines.extend(
                private_homes(folder).into_iter().chain([kubeconfig]).map(|(variable, value)| {
                    format!("export {variable}={}", quoted(&value.to_string_lossy()))
                }),
            );
            let words = std::iter::once(program.into_os_string()).chain(args);
            let words: Vec<String> = words.map(|word| quoted(&word.to_string_lossy())).collect();
            lines.push(format!("exec {} \"$@\"\n", words.join(" ")));
            let script = lines.join("\n");
            let path = bin.join(name);
            fs::write(&path, script).with_context(|| format!("cannot write {}", path.display()))?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        }
        Ok(())
    }
}

fn private_homes(folder: &Path) -> Vec<(String, PathBuf)> {
    vec![
        ("KUBECACHEDIR".into(), folder.join("cache/kubectl")),
        ("HELM_CACHE_HOME".into(), folder.join("cache/helm")),
        ("HELM_CONFIG_HOME".into(), folder.join("cache/helm-config")),
        ("HELM_DATA_HOME".into(), folder.join("cache/helm-data")),
    ]
}

/// A word for a POSIX shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_the_controller_manager_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["etcd", "kube-apiserver", "kubectl"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let error = Programs::in_folder(folder.path().to_owned()).unwrap_err().to_string();
        assert!(error.contains("lacks kube-controller-manager."), "{error}");
    }

    #[test]
    fn words_with_quotes_survive_the_shell() {
        let output =
            Command::new("sh").arg("-c").arg(format!("printf %s {}", quoted("a'b c"))).output().unwrap();
        assert_eq!(output.stdout, b"a'b c");
    }
}
