//! Values during evaluation: JSON, and dates that keep their zone.

use jiff::Zoned;
use serde_json::Value;

use super::dates;

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Val {
    Json(Value),
    Date(Zoned),
}

impl Val {
    pub(super) const NULL: Self = Self::Json(Value::Null);

    pub(super) fn into_json(self) -> Value {
        match self {
            Self::Json(value) => value,
            Self::Date(at) => Value::from(dates::iso(&at)),
        }
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self, Self::Json(Value::Null))
    }

    /// As text; nothing is the empty text.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Json(value) => crate::lake::compare::text(value),
            Self::Date(at) => dates::iso(at),
        }
    }

    pub(super) fn number(&self) -> Result<f64, String> {
        match self {
            Self::Json(Value::Number(number)) => {
                number.as_f64().ok_or_else(|| format!("{number} is out of range"))
            }
            Self::Json(Value::String(text)) => {
                text.trim().parse().map_err(|_| format!("{text:?} is not a number"))
            }
            other => Err(format!("{} is not a number", other.text())),
        }
    }

    pub(super) fn integer(&self) -> Result<i64, String> {
        match self {
            Self::Json(Value::Number(number)) if number.is_i64() => Ok(number.as_i64().unwrap_or_default()),
            other => {
                let number = other.number()?;
                format!("{:.0}", number.trunc()).parse().map_err(|_| format!("{number} is out of range"))
            }
        }
    }

    pub(super) fn truth(&self) -> Result<bool, String> {
        match self {
            Self::Json(Value::Bool(truth)) => Ok(*truth),
            Self::Json(Value::Null) => Ok(false),
            Self::Json(Value::String(text)) if text == "true" => Ok(true),
            Self::Json(Value::String(text)) if text == "false" => Ok(false),
            other => Err(format!("{} is not a boolean", other.text())),
        }
    }

    pub(super) fn date(&self) -> Result<Zoned, String> {
        match self {
            Self::Date(at) => Ok(at.clone()),
            Self::Json(Value::String(text)) => {
                dates::guess(text).ok_or_else(|| format!("{text:?} is not a date"))
            }
            other @ Self::Json(_) => Err(format!("{} is not a date", other.text())),
        }
    }

    /// The elements, when it is an array.
    pub(super) fn items(&self) -> Option<Vec<Self>> {
        match self {
            Self::Json(Value::Array(items)) => Some(items.iter().cloned().map(Self::Json).collect()),
            _ => None,
        }
    }
}

impl<T: Into<Value>> From<T> for Val {
    fn from(value: T) -> Self {
        Self::Json(value.into())
    }
}
