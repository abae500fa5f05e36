//! What explore saw, as a flat list of paths, and which rows read something that it did not see.
//!
//! Explore infers from live rows: its answer is a hint about today's data and never the schema of record.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::api::mapping::RowType;

use super::path::{ancestors, any_index, escaped};
use super::row::Row;

/// How many paths are kept; they stand in a status.
pub const EXPLORED_PATHS: usize = 2_000;

/// Type of each path below the root of an explore answer: `data.id` is a `string`. Lists are followed as `data.lines[*].id`; a
/// field that was null in every row is `unknown`. At most [`EXPLORED_PATHS`], the same ones whatever the order of the answer. Empty
/// when nothing but objects and lists is there, as for an account without records.
pub fn explored_fields(tree: &Value) -> BTreeMap<String, String> {
    let root = tree.get("schema").filter(|schema| schema.is_object()).unwrap_or(tree);
    let mut fields = BTreeMap::new();
    collect(root, "", &mut fields);
    let has_values = fields.values().any(|kind| !matches!(kind.as_str(), "object" | "array"));
    if has_values { fields } else { BTreeMap::new() }
}

fn collect(node: &Value, path: &str, fields: &mut BTreeMap<String, String>) {
    if let Some(items) = node.get("items").filter(|items| items.is_object()) {
        let item_path = format!("{path}[*]");
        return visit(items, &item_path, fields);
    }
    let Some(properties) = node["properties"].as_object() else { return };
    let mut names: Vec<&String> = properties.keys().collect();
    names.sort_unstable();
    for name in names {
        let key = escaped(name);
        let child_path = if path.is_empty() { key } else { format!("{path}.{key}") };
        visit(&properties[name], &child_path, fields);
    }
}

fn visit(node: &Value, path: &str, fields: &mut BTreeMap<String, String>) {
    if fields.len() < EXPLORED_PATHS {
        fields.insert(path.to_owned(), explored_type(node).to_owned());
        collect(node, path, fields);
    }
}

fn explored_type(node: &Value) -> &'static str {
    let named = match &node["type"] {
        Value::Array(several) => several.iter().filter_map(Value::as_str).find(|name| *name != "null"),
        one => one.as_str(),
    };
    match named {
        Some("string") => "string",
        Some("integer") => "integer",
        Some("number") => "number",
        Some("boolean") => "boolean",
        Some("object") => "object",
        Some("array") => "array",
        None if node["properties"].is_object() => "object",
        None if node["items"].is_object() => "array",
        _ => "unknown",
    }
}

/// Sources of Attribute rows that explore did not see, sorted. What lies below a field that was null in every row, or in a list
/// without explored items, is not reported: nothing is known about it.
pub fn unseen_sources(rows: &[Row], fields: &BTreeMap<String, String>) -> Vec<String> {
    if fields.is_empty() || fields.len() >= EXPLORED_PATHS {
        return Vec::new();
    }
    let attributes = rows.iter().filter(|row| row.row_type == RowType::Attribute);
    let mut unseen: Vec<String> =
        attributes.map(|row| &row.source).filter(|source| !may_exist(source, fields)).cloned().collect();
    unseen.sort_unstable();
    unseen.dedup();
    unseen
}

fn may_exist(source: &str, fields: &BTreeMap<String, String>) -> bool {
    let path = any_index(source);
    if fields.contains_key(&path) {
        return true;
    }
    let Some((nearest, kind)) =
        ancestors(&path).into_iter().find_map(|above| fields.get_key_value(above.as_str()))
    else {
        return false;
    };
    match kind.as_str() {
        "unknown" => true,
        "array" => !fields.contains_key(&format!("{nearest}[*]")),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
