//! Rows as the operator uses them: shipped and own rows merged, with type and title; the tenant filled in.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::api::IngestionMappingSpec;
use crate::api::mapping::{Builtin, MappingRow, RowType, XdmType};
use crate::api::source_connection::ResourcePath;

use super::builtin::{self, TENANT_PLACEHOLDER};
use super::invalid::{InvalidRows, Problem};
use super::path::{any_index, is_below, segments};
use super::shape::Shape;
use super::title::humanised;

/// One row of a mapping set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// A source path such as `data.id`, or an expression.
    pub source: String,
    /// XDM path; after [`fill_tenant`] without placeholder.
    pub destination: String,
    /// How the source is read.
    pub row_type: RowType,
    /// What the row delivers: its `xdmType`, else the shipped type, else unknown.
    pub shape: Option<Shape>,
    /// Title of the field in a managed schema.
    pub title: String,
}

impl Row {
    /// The XDM type, if the row delivers one value of a known type.
    pub fn xdm_type(&self) -> Option<XdmType> {
        match self.shape {
            Some(Shape::Leaf(leaf)) => Some(leaf),
            _ => None,
        }
    }

    /// Whether the row fills the field at `path`, one below it, or an object that holds it.
    pub fn touches(&self, path: &str) -> bool {
        let (own, path) = (any_index(&self.destination), any_index(path));
        own == path || is_below(&own, &path) || is_below(&path, &own)
    }

    /// Whether the row copies an object or a list as a whole.
    pub(super) fn copies_subtree(&self) -> bool {
        matches!(self.shape, Some(Shape::Object(_) | Shape::List(_)))
    }
}

/// The rows that a spec asks for, ordered by destination, which puts an object before the fields below it.
///
/// # Errors
/// Shipped rows of another resource, an `exclude` that matches or keeps out nothing, a destination given twice, no row left.
pub fn rows(spec: &IngestionMappingSpec, resource: ResourcePath) -> Result<Vec<Row>, InvalidRows> {
    let mut merged = match &spec.builtin {
        Some(builtin) => included_rows(builtin, resource)?,
        None => BTreeMap::new(),
    };
    let mut problems = Vec::new();
    let mut own: BTreeMap<String, Row> = BTreeMap::new();
    for mapping in &spec.mappings {
        match own.entry(mapping.destination.clone()) {
            Entry::Vacant(slot) => {
                slot.insert(own_row(mapping, resource));
            }
            Entry::Occupied(taken) => problems.push(same_destination(taken.key(), taken.key(), taken.key())),
        }
    }
    merged.extend(own);
    if let Some(builtin) = &spec.builtin {
        problems.extend(excludes_without_effect(builtin, &merged));
    }
    if merged.is_empty() {
        problems.push(Problem::NoRows);
    }
    InvalidRows::unless_none(merged.into_values().collect(), problems)
}

fn included_rows(builtin: &Builtin, resource: ResourcePath) -> Result<BTreeMap<String, Row>, InvalidRows> {
    let name = builtin::name_of(builtin.name);
    if builtin::resource_of(builtin.name) != resource {
        let resource = resource.as_str();
        return Err(Problem::BuiltinOfAnotherResource { builtin: name, resource }.into());
    }
    let shipped = builtin::builtin_rows(builtin.name);
    let mut included: BTreeMap<String, Row> =
        shipped.into_iter().map(|row| (row.destination.clone(), row)).collect();
    let mut problems = Vec::new();
    let mut excludes = builtin.exclude.clone();
    excludes.sort_unstable();
    excludes.dedup();
    for destination in excludes {
        if included.remove(&destination).is_none() {
            problems.push(Problem::ExcludeMatchesNothing { destination, builtin: name });
        }
    }
    InvalidRows::unless_none(included, problems)
}

/// Excluding a field while its parent is copied whole would let through what the user meant to keep out.
fn excludes_without_effect(builtin: &Builtin, rows: &BTreeMap<String, Row>) -> Vec<Problem> {
    let excludes = builtin.exclude.iter().filter(|destination| !rows.contains_key(*destination));
    excludes
        .filter_map(|destination| {
            let parent =
                rows.values().find(|row| row.copies_subtree() && is_below(destination, &row.destination))?;
            Some(Problem::ExcludeWithoutEffect {
                destination: destination.clone(),
                parent: parent.destination.clone(),
            })
        })
        .collect()
}

fn own_row(mapping: &MappingRow, resource: ResourcePath) -> Row {
    let row_type = mapping.row_type.unwrap_or_default();
    // The destination comes first: overriding a shipped row must not change the type of its field.
    let shipped = || {
        builtin::shape_at_destination(resource, &mapping.destination).or_else(|| match row_type {
            RowType::Attribute => builtin::shape_at_source(resource, &mapping.source),
            RowType::Expression => None,
        })
    };
    let last = segments(&mapping.destination).pop();
    Row {
        source: mapping.source.clone(),
        destination: mapping.destination.clone(),
        row_type,
        shape: mapping.xdm_type.map(Shape::Leaf).or_else(shipped),
        title: last.map(|step| humanised(&step.name)).unwrap_or_default(),
    }
}

fn same_destination(first: &str, second: &str, destination: &str) -> Problem {
    Problem::SameDestination {
        first: first.to_owned(),
        second: second.to_owned(),
        destination: destination.to_owned(),
    }
}

/// The rows with `_{TENANT_ID}` replaced by `_<tenant>`; `tenant` has no underscore.
///
/// # Errors
/// Unknown placeholders, and rows that become equal; each is named as it was given.
pub fn fill_tenant(rows: Vec<Row>, tenant: &str) -> Result<Vec<Row>, InvalidRows> {
    let mut problems = Vec::new();
    let mut given: BTreeMap<String, String> = BTreeMap::new();
    let mut filled = Vec::with_capacity(rows.len());
    for row in rows {
        let destination = match filled_destination(&row.destination, tenant) {
            Ok(destination) => destination,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        match given.entry(destination.clone()) {
            Entry::Vacant(slot) => {
                slot.insert(row.destination);
                filled.push(Row { destination, ..row });
            }
            Entry::Occupied(first) => {
                problems.push(same_destination(first.get(), &row.destination, &destination));
            }
        }
    }
    filled.sort_by(|a, b| a.destination.cmp(&b.destination));
    InvalidRows::unless_none(filled, problems)
}

/// One destination with the tenant filled in.
pub(super) fn filled_destination(destination: &str, tenant: &str) -> Result<String, Problem> {
    let (head, rest) = match destination.strip_prefix(TENANT_PLACEHOLDER) {
        Some(rest) if rest.is_empty() || rest.starts_with('.') => (format!("_{tenant}"), rest),
        _ => (String::new(), destination),
    };
    match foreign_brace(rest) {
        None => Ok(head + rest),
        Some(start) => {
            let end = rest[start..].find('}').map_or(rest.len(), |length| start + length + 1);
            Err(Problem::UnknownPlaceholder {
                destination: destination.to_owned(),
                placeholder: rest[start..end].to_owned(),
            })
        }
    }
}

/// Where a brace stands that is no part of `${…}`, Data Prep's way to write a key with special characters.
fn foreign_brace(path: &str) -> Option<usize> {
    let mut is_key = false;
    for (position, brace) in path.match_indices(['{', '}']) {
        match brace {
            "{" if path[..position].ends_with('$') => is_key = true,
            "}" if is_key => is_key = false,
            _ => return Some(position),
        }
    }
    None
}

#[cfg(test)]
mod tests;
