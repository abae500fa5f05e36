//! The intent: the written promise to create, kept in an annotation.
//!
//! It is written in the same write as the finalizer, with the resource version that was read, before anything is created. From
//! it a later process knows that something may exist upstream, and with which key to look for it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::replacement::Record;
use crate::api::role::Role;
use crate::api::status::ExternalObject;

/// What a custom resource is about to create upstream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Intent {
    /// UID of the custom resource; an intent with another UID is a copy or a restore.
    pub uid: String,
    /// Every role that may exist upstream.
    pub roles: BTreeMap<Role, Claim>,
    /// Hash of the desired state that was claimed.
    pub spec_hash: String,
    /// Start time that a flow is created with, and keeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_start: Option<Timestamp>,
    /// The run that is about to be started, or was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunClaim>,
    /// When the first claim was made: an object without marker that is older cannot be ours.
    pub time: Timestamp,
    /// Differs with every claim. The API server takes an identical patch for no change at all, and two processes at one version would
    /// then both believe that they hold the claim.
    #[serde(default)]
    pub nonce: u32,
    /// By role, the last change that upstream takes without a precondition.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub changes: BTreeMap<Role, Announced>,
    /// The highest incarnation that a replacement used which was given up: no number ever names two objects.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub spent: u32,
    /// The last replacement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replacement: Option<Record>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A change that was written down before it was sent, because nothing upstream would fence it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Announced {
    /// Adobe's id of the object that is changed.
    pub id: String,
    /// The version that it is made from, where a change makes the next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
    /// A hash of each thing that is sent, by which it is known again.
    pub hashes: Vec<String>,
}

impl Announced {
    /// Whether everything that the other announces is announced here.
    pub fn covers(&self, other: &Self) -> bool {
        self.id == other.id
            && self.version == other.version
            && other.hashes.iter().all(|hash| self.hashes.contains(hash))
    }
}

/// A run on demand that is claimed: from it a later process tells whether the run was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunClaim {
    /// The user's token.
    pub token: String,
    /// The newest run before it; a newer one means that it was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// What is claimed for one role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// Raised by each deliberate re-creation.
    pub incarnation: u32,
    /// Value of the key that narrows a look-up, as it was when the claim was made.
    pub key: String,
    /// Id of the existing object that was approved to be taken over. From here on nobody is asked again, and what spec leaves out stays
    /// as upstream has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopted: Option<String>,
    /// Name of a dataset, as it was when the claim was made: another name in spec means another dataset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Id of the object that upstream lost and in whose place this one is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    /// Id of the object that was deleted to make room for this one: status names it until the new id is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<String>,
    /// The object that outlived what it is bound to, and in whose place this one is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former: Option<ExternalObject>,
}

impl Intent {
    /// Reads the annotation; `None` when it is absent, damaged, or of another UID.
    pub fn read(annotation: Option<&str>, uid: &str) -> Option<Self> {
        let intent: Self = serde_json::from_str(annotation?).ok()?;
        (intent.uid == uid).then_some(intent)
    }

    /// An intent for an object that lost its own.
    pub fn blank(uid: &str, now: Timestamp) -> Self {
        Self {
            uid: uid.to_owned(),
            roles: BTreeMap::new(),
            spec_hash: String::new(),
            effective_start: None,
            time: now,
            run: None,
            nonce: 0,
            changes: BTreeMap::new(),
            spent: 0,
            replacement: None,
        }
    }

    /// The annotation's text.
    pub fn to_annotation(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The incarnation claimed for a role.
    pub fn incarnation(&self, role: Role) -> u32 {
        self.roles.get(&role).map_or(1, |claim| claim.incarnation)
    }

    /// The id of the existing object that was claimed for a role.
    pub fn adopted(&self, role: Role) -> Option<&str> {
        self.roles.get(&role)?.adopted.as_deref()
    }

    /// The id of the lost object that is made again for a role.
    pub fn replaces(&self, role: Role) -> Option<&str> {
        self.roles.get(&role)?.replaces.as_deref()
    }

    /// Whether an object is gone since its role was claimed anew.
    pub fn is_gone(&self, role: Role, id: &str) -> bool {
        self.roles.get(&role).is_some_and(|claim| {
            claim.replaces.as_deref() == Some(id) || claim.deleted.as_deref() == Some(id)
        })
    }

    /// An incarnation that nothing ever had.
    pub fn next_incarnation(&self) -> u32 {
        let claimed = self.roles.values().map(|claim| claim.incarnation).max().unwrap_or_default();
        claimed.max(self.spent) + 1
    }
}

/// Gives each object that was outlived the role that it has from the claim of what takes its place on: status, which is written later, may
/// still tell its old one, or nothing where it was lost.
pub fn set_aside(external: &mut BTreeMap<Role, ExternalObject>, intent: Option<&Intent>) {
    let lost = external.is_empty();
    for (role, becomes) in Role::ALL.into_iter().filter_map(|role| Some((role, role.former()?))) {
        let claimed = intent.and_then(|intent| intent.roles.get(&role)?.former.as_ref());
        let Some(former) = claimed else { continue };
        let is_there = external.get(&role).is_some_and(|object| object.id == former.id);
        let object = if is_there { external.remove(&role) } else { lost.then(|| former.clone()) };
        if let Some(object) = object {
            external.insert(becomes, ExternalObject { role: becomes, ..object });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intent() -> Intent {
        Intent {
            uid: "u1".into(),
            roles: BTreeMap::from([(
                Role::Flow,
                Claim {
                    incarnation: 2,
                    key: "source-id".into(),
                    adopted: Some("flow-id".into()),
                    ..Claim::default()
                },
            )]),
            spec_hash: "h".into(),
            effective_start: Some(Timestamp::UNIX_EPOCH),
            run: Some(RunClaim { token: "t1".into(), after: None }),
            time: Timestamp::UNIX_EPOCH,
            nonce: 7,
            changes: BTreeMap::new(),
            spent: 0,
            replacement: None,
        }
    }

    #[test]
    fn an_intent_reads_back_for_its_own_uid_only() {
        let text = intent().to_annotation();
        assert_eq!(Intent::read(Some(&text), "u1"), Some(intent()));
        assert_eq!(Intent::read(Some(&text), "u2"), None, "a restored or copied object starts anew");
        assert_eq!(Intent::read(Some("{"), "u1"), None);
        assert_eq!(Intent::read(None, "u1"), None);
    }

    #[test]
    fn an_announcement_covers_the_same_things_of_the_same_version() {
        let announced = |version: i64, hashes: &[&str]| Announced {
            id: "s".into(),
            version: Some(version),
            hashes: hashes.iter().map(|hash| (*hash).to_owned()).collect(),
        };
        assert!(announced(1, &["a", "b"]).covers(&announced(1, &["b"])));
        assert!(!announced(1, &["a"]).covers(&announced(1, &["b"])));
        assert!(!announced(1, &["a"]).covers(&announced(2, &["a"])));
    }

    #[test]
    fn what_was_outlived_has_its_role_from_the_claim_on_whatever_status_says() {
        let outlived = ExternalObject::example(Role::SourceConnection, "old");
        let former = ExternalObject { role: Role::FormerSourceConnection, ..outlived.clone() };
        let present = ExternalObject::example(Role::SourceConnection, "new");
        let claim = Claim { incarnation: 2, former: Some(outlived.clone()), ..Claim::default() };
        let intent = Intent {
            roles: BTreeMap::from([(Role::SourceConnection, claim)]),
            ..Intent::blank("u1", Timestamp::UNIX_EPOCH)
        };
        let (claimed, unclaimed) = (Some(&intent), None);
        let both = vec![former.clone(), present.clone()];
        let cases = [
            ("status is older than the claim", claimed, vec![outlived.clone()], vec![former.clone()]),
            ("status knows it", claimed, both.clone(), both.clone()),
            ("it was deleted", claimed, vec![present.clone()], vec![present]),
            ("status was lost", claimed, vec![], vec![former.clone()]),
            ("the claim was lost", unclaimed, both.clone(), both),
        ];
        for (reason, intent, status, expected) in cases {
            let mut external = status.into_iter().map(|object| (object.role, object)).collect();
            set_aside(&mut external, intent);
            assert_eq!(external.into_values().collect::<Vec<_>>(), expected, "{reason}");
        }
    }

    #[test]
    fn an_intent_of_a_version_without_adoption_claims_none() {
        let mut value = serde_json::to_value(intent()).unwrap();
        value["roles"]["flow"].as_object_mut().unwrap().remove("adopted");
        let older = Intent::read(Some(&value.to_string()), "u1").unwrap();
        assert_eq!(older.adopted(Role::Flow), None);
        assert_eq!(intent().adopted(Role::Flow), Some("flow-id"));
        assert_eq!(intent().adopted(Role::Dataset), None);
    }

    #[test]
    fn unknown_members_of_a_newer_intent_are_ignored() {
        let mut value = serde_json::to_value(intent()).unwrap();
        value["later"] = serde_json::json!(1);
        assert_eq!(Intent::read(Some(&value.to_string()), "u1"), Some(intent()));
    }
}
