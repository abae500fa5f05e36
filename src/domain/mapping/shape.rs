//! Shapes of XDM fields: what a row delivers, how Schema Registry writes it, and how to read it back from an answer.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value, json};

use crate::api::mapping::XdmType;

/// Largest integer that XDM calls a long: 2^53 - 1.
const LONG: i64 = 9_007_199_254_740_991;
/// Bound of an XDM integer.
const INTEGER: i64 = 2_147_483_648;

/// What a field holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// One value.
    Leaf(XdmType),
    /// Named fields.
    Object(BTreeMap<String, Shape>),
    /// Any number of items of one shape.
    List(Box<Shape>),
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leaf(leaf) => f.write_str(xdm_name(*leaf)),
            Self::Object(_) => f.write_str("object"),
            Self::List(item) => write!(f, "list of {item}"),
        }
    }
}

/// A type's name with its article, for messages.
pub(super) fn with_article(type_name: impl fmt::Display) -> String {
    let name = type_name.to_string();
    let article = if name.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" };
    format!("{article} {name}")
}

/// The name of a type as XDM spells it.
pub(super) fn xdm_name(leaf: XdmType) -> &'static str {
    match leaf {
        XdmType::String => "string",
        XdmType::Long => "long",
        XdmType::Integer => "integer",
        XdmType::Number => "number",
        XdmType::Boolean => "boolean",
        XdmType::Date => "date",
        XdmType::DateTime => "date-time",
    }
}

/// The name of a type as a row declares it.
pub(super) fn declared_name(leaf: XdmType) -> &'static str {
    match leaf {
        XdmType::String => "String",
        XdmType::Long => "Long",
        XdmType::Integer => "Integer",
        XdmType::Number => "Number",
        XdmType::Boolean => "Boolean",
        XdmType::Date => "Date",
        XdmType::DateTime => "DateTime",
    }
}

/// A leaf as Schema Registry takes it, without title.
pub(super) fn leaf_schema(leaf: XdmType) -> Value {
    match leaf {
        XdmType::String => json!({"type": "string"}),
        XdmType::Long => json!({"type": "integer", "minimum": -LONG, "maximum": LONG}),
        XdmType::Integer => json!({"type": "integer", "minimum": -INTEGER, "maximum": INTEGER}),
        XdmType::Number => json!({"type": "number"}),
        XdmType::Boolean => json!({"type": "boolean"}),
        XdmType::Date => json!({"type": "string", "format": "date"}),
        XdmType::DateTime => json!({"type": "string", "format": "date-time"}),
    }
}

/// What a field of a registry answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SchemaType {
    Leaf(XdmType),
    /// Types that no row can declare.
    Short,
    Byte,
    Object,
    List,
    Map,
    /// The answer does not tell, or tells something new.
    Unknown,
}

impl fmt::Display for SchemaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Leaf(leaf) => xdm_name(*leaf),
            Self::Short => "short",
            Self::Byte => "byte",
            Self::Object => "object",
            Self::List => "list",
            Self::Map => "map",
            Self::Unknown => "field of unknown type",
        })
    }
}

/// The type of a field in a registry answer: `meta:xdmType` where it is given, else type, format and bounds.
pub(super) fn schema_type(field: &Value) -> SchemaType {
    let xdm = field["meta:xdmType"].as_str().and_then(named_type);
    xdm.unwrap_or_else(|| plain_type(field))
}

fn named_type(name: &str) -> Option<SchemaType> {
    let leaf = match name {
        "string" => XdmType::String,
        "long" => XdmType::Long,
        "int" | "integer" => XdmType::Integer,
        "number" | "double" => XdmType::Number,
        "boolean" => XdmType::Boolean,
        "date" => XdmType::Date,
        "date-time" => XdmType::DateTime,
        "short" => return Some(SchemaType::Short),
        "byte" => return Some(SchemaType::Byte),
        "object" => return Some(SchemaType::Object),
        "array" => return Some(SchemaType::List),
        "map" => return Some(SchemaType::Map),
        _ => return None,
    };
    Some(SchemaType::Leaf(leaf))
}

fn plain_type(field: &Value) -> SchemaType {
    match field["type"].as_str() {
        Some("string") => SchemaType::Leaf(match field["format"].as_str() {
            Some("date") => XdmType::Date,
            Some("date-time") => XdmType::DateTime,
            _ => XdmType::String,
        }),
        Some("integer") => integer_type(field["maximum"].as_i64()),
        Some("number") => SchemaType::Leaf(XdmType::Number),
        Some("boolean") => SchemaType::Leaf(XdmType::Boolean),
        Some("array") => SchemaType::List,
        Some("object") if !field["additionalProperties"].is_object() => SchemaType::Object,
        Some("object") => SchemaType::Map,
        None if field["properties"].is_object() => SchemaType::Object,
        _ => SchemaType::Unknown,
    }
}

fn integer_type(maximum: Option<i64>) -> SchemaType {
    match maximum {
        Some(bound) if bound <= 128 => SchemaType::Byte,
        Some(bound) if bound <= 32_768 => SchemaType::Short,
        Some(bound) if bound <= INTEGER => SchemaType::Leaf(XdmType::Integer),
        _ => SchemaType::Leaf(XdmType::Long),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [XdmType; 7] = [
        XdmType::String,
        XdmType::Long,
        XdmType::Integer,
        XdmType::Number,
        XdmType::Boolean,
        XdmType::Date,
        XdmType::DateTime,
    ];

    #[test]
    fn every_leaf_is_read_back_as_written() {
        for leaf in ALL {
            assert_eq!(schema_type(&leaf_schema(leaf)), SchemaType::Leaf(leaf));
        }
    }

    #[test]
    fn declared_names_are_those_of_the_custom_resource() {
        for leaf in ALL {
            assert_eq!(serde_json::to_value(leaf).unwrap(), declared_name(leaf));
        }
    }

    #[test]
    fn the_xdm_type_of_an_answer_wins_over_its_bounds() {
        let month = json!({"type": "integer", "maximum": 12, "meta:xdmType": "int"});
        assert_eq!(schema_type(&month), SchemaType::Leaf(XdmType::Integer));
        assert_eq!(schema_type(&json!({"type": "integer", "maximum": 12})), SchemaType::Byte);
        assert_eq!(schema_type(&json!({"type": "integer"})), SchemaType::Leaf(XdmType::Long));
    }
}
