//! The table of cases, replayed on the rules in the CRDs without an API server.

use std::collections::BTreeMap;

use aep_operator::api::{
    IngestionFlow, IngestionMapping, StripeBaseConnection, StripeSourceConnection, all_crds,
};
use kube::core::cel::{CompiledSchema, ErrorKind, ValidationError, Validator, compile_schema};
use serde_json::Value;

use super::cases::{self, Case, Expected};
use super::crds::schema_of;

/// The messages of the rules that refuse the case. A rule that cannot be evaluated counts with another text,
/// so that it matches no expectation.
fn messages(schema: &CompiledSchema, case: &Case) -> Vec<String> {
    let errors = Validator::new().validate_compiled(schema, &case.object, case.old.as_ref()).err();
    let message = |error: ValidationError| match error.kind {
        ErrorKind::ValidationFailure => error.message,
        kind => format!("{kind:?} at {}: {}", error.field_path, error.rule),
    };
    errors.into_iter().flatten().map(message).collect()
}

#[test]
fn every_case_fares_as_expected_and_every_rule_refuses_something() {
    let kinds = all_crds().into_iter().map(|crd| crd.spec.names.kind);
    let schemas: BTreeMap<_, _> = kinds.map(|kind| (kind.clone(), schema_of(&kind))).collect();
    let compiled: BTreeMap<_, _> =
        schemas.iter().map(|(kind, schema)| (kind.as_str(), compile_schema(schema))).collect();
    let mut wrong = Vec::new();
    let mut refused: BTreeMap<_, Vec<String>> = BTreeMap::new();
    // Thousands of rows take long here and show nothing new; the API server gets them.
    let few_rows =
        |case: &Case| case.object["spec"]["mappings"].as_array().is_none_or(|rows| rows.len() < 100);
    for case in cases::all().into_iter().filter(few_rows) {
        let messages = messages(&compiled[case.kind], &case);
        let right = match case.expected {
            Expected::Accepted => messages.is_empty(),
            Expected::Refused(text) => messages.iter().any(|message| message.contains(text)),
            // Rules do not see what the schema refuses, and the API server may not even ask them.
            Expected::RefusedBySchema(text) => !text.is_empty(),
        };
        if !right {
            wrong.push(format!("{}: expected {:?}, got {messages:#?}", case.name, case.expected));
        }
        refused.entry(case.kind).or_default().extend(messages);
    }
    for (kind, schema) in &schemas {
        let unused = messages_of(schema).into_iter().filter(|rule| !refused[kind.as_str()].contains(rule));
        wrong.extend(unused.map(|rule| format!("{kind}: no case is refused with: {rule}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_the_api_accepts_the_types_can_read() {
    for case in cases::all() {
        let mut object = case.object;
        object["metadata"] = serde_json::json!({"name": "any"});
        let error = match case.kind {
            "StripeBaseConnection" => serde_json::from_value::<StripeBaseConnection>(object).err(),
            "StripeSourceConnection" => serde_json::from_value::<StripeSourceConnection>(object).err(),
            "IngestionMapping" => serde_json::from_value::<IngestionMapping>(object).err(),
            _ => serde_json::from_value::<IngestionFlow>(object).err(),
        };
        // What a rule refuses reads well, too: rules speak of values, types of shapes.
        if !matches!(case.expected, Expected::RefusedBySchema(_)) {
            assert!(error.is_none(), "{}: {error:?}", case.name);
        }
    }
}

fn messages_of(schema: &Value) -> Vec<String> {
    let own = schema["x-kubernetes-validations"].as_array().into_iter().flatten();
    let own = own.filter_map(|rule| rule["message"].as_str().map(str::to_owned));
    let below: Vec<&Value> = match schema {
        Value::Object(fields) => fields.values().collect(),
        Value::Array(items) => items.iter().collect(),
        _ => Vec::new(),
    };
    own.chain(below.into_iter().flat_map(messages_of)).collect()
}
