//! `IngestionMapping`: a managed field group and schema where spec asks for them, and a mapping set that Data Prep has validated.

use std::collections::BTreeMap;

use kube::ResourceExt;
use serde::Serialize;
use serde_json::Value;

use super::parent::{base_of, exists, holding, reach_by_source, read};
use super::{adoption, common_fields, display_name, mapping_checks, mapping_schema, mapping_update};
use crate::aep::model::{self, ResourceKind};
use crate::api::condition::{ConditionType, Reason};
use crate::api::mapping::{ManagedSchema, RowFailure, RowType};
use crate::api::policy::DeletionPolicy;
use crate::api::role::Role;
use crate::api::source_connection::ResourcePath;
use crate::api::status::{ExternalObject, MAX_FAILURES, MAX_TEXT, MAX_WORD, bounded};
use crate::api::{IngestionFlow, IngestionMapping, IngestionMappingStatus, StripeSourceConnection};
use crate::cluster::read::Found;
use crate::controller::adoption::Named;
use crate::controller::context::Context;
use crate::controller::loss::gone;
use crate::controller::managed::{Before, Change, External, Finding, Managed, Post, Report, Shape, WhenLost};
use crate::controller::pass::read_intent;
use crate::controller::site::Site;
use crate::controller::upstream::{self, Object};
use crate::domain::drift::Drift;
use crate::domain::mapping::{
    IdentityField, Row, field_group_body, fill_tenant, identity_fields, rows, schema_body, unseen_sources,
};
use crate::domain::marker::Marker;
use crate::domain::outcome::{Obstacle, some_of};

/// What a mapping refers to.
pub struct Refs {
    site: Site,
    resource: ResourcePath,
    explored: std::collections::BTreeMap<String, String>,
    tenant: String,
    existing_schema: Option<String>,
}

/// What a mapping should be.
#[derive(Debug, Clone, Serialize)]
pub struct Desired {
    pub(super) name: String,
    pub(super) tenant: String,
    pub(super) existing_schema: Option<String>,
    /// Fields below the tenant namespace of a managed schema.
    pub(super) properties: Option<Value>,
    /// Identities of a managed schema.
    pub(super) identities: Vec<IdentityField>,
    /// Whether a managed schema takes part in Profile.
    pub(super) profile: bool,
    #[serde(serialize_with = "serialize_rows")]
    pub(super) rows: Vec<Row>,
}

fn serialize_rows<S: serde::Serializer>(rows: &[Row], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(rows.iter().map(|row| (row.row_type, &row.source, &row.destination)))
}

impl Desired {
    /// The mapping set to send.
    pub(super) fn mapping_set(&self, name: String, schema_id: &str) -> model::NewMappingSet {
        let row = |row: &Row| match row.row_type {
            RowType::Attribute => model::MappingRow::attribute(&row.source, &row.destination),
            RowType::Expression => model::MappingRow::expression(&row.source, &row.destination),
        };
        model::NewMappingSet {
            name,
            schema: mapping_checks::schema_ref(schema_id),
            rows: self.rows.iter().map(row).collect(),
        }
    }
}

impl IngestionMapping {
    fn managed(&self) -> Option<&ManagedSchema> {
        self.spec.target_schema.managed.as_ref()
    }

    /// Whether the schema has identities, or may have some of ours that spec no longer asks for.
    fn may_have_identities(&self, schema: &model::Resource) -> bool {
        let uid = self.uid().unwrap_or_default();
        let is_announced = read_intent(self).is_some_and(|intent| intent.changes.contains_key(&Role::Schema));
        // A predecessor may have given it some.
        let marker = Marker::find_in(schema.description.as_deref().unwrap_or_default());
        let is_new_here = marker.is_none_or(|marker| marker.uid != uid);
        let is_asked_for = self.managed().is_some_and(|managed| !managed.identities.is_empty());
        is_asked_for || is_announced || is_new_here || schema.is_in_union()
    }

    /// The name of the mapping set: Data Prep has no description, so the marker stands in the name. An adopted set keeps the name that was
    /// `observed` where spec gives none.
    pub(super) fn set_name(shape: &Shape<'_, Self>, observed: Option<&str>) -> String {
        let keeps = shape.unsaid.name && shape.is_adopted(Role::MappingSet);
        let own = observed.filter(|_| keeps).map(Marker::text_before);
        format!("{} {}", own.unwrap_or(&shape.desired.name), shape.marker(Role::MappingSet))
    }

    /// The `$id` of the target schema, once it is known.
    pub(super) fn schema_id<'s>(shape: &'s Shape<'_, Self>) -> Result<&'s str, Obstacle> {
        match &shape.desired.existing_schema {
            Some(id) => Ok(id),
            None => shape.id(Role::Schema),
        }
    }
}

impl Managed for IngestionMapping {
    common_fields!(IngestionMappingStatus);
    type Refs = Refs;
    type Desired = Desired;

    fn roles(&self) -> Vec<Role> {
        if self.managed().is_some() {
            vec![Role::FieldGroup, Role::Schema, Role::MappingSet]
        } else {
            vec![Role::MappingSet]
        }
    }

    fn keeps(&self, role: Role) -> bool {
        // Data Prep documents no DELETE for mapping sets.
        role == Role::MappingSet
            || self.managed().is_none_or(|managed| managed.deletion_policy == DeletionPolicy::Retain)
    }

    fn adopts(&self, role: Role, _: &BTreeMap<Role, Object>) -> Option<Named> {
        let schema = self.managed().and_then(|managed| managed.adopt.as_ref());
        let id = match role {
            Role::FieldGroup => schema.map(|adopt| &adopt.field_group_id),
            Role::Schema => schema.map(|adopt| &adopt.schema_id),
            _ => self.spec.adopt.as_ref().map(|adopt| &adopt.mapping_set_id),
        };
        adoption::named(role, id)
    }

    fn upstream_name(&self, role: Role) -> String {
        match (role, self.managed()) {
            (Role::Schema, Some(managed)) => managed.title.clone(),
            (Role::FieldGroup, Some(managed)) => format!("{} fields", managed.title),
            _ => display_name(self, self.spec.display_name.as_deref()),
        }
    }

    async fn resolve(&self, cx: &Context) -> Result<Refs, Obstacle> {
        let namespace = self.namespace().unwrap_or_default();
        let child_exists = exists(self, Role::MappingSet);
        let source = read::<StripeSourceConnection>(
            cx,
            &namespace,
            &self.spec.source_connection_ref.name,
            "spec.sourceConnectionRef",
            Role::SourceConnection,
            child_exists,
        )
        .await?;
        let (_, site) = base_of(cx, &source.object, child_exists).await?;
        let tenant = mapping_checks::tenant(cx, &site).await?;
        let existing_schema = mapping_checks::existing_schema(self, &site).await?;
        let explored = source
            .object
            .status
            .as_ref()
            .and_then(|status| status.explored.as_ref())
            .map(|explored| explored.fields.clone());
        Ok(Refs {
            site,
            resource: source.object.spec.resource_path,
            explored: explored.unwrap_or_default(),
            tenant,
            existing_schema,
        })
    }

    async fn reach(&self, cx: &Context) -> Result<Site, Obstacle> {
        reach_by_source(cx, &self.namespace().unwrap_or_default(), &self.spec.source_connection_ref.name)
            .await
    }

    async fn dependents(&self, cx: &Context) -> Result<Vec<String>, Obstacle> {
        let flows: Found<IngestionFlow> = cx
            .cluster
            .list_by_field(&self.namespace().unwrap_or_default(), "spec.mappingRef.name", &self.name_any())
            .await?;
        Ok(holding(flows).collect())
    }

    fn site(refs: &Refs) -> &Site {
        &refs.site
    }

    fn desired(&self, refs: &Refs) -> Result<Desired, Obstacle> {
        let managed = self.managed();
        let (rows, properties) = rows(&self.spec, refs.resource)
            .and_then(|rows| fill_tenant(rows, &refs.tenant))
            .and_then(|rows| {
                let definition = |managed| mapping_checks::definition(managed, &rows, &refs.tenant);
                let properties = managed.map(definition).transpose()?;
                Ok((rows, properties))
            })
            .map_err(|problem| mapping_checks::invalid_rows(&problem))?;
        Ok(Desired {
            name: self.upstream_name(Role::MappingSet),
            tenant: refs.tenant.clone(),
            existing_schema: refs.existing_schema.clone(),
            properties,
            identities: managed
                .map(|managed| identity_fields(&managed.identities, &refs.tenant))
                .unwrap_or_default(),
            profile: managed.is_some_and(|managed| managed.profile),
            rows,
        })
    }

    fn key(&self, role: Role, _: Option<&Refs>, _: &External) -> Option<String> {
        // The name of a mapping set holds the marker, which the driver knows: see `look_up`.
        (role != Role::MappingSet).then(|| self.upstream_name(role))
    }

    async fn check(&self, _: &Context, shape: &Shape<'_, Self>) -> Result<(), Obstacle> {
        match Self::schema_id(shape) {
            Ok(schema_id) if !mapping_update::is_to_grow(shape) => {
                mapping_checks::check_rows(shape, schema_id).await
            }
            // A managed schema is checked against as soon as it exists and has its fields.
            _ => Ok(()),
        }
    }

    /// Identities and the union tag come after the schema.
    fn observe_after_create(&self, role: Role) -> bool {
        role == Role::Schema && self.managed().is_some_and(|managed| !managed.identities.is_empty())
    }

    async fn complete(&self, refs: &Refs, role: Role, object: &mut Object) -> Result<(), Obstacle> {
        match object {
            Object::Resource(schema) if role == Role::Schema && self.may_have_identities(schema) => {
                mapping_schema::complete(&refs.site, schema).await
            }
            _ => Ok(()),
        }
    }

    /// A schema is the shape of customer data: whoever deleted it has to say what comes next.
    fn when_lost(&self, shape: &Shape<'_, Self>, role: Role) -> WhenLost {
        if role == Role::MappingSet {
            return WhenLost::Create;
        }
        let id = shape.external.get(&role).map(|external| external.id.as_str()).unwrap_or_default();
        let first =
            if role == Role::FieldGroup { "delete the schema that is built on it in AEP, then " } else { "" };
        let why = format!(
            "a schema is not made again by itself, since datasets may be bound to the lost one: {first}delete this IngestionMapping and the IngestionFlow that uses it, and apply both again, the flow under another name if the dataset that it leaves behind is bound to the lost schema"
        );
        WhenLost::Say(gone(role, id, &why))
    }

    fn drift(&self, shape: &Shape<'_, Self>, role: Role, object: &Object) -> Drift {
        mapping_update::drift(self, shape, role, object)
    }

    fn refuse_unfit(&self, shape: &Shape<'_, Self>, role: Role, object: &Object) -> Result<(), Obstacle> {
        adoption::unfit_mapping(self, shape, role, object)
    }

    fn differences(&self, shape: &Shape<'_, Self>, role: Role, object: &Object) -> Vec<String> {
        mapping_update::differences(self, shape, role, object)
    }

    async fn create(
        &self,
        _: &Context,
        shape: &Shape<'_, Self>,
        role: Role,
        post: Post<'_>,
    ) -> Result<ExternalObject, Obstacle> {
        let (site, session) = (shape.site(), &shape.site().session);
        let title = self.upstream_name(role);
        let description = shape.marker(role).describe(self.spec.description.as_deref());
        match (role, self.managed(), &shape.desired.properties) {
            (Role::FieldGroup, Some(managed), Some(properties)) => {
                let body = field_group_body(
                    &title,
                    &managed.class_id,
                    &description,
                    &shape.desired.tenant,
                    properties,
                );
                let resource = session
                    .create_resource(post.permit, post.gate, ResourceKind::FieldGroup, &body)
                    .await
                    .map_err(|error| mapping_checks::title_taken(error, &title))?;
                Ok(Object::Resource(resource).external(role, site))
            }
            (Role::Schema, Some(managed), _) => {
                let body = schema_body(&title, &description, &managed.class_id, shape.id(Role::FieldGroup)?);
                let resource = session
                    .create_resource(post.permit, post.gate, ResourceKind::Schema, &body)
                    .await
                    .map_err(|error| mapping_checks::title_taken(error, &title))?;
                Ok(Object::Resource(resource).external(role, site))
            }
            _ => {
                let schema_id = Self::schema_id(shape)?;
                // A schema that was there at the claim was checked against before it.
                let is_new = |role| shape.created.contains(&role) || shape.patched.contains(&role);
                if is_new(Role::Schema) || is_new(Role::FieldGroup) {
                    mapping_checks::check_rows(shape, schema_id).await?;
                }
                let set = session
                    .create_mapping_set(
                        post.permit,
                        post.gate,
                        &shape.desired.mapping_set(Self::set_name(shape, None), schema_id),
                    )
                    .await?;
                Ok(upstream::external(site, role, set.id, Some(set.version.to_string())))
            }
        }
    }

    async fn before_update(
        &self,
        cx: &Context,
        shape: &Shape<'_, Self>,
        role: Role,
        object: &Object,
        drift: &Drift,
    ) -> Result<Before, Obstacle> {
        mapping_update::before(self, cx, shape, (role, object), drift).await
    }

    async fn update(
        &self,
        _: &Context,
        shape: &Shape<'_, Self>,
        change: Change<'_>,
    ) -> Result<ExternalObject, Obstacle> {
        mapping_update::update(self, shape, change).await
    }

    async fn settle(
        &self,
        _: &Context,
        shape: &Shape<'_, Self>,
        _: bool,
        report: &mut Report<Self::Status>,
    ) -> Result<(), Obstacle> {
        let status = &mut report.status;
        status.mapping_set_version = upstream::version_of(shape.external.get(&Role::MappingSet));
        status.schema_id = Some(Self::schema_id(shape)?.to_owned());
        status.resource_path = Some(shape.refs.resource);
        status.profile = shape.desired.profile.then_some(true);
        status.tenant = Some(shape.desired.tenant.clone());
        status.rows = i64::try_from(shape.desired.rows.len()).ok();
        status.failures = Vec::new();
        report.conditions.push(Finding::new(
            ConditionType::PreflightPassed,
            Some(true),
            Reason::RowsAccepted,
            "Data Prep validated the rows, and every destination exists in the target schema",
        ));
        let unseen = unseen_sources(&shape.desired.rows, &shape.refs.explored);
        report.conditions.push(if shape.refs.explored.is_empty() {
            Finding::new(
                ConditionType::SourceFieldsSeen,
                None,
                Reason::ExploreEmpty,
                "explore, which infers from live records, has shown no field yet",
            )
        } else if unseen.is_empty() {
            Finding::new(
                ConditionType::SourceFieldsSeen,
                Some(true),
                Reason::SourceFieldsSeen,
                "explore saw the source of every row",
            )
        } else {
            let message =
                format!("explore, which infers from live records, did not see: {}", some_of(&unseen));
            Finding::new(ConditionType::SourceFieldsSeen, Some(false), Reason::SourceFieldsUnseen, message)
        });
        Ok(())
    }

    fn note_failures(status: &mut Self::Status, failures: &[RowFailure]) {
        let bounded_failure = |failure: &RowFailure| RowFailure {
            source: bounded(&failure.source, MAX_TEXT),
            destination: bounded(&failure.destination, MAX_WORD),
            reason: bounded(&failure.reason, MAX_TEXT),
        };
        status.failures = failures.iter().take(MAX_FAILURES).map(bounded_failure).collect();
    }
}
