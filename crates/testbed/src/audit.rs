//! The API server's audit log, read as what happened: who did what to which object, with which answer.
//!
//! The policy of the control plane logs our kinds, Secrets, Events, Leases, namespaces and CRDs at level Metadata, so no body and no
//! secret is in it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use serde::Deserialize;

/// One request that the API server has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// `create`, `update`, `patch`, `delete`, `deletecollection`, `get`, `list` or `watch`.
    pub verb: String,
    /// The user, for a service account `system:serviceaccount:<namespace>:<name>`.
    pub user: String,
    /// The plural name of the resource.
    pub resource: String,
    /// The API group, empty for the core group.
    pub group: String,
    /// Empty unless a subresource such as `status` was meant.
    pub subresource: String,
    /// Empty for cluster-wide requests.
    pub namespace: String,
    /// Empty for requests that name no object.
    pub name: String,
    /// The HTTP status of the answer.
    pub code: u16,
    /// One id per request.
    pub audit_id: String,
    /// When the request arrived.
    pub time: Timestamp,
    /// What the client calls itself.
    pub user_agent: String,
    /// Path and query of the request.
    pub uri: String,
}

impl AuditEvent {
    /// Whether the request asks for a change.
    pub fn is_write(&self) -> bool {
        matches!(self.verb.as_str(), "create" | "update" | "patch" | "delete" | "deletecollection")
    }

    /// Whether the API server did what was asked.
    pub fn succeeded(&self) -> bool {
        (200..300).contains(&self.code)
    }
}

/// The events of an audit log, in the order of their answers.
#[derive(Clone, Debug, Default)]
pub struct AuditLog {
    events: Vec<AuditEvent>,
}

impl AuditLog {
    /// Reads the log as it stands. A line that is being written is left out, and a long-running request counts once.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the audit log {}", PathBuf::from(path).display()))?;
        Ok(Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let mut seen = std::collections::HashSet::new();
        let events = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Line>(line).ok())
            .map(AuditEvent::from)
            .filter(|event| seen.insert(event.audit_id.clone()))
            .collect();
        Self { events }
    }

    /// The events.
    pub fn events(&self) -> &[AuditEvent] {
        &self.events
    }

    /// The events for which `keep` holds, as a log of their own.
    #[must_use]
    pub fn filter(&self, keep: impl Fn(&AuditEvent) -> bool) -> Self {
        Self { events: self.events.iter().filter(|event| keep(event)).cloned().collect() }
    }

    /// The events of one user.
    #[must_use]
    pub fn by(&self, user: &str) -> Self {
        self.filter(|event| event.user == user)
    }

    /// The writes of one user.
    #[must_use]
    pub fn writes_by(&self, user: &str) -> Self {
        self.filter(|event| event.user == user && event.is_write())
    }

    /// The events on one resource, by its plural name.
    #[must_use]
    pub fn on(&self, resource: &str) -> Self {
        self.filter(|event| event.resource == resource)
    }

    /// The events on one object.
    #[must_use]
    pub fn on_object(&self, resource: &str, namespace: &str, name: &str) -> Self {
        self.filter(|event| event.resource == resource && event.namespace == namespace && event.name == name)
    }

    /// The events of one namespace.
    #[must_use]
    pub fn in_namespace(&self, namespace: &str) -> Self {
        self.filter(|event| event.namespace == namespace)
    }

    /// The requests that arrived at or after a time.
    #[must_use]
    pub fn since(&self, time: Timestamp) -> Self {
        self.filter(|event| event.time >= time)
    }

    /// The requests that were answered with 403: rights that are missing.
    #[must_use]
    pub fn forbidden(&self) -> Self {
        self.filter(|event| event.code == 403)
    }

    /// How many events there are.
    pub fn count(&self) -> usize {
        self.events.len()
    }
}

/// One line of the log, with the fields that are of use.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    #[serde(rename = "auditID")]
    audit_id: String,
    verb: String,
    user: User,
    #[serde(default)]
    user_agent: String,
    #[serde(default, rename = "requestURI")]
    request_uri: String,
    #[serde(default)]
    object_ref: Object,
    #[serde(default)]
    response_status: Status,
    request_received_timestamp: Timestamp,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    username: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Object {
    resource: String,
    namespace: String,
    name: String,
    api_group: String,
    subresource: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    code: u16,
}

impl From<Line> for AuditEvent {
    fn from(line: Line) -> Self {
        Self {
            verb: line.verb,
            user: line.user.username,
            resource: line.object_ref.resource,
            group: line.object_ref.api_group,
            subresource: line.object_ref.subresource,
            namespace: line.object_ref.namespace,
            name: line.object_ref.name,
            code: line.response_status.code,
            audit_id: line.audit_id,
            time: line.request_received_timestamp,
            user_agent: line.user_agent,
            uri: line.request_uri,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: &str, stage: &str, verb: &str, user: &str) -> String {
        format!(
            r#"{{"kind":"Event","auditID":"{id}","stage":"{stage}","requestURI":"/x","verb":"{verb}","user":{{"username":"{user}"}},"objectRef":{{"resource":"secrets","namespace":"a","name":"s","apiVersion":"v1"}},"responseStatus":{{"metadata":{{}},"code":200}},"requestReceivedTimestamp":"2026-01-02T03:04:05.678901Z"}}"#
        )
    }

    #[test]
    fn a_watch_with_two_stages_counts_once() {
        let text = [line("1", "ResponseStarted", "watch", "u"), line("1", "ResponseComplete", "watch", "u")]
            .join("\n");
        assert_eq!(AuditLog::parse(&text).count(), 1);
    }

    #[test]
    fn only_the_writes_of_the_named_user_are_counted() {
        let text = [
            line("1", "ResponseComplete", "patch", "u"),
            line("2", "ResponseComplete", "get", "u"),
            line("3", "ResponseComplete", "patch", "other"),
        ]
        .join("\n");
        let log = AuditLog::parse(&text);
        assert_eq!(log.writes_by("u").on_object("secrets", "a", "s").count(), 1);
        assert!(log.events()[0].succeeded());
    }

    #[test]
    fn a_line_that_is_cut_is_left_out() {
        let whole = line("1", "ResponseComplete", "patch", "u");
        let text = format!("{whole}\n{}", &whole[..40]);
        assert_eq!(AuditLog::parse(&text).count(), 1);
    }
}
