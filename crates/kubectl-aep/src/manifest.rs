//! Manifests of our four kinds, from files, folders or standard input.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use aep_operator::api::{
    GROUP, IngestionFlow, IngestionMapping, StripeBaseConnection, StripeSourceConnection,
};
use anyhow::{Context as _, Result, bail};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// One custom resource, as its type and as it was written.
#[derive(Debug, Clone, PartialEq)]
pub enum Manifest {
    /// A `StripeBaseConnection`.
    Base(Box<StripeBaseConnection>, Value),
    /// A `StripeSourceConnection`.
    Source(Box<StripeSourceConnection>, Value),
    /// An `IngestionMapping`.
    Mapping(Box<IngestionMapping>, Value),
    /// An `IngestionFlow`.
    Flow(Box<IngestionFlow>, Value),
}

/// Reads all of our kinds; other objects are left out. References come first.
pub fn read(files: &[PathBuf]) -> Result<Vec<Manifest>> {
    let mut found = Vec::new();
    for file in files {
        for file in files_of(file)? {
            let manifests = parse(&text(&file)?).with_context(|| format!("reading {}", file.display()))?;
            found.extend(manifests);
        }
    }
    found.sort_by_key(Manifest::order);
    Ok(found)
}

impl Manifest {
    fn order(&self) -> u8 {
        match self {
            Self::Base(..) => 0,
            Self::Source(..) => 1,
            Self::Mapping(..) => 2,
            Self::Flow(..) => 3,
        }
    }
}

/// A file, or the YAML and JSON files of a folder in their order.
fn files_of(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = std::fs::read_dir(path).with_context(|| format!("reading {}", path.display()))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files
        .retain(|file| file.extension().is_some_and(|ext| ["yaml", "yml", "json"].iter().any(|e| ext == *e)));
    files.sort();
    Ok(files)
}

/// The text of a file; a dash stands for standard input.
pub fn text(file: &Path) -> Result<String> {
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    read.with_context(|| format!("reading {}", file.display()))
}

fn parse(text: &str) -> Result<Vec<Manifest>> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text)?;
    documents.into_iter().flat_map(items).filter(is_ours).map(typed).collect()
}

/// The objects of a `List`, which is what kubectl prints of several, or the one object.
fn items(mut document: Value) -> Vec<Value> {
    match document.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => items,
        _ => vec![document],
    }
}

fn is_ours(document: &Value) -> bool {
    document["apiVersion"].as_str().is_some_and(|version| version.split('/').next() == Some(GROUP))
}

fn typed(document: Value) -> Result<Manifest> {
    let kind = document["kind"].as_str().unwrap_or_default().to_owned();
    let name = document["metadata"]["name"].as_str().context("an object has no metadata.name")?;
    let named = format!("{kind} {name}");
    let manifest = match kind.as_str() {
        "StripeBaseConnection" => Manifest::Base(of(&document, &named)?, document),
        "StripeSourceConnection" => Manifest::Source(of(&document, &named)?, document),
        "IngestionMapping" => Manifest::Mapping(of(&document, &named)?, document),
        "IngestionFlow" => Manifest::Flow(of(&document, &named)?, document),
        _ => bail!("{kind} is none of the operator's kinds"),
    };
    Ok(manifest)
}

fn of<K: DeserializeOwned>(document: &Value, named: &str) -> Result<Box<K>> {
    K::deserialize(document).map(Box::new).with_context(|| named.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
apiVersion: ingestion.aep-operator.io/v1alpha1
kind: StripeSourceConnection
metadata: {name: charges}
spec: {baseConnectionRef: {name: eu}, resourcePath: charges}
---
apiVersion: v1
kind: Secret
metadata: {name: stripe}
";

    #[test]
    fn other_kinds_are_left_out() {
        let found = parse(FILE).expect("manifests");
        assert!(matches!(found.as_slice(), [Manifest::Source(..)]), "{found:?}");
    }

    #[test]
    fn a_list_is_as_good_as_its_items() {
        let items: Vec<Value> = serde_saphyr::from_multiple(FILE).expect("documents");
        let list = serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": items });
        assert_eq!(parse(&list.to_string()).expect("manifests"), parse(FILE).expect("manifests"));
    }

    #[test]
    fn a_manifest_that_does_not_fit_its_type_is_named() {
        let error =
            parse(&FILE.replace("resourcePath: charges", "resourcePath: coupons")).expect_err("refused");
        assert!(format!("{error:#}").contains("StripeSourceConnection charges"), "{error:#}");
    }
}
