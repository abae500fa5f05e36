//! What a test reads of a world, and what others do to it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{KINDS, World, text};
use crate::support::objects;
use crate::support::world::condition;

/// The path of an object at the simulator's controls; ids of Schema Registry are URLs.
pub fn path_of(id: &str) -> String {
    format!("/objects/{}", id.replace(':', "%3A").replace('/', "%2F"))
}

impl World {
    /// Every call that Adobe has seen: method and endpoint.
    pub fn calls(&self) -> Vec<String> {
        let entries = self.sim.journal(0);
        let calls = entries.iter().filter(|entry| entry.kind == "call");
        calls.map(|entry| format!("{} {}", entry.method, entry.endpoint)).collect()
    }

    /// How often Adobe saw a call.
    pub fn count(&self, call: &str) -> usize {
        self.calls().iter().filter(|seen| *seen == call).count()
    }

    /// Calls that may have changed something at Adobe.
    pub fn upstream_writes(&self) -> Vec<String> {
        let reads = ["GET ", "POST /ims", "POST /mappingSets/validate"];
        self.calls().into_iter().filter(|call| !reads.iter().any(|read| call.starts_with(read))).collect()
    }

    /// How many calls have changed something at Adobe: a probe for a hidden object is refused.
    pub(super) fn applied_writes(&self) -> usize {
        let entries = self.sim.journal(0);
        let is_write = |call: &&str| *call != "GET" && *call != "HEAD";
        let applied =
            entries.iter().filter(|entry| entry.kind == "call" && entry.status.is_none_or(|it| it < 300));
        applied.filter(|entry| is_write(&entry.method.as_str())).count()
    }

    /// POSTs that create objects.
    pub fn creating_posts(&self) -> Vec<String> {
        self.upstream_writes()
            .into_iter()
            .filter(|call| call.starts_with("POST ") && !call.ends_with("/action"))
            .collect()
    }

    /// The ids of everything upstream.
    pub fn ids(&self) -> BTreeSet<String> {
        self.all_upstream().iter().map(|object| text(object, "/id")).collect()
    }

    /// Everything upstream.
    pub fn all_upstream(&self) -> Vec<Value> {
        let (_, inventory) = self.sim.control("GET", "/inventory", &Value::Null);
        inventory["objects"].as_array().cloned().unwrap_or_default()
    }

    /// Everything of one kind upstream.
    pub fn inventory(&self, kind: &str) -> Vec<Value> {
        self.all_upstream().into_iter().filter(|object| object["kind"] == kind).collect()
    }

    /// How many live objects carry the marker of each owner and role.
    pub fn owned(&self) -> BTreeMap<(String, String), usize> {
        let mut owned = BTreeMap::new();
        for object in self.all_upstream() {
            for marker in object["markers"].as_array().into_iter().flatten() {
                let word = |member: &str| marker[member].as_str().unwrap_or_default().to_owned();
                *owned.entry((word("uid"), word("role"))).or_default() += 1;
            }
        }
        owned
    }

    /// Everything upstream whose marker says that it plays a role.
    pub fn playing(&self, role: &str) -> Vec<Value> {
        let mut objects = self.all_upstream();
        objects.retain(|object| {
            object["markers"].as_array().into_iter().flatten().any(|marker| marker["role"] == role)
        });
        objects
    }

    /// The stored document of the upstream object that plays a role.
    pub fn upstream(&self, role: &str) -> Value {
        let id = self.playing(role).first().map(|object| text(object, "/id")).unwrap_or_default();
        self.sim.control("GET", &path_of(&id), &Value::Null).1
    }

    /// The id of the object that plays a role, as the status of its owner names it.
    pub fn id_of(&self, role: &str) -> String {
        let objects = KINDS.iter().flat_map(|kind| self.api.list(kind));
        let external =
            objects.flat_map(|object| object["status"]["external"].as_array().cloned().unwrap_or_default());
        let mut ids =
            external.filter(|external| external["role"] == role).map(|external| text(&external, "/id"));
        ids.next().unwrap_or_default()
    }

    /// Edits the upstream object that plays a role, as a person in Adobe's UI would.
    pub fn edit_upstream(&self, role: &str, patch: &Value) {
        let id = text(&self.upstream(role), "/summary/id");
        let (status, answer) = self.sim.control("POST", &path_of(&id), &json!({ "patch": patch }));
        assert_eq!(status, 200, "{answer}");
    }

    /// Sets members of an object of Schema Registry, Data Prep or Catalog, as another person would.
    pub fn set_in_the_lake(&self, id: &str, members: &Value) {
        let (status, answer) = self.sim.control("POST", &path_of(id), &json!({ "set": members }));
        assert_eq!(status, 200, "{answer}");
    }

    /// New charges, created now.
    pub fn pay(&self, count: usize) {
        let seed = json!({ "stripe": [{ "resource": "charges", "count": count }] });
        assert_eq!(self.sim.control("POST", "/seed", &seed).0, 201);
    }

    /// How often each Stripe id was ingested, into all datasets.
    pub fn rows(&self) -> BTreeMap<String, u64> {
        let (_, rows) = self.sim.control("GET", "/rows", &Value::Null);
        let datasets = rows[objects::ORGANIZATION]["dev"].as_object().cloned().unwrap_or_default();
        let mut counts = BTreeMap::new();
        for (id, times) in datasets.values().flat_map(|rows| rows.as_object().into_iter().flatten()) {
            *counts.entry(id.clone()).or_default() += times.as_u64().unwrap_or_default();
        }
        counts
    }

    /// Moments at which two live objects carried one marker.
    pub fn violations(&self) -> Vec<Value> {
        let (_, answer) = self.sim.control("GET", "/violations", &Value::Null);
        answer["violations"].as_array().cloned().unwrap_or_default()
    }

    /// Plans a fault of the simulator.
    pub fn fault(&self, fault: &Value) {
        let (status, answer) = self.sim.control("POST", "/faults", fault);
        assert_eq!(status, 201, "{answer}");
    }

    /// Changes switches of the simulator.
    pub fn switches(&self, change: &Value) {
        let (status, answer) = self.sim.control("PATCH", "/switches", change);
        assert_eq!(status, 200, "{answer}");
    }

    /// Takes back all faults that are planned.
    pub fn no_faults(&self) {
        let (status, answer) = self.sim.control("DELETE", "/faults", &Value::Null);
        assert!((200..300).contains(&status), "{answer}");
    }

    /// Changes the state of the sandbox, or resets it.
    pub fn set_sandbox(&self, change: &Value) {
        let path = format!("/sandboxes/{}/dev", objects::ORGANIZATION);
        let (status, answer) = self.sim.control("POST", &path, change);
        assert_eq!(status, 200, "{answer}");
    }

    /// A condition of the object that is named after its resource.
    pub fn condition(&self, kind: &str, type_: &str) -> Value {
        let object = self.api.get(kind, "charges").unwrap_or_default();
        condition(&object, type_).unwrap_or_default()
    }

    /// Every status, without what differs from run to run.
    pub fn statuses(&self) -> BTreeMap<String, Value> {
        let objects = KINDS.iter().flat_map(|kind| self.api.list(kind));
        objects.map(|object| (text(&object, "/kind"), timeless(object["status"].clone()))).collect()
    }
}

/// A status without ids, etags, hashes of them, times, and what the runs of the flow have come to since.
fn timeless(mut status: Value) -> Value {
    const OWN: [&str; 14] = [
        "id",
        "etag",
        "state",
        "appliedHash",
        "credentialsHash",
        "schemaId",
        "effectiveStartTime",
        "lastRun",
        "lastSuccess",
        "consecutiveFailures",
        "lastTransitionTime",
        "hash",
        "message",
        "lastApproved",
    ];
    if let Some(conditions) = status["conditions"].as_array_mut() {
        conditions.retain(|condition| condition["type"] != "RunsHealthy");
        conditions.sort_by_key(|condition| condition["type"].to_string());
    }
    strip(&mut status, &OWN);
    status
}

fn strip(value: &mut Value, names: &[&str]) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| !names.contains(&name.as_str()));
            members.values_mut().for_each(|member| strip(member, names));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| strip(item, names)),
        _ => {}
    }
}
