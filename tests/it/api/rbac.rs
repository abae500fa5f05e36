//! The rights of the operator, as the files say: no wildcard, no verb too many, and the kinds by their right names.

use std::collections::BTreeSet;

use aep_operator::api::{GROUP, all_crds};
use serde_json::Value;

use super::crds::repository;

fn objects(file: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&std::fs::read_to_string(repository("deploy/rbac").join(file)).unwrap())
        .unwrap()
}

fn strings(list: &Value) -> BTreeSet<String> {
    list.as_array().into_iter().flatten().map(|word| word.as_str().unwrap().to_owned()).collect()
}

/// Every (group/resource, verb) that a role of the operator gives.
fn rights() -> BTreeSet<(String, String)> {
    let mut rights = BTreeSet::new();
    for object in objects("10-operator.yaml") {
        for rule in object["rules"].as_array().into_iter().flatten() {
            for group in strings(&rule["apiGroups"]) {
                for resource in strings(&rule["resources"]) {
                    for verb in strings(&rule["verbs"]) {
                        rights.insert((format!("{group}/{resource}"), verb));
                    }
                }
            }
        }
    }
    rights
}

#[test]
fn the_operator_may_do_what_it_does_and_nothing_more() {
    let mut expected = BTreeSet::new();
    let mut may = |resource: &str, verbs: &[&str]| {
        expected.extend(verbs.iter().map(|verb| (resource.to_owned(), (*verb).to_owned())));
    };
    for crd in all_crds() {
        let plural = crd.spec.names.plural;
        may(&format!("{GROUP}/{plural}"), &["get", "list", "watch", "patch"]);
        may(&format!("{GROUP}/{plural}/status"), &["patch"]);
    }
    may("/secrets", &["get", "list", "watch", "patch"]);
    may("/namespaces", &["get"]);
    may("events.k8s.io/events", &["create", "patch"]);
    may("apiextensions.k8s.io/customresourcedefinitions", &["get"]);
    may("coordination.k8s.io/leases", &["create", "get", "update"]);
    assert_eq!(rights(), expected);
}

#[test]
fn the_operator_reads_no_crd_but_its_own() {
    let objects = objects("10-operator.yaml");
    let rule = objects
        .iter()
        .flat_map(|object| object["rules"].as_array().into_iter().flatten())
        .find(|rule| strings(&rule["resources"]).contains("customresourcedefinitions"))
        .unwrap();
    let own: BTreeSet<_> = all_crds().into_iter().filter_map(|crd| crd.metadata.name).collect();
    assert_eq!(strings(&rule["resourceNames"]), own);
}

#[test]
fn the_operator_reads_and_writes_no_lease_but_its_own_in_its_own_namespace() {
    let objects = objects("10-operator.yaml");
    let role = objects.iter().find(|object| object["kind"] == "Role").unwrap();
    assert_eq!(role["metadata"]["namespace"], self::objects("00-namespace.yaml")[0]["metadata"]["name"]);
    for rule in role["rules"].as_array().unwrap() {
        let verbs = strings(&rule["verbs"]);
        // A right to create cannot be bound to a name: the API server does not know it yet.
        let is_named = strings(&rule["resourceNames"]) == BTreeSet::from(["aep-operator".to_owned()]);
        assert!(is_named || verbs == BTreeSet::from(["create".to_owned()]), "{rule}");
    }
}

#[test]
fn every_binding_gives_a_role_of_the_file_to_the_operators_own_account() {
    let objects = objects("10-operator.yaml");
    let of_kind = |kind: &str| -> Vec<&Value> {
        objects.iter().filter(|object| object["kind"].as_str().unwrap().ends_with(kind)).collect()
    };
    let account = &self::objects("00-namespace.yaml")[1]["metadata"];
    let bindings = of_kind("Binding");
    assert_eq!(bindings.len(), of_kind("Role").len());
    for binding in bindings {
        let role = &binding["roleRef"];
        assert!(
            objects
                .iter()
                .any(|object| object["kind"] == role["kind"] && object["metadata"]["name"] == role["name"]),
            "{role}"
        );
        let [subject] = binding["subjects"].as_array().unwrap().as_slice() else { panic!("one subject") };
        assert_eq!(subject["kind"], "ServiceAccount");
        assert_eq!(subject["name"], account["name"]);
        assert_eq!(subject["namespace"], account["namespace"]);
    }
}

#[test]
fn users_get_the_kinds_but_never_their_status() {
    let plurals: BTreeSet<_> = all_crds().into_iter().map(|crd| crd.spec.names.plural).collect();
    for role in objects("20-users.yaml") {
        let rules = role["rules"].as_array().unwrap();
        assert_eq!(rules.len(), 1);
        assert_eq!(strings(&rules[0]["resources"]), plurals);
        assert_eq!(strings(&rules[0]["apiGroups"]), BTreeSet::from([GROUP.to_owned()]));
    }
}
