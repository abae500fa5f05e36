//! One data set: which members its owner may write, and which the service keeps.

use serde_json::{Map, Value, json};

use super::Batch;
use crate::lake::ids;
use crate::lake::registry::Registry;
use crate::lake::types::SchemaRef;
use crate::wire::Caller;

/// Members that no request can change.
const READ_ONLY: [&str; 19] = [
    "id",
    "imsOrg",
    "sandboxId",
    "namespace",
    "created",
    "createdClient",
    "createdUser",
    "updated",
    "updatedUser",
    "version",
    "viewId",
    "basePath",
    "files",
    "state",
    "lastBatchId",
    "lastBatchStatus",
    "lastSuccessfulBatch",
    "lastFailedBatch",
    "classification",
];

/// Checks the form of what an owner wrote.
pub(super) fn check(body: &Map<String, Value>) -> Result<(), String> {
    for member in ["name", "description"] {
        if body.get(member).is_some_and(|value| !value.is_string()) {
            return Err(format!("The member {member} must be a text."));
        }
    }
    if body.get("enableErrorDiagnostics").is_some_and(|value| !value.is_boolean()) {
        return Err("The member enableErrorDiagnostics must be true or false.".to_owned());
    }
    let tags = match body.get("tags") {
        None => return Ok(()),
        Some(Value::Object(tags)) => tags,
        Some(_) => return Err("The member tags must be an object.".to_owned()),
    };
    let wrong =
        tags.iter().find(|(_, values)| values.as_array().is_none_or(|v| !v.iter().all(Value::is_string)));
    wrong.map_or(Ok(()), |(name, _)| Err(format!("The tag {name} must be an array of texts.")))
}

/// Checks that the schema of a data set exists.
pub(super) fn check_schema(body: &Map<String, Value>, registry: &Registry) -> Result<(), String> {
    let reference =
        body.get("schemaRef").and_then(Value::as_object).ok_or("A data set needs the member schemaRef.")?;
    let id = reference.get("id").and_then(Value::as_str).ok_or("The member schemaRef needs an id.")?;
    if let Some(content_type) = reference.get("contentType") {
        let known = content_type.as_str().is_some_and(|text| text.starts_with("application/vnd.adobe.x"));
        if !known {
            return Err(format!(
                "The contentType {content_type} of schemaRef is not one of the Schema Registry."
            ));
        }
    }
    let major = schema_ref(body).map_or(1, |schema| schema.version().0);
    if registry.has_schema(id) && major == 1 {
        Ok(())
    } else {
        Err(format!("The schema {id} of schemaRef does not exist in that version."))
    }
}

/// How data of that schema behaves.
pub(super) fn behavior(body: &Map<String, Value>, registry: &Registry) -> &'static str {
    let id = body.get("schemaRef").and_then(|reference| reference.get("id")?.as_str()).unwrap_or_default();
    let series = "https://ns.adobe.com/xdm/data/time-series";
    let full = registry.full_schema(id);
    if full.is_some_and(|full| full.extends.iter().any(|base| base == series)) {
        "time-series"
    } else {
        "record"
    }
}

/// A new data set. Besides the owner's tags it gets some of the service's own.
pub(super) fn new(
    id: &str,
    body: &Map<String, Value>,
    behavior: &str,
    caller: &Caller,
    now_ms: i64,
) -> Map<String, Value> {
    let mut out = owned(body);
    let table = table_name(body.get("name").and_then(Value::as_str).unwrap_or_default());
    if let Value::Object(tags) = out.entry("tags").or_insert_with(|| json!({})) {
        tags.entry("adobe/siphon/table/format").or_insert_with(|| json!(["parquet"]));
        tags.entry("adobe/pqs/table").or_insert_with(|| json!([table]));
    }
    if let Some(Value::Object(reference)) = out.get_mut("schemaRef") {
        reference.entry("contentType").or_insert_with(|| json!("application/vnd.adobe.xed+json;version=1"));
    }
    let service = json!({
        "imsOrg": caller.org,
        "sandboxId": caller.sandbox_id,
        "namespace": "ACP",
        "state": "DRAFT",
        "version": "1.0.0",
        "created": now_ms,
        "updated": now_ms,
        "createdClient": caller.client_id,
        "createdUser": caller.user,
        "updatedUser": caller.user,
        "viewId": ids::hex24(),
        "files": format!("@/dataSetFiles?dataSetId={id}"),
        "classification": {"managedBy": "CUSTOMER", "dataBehavior": behavior},
    });
    if let Value::Object(service) = service {
        out.extend(service);
    }
    out
}

/// A name for SQL: lower-case letters, digits and underscores.
fn table_name(name: &str) -> String {
    name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

fn owned(body: &Map<String, Value>) -> Map<String, Value> {
    body.iter()
        .filter(|(key, _)| !READ_ONLY.contains(&key.as_str()))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect()
}

/// The data set with all owner's members replaced.
pub(super) fn replaced(current: &Map<String, Value>, body: &Map<String, Value>) -> Map<String, Value> {
    let kept = current.iter().filter(|(key, _)| READ_ONLY.contains(&key.as_str()));
    let mut out: Map<String, Value> = kept.map(|(key, value)| (key.clone(), value.clone())).collect();
    out.extend(owned(body));
    out
}

/// The changed data set, with the service's members as they were and a new version.
pub(super) fn changed(
    current: &Map<String, Value>,
    mut next: Map<String, Value>,
    caller: &Caller,
    now_ms: i64,
) -> Result<Map<String, Value>, String> {
    let schema = |dataset: &Map<String, Value>| {
        dataset.get("schemaRef").and_then(|reference| reference.get("id")).cloned()
    };
    if schema(current) != schema(&next) {
        return Err("The schema of a data set cannot be changed.".to_owned());
    }
    for member in READ_ONLY {
        match current.get(member) {
            Some(value) => next.insert(member.to_owned(), value.clone()),
            None => next.shift_remove(member),
        };
    }
    let patch = etag(current).rsplit('.').next().and_then(|patch| patch.parse::<u64>().ok()).unwrap_or(0);
    next.insert("version".into(), json!(format!("1.0.{}", patch + 1)));
    next.insert("updated".into(), json!(now_ms));
    next.insert("updatedUser".into(), json!(caller.user));
    Ok(next)
}

/// What `If-Match` is compared with.
pub(super) fn etag(dataset: &Map<String, Value>) -> &str {
    dataset.get("version").and_then(Value::as_str).unwrap_or_default()
}

/// The schema reference of a data set.
pub(super) fn schema_ref(dataset: &Map<String, Value>) -> Option<SchemaRef> {
    let reference = dataset.get("schemaRef")?;
    let content_type = reference.get("contentType").and_then(Value::as_str).unwrap_or_default();
    Some(SchemaRef { id: reference.get("id")?.as_str()?.to_owned(), content_type: content_type.to_owned() })
}

/// Merges objects at any depth; everything else is replaced.
pub(super) fn deep_merge(target: &mut Value, changes: Value) {
    match (target, changes) {
        (Value::Object(members), Value::Object(more)) => {
            for (name, value) in more {
                deep_merge(members.entry(name).or_insert(Value::Null), value);
            }
        }
        (target, changes) => *target = changes,
    }
}

/// Notes the last batch. The service does this by itself, so neither version nor writer changes.
pub(super) fn remember_batch(dataset: &mut Map<String, Value>, batch: &str, success: bool) {
    dataset.insert("lastBatchId".into(), json!(batch));
    dataset.insert("lastBatchStatus".into(), json!(if success { "success" } else { "failed" }));
    let member = if success { "lastSuccessfulBatch" } else { "lastFailedBatch" };
    dataset.insert(member.into(), json!(batch));
}

/// The batch as Catalog shows it.
pub(super) fn batch(dataset: &Map<String, Value>, batch: &Batch<'_>) -> Map<String, Value> {
    let entry = json!({
        "imsOrg": dataset.get("imsOrg"),
        "status": if batch.success { "success" } else { "failed" },
        "recordCount": batch.records,
        "failedRecordCount": batch.failed,
        "errors": batch.errors,
        "relatedObjects": [{"type": "dataSet", "id": batch.dataset}],
        "created": batch.now_ms,
        "updated": batch.now_ms,
        "started": batch.now_ms,
        "completed": batch.now_ms,
        "createdClient": "acp_foundation_push",
        "createdUser": "acp_foundation_push@AdobeID",
        "updatedUser": "acp_foundation_push@AdobeID",
        "version": "1.0.0",
    });
    match entry {
        Value::Object(entry) => entry,
        _ => Map::new(),
    }
}
