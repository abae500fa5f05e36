//! The deletion of a custom resource: its upstream objects in reverse order, then the finalizer.
//!
//! A broken spec or a failing parent must not stand in the way, so nothing here resolves references or looks at the desired state.

use kube::ResourceExt;
use tracing::debug;

use super::driver::{TURNS, waiting_for_answer};
use super::look::contested;
use super::managed::{Managed, Parting};
use super::pass::Pass;
use super::site::Site;
use super::{profile, upstream};
use crate::api::condition::Reason;
use crate::api::policy::DeletionPolicy;
use crate::api::role::Role;
use crate::cluster::claim::is_claimed;
use crate::cluster::events::Severity;
use crate::cluster::read::CrdState;
use crate::domain::outcome::{Class, Obstacle, some_of};
use crate::domain::plan::{Standing, Step, plan};

impl<K: Managed> Pass<'_, K> {
    /// 1. Keep upstream objects when the CRD itself goes away. Nobody is waited for then: those that refer to this one may not be served
    ///    any more.
    /// 2. Wait for the objects that refer to this one.
    /// 3. Keep upstream objects when the policy says so.
    /// 4. Delete upstream, last created first; look up what may exist without an id.
    /// 5. Release.
    pub(super) async fn clean_up(&mut self) -> Result<(), Obstacle> {
        if !is_claimed(&self.object) {
            return Ok(());
        }
        let crd_is_going = self.crd_is_going().await?;
        if !crd_is_going {
            self.wait_for_dependents().await?;
        }
        let mut roles = self.roles_to_delete();
        if crd_is_going || self.is_retained() {
            // A probe is nobody's to keep.
            roles.retain(|role| *role == Role::Probe);
        }
        self.orient(&roles);
        let mut site: Option<Site> = None;
        for _ in 0..TURNS {
            let step = plan(&self.facts(&roles));
            debug!(kind = %K::kind(&()), name = %self.object.name_any(), ?step, "deletion step");
            if step == Step::Release {
                if let Some(site) = &site {
                    self.refuse_unproven_release(site).await?;
                }
                self.announce_retained(&roles);
                return self.release().await;
            }
            if site.is_none() {
                let reached = self.object.reach(self.cx).await?;
                self.cx.memory.note_organization(&self.uid, &reached.organization);
                site = Some(reached);
            }
            if let Some(site) = &site {
                self.delete_extra(site).await?;
                self.act_in_deletion(step, site).await?;
            }
        }
        Err(Obstacle::new(
            Class::Unavailable,
            Reason::Deleting,
            "upstream keeps changing while it is being deleted",
        ))
    }

    async fn wait_for_dependents(&self) -> Result<(), Obstacle> {
        let dependents = self.object.dependents(self.cx).await?;
        if dependents.is_empty() {
            return Ok(());
        }
        let names = some_of(&dependents);
        Err(Obstacle::blocked(
            Reason::WaitingForDependents,
            format!("deletion waits until these are deleted: {names}"),
        ))
    }

    /// Whether the CRD is being removed, and not this one object: then everything stays upstream.
    async fn crd_is_going(&mut self) -> Result<bool, Obstacle> {
        match self.cx.cluster.crd_state::<K>().await {
            CrdState::Serving => Ok(false),
            CrdState::Terminating => {
                self.events.push((
                    Severity::Normal,
                    Reason::Retained,
                    "the CustomResourceDefinition is being deleted: upstream objects are kept".to_owned(),
                ));
                Ok(true)
            }
            CrdState::Unknown => Err(Obstacle::new(
                Class::Unavailable,
                Reason::Deleting,
                "it cannot be told whether the CustomResourceDefinition is being deleted",
            )),
        }
    }

    /// Whether the policy keeps everything upstream.
    fn is_retained(&mut self) -> bool {
        let why = match self.object.deletion_policy() {
            Some(DeletionPolicy::Retain) => "deletionPolicy Retain",
            None if self.is_taken_over() => "taken over, and no deletionPolicy is given",
            Some(DeletionPolicy::Delete) | None => return false,
        };
        let kept: Vec<String> =
            self.external.values().map(|external| format!("{} {}", external.role, external.id)).collect();
        self.events.push((
            Severity::Normal,
            Reason::Retained,
            format!("{why}: kept upstream: {}", kept.join(", ")),
        ));
        true
    }

    /// What spec, status and intent name: spec may have changed since the objects were created.
    fn roles_to_delete(&self) -> Vec<Role> {
        let named = |role: &Role| {
            self.external.contains_key(role)
                || self.intent.as_ref().is_some_and(|intent| intent.roles.contains_key(role))
                || self.object.roles().contains(role)
        };
        Role::ALL.into_iter().filter(named).collect()
    }

    pub(super) async fn act_in_deletion(&mut self, step: Step, site: &Site) -> Result<(), Obstacle> {
        match step {
            Step::LookUp(role) => self.look_up(role, site, None).await,
            Step::Take(role, id) => {
                if self.observe(role, &id, site).await?.is_some() {
                    self.standings.insert(role, Standing::owned());
                }
                Ok(())
            }
            Step::Wait(role, grace) => Err(waiting_for_answer(role, grace)),
            Step::Contested(role, contest) => {
                Err(contested(role, &self.object.upstream_name(role), &contest))
            }
            Step::Delete(role) => self.delete(role, site).await,
            other => Err(Obstacle::bug(format!("{other:?} in a deletion"))),
        }
    }

    /// Deletes one object and sees it gone. An object that is no longer ours is left alone.
    pub(super) async fn delete(&mut self, role: Role, site: &Site) -> Result<(), Obstacle> {
        let Some(external) = self.external.get(&role).cloned() else {
            return Err(Obstacle::bug(format!("the {role} has no id")));
        };
        if external.organization != site.organization || external.sandbox != site.sandbox {
            return Err(Obstacle::new(
                Class::Denied,
                Reason::ReferenceMismatch,
                format!(
                    "the {role} {} lives in {} sandbox {}, but the platform credentials are of {}: restore them so that it can be deleted",
                    external.id, external.organization, external.sandbox, site.organization
                ),
            ));
        }
        profile::refuse_deletion(site, role, &external.id).await?;
        if let Some(why) = self.kept_for(role, &external.id, site).await? {
            let note = format!("kept upstream: {role} {}: {why}", external.id);
            self.events.push((Severity::Normal, Reason::Retained, note));
            self.kept.insert(role);
            return Ok(());
        }
        let marker = self.marker(role, &site.sandbox);
        let gate = self.write_gate();
        let parting =
            Parting { role, id: &external.id, marker: &marker, external: &self.external, gate: &gate };
        let noted = self.object.before_delete(self.cx, site, parting).await?;
        self.events.extend(noted.map(|(reason, note)| (Severity::Normal, reason, note)));
        let was_seen = upstream::delete(site, &gate, role, &external.id, &marker).await?;
        self.unseen |= !was_seen;
        self.events.push((Severity::Normal, Reason::Deleted, format!("deleted {role} {}", external.id)));
        self.cx.memory.forget_sent(&self.uid, role);
        self.external.remove(&role);
        self.objects.remove(&role);
        self.standings.insert(role, Standing::Deleted);
        Ok(())
    }

    fn announce_retained(&mut self, roles: &[Role]) {
        let kept: Vec<String> = roles
            .iter()
            .filter(|role| self.object.keeps(**role))
            .filter_map(|role| self.external.get(role).map(|external| format!("{role} {}", external.id)))
            .collect();
        if !kept.is_empty() {
            self.events.push((
                Severity::Normal,
                Reason::Retained,
                format!("kept upstream: {}", kept.join(", ")),
            ));
        }
    }

    async fn release(&mut self) -> Result<(), Obstacle> {
        self.object.before_release(self.cx).await?;
        self.cx.cluster.release(&mut self.object).await?;
        self.object.after_release(self.cx).await
    }
}
