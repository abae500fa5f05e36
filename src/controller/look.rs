//! How a pass finds its objects upstream, reads them, and says what a contest over one of them means.

use kube::ResourceExt;
use tracing::debug;

use super::adoption::{self, ANOTHER_TITLE};
use super::managed::Managed;
use super::memory::Shown;
use super::pass::Pass;
use super::site::Site;
use super::upstream::{self, Object};
use crate::api::condition::Reason;
use crate::api::role::Role;
use crate::cluster::events::Severity;
use crate::domain::lookup::{Candidate, Sighting, Wanted, judge};
use crate::domain::marker::{Marker, Relation};
use crate::domain::outcome::{Class, Obstacle};
use crate::domain::plan::{Contest, Standing};

impl<K: Managed> Pass<'_, K> {
    /// The value that narrows the look-up of a role. Where a service filters by nothing but name or tags, the marker or its owner stands
    /// there.
    pub(super) fn key(&self, role: Role, sandbox: &str, refs: Option<&K::Refs>) -> Option<String> {
        match role {
            Role::MappingSet => Some(self.set_name(sandbox)),
            Role::Dataset => Some(self.marker(role, sandbox).owner.to_string()),
            _ => self.object.key(role, refs, &self.external),
        }
    }

    /// The name of a mapping set: Data Prep has no description, so the marker stands in the name.
    fn set_name(&self, sandbox: &str) -> String {
        let role = Role::MappingSet;
        let name =
            match self.objects.get(&role).filter(|_| self.is_adopted(role) && self.object.unsaid().name) {
                Some(set) => Marker::text_before(set.name()).to_owned(),
                None => self.object.upstream_name(role),
            };
        format!("{name} {}", self.marker(role, sandbox))
    }

    /// Searches upstream for a role's object and judges what is there.
    pub(super) async fn look_up(
        &mut self,
        role: Role,
        site: &Site,
        refs: Option<&K::Refs>,
    ) -> Result<(), Obstacle> {
        let claimed_key =
            self.intent.as_ref().and_then(|intent| intent.roles.get(&role)).map(|claim| claim.key.clone());
        let key = claimed_key.filter(|key| !key.is_empty()).or_else(|| self.key(role, &site.sandbox, refs));
        let candidates = match (key, role) {
            (Some(key), _) => upstream::search(site, role, &key).await?,
            // Its dataset was created under the same claim, and its id is not known: all targets of the sandbox are looked at.
            (None, Role::TargetConnection) => upstream::search_targets(site).await?,
            // What would narrow the search was never created itself, so nothing below it can exist.
            (None, _) => Vec::new(),
        };
        let marker = self.marker(role, &site.sandbox);
        let wanted = Wanted {
            marker: &marker,
            name: &self.object.upstream_name(role),
            client_id: site.client_id(),
            claimed_at: self
                .intent
                .as_ref()
                .filter(|_| self.doubtful.contains(&role))
                .map(|intent| intent.time.as_millisecond()),
        };
        let sighting = judge(&candidates, &wanted);
        debug!(kind = %K::kind(&()), name = %self.object.name_any(), %role, candidates = candidates.len(), ?sighting, "looked up");
        if let Sighting::Ours(id) = &sighting
            && !self.is_deleting()
            && candidates.iter().any(|candidate| candidate.id == *id && is_of_predecessor(candidate, &marker))
        {
            let note = format!("took up the {role} {id}, which a deleted object of this name had left");
            self.events.push((Severity::Normal, Reason::Reattached, note));
        }
        let grace = self.cx.memory.remaining_grace(&self.uid, role, self.cx.settings.lookup_grace);
        let doubtful = self.doubtful.contains(&role);
        let standing = match sighting {
            Sighting::Ours(id) => Standing::Found(id),
            // Whatever else is there: ours may still surface, and a deletion must not end before.
            Sighting::Contested(contest)
                if self.is_deleting()
                    && doubtful
                    && !matches!(contest, Contest::Several(_))
                    && !grace.is_zero() =>
            {
                Standing::Absent { grace }
            }
            Sighting::Contested(contest) => Standing::Contested(contest),
            Sighting::None => {
                self.unseen |= doubtful;
                Standing::Absent { grace: if doubtful { grace } else { std::time::Duration::ZERO } }
            }
        };
        self.standings.insert(role, standing);
        Ok(())
    }

    /// Reads a role's object by its id.
    pub(super) async fn observe(
        &mut self,
        role: Role,
        id: &str,
        site: &Site,
    ) -> Result<Option<&Object>, Obstacle> {
        let version = upstream::version_of(self.external.get(&role));
        let found = match self.shown.remove(&role) {
            Some(Shown::There(object)) if object.id() == id => Some(*object),
            // While so much else is missing, a GET would tell no more than the list.
            Some(Shown::Missing(missing)) if missing == id && self.is_suspect(site) => None,
            _ => upstream::read(site, role, id, version).await?,
        };
        let Some(object) = found else {
            if self.patched.contains(&role) {
                return Err(Obstacle::new(
                    Class::Unavailable,
                    Reason::Progressing,
                    format!("the changed {role} {id} is not to be seen upstream yet"),
                ));
            }
            self.standings.insert(role, Standing::Gone(id.to_owned()));
            return Ok(None);
        };
        self.cx.memory.note_present(&self.uid, role);
        self.external.insert(role, object.external(role, site));
        self.objects.insert(role, object);
        Ok(self.objects.get(&role))
    }
}

fn is_of_predecessor(candidate: &Candidate, marker: &Marker) -> bool {
    candidate.marker.as_ref().is_some_and(|found| found.relation(marker) == Relation::Predecessor)
}

/// What a contest over a role's object of that name means to the user.
pub(super) fn contested(role: Role, name: &str, contest: &Contest) -> Obstacle {
    let (Contest::Several(ids)
    | Contest::Predecessor(ids)
    | Contest::PossibleTwin(ids)
    | Contest::Foreign(ids)) = contest;
    let ids = ids.join(", ");
    let adopt = match role {
        Role::TargetConnection => "spec.adopt.flowId, together with the dataflow that writes to it",
        _ => adoption::field(role),
    };
    let (reason, text) = match contest {
        Contest::Several(_) => (
            Reason::DuplicateFound,
            format!(
                "several upstream objects carry this object's marker as {role}: {ids}: name the one to keep in {adopt}, and delete the others in AEP"
            ),
        ),
        Contest::Predecessor(_) => (
            Reason::PredecessorFound,
            format!(
                "a deleted object of the same name left a {role} upstream: {ids}: delete it in AEP, or take it over with {adopt}"
            ),
        ),
        Contest::PossibleTwin(_) => (
            Reason::PossibleTwin,
            format!(
                "a {role} named {name}, without marker, may be this object's: {ids}: delete it in AEP, or take it over with {adopt}"
            ),
        ),
        Contest::Foreign(_) if role == Role::Flow => (
            Reason::SourceInUse,
            format!(
                "spec.sourceConnectionRef: another dataflow reads this source connection: {ids}: Adobe asks for one dataflow per source connection, so use a StripeSourceConnection of its own, or take that dataflow over with {adopt}"
            ),
        ),
        Contest::Foreign(_) => (
            Reason::SchemaTitleTaken,
            format!(
                "spec.targetSchema.managed.title: the title {name} of the {role} is taken by {ids}: {ANOTHER_TITLE}"
            ),
        ),
    };
    Obstacle::new(Class::Invalid, reason, text)
}
