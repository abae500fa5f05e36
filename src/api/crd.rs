//! The CRDs as they are shipped: what the derived ones lack, in one place.
//!
//! Rules, bounds and descriptions of our own fields stand at the fields. Here stands only what no attribute
//! can say: bounds of types that are not ours, the default of status, and the removal of `nullable`.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;
use serde_json::json;

use super::columns::columns;
use super::condition::{ConditionType, Reason};
use super::{IngestionFlow, IngestionMapping, StripeBaseConnection, StripeSourceConnection};

/// All CRDs, in the order of their references.
pub fn all_crds() -> Vec<CustomResourceDefinition> {
    [
        StripeBaseConnection::crd(),
        StripeSourceConnection::crd(),
        IngestionMapping::crd(),
        IngestionFlow::crd(),
    ]
    .into_iter()
    .map(finished)
    .collect()
}

fn finished(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut crd.spec.versions {
        version.additional_printer_columns = Some(columns(&crd.spec.names.kind));
        let Some(root) = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut()) else {
            continue;
        };
        tidy(root);
        if let Some(status) = root.properties.as_mut().and_then(|fields| fields.get_mut("status")) {
            status.default = Some(JSON(status_before_the_first_pass()));
            status.description = Some("What the operator knows. Written by the operator only.".to_owned());
            bound_conditions(status);
        }
    }
    crd
}

/// What an object's status is until the operator has seen it, so that a tool which waits for Ready waits from
/// the first second.
fn status_before_the_first_pass() -> serde_json::Value {
    json!({
        "observedGeneration": -1,
        "conditions": [{
            "type": ConditionType::Ready.as_str(),
            "status": "Unknown",
            "reason": Reason::Pending.as_str(),
            "message": "Waiting for the operator",
            // A default is a constant, so the time of creation cannot stand here.
            "lastTransitionTime": "1970-01-01T00:00:00Z",
        }],
    })
}

/// What holds for every field.
///
/// Optional fields are absent, not null: without `nullable` the API server drops a null, or refuses it in a
/// server-side apply; with it, the null would be stored. Descriptions lose the line breaks of our source code.
fn tidy(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    if let Some(text) = &mut schema.description {
        *text =
            text.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect::<Vec<_>>().join("\n\n");
    }
    for field in schema.properties.iter_mut().flat_map(|fields| fields.values_mut()) {
        tidy(field);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(item)) = &mut schema.items {
        tidy(item);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(value)) = &mut schema.additional_properties {
        tidy(value);
    }
}

/// The Kubernetes type of a condition comes without its documented bounds.
fn bound_conditions(status: &mut JSONSchemaProps) {
    let condition = status
        .properties
        .as_mut()
        .and_then(|fields| fields.get_mut("conditions"))
        .and_then(|conditions| conditions.items.as_mut());
    let Some(JSONSchemaPropsOrArray::Schema(condition)) = condition else { return };
    for (name, field) in condition.properties.iter_mut().flatten() {
        match name.as_str() {
            "type" => field.max_length = Some(316),
            "status" => {
                field.enum_ = Some(["True", "False", "Unknown"].map(|value| JSON(json!(value))).into());
            }
            "reason" => {
                field.min_length = Some(1);
                field.max_length = Some(1024);
                field.pattern = Some("^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$".to_owned());
            }
            "message" => field.max_length = Some(32_768),
            _ => {}
        }
    }
}
