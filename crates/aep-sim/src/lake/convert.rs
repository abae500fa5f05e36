//! Conversions of single values to the type of a field, as Data Prep documents them.

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Number, Value, json};

use crate::lake::el::dates;

/// The name of a value's type, for messages.
pub(crate) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Converts one value to what a field takes; the error says why that cannot be.
pub(crate) fn to_field(value: &Value, field: &Value) -> Result<Value, String> {
    let wanted = field.get("type").and_then(Value::as_str).unwrap_or("string");
    let format = field.get("format").and_then(Value::as_str);
    let misfit = || format!("expected {}, found {} {value}", format.unwrap_or(wanted), type_of(value));
    let converted = match wanted {
        "string" => to_string(value, format),
        "boolean" => to_boolean(value),
        "integer" => to_integer(value),
        "number" => to_number(value),
        _ => None,
    };
    let converted = converted.ok_or_else(misfit)?;
    check_limits(&converted, field)?;
    Ok(converted)
}

fn to_string(value: &Value, format: Option<&str>) -> Option<Value> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) if format.is_none_or(|format| !format.starts_with("date")) => {
            value.to_string()
        }
        _ => return None,
    };
    match format {
        Some("date-time") => to_date_time(&text).map(Value::from),
        Some("date") => to_date(&text).map(Value::from),
        _ => Some(Value::from(text)),
    }
}

fn to_date_time(text: &str) -> Option<String> {
    if text.parse::<Timestamp>().is_ok() {
        return Some(text.to_owned());
    }
    dates::guess(text).map(|at| dates::iso(&at))
}

fn to_date(text: &str) -> Option<String> {
    if let Ok(date) = text.parse::<Date>() {
        return Some(date.to_string());
    }
    dates::guess(text).map(|at| at.date().to_string())
}

/// The texts that Data Prep reads as a boolean.
fn to_boolean(value: &Value) -> Option<Value> {
    match value {
        Value::Bool(_) => Some(value.clone()),
        Value::String(text) => match text.as_str() {
            "y" | "yes" | "Y" | "YES" | "on" | "ON" | "true" | "TRUE" => Some(json!(true)),
            "n" | "N" | "no" | "NO" | "off" | "OFF" | "false" | "FALSE" => Some(json!(false)),
            _ => None,
        },
        _ => None,
    }
}

fn to_integer(value: &Value) -> Option<Value> {
    match value {
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(value.clone()),
        Value::Number(number) => whole(number.as_f64()?),
        Value::String(text) => text.trim().parse::<i64>().ok().map(Value::from),
        _ => None,
    }
}

fn whole(number: f64) -> Option<Value> {
    let text = format!("{number:.0}");
    (number.fract() == 0.0).then(|| text.parse::<i64>().ok().map(Value::from)).flatten()
}

fn to_number(value: &Value) -> Option<Value> {
    match value {
        Value::Number(_) => Some(value.clone()),
        Value::String(text) => {
            let number = text.trim().parse::<f64>().ok().filter(|number| number.is_finite())?;
            Number::from_f64(number).map(Value::Number)
        }
        _ => None,
    }
}

fn check_limits(value: &Value, field: &Value) -> Result<(), String> {
    if let Some(number) = value.as_f64() {
        let (low, high) = range(field);
        if number < low || number > high {
            return Err(format!("{value} is outside of the range from {low} to {high}"));
        }
    }
    let allowed = field.get("enum").and_then(Value::as_array);
    if allowed.is_some_and(|allowed| !allowed.contains(value)) {
        return Err(format!("{value} is not one of the allowed values"));
    }
    Ok(())
}

/// What a field's own bounds allow, else what its XDM type does.
fn range(field: &Value) -> (f64, f64) {
    let (low, high) = match field.get("meta:xdmType").and_then(Value::as_str) {
        Some("byte") => (-128.0, 127.0),
        Some("short") => (-32_768.0, 32_767.0),
        Some("int") => (-2_147_483_648.0, 2_147_483_647.0),
        Some("long") => (-9_007_199_254_740_992.0, 9_007_199_254_740_992.0),
        _ => (f64::MIN, f64::MAX),
    };
    let bound = |name: &str| field.get(name).and_then(Value::as_f64);
    (bound("minimum").unwrap_or(low), bound("maximum").unwrap_or(high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_what_the_field_wants() {
        assert_eq!(to_field(&json!("yes"), &json!({"type": "boolean"})), Ok(json!(true)));
        assert_eq!(to_field(&json!("12"), &json!({"type": "integer"})), Ok(json!(12)));
        assert_eq!(to_field(&json!("1.5"), &json!({"type": "number"})), Ok(json!(1.5)));
        assert_eq!(to_field(&json!(3), &json!({"type": "string"})), Ok(json!("3")));
    }

    #[test]
    fn misfits_are_refused() {
        for (value, field) in [
            (json!("maybe"), json!({"type": "boolean"})),
            (json!("1.5"), json!({"type": "integer"})),
            (json!(1_679_090_539), json!({"type": "string", "format": "date-time"})),
            (json!("x"), json!({"type": "string", "enum": ["y"]})),
            (json!(3_000_000_000_i64), json!({"type": "integer", "meta:xdmType": "int"})),
        ] {
            assert!(to_field(&value, &field).is_err(), "{value} must not fit {field}");
        }
    }

    #[test]
    fn dates_are_recognised_by_the_documented_patterns() {
        let field = json!({"type": "string", "format": "date-time"});
        assert_eq!(to_field(&json!("2024-03-07T23:31:28Z"), &field), Ok(json!("2024-03-07T23:31:28Z")));
        assert_eq!(to_field(&json!("2024/03/07"), &field), Ok(json!("2024-03-07T00:00:00Z")));
        let date = json!({"type": "string", "format": "date"});
        assert_eq!(to_field(&json!("03-07-2024"), &date), Ok(json!("2024-03-07")));
    }
}
