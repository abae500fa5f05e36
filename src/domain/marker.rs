//! The ownership marker: what makes an upstream object ours.
//!
//! Flow Service, Schema Registry and Data Prep know no idempotency key and promise no unique names, so the marker in the answer,
//! never a name, decides whose an object is. It stands as the last line of a description, at the end of a mapping set's name,
//! and in a dataset's tags.

use std::fmt;
use std::str::FromStr;

use crate::api::role::Role;

const PREFIX: &str = "[aep-operator/v1 ";

/// The owner of one upstream object, in the form
/// `[aep-operator/v1 <uid>/<role>/<incarnation> <sandbox> <cluster>/<namespace>/<name>]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Marker {
    /// UID of the custom resource.
    pub uid: String,
    /// The role of the object.
    pub role: Role,
    /// Raised by each deliberate re-creation of the role.
    pub incarnation: u32,
    /// Sandbox that the object was made for; a marker found in another sandbox is a copy.
    pub sandbox: String,
    /// Cluster id, namespace and name of the custom resource.
    pub owner: Owner,
}

/// Where the owning custom resource lives.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owner {
    /// Cluster id.
    pub cluster: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.cluster, self.namespace, self.name)
    }
}

/// The text holds no marker, or a damaged one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no ownership marker")]
pub struct NoMarker;

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}/{}/{} {} {}]", self.uid, self.role, self.incarnation, self.sandbox, self.owner)
    }
}

impl FromStr for Marker {
    type Err = NoMarker;

    fn from_str(text: &str) -> Result<Self, NoMarker> {
        let inner =
            text.trim().strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(']')).ok_or(NoMarker)?;
        let mut words = inner.split(' ');
        let (identity, sandbox, owner) = (word(&mut words)?, word(&mut words)?, word(&mut words)?);
        if words.next().is_some() {
            return Err(NoMarker);
        }
        let [uid, role, incarnation] = parts(identity)?;
        let [cluster, namespace, name] = parts(owner)?;
        Ok(Self {
            uid: uid.to_owned(),
            role: role.parse().map_err(|_| NoMarker)?,
            incarnation: incarnation.parse().map_err(|_| NoMarker)?,
            sandbox: sandbox.to_owned(),
            owner: Owner {
                cluster: cluster.to_owned(),
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            },
        })
    }
}

fn word<'a>(words: &mut impl Iterator<Item = &'a str>) -> Result<&'a str, NoMarker> {
    words.next().filter(|word| !word.is_empty()).ok_or(NoMarker)
}

fn parts(text: &str) -> Result<[&str; 3], NoMarker> {
    let parts: Vec<&str> = text.split('/').collect();
    match parts.as_slice() {
        [a, b, c] if [a, b, c].iter().all(|part| !part.is_empty()) => Ok([a, b, c]),
        _ => Err(NoMarker),
    }
}

impl Marker {
    /// The description to send: the user's text, then the marker on a line of its own.
    pub fn describe(&self, text: Option<&str>) -> String {
        match text.map(str::trim_end).filter(|text| !text.is_empty()) {
            Some(text) => format!("{text}\n{self}"),
            None => self.to_string(),
        }
    }

    /// The marker in a text that Adobe returned: the last bracketed group that parses. Services may trim text or fold lines.
    pub fn find_in(text: &str) -> Option<Self> {
        let start = text.rfind(PREFIX)?;
        let rest = &text[start..];
        let end = rest.find(']')?;
        rest[..=end].parse().ok()
    }

    /// The user's part of a description: the text before the marker.
    pub fn text_before(text: &str) -> &str {
        text.rfind(PREFIX).map_or(text, |start| &text[..start]).trim_end()
    }

    /// How this object's marker relates to the one that `wanted` describes.
    pub fn relation(&self, wanted: &Self) -> Relation {
        if self.sandbox != wanted.sandbox {
            Relation::Copy
        } else if self.role != wanted.role {
            Relation::Foreign
        } else if self.uid == wanted.uid {
            if self.incarnation == wanted.incarnation { Relation::Ours } else { Relation::OtherIncarnation }
        } else if self.owner == wanted.owner {
            Relation::Predecessor
        } else {
            Relation::Foreign
        }
    }
}

/// Whose an upstream object is, seen from one custom resource and role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// Ours: take it.
    Ours,
    /// Ours, from before or after a deliberate re-creation.
    OtherIncarnation,
    /// Same cluster, namespace, name and role, but another UID: deleted and re-created, or restored.
    Predecessor,
    /// Somebody else's.
    Foreign,
    /// Made for another sandbox: ignored.
    Copy,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn marker() -> Marker {
        Marker {
            uid: "9f1c".into(),
            role: Role::TargetConnection,
            incarnation: 2,
            sandbox: "dev".into(),
            owner: Owner { cluster: "c1".into(), namespace: "team".into(), name: "charges".into() },
        }
    }

    #[test]
    fn a_marker_reads_back_from_a_description_that_was_trimmed_or_folded() {
        let described = marker().describe(Some("Stripe charges\nfor finance  "));
        assert_eq!(Marker::find_in(&described), Some(marker()));
        assert_eq!(Marker::text_before(&described), "Stripe charges\nfor finance");
        assert_eq!(Marker::find_in(&described.replace('\n', " ")), Some(marker()));
    }

    #[test]
    fn the_relation_follows_uid_role_sandbox_and_owner() {
        let wanted = marker();
        let other = |change: fn(&mut Marker)| {
            let mut changed = marker();
            change(&mut changed);
            changed.relation(&wanted)
        };
        assert_eq!(other(|_| {}), Relation::Ours);
        assert_eq!(other(|m| m.incarnation = 3), Relation::OtherIncarnation);
        assert_eq!(other(|m| m.uid = "other".into()), Relation::Predecessor);
        assert_eq!(other(|m| m.sandbox = "prod".into()), Relation::Copy);
        assert_eq!(other(|m| m.role = Role::Flow), Relation::Foreign);
        assert_eq!(
            other(|m| {
                m.uid = "other".into();
                m.owner.cluster = "c2".into();
            }),
            Relation::Foreign
        );
    }

    #[test]
    fn damaged_markers_are_no_markers() {
        for text in [
            "",
            "[aep-operator/v1 a/flow/1 dev c/n]",
            "[aep-operator/v1 a/cake/1 dev c/n/x]",
            "[aep-operator/v2 a/flow/1 dev c/n/x]",
        ] {
            assert_eq!(Marker::find_in(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_marker_survives_any_text_before_it(text in "\\PC{0,80}", incarnation in 0u32..9) {
            let marker = Marker { incarnation, ..marker() };
            prop_assert_eq!(Marker::find_in(&marker.describe(Some(&text))), Some(marker));
        }
    }
}
