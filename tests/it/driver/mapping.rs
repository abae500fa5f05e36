//! Rows of a living mapping: one new version of its set wherever a process dies or an answer is lost, and growth before it.

use serde_json::{Value, json};

use super::harness::{End, GRACE, Order, Pass, Process, World, text};
use super::tape::{Moment, Plan};
use crate::support::objects::{self, with};

/// The kind.
pub(super) const KIND: &str = "IngestionMapping";
const PUT: &str = "PUT /mappingSets/{id}";

/// A mapping of customers.
pub(super) fn mapping() -> Value {
    objects::mapping("charges", "charges", "customers", "Stripe customers of charges")
}

/// A chain of customers.
pub(super) fn chain() -> [Value; 4] {
    objects::chain("charges", "customers")
}

/// The mapping with one row more.
fn longer(xdm_type: &str) -> Value {
    let row = json!([{ "source": "data.own", "destination": "_{TENANT_ID}.customers_data.own", "xdmType": xdm_type }]);
    with(mapping(), "/mappings", row)
}

/// The newest version of the mapping set, and the one that the flow uses.
fn versions(world: &World) -> (Value, String) {
    let set = world.inventory("mappingSets").pop().unwrap_or_default();
    let flow = world.upstream("flow")["doc"].clone();
    let transformations = flow["transformations"].as_array().cloned().unwrap_or_default();
    let mapping = transformations.iter().find(|step| step["name"] == "Mapping").cloned().unwrap_or_default();
    let used = mapping["params"]["mappingVersion"].clone();
    (set["version"].clone(), used.as_str().map_or_else(|| used.to_string(), str::to_owned))
}

/// A colleague edits the mapping set in the UI, which makes a version.
fn edit_rows_by_hand(world: &World) {
    let rows = json!([{ "sourceType": "ATTRIBUTE", "source": "data.name", "destination": "_simtenant.x" }]);
    world.set_in_the_lake(&world.id_of("mapping-set"), &json!({ "mappings": rows }));
}

/// Times at which a PUT was sent.
fn puts(world: &World) -> Vec<i64> {
    let entries = world.sim.journal(0);
    entries
        .iter()
        .filter(|entry| entry.method == "PUT" && entry.endpoint == "/mappingSets/{id}")
        .map(|entry| entry.virtual_ms)
        .collect()
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Between {
    Nothing,
    AVersionOfOthers,
}

/// Loses the answer of the PUT; returns the times of the PUTs and the versions.
async fn lose_the_answer(fate: &Value, between: Between) -> Result<(Vec<i64>, (Value, String)), String> {
    let (world, process) = World::settled(&chain()).await;
    let on = json!({ "method": "PUT", "endpoint": "/mappingSets/{id}" });
    world.fault(&json!({ "match": on, "action": fate }));
    world.api.apply(&longer("String"));
    let lost = world.pass(&process, KIND, "charges").await;
    if !matches!(lost, Pass::Ended(Err(_))) {
        return Err(format!("the answer should be lost: {lost:?}"));
    }
    if between == Between::AVersionOfOthers {
        edit_rows_by_hand(&world);
    }
    world.try_settle(&process).await?;
    Ok((puts(&world), versions(&world)))
}

#[tokio::test(start_paused = true)]
async fn a_new_version_whose_answer_was_lost_is_found_and_not_made_again() {
    for fate in
        [json!("dropAfterCommit"), json!("dropMidBody"), json!({ "statusAfterCommit": { "status": 502 } })]
    {
        let (puts, versions) = lose_the_answer(&fate, Between::Nothing).await.expect("settled");
        assert_eq!((puts.len(), versions), (1, (json!(1), "1".to_owned())), "{fate}");
        // A version that others made afterwards changes nothing: ours is version 1.
        let (puts, versions) = lose_the_answer(&fate, Between::AVersionOfOthers).await.expect("settled");
        assert_eq!((puts.len(), versions), (1, (json!(2), "1".to_owned())), "{fate}");
    }
}

/// `kubectl replace` drops finalizer and intent; the row that comes with it needs a field that the schema does not have yet.
#[tokio::test(start_paused = true)]
async fn a_replaced_mapping_with_a_row_more_is_claimed_again_and_grows_its_schema() {
    let (world, process) = World::settled(&chain()).await;
    world.api.apply(&longer("String"));
    world.api.edit_metadata(KIND, "charges", &json!({ "annotations": null, "finalizers": null }));
    world.settle(&process).await;
    assert_eq!(world.count("PATCH /tenant/fieldgroups/{id}"), 1);
    assert_eq!(versions(&world), (json!(1), "1".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_new_version_that_never_arrived_is_made_when_its_absence_is_certain() {
    for fate in [json!("dropBeforeCommit"), json!({ "status": { "status": 503 } })] {
        for (between, newest) in [(Between::Nothing, 1), (Between::AVersionOfOthers, 2)] {
            let (puts, versions) = lose_the_answer(&fate, between).await.expect("settled");
            assert_eq!(versions, (json!(newest), newest.to_string()), "{fate} {between:?}");
            let [first, second] = puts[..] else { panic!("{fate} {between:?}: PUTs at {puts:?}") };
            assert!(i128::from(second - first) >= GRACE.as_millis().cast_signed(), "{first} {second}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_put_is_tried_again_without_waiting() {
    let (world, process) = World::settled(&chain()).await;
    let on = json!({ "method": "PUT", "endpoint": "/mappingSets/{id}" });
    world.fault(&json!({ "match": on, "action": { "status": { "status": 400 } } }));
    world.api.apply(&longer("String"));
    let _refused = world.pass(&process, KIND, "charges").await;
    let _made = world.pass(&process, KIND, "charges").await;
    assert_eq!(versions(&world).0, 1);
    assert_eq!(puts(&world).len(), 2);
}

/// Changes a settled world under a plan.
pub(super) async fn change_under(before: &[Value], after: &Value, plan: Plan) -> Result<World, String> {
    let world = World::with(before);
    world.switches(&json!({ "secondDescriptorAllowed": true }));
    let maker = world.process("maker", Plan::Live);
    world.try_settle(&maker).await?;
    drop(maker);
    world.api.apply(after);
    let former = world.process("first", plan);
    let end = world.run(&former, Order::ParentsFirst).await;
    if plan == Plan::Live {
        return end.map(|_| world);
    }
    if end != Ok(End::Died) {
        return Err(format!("the exchange was never reached: {end:?}"));
    }
    let next = world.process("next", Plan::Live);
    let end = world.run_after(&next, &former, Order::ParentsFirst).await;
    match end {
        Ok(End::Settled) => {
            arrive_late(&former).await;
            Ok(world)
        }
        other => Err(format!("{other:?}\n{}", world.trace().join("\n"))),
    }
}

/// What was still on its way when its process died is executed after all.
pub(super) async fn arrive_late(former: &Process) {
    if let Some(request) = former.tape.take_on_its_way() {
        request.await;
    }
}

/// Kills the process at every exchange of a change and compares what stands upstream.
pub(super) async fn survives<T: PartialEq + std::fmt::Debug>(
    before: &[Value],
    after: &Value,
    stands: impl Fn(&World) -> T,
) {
    let clean = change_under(before, after, Plan::Live).await.expect("a change without faults should end");
    let exchanges: Vec<String> = clean.trace().into_iter().filter(|line| line.starts_with("first")).collect();
    let wanted = stands(&clean);
    let mut failures = Vec::new();
    for (plan, name) in super::deaths(&exchanges, &Moment::ALL) {
        let problem = match change_under(before, after, plan).await {
            Ok(world) if !world.violations().is_empty() => format!("{:?}", world.violations()),
            Ok(world) if stands(&world) == wanted => continue,
            Ok(world) => {
                format!("{:?} in the place of {wanted:?}\n{}", stands(&world), world.trace().join("\n"))
            }
            Err(problem) => problem,
        };
        failures.push(format!("{plan:?} {name}: {problem}"));
    }
    super::report(&failures);
}

#[tokio::test(start_paused = true)]
async fn changed_rows_are_one_new_version_wherever_their_process_dies() {
    survives(&chain(), &longer("String"), |world| (versions(world), world.owned())).await;
}

#[tokio::test(start_paused = true)]
async fn grown_fields_are_waited_for_before_the_rows_are_sent() {
    let (world, process) = World::settled(&chain()).await;
    world.switches(&json!({ "schemaLagMs": 20_000 }));
    let before = world.upstream_writes().len();
    world.api.apply(&longer("String"));
    world.settle(&process).await;
    assert_eq!(
        world.upstream_writes().split_off(before),
        ["PATCH /tenant/fieldgroups/{id}", PUT, "PATCH /flows/{id}"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_changed_type_of_a_field_is_refused_with_its_row_before_anything_is_sent() {
    let [base, source, _, flow] = chain();
    let (world, process) = World::settled(&[base, source, longer("String"), flow]).await;
    let before = world.upstream_writes().len();
    world.api.apply(&longer("Long"));
    let _refused = world.pass(&process, KIND, "charges").await;
    let ready = world.condition(KIND, "Ready");
    assert_eq!(ready["reason"], "SchemaChangeRefused", "{ready}");
    let message = text(&ready, "/message");
    assert!(
        message.contains("customers_data.own is a string upstream and the rows need a long"),
        "{message}"
    );
    let object = world.api.get(KIND, "charges").unwrap_or_default();
    let failures = object["status"]["failures"].as_array().cloned().unwrap_or_default();
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert_eq!(failures[0]["source"], "data.own");
    assert_eq!(world.upstream_writes().len(), before, "nothing is sent");
    world.api.apply(&longer("String"));
    world.settle(&process).await;
    assert_eq!(world.upstream_writes().len(), before);
}

#[tokio::test(start_paused = true)]
async fn rows_that_were_refused_are_mended_although_no_mapping_set_exists_yet() {
    let [base, source, mapping, flow] = chain();
    let world = World::with(&[base, source, flow]);
    let process = world.blank_process("p", Plan::Live);
    let bad = json!([{ "source": "nonsense(", "destination": "_{TENANT_ID}.customers_data.own", "type": "Expression", "xdmType": "String" }]);
    world.api.apply(&with(mapping, "/mappings", bad));
    assert!(world.run(&process, Order::ParentsFirst).await.is_err());
    assert_eq!(world.condition(KIND, "Ready")["reason"], "RowsRefused");
    assert_eq!(world.inventory("schemas").len(), 1);
    let more = json!([{ "source": "data.other", "destination": "_{TENANT_ID}.customers_data.other", "xdmType": "String" }]);
    world.api.apply(&with(self::mapping(), "/mappings", more));
    world.settle(&process).await;
    assert_eq!(world.count("PATCH /tenant/fieldgroups/{id}"), 1);
    assert_eq!((world.count("POST /mappingSets"), world.count(PUT)), (1, 0));
}
