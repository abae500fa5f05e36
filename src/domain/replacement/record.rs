//! What the claim records of a replacement: enough for a later process to carry it on, or to give it up and restore what was.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::api::policy::History;
use crate::api::role::Role;
use crate::api::status::ExternalObject;
use crate::domain::intent::{Claim, Intent};

/// A replacement, from its claim on. It stays when it is over, since it tells where the present flow starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Fingerprint of what is asked for: source, dataset and schema.
    pub to: String,
    /// The objects that are replaced, by the role that they had. Empty when the replacement was given up.
    pub previous: BTreeMap<Role, Previous>,
    /// Whether the old flow could run when the replacement began.
    pub runs: bool,
    /// What the new flow ingests of the past.
    pub history: History,
    /// When it was claimed.
    pub began: Timestamp,
    /// Where the new flow starts; known when the old one has no run in flight any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<Cut>,
    /// Where the old flow started, for the case that the replacement is given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former_start: Option<Timestamp>,
    /// The same, where the old flow was made by a replacement too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former_cut: Option<Cut>,
    /// Why Adobe refused the new pair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Whether upstream had lost something of the old pair, and not spec had changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lost: bool,
}

/// An object that is replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Previous {
    /// What status held of it.
    pub object: ExternalObject,
    /// How it was claimed.
    pub claim: Claim,
}

/// Where a new flow starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cut {
    /// Its start time.
    pub start: Timestamp,
    /// Whether its first run takes what lies before; `None` leaves it to spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backfill: Option<bool>,
    /// Up to where the old flow had ingested; `None` when no run of it had succeeded, or when everything is ingested again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
}

/// Sorts the objects that status names into present and previous ones, as the claim says. The claim is written before the status, so
/// after a crash status may still show an object that is replaced under its former role, one that is restored as a previous one, or
/// nothing at all where it was lost.
pub fn part(external: &mut BTreeMap<Role, ExternalObject>, intent: Option<&Intent>) {
    let Some(intent) = intent else { return };
    let Some(record) = intent.replacement.as_ref().filter(|record| !record.previous.is_empty()) else {
        return rejoin(external);
    };
    let lost = external.is_empty();
    for (role, previous) in &record.previous {
        let Some(becomes) = role.previous() else { continue };
        let is_there = external.get(role).is_some_and(|object| object.id == previous.object.id);
        let object = if is_there { external.remove(role) } else { lost.then(|| previous.object.clone()) };
        if let Some(object) = object {
            external.insert(becomes, ExternalObject { role: becomes, ..object });
        }
    }
}

/// What replaced them was taken back before that was claimed.
fn rejoin(external: &mut BTreeMap<Role, ExternalObject>) {
    let previous: Vec<Role> = external.keys().copied().filter(|role| role.is_previous()).collect();
    for object in previous.iter().filter_map(|role| external.remove(role)).collect::<Vec<_>>() {
        let role = object.role.present();
        external.insert(role, ExternalObject { role, ..object });
    }
}

/// The claim of a replacement that lost its own, as status shows it: nobody knows any more what it was to become, so it is given up.
pub fn recovered(external: &BTreeMap<Role, ExternalObject>, uid: &str, now: Timestamp) -> Option<Intent> {
    let previous: BTreeMap<Role, Previous> = external
        .values()
        .filter(|object| object.role.is_previous())
        .map(|object| {
            let role = object.role.present();
            (role, Previous { object: ExternalObject { role, ..object.clone() }, claim: Claim::default() })
        })
        .collect();
    let record = Record {
        to: String::new(),
        previous,
        runs: true,
        history: History::None,
        began: now,
        cut: None,
        former_start: None,
        former_cut: None,
        refused: None,
        lost: false,
    };
    (!record.previous.is_empty()).then(|| Intent { replacement: Some(record), ..Intent::blank(uid, now) })
}

impl Record {
    /// Whether the new flow has still to be made, from a start that is not claimed yet.
    pub fn awaits_cut(&self) -> bool {
        !self.previous.is_empty() && self.cut.is_none()
    }

    /// Whether nobody knows any more what was asked for.
    pub fn is_recovered(&self) -> bool {
        self.to.is_empty()
    }
}

/// The ids of the source connections that flows of this object read, or are about to.
pub fn sources_in_use(external: &[ExternalObject], intent: &Intent) -> Vec<String> {
    let mut external: BTreeMap<Role, ExternalObject> =
        external.iter().map(|object| (object.role, object.clone())).collect();
    part(&mut external, Some(intent));
    let old = intent
        .replacement
        .as_ref()
        .filter(|_| external.contains_key(&Role::PreviousFlow))
        .and_then(|record| record.previous.get(&Role::Flow));
    let claims = intent.roles.get(&Role::Flow).into_iter().chain(old.map(|previous| &previous.claim));
    claims.map(|claim| claim.key.clone()).filter(|key| !key.is_empty()).collect()
}
