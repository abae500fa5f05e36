//! Flows: creation, drafts, and the checks that hold whenever a flow is written.

use serde_json::{Map, Value, json};

use super::entity::{Entity, Kind, Plan};
use super::errors::{error, invalid};
use super::schedule::Schedule;
use super::{Context, endpoint, specs};
use crate::lake::Lake;
use crate::switches::SchemaEquality;
use crate::wire::Reply;

/// Makes a flow, or a draft of one, from a request body.
pub fn create(ctx: &Context<'_>, body: &Map<String, Value>) -> Result<Entity, Reply> {
    if body.contains_key("state") {
        return Err(error(1410, "state must not be given when a flow is created"));
    }
    let draft = match ctx.call.query("mode") {
        None => false,
        Some("draft") => true,
        Some(mode) => return Err(error(1451, format!("mode [{mode}] is not supported"))),
    };
    specs::check(body.get("flowSpec"), |id| id == specs::REST_FLOW)?;
    let mut fields = ctx.texts(body)?;
    fields.insert("flowSpec".to_owned(), json!({"id": specs::REST_FLOW, "version": specs::VERSION}));
    let kept = [
        "sourceConnectionIds",
        "targetConnectionIds",
        "scheduleParams",
        "transformations",
        "options",
        "labels",
        "policy",
    ];
    for name in kept {
        if let Some(value) = body.get(name).filter(|value| !value.is_null()) {
            fields.insert(name.to_owned(), value.clone());
        }
    }
    let mut entity = Entity::new(Kind::Flow, ctx.caller, ctx.now_ms, fields);
    let runs = format!("/runs?property=flowId=={}", entity.id);
    entity.doc.insert("runs".to_owned(), json!(runs));
    set_operation(&mut entity, "create", ctx.now_ms, None, "completed");
    inherit(ctx, &mut entity, draft)?;
    if !draft {
        publish(ctx, &mut entity)?;
    }
    Ok(entity)
}

/// Checks a complete flow and hands it to the engine.
pub fn publish(ctx: &Context<'_>, entity: &mut Entity) -> Result<(), Reply> {
    inherit(ctx, entity, false)?;
    let schedule = validate(ctx, entity)?;
    let source = endpoint::only(ctx, &entity.doc, "sourceConnectionIds", Kind::SourceConnection)?;
    let target = endpoint::only(ctx, &entity.doc, "targetConnectionIds", Kind::TargetConnection)?;
    check_single_use(ctx, &entity.id, &source.id)?;
    entity.plan = Some(Plan {
        base_id: source.text("baseConnectionId").to_owned(),
        resource: endpoint::resource_path(source.doc.get("params"))?,
        dataset_id: dataset(target),
        next_ms: Some(schedule.first_run(ctx.now_ms)),
        ..Plan::default()
    });
    entity.set_state(Some("enabled"));
    Ok(())
}

fn dataset(target: &Entity) -> String {
    let id = target.doc.get("params").and_then(|params| params.get("dataSetId")).and_then(Value::as_str);
    id.unwrap_or_default().to_owned()
}

fn check_single_use(ctx: &Context<'_>, own: &str, source: &str) -> Result<(), Reply> {
    if ctx.switches.second_flow_allowed {
        return Ok(());
    }
    let uses = |flow: &&Entity| flow.id != own && flow.texts("sourceConnectionIds").any(|id| id == source);
    match ctx.store.all(Kind::Flow).find(uses) {
        Some(flow) => {
            Err(error(1447, format!("Flow [{}] already uses source connection [{source}]", flow.id)))
        }
        None => Ok(()),
    }
}

/// Fills in what a flow shows of its connections.
fn inherit(ctx: &Context<'_>, entity: &mut Entity, draft: bool) -> Result<(), Reply> {
    let mut inherited = json!({"properties": {"isSourceFlow": true}});
    if !draft || entity.doc.contains_key("sourceConnectionIds") {
        let source = endpoint::only(ctx, &entity.doc, "sourceConnectionIds", Kind::SourceConnection)?;
        let base =
            source.doc.get("inheritedAttributes").and_then(|attributes| attributes.get("baseConnection"));
        inherited["sourceConnections"] = json!([{"id": source.id,
            "connectionSpec": source.doc.get("connectionSpec"), "baseConnection": base}]);
    }
    if !draft || entity.doc.contains_key("targetConnectionIds") {
        let target = endpoint::only(ctx, &entity.doc, "targetConnectionIds", Kind::TargetConnection)?;
        inherited["targetConnections"] =
            json!([{"id": target.id, "connectionSpec": target.doc.get("connectionSpec")}]);
    }
    entity.doc.insert("inheritedAttributes".to_owned(), inherited);
    Ok(())
}

/// The rules of a published flow. Brings schedule, mapping version and options into the form of answers.
pub fn validate(ctx: &Context<'_>, entity: &mut Entity) -> Result<Schedule, Reply> {
    let schedule = Schedule::parse(entity.doc.get("scheduleParams"))?;
    entity.doc.insert("scheduleParams".to_owned(), schedule.render());
    let (id, version) = normalise_mapping(entity)?;
    check_mapping(ctx, entity, &id, version)?;
    normalise_options(entity)?;
    Ok(schedule)
}

/// The mapping set of a flow and its version.
pub fn mapping(doc: &Map<String, Value>) -> Option<(String, u64)> {
    let steps = doc.get("transformations")?.as_array()?;
    let step = steps.iter().find(|step| step["name"] == "Mapping")?;
    let id = step["params"]["mappingId"].as_str()?;
    let version = match &step["params"]["mappingVersion"] {
        Value::Null => 0,
        Value::Number(number) => number.as_u64()?,
        Value::String(text) => text.parse().ok()?,
        _ => return None,
    };
    Some((id.to_owned(), version))
}

fn normalise_mapping(entity: &mut Entity) -> Result<(String, u64), Reply> {
    let steps = entity.doc.get("transformations").and_then(Value::as_array).filter(|steps| !steps.is_empty());
    let steps = steps.ok_or_else(|| invalid(400, "transformations is required"))?;
    if let Some(step) = steps.iter().find(|step| step["name"] != "Mapping") {
        return Err(invalid(400, format!("transformation {} is not part of the flow spec", step["name"])));
    }
    if steps.len() > 1 {
        return Err(invalid(400, "transformations must hold one Mapping"));
    }
    if !steps[0]["params"]["mappingId"].is_string() {
        return Err(invalid(400, "transformations[0].params.mappingId is required"));
    }
    let (id, version) = mapping(&entity.doc)
        .ok_or_else(|| error(1412, "mappingVersion must be a number that is not negative"))?;
    if let Some(step) = entity.doc.get_mut("transformations").and_then(|steps| steps.get_mut(0)) {
        step["params"]["mappingVersion"] = json!(version.to_string());
    }
    Ok((id, version))
}

fn check_mapping(ctx: &Context<'_>, entity: &Entity, id: &str, version: u64) -> Result<(), Reply> {
    let set = ctx.lake.mapping_set(id, version);
    let set = set.ok_or_else(|| error(1412, format!("Mapping set [{id}] has no version {version}")))?;
    let problems = ctx.lake.mapping_problems(id, version);
    if let Some(first) = problems.first() {
        return Err(error(1419, format!("Mapping set [{id}] has {} invalid rows: {first}", problems.len())));
    }
    let dataset_id = match &entity.plan {
        Some(plan) => plan.dataset_id.clone(),
        None => dataset(endpoint::only(ctx, &entity.doc, "targetConnectionIds", Kind::TargetConnection)?),
    };
    let schema = ctx.lake.dataset_schema(&dataset_id);
    let schema = schema.ok_or_else(|| error(1101, format!("Data set [{dataset_id}] does not exist")))?;
    let full = ctx.switches.schema_equality == SchemaEquality::Full;
    if !Lake::same_schema(&schema, &set.schema, full) {
        let (a, b) = (&schema, &set.schema);
        return Err(error(
            1425,
            format!(
                "Data set [{dataset_id}] has schema [{}] {}, mapping set [{id}] has [{}] {}",
                a.id, a.content_type, b.id, b.content_type
            ),
        ));
    }
    Ok(())
}

fn normalise_options(entity: &mut Entity) -> Result<(), Reply> {
    let Some(options) = entity.doc.get_mut("options") else { return Ok(()) };
    let Value::Object(options) = options else { return Err(invalid(400, "options must be an object")) };
    if options.get("errorDiagnosticsEnabled").is_some_and(|value| !value.is_boolean()) {
        return Err(invalid(400, "options.errorDiagnosticsEnabled must be a boolean"));
    }
    if let Some(percent) = options.get("partialIngestionPercent") {
        let number = match percent {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        let number = number.filter(|number| *number > 0.0 && *number <= 100.0);
        let number = number.ok_or_else(|| invalid(400, "options.partialIngestionPercent must be above 0"))?;
        let whole = (1..=100_u8).find(|whole| f64::from(*whole).total_cmp(&number).is_eq());
        let shown = whole.map_or_else(|| json!(number), |whole| json!(whole));
        options.insert("partialIngestionPercent".to_owned(), shown);
    }
    Ok(())
}

/// Notes the operation that a flow shows.
pub fn set_operation(entity: &mut Entity, operation: &str, now_ms: i64, ops: Option<&Value>, value: &str) {
    let done = if value == "completed" { 100.0 } else { 0.0 };
    let mut shown = json!({"started": now_ms, "updated": now_ms, "percentCompleted": done,
        "status": {"value": value, "errors": []}, "operation": operation});
    if let Some(ops) = ops {
        shown["ops"] = ops.clone();
    }
    entity.doc.insert("lastOperation".to_owned(), shown);
}
