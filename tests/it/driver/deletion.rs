//! What a deletion keeps and what it lets go, in every combination of policies, and that a later apply reads nothing twice.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::harness::{End, KINDS, Order, World, text};
use super::tape::{Moment, Plan};
use crate::support::objects::{self, with};

fn chain(policies: [bool; 4]) -> [Value; 4] {
    let mut objects = objects::chain("charges", "charges");
    for (object, retain) in objects.iter_mut().zip(policies) {
        let policy = if retain { "Retain" } else { "Delete" };
        *object = with(object.clone(), "/deletionPolicy", json!(policy));
    }
    objects
}

fn delete_all(world: &World) {
    KINDS.iter().for_each(|kind| world.api.delete(kind, "charges"));
}

/// What has to be there when the chain is gone: what is retained, and everything upstream that this uses.
fn expected([base, source, _, flow]: [bool; 4]) -> BTreeSet<&'static str> {
    // A mapping uses nothing upstream, and its set, its schema and the dataset stay in any case.
    let mut kept = BTreeSet::from(["mapping-set", "field-group", "schema", "dataset"]);
    if base || source || flow {
        kept.insert("connection");
    }
    if source || flow {
        kept.insert("source-connection");
    }
    if flow {
        kept.extend(["target-connection", "flow"]);
    }
    kept
}

fn left(world: &World) -> BTreeSet<String> {
    world.owned().into_keys().map(|(_, role)| role).collect()
}

#[tokio::test(start_paused = true)]
async fn retain_spreads_to_what_a_retained_object_uses_in_every_combination() {
    let mut failures = Vec::new();
    for mask in 0..16 {
        let policies = [1, 2, 4, 8].map(|bit| mask & bit != 0);
        for order in [Order::ParentsFirst, Order::ChildrenFirst] {
            let (world, process) = World::settled(&chain(policies)).await;
            delete_all(&world);
            let end = world.run(&process, order).await;
            let (left, expected) = (left(&world), expected(policies));
            if end != Ok(End::Settled) || !left.iter().map(String::as_str).eq(expected.iter().copied()) {
                failures.push(format!("retain {policies:?}: {end:?}, left {left:?}, expected {expected:?}"));
            }
        }
    }
    super::report(&failures);
}

/// Each of the four policies that a mapping and a flow have, for themselves and for what they manage.
#[tokio::test(start_paused = true)]
async fn retain_on_the_object_wins_over_delete_of_what_it_manages_and_a_used_schema_stays() {
    let mut failures = Vec::new();
    for mask in 0..16 {
        let [mapping, schema, flow, dataset] = [1, 2, 4, 8].map(|bit| mask & bit != 0);
        let policy = |retain: bool| json!(if retain { "Retain" } else { "Delete" });
        let [base, source, mapping_object, flow_object] = chain([false, false, mapping, flow]);
        let mapping_object = with(mapping_object, "/targetSchema/managed/deletionPolicy", policy(schema));
        let flow_object = with(flow_object, "/dataset/managed/deletionPolicy", policy(dataset));
        let (world, process) = World::settled(&[base, source, mapping_object, flow_object]).await;
        delete_all(&world);
        let (keeps_dataset, keeps_schema) = (flow || dataset, mapping || schema);
        let end = world.run(&process, Order::ChildrenFirst).await;
        let mut expected = BTreeSet::from(["mapping-set"]);
        if keeps_dataset {
            expected.insert("dataset");
        }
        if keeps_schema || keeps_dataset {
            expected.extend(["field-group", "schema"]);
        }
        if flow {
            expected.extend(["connection", "source-connection", "target-connection", "flow"]);
        }
        let left = left(&world);
        if end != Ok(End::Settled) || !left.iter().map(String::as_str).eq(expected.iter().copied()) {
            failures.push(format!("{mask:04b}: {end:?}, left {left:?}, expected {expected:?}"));
        }
        // Adobe forbids to delete a schema that a dataset uses.
        let tried = world.count("DELETE /tenant/schemas/{id}") > 0;
        if tried == (keeps_schema || keeps_dataset) {
            failures.push(format!("{mask:04b}: a deletion of the schema was sent: {tried}"));
        }
    }
    super::report(&failures);
}

#[tokio::test(start_paused = true)]
async fn a_retained_flow_keeps_its_chain_wherever_the_process_dies() {
    let policies = [false, false, false, true];
    let mut failures = Vec::new();
    for index in 0.. {
        let world = World::with(&chain(policies));
        let maker = world.process("maker", Plan::Live);
        world.settle(&maker).await;
        delete_all(&world);
        let first = world.process("first", Plan::Die(index, Moment::Executed));
        if world.run(&first, Order::ChildrenFirst).await == Ok(End::Settled) {
            break;
        }
        let next = world.process("next", Plan::Live);
        let end = world.run_after(&next, &first, Order::ChildrenFirst).await;
        if end != Ok(End::Settled) || !left(&world).iter().map(String::as_str).eq(expected(policies)) {
            failures.push(format!("at {index}: {end:?}, left {:?}", left(&world)));
        }
    }
    super::report(&failures);
}

/// Lists that still show what was just deleted must not keep its parents.
#[tokio::test(start_paused = true)]
async fn lagging_lists_leave_no_orphan() {
    let (world, process) = World::settled(&chain([false; 4])).await;
    world.switches(&json!({ "listLagMs": 60_000 }));
    delete_all(&world);
    assert_eq!(world.run(&process, Order::ChildrenFirst).await, Ok(End::Settled), "{:#?}", world.trace());
    assert!(left(&world).iter().map(String::as_str).eq(expected([false; 4])), "{:?}", left(&world));
}

#[tokio::test(start_paused = true)]
async fn the_deletion_of_a_dataset_in_profile_waits_until_it_is_retained() {
    let [base, source, mapping, flow] = objects::chain("charges", "charges");
    let flow = with(flow, "/dataset/managed/deletionPolicy", json!("Delete"));
    for by_schema in [false, true] {
        let (world, process) =
            World::settled(&[base.clone(), source.clone(), mapping.clone(), flow.clone()]).await;
        let (role, set) = if by_schema {
            ("schema", json!({ "meta:immutableTags": ["union"] }))
        } else {
            let mut tags = tags(&world);
            tags["unifiedProfile"] = json!(["enabled:true"]);
            ("dataset", json!({ "tags": tags }))
        };
        let (status, answer) =
            world.sim.control("POST", &format!("/objects/{}", id(&world, role)), &json!({ "set": set }));
        assert_eq!(status, 200, "{answer}");
        delete_all(&world);
        let waits = world.run(&process, Order::ChildrenFirst).await.unwrap_err();
        assert!(waits.contains("spec.dataset.managed.deletionPolicy"), "by schema {by_schema}: {waits}");
        world.api.apply(&with(flow.clone(), "/dataset/managed/deletionPolicy", json!("Retain")));
        assert_eq!(world.run(&process, Order::ChildrenFirst).await, Ok(End::Settled), "{:#?}", world.trace());
        assert!(left(&world).contains("dataset"), "by schema: {by_schema}");
        assert!(!world.calls().iter().any(|call| call == "DELETE /dataSets/{id}"), "by schema: {by_schema}");
    }
}

fn id(world: &World, role: &str) -> String {
    let object = match role {
        "schema" => world.api.get("IngestionMapping", "charges"),
        _ => world.api.get("IngestionFlow", "charges"),
    };
    let object = object.unwrap_or_default();
    let external = object["status"]["external"].as_array().into_iter().flatten();
    let id =
        external.filter(|external| external["role"] == role).map(|external| text(external, "/id")).next();
    id.unwrap_or_default().replace('/', "%2F")
}

/// The tags of the dataset, as the operator wrote them.
fn tags(world: &World) -> Value {
    let uid = text(&world.api.get("IngestionFlow", "charges").unwrap_or_default(), "/metadata/uid");
    let owner = "test-cluster/payments/charges";
    json!({
        "aepOperator": [format!("[aep-operator/v1 {uid}/dataset/1 dev {owner}]")],
        "aepOperatorOwner": [owner],
    })
}

fn counts(world: &World) -> Vec<u64> {
    let (_, rows) = world.sim.control("GET", "/rows", &Value::Null);
    let members =
        |value: &Value| value.as_object().cloned().unwrap_or_default().into_iter().map(|(_, value)| value);
    members(&rows)
        .flat_map(|org| members(&org).collect::<Vec<_>>())
        .flat_map(|sandbox| members(&sandbox).collect::<Vec<_>>())
        .flat_map(|dataset| members(&dataset).collect::<Vec<_>>())
        .filter_map(|count| count.as_u64())
        .collect()
}

fn a_new_charge(world: &World) {
    let seed = json!({ "stripe": [{ "resource": "charges", "count": 1 }] });
    let (status, answer) = world.sim.control("POST", "/seed", &seed);
    assert_eq!(status, 201, "{answer}");
}

/// A flow runs, is deleted under a plan, and is applied again; charges come in all the time. Gives the exchanges of the deletion.
async fn applied_again(plan: Plan) -> Result<Vec<String>, String> {
    let world = World::with(&objects::chain("charges", "charges"));
    let maker = world.process("maker", Plan::Live);
    world.run(&maker, Order::ParentsFirst).await?;
    world.wait(Duration::from_hours(1)).await;
    let history = counts(&world).len();
    if history == 0 {
        return Err("the flow has not run".to_owned());
    }
    a_new_charge(&world);
    world.wait(Duration::from_mins(90)).await;
    let made = world.trace().len();
    delete_all(&world);
    let first = world.process("first", plan);
    let end = world.run(&first, Order::ChildrenFirst).await?;
    let deletion = world.trace().split_off(made);
    let next = world.process("next", Plan::Live);
    if end == End::Died {
        world.run_after(&next, &first, Order::ChildrenFirst).await?;
    }
    a_new_charge(&world);
    world.wait(Duration::from_hours(3)).await;
    objects::chain("charges", "charges").iter().for_each(|object| world.api.apply(object));
    world.run(&next, Order::ParentsFirst).await?;
    a_new_charge(&world);
    world.wait(Duration::from_hours(2)).await;
    let counts = counts(&world);
    let doubled = counts.iter().filter(|count| **count > 1).count();
    if counts.len() != history + 3 || doubled > 0 {
        let trace = world.trace().split_off(made).join("\n");
        return Err(format!("{} of {} charges, {doubled} doubled\n{trace}", counts.len(), history + 3));
    }
    Ok(deletion)
}

#[tokio::test(start_paused = true)]
async fn a_flow_that_is_deleted_and_applied_again_reads_every_record_once_wherever_the_process_dies() {
    let clean = applied_again(Plan::Live).await.expect("a deletion without faults should end");
    super::try_each(super::deaths(&clean, &Moment::ALL), applied_again).await;
}

#[tokio::test(start_paused = true)]
async fn a_deletion_waits_for_the_run_in_flight_and_then_goes_on() {
    let world = World::with(&objects::chain("charges", "charges"));
    world.switches(&json!({ "runDurationMs": 30_000 }));
    let process = world.blank_process("p", Plan::Live);
    world.settle(&process).await;
    world.wait(Duration::from_secs(10)).await;
    world.api.delete("IngestionFlow", "charges");
    let _waits = world.pass(&process, "IngestionFlow", "charges").await;
    let flow = world.api.get("IngestionFlow", "charges").unwrap_or_default();
    assert!(flow["status"].to_string().contains("WaitingForRunToEnd"), "{}", flow["status"]);
    assert!(!world.calls().iter().any(|call| call == "DELETE /flows/{id}"));
    assert_eq!(world.run(&process, Order::ChildrenFirst).await, Ok(End::Settled), "{:#?}", world.trace());
    assert!(world.api.get("IngestionFlow", "charges").is_none());
    world.api.apply(&objects::chain("charges", "charges")[3]);
    world.settle(&process).await;
    world.wait(Duration::from_hours(2)).await;
    let counts = counts(&world);
    assert!(!counts.is_empty() && counts.iter().all(|count| *count == 1), "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_flow_that_runs_once_does_not_read_a_second_time_into_the_same_dataset() {
    let [base, source, mapping, flow] = objects::chain("charges", "charges");
    let once = with(flow, "/schedule", json!({ "frequency": "once" }));
    let (world, process) = World::settled(&[base, source, mapping, once.clone()]).await;
    world.wait(Duration::from_mins(1)).await;
    let history = counts(&world).len();
    assert!(history > 0);
    world.api.delete("IngestionFlow", "charges");
    assert_eq!(world.run(&process, Order::ChildrenFirst).await, Ok(End::Settled));
    world.api.apply(&once);
    for _ in 0..3 {
        let _refused = world.pass(&process, "IngestionFlow", "charges").await;
    }
    let flow = world.api.get("IngestionFlow", "charges").unwrap_or_default();
    assert!(flow["status"].to_string().contains("CompletedFlowGone"), "{}", flow["status"]);
    world.wait(Duration::from_hours(1)).await;
    assert_eq!(counts(&world), vec![1; history]);
}

#[tokio::test(start_paused = true)]
async fn what_a_deletion_kept_is_taken_up_again_by_a_later_apply_which_says_so() {
    let (world, process) = World::settled(&objects::chain("charges", "charges")).await;
    delete_all(&world);
    world.settle(&process).await;
    assert_eq!(world.api.events("Reattached"), Vec::<String>::new());
    // A mapping set is made anew: it is never deleted, so an old one may be anything.
    let kept = ["field-group", "schema", "dataset"]
        .map(|role| format!("the {role} {},", text(&world.upstream(role), "/summary/id")));
    objects::chain("charges", "charges").iter().for_each(|object| world.api.apply(object));
    world.settle(&process).await;
    let notes = world.api.events("Reattached").join("; ");
    for object in kept {
        assert_eq!(notes.matches(object.as_str()).count(), 1, "{object}: {notes}");
    }
}
