//! What each kind says of an existing object that spec names: which one it is, and why it may not fit.
//!
//! A difference that Adobe cannot change in place would need a new object, and a new one is never made in the place of a named one.

use crate::aep::{model, spec};
use crate::api::role::Role;
use crate::api::{IngestionFlow, IngestionMapping, StripeBaseConnection, StripeSourceConnection};
use crate::controller::adoption::{Named, field, refused};
use crate::controller::managed::{Managed, Shape};
use crate::controller::upstream::Object;
use crate::domain::outcome::Obstacle;

use super::flow::dataset_id;
use super::flow_checks::refuse_other_schema;
use super::{mapping_schema, mapping_update};

/// The object of a role that spec names by this id.
pub(super) fn named(role: Role, id: Option<&String>) -> Option<Named> {
    id.map(|id| Named { id: id.clone(), field: field(role) })
}

/// A base connection has to be one to Stripe.
pub(super) fn unfit_connection(
    _: &Shape<'_, StripeBaseConnection>,
    role: Role,
    object: &Object,
) -> Result<(), Obstacle> {
    let Object::Connection(connection) = object else { return Ok(()) };
    has_spec(role, &connection.connection_spec, spec::STRIPE_CONNECTION_SPEC, "Stripe")
}

/// A source connection has to read this resource of this base connection.
pub(super) fn unfit_source_connection(
    shape: &Shape<'_, StripeSourceConnection>,
    role: Role,
    object: &Object,
) -> Result<(), Obstacle> {
    let Object::SourceConnection(source) = object else { return Ok(()) };
    let desired = shape.desired;
    has_spec(role, &source.connection_spec, spec::STRIPE_CONNECTION_SPEC, "Stripe")?;
    let base = source.base_connection_id.as_deref().unwrap_or_default();
    same(role, "base connection", base, &desired.base_id, "spec.baseConnectionRef")?;
    let resource = source.resource_path().unwrap_or_default();
    same(role, "resource", resource, desired.resource_path, "spec.resourcePath")
}

/// A mapping set has to write to the target schema; a schema has to be of the class, of the title and with the field group that spec
/// names; and a field group has to be one that only needs to grow.
pub(super) fn unfit_mapping(
    mapping: &IngestionMapping,
    shape: &Shape<'_, IngestionMapping>,
    role: Role,
    object: &Object,
) -> Result<(), Obstacle> {
    match object {
        Object::MappingSet(set) => {
            let schema = IngestionMapping::schema_id(shape).unwrap_or("that does not exist yet");
            let reference = if mapping.adopts(Role::Schema, shape.objects).is_some() {
                "spec.targetSchema.managed.adopt.schemaId"
            } else {
                "spec.targetSchema.existing.id"
            };
            same(role, "schema", &set.schema.id, schema, reference)
        }
        Object::Resource(schema) if role == Role::Schema => unfit_schema(mapping, shape, schema),
        Object::Resource(group) => match mapping_update::breaking(shape, group) {
            Some(breaking) => Err(refused(
                field(role),
                format!(
                    "a field group only grows, and the rows need another one: {breaking}: change spec.mappings, or name another field group"
                ),
            )),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

fn unfit_schema(
    mapping: &IngestionMapping,
    shape: &Shape<'_, IngestionMapping>,
    schema: &model::Resource,
) -> Result<(), Obstacle> {
    let role = Role::Schema;
    let Some(managed) = &mapping.spec.target_schema.managed else { return Ok(()) };
    let class = schema.class().unwrap_or_default();
    same(role, "class", class, &managed.class_id, "spec.targetSchema.managed.class")?;
    // The title is what a look-up searches by, and it is the one that people know the schema by.
    same(role, "title", &schema.title, &managed.title, "spec.targetSchema.managed.title")?;
    let group = shape.id(Role::FieldGroup)?;
    if !schema.all_of().any(|part| part == group) {
        let why = format!(
            "the schema {} is not composed of the field group {group}: name one of its own field groups, or add that one to it in AEP",
            schema.id
        );
        return Err(refused(field(role), why));
    }
    let unfit = |obstacle: Obstacle| refused(field(role), obstacle.message);
    mapping_schema::refuse_leaving_profile(shape, schema).map_err(unfit)?;
    mapping_schema::changes(shape, schema).map(drop).map_err(unfit)
}

/// A dataflow has to be a REST flow from this source through this mapping set, its target connection one to this dataset, and the dataset
/// one of the mapping's schema.
pub(super) fn unfit_flow(
    shape: &Shape<'_, IngestionFlow>,
    role: Role,
    object: &Object,
) -> Result<(), Obstacle> {
    match object {
        Object::Flow(flow) => unfit_dataflow(shape, role, flow),
        Object::TargetConnection(target) => {
            has_spec(role, &target.connection_spec, spec::DATA_LAKE_CONNECTION_SPEC, "the data lake")?;
            let dataset = dataset_id(shape).unwrap_or("that does not exist yet");
            let field = match shape.refs.existing_dataset {
                Some(_) => "spec.dataset.existing.id",
                None => self::field(Role::Dataset),
            };
            same(role, "dataset", target.data_set_id().unwrap_or_default(), dataset, field)
        }
        Object::DataSet(data_set) => refuse_other_schema(data_set, &shape.desired.schema_id)
            .map_err(|unfit| refused(field(role), unfit.message)),
        _ => Ok(()),
    }
}

fn unfit_dataflow(shape: &Shape<'_, IngestionFlow>, role: Role, flow: &model::Flow) -> Result<(), Obstacle> {
    let desired = shape.desired;
    has_spec(role, &flow.flow_spec, spec::REST_FLOW_SPEC, "a source that is read over REST")?;
    let sources = flow.source_connection_ids.join(", ");
    same(role, "source connection", &sources, &desired.source_id, "spec.sourceConnectionRef")?;
    let mapping = flow.mapping().map(|(_, mapping)| mapping.id).unwrap_or_default();
    same(role, "mapping set", &mapping, &desired.mapping_id, "spec.mappingRef")?;
    if flow.target_connection_ids.len() != 1 {
        let targets = flow.target_connection_ids.join(", ");
        return Err(refused(
            field(role),
            format!(
                "the dataflow needs exactly one target connection and has [{targets}]: name another dataflow"
            ),
        ));
    }
    let frequency = flow.schedule.frequency.as_ref().map(model::Frequency::as_str).unwrap_or_default();
    let is_once = |frequency: &str| frequency == model::Frequency::Once.as_str();
    if is_once(frequency) == is_once(desired.frequency) {
        Ok(())
    } else {
        same(role, "frequency", frequency, desired.frequency, "spec.schedule.frequency")
    }
}

fn has_spec(role: Role, observed: &model::SpecRef, wanted: &str, what: &str) -> Result<(), Obstacle> {
    if observed.id.eq_ignore_ascii_case(wanted) {
        return Ok(());
    }
    let why =
        format!("this {role} has the spec {}, which is not that of {what}: name another one", observed.id);
    Err(refused(field(role), why))
}

fn same(role: Role, what: &str, observed: &str, wanted: &str, reference: &str) -> Result<(), Obstacle> {
    if observed.eq_ignore_ascii_case(wanted) {
        return Ok(());
    }
    Err(refused(
        field(role),
        format!(
            "this {role} has the {what} {observed}, and spec asks for the {what} {wanted}, which cannot be changed in place: let {reference} name the former, or name another {role}"
        ),
    ))
}
