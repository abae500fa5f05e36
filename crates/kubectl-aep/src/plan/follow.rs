//! What follows the first write, by the operator's own plan over what is upstream now.

use std::collections::{BTreeMap, BTreeSet};

use aep_operator::api::policy::DriftPolicy;
use aep_operator::api::role::Role;
use aep_operator::api::{APPROVE, INTENT};
use aep_operator::controller::Context;
use aep_operator::controller::adoption::lines;
use aep_operator::controller::managed::{External, Managed, Shape};
use aep_operator::controller::upstream::{self, Object};
use aep_operator::domain::adoption::adopted;
use aep_operator::domain::intent::Intent;
use aep_operator::domain::outcome::Obstacle;
use aep_operator::domain::plan::{ClaimState, Facts, RoleFacts, Standing, Step, plan};
use kube::ResourceExt;

use super::Call;
use crate::reach::Refused;

/// The calls for an object of which nothing exists upstream yet, or nothing can be seen.
pub fn creations<K: Managed>(object: &K) -> Vec<Call> {
    let known = external(object);
    let missing = object.roles().into_iter().filter(|role| !known.contains_key(role));
    steps(missing.map(|role| fact(role, Standing::Unsent)).collect(), &known)
}

/// The calls that bring upstream, as it is now, to what the object asks for.
pub async fn following<K: Managed>(cx: &Context, object: &K) -> Result<Vec<Call>, Obstacle> {
    let refs = object.resolve(cx).await?;
    let desired = object.desired(&refs)?;
    let external = external(object);
    let mut objects: BTreeMap<Role, Object> = BTreeMap::new();
    for (role, known) in &external {
        let version = upstream::version_of(Some(known));
        if let Some(mut read) = upstream::read(K::site(&refs), *role, &known.id, version).await? {
            object.complete(&refs, *role, &mut read).await?;
            objects.insert(*role, read);
        }
    }
    let uid = object.uid().unwrap_or_default();
    let intent = Intent::read(object.annotations().get(INTENT).map(String::as_str), &uid);
    let shape = Shape {
        refs: &refs,
        desired: &desired,
        external: &external,
        adopted: &adopted(intent.as_ref(), external.values()),
        unsaid: object.unsaid(),
        patched: &BTreeSet::new(),
        created: &BTreeSet::new(),
        uid: &uid,
        owner: cx.owner(&object.namespace().unwrap_or_default(), &object.name_any()),
        intent: intent.as_ref(),
        objects: &objects,
        run: None,
        lost: &BTreeMap::new(),
        now: cx.now(),
        approval: object.annotations().get(APPROVE).map(String::as_str),
    };
    let standing = |role: Role| match objects.get(&role) {
        Some(read) => Standing::Owned { drift: object.drift(&shape, role, read) },
        None if external.contains_key(&role) => Standing::owned(),
        None => Standing::Unsent,
    };
    Ok(steps(object.roles().into_iter().map(|role| fact(role, standing(role))).collect(), &external))
}

fn external<K: Managed>(object: &K) -> External {
    let common = object.status().map(K::common);
    common.into_iter().flat_map(|common| &common.external).map(|known| (known.role, known.clone())).collect()
}

fn fact(role: Role, standing: Standing) -> RoleFacts {
    RoleFacts { role, standing, keep: false }
}

/// Asks the plan for its next step again and again, as if each had been taken.
fn steps(roles: Vec<RoleFacts>, external: &External) -> Vec<Call> {
    let mut facts = Facts {
        deleting: false,
        claim: ClaimState::Fresh,
        roles,
        // What spec changes is always applied.
        drift_policy: DriftPolicy::Correct,
        misplaced: false,
        replacement: None,
        former: None,
    };
    let mut calls = Vec::new();
    // Each step ends with one role in place, so there are no more than there are roles.
    for _ in 0..facts.roles.len() {
        let (Step::Create(role) | Step::Update(role)) = plan(&facts) else { break };
        let Some(fact) = facts.roles.iter_mut().find(|fact| fact.role == role) else { break };
        let standing = std::mem::replace(&mut fact.standing, Standing::owned());
        let (action, differences) = match &standing {
            Standing::Owned { drift } => (update(role), lines(drift)),
            _ => ("create", Vec::new()),
        };
        let id = external.get(&role).map(|known| known.id.clone());
        calls.push(Call { action, role, id, request: None, differences });
    }
    calls
}

/// A mapping set is changed by PUT, everything else by PATCH.
fn update(role: Role) -> &'static str {
    if role == Role::MappingSet { "put" } else { "patch" }
}

/// The writes that were seen, each with what is known of its role, and the rest.
pub fn joined(refused: &[Refused], mut following: Vec<Call>) -> Vec<Call> {
    let seen: Vec<Call> = refused.iter().filter_map(|write| seen(write, &mut following)).collect();
    seen.into_iter().chain(following).collect()
}

/// A write that was seen; what was foreseen of it is taken from `following`.
fn seen(write: &Refused, following: &mut Vec<Call>) -> Option<Call> {
    let (role, id) = target(&write.path)?;
    let action = action(&write.method, id.is_some());
    let foreseen = following.iter().position(|call| call.role == role);
    // A creation beside an object that exists is another one: the trial of a new key, or the new one of a replacement.
    let is_another = action == "create" && foreseen.is_some_and(|at| following[at].action != "create");
    let told = foreseen.filter(|_| !is_another).map(|at| following.remove(at));
    Some(Call {
        action,
        role: if is_another && role == Role::Connection { Role::Probe } else { role },
        // A path holds some ids encoded; a creation beside an object has none.
        id: told.as_ref().and_then(|told| told.id.clone()).or(id),
        request: Some(format!("{} {}", write.method, write.path)),
        differences: told.map(|told| told.differences).unwrap_or_default(),
    })
}

fn action(method: &str, exists: bool) -> &'static str {
    match method {
        // A flow is enabled and disabled by a POST below it.
        "POST" if exists => "action",
        "POST" => "create",
        "PUT" => "put",
        "DELETE" => "delete",
        _ => "patch",
    }
}

/// The role and the id that a path is about.
fn target(path: &str) -> Option<(Role, Option<String>)> {
    let mut segments = path.split('/');
    let role = segments.by_ref().find_map(|segment| match segment {
        "connections" => Some(Role::Connection),
        "sourceConnections" => Some(Role::SourceConnection),
        "targetConnections" => Some(Role::TargetConnection),
        "flows" => Some(Role::Flow),
        "mappingSets" => Some(Role::MappingSet),
        "fieldgroups" => Some(Role::FieldGroup),
        // A descriptor is a part of its schema.
        "schemas" | "descriptors" => Some(Role::Schema),
        "dataSets" => Some(Role::Dataset),
        _ => None,
    })?;
    Some((role, segments.next().map(str::to_owned)))
}

#[cfg(test)]
mod tests {
    use aep_operator::domain::drift::Drift;

    use super::*;

    fn drifted() -> Standing {
        Standing::Owned { drift: Drift::default().field("schedule.interval", 6, 1) }
    }

    #[test]
    fn creations_and_changes_come_in_the_order_of_the_plan() {
        let roles = vec![
            fact(Role::Dataset, Standing::owned()),
            fact(Role::TargetConnection, Standing::Unsent),
            fact(Role::Flow, drifted()),
        ];
        let calls = steps(roles, &External::new());
        let mut told: Vec<_> = calls.iter().map(|call| (call.role, call.action)).collect();
        told.sort_unstable();
        assert_eq!(told, [(Role::TargetConnection, "create"), (Role::Flow, "patch")]);
        let flow = calls.iter().find(|call| call.role == Role::Flow).expect("the flow");
        assert_eq!(flow.differences, ["schedule.interval: 6 (upstream: 1)"]);
    }

    #[test]
    fn a_write_that_was_seen_takes_its_differences_from_the_plan_and_comes_first() {
        let refused =
            Refused { method: "PATCH".into(), path: "/data/foundation/flowservice/flows/f-1".into() };
        let following =
            steps(vec![fact(Role::MappingSet, drifted()), fact(Role::Flow, drifted())], &External::new());
        let calls = joined(&[refused], following);
        assert_eq!(calls.len(), 2);
        assert_eq!((calls[0].role, calls[0].id.as_deref()), (Role::Flow, Some("f-1")));
        assert_eq!(calls[0].request.as_deref(), Some("PATCH /data/foundation/flowservice/flows/f-1"));
        assert!(!calls[0].differences.is_empty());
        assert_eq!((calls[1].role, calls[1].action, &calls[1].request), (Role::MappingSet, "put", &None));
    }

    #[test]
    fn the_trial_of_a_new_key_comes_before_the_change_and_does_not_hide_it() {
        let refused =
            Refused { method: "POST".into(), path: "/data/foundation/flowservice/connections".into() };
        let calls = joined(&[refused], steps(vec![fact(Role::Connection, drifted())], &External::new()));
        let told: Vec<_> = calls.iter().map(|call| (call.action, call.role)).collect();
        assert_eq!(told, [("create", Role::Probe), ("patch", Role::Connection)]);
    }

    #[test]
    fn a_flow_that_is_disabled_is_not_created() {
        let path = "/data/foundation/flowservice/flows/f-1/action".to_owned();
        let refused = Refused { method: "POST".into(), path };
        let calls = joined(&[refused], steps(vec![fact(Role::Flow, drifted())], &External::new()));
        let told: Vec<_> = calls.iter().map(|call| (call.action, call.id.as_deref())).collect();
        assert_eq!(told, [("action", Some("f-1"))]);
    }

    #[test]
    fn a_creation_that_was_not_foreseen_is_shown_all_the_same() {
        let refused =
            Refused { method: "POST".into(), path: "/data/foundation/flowservice/connections".into() };
        let calls = joined(&[refused], Vec::new());
        assert_eq!((calls[0].action, calls[0].role, &calls[0].id), ("create", Role::Connection, &None));
    }
}
