//! Validation of rows: source, destination, and whether their types can meet.

use serde_json::{Value, json};

use super::form::{self, Draft, Row, SourceType};
use super::{Context, bad_request};
use crate::lake::el::Expression;
use crate::lake::registry::Registry;
use crate::lake::{convert, path, xdm};
use crate::wire::Reply;

/// Why a row is not valid against a target schema; `None` when it is.
pub(crate) fn problem(row: &Row, schema: &Value) -> Option<String> {
    check(row, schema).err()
}

/// One entry per row of a draft.
pub(super) fn problems(draft: &Draft, registry: &Registry) -> Vec<Option<String>> {
    let Some(schema) = registry.full_schema(&draft.schema.id) else {
        let missing = format!("schema {} does not exist", draft.schema.id);
        return draft.rows.iter().map(|_| Some(missing.clone())).collect();
    };
    let schema = schema.as_field();
    draft.rows.iter().map(|row| problem(row, &schema)).collect()
}

/// Whether the target schema exists; there is only one major version of any.
pub(super) fn check_schema(draft: &Draft, registry: &Registry) -> Result<(), String> {
    let schema = &draft.schema;
    if registry.has_schema(&schema.id) && schema.version().0 == 1 {
        return Ok(());
    }
    Err(format!("The schema {} with version {} does not exist.", schema.id, schema.content_type))
}

/// `POST /mappingSets/validate`: one result per row, in their order.
pub(super) fn endpoint(context: &Context<'_>) -> Result<Reply, Reply> {
    let body = context.call.json().ok_or_else(|| bad_request("The body must be a JSON object."))?;
    let draft = form::read(&body).map_err(bad_request)?;
    check_schema(&draft, context.registry).map_err(bad_request)?;
    let results = draft.rows.iter().zip(problems(&draft, context.registry));
    let results: Vec<Value> = results.map(|(row, problem)| result(row, problem)).collect();
    Ok(Reply::json(200, json!({"validationResponse": results})))
}

fn result(row: &Row, problem: Option<String>) -> Value {
    let Some(exception) = problem else { return json!({"status": "SUCCESS", "errors": null}) };
    let error = json!({
        "source": row.source,
        "destination": row.destination,
        "sourceType": row.source_type.write_name(),
        "columnName": row.source,
        "exception": exception,
    });
    json!({"status": "FAILED", "errors": [error]})
}

fn check(row: &Row, schema: &Value) -> Result<(), String> {
    let steps = path::parse(&row.destination)?;
    let field = xdm::field_at(schema, &path::names(&steps));
    let field =
        field.ok_or_else(|| format!("destination {} is not a field of the schema", row.destination))?;
    let is_list = matches!(steps.last(), Some(path::Step::Each | path::Step::Index(_)));
    let field = if is_list { field.get("items").unwrap_or(field) } else { field };
    match row.source_type {
        SourceType::Attribute => path::parse(&row.source).map(|_| ()),
        SourceType::Static => convert::to_field(&json!(row.source), field).map(|_| ()),
        SourceType::Expression => {
            let expression = Expression::parse(&row.source)?;
            if let Some(constant) = expression.constant().filter(|constant| !constant.is_null()) {
                return xdm::fit(
                    &json!({"value": constant}),
                    &json!({"type": "object", "properties": {"value": field}}),
                )
                .map(|_| ())
                .map_err(|misfit| misfit.reason);
            }
            expression.result_type().map_or(Ok(()), |is| meet(is, field))
        }
    }
}

/// Whether a value of that type can ever become the field's. Texts are converted by what they say, so they may.
fn meet(is: &str, field: &Value) -> Result<(), String> {
    let wanted = xdm::json_type(field);
    let scalar = |name: &str| !matches!(name, "object" | "array");
    let possible = match (is, wanted) {
        (is, wanted) if is == wanted => true,
        ("string", wanted) => scalar(wanted),
        ("integer" | "number", "integer" | "number") => true,
        ("integer" | "number" | "boolean", "string") => {
            !field.get("format").and_then(Value::as_str).is_some_and(|format| format.starts_with("date"))
        }
        _ => false,
    };
    if possible { Ok(()) } else { Err(format!("the expression gives {is}, the destination takes {wanted}")) }
}
