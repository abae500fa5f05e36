//! What upstream no longer shows, or has outlived what it is bound to: first whether that is certain, then what is done about it.
//!
//! A 404 proves nothing. An access label hides a flow from reads, a lost role hides everything, a reset sandbox is another sandbox, and
//! lists and reads lag. So nothing is made again, and nothing is released, before all of that is ruled out.

use std::time::Duration;

use tokio::time::Instant;

use super::inventory::{Place, Shelf, Verdict};
use super::managed::{Managed, WhenLost};
use super::memory::Shown;
use super::pass::Pass;
use super::site::{self, Site};
use super::upstream;
use crate::aep::Presence;
use crate::api::condition::{ConditionType, Reason};
use crate::api::policy::DriftPolicy;
use crate::api::role::Role;
use crate::api::status::ExternalObject;
use crate::cluster::events::Severity;
use crate::domain::approval::{self, Action};
use crate::domain::intent::{Claim, Intent};
use crate::domain::outcome::{Class, Obstacle};
use crate::domain::plan::Standing;

/// Why nothing is made in the place of an object that spec names.
const NAMED: &str =
    "spec.adopt names it, so nothing is made in its place: remove that field to have a new one made";
/// Why nothing is made where differences are only reported.
const REPORTED: &str =
    "driftPolicy is Report, so nothing is made in its place: set it to Correct, or delete this object";
/// The next look at what may be gone is not sooner than this.
const LOOK: Duration = Duration::from_secs(1);

impl<K: Managed> Pass<'_, K> {
    /// An object whose id status holds is not to be seen.
    pub(super) async fn lose(
        &mut self,
        role: Role,
        id: &str,
        refs: &K::Refs,
        desired: &K::Desired,
        hash: &str,
    ) -> Result<(), Obstacle> {
        self.prove_absence(role, id, K::site(refs)).await?;
        if self.is_replacing() {
            return Err(gone(
                role,
                id,
                "the replacement of the flow cannot go on without it: put the former sourceConnectionRef back, and ask for the replacement again",
            ));
        }
        if self.object.adopts(role, &self.objects).is_some() {
            return Err(gone(role, id, NAMED));
        }
        match self.object.when_lost(&self.shape(refs, desired), role) {
            WhenLost::Say(obstacle) => Err(obstacle),
            WhenLost::Replace | WhenLost::Create if self.object.drift_policy() == DriftPolicy::Report => {
                Err(gone(role, id, REPORTED))
            }
            WhenLost::Replace => {
                self.lost.insert(role, id.to_owned());
                Ok(())
            }
            WhenLost::Create => self.create_again(role, id, refs, desired, hash).await,
        }
    }

    /// Claims another object in the place of a lost one, which is then created like any other. By itself that happens once: whoever
    /// deletes the second one as well may have a reason.
    async fn create_again(
        &mut self,
        role: Role,
        id: &str,
        refs: &K::Refs,
        desired: &K::Desired,
        hash: &str,
    ) -> Result<(), Obstacle> {
        let again = self.intent.as_ref().and_then(|intent| intent.replaces(role)).map(str::to_owned);
        if let Some(first) = again {
            let lines = [
                format!("{role} {first}: was deleted upstream, and another one was made in its place"),
                format!("{role} {id}: that one was deleted upstream as well"),
            ];
            self.shape(refs, desired).require_approval(Action::Recreate, &format!("{role} {id}"), &lines)?;
        }
        let note = format!("the {role} {id} was deleted upstream: another one is made in its place");
        let claim = Claim { replaces: Some(id.to_owned()), ..Claim::default() };
        self.claim_another(role, claim, refs, hash, note).await
    }

    /// Claims another object in a role, under a number that nothing ever had.
    async fn claim_another(
        &mut self,
        role: Role,
        claim: Claim,
        refs: &K::Refs,
        hash: &str,
        note: String,
    ) -> Result<(), Obstacle> {
        let mut intent = self.intent.clone().unwrap_or_else(|| Intent::blank(&self.uid, self.now()));
        let incarnation = intent.next_incarnation();
        intent.roles.insert(role, Claim { incarnation, ..claim });
        self.intent = Some(intent);
        self.external.remove(&role);
        self.adopted.remove(&role);
        self.objects.remove(&role);
        // Nothing was ever made under the new number.
        self.standings.insert(role, Standing::Unsent);
        self.settled = false;
        self.write_claim(refs, hash, None).await?;
        self.events.push((Severity::Warning, Reason::Recreated, note));
        Ok(())
    }

    /// Claims another object in the place of one that can never again be what it is for. That one stays as long as something uses it.
    pub(super) async fn supersede(
        &mut self,
        role: Role,
        why: &str,
        refs: &K::Refs,
        hash: &str,
    ) -> Result<(), Obstacle> {
        let refused = |what: &str| Err(Obstacle::new(Class::Gone, Reason::Gone, format!("{why}; {what}")));
        if self.object.adopts(role, &self.objects).is_some() {
            return refused(NAMED);
        }
        if self.object.drift_policy() == DriftPolicy::Report {
            return refused(REPORTED);
        }
        let (Some(becomes), Some(outlived)) = (role.former(), self.external.get(&role).cloned()) else {
            return Err(Obstacle::bug(format!("a {role} cannot be outlived")));
        };
        self.retire(becomes, K::site(refs)).await?;
        if self.external.contains_key(&becomes) {
            return self.supersede_again(role, &outlived.id, why, refs, hash).await;
        }
        let note =
            format!("{why}: another one is made in its place, and it is deleted when no flow reads it");
        let before = self.external.clone();
        self.external.insert(becomes, ExternalObject { role: becomes, ..outlived });
        let claimed = self.claim_another(role, Claim::default(), refs, hash, note).await;
        if claimed.is_err() {
            // Status says what the claim says, which may not have been written.
            self.external = before;
        }
        claimed
    }

    /// The same while the one before it still waits for its flow, which has not begun to move, or moves to this one.
    async fn supersede_again(
        &mut self,
        role: Role,
        id: &str,
        why: &str,
        refs: &K::Refs,
        hash: &str,
    ) -> Result<(), Obstacle> {
        if self.object.is_in_use(self.cx, id).await? {
            let message = format!("{why}; another one is made when its IngestionFlow has moved to it");
            // The flow moves to nothing that is not Ready.
            return Err(Obstacle { usable: true, ..Obstacle::blocked(Reason::Gone, message) });
        }
        self.delete(role, K::site(refs)).await?;
        let note = format!("{why}: another one is made in its place");
        let claim = Claim { deleted: Some(id.to_owned()), ..Claim::default() };
        self.claim_another(role, claim, refs, hash, note).await
    }

    /// Deletes an object whose place another one has taken, unless something still uses it.
    pub(super) async fn retire(&mut self, role: Role, site: &Site) -> Result<(), Obstacle> {
        let Some(id) = self.external.get(&role).map(|object| object.id.clone()) else { return Ok(()) };
        if self.object.is_in_use(self.cx, &id).await? {
            self.kept.insert(role);
            return Ok(());
        }
        match self.delete(role, site).await {
            // What took its place works without it: what stands in the way is told, and tried again by a later pass.
            Err(obstacle) if !obstacle.is_failure() => {
                self.kept.insert(role);
                self.looked = true;
                self.unretired = Some((obstacle.reason, obstacle.message));
            }
            deleted => deleted?,
        }
        if self.kept.contains(&role) && self.unretired.is_none() {
            self.external.remove(&role);
        }
        Ok(())
    }

    /// Goes on when the object is certainly gone: it was missing twice, an interval apart, a write says so too, the sandbox is the one in
    /// which it was made, and it is not one of too many.
    async fn prove_absence(&mut self, role: Role, id: &str, site: &Site) -> Result<(), Obstacle> {
        let missing = self.cx.memory.note_missing(&self.uid, role, id);
        if missing.proven {
            return Ok(());
        }
        self.confirm_sandbox(site).await?;
        if self.is_suspect(site) {
            self.require_belief(role, id, site)?;
        }
        let interval = match shelf(role) {
            Shelf::Flows => self.cx.settings.drift_interval,
            Shelf::Lake => self.cx.settings.slow_drift_interval,
        };
        let verdict = self.cx.brake.verdict(&Place::of(site, shelf(role)), missing.since);
        let rest = (missing.since + interval).saturating_duration_since(Instant::now());
        if !rest.is_zero() || verdict == Verdict::Pending {
            let message = format!(
                "the {role} {id} is not to be seen upstream; whether it was deleted there is certain when the next inventory misses it too"
            );
            let unproven = Obstacle::blocked(Reason::Gone, message).after(rest.max(LOOK));
            return Err(Obstacle { usable: true, ..unproven });
        }
        // A lost role answers like an access label. By now an inventory that began after the loss has found nothing else missing.
        refuse_hidden(site, role, id, &self.object.upstream_name(role)).await?;
        self.cx.memory.note_proven(&self.uid, role);
        Ok(())
    }

    /// So much is missing that it takes a person to believe it.
    fn require_belief(&self, role: Role, id: &str, site: &Site) -> Result<(), Obstacle> {
        let line = format!("{role} {id}: missing, with many others of the sandbox");
        let pending =
            approval::pending(Action::Recreate, &self.uid, &format!("missing {role} {id}"), &[line]);
        if self.approval() == Some(pending.digest.as_str()) {
            return Ok(());
        }
        Err(Obstacle { pending: Some(Box::new(pending)), ..suspect(site) })
    }

    /// Whether so many of the known objects are missing from the sandbox that nothing about it is believed.
    pub(super) fn is_suspect(&self, site: &Site) -> bool {
        let is_suspect =
            |shelf| self.cx.brake.verdict(&Place::of(site, shelf), Instant::now()) == Verdict::Suspect;
        is_suspect(Shelf::Flows) || is_suspect(Shelf::Lake)
    }

    /// What was found to be missing together with much else stays as it is, unasked, until the inventory sees it again.
    pub(super) fn refuse_while_suspect(&self, site: &Site) -> Result<(), Obstacle> {
        let shown_again = self.shown.values().any(|shown| !matches!(shown, Shown::Missing(_)));
        let is_told = self.has(ConditionType::InventorySuspect) && self.is_applied();
        if is_told && self.is_suspect(site) && !shown_again && self.approval().is_none() {
            return Err(suspect(site));
        }
        Ok(())
    }

    /// The last word before a finalizer goes, when something was not to be seen: a lost role and a reset sandbox show nothing either.
    pub(super) async fn refuse_unproven_release(&self, site: &Site) -> Result<(), Obstacle> {
        if !self.unseen {
            return Ok(());
        }
        self.confirm_sandbox(site).await?;
        if self.is_suspect(site) {
            return Err(suspect(site));
        }
        Ok(())
    }

    async fn confirm_sandbox(&self, site: &Site) -> Result<(), Obstacle> {
        let status = self.object.status().map(|status| K::common(status).external.as_slice());
        let recorded = status.into_iter().flatten().find_map(|external| external.sandbox_id.as_deref());
        site::confirm(self.cx, site, recorded).await
    }
}

fn shelf(role: Role) -> Shelf {
    match role.present() {
        Role::FieldGroup | Role::Schema | Role::MappingSet | Role::Dataset => Shelf::Lake,
        _ => Shelf::Flows,
    }
}

/// An object that is gone and is not made again by itself.
pub(super) fn gone(role: Role, id: &str, why: &str) -> Obstacle {
    Obstacle::new(Class::Gone, Reason::Gone, format!("the {role} {id} was deleted upstream; {why}"))
}

fn suspect(site: &Site) -> Obstacle {
    let message = format!(
        "so many of the known objects are missing from sandbox {} at once that nothing is made again or released there: {}",
        site.sandbox,
        Reason::InventorySuspect.remedy()
    );
    Obstacle { usable: true, ..Obstacle::new(Class::Denied, Reason::InventorySuspect, message) }
}

/// Tells what is gone from what is hidden, or not to be seen yet.
pub(super) async fn refuse_hidden(site: &Site, role: Role, id: &str, name: &str) -> Result<(), Obstacle> {
    match upstream::presence(site, role, id, name).await? {
        Presence::Gone => Ok(()),
        Presence::Hidden => Err(Obstacle::new(
            Class::Denied,
            Reason::HiddenByAccessLabel,
            format!("the {role} {id} is hidden by an access label: {}", Reason::HiddenByAccessLabel.remedy()),
        )),
        Presence::Alive => Err(Obstacle::new(
            Class::Unavailable,
            Reason::Progressing,
            format!("the {role} {id} exists and is not to be read yet"),
        )),
    }
}
