//! The journal: every call, in the order of arrival, without secrets.

use std::collections::VecDeque;

use serde::Serialize;
use serde_json::Value;

use crate::incoming::Incoming;
use crate::secret;

/// One line of the journal.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Its number, from 1.
    pub seq: u64,
    /// Arrival in virtual time.
    pub virtual_ms: i64,
    /// Arrival in real time.
    pub real_ms: i64,
    /// `call`, or the name of an event of the simulator itself.
    pub kind: &'static str,
    /// The method.
    pub method: String,
    /// The path as sent.
    pub path: String,
    /// The decoded query.
    pub query: String,
    /// The service.
    pub service: &'static str,
    /// The endpoint template.
    pub endpoint: String,
    /// The status answered; absent when no answer was given.
    pub status: Option<u16>,
    /// The error code of the answer, such as `1425-400`.
    pub code: Option<String>,
    /// Whether the call reached its service.
    pub executed: bool,
    /// The request id.
    pub request_id: Option<String>,
    /// The caller's client id.
    pub client: Option<String>,
    /// The organisation.
    pub org: Option<String>,
    /// The sandbox.
    pub sandbox: Option<String>,
    /// The `If-Match` header.
    pub if_match: Option<String>,
    /// The request body, masked.
    pub body: Option<Value>,
    /// Ids in the answer to a create.
    pub created: Option<String>,
    /// The faults that struck.
    pub fault: Option<String>,
}

/// All lines that are kept.
#[derive(Debug, Clone)]
pub struct Journal {
    entries: VecDeque<Entry>,
    last_seq: u64,
    capacity: usize,
}

impl Journal {
    /// An empty journal that goes on after a number.
    pub fn new(capacity: usize, last_seq: u64) -> Self {
        Self { entries: VecDeque::new(), last_seq, capacity }
    }

    /// The number of the last line.
    pub fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// Notes the arrival of a call and gives its number.
    pub fn begin(&mut self, call: &Incoming, virtual_ms: i64, real_ms: i64) -> u64 {
        let header = |name: &str| call.header(name).map(str::to_owned);
        self.push(Entry {
            seq: 0,
            virtual_ms,
            real_ms,
            kind: "call",
            method: call.method.to_string(),
            path: call.path.clone(),
            query: secret::mask_query(&call.query),
            service: call.service.name(),
            endpoint: call.endpoint(),
            status: None,
            code: None,
            executed: false,
            request_id: header("x-request-id"),
            client: header("x-api-key"),
            org: header("x-gw-ims-org-id"),
            sandbox: header("x-sandbox-name"),
            if_match: header("if-match"),
            body: secret::mask_body(&call.headers, &call.body),
            created: None,
            fault: None,
        })
    }

    /// Notes something that the simulator did by itself.
    pub fn event(&mut self, kind: &'static str, virtual_ms: i64, real_ms: i64, body: Value) {
        self.push(Entry {
            seq: 0,
            virtual_ms,
            real_ms,
            kind,
            method: String::new(),
            path: String::new(),
            query: String::new(),
            service: "simulator",
            endpoint: String::new(),
            status: None,
            code: None,
            executed: true,
            request_id: None,
            client: None,
            org: None,
            sandbox: None,
            if_match: None,
            body: Some(body),
            created: None,
            fault: None,
        });
    }

    fn push(&mut self, mut entry: Entry) -> u64 {
        self.last_seq += 1;
        entry.seq = self.last_seq;
        if self.entries.len() >= self.capacity.max(1) {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
        self.last_seq
    }

    /// Changes a line that is still kept.
    pub fn update(&mut self, seq: u64, change: impl FnOnce(&mut Entry)) {
        let first = self.entries.front().map_or(0, |entry| entry.seq);
        let index = seq.checked_sub(first).and_then(|index| usize::try_from(index).ok());
        if let Some(entry) = index.and_then(|index| self.entries.get_mut(index)) {
            change(entry);
        }
    }

    /// The lines after a number.
    pub fn since(&self, seq: u64) -> impl Iterator<Item = &Entry> {
        let start = self.entries.partition_point(|entry| entry.seq <= seq);
        self.entries.range(start..)
    }

    /// Forgets all lines; numbers go on.
    pub fn clear(&mut self) {
        self.entries.clear();
    }
}
