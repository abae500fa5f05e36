//! The steps of a replacement, as `domain::replacement` orders them. Each leaves a fact behind, in the claim or upstream, from which
//! another process goes on; nothing here decides what comes next.

use std::collections::BTreeMap;

use super::managed::{Finding, Managed, Report};
use super::pass::Pass;
use super::upstream::Object;
use crate::aep::FlowAction;
use crate::api::condition::{ConditionType, Reason};
use crate::api::role::Role;
use crate::api::status::{ExternalObject, MAX_WORD, bounded};
use crate::cluster::events::Severity;
use crate::domain::approval;
use crate::domain::intent::{Claim, Intent};
use crate::domain::outcome::{Class, Obstacle};
use crate::domain::plan::{Standing, Step};
use crate::domain::replacement::{Activity, Previous, Proposal, Record, Replacement};

/// What one pass knows of a replacement.
#[derive(Default)]
pub(super) struct Replacing {
    /// Fingerprint of the pair that spec asks for; `None` in a deletion.
    pub(super) pair: Option<String>,
    /// What spec asks for, while nothing is claimed.
    pub(super) proposal: Option<Proposal>,
    /// What was seen of the two flows since they were last written to.
    pub(super) activity: BTreeMap<Role, (Activity, Option<String>)>,
    /// The claim of this pass records where the new flow starts.
    pub(super) cut: bool,
    /// What to say of a replacement that ended in this pass.
    pub(super) finding: Option<Finding>,
}

impl<K: Managed> Pass<'_, K> {
    pub(super) fn is_replacing(&self) -> bool {
        // A flow that was lost leaves nothing behind by which a replacement would be seen to go on.
        self.external.keys().any(|role| role.is_previous())
            || self.record_of().is_some_and(Record::awaits_cut)
    }

    pub(super) fn record_of(&self) -> Option<&Record> {
        self.intent.as_ref()?.replacement.as_ref()
    }

    /// The facts of a replacement that is under way.
    pub(super) fn replacement(&self) -> Option<Replacement> {
        let record = self.record_of().filter(|_| self.is_replacing())?;
        let pair = self.replacing.pair.as_ref()?;
        Some(Replacement {
            wanted: record.refused.is_none() && record.to == *pair,
            resume: record.runs && self.object.runs(),
            old: self.activity(Role::PreviousFlow),
            new: self.activity(Role::Flow),
            old_target: self.external.contains_key(&Role::PreviousTargetConnection),
            old_dataset: self.external.contains_key(&Role::PreviousDataset),
            cut: self.replacing.cut,
        })
    }

    /// Sees whether upstream shows another pair than spec asks for.
    pub(super) fn propose(&mut self, refs: &K::Refs, desired: &K::Desired) -> Result<(), Obstacle> {
        self.replacing.proposal = if self.is_replacing() {
            None
        } else {
            self.object.proposal(&self.shape(refs, desired), &self.objects)?
        };
        Ok(())
    }

    /// Claims a replacement when everything allows it. Until then the old flow is looked after.
    pub(super) async fn begin_replacement(
        &mut self,
        refs: &K::Refs,
        desired: &K::Desired,
        hash: &str,
        report: &mut Report<K::Status>,
    ) -> Result<(), Obstacle> {
        let proposal = self
            .replacing
            .proposal
            .take()
            .ok_or_else(|| Obstacle::bug("a replacement that nobody proposed"))?;
        let allowed =
            match self.object.check_replacement(self.cx, &self.shape(refs, desired), &proposal).await {
                Ok(()) => self.require_approval(&proposal),
                refused => refused,
            };
        if let Err(obstacle) = allowed {
            self.look_after(K::site(refs)).await?;
            self.object.settle(self.cx, &self.shape(refs, desired), self.looked, report).await?;
            return Err(obstacle);
        }
        self.intent = Some(self.next_claim(&proposal));
        self.part_from(&proposal.roles);
        self.write_claim(refs, hash, None).await?;
        self.events.push((
            Severity::Normal,
            Reason::Progressing,
            format!("the flow is being made anew: {}", proposal.differences.join("; ")),
        ));
        Ok(())
    }

    /// Whether a person has approved it, or none is asked. What Adobe refused once is not tried again without being asked for.
    fn require_approval(&self, proposal: &Proposal) -> Result<(), Obstacle> {
        let refused = self
            .record_of()
            .filter(|record| Some(&record.to) == self.replacing.pair.as_ref())
            .and_then(|record| record.refused.as_deref());
        if !proposal.manual && refused.is_none() {
            return Ok(());
        }
        let mut differences = proposal.differences.clone();
        differences.extend(refused.map(|why| format!("the last attempt was refused: {why}")));
        let flow = self.external.get(&Role::Flow).map(|flow| flow.id.as_str()).unwrap_or_default();
        let attempt = self.intent.as_ref().map_or(2, Intent::next_incarnation);
        let subject = format!("flow {flow} by incarnation {attempt}");
        let mut pending = approval::pending(proposal.action, &self.uid, &subject, &differences);
        pending.differences.push(proposal.outlook.clone());
        approval::require(pending, self.approval())
    }

    /// The claim that begins a replacement: what is replaced is recorded, and what replaces it gets a number that nothing ever had.
    fn next_claim(&self, proposal: &Proposal) -> Intent {
        let now = self.now();
        let mut intent = self.intent.clone().unwrap_or_else(|| Intent::blank(&self.uid, now));
        let marked = self.objects.values().filter_map(Object::marker).filter(|marker| marker.uid == self.uid);
        let marked = marked.map(|marker| marker.incarnation).max().unwrap_or_default();
        let next = intent.next_incarnation().max(marked + 1);
        let mut previous = BTreeMap::new();
        for role in &proposal.roles {
            if let Some(object) = self.external.get(role) {
                let claim = self.claim_as_made(*role);
                previous.insert(*role, Previous { object: object.clone(), claim });
                intent.roles.remove(role);
            }
            if self.object.roles().contains(role) {
                let claim = Claim { incarnation: next, ..Claim::default() };
                intent.roles.insert(*role, claim);
            }
        }
        intent.spent = intent.spent.max(marked);
        intent.replacement = Some(Record {
            to: self.replacing.pair.clone().unwrap_or_default(),
            previous,
            runs: proposal.runs,
            history: proposal.history,
            began: now,
            cut: None,
            former_start: intent.effective_start,
            former_cut: intent.replacement.as_ref().and_then(|record| record.cut),
            refused: None,
            lost: !self.lost.is_empty(),
        });
        intent
    }

    /// The claim under which an existing object was made, as far as the claim or upstream tells.
    fn claim_as_made(&self, role: Role) -> Claim {
        let object = self.objects.get(&role);
        let standing = self.intent.as_ref().and_then(|intent| intent.roles.get(&role)).cloned();
        let marker = object.and_then(Object::marker);
        let mut claim = standing.unwrap_or_else(|| Claim { incarnation: 1, ..Claim::default() });
        claim.incarnation = marker.map_or(claim.incarnation, |marker| marker.incarnation);
        claim.key = object.and_then(Object::key).map_or(claim.key, str::to_owned);
        claim
    }

    fn part_from(&mut self, roles: &[Role]) {
        for role in roles {
            self.objects.remove(role);
            self.adopted.remove(role);
            if let (Some(object), Some(becomes)) = (self.external.remove(role), role.previous()) {
                self.external.insert(becomes, ExternalObject { role: becomes, ..object });
            }
            // Nothing was ever made under the new number; a dataset of ours may be there to be attached again, a foreign flow may read the source.
            let standing =
                if *role == Role::TargetConnection { Standing::Unsent } else { Standing::Unsearched };
            self.standings.insert(*role, standing);
        }
    }

    /// One step of a replacement.
    pub(super) async fn act_in_replacement(
        &mut self,
        step: Step,
        refs: &K::Refs,
        desired: &K::Desired,
        hash: &str,
    ) -> Result<(), Obstacle> {
        let site = K::site(refs);
        match step {
            Step::Inspect(role) => self.inspect(role, site).await,
            Step::Stop(role) => self.switch(role, FlowAction::Disable, site).await,
            Step::Start(role) => self.switch(role, FlowAction::Enable, site).await,
            Step::Drain(role) => Err(self.draining(role)),
            Step::Cut => self.claim_cut(refs, desired, hash).await,
            Step::Delete(role) => {
                self.delete(role, site).await?;
                self.end_if_over();
                Ok(())
            }
            Step::Keep(role) => {
                self.keep(role);
                self.end_if_over();
                Ok(())
            }
            Step::Restore => self.restore(refs, desired, hash).await,
            other => Err(Obstacle::bug(format!("{other:?} in a living object"))),
        }
    }

    async fn claim_cut(&mut self, refs: &K::Refs, desired: &K::Desired, hash: &str) -> Result<(), Obstacle> {
        let shape = self.shape(refs, desired);
        let record = self.record_of().ok_or_else(|| Obstacle::bug("a replacement without a record"))?;
        let cut = self.object.cut(self.cx, &shape, record).await?;
        if let Some(record) = self.intent.as_mut().and_then(|intent| intent.replacement.as_mut()) {
            record.cut = Some(cut);
        }
        self.write_claim(refs, hash, None).await?;
        self.replacing.cut = true;
        Ok(())
    }

    /// Names an object no longer and leaves it upstream.
    fn keep(&mut self, role: Role) {
        if let Some(object) = self.external.remove(&role)
            && !self.lost.contains_key(&role.present())
        {
            let note = format!("kept upstream: {} {}", role.present(), object.id);
            self.events.push((Severity::Normal, Reason::Retained, note));
        }
    }

    /// Says what a replacement means for the data, once nothing of the old pair is left.
    pub(super) fn end_if_over(&mut self) {
        let over = self.record_of().filter(|record| !self.is_replacing() && !record.is_recovered());
        let Some(record) = over else { return };
        let created = self.objects.get(&Role::Flow).and_then(Object::created_at);
        let message = self.object.replaced(&self.external, record, created);
        self.events.push((Severity::Normal, Reason::Replaced, message.clone()));
        self.replacing.finding =
            Some(Finding::new(ConditionType::Replaced, Some(true), Reason::Replaced, message));
    }

    /// Adobe, or somebody else's flow, does not allow the new pair. That is claimed first, so that nobody tries it again, and what exists
    /// of the new pair is taken back in the steps that follow. Any other obstacle, and one outside a replacement, is passed on.
    pub(super) async fn refuse_new_pair(
        &mut self,
        obstacle: Obstacle,
        refs: &K::Refs,
        hash: &str,
    ) -> Result<(), Obstacle> {
        let is_definite = matches!(obstacle.class, Class::Invalid | Class::Denied | Class::Blocked);
        let is_wanted = self.replacement().is_some_and(|replacement| replacement.wanted);
        // Of several objects with our marker none may be deleted blindly.
        if !is_definite
            || !is_wanted
            || matches!(obstacle.reason, Reason::DuplicateFound | Reason::PossibleTwin)
        {
            return Err(obstacle);
        }
        if let Some(record) = self.intent.as_mut().and_then(|intent| intent.replacement.as_mut()) {
            record.refused = Some(bounded(&obstacle.message, MAX_WORD));
        }
        self.write_claim(refs, hash, None).await
    }

    /// The claim under which a replaced object was made; where it was lost, the flow tells, since the objects of a pair have one number.
    fn claim_of_previous(&self, role: Role, previous: &Previous) -> Claim {
        let mut claim = previous.claim.clone();
        if claim.incarnation == 0 {
            let flow = self.objects.get(&Role::PreviousFlow);
            claim.incarnation = flow.and_then(Object::marker).map_or(1, |marker| marker.incarnation);
            let key = flow.filter(|_| role == Role::Flow).and_then(Object::key);
            claim.key = key.map_or(claim.key, str::to_owned);
        }
        claim
    }

    /// Claims the former pair again, once nothing of the new one is left.
    async fn restore(&mut self, refs: &K::Refs, desired: &K::Desired, hash: &str) -> Result<(), Obstacle> {
        let Some(mut intent) = self.intent.clone() else { return Ok(()) };
        let Some(record) = intent.replacement.take() else { return Ok(()) };
        intent.spent = intent.spent.max(intent.incarnation(Role::Flow));
        intent.effective_start = record.former_start;
        let dataset_is_new = record.previous.contains_key(&Role::Dataset)
            || intent.roles.get(&Role::Dataset).is_some_and(|claim| claim.incarnation == intent.spent);
        if dataset_is_new {
            self.keep(Role::Dataset);
            intent.roles.remove(&Role::Dataset);
        }
        for (role, previous) in &record.previous {
            intent.roles.insert(*role, self.claim_of_previous(*role, previous));
            self.adopted.extend(previous.claim.adopted.clone().map(|id| (*role, id)));
            let seen = role.previous().and_then(|previous| self.external.remove(&previous));
            let object = seen.unwrap_or_else(|| previous.object.clone());
            self.external.insert(*role, ExternalObject { role: *role, ..object });
            self.standings.insert(*role, Standing::owned());
        }
        let why =
            record.refused.clone().or_else(|| record.is_recovered().then(|| "its claim was lost".to_owned()));
        // Refused before it existed, a new flow ingested nothing.
        let made_from = record.cut.filter(|_| why.is_none());
        intent.replacement = Some(Record {
            previous: BTreeMap::new(),
            cut: record.former_cut,
            former_cut: None,
            former_start: None,
            ..record
        })
        .filter(|record| record.refused.is_some() || record.cut.is_some());
        self.intent = Some(intent);
        self.replacing.activity.clear();
        self.replacing.cut = false;
        self.write_claim(refs, hash, None).await?;
        let why = why.unwrap_or_else(|| "spec asks for something else".to_owned());
        let mut note = format!("the replacement was given up, the former flow is in its place again: {why}");
        if let Some(cut) = made_from {
            note = format!(
                "{note}; rows created since {} may be doubled by what the new flow ingested",
                cut.start
            );
            self.replacing.finding = Some(Finding::new(
                ConditionType::Replaced,
                Some(false),
                Reason::ReplacementAbandoned,
                note.clone(),
            ));
        }
        self.events.push((Severity::Warning, Reason::ReplacementAbandoned, note));
        self.observe_all(refs, desired).await
    }
}
