//! Seeding: what others have in a shared sandbox, copies and twins made on purpose, and new Stripe records.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Answer, refuse};
use crate::flow_service::entity::{Entity, Kind};
use crate::flow_service::specs;
use crate::wire::{Caller, Reply};
use crate::world::{Space, World};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Seed {
    /// The organisation; by default the first.
    org: Option<String>,
    /// The sandbox; by default the first of the organisation.
    sandbox: Option<String>,
    /// The client that made the objects; by default Adobe's UI.
    client: Option<String>,
    /// So many base connections with one source connection each.
    #[serde(default)]
    foreign_connections: u32,
    /// So many flows to a destination, which is no Stripe source.
    #[serde(default)]
    destination_flows: u32,
    /// Single objects.
    #[serde(default)]
    objects: Vec<Single>,
    /// Objects of Schema Registry, Catalog and Data Prep, stored as given.
    #[serde(default)]
    lake: Vec<InLake>,
    /// New Stripe records.
    #[serde(default)]
    stripe: Vec<Records>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct InLake {
    /// `schemas`, `fieldgroups`, `classes`, `datatypes`, `descriptors`, `dataSets` or `mappingSets`.
    kind: String,
    /// The body as in a POST.
    body: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Single {
    /// The collection; not needed with `copyOf`.
    collection: Option<String>,
    /// An object to copy, with another id and no runs.
    copy_of: Option<String>,
    /// Members of the document, over those copied.
    #[serde(default)]
    fields: Map<String, Value>,
    /// Whether it counts like an object made by a caller when duplicates are looked for.
    #[serde(default)]
    counts: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Records {
    /// The account; by default `default`.
    account: Option<String>,
    /// The resource, such as `charges`.
    resource: String,
    /// When they were created; by default now.
    created_ms: Option<i64>,
    /// How many.
    count: usize,
}

/// `POST /_sim/seed`. Answers with the ids of what it made.
pub fn seed(world: &mut World, value: &Value, now_ms: i64) -> Answer {
    let seed: Seed = serde_json::from_value(value.clone()).map_err(|why| refuse(400, why.to_string()))?;
    for records in &seed.stripe {
        let account = records.account.as_deref().unwrap_or("default");
        let account = world.state.keys.account_mut(account).ok_or_else(|| refuse(404, "no such account"))?;
        account.add(&records.resource, records.created_ms.unwrap_or(now_ms), records.count);
    }
    let caller = caller(world, &seed)?;
    let space = world.space(&caller.org, &caller.sandbox).ok_or_else(|| refuse(404, "no such sandbox"))?;
    let mut made = Vec::new();
    for number in 0..seed.foreign_connections {
        made.extend(foreign_connection(space, &caller, now_ms, number));
    }
    for number in 0..seed.destination_flows {
        let flow = destination_flow(&caller, now_ms, number);
        made.push(write(space, flow, now_ms));
    }
    for object in &seed.lake {
        made.push(in_lake(space, &caller, now_ms, object)?);
    }
    let mut counted = Vec::new();
    for single in &seed.objects {
        let entity = single_object(space, &caller, now_ms, single)?;
        if single.counts {
            counted.push((entity.id.clone(), json!([entity.text("name"), entity.text("description")])));
        }
        made.push(write(space, entity, now_ms));
    }
    let seq = world.journal.last_seq();
    for (id, texts) in counted {
        world.mark(&caller.org, &id, &crate::marker::in_value(&texts), seq, now_ms);
    }
    Ok(Reply::json(201, json!({"ids": made})))
}

fn caller(world: &World, seed: &Seed) -> Result<Caller, Reply> {
    let first = world.config.organisations.first().map(|organisation| organisation.org_id.clone());
    let org = seed.org.clone().or(first).unwrap_or_default();
    let organisation = world.organisation(&org).ok_or_else(|| refuse(404, "no such organisation"))?;
    let first = organisation.sandboxes.first().map(|sandbox| sandbox.name.clone());
    let sandbox = seed.sandbox.clone().or(first).unwrap_or_default();
    let space = world.state.spaces.get(&org).and_then(|spaces| spaces.get(&sandbox));
    let client_id = seed.client.clone().unwrap_or_else(|| "exc_app".to_owned());
    Ok(Caller {
        tenant: organisation.tenant.clone(),
        sandbox_id: space.map(|space| space.id.clone()).unwrap_or_default(),
        user: format!("{client_id}@AdobeID"),
        org,
        sandbox,
        client_id,
    })
}

fn write(space: &mut Space, mut entity: Entity, now_ms: i64) -> String {
    entity.seeded = true;
    let id = entity.id.clone();
    space.store.write(entity, now_ms);
    id
}

fn in_lake(space: &mut Space, caller: &Caller, now_ms: i64, object: &InLake) -> Result<String, Reply> {
    let (lake, body) = (&mut space.lake, &object.body);
    Ok(match object.kind.as_str() {
        "dataSets" => lake.seed_dataset(body, caller, now_ms),
        "mappingSets" => lake.seed_mapping_set(body, caller, now_ms),
        "descriptors" => lake.seed_descriptor(body, caller, now_ms),
        kind => {
            let made = lake.seed_resource(kind, body, caller, now_ms);
            made.ok_or_else(|| refuse(400, format!("no kind {kind}")))?
        }
    })
}

fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn foreign_connection(space: &mut Space, caller: &Caller, now_ms: i64, number: u32) -> [String; 2] {
    let spec = json!({"id": specs::STRIPE, "version": specs::VERSION});
    let base = fields(json!({"name": format!("Foreign Stripe {number}"), "description": "made by hand",
        "connectionSpec": spec, "state": "enabled", "auth": {"specName": specs::AUTH_SPEC, "params": {}}}));
    let mut base = Entity::new(Kind::Connection, caller, now_ms, base);
    base.secret_names = vec!["accessToken".to_owned()];
    let base_id = write(space, base, now_ms);
    let source = fields(json!({"name": format!("Foreign charges {number}"), "state": "enabled",
        "baseConnectionId": base_id, "connectionSpec": spec, "data": {"format": "json"},
        "params": {"resourcePath": "charges"},
        "inheritedAttributes": {"baseConnection": {"id": base_id, "connectionSpec": spec}}}));
    let source = Entity::new(Kind::SourceConnection, caller, now_ms, source);
    [base_id, write(space, source, now_ms)]
}

fn destination_flow(caller: &Caller, now_ms: i64, number: u32) -> Entity {
    let target =
        json!({"id": uuid::Uuid::new_v4(), "connectionSpec": {"id": specs::DESTINATION, "version": "1.0"}});
    let source =
        json!({"id": uuid::Uuid::new_v4(), "connectionSpec": {"id": specs::DATA_LAKE, "version": "1.0"}});
    let flow = json!({"name": format!("Destination {number}"), "state": "enabled",
        "flowSpec": {"id": specs::DESTINATION_FLOW, "version": "1.0"},
        "sourceConnectionIds": [source["id"]], "targetConnectionIds": [target["id"]],
        "inheritedAttributes": {"properties": {"isSourceFlow": false},
            "sourceConnections": [source], "targetConnections": [target]}});
    Entity::new(Kind::Flow, caller, now_ms, fields(flow))
}

fn single_object(space: &Space, caller: &Caller, now_ms: i64, single: &Single) -> Result<Entity, Reply> {
    let (kind, mut copied) = match (&single.copy_of, &single.collection) {
        (Some(id), _) => {
            let found = Kind::ALL.into_iter().find_map(|kind| space.store.get(kind, id));
            let original = found.ok_or_else(|| refuse(404, format!("no object {id} to copy")))?;
            (original.kind, original.clone())
        }
        (None, Some(collection)) => {
            let kind =
                Kind::of(collection).ok_or_else(|| refuse(400, format!("no collection {collection}")))?;
            (kind, Entity::new(kind, caller, now_ms, Map::new()))
        }
        (None, None) => return Err(refuse(400, "an object needs a collection or copyOf")),
    };
    let mut entity = Entity::new(kind, caller, now_ms, Map::new());
    for own in ["id", "createdAt", "updatedAt", "createdBy", "updatedBy", "createdClient", "updatedClient"] {
        copied.doc.shift_remove(own);
    }
    entity.doc.extend(std::mem::take(&mut copied.doc));
    entity.doc.extend(single.fields.clone());
    entity.key = copied.key;
    entity.secret_names = copied.secret_names;
    if let Some(id) = single.fields.get("id").and_then(Value::as_str) {
        id.clone_into(&mut entity.id);
    }
    Ok(entity)
}
