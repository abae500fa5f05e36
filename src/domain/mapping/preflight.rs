//! Preflight: the rows against the full target schema (`xed-full`, references resolved), before a flow uses them.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::api::condition::Reason;
use crate::api::mapping::{RowFailure, XdmType};

use super::path::{ancestors, any_index, escaped, segments};
use super::row::Row;
use super::shape::{SchemaType, Shape, declared_name, schema_type, with_article};

/// A row and a schema that do not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// In which way: [`Reason::DestinationMissing`], [`Reason::TypeMismatch`] or [`Reason::RequiredFieldUnmapped`].
    pub kind: Reason,
    /// The row, and what to change.
    pub failure: RowFailure,
}

impl Misfit {
    fn new(kind: Reason, source: &str, destination: &str, reason: String) -> Self {
        let failure = RowFailure { source: source.to_owned(), destination: destination.to_owned(), reason };
        Self { kind, failure }
    }
}

/// The rows that cannot work with this schema, and the required fields that no row fills (with an empty source). Rows have the
/// tenant filled in. Sorted by destination; empty means passed.
pub fn preflight(rows: &[Row], schema: &Value) -> Vec<Misfit> {
    let mut misfits: Vec<Misfit> = rows.iter().filter_map(|row| misfit(row, schema)).collect();
    collect_unfilled(schema, "", &Filled::by(rows), &mut misfits);
    misfits.sort_by(|a, b| a.failure.destination.cmp(&b.failure.destination));
    misfits
}

/// The type of the single value that the schema has at a destination; `None` where it has none, or something else.
pub fn leaf_type(destination: &str, schema: &Value) -> Option<XdmType> {
    match schema_type(field_at(destination, schema).ok()?) {
        SchemaType::Leaf(leaf) => Some(leaf),
        _ => None,
    }
}

/// Why a row cannot work, if it cannot.
fn misfit(row: &Row, schema: &Value) -> Option<Misfit> {
    let (kind, reason) = match field_at(&row.destination, schema) {
        Ok(field) => (Reason::TypeMismatch, shape_reason(row.shape.as_ref()?, field)?),
        Err(reason) => (Reason::DestinationMissing, reason),
    };
    Some(Misfit::new(kind, &row.source, &row.destination, reason))
}

/// The field at a destination, or why there is none.
fn field_at<'a>(destination: &str, schema: &'a Value) -> Result<&'a Value, String> {
    let mut field = schema;
    let mut walked = String::new();
    for step in segments(destination) {
        if !walked.is_empty() {
            walked.push('.');
        }
        walked.push_str(&step.name);
        field = field["properties"].get(&step.name).ok_or_else(|| {
            format!(
                "the schema has no field {walked}: add the field to the schema, or correct or exclude the row"
            )
        })?;
        let is_list = schema_type(field) == SchemaType::List;
        if step.list && !is_list {
            return Err(format!("{walked} is not a list in the schema: remove its index"));
        }
        if step.list {
            walked.push_str("[*]");
            field = &field["items"];
        } else if is_list && any_index(destination) != any_index(&walked) {
            return Err(format!(
                "{walked} is a list in the schema: write {walked}[*] to reach the fields of its items"
            ));
        }
    }
    Ok(field)
}

/// Why what a row delivers does not fit a field, if it does not.
fn shape_reason(shape: &Shape, field: &Value) -> Option<String> {
    let there = schema_type(field);
    match (shape, there) {
        (_, SchemaType::Unknown) | (Shape::Object(_), SchemaType::Map) => None,
        (Shape::Leaf(leaf), SchemaType::Leaf(field_type)) => leaf_reason(*leaf, field_type),
        (Shape::List(item), SchemaType::List) => shape_reason(item, &field["items"]),
        (Shape::Object(children), SchemaType::Object) => {
            let properties = field["properties"].as_object()?;
            let mut known = children
                .iter()
                .filter_map(|(name, child)| Some((name, child, properties.get(name)?)))
                .peekable();
            if known.peek().is_none() {
                return Some(
                    "the row copies an object, and the schema has none of its fields there: add them to the \
                     schema, or map single fields"
                        .into(),
                );
            }
            known.find_map(|(name, child, field)| {
                let reason = shape_reason(child, field)?;
                Some(format!("its field {name}: {reason}"))
            })
        }
        (_, SchemaType::Object) => Some(mismatch(shape, there, "map to one of its fields")),
        (Shape::Object(_) | Shape::List(_), _) => Some(mismatch(shape, there, "map single fields")),
        (Shape::Leaf(_), _) => Some(mismatch(shape, there, EXPRESSION)),
    }
}

fn leaf_reason(leaf: XdmType, there: XdmType) -> Option<String> {
    let declare = format!("{EXPRESSION}, or, if the values do fit, give a row of your own with xdmType: ");
    let remedy = declare + declared_name(there);
    (!converts(leaf, there)).then(|| mismatch(&Shape::Leaf(leaf), SchemaType::Leaf(there), &remedy))
}

/// Whether Data Prep brings a value of one type into a field of the other without loss.
fn converts(from: XdmType, to: XdmType) -> bool {
    use XdmType::{Boolean, Date, DateTime, Integer, Long, Number, String};
    // Any single value can be written as text, and Data Prep parses text into these by itself.
    let by_text = to == String || (from == String && matches!(to, Boolean | Date | DateTime));
    let widened = matches!((from, to), (Integer, Long) | (Integer | Long, Number) | (Date, DateTime));
    from == to || by_text || widened
}

/// What to do about a value of another type.
const EXPRESSION: &str = "convert it with a row of type Expression";

fn mismatch(shape: &Shape, there: SchemaType, remedy: &str) -> String {
    let (has, gives) = (with_article(there), with_article(shape));
    format!("the schema has {has} there and the row gives {gives}: {remedy}")
}

/// What the rows fill, prepared once: a schema and a mapping may each have thousands of entries.
struct Filled {
    /// Every destination, and everything above one.
    touched: BTreeSet<String>,
    /// Destinations of rows that may bring fields below them along.
    copied: BTreeSet<String>,
}

impl Filled {
    fn by(rows: &[Row]) -> Self {
        let mut filled = Self { touched: BTreeSet::new(), copied: BTreeSet::new() };
        for row in rows {
            let destination = any_index(&row.destination);
            filled.touched.extend(ancestors(&destination));
            if row.xdm_type().is_none() {
                filled.copied.insert(destination.clone());
            }
            filled.touched.insert(destination);
        }
        filled
    }

    fn covers(&self, path: &str) -> bool {
        self.touched.contains(path) || ancestors(path).iter().any(|above| self.copied.contains(above))
    }
}

/// Collects required fields without a row. Those of the root always count; those of an object only if some row fills it.
fn collect_unfilled(object: &Value, path: &str, filled: &Filled, misfits: &mut Vec<Misfit>) {
    if schema_type(object) == SchemaType::List {
        return collect_unfilled(&object["items"], &format!("{path}[*]"), filled, misfits);
    }
    let Some(properties) = object["properties"].as_object() else { return };
    let required: Vec<&str> =
        object["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, field) in properties {
        let key = escaped(name);
        let here = if path.is_empty() { key } else { format!("{path}.{key}") };
        if filled.covers(&here) {
            collect_unfilled(field, &here, filled, misfits);
        } else if required.iter().any(|key| names_field(key, name)) {
            let reason = "the schema requires this field and no row fills it: add a row".into();
            misfits.push(Misfit::new(Reason::RequiredFieldUnmapped, "", &here, reason));
        }
    }
}

/// Whether a `required` entry means this field; some answers keep the raw names of `_id` and of Adobe's own fields.
fn names_field(key: &str, name: &str) -> bool {
    key == name || key.strip_prefix("xdm:") == Some(name) || (key == "@id" && name == "_id")
}

#[cfg(test)]
mod tests;
