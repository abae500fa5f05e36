//! One pass over one custom resource: what was read, what is known of each upstream object, and the steps that both roads share.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use kube::{Resource, ResourceExt};
use tokio::time::Instant;

use super::adoption::{self};
use super::context::Context;
use super::managed::{External, Managed};
use super::memory::{Sent, Shown};
use super::replace::Replacing;
use super::seats::Seat;
use super::upstream::Object;
use crate::aep::model::Run;
use crate::aep::{Gate, Permit};
use crate::api::INTENT;
use crate::api::condition::Reason;
use crate::api::policy::DriftPolicy;
use crate::api::role::Role;
use crate::api::status::ExternalObject;
use crate::cluster::claim::is_claimed;
use crate::cluster::events::Severity;
use crate::domain::adoption::adopted;
use crate::domain::drift::Drift;
use crate::domain::intent::{Claim, Intent, set_aside};
use crate::domain::marker::Marker;
use crate::domain::outcome::Obstacle;
use crate::domain::plan::{ClaimState, Facts, RoleFacts, Standing};
use crate::domain::replacement;
use crate::telemetry::metrics::Happening;

/// No POST is sent when the claim that allows it is older than this: a paused process must not create on an old promise.
pub(super) const CLAIM_LIFE: std::time::Duration = std::time::Duration::from_secs(10);

/// How long a write that needs no claim may wait for its turn.
const WRITE_LIFE: std::time::Duration = std::time::Duration::from_mins(10);

/// One pass.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Pass<'a, K: Managed> {
    pub(super) cx: &'a Context,
    pub(super) object: K,
    pub(super) uid: String,
    pub(super) intent: Option<Intent>,
    pub(super) claim: ClaimState,
    pub(super) claimed_at: Option<Instant>,
    /// Permits taken before the claim, so that nothing waits between claim and POST.
    pub(super) permits: Vec<Permit>,
    pub(super) external: External,
    pub(super) standings: BTreeMap<Role, Standing>,
    pub(super) objects: BTreeMap<Role, Object>,
    /// Roles whose POST may have been sent before this pass, by this process or another.
    pub(super) doubtful: BTreeSet<Role>,
    /// Roles whose object stays upstream, because something still uses it.
    pub(super) kept: BTreeSet<Role>,
    /// Roles patched in this pass.
    pub(super) patched: BTreeSet<Role>,
    /// Roles created in this pass.
    pub(super) created: BTreeSet<Role>,
    /// Roles whose object this process created earlier, without its id having reached status.
    pub(super) recalled: BTreeMap<Role, String>,
    /// Objects that this process created and another one was recorded for.
    pub(super) extra: Vec<(Role, String)>,
    /// Existing objects that were taken over, or are about to be, by role.
    pub(super) adopted: BTreeMap<Role, String>,
    /// Adopted objects that do not carry our marker yet, with the marker they carried before: their ids do not belong in status.
    pub(super) taking: BTreeMap<Role, Option<Marker>>,
    /// References were resolved in this pass.
    pub(super) resolved: bool,
    /// Upstream was looked at, or written to, in this pass.
    pub(super) looked: bool,
    /// Spec, references and the last recorded state agree, so that a difference can only come from somebody else.
    pub(super) settled: bool,
    /// Differences that are reported and not corrected.
    pub(super) reported: Option<Drift>,
    /// Who edited last what is reported.
    pub(super) editor: Option<String>,
    /// What this pass knows of a replacement.
    pub(super) replacing: Replacing,
    /// What the inventory showed.
    pub(super) shown: HashMap<Role, Shown>,
    /// The last run of the flow, as the inventory read it.
    pub(super) shown_run: Option<Run>,
    /// Objects whose absence upstream is proven, by role.
    pub(super) lost: BTreeMap<Role, String>,
    /// Why an object whose place another one has taken could not be deleted.
    pub(super) unretired: Option<(Reason, String)>,
    /// Something of a deletion was not to be seen upstream.
    pub(super) unseen: bool,
    pub(super) events: Vec<(Severity, Reason, String)>,
    /// The place that this pass has among those of its organisation.
    pub(super) seat: Option<Seat>,
    /// There was none: when to come again.
    pub(super) without_seat: Option<std::time::Duration>,
}

impl<'a, K: Managed> Pass<'a, K> {
    /// Takes up an object. One that may be ahead of the cached view is read again; `None` when it is gone.
    pub(super) async fn begin(object: K, cx: &'a Context) -> Result<Option<Self>, Obstacle> {
        let uid = object.uid().unwrap_or_default();
        let claimed_before = read_intent(&object).is_some();
        if claimed_before {
            cx.memory.note_listed(&uid);
        }
        cx.memory.first_seen(&uid);
        // An intent without all ids, with a probe, or other than the one we wrote last, means that this view may be older than our own last
        // write.
        let is_stale = !cx.memory.may_be_current(&uid, object.annotations().get(INTENT).map(String::as_str));
        let is_partial = claimed_before && (!has_all_ids(&object) || is_probing(&object));
        // An older view of a deletion deletes once more, and cannot be released.
        let is_parting = object.meta().deletion_timestamp.is_some() && is_claimed(&object);
        let object = if is_partial || is_stale || is_parting {
            cx.cluster.get_opt::<K>(&object.namespace().unwrap_or_default(), &object.name_any()).await?
        } else {
            Some(object)
        };
        let Some(object) = object.filter(|object| object.uid().as_deref() == Some(&uid)) else {
            cx.memory.forget(&uid);
            return Ok(None);
        };
        let intent = read_intent(&object);
        let external: Option<External> = object
            .status()
            .map(K::common)
            .map(|common| common.external.iter().map(|external| (external.role, external.clone())).collect());
        let mut external: External = external.unwrap_or_default();
        replacement::part(&mut external, intent.as_ref());
        set_aside(&mut external, intent.as_ref());
        // What was lost and is made again: status still names it until the new id is recorded.
        external
            .retain(|role, object| !intent.as_ref().is_some_and(|intent| intent.is_gone(*role, &object.id)));
        let intent = intent.or_else(|| replacement::recovered(&external, &uid, cx.now()));
        Ok(Some(Self {
            cx,
            claim: ClaimState::Missing,
            claimed_at: None,
            permits: Vec::new(),
            adopted: adopted(intent.as_ref(), external.values()),
            taking: BTreeMap::new(),
            external,
            standings: BTreeMap::new(),
            objects: BTreeMap::new(),
            doubtful: BTreeSet::new(),
            kept: BTreeSet::new(),
            patched: BTreeSet::new(),
            created: BTreeSet::new(),
            recalled: BTreeMap::new(),
            extra: Vec::new(),
            resolved: false,
            looked: false,
            settled: false,
            reported: None,
            editor: None,
            replacing: Replacing::default(),
            shown: cx.memory.take_shown(&uid),
            shown_run: cx.memory.take_shown_run(&uid),
            lost: BTreeMap::new(),
            unretired: None,
            unseen: false,
            events: Vec::new(),
            seat: None,
            without_seat: None,
            object,
            uid,
            intent,
        }))
    }

    /// Whether a role's object existed before and was taken over.
    pub(super) fn is_adopted(&self, role: Role) -> bool {
        adoption::is_adopted(&self.adopted, &self.external, role)
    }

    pub(super) fn note(&self, happening: Happening) {
        self.cx.metrics.count(happening, &K::kind(&()));
    }

    pub(super) fn namespace(&self) -> String {
        self.object.namespace().unwrap_or_default()
    }

    pub(super) fn generation(&self) -> i64 {
        self.object.meta().generation.unwrap_or_default()
    }

    /// The marker of a role in a sandbox.
    pub(super) fn marker(&self, role: Role, sandbox: &str) -> Marker {
        Marker {
            uid: self.uid.clone(),
            role: role.present(),
            incarnation: self.incarnation(role),
            sandbox: sandbox.to_owned(),
            owner: self.cx.owner(&self.namespace(), &self.object.name_any()),
        }
    }

    /// Settles, without any call, where each role stands.
    pub(super) fn orient(&mut self, roles: &[Role]) {
        let covered = |intent: &Intent| roles.iter().all(|role| intent.roles.contains_key(role));
        self.claim = match &self.intent {
            Some(intent) if is_claimed(&self.object) && covered(intent) => ClaimState::Standing,
            _ => ClaimState::Missing,
        };
        for role in roles {
            let standing = self.orient_role(*role);
            self.standings.insert(*role, standing);
        }
    }

    pub(super) fn orient_role(&mut self, role: Role) -> Standing {
        let sent = self.cx.memory.sent(&self.uid, role);
        if let Some(recorded) = self.external.get(&role) {
            if let Some(Sent::Created(ours)) = sent
                && ours.id != recorded.id
            {
                self.extra.push((role, ours.id));
            }
            return Standing::owned();
        }
        let intent = self.object.annotations().get(INTENT).map(String::as_str);
        // What was claimed to be taken over may carry our marker by now, whatever spec names today.
        let untouched =
            self.cx.memory.is_untouched(&self.uid, role, intent) && !self.adopted.contains_key(&role);
        match sent {
            Some(Sent::Created(object)) => {
                self.recalled.insert(role, object.id.clone());
                self.external.insert(role, object);
                Standing::owned()
            }
            Some(Sent::Refused) | None if untouched && !is_always_searched(role) => Standing::Unsent,
            sent => {
                if matches!(sent, Some(Sent::Unknown(_))) || (intent.is_some() && !untouched) {
                    self.doubtful.insert(role);
                }
                Standing::Unsearched
            }
        }
    }

    /// The facts as they stand.
    pub(super) fn facts(&self, roles: &[Role]) -> Facts {
        let facts_of = |role: &Role| RoleFacts {
            role: *role,
            standing: self.standings.get(role).cloned().unwrap_or(Standing::Unsent),
            keep: self.kept.contains(role) || self.object.keeps(*role),
        };
        Facts {
            deleting: self.is_deleting(),
            claim: self.claim,
            roles: roles.iter().map(facts_of).collect(),
            // Report is for what others change; what spec or references change is always applied.
            drift_policy: if self.settled { self.object.drift_policy() } else { DriftPolicy::Correct },
            misplaced: self.replacing.proposal.is_some(),
            replacement: self.replacement(),
            former: self.external.keys().copied().find(|role| role.is_former() && !self.kept.contains(role)),
        }
    }

    fn incarnation(&self, role: Role) -> u32 {
        let Some(intent) = &self.intent else { return 1 };
        let previous = intent.replacement.as_ref().filter(|_| role.is_previous());
        let previous = previous.and_then(|record| record.previous.get(&role.present()));
        previous.map_or_else(|| intent.incarnation(role.present()), |previous| previous.claim.incarnation)
    }

    /// The claim of a role. What exists keeps the one under which it was made; where that is lost, upstream tells it.
    pub(super) fn claim_of(&self, role: Role, refs: &K::Refs) -> Claim {
        let standing = self.intent.as_ref().and_then(|intent| intent.roles.get(&role));
        let observed = self.objects.get(&role).filter(|_| standing.is_none());
        let made = self.external.contains_key(&role);
        let incarnation_of = |object: &Object| {
            object.marker().filter(|marker| marker.uid == self.uid).map(|marker| marker.incarnation)
        };
        // The objects of a pair have one number.
        let newest = || self.objects.values().filter_map(incarnation_of).max();
        let key_of = || self.key(role, &K::site(refs).sandbox, Some(refs));
        let key = standing.filter(|_| made).map(|claim| claim.key.clone()).filter(|key| !key.is_empty());
        let outlived = role.former().and_then(|former| self.external.get(&former));
        let former = outlived.map(|object| ExternalObject { role, ..object.clone() });
        // No number ever names two objects.
        let first = if former.is_some() { 2 } else { 1 };
        let name = || {
            standing
                .and_then(|claim| claim.name.clone())
                .or_else(|| observed.map(|object| object.name().to_owned()))
        };
        Claim {
            adopted: self.adopted.get(&role).cloned(),
            incarnation: standing
                .map(|claim| claim.incarnation)
                .or_else(|| observed.and_then(incarnation_of))
                .or_else(newest)
                .unwrap_or(first),
            key: key
                .or_else(|| observed.and_then(Object::key).map(str::to_owned))
                .or_else(key_of)
                .unwrap_or_default(),
            name: (role == Role::Dataset).then(|| {
                let claimed = if made { name() } else { None };
                claimed.unwrap_or_else(|| self.object.upstream_name(role))
            }),
            replaces: standing.and_then(|claim| claim.replaces.clone()),
            deleted: standing.and_then(|claim| claim.deleted.clone()),
            former,
        }
    }

    pub(super) fn is_deleting(&self) -> bool {
        self.object.meta().deletion_timestamp.is_some()
    }

    /// The gate for POSTs that rest on the claim of this pass.
    pub(super) fn create_gate(&self) -> Result<Gate, Obstacle> {
        let claimed_at =
            self.claimed_at.ok_or_else(|| Obstacle::bug("a create needs a claim of its own pass"))?;
        Ok(Gate::new(claimed_at + CLAIM_LIFE, self.cx.leading_until.clone()))
    }

    /// The gate for writes that need no claim: closed only when the lease is lost.
    pub(super) fn write_gate(&self) -> Gate {
        Gate::new(Instant::now() + WRITE_LIFE, self.cx.leading_until.clone())
    }

    /// The time for an intent.
    pub(super) fn now(&self) -> Timestamp {
        self.cx.now()
    }
}

/// Roles that are looked up even for a new object: a predecessor may have retained them, and a flow of somebody else may read the source.
fn is_always_searched(role: Role) -> bool {
    matches!(role, Role::Dataset | Role::Schema | Role::FieldGroup | Role::Flow)
}

/// The intent that stands on an object.
pub(super) fn read_intent(object: &impl Resource) -> Option<Intent> {
    Intent::read(
        object.annotations().get(INTENT).map(String::as_str),
        object.meta().uid.as_deref().unwrap_or_default(),
    )
}

fn is_probing<K: Managed>(object: &K) -> bool {
    read_intent(object).is_some_and(|intent| intent.roles.contains_key(&Role::Probe))
}

fn has_all_ids<K: Managed>(object: &K) -> bool {
    let external = object.status().map(|status| K::common(status).external.as_slice()).unwrap_or_default();
    object.roles().iter().all(|role| external.iter().any(|known| known.role == *role))
}
