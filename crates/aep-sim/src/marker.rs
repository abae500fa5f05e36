//! Ownership markers: found in any text of an object, and counted, so that a duplicate is seen the moment it exists.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One parsed marker `[aep-operator/v1 <uid>/<role>/<incarnation> <sandbox> <cluster>/<namespace>/<name>]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Marker {
    /// The owner's UID.
    pub uid: String,
    /// What the object is to its owner.
    pub role: String,
    /// Counts replacements of that object.
    pub incarnation: String,
    /// The sandbox the object was made for.
    pub sandbox: String,
    /// Cluster, namespace and name of the owner.
    pub owner: String,
}

#[expect(clippy::expect_used, reason = "a literal")]
static PATTERN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\[aep-operator/v1 ([^\s/\]]+)/([^\s/\]]+)/([^\s\]]+) ([^\s\]]+) ([^\]]+)\]")
        .expect("the marker pattern should be valid")
});

impl Marker {
    /// A mark for one flow of an owner at a time, whatever the incarnation: that it is enabled.
    #[must_use]
    pub fn of_enabled(self) -> Self {
        Self { incarnation: "enabled".to_owned(), ..self }
    }

    /// The part that may exist once only.
    pub fn key(&self) -> String {
        format!("{}/{}/{}", self.uid, self.role, self.incarnation)
    }
}

/// The markers in a text.
pub fn in_text(text: &str) -> impl Iterator<Item = Marker> {
    PATTERN.captures_iter(text).map(|found| Marker {
        uid: found[1].to_owned(),
        role: found[2].to_owned(),
        incarnation: found[3].to_owned(),
        sandbox: found[4].to_owned(),
        owner: found[5].to_owned(),
    })
}

/// The distinct markers in any string of a value.
pub fn in_value(value: &Value) -> BTreeSet<Marker> {
    let mut found = BTreeSet::new();
    collect(value, &mut found);
    found
}

fn collect(value: &Value, found: &mut BTreeSet<Marker>) {
    match value {
        Value::String(text) if text.contains("[aep-operator/v1 ") => found.extend(in_text(text)),
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, found)),
        _ => {}
    }
}

/// Two live objects with one marker, or two enabled flows of one owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Violation {
    /// The marker's unique part.
    pub marker: String,
    /// The organisation.
    pub org: String,
    /// The objects, the newest last.
    pub ids: Vec<String>,
    /// The journal entry of the write that made it so.
    pub seq: u64,
    /// When, in virtual time.
    pub at_ms: i64,
    /// When only one was left again.
    pub ended_ms: Option<i64>,
}

/// Which live objects carry which marker.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Index {
    by_object: BTreeMap<String, BTreeSet<String>>,
    by_marker: BTreeMap<String, Vec<String>>,
    violations: Vec<Violation>,
}

impl Index {
    /// Says which markers an object carries now. Objects that a test seeds are not told, so copies made on purpose do not count.
    pub fn set(&mut self, org: &str, id: &str, markers: &BTreeSet<Marker>, seq: u64, now_ms: i64) {
        let object = format!("{org} {id}");
        let keys: BTreeSet<String> = markers.iter().map(|marker| format!("{org} {}", marker.key())).collect();
        let before = self.by_object.remove(&object).unwrap_or_default();
        for key in before.difference(&keys) {
            self.drop_marker(key, id, now_ms);
        }
        for key in keys.difference(&before) {
            self.add_marker(org, key, id, seq, now_ms);
        }
        if !keys.is_empty() {
            self.by_object.insert(object, keys);
        }
    }

    /// Everything recorded so far.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Forgets the violations, not the objects.
    pub fn clear_violations(&mut self) {
        self.violations.clear();
    }

    fn add_marker(&mut self, org: &str, key: &str, id: &str, seq: u64, now_ms: i64) {
        let ids = self.by_marker.entry(key.to_owned()).or_default();
        ids.push(id.to_owned());
        if ids.len() > 1 {
            let marker = key[org.len() + 1..].to_owned();
            let violation = Violation {
                marker,
                org: org.to_owned(),
                ids: ids.clone(),
                seq,
                at_ms: now_ms,
                ended_ms: None,
            };
            self.violations.push(violation);
        }
    }

    fn drop_marker(&mut self, key: &str, id: &str, now_ms: i64) {
        let Some(ids) = self.by_marker.get_mut(key) else { return };
        ids.retain(|other| other != id);
        let left = ids.len();
        if left == 0 {
            self.by_marker.remove(key);
        }
        if left < 2 {
            let open = self.violations.iter_mut().filter(|violation| {
                violation.ended_ms.is_none() && format!("{} {}", violation.org, violation.marker) == *key
            });
            open.for_each(|violation| violation.ended_ms = Some(now_ms));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn markers(incarnation: u32) -> BTreeSet<Marker> {
        in_value(
            &json!({"description": format!("text\n[aep-operator/v1 u1/flow/{incarnation} dev c/ns/name]")}),
        )
    }

    #[test]
    fn two_enabled_flows_of_one_owner_are_a_violation_whatever_their_incarnations() {
        let enabled = |incarnation| {
            let mut markers = markers(incarnation);
            markers.extend(markers.clone().into_iter().map(Marker::of_enabled));
            markers
        };
        let mut index = Index::default();
        index.set("org", "a", &enabled(1), 1, 10);
        index.set("org", "b", &markers(2), 2, 11);
        assert!(index.violations().is_empty(), "one of them is disabled");
        index.set("org", "b", &enabled(2), 3, 12);
        assert_eq!(index.violations()[0].marker, "u1/flow/enabled");
        assert_eq!(index.violations()[0].ids, ["a", "b"]);
    }

    #[test]
    fn a_marker_is_found_and_parsed() {
        let found = markers(1).pop_first().unwrap();
        assert_eq!(found.key(), "u1/flow/1");
        assert_eq!((found.sandbox.as_str(), found.owner.as_str()), ("dev", "c/ns/name"));
        assert!(in_value(&json!({"name": "[aep-operator/v2 x]"})).is_empty());
    }

    #[test]
    fn a_second_live_object_with_the_same_marker_is_a_violation_until_one_goes() {
        let mut index = Index::default();
        index.set("o", "a", &markers(1), 1, 10);
        index.set("o", "a", &markers(1), 2, 11);
        index.set("o", "b", &markers(2), 3, 12);
        assert!(index.violations().is_empty());
        index.set("o", "c", &markers(1), 4, 13);
        assert_eq!(index.violations().len(), 1);
        assert_eq!(index.violations()[0].ids, ["a", "c"]);
        assert_eq!(index.violations()[0].ended_ms, None);
        index.set("o", "a", &BTreeSet::new(), 5, 14);
        assert_eq!(index.violations()[0].ended_ms, Some(14));
    }
}
