//! Source and target connections: the two ends of a flow.

use serde_json::{Map, Value, json};

use super::entity::{Entity, Kind};
use super::errors::{error, invalid, not_found};
use super::{Context, specs};
use crate::wire::Reply;

/// Makes a source connection from a request body.
pub fn create_source(ctx: &Context<'_>, body: &Map<String, Value>) -> Result<Entity, Reply> {
    let spec = spec(body, specs::STRIPE)?;
    let mut fields = ctx.texts(body)?;
    let base_id = body.get("baseConnectionId").and_then(Value::as_str);
    let base_id = base_id.ok_or_else(|| invalid(400, "baseConnectionId is required"))?;
    let base = ctx.store.get(Kind::Connection, base_id).filter(|base| !base.hidden);
    let base = base.ok_or_else(|| error(1101, format!("connections not found with id = [{base_id}]")))?;
    if data_format(body)? != "json" {
        return Err(invalid(400, "data.format must be json for this source"));
    }
    let path = resource_path(body.get("params"))?;
    fields.insert("state".to_owned(), json!("enabled"));
    fields.insert("baseConnectionId".to_owned(), json!(base_id));
    fields.insert("data".to_owned(), body.get("data").cloned().unwrap_or_default());
    fields.insert("params".to_owned(), json!({"resourcePath": path}));
    fields.insert("connectionSpec".to_owned(), spec);
    let inherited =
        json!({"baseConnection": {"id": base_id, "connectionSpec": base.doc.get("connectionSpec")}});
    fields.insert("inheritedAttributes".to_owned(), inherited);
    Ok(Entity::new(Kind::SourceConnection, ctx.caller, ctx.now_ms, fields))
}

/// Makes a target connection from a request body.
pub fn create_target(ctx: &Context<'_>, body: &Map<String, Value>) -> Result<Entity, Reply> {
    let spec = spec(body, specs::DATA_LAKE)?;
    let mut fields = ctx.texts(body)?;
    data_format(body)?;
    let params = body.get("params").filter(|params| params.is_object());
    let dataset = params.and_then(|params| params.get("dataSetId")).and_then(Value::as_str);
    let dataset = dataset.ok_or_else(|| invalid(400, "params.dataSetId is required"))?;
    if ctx.lake.dataset_schema(dataset).is_none() {
        return Err(invalid(400, format!("data set [{dataset}] does not exist")));
    }
    fields.insert("state".to_owned(), json!("enabled"));
    fields.insert("data".to_owned(), body.get("data").cloned().unwrap_or_default());
    fields.insert("params".to_owned(), params.cloned().unwrap_or_default());
    fields.insert("connectionSpec".to_owned(), spec);
    Ok(Entity::new(Kind::TargetConnection, ctx.caller, ctx.now_ms, fields))
}

fn spec(body: &Map<String, Value>, wanted: &str) -> Result<Value, Reply> {
    let id = specs::check(body.get("connectionSpec"), specs::is_connection_spec)?;
    if id == wanted {
        Ok(json!({"id": id, "version": specs::VERSION}))
    } else {
        Err(error(1413, format!("connection spec [{id}] does not fit here")))
    }
}

fn data_format(body: &Map<String, Value>) -> Result<&str, Reply> {
    let data =
        body.get("data").filter(|data| data.is_object()).ok_or_else(|| invalid(400, "data is required"))?;
    match data.get("format") {
        None => Ok("json"),
        Some(Value::String(format)) => Ok(format),
        Some(_) => Err(invalid(400, "data.format must be a string")),
    }
}

/// The resource path of source parameters.
pub fn resource_path(params: Option<&Value>) -> Result<String, Reply> {
    let path = params.and_then(|params| params.get("resourcePath")).and_then(Value::as_str);
    match path {
        Some(path) if specs::RESOURCES.contains(&path) => Ok(path.to_owned()),
        Some(path) => {
            Err(invalid(400, format!("params.resourcePath [{path}] is not one of {:?}", specs::RESOURCES)))
        }
        None => Err(invalid(400, "params.resourcePath is required")),
    }
}

/// What still uses a connection; `Ok` when nothing does.
pub fn check_unused(ctx: &Context<'_>, kind: Kind, id: &str) -> Result<(), Reply> {
    let field = match kind {
        Kind::Connection => return check_base_unused(ctx, id),
        Kind::SourceConnection => "sourceConnectionIds",
        Kind::TargetConnection => "targetConnectionIds",
        Kind::Flow | Kind::Run => return Ok(()),
    };
    let flows = users(ctx, Kind::Flow, |flow| flow.texts(field).any(|used| used == id));
    if flows.is_empty() { Ok(()) } else { Err(error(1447, format!("Flows {flows} still contain [{id}]"))) }
}

fn check_base_unused(ctx: &Context<'_>, id: &str) -> Result<(), Reply> {
    let sources: Vec<&str> = ctx
        .store
        .all(Kind::SourceConnection)
        .filter(|source| source.text("baseConnectionId") == id)
        .map(|source| source.id.as_str())
        .collect();
    let flows =
        users(ctx, Kind::Flow, |flow| flow.texts("sourceConnectionIds").any(|used| sources.contains(&used)));
    if !flows.is_empty() {
        return Err(error(
            1418,
            format!("Base connection [{id}] is used by flows {flows}; delete the flows first"),
        ));
    }
    if !sources.is_empty() {
        let sources = sources.join(", ");
        return Err(error(1418, format!("Base connection [{id}] is used by source connections [{sources}]")));
    }
    Ok(())
}

fn users(ctx: &Context<'_>, kind: Kind, uses: impl Fn(&Entity) -> bool) -> String {
    let ids: Vec<&str> =
        ctx.store.all(kind).filter(|entity| uses(entity)).map(|entity| entity.id.as_str()).collect();
    if ids.is_empty() { String::new() } else { format!("[{}]", ids.join(", ")) }
}

/// The connection that a flow's one id names.
pub fn only<'a>(
    ctx: &'a Context<'_>,
    body: &Map<String, Value>,
    field: &str,
    kind: Kind,
) -> Result<&'a Entity, Reply> {
    let ids = body.get(field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let [Value::String(id)] = ids else {
        return Err(invalid(400, format!("{field} must hold exactly one id")));
    };
    let found = ctx.store.get(kind, id).filter(|entity| !entity.hidden);
    found.ok_or_else(|| {
        let Reply { body, .. } = not_found(kind.collection(), id);
        let detail = body.and_then(|body| body["errorMessage"].as_str().map(str::to_owned));
        error(1101, detail.unwrap_or_default())
    })
}
