//! Minimal and sufficient: the rights that a rendering gives, and those that a whole life of the operator has used.
//!
//! The comparison is made where one operator walks through its whole life alone (see `lifecycle` and `namespaced`), so that what other
//! tests do at the same time cannot hide a rule that nobody needs.

use std::collections::BTreeSet;

use anyhow::Result;
use serde_json::Value;
use testbed::{AuditEvent, AuditLog, ControlPlane};

/// A verb on a resource, as `get secrets` or `patch ingestion.aep-operator.io/ingestionflows/status`.
type Right = String;

fn right(verb: &str, group: &str, resource: &str) -> Right {
    if group.is_empty() { format!("{verb} {resource}") } else { format!("{verb} {group}/{resource}") }
}

fn of_event(event: &AuditEvent) -> Right {
    let resource = match event.subresource.as_str() {
        "" => event.resource.clone(),
        subresource => format!("{}/{subresource}", event.resource),
    };
    right(&event.verb, &event.group, &resource)
}

/// Every right that an installation gives to the operator, by its roles in some namespaces and, without namespaces, in the cluster.
pub async fn given(plane: &ControlPlane, namespaces: &[&str]) -> Result<BTreeSet<Right>> {
    let mut given = BTreeSet::new();
    if namespaces.is_empty() {
        given.extend(of_roles(plane, "clusterroles,roles", "--all-namespaces").await?);
    }
    for namespace in namespaces {
        given.extend(of_roles(plane, "roles", &format!("--namespace={namespace}")).await?);
    }
    Ok(given)
}

async fn of_roles(plane: &ControlPlane, kinds: &str, scope: &str) -> Result<BTreeSet<Right>> {
    let ours = "--selector=app.kubernetes.io/name=aep-operator";
    let answer = plane.run_kubectl(["get", kinds, scope, ours, "--output=json"]).await?;
    let roles: Value = serde_json::from_str(&answer)?;
    let mut given = BTreeSet::new();
    for role in roles["items"].as_array().into_iter().flatten() {
        // Roles that join the cluster's own are for users.
        let labels = role["metadata"]["labels"].as_object();
        if labels.into_iter().flatten().any(|(name, _)| name.contains("/aggregate-to-")) {
            continue;
        }
        for rule in role["rules"].as_array().into_iter().flatten() {
            given.extend(of_rule(rule));
        }
    }
    Ok(given)
}

fn of_rule(rule: &Value) -> Vec<Right> {
    let words = |name: &str| -> Vec<String> {
        let list = rule[name].as_array().into_iter().flatten();
        list.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let (groups, resources, verbs) = (words("apiGroups"), words("resources"), words("verbs"));
    let mut rights = Vec::new();
    for group in &groups {
        for resource in &resources {
            rights.extend(verbs.iter().map(|verb| right(verb, group, resource)));
        }
    }
    rights
}

/// Every right that was used, and every right that was missing.
pub fn used_and_missing(log: &AuditLog) -> (BTreeSet<Right>, BTreeSet<Right>) {
    let (refused, allowed): (Vec<_>, Vec<_>) = log.events().iter().partition(|event| event.code == 403);
    let rights = |events: Vec<&AuditEvent>| events.into_iter().map(of_event).collect();
    (rights(allowed), rights(refused))
}
