//! Mapping sets of Data Prep.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{SchemaRef, loose};

/// A mapping set in one version: what a flow refers to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MappingSetRef {
    /// 32 hexadecimal digits.
    pub id: String,
    /// Zero for a new set; each PUT adds one.
    pub version: i64,
}

/// A mapping set. Answers carry an older and a newer form of the same members at once; both are read.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(from = "WireSet")]
pub struct MappingSet {
    /// 32 hexadecimal digits; checked to be that.
    pub id: String,
    /// The version shown.
    pub version: Option<i64>,
    /// The name; carries the marker of the operator.
    pub name: Option<String>,
    /// The schema that rows write to.
    pub schema: SchemaRef,
    /// The rows.
    pub rows: Vec<MappingRow>,
    /// When it was made, milliseconds since 1970.
    pub created_at: Option<i64>,
    /// When it was last changed, milliseconds since 1970.
    pub updated_at: Option<i64>,
    /// The technical account that made it.
    pub created_by: Option<String>,
}

/// What a row's source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RowKind {
    /// A path into the record, copied.
    Attribute,
    /// A calculated field, at most 4,096 characters.
    Expression,
    /// A constant. Only in the API reference.
    Static,
}

impl RowKind {
    /// The word of a request.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Attribute => "ATTRIBUTE",
            Self::Expression => "EXPRESSION",
            Self::Static => "STATIC",
        }
    }

    /// Reads a request's word or the media type that answers show in its place.
    fn read(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "attribute" | "text/x.schema-path" => Some(Self::Attribute),
            "expression" | "text/x.aep-xl" => Some(Self::Expression),
            "static" => Some(Self::Static),
            _ => None,
        }
    }
}

/// One row: where a value comes from and where it goes. Sets are equal when their sets of rows are.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(from = "WireRow")]
pub struct MappingRow {
    /// What `source` is; `None` when an answer shows a kind unknown to this version.
    pub kind: Option<RowKind>,
    /// A path below `data`, or an expression.
    pub source: String,
    /// A path of the schema.
    pub destination: String,
}

impl MappingRow {
    /// A row that copies a path.
    pub fn attribute(source: impl Into<String>, destination: impl Into<String>) -> Self {
        Self { kind: Some(RowKind::Attribute), source: source.into(), destination: destination.into() }
    }

    /// A row that calculates.
    pub fn expression(source: impl Into<String>, destination: impl Into<String>) -> Self {
        Self { kind: Some(RowKind::Expression), source: source.into(), destination: destination.into() }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireSet {
    #[serde(default)]
    id: String,
    #[serde(default, deserialize_with = "loose::number")]
    version: Option<i64>,
    #[serde(default, deserialize_with = "loose::text")]
    name: Option<String>,
    #[serde(default, deserialize_with = "loose::or_default")]
    output_schema: OutputSchema,
    #[serde(default, deserialize_with = "loose::or_default")]
    schema_ref: Option<SchemaRef>,
    #[serde(default, deserialize_with = "loose::text")]
    xdm_schema: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    xdm_version: Option<String>,
    #[serde(default, deserialize_with = "loose::or_default")]
    mappings: Vec<MappingRow>,
    #[serde(default, deserialize_with = "loose::number")]
    created_date: Option<i64>,
    #[serde(default, deserialize_with = "loose::number")]
    modified_date: Option<i64>,
    #[serde(default, deserialize_with = "loose::text")]
    created_by: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct OutputSchema {
    #[serde(default)]
    schema_ref: Option<SchemaRef>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireRow {
    #[serde(default, deserialize_with = "loose::text")]
    source_type: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    source: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    source_attribute: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    destination: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    destination_xdm_path: Option<String>,
}

impl From<WireSet> for MappingSet {
    fn from(wire: WireSet) -> Self {
        let legacy = wire.xdm_schema.map(|id| SchemaRef {
            id,
            content_type: format!(
                "application/vnd.adobe.xed-full+json;version={}",
                wire.xdm_version.as_deref().unwrap_or("1")
            ),
        });
        Self {
            id: wire.id,
            version: wire.version,
            name: wire.name,
            schema: wire.output_schema.schema_ref.or(wire.schema_ref).or(legacy).unwrap_or_default(),
            rows: wire.mappings,
            created_at: wire.created_date,
            updated_at: wire.modified_date,
            created_by: wire.created_by,
        }
    }
}

impl From<WireRow> for MappingRow {
    fn from(wire: WireRow) -> Self {
        Self {
            // The older form has no kinds: it only copies.
            kind: wire.source_type.as_deref().map_or(Some(RowKind::Attribute), RowKind::read),
            source: wire.source.or(wire.source_attribute).unwrap_or_default(),
            destination: wire.destination.or(wire.destination_xdm_path).unwrap_or_default(),
        }
    }
}

/// A mapping set to create, validate or put in place of the latest version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMappingSet {
    /// The name.
    pub name: String,
    /// The schema that rows write to.
    pub schema: SchemaRef,
    /// The rows.
    pub rows: Vec<MappingRow>,
}

impl NewMappingSet {
    /// The body of the documented API (Adobe: "Mapping sets API endpoint").
    pub(in crate::aep) fn body(&self) -> impl Serialize + use<'_> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Row<'a> {
            source_type: &'static str,
            source: &'a str,
            destination: &'a str,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Body<'a> {
            name: &'a str,
            output_schema: Value,
            mappings: Vec<Row<'a>>,
        }
        let rows = self.rows.iter().map(|row| Row {
            source_type: row.kind.unwrap_or(RowKind::Attribute).as_str(),
            source: &row.source,
            destination: &row.destination,
        });
        Body {
            name: &self.name,
            output_schema: serde_json::json!({"schemaRef": self.schema}),
            mappings: rows.collect(),
        }
    }
}

/// A row that Data Prep does not accept.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RowFailure {
    /// The row's source.
    pub source: String,
    /// The row's destination.
    pub destination: String,
    /// Why, in one line.
    pub message: String,
}

/// What a mapping set makes of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// The record in the shape of the target schema. A row that failed gives nothing.
    pub data: Value,
    /// The rows that failed.
    pub failures: Vec<RowFailure>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_forms_of_a_set_read_the_same() {
        let newer: MappingSet = serde_json::from_value(json!({
            "id": "f4aad280fdec4770b7e33066945919d8", "version": "1", "name": "n",
            "outputSchema": {"schemaRef": {"id": "s", "contentType": "application/vnd.adobe.xed-full+json;version=1"}},
            "mappings": [{"sourceType": "text/x.schema-path", "source": "data.id", "destination": "_t.a.id", "identity": false}]
        }))
        .expect("a set");
        let older: MappingSet = serde_json::from_value(json!({
            "id": "f4aad280fdec4770b7e33066945919d8", "version": 1, "name": "n", "xdmSchema": "s", "xdmVersion": "1",
            "mappings": [{"sourceAttribute": "data.id", "destinationXdmPath": "_t.a.id"}]
        }))
        .expect("a set");
        assert_eq!(newer, older);
        assert_eq!(newer.rows, [MappingRow::attribute("data.id", "_t.a.id")]);
    }

    #[test]
    fn an_expression_reads_back_as_one_and_an_unknown_kind_as_none() {
        let row = |kind: &str| {
            serde_json::from_value::<MappingRow>(
                json!({"sourceType": kind, "source": "s", "destination": "d"}),
            )
            .expect("a row")
            .kind
        };
        assert_eq!(row("text/x.aep-xl"), Some(RowKind::Expression));
        assert_eq!(row("EXPRESSION"), Some(RowKind::Expression));
        assert_eq!(row("text/x.something"), None);
    }
}
