//! The two body forms of a mapping set, read into one and written as both.
//!
//! The older form says `sourceAttribute` and `xdmSchema`, the newer one `source` and `outputSchema.schemaRef`. Answers hold
//! both at once.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::lake::el::Expression;
use crate::lake::ids;
use crate::lake::types::SchemaRef;
use crate::wire::Caller;

/// How a row finds its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SourceType {
    /// A path into the record.
    Attribute,
    /// A calculated field.
    Expression,
    /// A constant text.
    Static,
}

impl SourceType {
    /// Both the written and the read names, since clients send back what they read.
    fn parse(name: &str) -> Option<Self> {
        match name {
            "ATTRIBUTE" | "text/x.schema-path" => Some(Self::Attribute),
            "EXPRESSION" | "text/x.aep-xl" => Some(Self::Expression),
            "STATIC" => Some(Self::Static),
            _ => None,
        }
    }

    fn read_name(self) -> &'static str {
        match self {
            Self::Attribute => "text/x.schema-path",
            Self::Expression => "text/x.aep-xl",
            Self::Static => "STATIC",
        }
    }

    /// The name in Adobe's enumeration, which errors use.
    pub(super) fn write_name(self) -> &'static str {
        match self {
            Self::Attribute => "ATTRIBUTE",
            Self::Expression => "EXPRESSION",
            Self::Static => "STATIC",
        }
    }
}

/// One row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(super) id: String,
    pub(crate) source_type: SourceType,
    pub(crate) source: String,
    pub(crate) destination: String,
    name: Option<String>,
    description: Option<String>,
    identity: bool,
    primary_identity: bool,
}

/// What a client wrote.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Draft {
    pub(super) name: Option<String>,
    pub(crate) schema: SchemaRef,
    pub(crate) rows: Vec<Row>,
    /// Members kept as they came: `inputSchema`, `tags`.
    pub(super) extra: Map<String, Value>,
}

/// Reads a body in either form; the error says what is wrong.
pub(super) fn read(body: &Value) -> Result<Draft, String> {
    let body = body.as_object().ok_or("The body must be a JSON object.")?;
    let rows =
        body.get("mappings").and_then(Value::as_array).ok_or("The member mappings must be an array.")?;
    let rows: Result<Vec<Row>, String> =
        rows.iter().enumerate().map(|(index, row)| read_row(index, row)).collect();
    let name = match body.get("name") {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) => Some(name.clone()),
        Some(_) => return Err("The member name must be a text.".to_owned()),
    };
    let extra = ["inputSchema", "tags"]
        .into_iter()
        .filter_map(|member| Some((member.to_owned(), body.get(member)?.clone())));
    Ok(Draft {
        name,
        schema: read_schema(body)?,
        rows: rows?,
        extra: extra.filter(|(_, value)| !value.is_null()).collect(),
    })
}

fn read_schema(body: &Map<String, Value>) -> Result<SchemaRef, String> {
    let newer = body.get("outputSchema").and_then(|schema| schema.get("schemaRef"));
    let reference = newer.or_else(|| body.get("schemaRef")).filter(|reference| reference.is_object());
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let (id, version) = match reference {
        Some(reference) => (text(reference.get("id")), text(reference.get("contentType"))),
        None => (text(body.get("xdmSchema")), text(body.get("xdmVersion"))),
    };
    let id = id.ok_or("A mapping set needs outputSchema.schemaRef.id, or xdmSchema.")?;
    Ok(SchemaRef { id, content_type: version.unwrap_or_else(|| "1.0".to_owned()) })
}

fn read_row(index: usize, row: &Value) -> Result<Row, String> {
    let text = |names: [&str; 2]| names.iter().find_map(|name| row.get(name)?.as_str()).map(str::to_owned);
    let source =
        text(["source", "sourceAttribute"]).ok_or_else(|| format!("Mapping {index} needs a source."))?;
    let destination = text(["destination", "destinationXdmPath"])
        .ok_or_else(|| format!("Mapping {index} needs a destination."))?;
    let source_type = match row.get("sourceType") {
        None | Some(Value::Null) => SourceType::Attribute,
        Some(name) => {
            let parsed = name.as_str().and_then(SourceType::parse);
            parsed.ok_or_else(|| format!("Mapping {index} has the unknown sourceType {name}."))?
        }
    };
    let flag = |name: &str| row.get(name).and_then(Value::as_bool).unwrap_or(false);
    Ok(Row {
        id: ids::hex32(),
        source_type,
        source,
        destination,
        name: row.get("name").and_then(Value::as_str).map(str::to_owned),
        description: row.get("description").and_then(Value::as_str).map(str::to_owned),
        identity: flag("identity"),
        primary_identity: flag("primaryIdentity"),
    })
}

/// When and by whom a version was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Stamp {
    pub(super) created: i64,
    pub(super) modified: i64,
    pub(super) created_by: String,
    pub(super) modified_by: String,
}

impl Stamp {
    pub(super) fn new(caller: &Caller, now_ms: i64) -> Self {
        Self {
            created: now_ms,
            modified: now_ms,
            created_by: caller.user.clone(),
            modified_by: caller.user.clone(),
        }
    }

    /// The members that every answer of Data Prep begins with.
    pub(super) fn head(&self, id: &str, version: u64) -> Map<String, Value> {
        let head = json!({
            "id": id, "version": version, "createdDate": self.created, "modifiedDate": self.modified,
            "createdBy": self.created_by, "modifiedBy": self.modified_by,
        });
        head.as_object().cloned().unwrap_or_default()
    }
}

/// A row in both forms.
pub(super) fn write_row(row: &Row, stamp: &Stamp) -> Value {
    let mut out = stamp.head(&row.id, 0);
    out.insert("sourceType".into(), json!(row.source_type.read_name()));
    out.insert("source".into(), json!(row.source));
    out.insert("destination".into(), json!(row.destination));
    for (member, text) in [("name", &row.name), ("description", &row.description)] {
        if let Some(text) = text {
            out.insert(member.into(), json!(text));
        }
    }
    out.insert("identity".into(), json!(row.identity));
    out.insert("primaryIdentity".into(), json!(row.primary_identity));
    out.insert("matchScore".into(), json!(0.0));
    out.insert("functionVersion".into(), json!(1));
    if row.source_type == SourceType::Expression
        && let Ok(expression) = Expression::parse(&row.source)
    {
        out.insert("expressionAttributes".into(), json!(expression.attributes()));
    }
    out.insert("sourceAttribute".into(), json!(row.source));
    out.insert("destinationXdmPath".into(), json!(row.destination));
    Value::Object(out)
}

/// A whole set in both forms. `json_schema` is the target schema when the client asked for it.
pub(super) fn write(
    id: &str,
    version: u64,
    draft: &Draft,
    stamp: &Stamp,
    json_schema: Option<Value>,
) -> Value {
    let mut out = stamp.head(id, version);
    if let Some(name) = &draft.name {
        out.insert("name".into(), json!(name));
    }
    out.insert("supportVersion".into(), json!("1.1"));
    out.extend(draft.extra.clone());
    let reference = json!({"id": draft.schema.id, "contentType": draft.schema.content_type});
    let mut output = json!({"schemaRef": reference});
    if let (Value::Object(output), Some(schema)) = (&mut output, json_schema) {
        output.insert("jsonSchema".into(), schema);
    }
    out.insert("outputSchema".into(), output);
    let rows: Vec<Value> = draft.rows.iter().map(|row| write_row(row, stamp)).collect();
    out.insert("mappings".into(), json!(rows));
    out.insert("status".into(), json!("PUBLISHED"));
    out.insert("strictMapping".into(), json!(false));
    out.insert("allowNullValues".into(), json!(false));
    out.insert("xdmVersion".into(), json!("1.0"));
    out.insert("schemaRef".into(), reference);
    out.insert("xdmSchema".into(), json!(draft.schema.id));
    Value::Object(out)
}
