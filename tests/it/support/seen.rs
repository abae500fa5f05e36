//! What the simulator tells of the calls it has seen and of the objects it holds.

use serde_json::Value;

/// A call that the simulator has seen.
#[derive(Debug, Clone)]
pub struct Call {
    /// `POST /connections`, with the endpoint template.
    pub line: String,
    /// The method.
    pub method: String,
    /// The endpoint template.
    pub endpoint: String,
    /// The decoded query.
    pub query: String,
    /// The status answered.
    pub status: u64,
    /// The organisation; a call for a token has none.
    pub org: Option<String>,
    /// Arrival in real time, in epoch milliseconds.
    pub real_ms: i64,
}

impl Call {
    pub(super) fn from_entry(entry: &Value) -> Self {
        let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        Self {
            line: format!("{} {}", text("method"), text("endpoint")),
            method: text("method"),
            endpoint: text("endpoint"),
            query: text("query"),
            status: entry["status"].as_u64().unwrap_or_default(),
            org: entry["org"].as_str().map(str::to_owned),
            real_ms: entry["realMs"].as_i64().unwrap_or_default(),
        }
    }

    /// Whether the call creates an object of Flow Service or a mapping set.
    pub fn is_creating_post(&self) -> bool {
        let collections =
            ["/connections", "/sourceConnections", "/targetConnections", "/flows", "/mappingSets"];
        self.method == "POST" && collections.contains(&self.endpoint.as_str())
    }
}

/// An upstream object in the simulator's inventory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Upstream {
    /// The collection, in Adobe's spelling.
    pub kind: String,
    /// The id.
    pub id: String,
    /// The owner's UID and the role, from the marker.
    pub owner: Option<(String, String)>,
}

impl Upstream {
    pub(super) fn from_entry(entry: &Value) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let marker = &entry["markers"][0];
        Self {
            kind: text(&entry["kind"]).unwrap_or_default(),
            id: text(&entry["id"]).unwrap_or_default(),
            owner: text(&marker["uid"]).zip(text(&marker["role"])),
        }
    }
}
