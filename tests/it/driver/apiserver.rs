//! An API server in memory, with the rules that the operator's safety rests on: resource versions as compare-and-set, generations,
//! finalizers, defaults from the CRDs. No admission rules and no field ownership: status has one writer here.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use aep_operator::api::{GROUP, all_crds};
use base64::Engine as _;
use serde_json::{Map, Value, json};

/// The one namespace of a test.
pub const NAMESPACE: &str = "payments";

/// Plural and name.
type Key = (String, String);

/// One request of a client.
#[derive(Debug)]
pub struct Request<'a> {
    /// The HTTP method.
    pub method: &'a str,
    /// The path.
    pub path: &'a str,
    /// The decoded query.
    pub query: &'a [(String, String)],
    /// Whether only metadata was asked for.
    pub metadata_only: bool,
    /// The body.
    pub body: Value,
}

/// Status and body of an answer.
pub type Answer = (u16, Value);

/// The API server. Clones share one state.
#[derive(Clone)]
pub struct ApiServer(Arc<Mutex<Store>>);

#[derive(Default)]
struct Store {
    objects: BTreeMap<Key, Value>,
    version: u64,
    uids: u64,
    history: Vec<(Key, Value)>,
    writes: Vec<String>,
    /// Reason and note.
    events: Vec<(String, String)>,
}

/// The schemas of the four kinds, by plural.
static SCHEMAS: LazyLock<BTreeMap<String, Value>> = LazyLock::new(|| {
    let schemas = all_crds().into_iter().map(|crd| {
        let schema = crd.spec.versions.into_iter().next().and_then(|version| version.schema);
        let schema = schema.and_then(|schema| schema.open_api_v3_schema);
        (crd.spec.names.plural, serde_json::to_value(schema).unwrap_or_default())
    });
    schemas.collect()
});

impl ApiServer {
    /// A server that serves the four kinds and holds nothing.
    pub fn new() -> Self {
        Self(Arc::default())
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Creates an object, or replaces its spec, as a user would.
    pub fn apply(&self, object: &Value) {
        let key = (plural(text(object, "/kind")), text(object, "/metadata/name").to_owned());
        self.store().apply(&key, object);
    }

    /// Deletes an object, as a user would.
    pub fn delete(&self, kind: &str, name: &str) {
        self.store().delete(&(plural(kind), name.to_owned()));
    }

    /// Sets an annotation, as a user would.
    pub fn annotate(&self, kind: &str, name: &str, annotation: &str, value: &str) {
        self.edit_metadata(kind, name, &json!({ "annotations": { annotation: value } }));
    }

    /// The notes of all events with a reason.
    pub fn events(&self, reason: &str) -> Vec<String> {
        let store = self.store();
        store.events.iter().filter(|event| event.0 == reason).map(|event| event.1.clone()).collect()
    }

    /// Changes an object's metadata by a merge patch, as a user would.
    pub fn edit_metadata(&self, kind: &str, name: &str, patch: &Value) {
        let key = (plural(kind), name.to_owned());
        let mut store = self.store();
        let Some(mut object) = store.objects.get(&key).cloned() else { return };
        json_patch::merge(&mut object, &json!({ "metadata": patch }));
        store.write(&key, object);
    }

    /// An object as it stands.
    pub fn get(&self, kind: &str, name: &str) -> Option<Value> {
        self.store().objects.get(&(plural(kind), name.to_owned())).cloned()
    }

    /// All objects of a kind.
    pub fn list(&self, kind: &str) -> Vec<Value> {
        let plural = plural(kind);
        let store = self.store();
        store.objects.iter().filter(|(key, _)| key.0 == plural).map(|(_, object)| object.clone()).collect()
    }

    /// Every version that an object ever had, the oldest first.
    pub fn history(&self, kind: &str, name: &str) -> Vec<Value> {
        let key = (plural(kind), name.to_owned());
        self.store().history.iter().filter(|(of, _)| *of == key).map(|(_, object)| object.clone()).collect()
    }

    /// The resource version of the last write: any change moves it.
    pub fn version(&self) -> u64 {
        self.store().version
    }

    /// Accepted writes of clients, events left out.
    pub fn writes(&self) -> Vec<String> {
        self.store().writes.clone()
    }

    /// Answers a client.
    pub fn handle(&self, request: &Request<'_>) -> Answer {
        let parts: Vec<&str> = request.path.split('/').filter(|part| !part.is_empty()).collect();
        let mut store = self.store();
        let answer = match parts.as_slice() {
            ["apis", "events.k8s.io", "v1", ..] => {
                let word = |member: &str| text(&request.body, member).to_owned();
                store.events.push((word("/reason"), word("/note")));
                Ok(request.body.clone())
            }
            ["apis", "apiextensions.k8s.io", "v1", _, name] => Ok(json!({ "metadata": { "name": name } })),
            ["api", "v1", "namespaces", name] => Ok(json!({ "metadata": { "name": name, "uid": "uid-ns" } })),
            ["apis", GROUP, _, "namespaces", NAMESPACE, plural]
            | ["apis", GROUP, _, plural]
            | ["api", "v1", "namespaces", NAMESPACE, plural] => Ok(store.list(plural, request)),
            ["apis", GROUP, _, "namespaces", NAMESPACE, plural, name, rest @ ..]
            | ["api", "v1", "namespaces", NAMESPACE, plural, name, rest @ ..] => store.one(
                &((*plural).to_owned(), (*name).to_owned()),
                rest.first() == Some(&"status"),
                request,
            ),
            _ => Err((404, "NotFound", format!("nothing is served at {}", request.path))),
        };
        match answer {
            Ok(body) if request.metadata_only && body.get("items").is_none() => (200, metadata_of(&body)),
            Ok(body) => (200, body),
            Err((code, reason, message)) => (
                code,
                json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": message, "code": code }),
            ),
        }
    }
}

type Refusal = (u16, &'static str, String);

impl Store {
    fn apply(&mut self, key: &Key, wanted: &Value) {
        let mut object = match self.objects.get(key) {
            Some(standing) => standing.clone(),
            None => self.newborn(wanted),
        };
        match wanted.get("stringData").and_then(Value::as_object) {
            Some(data) => object["data"] = encoded(data),
            None => object["spec"] = wanted["spec"].clone(),
        }
        if let Some(schema) = SCHEMAS.get(&key.0) {
            fill_defaults(&mut object, schema);
        }
        self.write(key, object);
    }

    fn newborn(&mut self, wanted: &Value) -> Value {
        self.uids += 1;
        json!({
            "apiVersion": wanted["apiVersion"],
            "kind": wanted["kind"],
            "metadata": {
                "name": wanted["metadata"]["name"],
                "namespace": NAMESPACE,
                "uid": format!("uid-{}", self.uids),
                "generation": 1,
                "creationTimestamp": "2026-01-01T00:00:00Z",
            },
        })
    }

    fn delete(&mut self, key: &Key) {
        let Some(mut object) = self.objects.get(key).cloned() else { return };
        if object.pointer("/metadata/deletionTimestamp").is_none() {
            object["metadata"]["deletionTimestamp"] = json!(aep_operator::clock::now().to_string());
            let generation = object["metadata"]["generation"].as_i64().unwrap_or_default();
            object["metadata"]["generation"] = json!(generation + 1);
        }
        self.write(key, object);
    }

    /// Stores an object if it differs. One that is being deleted goes with its last finalizer.
    fn write(&mut self, key: &Key, mut object: Value) -> Value {
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.retain(|_, value| !value.as_array().is_some_and(Vec::is_empty));
        }
        let before = self.objects.get(key);
        let has = |member: &str| object["metadata"].get(member).is_some();
        if has("deletionTimestamp") && !has("finalizers") {
            self.version += 1;
            self.objects.remove(key);
            return object;
        }
        if before == Some(&object) {
            return object;
        }
        if before.is_some_and(|before| before["spec"] != object["spec"]) {
            let generation = object["metadata"]["generation"].as_i64().unwrap_or_default();
            object["metadata"]["generation"] = json!(generation + 1);
        }
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.history.push((key.clone(), object.clone()));
        self.objects.insert(key.clone(), object.clone());
        object
    }

    fn list(&self, plural: &str, request: &Request<'_>) -> Value {
        let selector = request.query.iter().find(|(name, _)| name == "fieldSelector");
        let selected = |object: &Value| {
            selector.is_none_or(|(_, selector)| {
                let (field, value) = selector.split_once('=').unwrap_or_default();
                text(object, &format!("/{}", field.replace('.', "/"))) == value
            })
        };
        let of_kind = self.objects.iter().filter(|(key, _)| key.0 == plural).map(|(_, object)| object);
        let items: Vec<&Value> = of_kind.filter(|object| selected(object)).collect();
        json!({ "metadata": { "resourceVersion": self.version.to_string() }, "items": items })
    }

    fn one(&mut self, key: &Key, status: bool, request: &Request<'_>) -> Result<Value, Refusal> {
        let (plural, name) = key;
        let Some(object) = self.objects.get(key).cloned() else {
            return Err((404, "NotFound", format!("{plural} {name} not found")));
        };
        match request.method {
            "GET" => Ok(object),
            "PATCH" => {
                let wanted = text(&request.body, "/metadata/resourceVersion");
                if !wanted.is_empty() && wanted != text(&object, "/metadata/resourceVersion") {
                    return Err((409, "Conflict", format!("{plural} {name} has been modified")));
                }
                let mut changed = object.clone();
                if status {
                    changed["status"] = request.body["status"].clone();
                } else {
                    json_patch::merge(&mut changed, &json!({ "metadata": request.body["metadata"] }));
                }
                if changed != object {
                    self.writes.push(format!("{plural}/{name}{}", if status { "/status" } else { "" }));
                }
                Ok(self.write(key, changed))
            }
            method => Err((405, "MethodNotAllowed", format!("{method} is not served"))),
        }
    }
}

fn metadata_of(object: &Value) -> Value {
    json!({ "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": object["metadata"] })
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn plural(kind: &str) -> String {
    format!("{}s", kind.to_ascii_lowercase())
}

fn encoded(data: &Map<String, Value>) -> Value {
    let encode =
        |value: &Value| base64::engine::general_purpose::STANDARD.encode(value.as_str().unwrap_or_default());
    data.iter().map(|(key, value)| (key.clone(), json!(encode(value)))).collect::<Map<_, _>>().into()
}

/// Structural defaulting: a member that is absent gets the schema's default, at every level that exists.
fn fill_defaults(value: &mut Value, schema: &Value) {
    if let (Some(object), Some(properties)) = (value.as_object_mut(), schema["properties"].as_object()) {
        for (name, property) in properties {
            if !object.contains_key(name)
                && let Some(default) = property.get("default")
            {
                object.insert(name.clone(), default.clone());
            }
            if let Some(member) = object.get_mut(name) {
                fill_defaults(member, property);
            }
        }
    }
    if let Some(items) = value.as_array_mut() {
        items.iter_mut().for_each(|item| fill_defaults(item, &schema["items"]));
    }
}
