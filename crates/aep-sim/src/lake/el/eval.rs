//! Evaluation of a tree for one record.

use std::cmp::Ordering;

use jiff::tz::TimeZone;
use regex::Regex;
use serde_json::{Map, Number, Value, json};

use super::parser::Node;
use super::value::Val;
use super::{dates, text};
use crate::lake::path;

/// What an expression can see.
pub(super) struct Scope<'a> {
    /// The record under its wrapper attribute.
    pub(super) record: &'a Value,
    pub(super) now_ms: i64,
}

/// The value of a node.
pub(super) fn evaluate(node: &Node, scope: &Scope<'_>) -> Result<Val, String> {
    match node {
        Node::Literal(value) => Ok(Val::Json(value.clone())),
        Node::Field(field) => Ok(Val::Json(path::get(scope.record, &path::parse(field)?))),
        Node::Unary(operator, operand) => unary(operator, &evaluate(operand, scope)?),
        Node::Binary(operator, left, right) => binary(operator, left, right, scope),
        Node::Choice(condition, then, otherwise) => {
            let taken = if evaluate(condition, scope)?.truth()? { then } else { otherwise };
            evaluate(taken, scope)
        }
        Node::Array(nodes) => {
            let items: Result<Vec<Value>, String> =
                nodes.iter().map(|node| evaluate(node, scope).map(Val::into_json)).collect();
            Ok(Val::Json(Value::Array(items?)))
        }
        Node::Object(members) => {
            let mut object = Map::new();
            for (name, node) in members {
                object.insert(name.clone(), evaluate(node, scope)?.into_json());
            }
            Ok(Val::Json(Value::Object(object)))
        }
        Node::Call(name, arguments) => call(name, arguments, scope),
    }
}

fn unary(operator: &str, value: &Val) -> Result<Val, String> {
    match operator {
        "!" => Ok(Val::from(!value.truth()?)),
        "-" => number(-value.number()?, is_integer(value)),
        _ => Ok(Val::from(!value.integer()?)),
    }
}

fn binary(operator: &str, left: &Node, right: &Node, scope: &Scope<'_>) -> Result<Val, String> {
    let left = evaluate(left, scope)?;
    match operator {
        "&&" => return Ok(Val::from(left.truth()? && evaluate(right, scope)?.truth()?)),
        "||" => return Ok(Val::from(left.truth()? || evaluate(right, scope)?.truth()?)),
        _ => {}
    }
    let right = evaluate(right, scope)?;
    match operator {
        "==" => Ok(Val::from(equal(&left, &right))),
        "!=" => Ok(Val::from(!equal(&left, &right))),
        "<" => Ok(Val::from(order(&left, &right)?.is_lt())),
        ">" => Ok(Val::from(order(&left, &right)?.is_gt())),
        "<=" => Ok(Val::from(order(&left, &right)?.is_le())),
        ">=" => Ok(Val::from(order(&left, &right)?.is_ge())),
        "=~" => Ok(Val::from(pattern(&right)?.is_match(&left.text()))),
        "!~" => Ok(Val::from(!pattern(&right)?.is_match(&left.text()))),
        "&" => Ok(Val::from(left.integer()? & right.integer()?)),
        "|" => Ok(Val::from(left.integer()? | right.integer()?)),
        "^" => Ok(Val::from(left.integer()? ^ right.integer()?)),
        _ => arithmetic(operator, &left, &right),
    }
}

fn arithmetic(operator: &str, left: &Val, right: &Val) -> Result<Val, String> {
    let is_text =
        |value: &Val| matches!(value, Val::Json(Value::String(text)) if text.trim().parse::<f64>().is_err());
    if operator == "+" && (is_text(left) || is_text(right)) {
        return Ok(Val::from(format!("{}{}", left.text(), right.text())));
    }
    let (a, b) = (left.number()?, right.number()?);
    let whole = is_integer(left) && is_integer(right);
    match operator {
        "+" => number(a + b, whole),
        "-" => number(a - b, whole),
        "*" => number(a * b, whole),
        "/" | "%" if b == 0.0 => Err("division by zero".to_owned()),
        "/" => number(a / b, whole && (a / b).fract() == 0.0),
        "%" => number(a % b, whole),
        other => Err(format!("operator {other} is not supported")),
    }
}

fn is_integer(value: &Val) -> bool {
    matches!(value, Val::Json(Value::Number(number)) if number.is_i64())
}

fn number(value: f64, whole: bool) -> Result<Val, String> {
    if whole && let Ok(integer) = format!("{value:.0}").parse::<i64>() {
        return Ok(Val::from(integer));
    }
    let number = Number::from_f64(value).ok_or("the result is not a number")?;
    Ok(Val::Json(Value::Number(number)))
}

fn equal(left: &Val, right: &Val) -> bool {
    if left.is_null() || right.is_null() {
        return left.is_null() && right.is_null();
    }
    order(left, right).map_or_else(|_| left == right, Ordering::is_eq)
}

fn order(left: &Val, right: &Val) -> Result<Ordering, String> {
    if let (Val::Date(left), Val::Date(right)) = (left, right) {
        return Ok(left.cmp(right));
    }
    if left.is_null() || right.is_null() {
        return Err("nothing cannot be compared".to_owned());
    }
    if let (Ok(left), Ok(right)) = (left.number(), right.number()) {
        return Ok(left.total_cmp(&right));
    }
    Ok(left.text().cmp(&right.text()))
}

fn pattern(value: &Val) -> Result<Regex, String> {
    let pattern = value.text();
    Regex::new(&pattern).map_err(|_| format!("{pattern:?} is not a regular expression"))
}

/// Calls that must not evaluate all their arguments, then the others.
fn call(name: &str, arguments: &[Node], scope: &Scope<'_>) -> Result<Val, String> {
    match (name, arguments) {
        ("iif", [condition, then, otherwise]) => {
            let taken = if evaluate(condition, scope)?.truth()? { then } else { otherwise };
            return evaluate(taken, scope);
        }
        ("is_set" | "contains_key", [Node::Field(field)]) => {
            return Ok(Val::from(!path::get(scope.record, &path::parse(field)?).is_null()));
        }
        _ => {}
    }
    let values: Result<Vec<Val>, String> = arguments.iter().map(|node| evaluate(node, scope)).collect();
    let values = values?;
    if let Some(result) = text::call(name, &values) {
        return result;
    }
    if let Some(result) = date_call(name, &values, scope) {
        return result;
    }
    collection_call(name, &values, scope)
}

fn date_call(name: &str, values: &[Val], scope: &Scope<'_>) -> Option<Result<Val, String>> {
    Some(match (name, values) {
        ("now", []) => dates::from_millis(scope.now_ms).map(Val::Date),
        ("timestamp", []) => Ok(Val::from(scope.now_ms)),
        ("date", [text]) => {
            if text.is_null() {
                Ok(Val::NULL)
            } else {
                text.date().map(Val::Date)
            }
        }
        ("date", [text, pattern]) => parse_date(text, pattern).map(|at| at.unwrap_or(Val::NULL)),
        ("date", [text, pattern, default]) => {
            parse_date(text, pattern).map(|at| at.unwrap_or_else(|| default.clone()))
        }
        ("dformat", [millis, _]) if millis.is_null() => Ok(Val::NULL),
        ("dformat", [millis, pattern]) => millis
            .integer()
            .and_then(dates::from_millis)
            .and_then(|at| dates::format(&at, &pattern.text()))
            .map(Val::from),
        ("format", [at, pattern]) => {
            at.date().and_then(|at| dates::format(&at, &pattern.text())).map(Val::from)
        }
        ("date_part", [part, at]) => at.date().and_then(|at| date_part(&part.text(), &at)),
        ("zone_date_to_utc", [at]) => at.date().map(|at| Val::Date(at.with_time_zone(TimeZone::UTC))),
        ("zone_date_to_zone", [at, zone]) => at.date().and_then(|at| {
            let zone =
                TimeZone::get(&zone.text()).map_err(|_| format!("{} is not a time zone", zone.text()))?;
            Ok(Val::Date(at.with_time_zone(zone)))
        }),
        _ => return None,
    })
}

fn parse_date(text: &Val, pattern: &Val) -> Result<Option<Val>, String> {
    if text.is_null() {
        return Ok(None);
    }
    dates::parse(&text.text(), &pattern.text()).map(|at| Some(Val::Date(at)))
}

fn date_part(part: &str, at: &jiff::Zoned) -> Result<Val, String> {
    let value = match part.to_lowercase().as_str() {
        "year" | "yyyy" => i64::from(at.year()),
        "yy" => i64::from(at.year() % 100),
        "quarter" | "qq" | "q" => i64::from((at.month() - 1) / 3 + 1),
        "month" | "mm" | "m" => i64::from(at.month()),
        "dayofyear" | "dy" | "y" => i64::from(at.day_of_year()),
        "day" | "dd" | "d" => i64::from(at.day()),
        "week" | "ww" | "w" => i64::from(at.date().iso_week_date().week()),
        "weekday" | "dw" => i64::from(at.weekday().to_monday_one_offset()),
        "hour" | "hh" | "hh24" => i64::from(at.hour()),
        "hh12" => i64::from((at.hour() + 11) % 12 + 1),
        "minute" | "mi" | "n" => i64::from(at.minute()),
        "second" | "ss" | "s" => i64::from(at.second()),
        "millisecond" | "ms" => i64::from(at.millisecond()),
        other => return Err(format!("{other} is not a part of a date")),
    };
    Ok(Val::from(value))
}

fn collection_call(name: &str, values: &[Val], scope: &Scope<'_>) -> Result<Val, String> {
    match (name, values) {
        ("nullify", []) => Ok(Val::NULL),
        ("uuid" | "guid", []) => Ok(Val::from(crate::lake::ids::uuid())),
        ("coalesce", _) => Ok(spread(values).into_iter().find(|value| !value.is_null()).unwrap_or(Val::NULL)),
        ("first", _) => Ok(spread(values).into_iter().next().unwrap_or(Val::NULL)),
        ("last", _) => Ok(spread(values).into_iter().next_back().unwrap_or(Val::NULL)),
        ("min", _) => extreme(values, Ordering::Less),
        ("max", _) => extreme(values, Ordering::Greater),
        ("size_of", [value]) => Ok(Val::from(size(value))),
        ("is_empty", [value]) => Ok(Val::from(size(value) == 0)),
        ("contains_key" | "is_set", [path_text]) => {
            Ok(Val::from(!path::get(scope.record, &path::parse(&path_text.text())?).is_null()))
        }
        ("to_array", [nulls, items @ ..]) => {
            let keep = nulls.truth()?;
            let items = items.iter().filter(|item| keep || !item.is_null());
            Ok(Val::Json(items.cloned().map(Val::into_json).collect()))
        }
        ("add_to_array" | "join_arrays", _) => {
            Ok(Val::Json(spread_all(values).into_iter().map(Val::into_json).collect()))
        }
        ("to_object", _) if values.len().is_multiple_of(2) => {
            let pairs = values.chunks(2).map(|pair| (pair[0].text(), pair[1].clone().into_json()));
            Ok(Val::Json(Value::Object(pairs.collect())))
        }
        ("get_keys", [Val::Json(Value::Object(members))]) => {
            Ok(Val::Json(members.keys().map(|key| json!(key)).collect()))
        }
        ("json_to_object", [text]) => {
            serde_json::from_str(&text.text()).map(Val::Json).map_err(|error| format!("not JSON: {error}"))
        }
        ("decode", [key, options @ ..]) => {
            let found = options.chunks_exact(2).find(|pair| equal(key, &pair[0])).map(|pair| pair[1].clone());
            let default = (options.len() % 2 == 1).then(|| options.last().cloned()).flatten();
            Ok(found.or(default).unwrap_or(Val::NULL))
        }
        ("to_integer" | "to_bigint" | "to_decimal" | "to_float", [value]) if value.is_null() => Ok(Val::NULL),
        ("to_integer" | "to_bigint", [value]) => value.integer().map(Val::from),
        ("to_decimal" | "to_float", [value]) => value.number().and_then(|value| number(value, false)),
        _ => Err(format!("function {name} is not available in this simulator")),
    }
}

/// A single array stands for its elements.
fn spread(values: &[Val]) -> Vec<Val> {
    match values {
        [single] => single.items().unwrap_or_else(|| vec![single.clone()]),
        _ => values.to_vec(),
    }
}

fn spread_all(values: &[Val]) -> Vec<Val> {
    values.iter().flat_map(|value| value.items().unwrap_or_else(|| vec![value.clone()])).collect()
}

fn extreme(values: &[Val], wanted: Ordering) -> Result<Val, String> {
    let mut best: Option<Val> = None;
    for value in spread(values).into_iter().filter(|value| !value.is_null()) {
        let better = match &best {
            None => true,
            Some(best) => order(&value, best)? == wanted,
        };
        if better {
            best = Some(value);
        }
    }
    Ok(best.unwrap_or(Val::NULL))
}

fn size(value: &Val) -> usize {
    match value {
        Val::Json(Value::Array(items)) => items.len(),
        Val::Json(Value::Object(members)) => members.len(),
        Val::Json(Value::String(text)) => text.chars().count(),
        Val::Json(Value::Null) => 0,
        _ => 1,
    }
}
