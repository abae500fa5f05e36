//! Adobe's own API descriptions, and whether an answer agrees with them.
//!
//! The descriptions are not part of this project: they are looked for in `AEP_OPENAPI_DIR`, then beside the workspace.

use std::collections::BTreeSet;
use std::path::PathBuf;

use axum::http::Method;
use serde_json::{Value, json};

fn directory() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/aep/openapi");
    let named = std::env::var_os("AEP_OPENAPI_DIR").map(PathBuf::from);
    named.into_iter().chain([beside]).find(|directory| directory.join("catalog.yaml").exists())
}

/// One description.
pub struct Document {
    name: &'static str,
    root: Value,
}

impl Document {
    /// Reads a description; `None` when there is none.
    pub fn load(name: &'static str) -> Option<Self> {
        let text = std::fs::read_to_string(directory()?.join(format!("{name}.yaml"))).unwrap();
        Some(Self { name, root: serde_saphyr::from_str(&text).unwrap() })
    }

    fn resolve<'d>(&'d self, schema: &'d Value) -> &'d Value {
        match schema.get("$ref").and_then(Value::as_str) {
            Some(reference) => self.resolve(self.root.pointer(reference.trim_start_matches('#')).unwrap()),
            None => schema,
        }
    }

    /// Every disagreement of an answer with the description of its operation.
    pub fn judge(
        &self,
        method: &Method,
        template: &str,
        (status, body): (u16, Option<&Value>),
        found: &mut BTreeSet<String>,
    ) {
        let at = format!("{} {method} {template} {status}", self.name);
        let operation = &self.root["paths"][template][method.as_str().to_lowercase()];
        if operation.is_null() {
            found.insert(format!("{at}: the operation is not described"));
            return;
        }
        let response = &operation["responses"][status.to_string()];
        if response.is_null() {
            found.insert(format!("{at}: the status is not described"));
            return;
        }
        let response = self.resolve(response);
        let newer = &response["content"]["application/json"]["schema"];
        let schema = if newer.is_null() { &response["schema"] } else { newer };
        match (body, schema) {
            (Some(body), schema) if !schema.is_null() => {
                let mut problems = BTreeSet::new();
                self.compare(schema, body, "", &mut problems);
                found.extend(problems.into_iter().map(|problem| format!("{at}: {problem}")));
            }
            (None, schema) if !schema.is_null() => {
                found.insert(format!("{at}: a body is described"));
            }
            _ => {}
        }
    }

    fn compare(&self, schema: &Value, value: &Value, path: &str, found: &mut BTreeSet<String>) {
        let schema = self.resolve(schema);
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.compare(part, value, path, found);
        }
        if value.is_null() {
            if schema["type"].is_string() && schema["nullable"] != true {
                found.insert(format!("{path}: null instead of {}", schema["type"]));
            }
            return;
        }
        if let Some(wanted) = schema["type"].as_str().filter(|wanted| !has_type(value, wanted)) {
            found.insert(format!("{path}: {} instead of {wanted}", type_of(value)));
            return;
        }
        if let Some(values) = schema["enum"].as_array().filter(|values| !values.contains(value)) {
            found.insert(format!("{path}: {value} is none of {}", json!(values)));
        }
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if value.get(name).is_none() {
                found.insert(format!("{path}/{name}: required and absent"));
            }
        }
        for (name, member) in value.as_object().into_iter().flatten() {
            let described = &schema["properties"][name];
            if !described.is_null() {
                self.compare(described, member, &format!("{path}/{name}"), found);
            } else if schema["additionalProperties"].is_object() {
                self.compare(&schema["additionalProperties"], member, &format!("{path}/*"), found);
            }
        }
        for item in value.as_array().into_iter().flatten() {
            self.compare(&schema["items"], item, &format!("{path}[]"), found);
        }
    }
}

fn has_type(value: &Value, wanted: &str) -> bool {
    type_of(value) == wanted || (wanted == "number" && value.is_number())
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Fails on a disagreement that is not known, and on a known one that does not occur.
pub fn assert_known(found: &BTreeSet<String>, known: &[(&str, &str)]) {
    let unknown: Vec<&String> =
        found.iter().filter(|problem| !known.iter().any(|(part, _)| problem.contains(part))).collect();
    let gone: Vec<_> =
        known.iter().filter(|(part, _)| !found.iter().any(|problem| problem.contains(part))).collect();
    assert!(unknown.is_empty() && gone.is_empty(), "unknown: {unknown:#?}\ngone: {gone:#?}");
}
