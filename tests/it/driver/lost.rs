//! Answers that never come: after a POST that was executed, or was not, and while lists lag behind.

use serde_json::{Value, json};

use super::harness::{End, GRACE, Order, World};
use super::tape::Plan;
use crate::support::objects;

/// POSTs that create something, with service and endpoint.
const CREATES: [(&str, &str); 8] = [
    ("flowservice", "/connections"),
    ("flowservice", "/sourceConnections"),
    ("schemaregistry", "/tenant/fieldgroups"),
    ("schemaregistry", "/tenant/schemas"),
    ("conversion", "/mappingSets"),
    ("catalog", "/dataSets"),
    ("flowservice", "/targetConnections"),
    ("flowservice", "/flows"),
];

/// What becomes of the POST.
fn fates() -> [Value; 6] {
    [
        json!("dropAfterCommit"),
        json!("dropBeforeCommit"),
        json!("dropMidBody"),
        json!({ "statusAfterCommit": { "status": 502 } }),
        json!({ "status": { "status": 500 } }),
        json!("hangAfterCommit"),
    ]
}

async fn made_in_spite_of(endpoint: (&str, &str), fate: &Value, lag: u64) -> Result<(), String> {
    let world = World::with(&objects::chain("charges", "charges"));
    world.switches(&json!({ "listLagMs": lag }));
    let on = json!({ "service": endpoint.0, "method": "POST", "endpoint": endpoint.1 });
    world.fault(&json!({ "match": on, "action": fate }));
    let process = world.blank_process("p", Plan::Live);
    let end = world.run(&process, Order::ParentsFirst).await;
    let trace = |problem: String| format!("{problem}\n{}", world.trace().join("\n"));
    if let Err(problem) = end {
        return Err(trace(problem));
    }
    let (_, faults) = world.sim.control("GET", "/faults", &Value::Null);
    if faults["faults"][0]["reached"] != 1 {
        return Err(trace("the fault was never reached".to_owned()));
    }
    if !world.violations().is_empty() {
        return Err(trace(format!("two live objects with one marker: {:?}", world.violations())));
    }
    if world.owned().values().any(|count| *count != 1) || world.owned().len() != CREATES.len() {
        return Err(trace(format!("owned: {:?}", world.owned())));
    }
    no_second_post_within_the_grace(&world, endpoint.1).map_err(trace)
}

/// A POST whose outcome is unknown is not repeated before its absence is certain.
fn no_second_post_within_the_grace(world: &World, endpoint: &str) -> Result<(), String> {
    let entries = world.sim.journal(0);
    let posts: Vec<i64> = entries
        .iter()
        .filter(|entry| entry.method == "POST" && entry.endpoint == endpoint)
        .map(|entry| entry.virtual_ms)
        .collect();
    match posts.as_slice() {
        [_] => Ok(()),
        [first, second] if i128::from(second - first) >= GRACE.as_millis().cast_signed() => Ok(()),
        other => Err(format!("POSTs to {endpoint} at {other:?}")),
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_becomes_of_the_answer_to_a_post_one_object_is_made() {
    let mut failures = Vec::new();
    for endpoint in CREATES {
        for fate in fates() {
            if let Err(problem) = made_in_spite_of(endpoint, &fate, 0).await {
                failures.push(format!("POST {} {fate}: {problem}", endpoint.1));
            }
        }
    }
    super::report(&failures);
}

#[tokio::test(start_paused = true)]
async fn a_post_whose_answer_was_lost_is_found_again_although_lists_lag() {
    let mut failures = Vec::new();
    for endpoint in CREATES {
        for lag in [1_000, 60_000] {
            if let Err(problem) = made_in_spite_of(endpoint, &json!("dropAfterCommit"), lag).await {
                failures.push(format!("POST {} with a lag of {lag} ms: {problem}", endpoint.1));
            }
        }
    }
    super::report(&failures);
}

#[tokio::test(start_paused = true)]
async fn a_delete_whose_answer_was_lost_is_done_once_and_the_finalizer_goes() {
    for endpoint in ["/connections/{id}", "/sourceConnections/{id}", "/targetConnections/{id}", "/flows/{id}"]
    {
        for fate in ["dropAfterCommit", "dropBeforeCommit"] {
            let (world, process) = World::settled(&objects::chain("charges", "charges")).await;
            world.fault(&json!({ "match": { "method": "DELETE", "endpoint": endpoint }, "action": fate }));
            for kind in super::harness::KINDS {
                world.api.delete(kind, "charges");
            }
            let end = world.run(&process, Order::ChildrenFirst).await;
            assert_eq!(end, Ok(End::Settled), "{endpoint} {fate}: {:#?}", world.trace());
            let left =
                world.owned().into_keys().filter(|(_, role)| role.contains("connection") || role == "flow");
            assert_eq!(left.count(), 0, "{endpoint} {fate}");
        }
    }
}
