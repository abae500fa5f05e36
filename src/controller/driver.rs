//! The reconcile of any [`Managed`] kind.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use kube::runtime::controller::Action;
use tokio::time::Instant;
use tracing::debug;

use super::context::Context;
use super::hash;
use super::look::contested;
use super::managed::{Managed, Post, Report, Shape};
use super::memory::Sent;
use super::pass::Pass;
use super::site::Site;
use super::upstream;
use crate::api::condition::Reason;
use crate::api::role::Role;
use crate::cluster::events::Severity;
use crate::domain::intent::Intent;
use crate::domain::lookup::is_retainable;
use crate::domain::marker::Relation;
use crate::domain::outcome::{Class, Obstacle};
use crate::domain::plan::{ClaimState, Standing, Step, plan};
use crate::telemetry::metrics::Happening;

/// Steps in one pass; more means that two writers pull in different directions.
pub(super) const TURNS: usize = 40;

/// Brings upstream to what one custom resource asks for.
///
/// 1. **Decode**: done by the caller; an object that does not parse never comes here.
/// 2. **Deleting?** Then [`Pass::clean_up`] and nothing else.
/// 3. **Resolve** references by live reads.
/// 4. **Desired** state from spec and references.
/// 5. **Observe** by id, or by marker when a POST may have been sent; only when something may differ.
/// 6. **Plan** the one next step.
/// 7. **Act**: at most one mutating call, then back to 6.
/// 8. **Record** the outcome in status, only when it differs; events on transitions.
/// 9. **Return** when to look again, or the obstacle.
pub async fn reconcile<K: Managed>(object: K, cx: Arc<Context>) -> Result<Action, Obstacle> {
    let kind = K::kind(&());
    let known = cx.memory.organization(object.meta().uid.as_deref().unwrap_or_default());
    let organization = known.or_else(|| recorded_organization(&object));
    let seat = match organization.map(|organization| cx.seats.take(&kind, &organization)) {
        Some(Err(wait)) => return Ok(Action::requeue(wait)),
        Some(Ok(seat)) => Some(seat),
        None => None,
    };
    let Some(mut pass) = Pass::begin(object, &cx).await? else {
        return Ok(Action::requeue(Duration::from_hours(1)));
    };
    pass.seat = seat;
    if pass.is_paused() {
        return pass.record_pause().await;
    }
    if pass.object.meta().deletion_timestamp.is_some() {
        let result = pass.clean_up().await;
        return pass.record_deletion(result).await;
    }
    let mut report = pass.blank_report();
    let result = pass.bring_about(&mut report).await;
    match pass.without_seat {
        Some(wait) => {
            // What the inventory showed was for this pass.
            pass.cx.memory.ask_for_check(&pass.uid);
            Ok(Action::requeue(wait))
        }
        None => pass.record(report, result).await,
    }
}

/// Records a defect of the operator on the object that brought it to light.
pub(super) async fn record_defect<K: Managed>(
    object: K,
    cx: &Context,
    defect: Obstacle,
) -> Result<Action, Obstacle> {
    match Pass::begin(object, cx).await? {
        Some(pass) if !pass.is_deleting() => {
            let report = pass.blank_report();
            pass.record(report, Err(defect)).await
        }
        Some(pass) => pass.record_deletion(Err(defect)).await,
        None => Err(defect),
    }
}

/// The organisation in which the object has something, as status tells.
fn recorded_organization<K: Managed>(object: &K) -> Option<String> {
    K::common(object.status()?).external.first().map(|external| external.organization.clone())
}

impl<K: Managed> Pass<'_, K> {
    /// Steps 3 to 7. Returns the hash of the desired state that is applied now.
    async fn bring_about(&mut self, report: &mut Report<K::Status>) -> Result<String, Obstacle> {
        let refs = self.object.resolve(self.cx).await?;
        self.resolved = true;
        self.take_seat(K::site(&refs))?;
        let desired = self.object.desired(&refs)?;
        let hash = hash::of(&desired);
        self.replacing.pair = Some(K::pair(&desired));
        let roles = self.object.roles();
        self.orient(&roles);
        self.delete_extra(K::site(&refs)).await?;
        self.clear_probe(K::site(&refs)).await?;
        self.settled = self.is_settled(&hash);
        if !self.is_replacing() {
            self.adopt(&refs, &desired, &hash).await?;
        }
        self.refuse_while_suspect(K::site(&refs))?;
        if self.should_look() {
            self.observe_all(&refs, &desired).await?;
        } else {
            self.observe_shown(&refs, &desired).await?;
        }
        for _ in 0..TURNS {
            self.propose(&refs, &desired)?;
            let step = plan(&self.facts(&roles));
            debug!(kind = %K::kind(&()), name = %self.object.name_any(), ?step, "step");
            if step == Step::Replace {
                self.begin_replacement(&refs, &desired, &hash, report).await?;
            } else if !self.act(step, &refs, &desired, &hash).await? {
                let shape = self.shape(&refs, &desired);
                self.object.settle(self.cx, &shape, self.looked, report).await?;
                if let Some((reason, why)) = self.unretired.take() {
                    let message = format!("upstream equals spec, except for what is left behind: {why}");
                    report.ignored = Some((reason, message));
                    report.look_again_in(self.cx.settings.drift_interval);
                }
                self.start_run(K::site(&refs), report).await?;
                return Ok(hash);
            }
        }
        Err(Obstacle::new(
            Class::Unavailable,
            Reason::Progressing,
            "upstream keeps changing while it is being corrected",
        ))
    }

    /// A place among the passes of the organisation, where it was not known before.
    fn take_seat(&mut self, site: &Site) -> Result<(), Obstacle> {
        self.cx.memory.note_organization(&self.uid, &site.organization);
        if self.seat.is_none() {
            match self.cx.seats.take(&K::kind(&()), &site.organization) {
                Ok(seat) => self.seat = Some(seat),
                Err(wait) => {
                    self.without_seat = Some(wait);
                    return Err(Obstacle::waiting("other objects of the organisation come first"));
                }
            }
        }
        Ok(())
    }

    pub(super) fn shape<'s>(&'s self, refs: &'s K::Refs, desired: &'s K::Desired) -> Shape<'s, K> {
        Shape {
            refs,
            desired,
            external: &self.external,
            adopted: &self.adopted,
            unsaid: self.object.unsaid(),
            patched: &self.patched,
            created: &self.created,
            uid: &self.uid,
            owner: self.cx.owner(&self.namespace(), &self.object.name_any()),
            intent: self.intent.as_ref(),
            objects: &self.objects,
            lost: &self.lost,
            run: self.shown_run.as_ref(),
            now: self.now(),
            approval: self.approval(),
        }
    }

    /// Whether the present spec and references are what status says was applied.
    fn is_settled(&self, hash: &str) -> bool {
        let Some(common) = self.object.status().map(K::common) else { return false };
        common.observed_generation == self.object.meta().generation
            && common.applied_hash.as_deref() == Some(hash)
            && self.recalled.is_empty()
    }

    /// Whether something may differ upstream. At rest nothing is asked.
    fn should_look(&self) -> bool {
        let asked = self.cx.memory.take_check(&self.uid);
        let handled = self.object.status().and_then(|status| K::common(status).last_handled_sync.clone());
        let requested = self.sync_token().is_some_and(|token| Some(token) != handled);
        // What is said to differ has to be seen as a whole before it is said to be in sync.
        let partial = !self.shown.is_empty() && !self.is_synced();
        // Whoever paused it may have edited upstream.
        let was_paused = self.was_paused();
        asked || !self.settled || !self.is_ready() || self.is_stalled() || was_paused || requested || partial
    }

    /// Deletes what this process created although another one's object was recorded.
    pub(super) async fn delete_extra(&mut self, site: &Site) -> Result<(), Obstacle> {
        for (role, id) in std::mem::take(&mut self.extra) {
            if role == Role::MappingSet {
                // Data Prep documents no DELETE: what was made too late stays, unused, and is named once.
                self.cx.memory.forget_sent(&self.uid, role);
                let note = format!(
                    "another process recorded another {role} first: {id} stays upstream, unused, since Data Prep has no DELETE"
                );
                self.events.push((Severity::Warning, Reason::Retained, note));
                continue;
            }
            upstream::delete(site, &self.write_gate(), role, &id, &self.marker(role, &site.sandbox)).await?;
            self.cx.memory.forget_sent(&self.uid, role);
            let note = format!(
                "another process recorded another {role} first: deleted {id}, which this one had created"
            );
            self.events.push((Severity::Warning, Reason::ExtraDeleted, note));
            self.note(Happening::DuplicateRefused);
        }
        Ok(())
    }

    pub(super) async fn observe_all(&mut self, refs: &K::Refs, desired: &K::Desired) -> Result<(), Obstacle> {
        let roles = self.external.keys().copied().collect();
        self.observe_roles(roles, refs, desired).await
    }

    /// Looks at what the inventory found to have moved, and at nothing else.
    async fn observe_shown(&mut self, refs: &K::Refs, desired: &K::Desired) -> Result<(), Obstacle> {
        let roles = self.shown.keys().copied().collect();
        self.observe_roles(roles, refs, desired).await
    }

    async fn observe_roles(
        &mut self,
        roles: Vec<Role>,
        refs: &K::Refs,
        desired: &K::Desired,
    ) -> Result<(), Obstacle> {
        let known: Vec<(Role, String)> = roles
            .into_iter()
            .filter(|role| !self.created.contains(role) && !self.objects.contains_key(role))
            .filter_map(|role| Some((role, self.external.get(&role)?.id.clone())))
            .collect();
        for (role, id) in known {
            if self.standings.contains_key(&role) {
                self.observe_role(role, &id, refs, desired).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn observe_role(
        &mut self,
        role: Role,
        id: &str,
        refs: &K::Refs,
        desired: &K::Desired,
    ) -> Result<(), Obstacle> {
        let site = K::site(refs);
        self.looked = true;
        if self.observe(role, id, site).await?.is_some() {
            self.refuse_foreign(role, id, site)?;
            if let Some(object) = self.objects.get_mut(&role) {
                self.object.complete(refs, role, object).await?;
            }
            self.note_taken(role, &site.sandbox);
            let standing = self.standing_of(role, refs, desired);
            self.standings.insert(role, standing);
        }
        Ok(())
    }

    /// Where an object stands that was observed.
    fn standing_of(&self, role: Role, refs: &K::Refs, desired: &K::Desired) -> Standing {
        let Some(object) = self.objects.get(&role) else { return Standing::owned() };
        let shape = self.shape(refs, desired);
        match self.object.outlived(&shape, object) {
            Some(why) => Standing::Outlived(why),
            None => Standing::Owned { drift: self.object.drift(&shape, role, object) },
        }
    }

    /// An id in status is no proof of ownership: it may have been edited, or restored into another cluster.
    fn refuse_foreign(&self, role: Role, id: &str, site: &Site) -> Result<(), Obstacle> {
        let Some(object) = self.objects.get(&role) else { return Ok(()) };
        let is_ours = match object.marker().map(|marker| marker.relation(&self.marker(role, &site.sandbox))) {
            Some(Relation::Ours | Relation::OtherIncarnation) => true,
            Some(Relation::Predecessor) => is_retainable(role),
            Some(Relation::Foreign | Relation::Copy) => false,
            // A description may lose its marker when a person edits it.
            None => {
                object.created_client().is_none_or(|client| client == site.client_id())
                    || self.is_adopted(role)
            }
        };
        let is_being_taken = self.taking.get(&role).is_some_and(|before| *before == object.marker());
        if is_ours || is_being_taken {
            return Ok(());
        }
        Err(Obstacle::invalid(
            Reason::NotOurs,
            format!(
                "the {role} {id} upstream belongs to somebody else, as its marker or its creator says: it is neither changed nor deleted"
            ),
        ))
    }

    /// Takes one step; `false` when the pass is at its end.
    async fn act(
        &mut self,
        step: Step,
        refs: &K::Refs,
        desired: &K::Desired,
        hash: &str,
    ) -> Result<bool, Obstacle> {
        match step {
            Step::Rest => {
                self.refuse_unfinished()?;
                return Ok(false);
            }
            Step::Wait(role, grace) => return Err(waiting_for_answer(role, grace)),
            Step::Claim => {
                self.object.check(self.cx, &self.shape(refs, desired)).await?;
                self.write_claim(refs, hash, None).await?;
            }
            Step::LookUp(role) => self.look_up(role, K::site(refs), Some(refs)).await?,
            Step::Take(role, id) => {
                // It may have been created from an older spec.
                self.settled = false;
                self.observe_role(role, &id, refs, desired).await?;
            }
            Step::Create(role) => {
                if let Err(obstacle) = self.create(role, refs, desired).await {
                    self.refuse_new_pair(obstacle, refs, hash).await?;
                }
            }
            Step::Update(role) if self.settled => {
                self.note(Happening::DriftFound);
                self.update(role, refs, desired, hash).await?;
                self.note(Happening::DriftCorrected);
            }
            Step::Update(role) => self.update(role, refs, desired, hash).await?,
            Step::Report(role) => {
                if let Some(Standing::Owned { drift }) = self.standings.get_mut(&role) {
                    let drift = std::mem::take(drift);
                    self.reported = Some(self.reported.take().unwrap_or_default().and(drift));
                    self.editor = self.objects.get(&role).and_then(upstream::Object::editor);
                }
            }
            Step::Contested(role, contest) => {
                let obstacle = contested(role, &self.object.upstream_name(role), &contest);
                self.refuse_new_pair(obstacle, refs, hash).await?;
            }
            Step::Lost(role, id) => self.lose(role, &id, refs, desired, hash).await?,
            Step::Supersede(role, why) => self.supersede(role, &why, refs, hash).await?,
            Step::Retire(role) => self.retire(role, K::site(refs)).await?,
            other => self.act_in_replacement(other, refs, desired, hash).await?,
        }
        Ok(true)
    }

    /// Writes finalizer and intent, then reads the references again: a parent that is being deleted must not get a child.
    /// `also` is a role that exists for this pass only.
    pub(super) async fn write_claim(
        &mut self,
        refs: &K::Refs,
        hash: &str,
        also: Option<Role>,
    ) -> Result<(), Obstacle> {
        let roles: Vec<Role> = self.object.roles().into_iter().chain(also).collect();
        let missing = roles.iter().filter(|role| !self.external.contains_key(role)).count();
        self.permits = K::site(refs).session.permits(missing).await?;
        let now = self.now();
        let former = self.intent.as_ref();
        let replacement = former.and_then(|intent| intent.replacement.clone());
        let start = self.adopted_start().or_else(|| former?.effective_start);
        let intent = Intent {
            uid: self.uid.clone(),
            roles: roles.into_iter().map(|role| (role, self.claim_of(role, refs))).collect(),
            spec_hash: hash.to_owned(),
            effective_start: match replacement.as_ref().and_then(|record| record.cut) {
                Some(cut) => Some(cut.start),
                None => self.object.effective_start(start, now),
            },
            time: former.map_or(now, |intent| intent.time),
            run: former.and_then(|intent| intent.run.clone()),
            nonce: 0,
            changes: former.map(|intent| intent.changes.clone()).unwrap_or_default(),
            spent: former.map_or(0, |intent| intent.spent),
            replacement,
        };
        self.put_intent(intent).await?;
        self.note_unsent(also);
        self.claimed_at = Some(Instant::now());
        self.claim = ClaimState::Fresh;
        let again = self.object.resolve(self.cx).await?;
        if hash::of(&self.object.desired(&again)?) == hash {
            Ok(())
        } else {
            Err(Obstacle::conflict("a reference changed during the claim"))
        }
    }

    /// Writes the intent, with the resource version that was read, and with a nonce of its own.
    pub(super) async fn put_intent(&mut self, mut intent: Intent) -> Result<(), Obstacle> {
        intent.nonce = rand::random();
        self.cx.cluster.claim(&mut self.object, &intent).await?;
        self.cx.memory.note_claim(&self.uid, &intent.to_annotation());
        self.intent = Some(intent);
        Ok(())
    }

    /// One POST. What became of it is noted before anything else can fail.
    pub(super) async fn create(
        &mut self,
        role: Role,
        refs: &K::Refs,
        desired: &K::Desired,
    ) -> Result<(), Obstacle> {
        let permit = self
            .permits
            .pop()
            .ok_or_else(|| Obstacle::bug("a create needs a permit from before its claim"))?;
        let gate = self.create_gate()?;
        let result =
            self.object.create(self.cx, &self.shape(refs, desired), role, Post { permit, gate: &gate }).await;
        let sent = match &result {
            Ok(external) => Sent::Created(external.clone()),
            Err(obstacle) if obstacle.class == Class::Ambiguous => Sent::Unknown(Instant::now()),
            Err(_) => Sent::Refused,
        };
        self.cx.memory.note_sent(&self.uid, role, sent);
        self.cx.memory.note_written(&self.uid, role);
        let external = result?;
        self.events.push((Severity::Normal, Reason::Created, format!("created {role} {}", external.id)));
        let id = external.id.clone();
        self.external.insert(role, external);
        self.created.insert(role);
        self.looked = true;
        self.standings.insert(role, Standing::owned());
        if self.object.observe_after_create(role) || self.is_replacing() {
            self.observe_role(role, &id, refs, desired).await?;
        }
        if self.replacing.cut {
            self.end_if_over();
        }
        Ok(())
    }
}

pub(super) fn waiting_for_answer(role: Role, grace: Duration) -> Obstacle {
    Obstacle::new(
        Class::Ambiguous,
        Reason::OutcomeUnknown,
        format!("the answer to the creation of the {role} was lost and nothing is to be seen upstream yet; it is looked up again until its absence is certain"),
    )
    .after(grace)
}
