//! The field group and the schema of a managed target: their fields, built from rows, and their request bodies.
//!
//! Types come from the rows alone (own `xdmType` or shipped), never from explore: the schema outlives today's data.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::api::mapping::{Identity, XdmType};

use super::invalid::{InvalidRows, Problem};
use super::path::{Segment, segments};
use super::row::{Row, filled_destination};
use super::shape::{SchemaType, Shape, leaf_schema, schema_type, with_article};
use super::title::humanised;

/// Fields that a class brings along; rows may fill them, the field group does not hold them.
const CLASS_FIELDS: [&str; 6] = ["_id", "timestamp", "eventType", "producedBy", "eventMergeId", "personID"];
/// Adobe's class of time series.
const EXPERIENCE_EVENT: &str = "https://ns.adobe.com/xdm/context/experienceevent";

/// A field under construction, with the row that asked for it first.
#[derive(Debug)]
struct Node {
    row: String,
    kind: NodeKind,
}

#[derive(Debug)]
enum NodeKind {
    Leaf(XdmType),
    Object(BTreeMap<String, Node>),
    List(Box<Node>),
}

impl Node {
    fn of(shape: &Shape, row: &str) -> Self {
        let kind = match shape {
            Shape::Leaf(leaf) => NodeKind::Leaf(*leaf),
            Shape::List(item) => NodeKind::List(Box::new(Self::of(item, row))),
            Shape::Object(children) => NodeKind::Object(
                children.iter().map(|(name, child)| (name.clone(), Self::of(child, row))).collect(),
            ),
        };
        Self { row: row.to_owned(), kind }
    }

    /// The node as the field `step` of an object.
    fn below(self, step: &Segment) -> Self {
        let row = self.row.clone();
        let field =
            if step.list { Self { row: row.clone(), kind: NodeKind::List(Box::new(self)) } } else { self };
        let kind = NodeKind::Object(BTreeMap::from([(step.name.clone(), field)]));
        Self { row, kind }
    }

    fn type_name(&self) -> String {
        match &self.kind {
            NodeKind::Leaf(leaf) => Shape::Leaf(*leaf).to_string(),
            NodeKind::Object(_) => "object".into(),
            NodeKind::List(item) => format!("list of {}", item.type_name()),
        }
    }

    fn merge(&mut self, other: Self, path: &str, problems: &mut Vec<Problem>) {
        match (&mut self.kind, other.kind) {
            (NodeKind::Object(fields), NodeKind::Object(more)) => merge_fields(fields, more, path, problems),
            (NodeKind::List(item), NodeKind::List(other)) => {
                item.merge(*other, &format!("{path}[*]"), problems);
            }
            (NodeKind::Leaf(one), NodeKind::Leaf(other)) if *one == other => {}
            (_, kind) => problems.push(Problem::TypeConflict {
                path: path.to_owned(),
                first: self.row.clone(),
                first_type: with_article(self.type_name()),
                second_type: with_article(Self { row: String::new(), kind }.type_name()),
                second: other.row,
            }),
        }
    }

    fn schema(&self) -> Map<String, Value> {
        let schema = match &self.kind {
            NodeKind::Leaf(leaf) => leaf_schema(*leaf),
            NodeKind::Object(fields) => json!({"type": "object", "properties": properties_of(fields)}),
            NodeKind::List(item) => json!({"type": "array", "items": item.schema()}),
        };
        match schema {
            Value::Object(members) => members,
            _ => Map::new(),
        }
    }
}

fn merge_fields(
    fields: &mut BTreeMap<String, Node>,
    more: BTreeMap<String, Node>,
    path: &str,
    problems: &mut Vec<Problem>,
) {
    for (name, node) in more {
        match fields.get_mut(&name) {
            Some(field) => field.merge(node, &format!("{path}.{name}"), problems),
            None => {
                fields.insert(name, node);
            }
        }
    }
}

fn properties_of(fields: &BTreeMap<String, Node>) -> Value {
    let properties = fields.iter().map(|(name, node)| {
        let mut field = node.schema();
        field.insert("title".into(), humanised(name).into());
        (name.clone(), Value::Object(field))
    });
    Value::Object(properties.collect())
}

/// The `properties` below `_<tenant>` that hold every row. Rows for fields of the class are left out.
///
/// # Errors
/// Rows without a type, outside the tenant, with a name that XDM refuses, or in conflict; each is named.
pub fn field_group_definition(rows: &[Row], tenant: &str) -> Result<Value, InvalidRows> {
    let mut problems = Vec::new();
    let mut fields = BTreeMap::new();
    for row in rows {
        match row_node(row, tenant) {
            Ok(None) => {}
            Ok(Some(NodeKind::Object(more))) => {
                merge_fields(&mut fields, more, &format!("_{tenant}"), &mut problems);
            }
            Ok(Some(NodeKind::Leaf(_) | NodeKind::List(_))) => problems.push(outside_tenant(row)),
            Err(problem) => problems.push(problem),
        }
    }
    InvalidRows::unless_none(properties_of(&fields), problems)
}

/// The fields below the tenant that one row needs, as an object; `None` for a field of the class.
fn row_node(row: &Row, tenant: &str) -> Result<Option<NodeKind>, Problem> {
    let steps = segments(&row.destination);
    let Some((root, below)) = steps.split_first() else { return Err(outside_tenant(row)) };
    if CLASS_FIELDS.contains(&row.destination.as_str()) {
        return Ok(None);
    }
    if root.list || root.name.strip_prefix('_') != Some(tenant) || below.is_empty() {
        return Err(outside_tenant(row));
    }
    if let Some(step) = below.iter().find(|step| !is_field_name(&step.name)) {
        return Err(Problem::FieldName { destination: row.destination.clone(), name: step.name.clone() });
    }
    let Some(shape) = &row.shape else {
        return Err(Problem::NoType {
            source_path: row.source.clone(),
            destination: row.destination.clone(),
        });
    };
    let leaf = Node::of(shape, &row.destination);
    let tree = below.iter().rev().fold(leaf, Node::below);
    Ok(Some(tree.kind))
}

fn outside_tenant(row: &Row) -> Problem {
    Problem::OutsideTenant { destination: row.destination.clone() }
}

fn is_field_name(name: &str) -> bool {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    !name.is_empty() && !name.starts_with('_') && name.chars().all(allowed)
}

/// Whether a managed schema of this class can be filled by the rows, as far as the class is known.
///
/// # Errors
/// A field that `ExperienceEvent` requires has no row.
pub fn check_class(rows: &[Row], class: &str) -> Result<(), InvalidRows> {
    let required: &[&'static str] = if class == EXPERIENCE_EVENT { &["_id", "timestamp"] } else { &[] };
    let missing = required.iter().filter(|field| !rows.iter().any(|row| row.destination == **field));
    let problems = missing.map(|field| Problem::ClassFieldMissing { class: class.to_owned(), field });
    InvalidRows::unless_none((), problems.collect())
}

/// Whether every identity of a managed schema stands on a string of `properties`, the answer of [`field_group_definition`], and on a field
/// of its own.
///
/// # Errors
/// Each identity that does not, with what was found.
pub fn check_identities(
    identities: &[Identity],
    properties: &Value,
    tenant: &str,
) -> Result<(), InvalidRows> {
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    for identity in identities {
        match filled_destination(&identity.destination, tenant) {
            Ok(destination) => {
                let found = found_for_identity(&destination, properties, tenant);
                problems.extend(found.map(|found| Problem::IdentityField {
                    destination: identity.destination.clone(),
                    found,
                }));
                if !seen.insert(destination.clone()) {
                    problems.push(Problem::SameIdentity { destination });
                }
            }
            Err(problem) => problems.push(problem),
        }
    }
    InvalidRows::unless_none((), problems)
}

/// What stands in the way of an identity at `destination`, if anything does.
fn found_for_identity(destination: &str, properties: &Value, tenant: &str) -> Option<String> {
    let pointer: String = segments(destination)
        .iter()
        .map(|step| if step.list { format!("/{}/items", step.name) } else { format!("/{}", step.name) })
        .collect::<Vec<String>>()
        .join("/properties");
    let schema = json!({format!("_{tenant}"): {"properties": properties}});
    match schema.pointer(&pointer).map(schema_type) {
        Some(SchemaType::Leaf(XdmType::String)) => None,
        Some(other) => Some(format!("it is {}", with_article(other))),
        None => Some("no row fills it".into()),
    }
}

/// A destination as an identity descriptor spells it: `_acme.customers_data.email` is `/_acme/customers_data/email`.
pub fn identity_path(destination: &str) -> String {
    let names: Vec<String> = segments(destination)
        .into_iter()
        .map(|step| if step.list { step.name + "[*]" } else { step.name })
        .collect();
    format!("/{}", names.join("/"))
}

/// The body that creates a field group; `properties` as [`field_group_definition`] gives them.
pub fn field_group_body(
    title: &str,
    class: &str,
    description: &str,
    tenant: &str,
    properties: &Value,
) -> Value {
    json!({
        "title": title,
        "description": description,
        "type": "object",
        "meta:intendedToExtend": [class],
        "definitions": {
            "customFields": {
                "type": "object",
                "properties": {
                    format!("_{tenant}"): {"type": "object", "properties": properties},
                },
            },
        },
        "allOf": [{"$ref": "#/definitions/customFields", "type": "object"}],
    })
}

/// The body that creates a schema from a class and one field group.
pub fn schema_body(title: &str, description: &str, class: &str, field_group_id: &str) -> Value {
    json!({
        "type": "object",
        "title": title,
        "description": description,
        "allOf": [{"$ref": class}, {"$ref": field_group_id}],
    })
}

#[cfg(test)]
mod tests;
