//! What a resource must look like before it is stored: members, references, namespace, names and types of fields.
//!
//! Judges one payload on its own; what concerns other resources (titles, evolution) is in `write` and `evolution`.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::errors::noun;
use super::resolve::View;
use super::{Kind, Refusal};

/// Members that only the service writes. Sent ones are ignored, because clients send back what they read.
const READ_ONLY: [&str; 16] = [
    "$id",
    "meta:altId",
    "meta:resourceType",
    "version",
    "imsOrg",
    "refs",
    "meta:extends",
    "meta:class",
    "meta:extensible",
    "meta:abstract",
    "meta:xdmType",
    "meta:registryMetadata",
    "meta:containerId",
    "meta:sandboxId",
    "meta:sandboxType",
    "meta:tenantNamespace",
];

/// The largest magnitude of a whole number that JSON carries exactly.
const LONG: f64 = 9_007_199_254_740_992.0;

/// The owner's members of a payload.
pub(super) fn members(payload: &Value) -> Map<String, Value> {
    let own = payload.as_object().into_iter().flatten().filter(|(key, _)| !READ_ONLY.contains(&key.as_str()));
    let mut body: Map<String, Value> = own.map(|(key, value)| (key.clone(), value.clone())).collect();
    annotate_tree(&mut body);
    body
}

/// Ids of other resources in `allOf`.
pub(super) fn direct_refs(body: &Map<String, Value>) -> Vec<&str> {
    let parts = body.get("allOf").and_then(Value::as_array).into_iter().flatten();
    parts
        .filter_map(|part| part.get("$ref")?.as_str())
        .filter(|reference| !reference.starts_with('#'))
        .collect()
}

/// Checks a payload as far as it can be judged alone.
pub(super) fn check(
    view: &View<'_>,
    (own_id, kind): (&str, Kind),
    body: &Map<String, Value>,
    tenant: &str,
) -> Result<(), Refusal> {
    check_members(kind, body)?;
    check_parts(view, kind, body)?;
    check_cycle(view, own_id, body)?;
    for (place, properties) in field_roots(body) {
        if matches!(kind, Kind::Mixins | Kind::Classes) {
            let namespace = format!("_{tenant}");
            if let Some(stray) = properties.keys().find(|name| **name != namespace) {
                return Err(Refusal::namespace(tenant, stray));
            }
        }
        for (name, field) in properties {
            let top = matches!(kind, Kind::Mixins | Kind::Classes);
            if !top {
                check_name(name, &place)?;
            }
            check_field(view, field, &format!("{place}/{name}"))?;
        }
    }
    Ok(())
}

fn check_members(kind: Kind, body: &Map<String, Value>) -> Result<(), Refusal> {
    let mut required = vec!["title"];
    match kind {
        Kind::Schemas | Kind::Classes => required.extend(["description", "allOf"]),
        Kind::Mixins => required.push("meta:intendedToExtend"),
        Kind::Datatypes | Kind::Behaviors => {}
    }
    if body.get("type") != Some(&json!("object")) {
        return Err(Refusal::payload(format!(
            "A {} needs the member type with the value object.",
            noun(kind)
        )));
    }
    if let Some(missing) = required.iter().find(|member| !body.contains_key(**member)) {
        return Err(Refusal::payload(format!("A {} needs the member {missing}.", noun(kind))));
    }
    if body.get("title").and_then(Value::as_str).is_none_or(|title| title.trim().is_empty()) {
        return Err(Refusal::payload("The member title must be a text that is not empty."));
    }
    if body.get("description").is_some_and(|text| !text.is_string()) {
        return Err(Refusal::payload("The member description must be a text."));
    }
    let intended = body.get("meta:intendedToExtend");
    if intended.is_some_and(|ids| {
        ids.as_array().is_none_or(|ids| ids.is_empty() || !ids.iter().all(Value::is_string))
    }) {
        return Err(Refusal::payload("The member meta:intendedToExtend must list at least one class."));
    }
    Ok(())
}

/// Checks `allOf`.
fn check_parts(view: &View<'_>, kind: Kind, body: &Map<String, Value>) -> Result<(), Refusal> {
    let parts = match body.get("allOf") {
        None => &Vec::new(),
        Some(Value::Array(parts)) => parts,
        Some(_) => return Err(Refusal::payload("The member allOf must be an array.")),
    };
    for part in parts {
        let Some(reference) = part.get("$ref").and_then(Value::as_str) else {
            let inline = part.get("properties").is_some() && kind != Kind::Schemas;
            if inline {
                continue;
            }
            return Err(Refusal::payload("Every part of allOf needs a $ref."));
        };
        check_reference(view, body, reference)?;
    }
    match kind {
        Kind::Schemas => check_schema_parts(view, body),
        Kind::Classes => check_class_parts(view, body),
        _ => Ok(()),
    }
}

fn check_reference(view: &View<'_>, body: &Map<String, Value>, reference: &str) -> Result<(), Refusal> {
    if let Some(pointer) = reference.strip_prefix('#') {
        let found = Value::Object(body.clone()).pointer(pointer).is_some();
        return if found {
            Ok(())
        } else {
            Err(Refusal::reference(format!("{reference} is not defined here.")))
        };
    }
    let id = reference.split('#').next().unwrap_or_default();
    match view.get(id) {
        Some(_) => Ok(()),
        None => Err(Refusal::reference(format!("The referenced resource {id} does not exist."))),
    }
}

/// No resource may be part of itself.
fn check_cycle(view: &View<'_>, own_id: &str, body: &Map<String, Value>) -> Result<(), Refusal> {
    let mut waiting: Vec<String> = all_refs(body);
    let mut seen = BTreeSet::new();
    while let Some(id) = waiting.pop() {
        if id == own_id {
            return Err(Refusal::reference(format!("The resource {own_id} refers to itself.")));
        }
        if let Some(resource) = view.get(&id).filter(|_| !seen.contains(&id)) {
            waiting.extend(all_refs(&resource.body));
        }
        seen.insert(id);
    }
    Ok(())
}

/// Ids of other resources anywhere in a body.
fn all_refs(body: &Map<String, Value>) -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting: Vec<&Value> = body.values().collect();
    while let Some(value) = waiting.pop() {
        match value {
            Value::Object(members) => {
                let reference = members.get("$ref").and_then(Value::as_str);
                found.extend(reference.and_then(|reference| reference.split('#').next()).map(str::to_owned));
                waiting.extend(members.values());
            }
            Value::Array(items) => waiting.extend(items),
            _ => {}
        }
    }
    found.retain(|id| !id.is_empty());
    found
}

/// A schema has exactly one class, and field groups made for it.
fn check_schema_parts(view: &View<'_>, body: &Map<String, Value>) -> Result<(), Refusal> {
    let refs = direct_refs(body);
    let kind_of = |id: &&str| view.get(id).map(|resource| resource.kind);
    let classes: Vec<&&str> = refs.iter().filter(|id| kind_of(id) == Some(Kind::Classes)).collect();
    let [class] = classes.as_slice() else {
        return Err(Refusal::reference(format!(
            "A schema implements exactly one class, this one {}.",
            classes.len()
        )));
    };
    let class_extends = view.get(class).map(|resource| view.resolve(resource).extends).unwrap_or_default();
    for group in refs.iter().filter(|id| id != class) {
        let Some(resource) = view.get(group).filter(|resource| resource.kind == Kind::Mixins) else {
            return Err(Refusal::reference(format!("{group} is neither a class nor a field group.")));
        };
        let intended = resource.body.get("meta:intendedToExtend").and_then(Value::as_array);
        let fits = |id: &Value| id.as_str() == Some(**class) || class_extends.iter().any(|base| id == base);
        if !intended.is_some_and(|ids| ids.iter().any(fits)) {
            return Err(Refusal::reference(format!(
                "Field group {group} is not compatible with class {class}."
            )));
        }
    }
    Ok(())
}

fn check_class_parts(view: &View<'_>, body: &Map<String, Value>) -> Result<(), Refusal> {
    let refs = direct_refs(body);
    let behaviors =
        refs.iter().filter(|id| view.get(id).is_some_and(|resource| resource.kind == Kind::Behaviors));
    match behaviors.count() {
        1 => Ok(()),
        found => Err(Refusal::reference(format!("A class has exactly one behavior, this one {found}."))),
    }
}

/// Every place of a resource where fields are defined, with its JSON path.
fn field_roots(body: &Map<String, Value>) -> Vec<(String, &Map<String, Value>)> {
    let mut roots = Vec::new();
    if let Some(Value::Object(properties)) = body.get("properties") {
        roots.push(("/properties".to_owned(), properties));
    }
    for (name, definition) in body.get("definitions").and_then(Value::as_object).into_iter().flatten() {
        if let Some(Value::Object(properties)) = definition.get("properties") {
            roots.push((format!("/definitions/{name}/properties"), properties));
        }
    }
    for part in body.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        if let Some(Value::Object(properties)) = part.get("properties") {
            roots.push(("/allOf".to_owned(), properties));
        }
    }
    roots
}

fn check_name(name: &str, place: &str) -> Result<(), Refusal> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.starts_with('_') || !name.chars().all(allowed) {
        return Err(Refusal::field(format!(
            "{name} at {place} is not a valid field name: letters, digits, hyphens and underscores, not starting with an \
             underscore."
        )));
    }
    Ok(())
}

fn check_field(view: &View<'_>, field: &Value, place: &str) -> Result<(), Refusal> {
    let Some(map) = field.as_object() else {
        return Err(Refusal::field(format!("The field at {place} must be an object.")));
    };
    if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
        let id = reference.split('#').next().unwrap_or_default();
        let known = view.get(id).is_some_and(|resource| resource.kind == Kind::Datatypes);
        let local = reference.starts_with("#/");
        return if known || local {
            Ok(())
        } else {
            Err(Refusal::reference(format!(
                "The field at {place} refers to {reference}, which is no data type."
            )))
        };
    }
    match map.get("type").and_then(Value::as_str) {
        Some("string") => check_format(map, place),
        Some("integer") => check_bounds(map, place),
        Some("number" | "boolean") => Ok(()),
        Some("array") => match map.get("items") {
            Some(items) => check_field(view, items, &format!("{place}/items")),
            None => Err(Refusal::field(format!("The array at {place} needs items."))),
        },
        Some("object") => check_object(view, map, place),
        Some(other) => Err(Refusal::field(format!("{other} at {place} is not a type."))),
        None => Err(Refusal::field(format!("The field at {place} needs a type or a $ref."))),
    }
}

fn check_object(view: &View<'_>, map: &Map<String, Value>, place: &str) -> Result<(), Refusal> {
    if let Some(Value::Object(values)) = map.get("additionalProperties") {
        check_field(view, &Value::Object(values.clone()), &format!("{place}/additionalProperties"))?;
    }
    let children = match map.get("properties") {
        None => return Ok(()),
        Some(Value::Object(children)) => children,
        Some(_) => return Err(Refusal::field(format!("The properties at {place} must be an object."))),
    };
    for (name, child) in children {
        check_name(name, place)?;
        check_field(view, child, &format!("{place}/properties/{name}"))?;
    }
    Ok(())
}

fn check_format(map: &Map<String, Value>, place: &str) -> Result<(), Refusal> {
    const FORMATS: [&str; 7] = ["date", "date-time", "email", "uri", "uri-reference", "regex", "ipv4"];
    match map.get("format").map(|format| format.as_str().unwrap_or_default()) {
        Some(format) if !FORMATS.contains(&format) => {
            Err(Refusal::field(format!("{format} at {place} is not a known format.")))
        }
        _ => Ok(()),
    }
}

fn check_bounds(map: &Map<String, Value>, place: &str) -> Result<(), Refusal> {
    let bound = |name: &str| map.get(name).map(Value::as_f64);
    for name in ["minimum", "maximum"] {
        if bound(name).is_some_and(|bound| bound.is_none_or(|bound| bound.abs() > LONG)) {
            return Err(Refusal::field(format!("The {name} at {place} is outside of the range of a long.")));
        }
    }
    if let (Some(Some(low)), Some(Some(high))) = (bound("minimum"), bound("maximum"))
        && low > high
    {
        return Err(Refusal::field(format!("The minimum at {place} exceeds the maximum.")));
    }
    Ok(())
}

/// Fills in `meta:xdmType` on every field, over whatever was sent.
fn annotate_tree(body: &mut Map<String, Value>) {
    if let Some(Value::Object(properties)) = body.get_mut("properties") {
        properties.values_mut().for_each(annotate);
    }
    for definition in
        body.get_mut("definitions").and_then(Value::as_object_mut).into_iter().flatten().map(|(_, d)| d)
    {
        if let Some(Value::Object(properties)) = definition.get_mut("properties") {
            properties.values_mut().for_each(annotate);
        }
    }
    for part in body.get_mut("allOf").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(Value::Object(properties)) = part.get_mut("properties") {
            properties.values_mut().for_each(annotate);
        }
        if let Some(map) = part.as_object_mut() {
            map.insert("type".into(), json!("object"));
            map.insert("meta:xdmType".into(), json!("object"));
        }
    }
}

fn annotate(field: &mut Value) {
    let Some(map) = field.as_object_mut() else { return };
    for child in map.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        annotate(child.1);
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(inner) = map.get_mut(inner) {
            annotate(inner);
        }
    }
    if let Some(xdm_type) = xdm_type(map) {
        map.insert("meta:xdmType".into(), json!(xdm_type));
    }
}

/// XDM's name for the type of a field.
fn xdm_type(field: &Map<String, Value>) -> Option<&'static str> {
    if field.contains_key("$ref") {
        return Some("object");
    }
    let bound = |name: &str| field.get(name).and_then(Value::as_f64);
    let reach = bound("minimum").unwrap_or(0.0).abs().max(bound("maximum").unwrap_or(0.0).abs());
    let bounded = bound("minimum").is_some() && bound("maximum").is_some();
    Some(match (field.get("type")?.as_str()?, field.get("format").and_then(Value::as_str)) {
        ("string", Some("date-time")) => "date-time",
        ("string", Some("date")) => "date",
        ("string", _) => "string",
        ("integer", _) if reach > 2_147_483_648.0 => "long",
        ("integer", _) if !bounded || reach > 32_768.0 => "int",
        ("integer", _) if reach > 128.0 => "short",
        ("integer", _) => "byte",
        ("number", _) => "number",
        ("boolean", _) => "boolean",
        ("array", _) => "array",
        ("object", _) if field.contains_key("additionalProperties") && !field.contains_key("properties") => {
            "map"
        }
        ("object", _) => "object",
        _ => return None,
    })
}
