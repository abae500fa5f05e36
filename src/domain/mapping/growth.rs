//! Growth of a field group: what is missing and has to be added. Fields are never removed, retitled or retyped.

use std::fmt;

use serde_json::{Value, json};

use super::shape::{SchemaType, schema_type, with_article};

/// A difference that adding fields cannot close.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakingChange {
    /// Path of the field, from the tenant namespace on.
    pub path: String,
    /// What the field is upstream.
    pub current: String,
    /// What the rows need.
    pub desired: String,
}

impl fmt::Display for BreakingChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (current, desired) = (with_article(&self.current), with_article(&self.desired));
        write!(f, "{} is {current} upstream and the rows need {desired}", self.path)
    }
}

impl std::error::Error for BreakingChange {}

/// A part of the rows' schema that a field group lacks.
#[derive(Debug, Clone, PartialEq)]
pub struct Addition {
    /// Path of the field, written as in a row: `_acme.charges_data.id`.
    pub path: String,
    /// JSON pointer of what is to be added to the field group.
    pub pointer: String,
    /// What is to be added there.
    pub value: Value,
}

/// What has been found so far.
#[derive(Default)]
struct Findings {
    additions: Vec<Addition>,
    breaking: Vec<BreakingChange>,
}

impl Findings {
    fn add(&mut self, path: &str, pointer: String, value: &Value) {
        self.additions.push(Addition { path: path.to_owned(), pointer, value: value.clone() });
    }
}

/// What `desired_properties` has in addition to `current`, a field group as the registry answers it; empty if nothing is missing.
/// Fields upstream that no row needs any more stay.
///
/// # Errors
/// Every field whose type would have to change.
pub fn growth(
    current: &Value,
    desired_properties: &Value,
    tenant: &str,
) -> Result<Vec<Addition>, Vec<BreakingChange>> {
    let namespace = format!("_{tenant}");
    let mut findings = Findings::default();
    let desired = json!({"type": "object", "properties": desired_properties});
    match fields_home(current, &namespace) {
        Some(home) => grow_field(current, &home, &namespace, &namespace, &desired, &mut findings),
        None => findings.breaking.push(BreakingChange {
            path: namespace,
            current: "field group without fields of its own".into(),
            desired: "object".into(),
        }),
    }
    if findings.breaking.is_empty() { Ok(findings.additions) } else { Err(findings.breaking) }
}

/// JSON pointer of the `properties` that hold, or may hold, the tenant namespace. The registry stores fields below a definition of
/// any name, or hoisted to the top.
fn fields_home(group: &Value, namespace: &str) -> Option<String> {
    let definitions = group["definitions"].as_object();
    let mut names: Vec<&String> = definitions.into_iter().flat_map(|all| all.keys()).collect();
    names.sort_unstable_by_key(|name| (name.as_str() != "customFields", name.as_str()));
    let below_definitions =
        names.into_iter().map(|name| format!("/definitions/{}/properties", pointer_escaped(name)));
    let mut homes: Vec<String> = below_definitions.collect();
    homes.push("/properties".into());
    let holds_tenant = |home: &&String| group.pointer(home).is_some_and(|all| all.get(namespace).is_some());
    let is_there = |home: &&String| group.pointer(home).is_some_and(Value::is_object);
    homes.iter().find(holds_tenant).or_else(|| homes.iter().find(is_there)).cloned()
}

/// Compares the field `name` below the `properties` at `home`, and descends.
fn grow_field(group: &Value, home: &str, name: &str, path: &str, desired: &Value, findings: &mut Findings) {
    let pointer = format!("{home}/{}", pointer_escaped(name));
    match group.pointer(&pointer) {
        None => findings.add(path, pointer, desired),
        Some(current) => grow_into(group, &pointer, path, current, desired, findings),
    }
}

fn grow_into(
    group: &Value,
    pointer: &str,
    path: &str,
    current: &Value,
    desired: &Value,
    findings: &mut Findings,
) {
    let (has, needs) = (schema_type(current), schema_type(desired));
    if has != needs {
        findings.breaking.push(BreakingChange {
            path: path.to_owned(),
            current: has.to_string(),
            desired: needs.to_string(),
        });
        return;
    }
    match needs {
        SchemaType::Object => grow_object(group, pointer, path, current, desired, findings),
        SchemaType::List => {
            let items = format!("{pointer}/items");
            match current.get("items") {
                Some(item) => {
                    grow_into(group, &items, &format!("{path}[*]"), item, &desired["items"], findings);
                }
                None => findings.add(&format!("{path}[*]"), items, &desired["items"]),
            }
        }
        _ => {}
    }
}

fn grow_object(
    group: &Value,
    pointer: &str,
    path: &str,
    current: &Value,
    desired: &Value,
    findings: &mut Findings,
) {
    let properties = format!("{pointer}/properties");
    if current.get("properties").is_none() {
        findings.add(path, properties, &desired["properties"]);
        return;
    }
    for (name, field) in desired["properties"].as_object().into_iter().flatten() {
        grow_field(group, &properties, name, &format!("{path}.{name}"), field, findings);
    }
}

fn pointer_escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests;
