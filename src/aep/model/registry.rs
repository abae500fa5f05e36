//! Schemas, field groups and descriptors of the Schema Registry.

use serde::Deserialize;
use serde_json::Value;

use super::loose;

/// What `/stats` says about the organisation.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// The tenant id without underscore; custom fields live below `_{tenant_id}`.
    #[serde(default)]
    pub tenant_id: String,
    /// The organisation.
    #[serde(default, rename = "imsOrg", deserialize_with = "loose::text")]
    pub organization: Option<String>,
}

/// The two kinds of tenant resources that the operator makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResourceKind {
    /// A schema: a class with field groups.
    Schema,
    /// A field group; its ids still say `mixins`.
    FieldGroup,
}

impl ResourceKind {
    /// The collection's path segment.
    pub const fn collection(self) -> &'static str {
        match self {
            Self::Schema => "schemas",
            Self::FieldGroup => "fieldgroups",
        }
    }
}

/// A schema or field group, whole, with what the operator reads of it at hand.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(from = "Value")]
pub struct Resource {
    /// The `$id`, a URI; checked to be one.
    pub id: String,
    /// The title, unique over all resource types of a tenant.
    pub title: String,
    /// Free text.
    pub description: Option<String>,
    /// `1.0`, then `1.1`, …
    pub version: Option<String>,
    /// The whole answer.
    pub raw: Value,
    /// The identity descriptors of a schema, where they were asked for.
    pub identities: Vec<Descriptor>,
}

impl Resource {
    /// The `$id` of the class of a schema.
    pub fn class(&self) -> Option<&str> {
        self.raw.get("meta:class").and_then(Value::as_str)
    }

    /// Whether the schema takes part in Profile, which can never be undone.
    pub fn is_in_union(&self) -> bool {
        let tags = self.raw.get("meta:immutableTags").and_then(Value::as_array);
        tags.is_some_and(|tags| tags.iter().any(|tag| tag == "union"))
    }

    /// What a schema is composed of: the `$ref` of each entry of `allOf`.
    pub fn all_of(&self) -> impl Iterator<Item = &str> {
        let entries = self.raw.get("allOf").and_then(Value::as_array);
        entries.into_iter().flatten().filter_map(|entry| entry.get("$ref").and_then(Value::as_str))
    }
}

impl From<Value> for Resource {
    fn from(raw: Value) -> Self {
        let member = |name: &str| raw.get(name).and_then(loose::to_text);
        Self {
            id: member("$id").unwrap_or_default(),
            title: member("title").unwrap_or_default(),
            description: member("description"),
            version: member("version"),
            raw,
            identities: Vec::new(),
        }
    }
}

/// A descriptor of a schema, such as an identity.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(from = "Value")]
pub struct Descriptor {
    /// The `@id`.
    pub id: String,
    /// `xdm:descriptorIdentity` and others.
    pub kind: String,
    /// The schema's `$id`.
    pub schema: String,
    /// The path of the field, `/_tenant/…`, without `properties`.
    pub property: Option<String>,
    /// The identity namespace.
    pub namespace: Option<String>,
    /// Whether it is the schema's primary identity.
    pub is_primary: bool,
    /// The client id that made it.
    pub created_client: Option<String>,
    /// The whole answer.
    pub raw: Value,
}

impl Descriptor {
    /// Whether it makes a field an identity.
    pub fn is_identity(&self) -> bool {
        self.kind == "xdm:descriptorIdentity"
    }
}

impl From<Value> for Descriptor {
    fn from(raw: Value) -> Self {
        let member = |name: &str| raw.get(name).and_then(loose::to_text);
        Self {
            id: member("@id").unwrap_or_default(),
            kind: member("@type").unwrap_or_default(),
            schema: member("xdm:sourceSchema").unwrap_or_default(),
            property: member("xdm:sourceProperty"),
            namespace: member("xdm:namespace"),
            created_client: member("createdClient")
                .or_else(|| loose::to_text(raw.pointer("/meta:registryMetadata/xdm:createdClientId")?)),
            is_primary: raw.get("xdm:isPrimary").and_then(loose::to_flag).unwrap_or_default(),
            raw,
        }
    }
}
