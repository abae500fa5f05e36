//! The connection and flow specs that exist: Stripe, the data lake, and the generic REST flow between them.
//!
//! Specs are the same for all organisations and read-only for callers.

use serde_json::{Value, json};

use super::errors::{error, invalid, not_found};
use super::query::Filter;
use crate::wire::Reply;

/// The Stripe source.
pub const STRIPE: &str = "cc2c31d6-7b8c-4581-b49f-5c8698aa3ab3";
/// The data lake as a target.
pub const DATA_LAKE: &str = "c604ff05-7f1a-43c0-8e18-33bf874cb11c";
/// The flow of sources that are built on a REST API.
pub const REST_FLOW: &str = "6499120c-0b15-42dc-936e-847ea3c24d72";
/// The auth spec of Stripe.
pub const AUTH_SPEC: &str = "OAuth2 Refresh Code";
/// A destination, made up: sandboxes hold flows that have nothing to do with Stripe.
pub const DESTINATION: &str = "4fce964d-3f37-408f-9778-e597338a21ee";
/// The flow of that destination.
pub const DESTINATION_FLOW: &str = "71471eba-b620-49e4-90fd-23f1fa0174d8";
/// The only version of all of them.
pub const VERSION: &str = "1.0";

const PROVIDER: &str = "0ed90a81-07f4-4586-8190-b40eccef1c5a";

/// The Stripe resources that the source offers.
pub const RESOURCES: &[&str] =
    &["charges", "subscriptions", "refunds", "balance_transactions", "customers", "prices"];

fn connection_specs() -> [Value; 3] {
    [
        json!({
            "id": STRIPE, "name": "stripe", "providerId": PROVIDER, "version": VERSION,
            "authSpec": [{"name": AUTH_SPEC, "type": "OAuth2RefreshCode", "spec": {
                "$schema": "http://json-schema.org/draft-07/schema#", "type": "object",
                "properties": {"accessToken": {"type": "string", "format": "password"},
                    "refreshToken": {"type": "string", "format": "password"}},
                "required": ["accessToken"]}}],
            "sourceSpec": {"spec": {
                "$schema": "http://json-schema.org/draft-07/schema#", "type": "object",
                "properties": {"resourcePath": {"type": "string", "enum": RESOURCES}},
                "required": ["resourcePath"]}},
            "attributes": {"isSource": true, "category": "payments", "uiAttributes": {"label": "Stripe"}},
        }),
        json!({
            "id": DATA_LAKE, "name": "data-lake", "providerId": PROVIDER, "version": VERSION, "authSpec": [],
            "targetSpec": {"spec": {"type": "object", "properties": {"dataSetId": {"type": "string"}},
                "required": ["dataSetId"]}},
            "attributes": {"isDestination": true},
        }),
        json!({
            "id": DESTINATION, "name": "example-destination", "providerId": PROVIDER, "version": VERSION,
            "authSpec": [{"name": "Access Key", "type": "KeyBased"}], "attributes": {"isDestination": true},
        }),
    ]
}

fn flow_specs() -> [Value; 2] {
    [
        json!({
            "id": REST_FLOW, "name": "RestStorageToAEP", "providerId": PROVIDER, "version": VERSION,
            "sourceConnectionSpecIds": [STRIPE], "targetConnectionSpecIds": [DATA_LAKE],
            "optionSpec": {"name": "OptionSpec", "spec": {"type": "object", "properties": {
                "errorDiagnosticsEnabled": {"type": "boolean", "default": false},
                "partialIngestionPercent": {"type": "number", "exclusiveMinimum": 0}}}},
            "transformationSpecs": [{"name": "Mapping", "spec": {"type": "object", "properties": {
                "mappingId": {"type": "string"}, "mappingVersion": {"type": "string"}}}}],
            "scheduleSpec": {"name": "PeriodicSchedule", "type": "Periodic", "spec": {"type": "object",
                "properties": {"startTime": {"type": "integer"},
                    "frequency": {"type": "string", "enum": ["once", "minute", "hour", "day", "week"]},
                    "interval": {"type": "integer"}, "backfill": {"type": "boolean", "default": true}},
                "required": ["startTime", "frequency"]}},
            "attributes": {"isSourceFlow": true},
        }),
        json!({
            "id": DESTINATION_FLOW, "name": "example-destination-flow", "providerId": PROVIDER, "version": VERSION,
            "sourceConnectionSpecIds": [DATA_LAKE], "targetConnectionSpecIds": [DESTINATION],
            "attributes": {"isSourceFlow": false},
        }),
    ]
}

/// Whether a connection spec exists.
pub fn is_connection_spec(id: &str) -> bool {
    [STRIPE, DATA_LAKE, DESTINATION].contains(&id)
}

/// Checks a `{id, version}` reference and gives the id. `422` for a version that does not exist.
pub fn check(reference: Option<&Value>, known: impl Fn(&str) -> bool) -> Result<String, Reply> {
    let id = reference.and_then(|spec| spec.get("id")).and_then(Value::as_str);
    let id = id.filter(|id| known(id)).ok_or_else(|| error(1413, "Please provide a valid spec id"))?;
    match reference.and_then(|spec| spec.get("version")) {
        None => Ok(id.to_owned()),
        Some(Value::String(version)) if version == VERSION => Ok(id.to_owned()),
        Some(version) => Err(invalid(422, format!("spec [{id}] has no version {version}"))),
    }
}

/// Answers `/connectionSpecs` and `/flowSpecs` with their single and filtered forms.
pub fn get(collection: &str, id: Option<&str>, properties: &[&str]) -> Reply {
    let all = if collection == "flowSpecs" { flow_specs().to_vec() } else { connection_specs().to_vec() };
    if let Some(id) = id {
        return match all.into_iter().find(|spec| spec["id"] == id) {
            Some(spec) => Reply::json(200, json!({"items": [spec]})),
            None => not_found(collection, id),
        };
    }
    let filters: Result<Vec<Filter>, Reply> = properties.iter().map(|text| Filter::parse(text)).collect();
    match filters {
        Err(refused) => refused,
        Ok(filters) => {
            let kept = all.into_iter().filter(|spec| {
                filters.iter().all(|filter| spec.as_object().is_some_and(|spec| filter.matches_fields(spec)))
            });
            Reply::json(200, json!({"items": kept.collect::<Vec<_>>(), "_links": {}}))
        }
    }
}
