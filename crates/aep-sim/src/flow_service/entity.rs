//! One object of Flow Service: the document as it goes over the wire, and what the service knows beside it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::keys::StripeKey;
use crate::switches::SecretMasking;
use crate::wire::Caller;

/// The kinds of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// A base connection.
    Connection,
    /// A source connection.
    SourceConnection,
    /// A target connection.
    TargetConnection,
    /// A dataflow.
    Flow,
    /// A run of a dataflow.
    Run,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 5] =
        [Self::Connection, Self::SourceConnection, Self::TargetConnection, Self::Flow, Self::Run];

    /// The collection in paths.
    pub fn collection(self) -> &'static str {
        match self {
            Self::Connection => "connections",
            Self::SourceConnection => "sourceConnections",
            Self::TargetConnection => "targetConnections",
            Self::Flow => "flows",
            Self::Run => "runs",
        }
    }

    /// The kind of a collection.
    pub fn of(collection: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.collection() == collection)
    }
}

/// A change of state that ends by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transition {
    /// When it ends.
    pub until_ms: i64,
    /// What then holds.
    pub outcome: TransitionEnd,
}

/// How a [`Transition`] ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum TransitionEnd {
    /// In a state; `None` is a draft's.
    State(Option<String>),
    /// With the change undone: the document before it, and why.
    Undone(Box<Map<String, Value>>),
    /// With the object gone.
    Gone,
}

/// What the engine knows of a flow.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The connection whose credentials the runs use.
    pub base_id: String,
    /// The Stripe resource: fixed when the flow is made, since later edits of the source connection do not reach it.
    pub resource: String,
    /// The data set, fixed likewise.
    pub dataset_id: String,
    /// When the next run starts; `None` when there is none.
    pub next_ms: Option<i64>,
    /// The end of the last successful window.
    pub cursor_ms: Option<i64>,
    /// How many runs have started.
    pub started: u64,
    /// The run in flight.
    pub running: Option<String>,
    /// What the next runs come to, if a test says so.
    pub outcomes: Vec<Outcome>,
}

/// A run's result that a test dictates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// What happens.
    pub result: RunResult,
    /// For how many runs; absent is one.
    #[serde(default = "one")]
    pub runs: u32,
    /// Another duration than the switch says.
    #[serde(default)]
    pub duration_ms: Option<i64>,
    /// The error code instead of the usual one.
    #[serde(default)]
    pub code: Option<String>,
    /// The error message instead of the usual one.
    #[serde(default)]
    pub message: Option<String>,
}

fn one() -> u32 {
    1
}

/// What a run comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RunResult {
    /// Whatever the data says.
    Natural,
    /// Stripe cannot be read.
    CopyFailure,
    /// The records cannot be written.
    PromotionFailure,
    /// Succeeds, with one failed record in four.
    FailedRecords,
    /// Never ends.
    Stuck,
}

/// An object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entity {
    /// Its id.
    pub id: String,
    /// Its kind.
    pub kind: Kind,
    /// The document as it goes over the wire, without secrets.
    pub doc: Map<String, Value>,
    /// The Stripe key of a connection.
    pub key: Option<StripeKey>,
    /// The names of the parameters that are secret.
    pub secret_names: Vec<String>,
    /// Hidden from callers by an access label that they lack.
    pub hidden: bool,
    /// Made by the service for a test, not by a caller.
    pub seeded: bool,
    /// A transition that runs.
    pub transition: Option<Transition>,
    /// What the engine knows of a flow.
    pub plan: Option<Plan>,
    /// The sequence number of its last write.
    pub order: u64,
}

impl Entity {
    /// When the engine must look at it next.
    pub fn wake_ms(&self) -> Option<i64> {
        let run = self.plan.as_ref().and_then(|plan| plan.next_ms);
        let transition = self.transition.as_ref().map(|transition| transition.until_ms);
        [run, transition].into_iter().flatten().min()
    }

    /// A new object; the store fills in etag and order when it is written.
    pub fn new(kind: Kind, caller: &Caller, now_ms: i64, fields: Map<String, Value>) -> Self {
        let id = uuid::Uuid::new_v4().to_string();
        let head = json!({
            "id": id, "createdAt": now_ms, "updatedAt": now_ms,
            "createdBy": caller.user, "updatedBy": caller.user,
            "createdClient": caller.client_id, "updatedClient": caller.client_id,
            "sandboxId": caller.sandbox_id, "sandboxName": caller.sandbox, "imsOrgId": caller.org,
        });
        let mut doc = match head {
            Value::Object(doc) => doc,
            _ => Map::new(),
        };
        doc.extend(fields);
        Self {
            id,
            kind,
            doc,
            key: None,
            secret_names: Vec::new(),
            hidden: false,
            seeded: false,
            transition: None,
            plan: None,
            order: 0,
        }
    }

    /// Its etag, with the quotes that belong to it.
    pub fn etag(&self) -> &str {
        self.text("etag")
    }

    /// A top-level text; empty when there is none.
    pub fn text(&self, name: &str) -> &str {
        self.doc.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// A top-level list of texts.
    pub fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        self.doc.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    /// The state; `None` for a draft.
    pub fn state(&self) -> Option<&str> {
        self.doc.get("state").and_then(Value::as_str)
    }

    /// Sets or removes the state.
    pub fn set_state(&mut self, state: Option<&str>) {
        match state {
            Some(state) => self.doc.insert("state".to_owned(), json!(state)),
            None => self.doc.shift_remove("state"),
        };
    }

    /// Notes who changed it. The store notes when.
    pub fn touched_by(&mut self, caller: &Caller) {
        self.doc.insert("updatedBy".to_owned(), json!(caller.user));
        self.doc.insert("updatedClient".to_owned(), json!(caller.client_id));
    }

    /// The document for an answer.
    pub fn render(&self, masking: SecretMasking) -> Value {
        let mut doc = self.doc.clone();
        let params =
            doc.get_mut("auth").and_then(|auth| auth.get_mut("params")).and_then(Value::as_object_mut);
        if let Some(params) = params {
            for name in &self.secret_names {
                let shown = match masking {
                    SecretMasking::Absent => continue,
                    SecretMasking::Stars => crate::secret::MASK.to_owned(),
                    SecretMasking::Ciphertext => uuid::Uuid::new_v4().simple().to_string(),
                };
                params.insert(name.clone(), json!(shown));
            }
        }
        Value::Object(doc)
    }
}
