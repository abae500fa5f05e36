//! What the API accepts and refuses, as a table: replayed on the rules in the CRDs and on a real API server.
//!
//! A case is a change of a plain object of its kind, written as a JSON merge patch of its spec (null removes
//! a field), and what must come of it. Nothing here evaluates anything.

mod base_connection;
mod flow;
mod mapping;
mod source_connection;

use serde_json::{Value, json};

/// One object, or one update, and what must come of it.
pub struct Case {
    /// What the case shows.
    pub name: String,
    /// The kind.
    pub kind: &'static str,
    /// The object, without a name.
    pub object: Value,
    /// The object before, for an update.
    pub old: Option<Value>,
    /// What must come of it.
    pub expected: Expected,
}

/// What must come of a case.
#[derive(Debug, Clone, Copy)]
pub enum Expected {
    /// It is stored.
    Accepted,
    /// A rule refuses it, with a message that contains this.
    Refused(&'static str),
    /// The schema refuses it (type, bound, enum, list key), with a message that contains this. Only an API
    /// server checks that.
    RefusedBySchema(&'static str),
}

/// All cases.
pub fn all() -> Vec<Case> {
    [base_connection::cases(), source_connection::cases(), mapping::cases(), flow::cases()]
        .into_iter()
        .flatten()
        .collect()
}

/// A text of `length` characters.
pub fn text(length: usize) -> String {
    "x".repeat(length)
}

/// The cases of one kind.
struct Table {
    kind: &'static str,
    plain: Value,
    cases: Vec<Case>,
}

impl Table {
    /// A table around a plain spec, which is accepted itself.
    fn new(kind: &'static str, plain: Value) -> Self {
        let mut table = Self { kind, plain, cases: Vec::new() };
        table.create("a plain object", json!({}), Expected::Accepted);
        table
    }

    /// A plain object with `change` is created.
    fn create(&mut self, name: &str, change: Value, expected: Expected) {
        let object = self.object(&[change]);
        self.push(name, object, None, expected);
    }

    /// Several changes of a plain object that fare alike.
    fn create_each(&mut self, name: &str, changes: impl IntoIterator<Item = Value>, expected: Expected) {
        for change in changes {
            self.create(&format!("{name}: {change:.60}"), change, expected);
        }
    }

    /// A plain object with `before` is updated with `change`.
    fn update(&mut self, name: &str, before: Value, change: Value, expected: Expected) {
        let old = self.object(std::slice::from_ref(&before));
        let object = self.object(&[before, change]);
        self.push(name, object, Some(old), expected);
    }

    /// The same with a status.
    fn update_in_use(
        &mut self,
        name: &str,
        status: &Value,
        before: Value,
        change: Value,
        expected: Expected,
    ) {
        self.update(name, before, change, expected);
        if let Some(case) = self.cases.last_mut() {
            case.object["status"] = status.clone();
            if let Some(old) = &mut case.old {
                old["status"] = status.clone();
            }
        }
    }

    /// What exists may be named by `adopt`, and nothing else may; an id in status that fits no longer keeps nobody from going on.
    fn adopted(&mut self, role: &str, owned: &str, adopt: &Value, message: &'static str) {
        let external = |id: &str| json!({"external": [{"role": role, "id": id, "organization": "A@AdobeOrg", "sandbox": "dev"}]});
        let (its, another) = (external(owned), external("another"));
        self.update_in_use("adopt names what exists", &its, json!({}), adopt.clone(), Expected::Accepted);
        self.update_in_use(
            "adopt names another",
            &another,
            json!({}),
            adopt.clone(),
            Expected::Refused(message),
        );
        let description = json!({"description": "new"});
        self.update_in_use("adopt named another", &another, adopt.clone(), description, Expected::Accepted);
        self.update_in_use("adopt goes", &another, adopt.clone(), json!({"adopt": null}), Expected::Accepted);
    }

    /// A required field may neither change nor go; an update that leaves it alone passes.
    fn immutable(&mut self, what: &str, change: Value, message: &'static str) {
        self.update(&format!("{what} is kept"), json!({}), json!({"description": "new"}), Expected::Accepted);
        self.update(&format!("{what} changes"), json!({}), change, Expected::Refused(message));
    }

    fn object(&self, changes: &[Value]) -> Value {
        let mut spec = self.plain.clone();
        for change in changes {
            json_patch::merge(&mut spec, change);
        }
        json!({"apiVersion": "ingestion.aep-operator.io/v1alpha1", "kind": self.kind, "spec": spec})
    }

    fn push(&mut self, name: &str, object: Value, old: Option<Value>, expected: Expected) {
        let name = format!("{}: {name}", self.kind);
        self.cases.push(Case { name, kind: self.kind, object, old, expected });
    }

    /// What the kinds share: display name, description and policies.
    fn common(&mut self) {
        use Expected::{Accepted, Refused, RefusedBySchema};
        self.create(
            "name, description and policies",
            json!({"displayName": "Stripe EU (charges)", "description": "For finance.\nSee the wiki.\n",
                   "deletionPolicy": "Retain", "driftPolicy": "Report"}),
            Accepted,
        );
        self.create("the longest name", json!({"displayName": text(200)}), Accepted);
        self.create(
            "a name too long",
            json!({"displayName": text(201)}),
            RefusedBySchema("may not be more than 200"),
        );
        self.create("an empty name", json!({"displayName": ""}), RefusedBySchema("displayName"));
        self.create_each(
            "a name that upstream would trim or break",
            [" a", "a ", "a\nb", " "].map(|name| json!({"displayName": name})),
            Refused("must be one line"),
        );
        self.create_each(
            "text that looks like the marker",
            [
                json!({"displayName": "x [aep-operator/v1 a/flow/1 dev c/n/m]"}),
                json!({"description": "fine\n[aep-operator/v2 …]"}),
            ],
            Refused("ownership marker: remove it"),
        );
        self.create(
            "a description too long",
            json!({"description": text(1001)}),
            RefusedBySchema("description"),
        );
        self.create(
            "an unknown policy",
            json!({"deletionPolicy": "Keep"}),
            RefusedBySchema("deletionPolicy"),
        );
        self.create(
            "another unknown policy",
            json!({"driftPolicy": "correct"}),
            RefusedBySchema("driftPolicy"),
        );
        self.update("a new name", json!({"displayName": "a"}), json!({"displayName": "b"}), Accepted);
        self.update("the name goes", json!({"displayName": "a"}), json!({"displayName": null}), Accepted);
    }
}
