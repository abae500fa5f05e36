//! The samples: what they promise, and that they read back as they were written.

use std::collections::BTreeMap;

use aep_operator::api::{
    IngestionFlow, IngestionMapping, StripeBaseConnection, StripeSourceConnection, all_crds,
};
use kube::core::cel::Validator;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::crds::{repository, schema_of};

/// The objects of all sample files, in the order in which `kubectl apply` reads them.
pub fn objects() -> Vec<Value> {
    let mut files: Vec<_> = std::fs::read_dir(repository("deploy/samples"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    files.iter().flat_map(|file| documents(&std::fs::read_to_string(file).unwrap())).collect()
}

fn documents(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap()
}

fn kind(object: &Value) -> &str {
    object["kind"].as_str().unwrap()
}

#[test]
fn there_are_two_secrets_and_a_chain_for_each_resource_of_one_account() {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for object in objects() {
        *kinds.entry(kind(&object).to_owned()).or_default() += 1;
    }
    let expected = [
        ("IngestionFlow", 6),
        ("IngestionMapping", 6),
        ("Secret", 2),
        ("StripeBaseConnection", 1),
        ("StripeSourceConnection", 6),
    ];
    assert_eq!(kinds, expected.map(|(kind, count)| (kind.to_owned(), count)).into());
}

#[test]
fn kustomize_and_kubectl_read_the_same_files() {
    let text = std::fs::read_to_string(repository("deploy/samples/Kustomization")).unwrap();
    let listed: Vec<_> = documents(&text)[0]["resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file.as_str().unwrap().to_owned())
        .collect();
    let mut files: Vec<_> = std::fs::read_dir(repository("deploy/samples"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "Kustomization")
        .collect();
    files.sort();
    assert_eq!(listed, files);
}

#[test]
fn every_sample_is_accepted_by_the_rules_and_names_no_namespace() {
    for object in objects() {
        assert!(object["metadata"].get("namespace").is_none());
        if all_crds().iter().any(|crd| crd.spec.names.kind == kind(&object)) {
            let verdict = Validator::new().validate(&schema_of(kind(&object)), &object, None);
            assert_eq!(verdict, Ok(()), "{object}");
        }
    }
}

#[test]
fn every_reference_in_the_samples_leads_to_a_sample() {
    let names: Vec<_> = objects()
        .iter()
        .map(|object| (kind(object).to_owned(), object["metadata"]["name"].clone()))
        .collect();
    let mut seen = 0;
    for object in objects() {
        for (field, to) in [
            ("platformCredentialsSecretRef", "Secret"),
            ("stripeCredentialsSecretRef", "Secret"),
            ("baseConnectionRef", "StripeBaseConnection"),
            ("sourceConnectionRef", "StripeSourceConnection"),
            ("mappingRef", "IngestionMapping"),
        ] {
            if let Some(reference) = object["spec"].get(field) {
                assert!(names.contains(&(to.to_owned(), reference["name"].clone())), "{field} of {object}");
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 2 + 6 + 6 + 12);
}

#[test]
fn the_rows_of_a_sample_are_those_of_its_source() {
    let objects = objects();
    for mapping in objects.iter().filter(|object| kind(object) == "IngestionMapping") {
        let source = objects
            .iter()
            .filter(|object| kind(object) == "StripeSourceConnection")
            .find(|source| source["metadata"]["name"] == mapping["spec"]["sourceConnectionRef"]["name"])
            .unwrap();
        let path = source["spec"]["resourcePath"].as_str().unwrap();
        assert_eq!(mapping["spec"]["builtin"]["name"], format!("{path}/v1"));
    }
}

#[test]
fn a_sample_read_and_written_again_is_the_same_but_for_its_defaults() {
    for object in objects() {
        let again = match kind(&object) {
            "StripeBaseConnection" => read_and_write::<StripeBaseConnection>(&object),
            "StripeSourceConnection" => read_and_write::<StripeSourceConnection>(&object),
            "IngestionMapping" => read_and_write::<IngestionMapping>(&object),
            "IngestionFlow" => read_and_write::<IngestionFlow>(&object),
            _ => continue,
        };
        assert_holds(&again, &object, kind(&object));
    }
}

fn read_and_write<K: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(object: &Value) -> Value {
    let read: K = serde_json::from_value(object.clone()).unwrap();
    let yaml = serde_saphyr::to_string(&read).unwrap();
    assert_eq!(read, serde_saphyr::from_str::<K>(&yaml).unwrap());
    serde_json::to_value(read).unwrap()
}

/// Everything in `part` is in `whole` as well.
fn assert_holds(whole: &Value, part: &Value, path: &str) {
    match part {
        Value::Object(fields) => {
            for (name, value) in fields {
                assert_holds(&whole[name], value, &format!("{path}.{name}"));
            }
        }
        other => assert_eq!(whole, other, "{path}"),
    }
}
