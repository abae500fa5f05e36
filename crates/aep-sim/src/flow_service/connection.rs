//! Base connections: creation, `/test`, `/explore`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::entity::{Entity, Kind};
use super::errors::{error, invalid, not_found};
use super::{Answer, Context, specs};
use crate::keys::StripeKey;
use crate::wire::Reply;

/// The parameters of Stripe's auth spec that are secret.
const SECRETS: &[&str] = &["accessToken", "refreshToken", "clientSecret"];

/// Makes a connection from a request body.
pub fn create(ctx: &Context<'_>, body: &Map<String, Value>) -> Result<Entity, Reply> {
    let spec = specs::check(body.get("connectionSpec"), specs::is_connection_spec)?;
    if spec != specs::STRIPE {
        return Err(invalid(400, format!("connection spec [{spec}] takes no base connection here")));
    }
    let mut fields = ctx.texts(body)?;
    fields.insert("connectionSpec".to_owned(), json!({"id": spec, "version": specs::VERSION}));
    fields.insert("state".to_owned(), json!("enabled"));
    let auth = body.get("auth");
    let auth_spec = auth.and_then(|auth| auth.get("specName")).and_then(Value::as_str);
    if auth_spec != Some(specs::AUTH_SPEC) {
        let named = auth_spec.unwrap_or_default();
        return Err(error(1415, format!("auth spec [{named}] does not exist for connection spec [{spec}]")));
    }
    let mut entity = Entity::new(Kind::Connection, ctx.caller, ctx.now_ms, fields);
    entity.doc.insert("auth".to_owned(), json!({"specName": specs::AUTH_SPEC}));
    set_credentials(ctx, &mut entity, auth.and_then(|auth| auth.get("params")))?;
    Ok(entity)
}

/// Replaces all credentials of a connection; only a digest of the key stays.
pub fn set_credentials(ctx: &Context<'_>, entity: &mut Entity, params: Option<&Value>) -> Result<(), Reply> {
    let params = params.and_then(Value::as_object);
    let token = params.and_then(|params| params.get("accessToken")).and_then(Value::as_str);
    let (Some(params), Some(token)) = (params, token.filter(|token| !token.is_empty())) else {
        return Err(invalid(400, "auth.params.accessToken is required"));
    };
    let key = StripeKey::new(token);
    if ctx.switches.verify_key_on_create && !ctx.keys.works(&key, ctx.switches) {
        return Err(error(1100, "The source refused the credentials"));
    }
    entity.key = Some(key);
    let is_secret = |name: &String| SECRETS.contains(&name.as_str());
    entity.secret_names = params.keys().filter(|name| is_secret(name)).cloned().collect();
    let shown: Map<String, Value> = params
        .iter()
        .filter(|(name, _)| !is_secret(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let auth = entity.doc.entry("auth").or_insert_with(|| json!({"specName": specs::AUTH_SPEC}));
    auth["params"] = Value::Object(shown);
    Ok(())
}

fn visible<'a>(ctx: &'a Context<'_>, id: &str) -> Result<&'a Entity, Reply> {
    let entity = ctx.store.get_at(Kind::Connection, id, ctx.now_ms - ctx.switches.get_lag_ms);
    entity.filter(|entity| !entity.hidden && !ctx.role_lost).ok_or_else(|| not_found("connections", id))
}

/// `GET /connections/{id}/test`: 200 either way.
pub fn test(ctx: &Context<'_>, id: &str) -> Answer {
    let entity = visible(ctx, id)?;
    let works = entity.key.as_ref().is_some_and(|key| ctx.keys.works(key, ctx.switches));
    Ok(Reply::json(200, json!({"result": works})))
}

/// `GET /connections/{id}/explore`: the schema of one Stripe resource.
pub fn explore(ctx: &Context<'_>, id: &str) -> Answer {
    let entity = visible(ctx, id)?;
    for (name, wanted) in [("objectType", "rest"), ("object", "json")] {
        let given = ctx.call.query(name).unwrap_or_default();
        if !given.eq_ignore_ascii_case(wanted) {
            return Err(error(1451, format!("{name} must be {wanted} for this source, not [{given}]")));
        }
    }
    let resource = source_params(ctx.call.query("sourceParams"))?;
    let account = entity.key.as_ref().and_then(|key| ctx.keys.account(key, ctx.switches));
    let account = account.ok_or_else(|| error(1100, "The source refused the credentials"))?;
    match account.explore(&resource, ctx.switches.explore) {
        Some(schema) => Ok(Reply::json(200, schema)),
        None => Err(error(1451, format!("The source has no resource path [{resource}]"))),
    }
}

/// The resource path in base64-encoded source parameters.
fn source_params(encoded: Option<&str>) -> Result<String, Reply> {
    let encoded = encoded.ok_or_else(|| error(1451, "sourceParams is required"))?;
    // A plus that was not percent-encoded arrives as a blank.
    let json = STANDARD.decode(encoded.replace(' ', "+")).ok();
    let params = json.and_then(|json| serde_json::from_slice::<Value>(&json).ok());
    let path = params.as_ref().and_then(|params| params.get("resourcePath")).and_then(Value::as_str);
    path.map(str::to_owned)
        .ok_or_else(|| error(1451, "sourceParams must be base64 of a JSON object with a resourcePath"))
}

/// `GET /connections/{id}/configs`: nothing to configure for Stripe.
pub fn configs(ctx: &Context<'_>, id: &str) -> Answer {
    visible(ctx, id)?;
    Ok(Reply::json(200, json!({"items": []})))
}
