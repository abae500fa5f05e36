//! What a flow checks before it writes: no second flow on its source, and a dataset of the mapping's schema.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;

use super::mapping_checks::schema_ref;
use super::parent::{exists, is_applied};
use crate::aep::model;
use crate::api::IngestionFlow;
use crate::api::condition::Reason;
use crate::api::role::Role;
use crate::cluster::claim::is_claimed;
use crate::cluster::read::Found;
use crate::controller::context::Context;
use crate::controller::pass::read_intent;
use crate::controller::site::Site;
use crate::domain::outcome::{Class, Obstacle};

/// Adobe asks for one dataflow per source connection. Of several flows on one source the oldest has it; the list is live, so a younger
/// one always sees the older.
pub(super) async fn refuse_second_flow(cx: &Context, flow: &IngestionFlow) -> Result<(), Obstacle> {
    let source = &flow.spec.source_connection_ref.name;
    let namespace = flow.namespace().unwrap_or_default();
    let flows: Found<IngestionFlow> =
        cx.cluster.list_by_field(&namespace, "spec.sourceConnectionRef.name", source).await?;
    // One that reads the source already has it, whatever its age; one that is claimed and does not parse may read it.
    let parsed = flows.objects.iter().map(|other| (&other.metadata, exists(other, Role::Flow)));
    let unparsed = flows.unparsed.iter().map(|other| (&other.metadata, is_claimed(other)));
    let age = |meta: &ObjectMeta| (meta.creation_timestamp.as_ref().map(|time| time.0), meta.uid.clone());
    let own = age(&flow.metadata);
    let first = (parsed.chain(unparsed))
        .filter(|(other, has_it)| other.uid != flow.metadata.uid && (*has_it || age(other) < own))
        .map(|(other, _)| other)
        .min_by_key(|other| age(other));
    match first {
        Some(first) => Err(Obstacle::new(
            Class::Invalid,
            Reason::SourceInUse,
            format!(
                "spec.sourceConnectionRef: IngestionFlow {} already reads StripeSourceConnection {source}, and Adobe asks for one dataflow per source connection: give IngestionFlow {} a source connection of its own",
                first.name.as_deref().unwrap_or_default(),
                flow.name_any()
            ),
        )),
        None => Ok(()),
    }
}

/// The id of the dataset that `dataset.existing` names, of the mapping's schema; `None` for a managed one. Not asked again for a
/// generation that is applied already.
pub(super) async fn existing_dataset(
    flow: &IngestionFlow,
    site: &Site,
    schema_id: &str,
) -> Result<Option<String>, Obstacle> {
    let Some(existing) = &flow.spec.dataset.existing else { return Ok(None) };
    let known = applied_dataset(flow);
    if let Some(id) = known {
        return Ok(Some(id));
    }
    let found: Vec<model::DataSet> = match (&existing.id, &existing.name) {
        (Some(id), _) => site.session.get_data_set(id).await?.into_iter().collect(),
        (None, name) => site.session.find_data_sets(name.as_deref().unwrap_or_default()).await?,
    };
    match found.as_slice() {
        [data_set] => {
            refuse_other_schema(data_set, schema_id)?;
            Ok(Some(data_set.id.clone()))
        }
        [] => Err(Obstacle::invalid(
            Reason::DatasetNotFound,
            format!(
                "spec.dataset.existing: sandbox {} has no dataset {}: create it there, or correct the name or id",
                site.sandbox,
                wanted(existing)
            ),
        )),
        several => {
            let ids: Vec<&str> = several.iter().map(|data_set| data_set.id.as_str()).collect();
            Err(Obstacle::invalid(
                Reason::DatasetAmbiguous,
                format!(
                    "spec.dataset.existing: several datasets are named {}: name one by id: {}",
                    wanted(existing),
                    ids.join(", ")
                ),
            ))
        }
    }
}

fn wanted(existing: &crate::api::flow::ExistingDataset) -> &str {
    existing.id.as_deref().or(existing.name.as_deref()).unwrap_or_default()
}

/// The dataset that the applied generation writes to.
fn applied_dataset(flow: &IngestionFlow) -> Option<String> {
    claimed_dataset(flow).filter(|key| is_applied(flow) && !key.is_empty())
}

/// The dataset that the claim of the target connection recorded.
pub(super) fn claimed_dataset(flow: &IngestionFlow) -> Option<String> {
    Some(read_intent(flow)?.roles.get(&Role::TargetConnection)?.key.clone())
}

/// Flow Service refuses a flow whose mapping and dataset have different schemas (code 1425); this says so before anything is created.
pub(super) fn refuse_other_schema(data_set: &model::DataSet, schema_id: &str) -> Result<(), Obstacle> {
    let observed = data_set.schema_ref.clone().unwrap_or_default();
    if observed.is_same_major(&schema_ref(schema_id)) {
        return Ok(());
    }
    Err(Obstacle::invalid(
        Reason::SchemaMismatch,
        format!(
            "spec.dataset: dataset {} has schema {} ({}), the mapping writes to {schema_id} (major version 1): use a dataset of the mapping's schema, or a mapping to the dataset's schema",
            data_set.id, observed.id, observed.content_type
        ),
    ))
}
