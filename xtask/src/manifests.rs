//! `cargo xtask manifests`: the chart rendered for those who install with kubectl, kustomize or Argo CD and without Helm.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::tools;

const CHART: &str = "charts/aep-operator";
/// The values of the rendering for one namespace; both are replaced by the overlay that uses it.
const ONE_NAMESPACE: [&str; 2] = ["--set=watchNamespaces={stripe}", "--set=clusterId=unset"];
const ONE_NAMESPACE_ACCOUNT: &str = "stripe";
const SYSTEM: &str = "aep-operator-system";
const HEADER: &str = "# Rendered from charts/aep-operator by `cargo xtask manifests`: change it there.\n";

const NAMESPACE: &str = "\
apiVersion: v1
kind: Namespace
metadata:
  name: aep-operator-system
  labels:
    app.kubernetes.io/name: aep-operator
    pod-security.kubernetes.io/enforce: restricted
";

/// A folder, which holds nothing else, with the names and contents of its files.
type Folder = (&'static str, Vec<(String, String)>);

/// Writes the folders, or checks that they are as they would be written.
pub fn run(check: bool) -> Result<()> {
    for (folder, files) in [rbac()?, base()?, namespaced()?] {
        let path = tools::root().join(folder);
        if check {
            tools::compare(&path, &files, CHART, "cargo xtask manifests")?;
        } else {
            tools::write(&path, &files)?;
        }
    }
    Ok(())
}

/// The namespace and the account of the operator, and the rights of both it and the users.
fn rbac() -> Result<Folder> {
    let chart = Rendering::of(SYSTEM, &[])?;
    let account = chart.templates(&["serviceaccount"])?;
    let files = vec![
        file("00-namespace.yaml", &format!("{NAMESPACE}---\n{account}")),
        file("10-operator.yaml", &chart.templates(&["clusterrole", "lease"])?),
        file("20-users.yaml", &chart.templates(&["userroles"])?),
        kustomization(&["00-namespace.yaml", "10-operator.yaml", "20-users.yaml"]),
    ];
    Ok(("deploy/rbac", files))
}

/// Everything, for all namespaces.
fn base() -> Result<Folder> {
    let chart = Rendering::of(SYSTEM, &[])?;
    let files = vec![
        file("operator.yaml", &chart.templates(&["service", "deployment"])?),
        kustomization(&["../../crds", "../rbac", "operator.yaml"]),
    ];
    Ok(("deploy/base", files))
}

/// Everything but the CRDs, inside one namespace and without a cluster role.
fn namespaced() -> Result<Folder> {
    let chart = Rendering::of(ONE_NAMESPACE_ACCOUNT, &ONE_NAMESPACE)?;
    let templates = ["serviceaccount", "role", "lease", "service", "deployment"];
    let files = vec![file("operator.yaml", &chart.templates(&templates)?), kustomization(&["operator.yaml"])];
    Ok(("deploy/namespaced", files))
}

/// Without an extension, so that `kubectl apply --filename` passes it over.
fn kustomization(resources: &[&str]) -> (String, String) {
    let resources: Vec<String> = resources.iter().map(|name| format!("  - {name}\n")).collect();
    let head = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n";
    file("Kustomization", &format!("{head}{}", resources.concat()))
}

fn file(name: &str, content: &str) -> (String, String) {
    (name.into(), format!("{HEADER}{content}"))
}

/// The chart with some values, a file per template.
struct Rendering(tempfile::TempDir);

impl Rendering {
    fn of(namespace: &str, values: &[&str]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut helm: Command = testbed::helm()?;
        helm.args(["template", "aep-operator", CHART, "--namespace", namespace, "--output-dir"]);
        helm.arg(folder.path()).args(values).current_dir(tools::root());
        let output = helm.stdin(Stdio::null()).output().context("cannot run helm, which is needed where KUBEBUILDER_ASSETS or AEP_TESTBED_KUBECONFIG replaces our control plane")?;
        if !output.status.success() {
            bail!("helm template failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(Self(folder))
    }

    /// The objects of some templates, in that order, without what Helm says of their origin.
    fn templates(&self, names: &[&str]) -> Result<String> {
        let mut documents = Vec::new();
        for name in names {
            let file = Path::new("aep-operator/templates").join(format!("{name}.yaml"));
            let text = std::fs::read_to_string(self.0.path().join(&file))
                .with_context(|| format!("the chart renders no {}", file.display()))?;
            let text: Vec<&str> = text.lines().filter(|line| !line.starts_with("# Source: ")).collect();
            let text = format!("\n{}", text.join("\n"));
            documents.extend(text.split("\n---").map(str::trim).map(str::to_owned));
        }
        documents.retain(|document| !document.is_empty());
        Ok(format!("{}\n", documents.join("\n---\n")))
    }
}
