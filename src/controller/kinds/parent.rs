//! Reading the objects that a kind refers to, and judging whether they can be built upon.

use kube::ResourceExt;

use crate::api::condition::{ConditionStatus, ConditionType, Reason, find};
use crate::api::role::Role;
use crate::api::status::ExternalObject;
use crate::api::{IngestionMapping, StripeBaseConnection, StripeSourceConnection};
use crate::cluster::Error;
use crate::cluster::claim::is_claimed;
use crate::cluster::read::{Found, describe};
use crate::controller::context::Context;
use crate::controller::managed::Managed;
use crate::controller::site::{self, Site};
use crate::domain::outcome::{Class, Obstacle};

/// A parent that exists upstream.
pub(super) struct Parent<P> {
    /// The parent as read.
    pub object: P,
    /// Its upstream object.
    pub external: ExternalObject,
}

/// Reads a parent. Its Ready condition gates only the first create of the child: a parent that fails later never flips a child that
/// exists.
pub(super) async fn read<P: Managed>(
    cx: &Context,
    namespace: &str,
    name: &str,
    field: &str,
    role: Role,
    child_exists: bool,
) -> Result<Parent<P>, Obstacle> {
    let kind = P::kind(&());
    let found = cx.cluster.get_opt(namespace, name).await.map_err(|error| match error {
        Error::Unparsed(why) => Error::Unparsed(format!("{field}: {why}")),
        error => error,
    })?;
    let parent: P = found.ok_or_else(|| {
        Obstacle::blocked(Reason::ReferenceNotFound, format!("{field}: {kind} {name} does not exist in namespace {namespace}: create it, or correct the name"))
    })?;
    if parent.meta().deletion_timestamp.is_some() && !child_exists {
        return Err(deleting(&parent, field));
    }
    let external = external_of(&parent, role);
    match external {
        Some(external) if child_exists || is_ready(&parent) => Ok(Parent { object: parent, external }),
        _ => Err(not_ready(&parent, field)),
    }
}

fn external_of<P: Managed>(parent: &P, role: Role) -> Option<ExternalObject> {
    P::common(parent.status()?).external.iter().find(|external| external.role == role).cloned()
}

fn ready_of<P: Managed>(parent: &P) -> Option<(&str, &str)> {
    let ready = find(&P::common(parent.status()?).conditions, ConditionType::Ready)?;
    Some((ready.status.as_str(), ready.reason.as_str()))
}

fn is_ready<P: Managed>(parent: &P) -> bool {
    ready_of(parent).is_some_and(|(status, _)| status == "True")
}

/// A parent that makes progress is waited for in silence; one that failed is named.
fn not_ready<P: Managed>(parent: &P, field: &str) -> Obstacle {
    match ready_of(parent) {
        Some(("False", reason)) => Obstacle::blocked(
            Reason::ReferenceNotReady,
            format!("{field}: {} is not ready ({reason}): its conditions say what to do", describe(parent)),
        ),
        _ => Obstacle::waiting(format!("{field}: {} is not ready yet", describe(parent))),
    }
}

/// What keeps a parent that exists upstream from getting another child.
pub(super) fn readiness<P: Managed>(parent: &Parent<P>, field: &str) -> Option<Obstacle> {
    let object = &parent.object;
    if object.meta().deletion_timestamp.is_some() {
        return Some(deleting(object, field));
    }
    (!is_ready(object)).then(|| not_ready(object, field))
}

fn deleting<P: Managed>(parent: &P, field: &str) -> Obstacle {
    Obstacle::blocked(
        Reason::ReferenceDeleting,
        format!("{field}: {} is being deleted: refer to another one", describe(parent)),
    )
}

/// Whether the present generation is applied upstream.
pub(super) fn is_applied<K: Managed>(object: &K) -> bool {
    let conditions =
        object.status().map(|status| K::common(status).conditions.as_slice()).unwrap_or_default();
    find(conditions, ConditionType::Ready).is_some_and(|ready| {
        ready.status == ConditionStatus::True.as_str()
            && ready.observed_generation == object.meta().generation
    })
}

/// Whether the kind's last upstream object exists already.
pub(super) fn exists<K: Managed>(object: &K, role: Role) -> bool {
    external_of(object, role).is_some()
}

/// The base connection of a source, and its site.
pub(super) async fn base_of(
    cx: &Context,
    source: &StripeSourceConnection,
    child_exists: bool,
) -> Result<(Parent<StripeBaseConnection>, Site), Obstacle> {
    let namespace = source.namespace().unwrap_or_default();
    let base = read::<StripeBaseConnection>(
        cx,
        &namespace,
        &source.spec.base_connection_ref.name,
        "spec.baseConnectionRef",
        Role::Connection,
        child_exists,
    )
    .await?;
    // The base says what is wrong with its Secret; children that exist wait in silence for it to be mended.
    let site = site::open(cx, &base.object)
        .await
        .map_err(|obstacle| if child_exists { waiting_for_credentials(obstacle) } else { obstacle })?;
    Ok((base, site))
}

fn waiting_for_credentials(obstacle: Obstacle) -> Obstacle {
    let is_the_bases = obstacle.class == Class::Blocked || obstacle.reason == Reason::OrganizationChanged;
    if is_the_bases { Obstacle { class: Class::Blocked, quiet: true, ..obstacle } } else { obstacle }
}

/// The site of a source's base for a deletion: neither has to be ready.
pub(super) async fn reach_by_source(cx: &Context, namespace: &str, source: &str) -> Result<Site, Obstacle> {
    let missing = |what: &str| {
        Obstacle::blocked(
            Reason::ReferenceNotFound,
            format!(
                "{what} is gone, so nobody can be asked to delete upstream: create it again, or set deletionPolicy to Retain"
            ),
        )
    };
    let source: StripeSourceConnection = cx
        .cluster
        .get_opt(namespace, source)
        .await?
        .ok_or_else(|| missing(&format!("StripeSourceConnection {source}")))?;
    reach_by_base(cx, namespace, &source.spec.base_connection_ref.name).await
}

/// The site of a base for a deletion.
pub(super) async fn reach_by_base(cx: &Context, namespace: &str, base: &str) -> Result<Site, Obstacle> {
    let found: Option<StripeBaseConnection> = cx.cluster.get_opt(namespace, base).await?;
    let base = found.ok_or_else(|| {
        Obstacle::blocked(Reason::ReferenceNotFound, format!("StripeBaseConnection {base} is gone, so nobody can be asked to delete upstream: create it again, or set deletionPolicy to Retain"))
    })?;
    site::open(cx, &base).await
}

/// Names of the dependents that hold a deletion: those that carry our finalizer.
pub(super) fn holding<D: Managed>(dependents: Found<D>) -> impl Iterator<Item = String> {
    let parsed = dependents.objects.into_iter().filter(is_claimed).map(|dependent| describe(&dependent));
    let unparsed = dependents.unparsed.into_iter().filter(is_claimed).map(|dependent| describe(&dependent));
    parsed.chain(unparsed)
}

/// The `$id` and version of a mapping's schema, and the mapping set, as its status tells.
pub(super) struct MappingOutput {
    /// Id of the mapping set.
    pub mapping_set: String,
    /// Its version.
    pub version: i64,
    /// `$id` of the schema.
    pub schema_id: String,
    /// Whether the managed schema takes part in Profile.
    pub profile: bool,
}

/// What a flow needs of its mapping.
pub(super) fn output_of(mapping: &Parent<IngestionMapping>) -> Result<MappingOutput, Obstacle> {
    let status = mapping.object.status.as_ref();
    let version = status.and_then(|status| status.mapping_set_version);
    let schema_id = status.and_then(|status| status.schema_id.clone());
    let profile = status.and_then(|status| status.profile).unwrap_or_default();
    match (version, schema_id) {
        (Some(version), Some(schema_id)) => {
            Ok(MappingOutput { mapping_set: mapping.external.id.clone(), version, schema_id, profile })
        }
        _ => Err(Obstacle::waiting("spec.mappingRef: the mapping has no version yet")),
    }
}
