//! One object, handled as a person in Adobe's UI or the service itself would.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, body, inventory, ok, refuse};
use crate::faults::Edit;
use crate::flow_service::entity::{Outcome, Transition, TransitionEnd};
use crate::incoming::Incoming;
use crate::track;
use crate::wire::Reply;
use crate::world::World;

/// The client id of Adobe's UI.
const UI: &str = "exc_app";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Change {
    /// A JSON Patch of the document, free of the service's rules.
    #[serde(default)]
    patch: Vec<Value>,
    /// Whose change it is; by default the UI's.
    client: Option<String>,
    /// Gives or takes an access label that all callers lack.
    hidden: Option<bool>,
    /// Puts it into a state, for some time or for good.
    state: Option<String>,
    /// How long that state lasts.
    state_for_ms: Option<i64>,
    /// Top-level members of an object of Schema Registry, Catalog or Data Prep.
    #[serde(default)]
    set: serde_json::Map<String, Value>,
    /// A new etag without any change.
    #[serde(default)]
    touch: bool,
    /// What the next runs of a flow come to.
    #[serde(default)]
    outcomes: Vec<Outcome>,
}

/// `GET`, `POST` or `DELETE /_sim/objects/{id}`.
pub fn object(world: &mut World, call: &Incoming, id: &str, now_ms: i64) -> Answer {
    let Some((org, sandbox, kind)) = world.find(id) else { return in_lake(world, call, id, now_ms) };
    let keep_ms = world.state.switches.list_lag_ms.max(world.state.switches.get_lag_ms);
    if call.method == "DELETE" {
        let seq = world.journal.last_seq();
        if let Some(space) = world.space(&org, &sandbox) {
            space.store.keep_ms = keep_ms;
            space.store.remove(kind, id, now_ms);
        }
        world.unmark(&org, id, seq, now_ms);
        return Ok(Reply::empty(204));
    }
    let space = world.space(&org, &sandbox).ok_or_else(|| refuse(404, "no such sandbox"))?;
    if call.method == "POST" {
        let change: Change = body(call)?;
        let mut entity = space.store.copy(kind, id).ok_or_else(|| refuse(404, "no such object"))?;
        if let Some(hidden) = change.hidden {
            space.store.amend(kind, id, |entity| entity.hidden = hidden);
            entity.hidden = hidden;
        }
        if !change.outcomes.is_empty() {
            let plan = entity.plan.as_mut().ok_or_else(|| refuse(400, "only a published flow has runs"))?;
            plan.outcomes.clone_from(&change.outcomes);
            space.store.amend(kind, id, |entity| entity.plan.clone_from(&Some(plan.clone())));
        }
        if let Some(state) = &change.state {
            let back = entity.state().map(str::to_owned);
            entity.set_state(Some(state));
            entity.transition = change
                .state_for_ms
                .map(|for_ms| Transition { until_ms: now_ms + for_ms, outcome: TransitionEnd::State(back) });
        }
        edit(&mut entity.doc, &change.patch, change.client.as_deref())?;
        if change.touch || change.state.is_some() || !change.patch.is_empty() {
            space.store.keep_ms = keep_ms;
            space.store.write(entity, now_ms);
        }
    }
    let entity = space.store.get(kind, id).ok_or_else(|| refuse(404, "no such object"))?;
    Ok(ok(json!({"summary": inventory::of_entity(entity), "doc": entity.doc})))
}

/// An object of Schema Registry, Catalog or Data Prep.
fn in_lake(world: &mut World, call: &Incoming, id: &str, now_ms: i64) -> Answer {
    let missing = || refuse(404, "no such object");
    let (org, sandbox) = world.find_in_lake(id).ok_or_else(missing)?;
    let space = world.space(&org, &sandbox).ok_or_else(missing)?;
    match call.method.as_str() {
        "DELETE" => {
            space.lake.lose(id);
            let seq = world.journal.last_seq();
            world.unmark(&org, &track::plain(id), seq, now_ms);
            return Ok(Reply::empty(204));
        }
        "POST" => {
            let change: Change = body(call)?;
            space.lake.tamper(id, &Value::Object(change.set), now_ms);
        }
        _ => {}
    }
    let found = space.lake.inventory();
    let summary = found.as_array().into_iter().flatten().find(|object| object["id"] == id);
    Ok(ok(json!({"summary": summary})))
}

/// An edit by somebody else of the object that a call names. An edit that does not fit the object is left out.
pub fn edit_named(world: &mut World, call: &Incoming, change: &Edit, now_ms: i64) {
    let Some((id, (org, sandbox, kind))) =
        call.path.split('/').find_map(|part| world.find(part).map(|place| (part, place)))
    else {
        return;
    };
    let keep_ms = world.state.switches.list_lag_ms.max(world.state.switches.get_lag_ms);
    let Some(space) = world.space(&org, &sandbox) else { return };
    let Some(mut entity) = space.store.copy(kind, id) else { return };
    if edit(&mut entity.doc, &change.patch, change.client.as_deref()).is_ok() {
        space.store.keep_ms = keep_ms;
        space.store.write(entity, now_ms);
    }
}

fn edit(
    doc: &mut serde_json::Map<String, Value>,
    patch: &[Value],
    client: Option<&str>,
) -> Result<(), Reply> {
    if patch.is_empty() {
        return Ok(());
    }
    let patch: json_patch::Patch =
        serde_json::from_value(Value::Array(patch.to_vec())).map_err(|why| refuse(400, why.to_string()))?;
    let mut value = Value::Object(doc.clone());
    json_patch::patch(&mut value, &patch).map_err(|why| refuse(400, why.to_string()))?;
    if let Value::Object(mut fields) = value {
        let client = client.unwrap_or(UI);
        fields.insert("updatedClient".to_owned(), json!(client));
        fields.insert("updatedBy".to_owned(), json!(format!("{client}@AdobeID")));
        *doc = fields;
    }
    Ok(())
}
