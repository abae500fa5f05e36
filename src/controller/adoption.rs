//! Adoption: an existing upstream object that spec names by id is taken over, never another one.
//!
//! Read, refuse, wait for approval, claim; then the driver writes marker and differences as it corrects drift, and only an object that is
//! read back with our marker enters status. Before the claim nothing is written anywhere; from the claim on the intent says what was
//! adopted, so nobody is asked twice. Names are nothing here, nor is anything ever created in the place of what is named.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::driver::waiting_for_answer;
use super::managed::{External, Managed};
use super::owners::taken;
use super::pass::Pass;
use super::site::Site;
use super::upstream::{self, Object};
use crate::api::condition::Reason;
use crate::api::role::Role;
use crate::api::status::ExternalObject;
use crate::cluster::events::Severity;
use crate::domain::approval::Action;
use crate::domain::marker::Relation;
use crate::domain::outcome::Obstacle;
use crate::domain::plan::{ClaimState, Contest, Standing};

pub use crate::domain::adoption::lines;

/// An existing upstream object that spec names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Adobe's id.
    pub id: String,
    /// The field of spec that names it.
    pub field: &'static str,
}

/// The field of spec with which an object of a role is taken over.
pub fn field(role: Role) -> &'static str {
    match role {
        Role::Connection | Role::Probe => "spec.adopt.connectionId",
        Role::SourceConnection | Role::FormerSourceConnection => "spec.adopt.sourceConnectionId",
        Role::FieldGroup | Role::Schema => "spec.targetSchema.managed.adopt",
        Role::MappingSet => "spec.adopt.mappingSetId",
        Role::Dataset | Role::PreviousDataset => "spec.dataset.managed.adopt.id",
        // The target connection comes with its dataflow.
        Role::TargetConnection | Role::Flow | Role::PreviousTargetConnection | Role::PreviousFlow => {
            "spec.adopt.flowId"
        }
    }
}

/// What can be done about a title of a schema or field group that is taken.
pub const ANOTHER_TITLE: &str = "choose another title, take the schema and its field group over with targetSchema.managed.adopt, or use the schema with targetSchema.existing";

/// An object that cannot be taken over; the message says what to change.
pub fn refused(field: &str, why: impl std::fmt::Display) -> Obstacle {
    Obstacle::invalid(Reason::AdoptionRefused, format!("{field}: {why}"))
}

/// Whether the object of a role is the one that was taken over for it.
pub(super) fn is_adopted(adopted: &BTreeMap<Role, String>, external: &External, role: Role) -> bool {
    adopted.get(&role).is_some_and(|id| external.get(&role).is_some_and(|external| external.id == *id))
}

/// An object that spec names, as far as it has been read.
struct Candidate {
    role: Role,
    id: String,
    field: &'static str,
}

impl<K: Managed> Pass<'_, K> {
    /// Takes over what spec names and this object does not have yet. Without such a name nothing is asked.
    pub(super) async fn adopt(
        &mut self,
        refs: &K::Refs,
        desired: &K::Desired,
        hash: &str,
    ) -> Result<(), Obstacle> {
        let roles = self.object.roles();
        self.refuse_another_id(&roles)?;
        if roles.iter().all(|role| self.named(*role).is_none()) {
            return Ok(());
        }
        self.looked = true;
        self.settled = false;
        let recorded = self.external.clone();
        let result = self.take_over(&roles, refs, desired, hash).await;
        if result.is_err() {
            // What is not ours yet does not belong in status.
            self.external = recorded;
        }
        result
    }

    /// The existing object that spec names for a role that has none.
    fn named(&self, role: Role) -> Option<Named> {
        if self.external.contains_key(&role) { None } else { self.object.adopts(role, &self.objects) }
    }

    fn refuse_another_id(&self, roles: &[Role]) -> Result<(), Obstacle> {
        for role in roles {
            let named = self.object.adopts(*role, &self.objects);
            let Some((owned, named)) = self.external.get(role).zip(named) else { continue };
            if !owned.id.eq_ignore_ascii_case(&named.id) {
                let why = format!(
                    "this object has the {role} {} already, so it cannot take over {}: remove the field, or take that one over with another object",
                    owned.id, named.id
                );
                return Err(refused(named.field, why));
            }
        }
        Ok(())
    }

    async fn take_over(
        &mut self,
        roles: &[Role],
        refs: &K::Refs,
        desired: &K::Desired,
        hash: &str,
    ) -> Result<(), Obstacle> {
        let candidates = self.read_named(roles, refs).await?;
        self.find_what_they_need(roles, &candidates, refs, desired).await?;
        self.refuse_unfit(&candidates, refs, desired)?;
        if !self.is_claimed_for(&candidates) {
            self.refuse_rivals(&candidates).await?;
            self.refuse_doubtful(&candidates, refs).await?;
            self.object.check(self.cx, &self.shape(refs, desired)).await?;
            self.require_adoption(&candidates, refs, desired)?;
            self.write_claim(refs, hash, None).await?;
        }
        self.yield_to_rivals(&candidates, refs, hash).await?;
        for candidate in &candidates {
            self.begin_taking(candidate.role, refs, desired);
        }
        Ok(())
    }

    /// Reads what spec names, the last role first: one object tells of another that comes before it.
    async fn read_named(&mut self, roles: &[Role], refs: &K::Refs) -> Result<Vec<Candidate>, Obstacle> {
        let site = K::site(refs);
        let mut candidates = Vec::new();
        for role in roles.iter().rev().copied() {
            let Some(Named { id, field }) = self.named(role) else { continue };
            let mut object = read(site, role, &id, field).await?;
            self.object.complete(refs, role, &mut object).await?;
            refuse_elsewhere(&object, role, field, site)?;
            self.refuse_owned(&object, role, field, site).await?;
            let external = object.external(role, site);
            candidates.push(Candidate { role, id: external.id.clone(), field });
            self.adopted.insert(role, external.id.clone());
            self.external.insert(role, external);
            self.objects.insert(role, object);
        }
        candidates.reverse();
        Ok(candidates)
    }

    /// Objects that come before a named one and are not named themselves are this object's own from before, or do not exist.
    async fn find_what_they_need(
        &mut self,
        roles: &[Role],
        candidates: &[Candidate],
        refs: &K::Refs,
        desired: &K::Desired,
    ) -> Result<(), Obstacle> {
        let last = candidates.last().map(|candidate| candidate.role);
        for role in roles.iter().copied().take_while(|role| Some(*role) != last) {
            if self.external.contains_key(&role) {
                continue;
            }
            self.look_up(role, K::site(refs), Some(refs)).await?;
            if let Some(Standing::Found(id)) = self.standings.get(&role).cloned() {
                self.observe_role(role, &id, refs, desired).await?;
            }
        }
        Ok(())
    }

    fn refuse_unfit(
        &self,
        candidates: &[Candidate],
        refs: &K::Refs,
        desired: &K::Desired,
    ) -> Result<(), Obstacle> {
        let shape = self.shape(refs, desired);
        let unfit = |candidate: &Candidate| {
            let object = self.objects.get(&candidate.role)?;
            self.object.refuse_unfit(&shape, candidate.role, object).err()
        };
        candidates.iter().find_map(unfit).map_or(Ok(()), Err)
    }

    /// Whether a claim of an earlier pass says that these were approved.
    fn is_claimed_for(&self, candidates: &[Candidate]) -> bool {
        let claimed = |candidate: &Candidate| {
            self.intent
                .as_ref()
                .is_some_and(|intent| intent.adopted(candidate.role) == Some(candidate.id.as_str()))
        };
        self.claim == ClaimState::Standing && candidates.iter().all(claimed)
    }

    async fn refuse_rivals(&self, candidates: &[Candidate]) -> Result<(), Obstacle> {
        for Candidate { role, id, field } in candidates {
            if let Some(rival) = self.rival(*role, id).await? {
                return Err(refused(field, taken(*role, id, &rival)));
            }
        }
        Ok(())
    }

    /// An object of this object's own may exist upstream, or still surface there: then it would be left behind.
    async fn refuse_doubtful(&mut self, candidates: &[Candidate], refs: &K::Refs) -> Result<(), Obstacle> {
        for Candidate { role, id, field } in candidates {
            if !self.doubtful.contains(role) {
                continue;
            }
            self.look_up(*role, K::site(refs), Some(refs)).await?;
            let grace = self.cx.memory.remaining_grace(&self.uid, *role, self.cx.settings.lookup_grace);
            match self.standings.get(role) {
                Some(Standing::Found(own)) if own != id => {
                    return Err(refused(
                        field,
                        format!(
                            "the {role} {own} upstream is this object's own already: name that one, or remove the field"
                        ),
                    ));
                }
                Some(Standing::Found(_) | Standing::Contested(Contest::Several(_))) => {}
                _ if !grace.is_zero() => return Err(waiting_for_answer(*role, grace)),
                _ => {}
            }
        }
        Ok(())
    }

    fn require_adoption(
        &self,
        candidates: &[Candidate],
        refs: &K::Refs,
        desired: &K::Desired,
    ) -> Result<(), Obstacle> {
        let shape = self.shape(refs, desired);
        let mut differences = Vec::new();
        for Candidate { role, .. } in candidates {
            let Some(object) = self.objects.get(role) else { continue };
            let lines = self.object.differences(&shape, *role, object);
            differences.extend(
                lines.into_iter().map(
                    |line| {
                        if candidates.len() > 1 { format!("{role}: {line}") } else { line }
                    },
                ),
            );
        }
        if differences.is_empty() {
            return Ok(());
        }
        let ids: Vec<String> =
            candidates.iter().map(|candidate| format!("{} {}", candidate.role, candidate.id)).collect();
        shape.require_approval(Action::Adopt, &ids.join(", "), &differences)
    }

    /// Two objects may have claimed one id at the same moment. Each claim is followed by this look, so at least one of the two sees the
    /// other; whoever does takes its claim back before anything is written upstream, and tries again.
    async fn yield_to_rivals(
        &mut self,
        candidates: &[Candidate],
        refs: &K::Refs,
        hash: &str,
    ) -> Result<(), Obstacle> {
        for Candidate { role, id, .. } in candidates {
            if self.carries_our_marker(*role, &K::site(refs).sandbox) {
                continue;
            }
            if let Some(rival) = self.rival(*role, id).await? {
                self.adopted.retain(|role, _| candidates.iter().all(|candidate| candidate.role != *role));
                self.write_claim(refs, hash, None).await?;
                return Err(Obstacle::conflict(taken(*role, id, &rival)));
            }
        }
        Ok(())
    }

    /// From here on the object is treated as one whose drift is corrected.
    fn begin_taking(&mut self, role: Role, refs: &K::Refs, desired: &K::Desired) {
        let Some(object) = self.objects.get(&role) else { return };
        let drift = self.object.drift(&self.shape(refs, desired), role, object);
        self.taking.insert(role, object.marker());
        self.standings.insert(role, Standing::Owned { drift });
        self.note_taken(role, &K::site(refs).sandbox);
    }

    /// An object that is read with our marker is taken over.
    pub(super) fn note_taken(&mut self, role: Role, sandbox: &str) {
        if self.taking.contains_key(&role) && self.carries_our_marker(role, sandbox) {
            self.taking.remove(&role);
            let id = self.adopted.get(&role).cloned().unwrap_or_default();
            self.events.push((Severity::Normal, Reason::Adopted, format!("took over {role} {id}")));
        }
    }

    fn carries_our_marker(&self, role: Role, sandbox: &str) -> bool {
        let marker = self.objects.get(&role).and_then(Object::marker);
        marker.is_some_and(|marker| marker.relation(&self.marker(role, sandbox)) == Relation::Ours)
    }

    /// The start that an adopted flow has: where spec names none, it is the effective one.
    pub(super) fn adopted_start(&self) -> Option<Timestamp> {
        let Some(Object::Flow(flow)) = self.objects.get(&Role::Flow) else { return None };
        let start = flow.schedule.start_time.filter(|_| self.is_adopted(Role::Flow))?;
        Timestamp::from_second(start).ok()
    }

    /// Whether what the kind stands for existed before this object: then it outlives it, unless spec says otherwise.
    pub(super) fn is_taken_over(&self) -> bool {
        let Some(role) = self.object.roles().last().copied() else { return false };
        let is_its = |id: &String| self.external.get(&role).is_none_or(|external| external.id == *id);
        !self.object.keeps(role) && self.adopted.get(&role).is_some_and(is_its)
    }

    /// What status holds of the upstream objects.
    pub(super) fn recorded_external(&self) -> Vec<ExternalObject> {
        let ours = self.external.values().filter(|external| !self.taking.contains_key(&external.role));
        ours.map(|external| ExternalObject {
            adopted: self.is_adopted(external.role).then_some(true),
            ..external.clone()
        })
        .collect()
    }
}

async fn read(site: &Site, role: Role, id: &str, field: &str) -> Result<Object, Obstacle> {
    let found = match role {
        Role::MappingSet => upstream::newest_set(site, id).await?.map(Object::MappingSet),
        _ => upstream::read(site, role, id, None).await?,
    };
    found.ok_or_else(|| {
        refused(
            field,
            format!(
                "sandbox {} of organisation {} shows no {role} {id}: correct the id (that of another kind of object does not do), or refer to the sandbox that holds it",
                site.sandbox, site.organization
            ),
        )
    })
}

/// Adobe answers within the sandbox that was asked; should it not, the object says where it lives.
fn refuse_elsewhere(object: &Object, role: Role, field: &str, site: &Site) -> Result<(), Obstacle> {
    let (organization, sandbox) = object.home();
    if organization.is_none_or(|home| home == site.organization)
        && sandbox.is_none_or(|home| home == site.sandbox)
    {
        return Ok(());
    }
    Err(refused(
        field,
        format!(
            "the {role} lives in sandbox {} of organisation {}, not in sandbox {} of {}: refer to that sandbox, or name another {role}",
            sandbox.unwrap_or_default(),
            organization.unwrap_or_default(),
            site.sandbox,
            site.organization
        ),
    ))
}
