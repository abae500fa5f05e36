//! Reading fields whose type Adobe's services do not keep: numbers that come back as strings, flags that come back as text,
//! lists that may be null.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A whole number, given as a number or as text; anything else is absent.
pub(in crate::aep) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Ok(to_number(&Value::deserialize(deserializer)?))
}

/// A fraction, given as a number or as text; anything else is absent.
pub(in crate::aep) fn fraction<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    Ok(to_fraction(&Value::deserialize(deserializer)?))
}

/// Text, or a number or flag as text; anything else is absent.
pub(in crate::aep) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(to_text(&Value::deserialize(deserializer)?))
}

/// Text for people to read: as [`text`], in one line and without what could forge what a reader sees.
pub(in crate::aep) fn shown<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(text(deserializer)?.map(|text| crate::aep::redact::shown(&text)))
}

/// A flag, given as a boolean or as text; anything else is absent.
pub(in crate::aep) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    Ok(to_flag(&Value::deserialize(deserializer)?))
}

/// A value of the expected shape, or its default: foreign objects in a shared sandbox must not break a list.
pub(in crate::aep) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).unwrap_or_default())
}

/// See [`number`].
pub(in crate::aep) fn to_number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)),
        Value::String(text) => text.trim().parse().ok().or_else(|| whole(text.trim().parse().ok()?)),
        _ => None,
    }
}

fn whole(number: f64) -> Option<i64> {
    // Beyond 2^53 a double does not tell neighbouring integers apart.
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    (number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0).then_some(number as i64)
}

fn to_fraction(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        _ => None,
    }
}

/// See [`text`].
pub(in crate::aep) fn to_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

/// See [`flag`].
pub(in crate::aep) fn to_flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// Lower case without underscores and hyphens: `IN_PROGRESS`, `inProgress` and `in-progress` are one word.
pub(in crate::aep) fn word(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_texts_and_flags_come_in_either_type() {
        for value in [json!(15), json!("15"), json!(15.0), json!(" 15 "), json!("15.0")] {
            assert_eq!(to_number(&value), Some(15), "{value}");
        }
        for value in
            [json!(null), json!("soon"), json!(1.5), json!([1]), json!({}), json!("1e300"), json!("NaN")]
        {
            assert_eq!(to_number(&value), None, "{value}");
        }
        assert_eq!(to_fraction(&json!("2.5")), Some(2.5));
        assert_eq!(to_fraction(&json!("inf")), None);
        assert_eq!(to_flag(&json!("TRUE")), Some(true));
        assert_eq!(to_flag(&json!(0)), None);
        assert_eq!(to_text(&json!(0)).as_deref(), Some("0"));
        assert_eq!(word("IN_PROGRESS"), word("inProgress"));
    }
}
