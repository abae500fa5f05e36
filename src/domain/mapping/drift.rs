//! Drift of a mapping set: the rows desired against the rows upstream, as sets of (kind, source, destination).
//!
//! Upstream adds fields and respells kinds, so nothing else is compared. The order of rows means nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use crate::api::mapping::RowType;

use super::row::Row;

/// The kind of an upstream row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum UpstreamKind {
    /// A path that is copied.
    Attribute,
    /// A calculated field.
    Expression,
    /// A kind that the operator never writes, as upstream spells it.
    Other(String),
}

impl UpstreamKind {
    /// Reads `sourceType`, in the spelling of requests or of answers.
    pub fn parse(source_type: &str) -> Self {
        match source_type {
            "ATTRIBUTE" | "text/x.schema-path" => Self::Attribute,
            "EXPRESSION" | "text/x.aep-xl" => Self::Expression,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl From<RowType> for UpstreamKind {
    fn from(row_type: RowType) -> Self {
        match row_type {
            RowType::Attribute => Self::Attribute,
            RowType::Expression => Self::Expression,
        }
    }
}

/// A row of a mapping set as upstream shows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct UpstreamRow {
    /// Its kind.
    pub kind: UpstreamKind,
    /// Its source.
    pub source: String,
    /// Its destination.
    pub destination: String,
}

impl fmt::Display for UpstreamRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            UpstreamKind::Attribute => f.write_str(&self.source),
            UpstreamKind::Expression => write!(f, "{} (Expression)", self.source),
            UpstreamKind::Other(kind) => write!(f, "{} ({kind})", self.source),
        }
    }
}

impl From<&Row> for UpstreamRow {
    fn from(row: &Row) -> Self {
        Self { kind: row.row_type.into(), source: row.source.clone(), destination: row.destination.clone() }
    }
}

/// How upstream rows differ from the desired ones; lists of destinations, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowDrift {
    /// Upstream only.
    pub added: Vec<String>,
    /// Desired only.
    pub removed: Vec<String>,
    /// On both sides with another source or kind.
    pub changed: Vec<String>,
}

impl RowDrift {
    /// Whether both sides have the same rows.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

/// How many destinations of each list a message names.
const SHOWN: usize = 3;

impl fmt::Display for RowDrift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The same words fit a row that was edited upstream and one that is new in spec.
        let lists = [("only", &self.added), ("missing", &self.removed), ("different", &self.changed)];
        let mut separator = "";
        for (what, destinations) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
            write!(f, "{separator}{} {what} upstream: ", destinations.len())?;
            let shown: Vec<&str> = destinations.iter().take(SHOWN).map(String::as_str).collect();
            f.write_str(&shown.join(", "))?;
            if destinations.len() > SHOWN {
                f.write_str(", …")?;
            }
            separator = "; ";
        }
        Ok(())
    }
}

/// Compares the desired rows with those upstream, seen from upstream: `added` rows are there and not desired.
pub fn row_drift<'a>(
    desired: impl IntoIterator<Item = &'a Row>,
    observed: impl IntoIterator<Item = &'a UpstreamRow>,
) -> RowDrift {
    let mut desired = by_destination(desired.into_iter().map(UpstreamRow::from));
    let mut drift = RowDrift::default();
    for (destination, found) in by_destination(observed.into_iter().cloned()) {
        match desired.remove(&destination) {
            None => drift.added.push(destination),
            Some(wanted) if wanted == found => {}
            Some(_) => drift.changed.push(destination),
        }
    }
    drift.removed = desired.into_keys().collect();
    drift
}

/// One line for each row that differs, by destination, with both sides: what taking over a set with the observed rows would change.
pub fn row_lines<'a>(
    desired: impl IntoIterator<Item = &'a Row>,
    observed: impl IntoIterator<Item = &'a UpstreamRow>,
) -> Vec<String> {
    let shown = |rows: Option<&Vec<UpstreamRow>>| {
        rows.map(|rows| rows.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and "))
    };
    let desired = by_destination(desired.into_iter().map(UpstreamRow::from));
    let observed = by_destination(observed.into_iter().cloned());
    let destinations: BTreeSet<&String> = desired.keys().chain(observed.keys()).collect();
    let differing = destinations
        .into_iter()
        .filter(|destination| desired.get(*destination) != observed.get(*destination));
    differing
        .map(|destination| {
            let (wanted, found) = (shown(desired.get(destination)), shown(observed.get(destination)));
            let absent = || "no row".to_owned();
            format!(
                "mappings: {destination}: {} (upstream: {})",
                wanted.unwrap_or_else(absent),
                found.unwrap_or_else(absent)
            )
        })
        .collect()
}

/// Upstream may hold two rows for one destination, which is a change, not a repetition.
fn by_destination(rows: impl Iterator<Item = UpstreamRow>) -> BTreeMap<String, Vec<UpstreamRow>> {
    let mut grouped: BTreeMap<String, Vec<UpstreamRow>> = BTreeMap::new();
    for row in rows {
        grouped.entry(row.destination.clone()).or_default().push(row);
    }
    for same in grouped.values_mut() {
        same.sort_unstable();
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(source: &str, destination: &str) -> Row {
        Row {
            source: source.into(),
            destination: destination.into(),
            row_type: RowType::Attribute,
            shape: None,
            title: String::new(),
        }
    }

    fn upstream(source_type: &str, source: &str, destination: &str) -> UpstreamRow {
        UpstreamRow {
            kind: UpstreamKind::parse(source_type),
            source: source.into(),
            destination: destination.into(),
        }
    }

    #[test]
    fn order_and_spelling_of_kinds_mean_nothing() {
        let desired = [row("data.a", "_t.a"), row("data.b", "_t.b")];
        let observed =
            [upstream("ATTRIBUTE", "data.b", "_t.b"), upstream("text/x.schema-path", "data.a", "_t.a")];
        assert!(row_drift(&desired, &observed).is_empty());
    }

    #[test]
    fn each_difference_is_listed_once() {
        let desired = [row("data.a", "_t.a"), row("data.b", "_t.b"), row("data.c", "_t.c")];
        let observed = [
            upstream("text/x.aep-xl", "data.a", "_t.a"),
            upstream("ATTRIBUTE", "data.b", "_t.b"),
            upstream("STATIC", "x", "_t.d"),
        ];
        let drift = row_drift(&desired, &observed);
        assert_eq!(drift.changed, ["_t.a"]);
        assert_eq!(drift.removed, ["_t.c"]);
        assert_eq!(drift.added, ["_t.d"]);
        assert_eq!(
            drift.to_string(),
            "1 only upstream: _t.d; 1 missing upstream: _t.c; 1 different upstream: _t.a"
        );
    }

    #[test]
    fn a_second_row_for_one_destination_is_a_change() {
        let desired = [row("data.a", "_t.a")];
        let observed = [upstream("ATTRIBUTE", "data.a", "_t.a"), upstream("ATTRIBUTE", "data.z", "_t.a")];
        assert_eq!(row_drift(&desired, &observed).changed, ["_t.a"]);
    }
}
