//! What a kind has to say for the driver to reconcile it, and the types that pass between them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::adoption::{self, Named};
use super::context::Context;
use super::rotation::Trial;
use super::site::Site;
use super::upstream::Object;
use crate::aep::{Gate, Permit, model};
use crate::api::condition::{ConditionType, Reason};
use crate::api::mapping::RowFailure;
use crate::api::policy::{DeletionPolicy, DriftPolicy};
use crate::api::role::Role;
use crate::api::status::{CommonStatus, ExternalObject};
use crate::cluster::Kind;
use crate::domain::approval::{self, Action};
use crate::domain::drift::Drift;
use crate::domain::intent::{Announced, Intent, RunClaim};
use crate::domain::marker::{Marker, Owner};
use crate::domain::outcome::Obstacle;
use crate::domain::replacement::{Cut, Proposal, Record};

/// The upstream objects of one custom resource.
pub type External = BTreeMap<Role, ExternalObject>;

/// A kind that stands for upstream objects.
///
/// `resolve` and `desired` read and decide, `create` and `update` send at most one mutating call for one role, `settle` reads what only
/// this kind has. None of them touches Kubernetes objects of its own kind: claims, status and the finalizer are the driver's.
pub trait Managed: Kind {
    /// Resolved references.
    type Refs: Send + Sync;
    /// The desired state; hashed to know whether it was applied already, so it holds no secret.
    type Desired: Serialize + Send + Sync;
    /// The status of the kind.
    type Status: Clone + Default + PartialEq + Serialize + Send + Sync;

    /// The status as read.
    fn status(&self) -> Option<&Self::Status>;
    /// The shared part of a status.
    fn common(status: &Self::Status) -> &CommonStatus;
    /// The shared part of a status, to write.
    fn common_mut(status: &mut Self::Status) -> &mut CommonStatus;

    /// What to do about drift.
    fn drift_policy(&self) -> DriftPolicy;
    /// The deletion policy that spec gives to the kind itself.
    fn deletion_policy(&self) -> Option<DeletionPolicy>;
    /// What spec leaves out: an adopted object keeps its own.
    fn unsaid(&self) -> Unsaid;
    /// The existing object that spec names for a role, to be taken over. One may be found from another that was `read` before it.
    fn adopts(&self, role: Role, read: &BTreeMap<Role, Object>) -> Option<Named>;
    /// The upstream objects that the spec asks for, in the order of their creation.
    fn roles(&self) -> Vec<Role>;
    /// Whether deletion leaves the role's object upstream although the kind's own policy is `Delete`.
    fn keeps(&self, role: Role) -> bool;
    /// The name of a role's object upstream, without a marker.
    fn upstream_name(&self, role: Role) -> String;
    /// The start time that a claim fixes, where the kind has one: spec's, else that of the first claim, else now.
    fn effective_start(&self, _claimed: Option<Timestamp>, _now: Timestamp) -> Option<Timestamp> {
        None
    }

    /// Resolves the references by live reads.
    fn resolve(&self, cx: &Context) -> impl Future<Output = Result<Self::Refs, Obstacle>> + Send;
    /// Reaches Adobe for a deletion: credentials and nothing else. `None` when there is nobody left to ask.
    fn reach(&self, cx: &Context) -> impl Future<Output = Result<Site, Obstacle>> + Send;
    /// Objects that refer to this one and have to go first, by kind and name.
    fn dependents(&self, cx: &Context) -> impl Future<Output = Result<Vec<String>, Obstacle>> + Send;
    /// Reads that have to succeed before anything is claimed or created; nothing is written.
    fn check(
        &self,
        _cx: &Context,
        _shape: &Shape<'_, Self>,
    ) -> impl Future<Output = Result<(), Obstacle>> + Send {
        std::future::ready(Ok(()))
    }
    /// What has to work on an object of its own before one of the drifted fields reaches the real one; see
    /// [`rotation`](super::rotation).
    fn trial(&self, _cx: &Context, _shape: &Shape<'_, Self>, _drift: &Drift) -> Option<Trial> {
        None
    }
    /// What an obstacle means for a condition that only this kind has.
    fn finding(_obstacle: &Obstacle) -> Option<Finding> {
        None
    }
    /// What is to be done upstream before an object of a custom resource under deletion goes; returns what to tell.
    fn before_delete(
        &self,
        _cx: &Context,
        _site: &Site,
        _parting: Parting<'_>,
    ) -> impl Future<Output = Result<Option<(Reason, String)>, Obstacle>> + Send {
        std::future::ready(Ok(None))
    }
    /// What is to be done in the cluster before the finalizer goes.
    fn before_release(&self, _cx: &Context) -> impl Future<Output = Result<(), Obstacle>> + Send {
        std::future::ready(Ok(()))
    }
    /// What two objects that leave at the same time would each have left to the other; what a crash leaves out here, the next inventory
    /// makes up for.
    fn after_release(&self, _cx: &Context) -> impl Future<Output = Result<(), Obstacle>> + Send {
        std::future::ready(Ok(()))
    }
    /// Puts rows that were refused into the status.
    fn note_failures(_status: &mut Self::Status, _failures: &[RowFailure]) {}
    /// Where the object lives upstream.
    fn site(refs: &Self::Refs) -> &Site;
    /// The desired state.
    fn desired(&self, refs: &Self::Refs) -> Result<Self::Desired, Obstacle>;
    /// The value that narrows the look-up of a role; `None` while it is not known. `refs` are absent in a deletion.
    fn key(&self, role: Role, refs: Option<&Self::Refs>, external: &External) -> Option<String>;
    /// Whether a role's object has to be observed right after its POST, because a POST cannot express all of the desired state.
    fn observe_after_create(&self, _role: Role) -> bool {
        false
    }

    /// What is done when upstream has certainly lost a role's object.
    fn when_lost(&self, _shape: &Shape<'_, Self>, _role: Role) -> WhenLost {
        WhenLost::Create
    }

    /// Why an observed object can never again be what it is for, so that another one has to take its place.
    fn outlived(&self, _shape: &Shape<'_, Self>, _object: &Object) -> Option<String> {
        None
    }
    /// Whether custom resources still use an object whose place another one has taken.
    fn is_in_use(&self, _cx: &Context, _id: &str) -> impl Future<Output = Result<bool, Obstacle>> + Send {
        std::future::ready(Ok(false))
    }

    /// Whether spec lets the object's flow run.
    fn runs(&self) -> bool {
        true
    }
    /// A fingerprint of what only a replacement can change.
    fn pair(_desired: &Self::Desired) -> String {
        String::new()
    }
    /// The replacement that spec asks for, where upstream shows another pair than it should. Nothing is asked.
    fn proposal(
        &self,
        _shape: &Shape<'_, Self>,
        _observed: &BTreeMap<Role, Object>,
    ) -> Result<Option<Proposal>, Obstacle> {
        Ok(None)
    }
    /// Reads that have to succeed before a replacement is claimed; nothing is written.
    fn check_replacement(
        &self,
        _cx: &Context,
        _shape: &Shape<'_, Self>,
        _proposal: &Proposal,
    ) -> impl Future<Output = Result<(), Obstacle>> + Send {
        std::future::ready(Ok(()))
    }
    /// Where the new flow starts, now that the old one has no run in flight.
    fn cut(
        &self,
        _cx: &Context,
        _shape: &Shape<'_, Self>,
        _record: &Record,
    ) -> impl Future<Output = Result<Cut, Obstacle>> + Send {
        std::future::ready(Err(Obstacle::bug("nothing of this kind is replaced")))
    }
    /// Which rows may be missing or doubled after a replacement. `created` is when the new flow was created, in epoch milliseconds.
    fn replaced(&self, _external: &External, _record: &Record, _created: Option<i64>) -> String {
        String::new()
    }

    /// The difference between the desired state and one observed object.
    fn drift(&self, pass: &Shape<'_, Self>, role: Role, object: &Object) -> Drift;
    /// Refuses to take over an object that can never become what spec and references ask for.
    fn refuse_unfit(&self, pass: &Shape<'_, Self>, role: Role, object: &Object) -> Result<(), Obstacle>;
    /// Every difference of an object that is to be taken over, one line each, as they are shown for approval.
    fn differences(&self, pass: &Shape<'_, Self>, role: Role, object: &Object) -> Vec<String> {
        adoption::lines(&self.drift(pass, role, object))
    }
    /// Sends the POST for a role.
    fn create(
        &self,
        cx: &Context,
        pass: &Shape<'_, Self>,
        role: Role,
        send: Post<'_>,
    ) -> impl Future<Output = Result<ExternalObject, Obstacle>> + Send;
    /// Reads what belongs to an observed object and is not in it.
    fn complete(
        &self,
        _refs: &Self::Refs,
        _role: Role,
        _object: &mut Object,
    ) -> impl Future<Output = Result<(), Obstacle>> + Send {
        std::future::ready(Ok(()))
    }
    /// What has to happen before a role's object is changed. Reads only.
    fn before_update(
        &self,
        _cx: &Context,
        _shape: &Shape<'_, Self>,
        _role: Role,
        _object: &Object,
        _drift: &Drift,
    ) -> impl Future<Output = Result<Before, Obstacle>> + Send {
        std::future::ready(Ok(Before::Send))
    }
    /// Patches a role's object.
    fn update(
        &self,
        cx: &Context,
        pass: &Shape<'_, Self>,
        change: Change<'_>,
    ) -> impl Future<Output = Result<ExternalObject, Obstacle>> + Send;
    /// Reads what only this kind has, after all objects exist and are in sync, and writes it into the kind's part of the status.
    /// `looked` tells that something was created, patched or observed in this pass.
    fn settle(
        &self,
        cx: &Context,
        pass: &Shape<'_, Self>,
        looked: bool,
        report: &mut Report<Self::Status>,
    ) -> impl Future<Output = Result<(), Obstacle>> + Send;
}

/// What is done about an object that upstream has lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhenLost {
    /// Another one is created, once; after that a person is asked.
    Create,
    /// It takes a replacement, which the kind proposes.
    Replace,
    /// Nothing; this is what the user hears.
    Say(Obstacle),
}

/// Which of the fields that every kind has spec leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsaid {
    /// `displayName`.
    pub name: bool,
    /// `description`.
    pub description: bool,
}

/// What a kind's functions see of the pass.
pub struct Shape<'a, K: Managed> {
    /// Resolved references.
    pub refs: &'a K::Refs,
    /// The desired state.
    pub desired: &'a K::Desired,
    /// The upstream objects that are known.
    pub external: &'a External,
    /// Objects that existed before and were taken over, by role.
    pub adopted: &'a BTreeMap<Role, String>,
    /// What spec leaves out.
    pub unsaid: Unsaid,
    /// Roles that were patched in this pass: what Adobe masks in its answers is up to date in them.
    pub patched: &'a BTreeSet<Role>,
    /// Roles created in this pass.
    pub created: &'a BTreeSet<Role>,
    /// UID of the custom resource.
    pub uid: &'a str,
    /// Where the custom resource lives.
    pub owner: Owner,
    /// The claim.
    pub intent: Option<&'a Intent>,
    /// The objects that were observed in this pass.
    pub objects: &'a BTreeMap<Role, Object>,
    /// The last run of the flow, where the inventory read it and it succeeded.
    pub run: Option<&'a model::Run>,
    /// Objects that upstream has certainly lost.
    pub lost: &'a BTreeMap<Role, String>,
    /// The time of the pass.
    pub now: Timestamp,
    /// The digest that is approved.
    pub approval: Option<&'a str>,
}

impl<K: Managed> Shape<'_, K> {
    /// Where the object lives upstream.
    pub fn site(&self) -> &Site {
        K::site(self.refs)
    }

    /// The marker of a role.
    pub fn marker(&self, role: Role) -> Marker {
        Marker {
            uid: self.uid.to_owned(),
            role,
            incarnation: self.intent.map_or(1, |intent| intent.incarnation(role)),
            sandbox: self.site().sandbox.clone(),
            owner: self.owner.clone(),
        }
    }

    /// Whether a role's object existed before and was taken over: what spec leaves out stays as it is.
    pub fn is_adopted(&self, role: Role) -> bool {
        adoption::is_adopted(self.adopted, self.external, role)
    }

    /// Goes on when exactly this action is approved; see [`approval`].
    pub fn require_approval(
        &self,
        action: Action,
        subject: &str,
        differences: &[String],
    ) -> Result<(), Obstacle> {
        approval::require(approval::pending(action, self.uid, subject, differences), self.approval)
    }

    /// Where the flow starts that the last replacement made.
    pub fn cut(&self) -> Option<Cut> {
        self.intent?.replacement.as_ref()?.cut
    }

    /// The start time that the claim fixed.
    pub fn effective_start(&self) -> Option<Timestamp> {
        self.intent.and_then(|intent| intent.effective_start)
    }

    /// The id of a role's object, which the order of creation guarantees.
    pub fn id(&self, role: Role) -> Result<&str, Obstacle> {
        self.external
            .get(&role)
            .map(|object| object.id.as_str())
            .ok_or_else(|| Obstacle::bug(format!("the {role} should exist by now")))
    }
}

/// The right to send one POST.
pub struct Post<'a> {
    /// Permit of the request budget.
    pub permit: Permit,
    /// Closed when the claim is too old or the lease is lost.
    pub gate: &'a Gate,
}

/// A correction of one object.
pub struct Change<'a> {
    /// The role.
    pub role: Role,
    /// The object as it was observed.
    pub object: &'a Object,
    /// What differs.
    pub drift: &'a Drift,
    /// Closed when the lease is lost, or the announcement is too old.
    pub gate: &'a Gate,
    /// Permits of the request budget for the calls that were announced.
    pub permits: Vec<Permit>,
}

/// What has to happen before a change is sent.
pub enum Before {
    /// Nothing: upstream fences it, or it may be repeated.
    Send,
    /// It was made already; this is what status has to hold.
    Made(ExternalObject),
    /// It is written down; so many calls are sent for it.
    Announce(Announced, usize),
}

/// An object that is about to be deleted.
pub struct Parting<'a> {
    /// The role.
    pub role: Role,
    /// Adobe's id.
    pub id: &'a str,
    /// The marker that it carries if it is ours.
    pub marker: &'a Marker,
    /// All upstream objects of the custom resource that are known.
    pub external: &'a External,
    /// Closed when the lease is lost.
    pub gate: &'a Gate,
}

/// What a kind adds to the status: its own fields, and conditions besides Ready, Synced and `ReferencesResolved`.
pub struct Report<S> {
    /// The status that will be written.
    pub status: S,
    /// Conditions by type: status, reason and message.
    pub conditions: Vec<Finding>,
    /// Events to publish with the write.
    pub events: Vec<(Reason, String)>,
    /// Events that somebody should look at.
    pub warnings: Vec<(Reason, String)>,
    /// What of spec has no effect any more, for Synced.
    pub ignored: Option<(Reason, String)>,
    /// A run to be started.
    pub run: Option<RunWish<S>>,
    /// When to look again although nothing wakes the object.
    pub recheck: Option<Duration>,
}

impl<S> Report<S> {
    /// Looks again after `wait`, or before.
    pub fn look_again_in(&mut self, wait: Duration) {
        self.recheck = Some(self.recheck.map_or(wait, |planned| planned.min(wait)));
    }
}

/// A run that a user asked for. The driver claims it, so that it is started once.
pub struct RunWish<S> {
    /// The user's token and the newest run before.
    pub claim: RunClaim,
    /// The run.
    pub new: model::NewRun,
    /// Puts into the status that the token was served, and how.
    pub note: fn(&mut S, token: &str, result: &str),
}

/// One condition that a kind reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The type.
    pub type_: ConditionType,
    /// True, False, or `None` for Unknown.
    pub status: Option<bool>,
    /// The reason.
    pub reason: Reason,
    /// The message.
    pub message: String,
}

impl Finding {
    /// A condition with its message.
    pub fn new(
        type_: ConditionType,
        status: Option<bool>,
        reason: Reason,
        message: impl Into<String>,
    ) -> Self {
        Self { type_, status, reason, message: message.into() }
    }
}
