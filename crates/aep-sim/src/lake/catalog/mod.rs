//! Catalog: data sets and batches of one sandbox.
//!
//! Answers are objects keyed by id, writes answer with `["@/dataSets/<id>"]`. Nothing checks whether a data set is used when
//! it is deleted; that is documented.

mod dataset;
mod filter;

use std::collections::BTreeMap;

use axum::http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::lake::registry::Registry;
use crate::lake::types::SchemaRef;
use crate::lake::{ids, patch};
use crate::switches::Switches;
use crate::wire::{Call, Caller, Reply};

/// Data sets and batches.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Catalog {
    datasets: BTreeMap<String, Map<String, Value>>,
    batches: BTreeMap<String, Map<String, Value>>,
    /// Order of creation, since ids do not tell it.
    order: Vec<String>,
}

/// What a request brings along.
pub(crate) struct Context<'a> {
    pub(crate) call: &'a Call,
    pub(crate) caller: &'a Caller,
    pub(crate) now_ms: i64,
    pub(crate) switches: &'a Switches,
    pub(crate) registry: &'a Registry,
}

/// What became of a batch, as its data set remembers it.
pub(crate) struct Batch<'a> {
    pub(crate) dataset: &'a str,
    pub(crate) success: bool,
    pub(crate) records: u64,
    pub(crate) failed: u64,
    pub(crate) errors: Vec<Value>,
    pub(crate) now_ms: i64,
}

/// The error envelope of the services whose bodies Adobe does not document.
pub(crate) fn problem(status: u16, title: &str, detail: impl Into<String>) -> Reply {
    let kind = format!("https://ns.adobe.com/aep/errors/catalog-{status}");
    Reply::json(status, json!({"type": kind, "title": title, "status": status, "detail": detail.into()}))
}

fn bad_request(detail: impl Into<String>) -> Reply {
    problem(400, "Bad Request", detail)
}

impl Catalog {
    /// Answers one call.
    pub(crate) fn handle(&mut self, context: &Context<'_>) -> Reply {
        let call = context.call;
        let segments = call.segments();
        let reply = match (&call.method, segments.as_slice()) {
            (&Method::GET, ["dataSets" | "datasets"]) => filter::list(context, self.in_order()),
            (&Method::POST, ["dataSets" | "datasets"]) => self.create(context),
            (&Method::GET, ["dataSets" | "datasets", ids]) => {
                Ok(filter::look_up(context, ids, &self.datasets))
            }
            (&Method::PUT, ["dataSets" | "datasets", id]) => self.replace(context, id),
            (&Method::PATCH, ["dataSets" | "datasets", id]) => self.patch(context, id),
            (&Method::PATCH, ["v2", "dataSets" | "datasets", id]) => self.merge(context, id),
            (&Method::DELETE, ["dataSets" | "datasets", id]) => Ok(self.delete(id)),
            (&Method::GET, ["batches"]) => filter::list(context, self.batches.iter()),
            (&Method::GET, ["batches", ids]) => Ok(filter::look_up(context, ids, &self.batches)),
            (_, ["dataSets" | "datasets" | "batches", ..]) => {
                Err(problem(405, "Method Not Allowed", "No such method here."))
            }
            _ => Err(problem(404, "Not Found", "The requested path does not exist.")),
        };
        reply.unwrap_or_else(|refused| refused)
    }

    fn in_order(&self) -> impl Iterator<Item = (&String, &Map<String, Value>)> {
        self.order.iter().filter_map(|id| Some((id, self.datasets.get(id)?)))
    }

    fn create(&mut self, context: &Context<'_>) -> Result<Reply, Reply> {
        let body = object(context.call)?;
        dataset::check(&body).map_err(bad_request)?;
        dataset::check_schema(&body, context.registry).map_err(bad_request)?;
        let behavior = dataset::behavior(&body, context.registry);
        let id = self.insert(&body, behavior, context.caller, context.now_ms);
        Ok(reference(201, &id).with_header("location", format!("/data/foundation/catalog/dataSets/{id}")))
    }

    fn insert(&mut self, body: &Map<String, Value>, behavior: &str, caller: &Caller, now_ms: i64) -> String {
        let id = ids::hex24();
        self.datasets.insert(id.clone(), dataset::new(&id, body, behavior, caller, now_ms));
        self.order.push(id.clone());
        id
    }

    fn replace(&mut self, context: &Context<'_>, id: &str) -> Result<Reply, Reply> {
        let body = object(context.call)?;
        let current = self.current(id)?;
        dataset::check(&body).map_err(bad_request)?;
        dataset::check_schema(&body, context.registry).map_err(bad_request)?;
        let next = dataset::replaced(current, &body);
        self.store(context, id, next)
    }

    fn patch(&mut self, context: &Context<'_>, id: &str) -> Result<Reply, Reply> {
        let call = context.call;
        let mut next = self.current(id)?.clone();
        let media =
            call.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default().trim();
        match media {
            "application/json-patch+json" => {
                let mut document = Value::Object(next);
                patch::apply(&call.body, &mut document).map_err(bad_request)?;
                let Value::Object(patched) = document else {
                    return Err(bad_request("A data set must stay an object."));
                };
                next = patched;
            }
            // A partial object replaces whole members: tags that it does not name are gone.
            "application/json" => next.extend(object(call)?),
            other => return Err(bad_request(format!("{other:?} is not a valid content-type."))),
        }
        self.store(context, id, next)
    }

    /// Version 2: members are merged at any depth, missing parents appear.
    fn merge(&mut self, context: &Context<'_>, id: &str) -> Result<Reply, Reply> {
        let call = context.call;
        let current = self.current(id)?;
        let version = dataset::etag(current);
        if call.header("if-match").is_some_and(|wanted| wanted != "*" && wanted.trim_matches('"') != version)
        {
            return Err(problem(412, "Precondition Failed", "The data set has another version."));
        }
        let mut document = Value::Object(current.clone());
        dataset::deep_merge(&mut document, Value::Object(object(call)?));
        let Value::Object(next) = document else {
            return Err(bad_request("A data set must stay an object."));
        };
        self.store(context, id, next)
    }

    fn store(&mut self, context: &Context<'_>, id: &str, next: Map<String, Value>) -> Result<Reply, Reply> {
        let current = self.current(id)?;
        dataset::check(&next).map_err(bad_request)?;
        let next = dataset::changed(current, next, context.caller, context.now_ms).map_err(bad_request)?;
        self.datasets.insert(id.to_owned(), next);
        Ok(reference(200, id))
    }

    fn delete(&mut self, id: &str) -> Reply {
        if self.lose(id) { reference(200, id) } else { Reply::json(200, json!([])) }
    }

    fn current(&self, id: &str) -> Result<&Map<String, Value>, Reply> {
        self.datasets.get(id).ok_or_else(|| filter::not_found(id))
    }

    /// Whether that data set exists.
    pub(crate) fn contains(&self, id: &str) -> bool {
        self.datasets.contains_key(id)
    }

    /// The schema of a data set.
    pub(crate) fn schema_ref(&self, id: &str) -> Option<SchemaRef> {
        dataset::schema_ref(self.datasets.get(id)?)
    }

    /// Schemas in use, with repetitions.
    pub(crate) fn schema_ids(&self) -> impl Iterator<Item = &str> {
        self.datasets.values().filter_map(|dataset| dataset.get("schemaRef")?.get("id")?.as_str())
    }

    /// Records a batch and returns its id.
    pub(crate) fn add_batch(&mut self, batch: &Batch<'_>) -> String {
        let id = ids::batch_id(batch.now_ms);
        if let Some(dataset) = self.datasets.get_mut(batch.dataset) {
            dataset::remember_batch(dataset, &id, batch.success);
            let entry = dataset::batch(dataset, batch);
            self.batches.insert(id.clone(), entry);
        }
        id
    }

    /// Stores a data set without judging it.
    pub(crate) fn seed(&mut self, body: &Value, caller: &Caller, now_ms: i64) -> String {
        let body = body.as_object().cloned().unwrap_or_default();
        self.insert(&body, "record", caller, now_ms)
    }

    /// Replaces members without judging them.
    pub(crate) fn tamper(&mut self, id: &str, changes: &Map<String, Value>, now_ms: i64) -> bool {
        let Some(dataset) = self.datasets.get_mut(id) else { return false };
        dataset.extend(changes.clone());
        dataset.insert("updated".into(), json!(now_ms));
        true
    }

    /// Removes a data set; `false` when there is none.
    pub(crate) fn lose(&mut self, id: &str) -> bool {
        self.order.retain(|known| known != id);
        self.datasets.remove(id).is_some()
    }

    /// Data sets for the inventory.
    pub(crate) fn inventory(&self) -> impl Iterator<Item = Value> {
        self.in_order().map(|(id, dataset)| {
            json!({
                "kind": "dataSets", "id": id, "name": dataset.get("name"), "description": dataset.get("description"),
                "tags": dataset.get("tags"), "schemaRef": dataset.get("schemaRef"),
            })
        })
    }
}

fn object(call: &Call) -> Result<Map<String, Value>, Reply> {
    match call.json() {
        Some(Value::Object(body)) => Ok(body),
        _ => Err(bad_request("The body must be a JSON object.")),
    }
}

fn reference(status: u16, id: &str) -> Reply {
    Reply::json(status, json!([format!("@/dataSets/{id}")]))
}
