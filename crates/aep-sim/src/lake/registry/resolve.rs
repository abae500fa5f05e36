//! Resolution of `allOf` and `$ref` into one tree of fields.
//!
//! A [`View`] may show one resource as it would be after a change, so that a change can be judged before it is made.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{Kind, Registry, Resource};

/// Enough for any sane nesting of data types; a cycle ends here.
const MAX_DEPTH: usize = 24;

/// A resource with everything it inherits.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Resolved {
    /// All fields, without references.
    pub(crate) properties: Map<String, Value>,
    /// Required fields of the top level.
    pub(crate) required: BTreeSet<String>,
    /// Every resource composed through `allOf`, directly or not, in order of appearance.
    pub(crate) extends: Vec<String>,
    /// The class, for a schema.
    pub(crate) class: Option<String>,
    /// Every other resource that takes part, data types too.
    pub(crate) uses: BTreeSet<String>,
}

impl Resolved {
    /// The tree as one JSON schema.
    pub(crate) fn as_field(&self) -> Value {
        json!({"type": "object", "properties": self.properties, "required": self.required})
    }
}

/// The registry, with at most one resource replaced.
pub(super) struct View<'a> {
    registry: &'a Registry,
    overlay: Option<&'a Resource>,
}

impl<'a> View<'a> {
    /// The registry as it is.
    pub(super) fn of(registry: &'a Registry) -> Self {
        Self { registry, overlay: None }
    }

    /// The registry as it would be with that resource.
    pub(super) fn with(registry: &'a Registry, overlay: &'a Resource) -> Self {
        Self { registry, overlay: Some(overlay) }
    }

    /// A resource of either container.
    pub(super) fn get(&self, id: &str) -> Option<&Resource> {
        self.overlay.filter(|overlay| overlay.id == id).or_else(|| self.registry.get(id))
    }

    /// Resolves one resource.
    pub(super) fn resolve(&self, resource: &Resource) -> Resolved {
        let mut out = Resolved::default();
        self.compose(&resource.body, &resource.body, &mut out, 0);
        out.class = match resource.kind {
            Kind::Schemas => out.extends.iter().find(|id| self.is_class(id)).cloned(),
            _ => None,
        };
        out
    }

    fn is_class(&self, id: &str) -> bool {
        self.get(id).is_some_and(|resource| resource.kind == Kind::Classes)
    }

    /// Adds the fields of a node; `root` is the document in which `#/…` is looked up.
    fn compose(
        &self,
        node: &Map<String, Value>,
        root: &Map<String, Value>,
        out: &mut Resolved,
        depth: usize,
    ) {
        if depth > MAX_DEPTH {
            return;
        }
        for part in
            node.get("allOf").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
        {
            match part.get("$ref").and_then(Value::as_str) {
                Some(reference) => self.compose_reference(reference, root, out, depth),
                None => self.compose(part, root, out, depth + 1),
            }
        }
        for (name, field) in node.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let expanded = self.expand(field, root, &mut out.uses, depth + 1);
            merge_field(&mut out.properties, name, expanded);
        }
        let required = node.get("required").and_then(Value::as_array).into_iter().flatten();
        out.required.extend(required.filter_map(Value::as_str).map(str::to_owned));
    }

    fn compose_reference(
        &self,
        reference: &str,
        root: &Map<String, Value>,
        out: &mut Resolved,
        depth: usize,
    ) {
        let (id, fragment) = split(reference);
        if id.is_empty() {
            if let Some(node) = local(root, fragment) {
                self.compose(node, root, out, depth + 1);
            }
            return;
        }
        let Some(target) = self.get(id) else { return };
        if !out.extends.iter().any(|known| known == id) {
            out.extends.push(id.to_owned());
        }
        out.uses.insert(id.to_owned());
        let node = if fragment.is_empty() { Some(&target.body) } else { local(&target.body, fragment) };
        if let Some(node) = node {
            self.compose(node, &target.body, out, depth + 1);
        }
    }

    /// A field with its references replaced by what they mean.
    fn expand(
        &self,
        field: &Value,
        root: &Map<String, Value>,
        uses: &mut BTreeSet<String>,
        depth: usize,
    ) -> Value {
        let Some(map) = field.as_object().filter(|_| depth <= MAX_DEPTH) else { return field.clone() };
        if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
            return self.expand_reference(reference, map, root, uses, depth);
        }
        let mut out = map.clone();
        for (key, member) in &mut out {
            match (key.as_str(), &mut *member) {
                ("properties", Value::Object(children)) => {
                    for child in children.values_mut() {
                        *child = self.expand(child, root, uses, depth + 1);
                    }
                }
                ("items" | "additionalProperties", Value::Object(_)) => {
                    *member = self.expand(member, root, uses, depth + 1);
                }
                _ => {}
            }
        }
        Value::Object(out)
    }

    fn expand_reference(
        &self,
        reference: &str,
        field: &Map<String, Value>,
        root: &Map<String, Value>,
        uses: &mut BTreeSet<String>,
        depth: usize,
    ) -> Value {
        let (id, fragment) = split(reference);
        let mut inner = Resolved::default();
        if id.is_empty() {
            if let Some(node) = local(root, fragment) {
                self.compose(node, root, &mut inner, depth + 1);
            }
        } else if let Some(target) = self.get(id) {
            uses.insert(id.to_owned());
            let node = if fragment.is_empty() { Some(&target.body) } else { local(&target.body, fragment) };
            if let Some(node) = node {
                self.compose(node, &target.body, &mut inner, depth + 1);
            }
        }
        uses.extend(inner.uses);
        let mut out = field.clone();
        out.shift_remove("$ref");
        out.insert("type".into(), json!("object"));
        out.insert("meta:xdmType".into(), json!("object"));
        out.insert("meta:referencedFrom".into(), json!(reference));
        out.insert("properties".into(), Value::Object(inner.properties));
        if !inner.required.is_empty() {
            out.insert("required".into(), json!(inner.required));
        }
        Value::Object(out)
    }
}

/// Resource id and JSON pointer of a reference; either may be empty.
fn split(reference: &str) -> (&str, &str) {
    reference.split_once('#').unwrap_or((reference, ""))
}

fn local<'m>(root: &'m Map<String, Value>, fragment: &str) -> Option<&'m Map<String, Value>> {
    let mut segments = fragment.split('/').skip(1);
    let mut node = root.get(segments.next()?)?;
    for segment in segments {
        node = node.get(segment.replace("~1", "/").replace("~0", "~"))?;
    }
    node.as_object()
}

/// Adds a field; objects that meet are merged, as several field groups fill one namespace.
fn merge_field(into: &mut Map<String, Value>, name: &str, field: Value) {
    let Some(present) = into.get_mut(name) else {
        into.insert(name.to_owned(), field);
        return;
    };
    match (present.get_mut("properties").and_then(Value::as_object_mut), field) {
        (Some(children), Value::Object(mut other)) => {
            if let Some(Value::Object(more)) = other.shift_remove("properties") {
                more.into_iter().for_each(|(child, field)| merge_field(children, &child, field));
            }
        }
        (_, field) => *present = field,
    }
}
