//! Data Prep: mapping sets with all their versions, validation, preview and the expression language's own endpoints.
//!
//! A PUT raises the version and keeps every older one: a flow goes on with the version it names.

mod form;
mod mapper;
mod set;
mod validate;

use axum::http::Method;
use serde_json::{Value, json};

use crate::lake::el::{self, Expression};
use crate::lake::registry::Registry;
use crate::switches::Switches;
use crate::wire::{Call, Caller, Reply};

pub(crate) use mapper::Mapper;
pub(crate) use set::MappingSets;
pub(crate) use validate::problem;

/// What a request brings along.
pub(crate) struct Context<'a> {
    pub(crate) call: &'a Call,
    pub(crate) caller: &'a Caller,
    pub(crate) now_ms: i64,
    pub(crate) switches: &'a Switches,
    pub(crate) registry: &'a Registry,
}

/// The error envelope; Adobe documents no body for these errors.
fn refuse(status: u16, title: &str, detail: impl Into<String>) -> Reply {
    let kind = format!("https://ns.adobe.com/aep/errors/data-prep-{status}");
    Reply::json(status, json!({"type": kind, "title": title, "status": status, "detail": detail.into()}))
}

fn bad_request(detail: impl Into<String>) -> Reply {
    refuse(400, "Bad Request", detail)
}

fn not_found(id: &str, version: Option<u64>) -> Reply {
    let version = version.map(|version| format!(" with version {version}")).unwrap_or_default();
    refuse(404, "Not Found", format!("Mapping set {id}{version} is not found."))
}

impl MappingSets {
    /// Answers one call.
    pub(crate) fn handle(&mut self, context: &Context<'_>) -> Reply {
        let segments = context.call.segments();
        let reply = match (&context.call.method, segments.as_slice()) {
            (&Method::GET, ["mappingSets"]) => self.list(context),
            (&Method::POST, ["mappingSets"]) => self.create(context),
            (&Method::POST, ["mappingSets", "validate"]) => validate::endpoint(context),
            (&Method::POST, ["mappingSets", "preview"]) => mapper::preview(context),
            (&Method::GET, ["mappingSets", id]) => self.read(context, id),
            (&Method::PUT, ["mappingSets", id]) => self.replace(context, id),
            (&Method::GET, ["mappingSets", id, "mappings"]) => self.read_rows(context, id),
            (&Method::GET, ["mappingSets", id, "mappings", row]) => self.read_row(context, id, row),
            (&Method::POST, ["languages", "el", "validate"]) => validate_expression(context),
            (&Method::GET, ["languages", "el", "functions"]) => Ok(Reply::json(200, el::catalogue())),
            (&Method::GET, ["languages", "el", "operators"]) => Ok(Reply::json(200, operators())),
            (_, ["mappingSets" | "languages", ..]) => {
                Err(refuse(405, "Method Not Allowed", "No such method here."))
            }
            _ => Err(refuse(404, "Not Found", "The requested path does not exist.")),
        };
        reply.unwrap_or_else(|refused| refused)
    }
}

/// The answer is a bare boolean. Adobe's example nests the expression once more; both are taken.
fn validate_expression(context: &Context<'_>) -> Result<Reply, Reply> {
    let body = context.call.json().unwrap_or_default();
    let expression = body.get("expression").map(|flat| flat.get("expression").unwrap_or(flat));
    let text = expression
        .and_then(Value::as_str)
        .ok_or_else(|| bad_request("The member expression must be a text."))?;
    Ok(Reply::json(200, json!(Expression::parse(text).is_ok())))
}

fn operators() -> Value {
    const OPERATORS: [(&str, &str, u8, &str); 19] = [
        ("+", "add", 2, "1 + 2"),
        ("-", "subtract", 2, "2 - 1"),
        ("*", "multiply", 2, "2 * 3"),
        ("/", "divide", 2, "1 / 2"),
        ("%", "mod", 2, "5 % 2"),
        ("-", "negate", 1, "-12"),
        ("==", "equals", 2, "a == b"),
        ("!=", "notEquals", 2, "a != b"),
        ("<", "lessThan", 2, "a < b"),
        (">", "greaterThan", 2, "a > b"),
        ("<=", "lessThanOrEqual", 2, "a <= b"),
        (">=", "greaterThanOrEqual", 2, "a >= b"),
        ("&&", "and", 2, "a && b"),
        ("||", "or", 2, "a || b"),
        ("!", "not", 1, "!a"),
        ("~", "complement", 1, "~33"),
        ("=~", "matches", 2, "a =~ \"^x\""),
        ("?:", "elvis", 2, "a ?: b"),
        ("? :", "ternary", 3, "a ? b : c"),
    ];
    let entry = |(symbol, name, operands, example): &(&str, &str, u8, &str)| {
        json!({
            "operatorSymbol": symbol, "methodName": name, "numberOfOperands": operands,
            "description": format!("The operator {name}."), "example": example,
        })
    };
    OPERATORS.iter().map(entry).collect()
}
