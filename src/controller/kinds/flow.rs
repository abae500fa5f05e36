//! `IngestionFlow`: dataset, target connection and dataflow.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::ResourceExt;
use serde::Serialize;

use super::parent::{Parent, base_of, exists, output_of, reach_by_source, read, readiness};
use super::{
    adoption, common_fields, display_name, flow_checks, flow_loss, flow_replace, flow_start, flow_update,
    history, on_demand, runs,
};
use crate::aep::model;
use crate::api::condition::Reason;
use crate::api::flow::{Frequency, ManagedDataset};
use crate::api::policy::DeletionPolicy;
use crate::api::role::Role;
use crate::api::status::ExternalObject;
use crate::api::{IngestionFlow, IngestionFlowStatus, IngestionMapping, StripeSourceConnection};
use crate::controller::adoption::Named;
use crate::controller::context::Context;
use crate::controller::managed::{Change, External, Managed, Parting, Post, Report, Shape, WhenLost};
use crate::controller::site::Site;
use crate::controller::upstream::Object;
use crate::domain::drift::Drift;
use crate::domain::outcome::{Class, Obstacle};
use crate::domain::replacement::{Cut, Proposal, Record};

/// What a flow refers to.
pub struct Refs {
    pub(super) site: Site,
    pub(super) source_id: String,
    pub(super) mapping: model::MappingSetRef,
    pub(super) schema_id: String,
    /// Whether the schema takes part in Profile because the mapping asks for it.
    pub(super) profile: bool,
    pub(super) existing_dataset: Option<String>,
    /// What a new flow on these references would have to wait for.
    pub(super) unready: Option<Obstacle>,
    /// How far ahead the start of a flow is held that must not run, in seconds.
    pub(super) held_start: i64,
}

/// What a flow should be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Desired {
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) source_id: String,
    pub(super) mapping_id: String,
    pub(super) mapping_version: i64,
    pub(super) schema_id: String,
    /// Whether the managed dataset feeds Profile.
    pub(super) profile: bool,
    pub(super) dataset: Option<String>,
    pub(super) frequency: &'static str,
    pub(super) interval: Option<i64>,
    pub(super) backfill: Option<bool>,
    /// Epoch seconds; `None` leaves the start to the claim.
    pub(super) start: Option<i64>,
    pub(super) enabled: bool,
    pub(super) error_diagnostics: Option<bool>,
    pub(super) partial_percent: Option<i64>,
    pub(super) labels: Vec<String>,
}

impl IngestionFlow {
    pub(super) fn managed_dataset(&self) -> Option<&ManagedDataset> {
        self.spec.dataset.managed.as_ref()
    }
}

/// The id of the dataset that the flow writes to, once it is known.
pub(super) fn dataset_id<'s>(shape: &'s Shape<'_, IngestionFlow>) -> Result<&'s str, Obstacle> {
    match &shape.refs.existing_dataset {
        Some(id) => Ok(id),
        None => shape.id(Role::Dataset),
    }
}

impl Managed for IngestionFlow {
    common_fields!(IngestionFlowStatus);
    type Refs = Refs;
    type Desired = Desired;

    fn roles(&self) -> Vec<Role> {
        if self.managed_dataset().is_some() {
            vec![Role::Dataset, Role::TargetConnection, Role::Flow]
        } else {
            vec![Role::TargetConnection, Role::Flow]
        }
    }

    fn keeps(&self, role: Role) -> bool {
        role == Role::PreviousDataset
            || role == Role::Dataset
                && self
                    .managed_dataset()
                    .is_none_or(|managed| managed.deletion_policy == DeletionPolicy::Retain)
    }

    fn when_lost(&self, shape: &Shape<'_, Self>, role: Role) -> WhenLost {
        flow_loss::when_lost(self, shape, role)
    }

    fn adopts(&self, role: Role, read: &BTreeMap<Role, Object>) -> Option<Named> {
        let flow = self.spec.adopt.as_ref().map(|adopt| &adopt.flow_id);
        let dataset = self.managed_dataset().and_then(|managed| managed.adopt.as_ref());
        match (role, read.get(&Role::Flow)) {
            (Role::Flow, _) => adoption::named(role, flow),
            (Role::Dataset, _) => adoption::named(role, dataset.map(|adopt| &adopt.id)),
            // The target connection comes with its dataflow.
            (_, Some(Object::Flow(read))) => {
                adoption::named(role, flow.and_then(|_| read.target_connection_ids.first()))
            }
            _ => None,
        }
    }

    fn upstream_name(&self, role: Role) -> String {
        match (role, self.managed_dataset()) {
            (Role::Dataset, Some(managed)) => managed.name.clone(),
            _ => display_name(self, self.spec.display_name.as_deref()),
        }
    }

    fn effective_start(&self, claimed: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        let in_spec = self.spec.schedule.start_time.as_ref().map(|start| start.0);
        Some(in_spec.or(claimed).unwrap_or(now))
    }

    async fn resolve(&self, cx: &Context) -> Result<Refs, Obstacle> {
        let namespace = self.namespace().unwrap_or_default();
        let child_exists = exists(self, Role::Flow);
        let source = read::<StripeSourceConnection>(
            cx,
            &namespace,
            &self.spec.source_connection_ref.name,
            "spec.sourceConnectionRef",
            Role::SourceConnection,
            child_exists,
        )
        .await?;
        let mapping = read::<IngestionMapping>(
            cx,
            &namespace,
            &self.spec.mapping_ref.name,
            "spec.mappingRef",
            Role::MappingSet,
            child_exists,
        )
        .await?;
        refuse_mismatch(&source, &mapping)?;
        if !child_exists {
            flow_checks::refuse_second_flow(cx, self).await?;
        }
        let (_, site) = base_of(cx, &source.object, child_exists).await?;
        let output = output_of(&mapping)?;
        let existing_dataset = flow_checks::existing_dataset(self, &site, &output.schema_id).await?;
        refuse_other_place(self, &site)?;
        let unready =
            readiness(&source, "spec.sourceConnectionRef").or_else(|| readiness(&mapping, "spec.mappingRef"));
        Ok(Refs {
            unready,
            site,
            source_id: source.external.id,
            mapping: model::MappingSetRef { id: output.mapping_set, version: output.version },
            schema_id: output.schema_id,
            profile: output.profile,
            existing_dataset,
            held_start: i64::try_from(cx.settings.held_start.as_secs()).unwrap_or(i64::MAX / 4),
        })
    }

    async fn reach(&self, cx: &Context) -> Result<Site, Obstacle> {
        reach_by_source(cx, &self.namespace().unwrap_or_default(), &self.spec.source_connection_ref.name)
            .await
    }

    async fn dependents(&self, _: &Context) -> Result<Vec<String>, Obstacle> {
        Ok(Vec::new())
    }

    async fn before_delete(
        &self,
        cx: &Context,
        site: &Site,
        parting: Parting<'_>,
    ) -> Result<Option<(Reason, String)>, Obstacle> {
        history::note(self, cx, site, parting).await
    }

    fn site(refs: &Refs) -> &Site {
        &refs.site
    }

    fn desired(&self, refs: &Refs) -> Result<Desired, Obstacle> {
        let schedule = &self.spec.schedule;
        let is_once = schedule.frequency == Frequency::Once;
        Ok(Desired {
            name: self.upstream_name(Role::Flow),
            description: self.spec.description.clone(),
            source_id: refs.source_id.clone(),
            mapping_id: refs.mapping.id.clone(),
            mapping_version: refs.mapping.version,
            schema_id: refs.schema_id.clone(),
            profile: refs.profile && self.managed_dataset().is_some(),
            dataset: refs
                .existing_dataset
                .clone()
                .or_else(|| self.managed_dataset().map(|managed| managed.name.clone())),
            frequency: schedule.frequency.as_str(),
            interval: schedule.interval,
            backfill: if is_once { None } else { schedule.backfill },
            start: schedule.start_time.as_ref().map(|start| start.0.as_second()),
            enabled: self.spec.enabled,
            error_diagnostics: self.spec.error_diagnostics,
            partial_percent: self.spec.partial_ingestion.map(|partial| partial.percent),
            labels: self.spec.access_labels.clone(),
        })
    }

    fn key(&self, role: Role, refs: Option<&Refs>, external: &External) -> Option<String> {
        match role {
            Role::Flow => refs.map(|refs| refs.source_id.clone()),
            _ => refs
                .and_then(|refs| refs.existing_dataset.clone())
                .or_else(|| external.get(&Role::Dataset).map(|dataset| dataset.id.clone())),
        }
    }

    fn runs(&self) -> bool {
        self.spec.enabled
    }

    fn pair(desired: &Desired) -> String {
        flow_replace::pair(desired)
    }

    fn proposal(
        &self,
        shape: &Shape<'_, Self>,
        observed: &BTreeMap<Role, Object>,
    ) -> Result<Option<Proposal>, Obstacle> {
        flow_replace::proposal(self, shape, observed)
    }

    async fn check_replacement(
        &self,
        cx: &Context,
        shape: &Shape<'_, Self>,
        proposal: &Proposal,
    ) -> Result<(), Obstacle> {
        flow_replace::check(self, cx, shape, proposal).await
    }

    async fn cut(&self, cx: &Context, shape: &Shape<'_, Self>, record: &Record) -> Result<Cut, Obstacle> {
        flow_replace::cut(self, cx, shape, record).await
    }

    fn replaced(&self, external: &External, record: &Record, created: Option<i64>) -> String {
        flow_replace::replaced(self, external, record, created)
    }

    fn observe_after_create(&self, role: Role) -> bool {
        role == Role::Flow && (!self.spec.enabled || !self.spec.access_labels.is_empty())
    }

    fn drift(&self, shape: &Shape<'_, Self>, role: Role, object: &Object) -> Drift {
        flow_update::drift(shape, role, object)
    }

    fn refuse_unfit(&self, shape: &Shape<'_, Self>, role: Role, object: &Object) -> Result<(), Obstacle> {
        adoption::unfit_flow(shape, role, object)
    }

    async fn create(
        &self,
        _: &Context,
        shape: &Shape<'_, Self>,
        role: Role,
        post: Post<'_>,
    ) -> Result<ExternalObject, Obstacle> {
        flow_update::create(self, shape, role, post).await
    }

    async fn update(
        &self,
        _: &Context,
        shape: &Shape<'_, Self>,
        change: Change<'_>,
    ) -> Result<ExternalObject, Obstacle> {
        flow_update::update(self, shape, change).await
    }

    async fn settle(
        &self,
        cx: &Context,
        shape: &Shape<'_, Self>,
        looked: bool,
        report: &mut Report<Self::Status>,
    ) -> Result<(), Obstacle> {
        let start = flow_start::effective(shape, report.status.effective_start_time.take());
        report.status.effective_start_time = start;
        report.ignored = flow_start::ignored(shape, &report.status.common.conditions);
        if shape.created.contains(&Role::Flow)
            && shape.cut().is_none()
            && let Some(until) = history::of(shape).await?
        {
            let note = format!(
                "the dataset holds records until {until}: the flow reads from there on, without backfill"
            );
            report.events.push((Reason::Created, note));
        }
        let mut next_look = None;
        if looked && !shape.created.contains(&Role::Flow) {
            next_look = runs::look(self, shape, report).await?;
        }
        runs::judge(self, shape.now, report);
        if !self.spec.enabled {
            // The far start has to be moved on before it passes.
            next_look = Some(cx.settings.held_start / 4);
        }
        if let Some(wait) = next_look {
            cx.memory.ask_for_check(shape.uid);
            report.look_again_in(wait);
        }
        on_demand::consider(self, cx, shape, report).await
    }
}

/// A flow lives in one organisation and sandbox; looked for in another, it would seem to be gone.
fn refuse_other_place(flow: &IngestionFlow, site: &Site) -> Result<(), Obstacle> {
    let external = flow.status.iter().flat_map(|status| &status.common.external);
    match external
        .into_iter()
        .find(|object| object.organization != site.organization || object.sandbox != site.sandbox)
    {
        Some(object) => Err(Obstacle::new(
            Class::Invalid,
            Reason::ReferenceMismatch,
            format!(
                "spec.sourceConnectionRef: the source is of organisation {} and sandbox {}, the {} {} of {} and {}: refer to a source of the same sandbox, or create another IngestionFlow",
                site.organization, site.sandbox, object.role, object.id, object.organization, object.sandbox
            ),
        )),
        None => Ok(()),
    }
}

/// Source and mapping have to be of the same organisation, sandbox and Stripe resource.
fn refuse_mismatch(
    source: &Parent<StripeSourceConnection>,
    mapping: &Parent<IngestionMapping>,
) -> Result<(), Obstacle> {
    let mismatch = |what: &str, of_source: &str, of_mapping: &str| {
        Obstacle::new(
            Class::Invalid,
            Reason::ReferenceMismatch,
            format!(
                "spec.mappingRef: the source is of {what} {of_source}, the mapping of {what} {of_mapping}: refer to a mapping of the same {what}"
            ),
        )
    };
    let (of_source, of_mapping) = (&source.external, &mapping.external);
    if of_source.organization != of_mapping.organization {
        return Err(mismatch("organisation", &of_source.organization, &of_mapping.organization));
    }
    if of_source.sandbox != of_mapping.sandbox {
        return Err(mismatch("sandbox", &of_source.sandbox, &of_mapping.sandbox));
    }
    let resource = source.object.spec.resource_path;
    match mapping.object.status.as_ref().and_then(|status| status.resource_path) {
        Some(mapped) if mapped != resource => {
            Err(mismatch("resourcePath", resource.as_str(), mapped.as_str()))
        }
        _ => Ok(()),
    }
}
