//! `cargo xtask crds`: the CRDs as files, one per kind, generated from the types: for kubectl and kustomize in `crds/`, with the keep
//! policy of Helm in the chart, and for readers as pages of the book.

use aep_operator::api::all_crds;
use anyhow::Result;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

use crate::{book, tools};

/// For `kubectl apply` and as a base of kustomizations.
const PLAIN: &str = "crds";
/// For the chart, which cannot read files outside itself.
const IN_CHART: &str = "charts/aep-operator/files/crds";
/// For people.
const REFERENCE: &str = "docs/reference";
/// Uninstalling a release must not delete the CRDs, and with them every custom resource.
const KEEP: (&str, &str) = ("helm.sh/resource-policy", "keep");

/// Writes the files, or checks that they are as they would be written.
pub fn run(check: bool) -> Result<()> {
    for (folder, files) in
        [(PLAIN, plain()?), (IN_CHART, in_chart()?), (REFERENCE, book::reference::pages()?)]
    {
        let path = tools::root().join(folder);
        if check {
            tools::compare(&path, &files, "src/api", "cargo xtask crds")?;
        } else {
            tools::write(&path, &files)?;
        }
    }
    Ok(())
}

/// File names and contents.
fn plain() -> Result<Vec<(String, String)>> {
    let mut files = all_crds().iter().map(file).collect::<Result<Vec<_>>>()?;
    let names: Vec<String> = files.iter().map(|(name, _)| format!("  - {name}\n")).collect();
    // Without an extension, so that `kubectl apply --filename crds` passes it over.
    let kustomization = format!(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n{}",
        names.concat()
    );
    files.push(("Kustomization".into(), kustomization));
    Ok(files)
}

fn in_chart() -> Result<Vec<(String, String)>> {
    let kept = all_crds().into_iter().map(|mut crd| {
        let annotations = crd.metadata.annotations.get_or_insert_default();
        annotations.insert(KEEP.0.into(), KEEP.1.into());
        file(&crd)
    });
    kept.collect()
}

fn file(crd: &CustomResourceDefinition) -> Result<(String, String)> {
    let value = serde_json::to_value(crd)?;
    Ok((format!("{}.yaml", crd.spec.names.plural), serde_saphyr::to_string(&value)?))
}
