//! Events: transitions only, with reasons from a closed list. The note of an event never decides anything.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tracing::debug;

use super::{Cluster, Kind, within_deadline};
use crate::api::condition::Reason;

/// Longest note that the API server takes, in bytes.
const NOTE_LIMIT: usize = 1024;

#[derive(Clone)]
pub(super) struct Publisher(Recorder);

impl Publisher {
    pub(super) fn new(client: Client, instance: Option<String>) -> Self {
        Self(Recorder::new(client, Reporter { controller: "aep-operator".to_owned(), instance }))
    }
}

/// Whether somebody should look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// For information.
    Normal,
    /// Somebody should look.
    Warning,
}

impl Cluster {
    /// Publishes an event about an object. A failure is logged only: an event is never worth a retry, and in a terminating
    /// namespace the API server refuses all of them.
    pub async fn publish<K: Kind>(&self, object: &K, severity: Severity, reason: Reason, note: &str) {
        let reference: ObjectReference = object.object_ref(&());
        let event = Event {
            type_: match severity {
                Severity::Normal => EventType::Normal,
                Severity::Warning => EventType::Warning,
            },
            reason: reason.as_str().to_owned(),
            note: Some(cut(note).to_owned()),
            action: action(note),
            secondary: None,
        };
        if let Err(error) = within_deadline(self.events.0.publish(&event, &reference)).await {
            debug!(%error, reason = event.reason, "event not published");
        }
    }
}

/// The recorder takes what has one action and one reason for repetitions of one event, and goes on showing the first note. Each note
/// says something of its own here, so each gets an action of its own.
fn action(note: &str) -> String {
    let mut digest = DefaultHasher::new();
    note.hash(&mut digest);
    format!("Reconcile-{:016x}", digest.finish())
}

fn cut(note: &str) -> &str {
    let mut end = note.len().min(NOTE_LIMIT);
    while !note.is_char_boundary(end) {
        end -= 1;
    }
    &note[..end]
}
