//! Drift: the typed difference between the desired and the observed state of one upstream object.

use std::fmt;

/// A field whose observed value is not the desired one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The field, as the user knows it from spec.
    pub field: &'static str,
    /// What spec and references ask for.
    pub desired: String,
    /// What Adobe returned.
    pub observed: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} (upstream: {})", self.field, shorten(&self.desired), shorten(&self.observed))
    }
}

fn shorten(text: &str) -> String {
    const LIMIT: usize = 80;
    match text.char_indices().nth(LIMIT) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None if text.is_empty() => "empty".to_owned(),
        None => text.to_owned(),
    }
}

/// All differences of one object; empty means in sync. Only fields that the operator owns are ever compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drift {
    differences: Vec<Difference>,
}

impl Drift {
    /// Compares one field by its normalised text and notes a difference.
    #[must_use]
    pub fn field(
        mut self,
        field: &'static str,
        desired: impl fmt::Display,
        observed: impl fmt::Display,
    ) -> Self {
        let (desired, observed) = (desired.to_string(), observed.to_string());
        if desired != observed {
            self.differences.push(Difference { field, desired, observed });
        }
        self
    }

    /// All differences of both.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.differences.extend(other.differences);
        self
    }

    /// Nothing differs.
    pub fn is_empty(&self) -> bool {
        self.differences.is_empty()
    }

    /// Whether a field differs.
    pub fn has(&self, field: &str) -> bool {
        self.differences.iter().any(|difference| difference.field == field)
    }

    /// All differences but those of one field.
    #[must_use]
    pub fn without(mut self, field: &str) -> Self {
        self.differences.retain(|difference| difference.field != field);
        self
    }

    /// The differences in the order of their comparison.
    pub fn differences(&self) -> &[Difference] {
        &self.differences
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, difference) in self.differences.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            difference.fmt(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_fields_are_no_drift_and_different_ones_are_named_with_both_values() {
        let drift = Drift::default().field("interval", 15, "15").field("displayName", "new", "");
        assert!(!drift.has("interval"), "numbers that come back as strings are equal");
        assert_eq!(drift.to_string(), "displayName: new (upstream: empty)");
    }
}
