//! Applying a mapping set to records.
//!
//! A row whose transformation fails is nulled and the record goes on: that is documented. Whether the mapped record fits its
//! schema is not judged here.

use serde_json::{Value, json};

use super::form::{self, Draft, Row, SourceType};
use super::{Context, bad_request};
use crate::lake::el::Expression;
use crate::lake::path::{self, Step};
use crate::lake::xdm;
use crate::wire::Reply;

/// A row that gave no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TransformError {
    pub(crate) source: String,
    pub(crate) destination: String,
    pub(crate) source_type: &'static str,
    pub(crate) exception: String,
}

enum Source {
    Path(Vec<Step>),
    Expression(Expression),
    Constant(Value),
    Broken(String),
}

struct Prepared<'d> {
    row: &'d Row,
    source: Source,
    destination: Vec<Step>,
}

/// A mapping set made ready for many records.
pub(crate) struct Mapper<'d> {
    rows: Vec<Prepared<'d>>,
    now_ms: i64,
}

impl<'d> Mapper<'d> {
    /// Reads every row once. Parents come before their children, so that a child's own row wins.
    pub(crate) fn new(draft: &'d Draft, now_ms: i64) -> Self {
        let mut rows: Vec<Prepared<'d>> = draft.rows.iter().map(prepare).collect();
        rows.sort_by_key(|row| row.destination.len());
        Self { rows, now_ms }
    }

    /// The target object for one record, and the rows that failed.
    pub(crate) fn apply(&self, record: &Value) -> (Value, Vec<TransformError>) {
        let mut target = json!({});
        let mut errors = Vec::new();
        for row in &self.rows {
            match row.value(record, self.now_ms) {
                Ok(Value::Null) => {}
                Ok(value) => path::set(&mut target, &row.destination, value),
                Err(exception) => errors.push(TransformError {
                    source: row.row.source.clone(),
                    destination: row.row.destination.clone(),
                    source_type: row.row.source_type.write_name(),
                    exception,
                }),
            }
        }
        (target, errors)
    }
}

fn prepare(row: &Row) -> Prepared<'_> {
    let source = match row.source_type {
        SourceType::Attribute => path::parse(&row.source).map(Source::Path),
        SourceType::Expression => Expression::parse(&row.source).map(Source::Expression),
        SourceType::Static => Ok(Source::Constant(json!(row.source))),
    };
    let (source, destination) = match path::parse(&row.destination) {
        Ok(destination) => (source.unwrap_or_else(Source::Broken), destination),
        Err(why) => (Source::Broken(why), Vec::new()),
    };
    Prepared { row, source, destination }
}

impl Prepared<'_> {
    fn value(&self, record: &Value, now_ms: i64) -> Result<Value, String> {
        match &self.source {
            Source::Path(steps) => Ok(path::get(record, steps)),
            Source::Expression(expression) => expression.evaluate(record, now_ms),
            Source::Constant(value) => Ok(value.clone()),
            Source::Broken(why) => Err(why.clone()),
        }
    }
}

/// `POST /mappingSets/preview`: records are given as they are, without a wrapper.
pub(super) fn preview(context: &Context<'_>) -> Result<Reply, Reply> {
    let body = context.call.json().unwrap_or_default();
    let records = match body.get("data") {
        Some(Value::Array(records)) => records.clone(),
        Some(single @ Value::Object(_)) => vec![single.clone()],
        _ => return Err(bad_request("The member data must be an array of objects.")),
    };
    let set = body.get("mappingSet").ok_or_else(|| bad_request("The member mappingSet is missing."))?;
    let draft = form::read(set).map_err(bad_request)?;
    let schema = context.registry.full_schema(&draft.schema.id);
    let schema =
        schema.ok_or_else(|| bad_request(format!("The schema {} does not exist.", draft.schema.id)))?;
    // A preview shows what there is, so nothing is required of it.
    let field = json!({"type": "object", "properties": schema.properties});
    let mapper = Mapper::new(&draft, context.now_ms);
    let shown = records.iter().map(|record| {
        let (target, mut errors) = mapper.apply(record);
        let fitted = xdm::fit(&target, &field).unwrap_or_else(|misfit| {
            errors.push(TransformError {
                source: String::new(),
                destination: misfit.path,
                source_type: "ATTRIBUTE",
                exception: misfit.reason,
            });
            target
        });
        let errors: Vec<Value> = errors.iter().map(show).collect();
        json!({"data": fitted, "errors": if errors.is_empty() { Value::Null } else { json!(errors) }})
    });
    Ok(Reply::json(200, shown.collect()))
}

fn show(error: &TransformError) -> Value {
    json!({
        "source": error.source, "destination": error.destination, "sourceType": error.source_type,
        "columnName": error.source, "exception": error.exception,
    })
}
