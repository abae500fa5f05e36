//! Comparing JSON values with the texts of query parameters, and with each other.

use std::cmp::Ordering;

use regex::Regex;
use serde_json::Value;

/// Operators of a filter, longest first.
const OPERATORS: [&str; 8] = ["==", "!=", "<=", ">=", "!~", "~", "<", ">"];

/// Where the operator of `name==value` begins, and which one it is.
pub(crate) fn find_operator(filter: &str) -> Option<(usize, &'static str)> {
    let found = OPERATORS.iter().filter_map(|operator| filter.find(operator).map(|at| (at, *operator)));
    // At one place the longest operator wins: `<=` also contains `<`.
    found.min_by_key(|(at, operator)| (*at, usize::MAX - operator.len()))
}

/// Whether a value stands in that relation to a text.
pub(crate) fn test(value: &Value, operator: &str, wanted: &str) -> bool {
    match operator {
        "~" => Regex::new(wanted).is_ok_and(|pattern| pattern.is_match(&text(value))),
        "!~" => Regex::new(wanted).is_ok_and(|pattern| !pattern.is_match(&text(value))),
        "!=" => value.is_null() || to_text(value, wanted).is_ne(),
        _ if value.is_null() => false,
        "==" => to_text(value, wanted).is_eq(),
        "<" => to_text(value, wanted).is_lt(),
        ">" => to_text(value, wanted).is_gt(),
        "<=" => to_text(value, wanted).is_le(),
        ">=" => to_text(value, wanted).is_ge(),
        _ => false,
    }
}

/// A value's order relative to a text: by number where both are numbers.
pub(crate) fn to_text(value: &Value, wanted: &str) -> Ordering {
    match (value.as_f64(), wanted.parse::<f64>()) {
        (Some(is), Ok(wanted)) => is.total_cmp(&wanted),
        _ => text(value).as_str().cmp(wanted),
    }
}

/// The order of two values: nothing first, numbers by size, texts by letters.
pub(crate) fn values(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Less,
        (_, Value::Null) => Ordering::Greater,
        _ => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            _ => text(a).cmp(&text(b)),
        },
    }
}

/// A value without quotes.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_first_and_longest_operator_is_taken() {
        assert_eq!(find_operator("title==a<b"), Some((5, "==")));
        assert_eq!(find_operator("n<=3"), Some((1, "<=")));
        assert_eq!(find_operator("name~^x"), Some((4, "~")));
        assert_eq!(find_operator("title"), None);
    }

    #[test]
    fn numbers_compare_by_size_and_texts_by_letters() {
        assert!(test(&json!(9), "<", "10"));
        assert!(test(&json!("9"), ">", "10"));
        assert!(test(&json!("abc"), "~", "^a"));
        assert!(!test(&Value::Null, "==", ""));
    }
}
