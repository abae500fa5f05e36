//! `StripeSourceConnection`: one Flow Service source connection, and what explore sees of its resource.

use std::collections::BTreeMap;

use kube::ResourceExt;
use serde::Serialize;

use super::parent::{base_of, exists, holding, reach_by_base};
use super::{adoption, common_fields, display_name, flow_replace};
use crate::aep::{model, spec};
use crate::api::condition::Reason;
use crate::api::role::Role;
use crate::api::source_connection::ExploredSchema;
use crate::api::status::ExternalObject;
use crate::api::{IngestionFlow, IngestionMapping, StripeSourceConnection, StripeSourceConnectionStatus};
use crate::cluster::read::Found;
use crate::controller::adoption::Named;
use crate::controller::context::Context;
use crate::controller::described;
use crate::controller::hash;
use crate::controller::managed::{Change, External, Managed, Post, Report, Shape};
use crate::controller::site::Site;
use crate::controller::upstream::{self, Object};
use crate::domain::drift::Drift;
use crate::domain::mapping::explored_fields;
use crate::domain::outcome::Obstacle;

/// What a source connection refers to.
pub struct Refs {
    site: Site,
    base_id: String,
}

/// What a source connection should be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Desired {
    name: String,
    description: Option<String>,
    pub(super) base_id: String,
    pub(super) resource_path: &'static str,
}

impl Managed for StripeSourceConnection {
    common_fields!(StripeSourceConnectionStatus);
    type Refs = Refs;
    type Desired = Desired;

    fn roles(&self) -> Vec<Role> {
        vec![Role::SourceConnection]
    }

    fn keeps(&self, _: Role) -> bool {
        false
    }

    fn adopts(&self, role: Role, _: &BTreeMap<Role, Object>) -> Option<Named> {
        adoption::named(role, self.spec.adopt.as_ref().map(|adopt| &adopt.source_connection_id))
    }

    fn upstream_name(&self, _: Role) -> String {
        display_name(self, self.spec.display_name.as_deref())
    }

    async fn resolve(&self, cx: &Context) -> Result<Refs, Obstacle> {
        let (base, site) = base_of(cx, self, exists(self, Role::SourceConnection)).await?;
        Ok(Refs { site, base_id: base.external.id })
    }

    async fn reach(&self, cx: &Context) -> Result<Site, Obstacle> {
        reach_by_base(cx, &self.namespace().unwrap_or_default(), &self.spec.base_connection_ref.name).await
    }

    async fn dependents(&self, cx: &Context) -> Result<Vec<String>, Obstacle> {
        let (namespace, name) = (self.namespace().unwrap_or_default(), self.name_any());
        let mappings: Found<IngestionMapping> =
            cx.cluster.list_by_field(&namespace, "spec.sourceConnectionRef.name", &name).await?;
        let own: Vec<&ExternalObject> =
            self.status.iter().flat_map(|status| &status.common.external).collect();
        let mut flows: Found<IngestionFlow> = cx.cluster.list(&namespace).await?;
        // A flow that is being replaced reads its former source until the new flow is up, whatever its spec says.
        flows.objects.retain(|flow| {
            flow.spec.source_connection_ref.name == name
                || own.iter().any(|own| flow_replace::reads(flow, &own.id))
        });
        if !flows.unparsed.is_empty() {
            // What one that does not parse refers to, the API server can tell.
            let referring: Found<IngestionFlow> =
                cx.cluster.list_by_field(&namespace, "spec.sourceConnectionRef.name", &name).await?;
            let parsed = referring.objects.iter().map(ResourceExt::uid);
            let referring: Vec<_> = parsed.chain(referring.unparsed.iter().map(ResourceExt::uid)).collect();
            flows.unparsed.retain(|flow| {
                referring.contains(&flow.uid()) || own.iter().any(|own| flow_replace::may_read(flow, &own.id))
            });
        }
        Ok(holding(flows).chain(holding(mappings)).collect())
    }

    fn site(refs: &Refs) -> &Site {
        &refs.site
    }

    fn desired(&self, refs: &Refs) -> Result<Desired, Obstacle> {
        Ok(Desired {
            name: self.upstream_name(Role::SourceConnection),
            description: self.spec.description.clone(),
            base_id: refs.base_id.clone(),
            resource_path: self.spec.resource_path.as_str(),
        })
    }

    fn key(&self, _: Role, refs: Option<&Refs>, _: &External) -> Option<String> {
        refs.map(|refs| refs.base_id.clone())
    }

    fn drift(&self, shape: &Shape<'_, Self>, role: Role, object: &Object) -> Drift {
        described::drift(shape, role, object, &shape.desired.name, shape.desired.description.as_deref())
    }

    /// Adobe binds a source connection to its base connection for good, so one whose base was lost and made again reads nothing any more.
    fn outlived(&self, shape: &Shape<'_, Self>, object: &Object) -> Option<String> {
        let base = bound_to(object).filter(|base| *base != shape.desired.base_id)?;
        Some(format!(
            "the source-connection {} reads through the connection {base}, which StripeBaseConnection {} does not have any more, and cannot be moved to {}",
            object.id(),
            self.spec.base_connection_ref.name,
            shape.desired.base_id
        ))
    }

    async fn is_in_use(&self, cx: &Context, id: &str) -> Result<bool, Obstacle> {
        let flows: Found<IngestionFlow> = cx.cluster.list(&self.namespace().unwrap_or_default()).await?;
        let parsed = flows.objects.iter().any(|flow| flow_replace::reads(flow, id));
        Ok(parsed || flows.unparsed.iter().any(|flow| flow_replace::may_read(flow, id)))
    }

    fn refuse_unfit(&self, shape: &Shape<'_, Self>, role: Role, object: &Object) -> Result<(), Obstacle> {
        adoption::unfit_source_connection(shape, role, object)
    }

    async fn create(
        &self,
        _: &Context,
        shape: &Shape<'_, Self>,
        role: Role,
        post: Post<'_>,
    ) -> Result<ExternalObject, Obstacle> {
        let new = model::NewSourceConnection {
            name: shape.desired.name.clone(),
            description: Some(shape.marker(role).describe(shape.desired.description.as_deref())),
            base_connection_id: shape.desired.base_id.clone(),
            connection_spec: model::SpecRef::v1(spec::STRIPE_CONNECTION_SPEC),
            resource_path: shape.desired.resource_path.to_owned(),
        };
        let created =
            shape.site().session.create::<model::SourceConnection>(post.permit, post.gate, &new).await?;
        Ok(upstream::created(shape.site(), role, created))
    }

    async fn update(
        &self,
        _: &Context,
        shape: &Shape<'_, Self>,
        change: Change<'_>,
    ) -> Result<ExternalObject, Obstacle> {
        let patch =
            described::patch(shape, &change, &shape.desired.name, shape.desired.description.as_deref());
        described::send::<model::SourceConnection, _>(shape, &change, patch).await
    }

    /// Explores once: the answer is inferred from live rows and moves with them, so it is a hint and not worth asking for again.
    async fn settle(
        &self,
        _: &Context,
        shape: &Shape<'_, Self>,
        _: bool,
        report: &mut Report<Self::Status>,
    ) -> Result<(), Obstacle> {
        if report.status.explored.is_some() {
            return Ok(());
        }
        let tree = shape.site().session.explore(&shape.desired.base_id, shape.desired.resource_path).await?;
        let fields = explored_fields(&tree);
        // What has no record yet may be ingested all the same. It is asked again when the object is looked at next.
        if !fields.is_empty() {
            report.status.explored = Some(ExploredSchema { hash: hash::of(&fields), fields });
        } else if shape.created.contains(&Role::SourceConnection) {
            report.warnings.push((
                Reason::ExploreEmpty,
                format!(
                    "explore shows no field of {}: the Stripe account has no such record yet, or the key may not read it",
                    shape.desired.resource_path
                ),
            ));
        }
        Ok(())
    }
}

/// The base connection that an observed source connection reads through, where the answer tells it.
fn bound_to(object: &Object) -> Option<&str> {
    match object {
        Object::SourceConnection(source) => source.base_connection_id.as_deref(),
        _ => None,
    }
}
