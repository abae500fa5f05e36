//! The CRDs themselves: committed as generated, bounded everywhere, and structural.

use std::path::{Path, PathBuf};

use aep_operator::api::all_crds;
use serde_json::Value;

/// A file of this repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The schema of a kind as the API server gets it.
pub fn schema_of(kind: &str) -> Value {
    let crd = all_crds()
        .into_iter()
        .find(|crd| crd.spec.names.kind == kind)
        .expect("the kind should be one of ours");
    let schema = crd.spec.versions[0].schema.clone().and_then(|schema| schema.open_api_v3_schema);
    serde_json::to_value(schema).unwrap()
}

#[test]
fn the_committed_crds_are_those_of_the_types() {
    for crd in all_crds() {
        let path = repository("crds").join(format!("{}.yaml", crd.spec.names.plural));
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let committed: Value = serde_saphyr::from_str(&text).unwrap_or_default();
        let generated = serde_json::to_value(&crd).unwrap();
        assert!(
            committed == generated,
            "{} differs from the types in src/api: run `cargo xtask crds` and commit the result",
            path.display()
        );
    }
    let files = std::fs::read_dir(repository("crds")).unwrap().count();
    assert_eq!(
        files,
        all_crds().len() + 1,
        "crds/ holds one file per kind, the Kustomization and nothing else"
    );
}

#[test]
fn every_kind_has_its_names() {
    let names: Vec<_> = all_crds()
        .into_iter()
        .map(|crd| {
            let names = crd.spec.names;
            (names.plural, names.short_names.unwrap_or_default(), names.categories.unwrap_or_default())
        })
        .collect();
    let expected = [
        ("stripebaseconnections", "sbc"),
        ("stripesourceconnections", "ssc"),
        ("ingestionmappings", "imap"),
        ("ingestionflows", "iflow"),
    ]
    .map(|(plural, short)| (plural.to_owned(), vec![short.to_owned()], vec!["aep".to_owned()]));
    assert_eq!(names, expected);
}

#[test]
fn who_refers_to_an_object_is_one_list_call() {
    for (kind, path) in [
        ("StripeBaseConnection", ".spec.platformCredentialsSecretRef.name"),
        ("StripeBaseConnection", ".spec.stripeCredentialsSecretRef.name"),
        ("StripeSourceConnection", ".spec.baseConnectionRef.name"),
        ("IngestionMapping", ".spec.sourceConnectionRef.name"),
        ("IngestionFlow", ".spec.sourceConnectionRef.name"),
        ("IngestionFlow", ".spec.mappingRef.name"),
    ] {
        let crd = all_crds().into_iter().find(|crd| crd.spec.names.kind == kind).unwrap();
        let selectable = crd.spec.versions[0].selectable_fields.clone().unwrap_or_default();
        assert!(selectable.iter().any(|field| field.json_path == path), "{kind} {path}");
    }
}

#[test]
fn every_kind_shows_readiness_first_and_the_reason_when_asked() {
    for crd in all_crds() {
        let columns = crd.spec.versions[0].additional_printer_columns.clone().unwrap_or_default();
        assert_eq!(columns[0].name, "Ready");
        for wide in ["Reason", "Message"] {
            let column = columns.iter().find(|column| column.name == wide).expect("a wide column");
            assert_eq!(column.priority, Some(1), "{} {wide}", crd.spec.names.kind);
        }
        assert!(columns.iter().any(|column| column.name == "Age"));
    }
}

#[test]
fn an_object_that_the_operator_has_not_seen_is_not_taken_for_ready() {
    for crd in all_crds() {
        let default = schema_of(&crd.spec.names.kind)["properties"]["status"]["default"].clone();
        assert_eq!(default["observedGeneration"], -1);
        assert_eq!(default["conditions"][0]["type"], "Ready");
        assert_eq!(default["conditions"][0]["status"], "Unknown");
        assert_eq!(default["conditions"][0]["reason"], "Pending");
    }
}

#[test]
fn every_schema_keeps_the_rules_of_the_house() {
    let mut findings = Vec::new();
    for crd in all_crds() {
        let kind = crd.spec.names.kind;
        lint(&kind, &schema_of(&kind), false, &mut findings);
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn the_linter_finds_what_it_looks_for() {
    let schema = serde_json::json!({
        "type": "object",
        "nullable": true,
        "properties": {
            "text": {"type": "string"},
            "list": {"type": "array", "items": {"type": "object", "properties": {"flag": {"type": "boolean", "default": true}}}},
            "map": {"type": "object", "additionalProperties": {"type": "integer"}},
            "choice": {"description": "d", "anyOf": [{"type": "string"}, {"type": "integer"}]},
            "open": {"description": "d", "type": "object", "x-kubernetes-preserve-unknown-fields": true},
        },
        "x-kubernetes-validations": [{"rule": "true"}],
    });
    let mut findings = Vec::new();
    lint("root", &schema, false, &mut findings);
    for expected in [
        "root: nullable",
        "root: rule without a message: true",
        "root.text: no description",
        "root.text: string without maxLength",
        "root.list: array without maxItems",
        "root.list: array without a list type",
        "root.list[].flag: default inside a list item",
        "root.map: map without maxProperties",
        "root.choice: no type",
        "root.choice: anyOf",
        "root.open: preserves unknown fields",
    ] {
        assert!(findings.iter().any(|finding| finding == expected), "not found: {expected} in {findings:#?}");
    }
}

/// Collects what a schema of ours must not have.
fn lint(path: &str, schema: &Value, inside_list: bool, findings: &mut Vec<String>) {
    let mut find = |what: String| findings.push(format!("{path}: {what}"));
    let type_ = schema["type"].as_str().unwrap_or_else(|| {
        find("no type".to_owned());
        ""
    });
    if schema["nullable"] == true {
        find("nullable".to_owned());
    }
    if inside_list && schema.get("default").is_some() {
        find("default inside a list item".to_owned());
    }
    for word in ["anyOf", "oneOf", "allOf", "not"] {
        if schema.get(word).is_some() {
            find(word.to_owned());
        }
    }
    if schema.get("x-kubernetes-preserve-unknown-fields").is_some() {
        find("preserves unknown fields".to_owned());
    }
    let bounded =
        schema.get("maxLength").is_some() || schema.get("enum").is_some() || schema["format"] == "date-time";
    if type_ == "string" && !bounded {
        find("string without maxLength".to_owned());
    }
    if type_ == "array" && schema.get("maxItems").is_none() {
        find("array without maxItems".to_owned());
    }
    if type_ == "array" && schema.get("x-kubernetes-list-type").is_none() {
        find("array without a list type".to_owned());
    }
    if schema.get("additionalProperties").is_some() && schema.get("maxProperties").is_none() {
        find("map without maxProperties".to_owned());
    }
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        if rule["message"].as_str().unwrap_or_default().len() < 20 {
            find(format!("rule without a message: {}", rule["rule"].as_str().unwrap_or_default()));
        }
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        if field["description"].as_str().is_none_or(|text| text.trim().is_empty()) {
            findings.push(format!("{path}: no description"));
        }
        lint(&path, field, inside_list, findings);
    }
    if let Some(item) = schema.get("items") {
        lint(&format!("{path}[]"), item, true, findings);
    }
    if let Some(value) = schema.get("additionalProperties") {
        lint(&format!("{path}{{}}"), value, inside_list, findings);
    }
}
