//! Drift of what lies in the data lake: schemas, field groups, identities, mapping sets and datasets, which the slow round looks at.

use serde_json::{Value, json};

use super::{FLOW_SERVICE, LAKE, quiet_chain, round, slow_round};
use crate::driver::harness::seen::path_of;
use crate::driver::harness::{End, KINDS, World, is_ready, text};
use crate::support::by_hand::{Person, new_mapping};
use crate::support::objects::with;

#[tokio::test(start_paused = true)]
async fn a_foreign_edit_of_each_managed_field_of_the_lake_is_put_back_by_the_slow_round() {
    let [base, source, mapping, flow] = quiet_chain();
    let mapping = with(mapping, "/description", json!("ours"));
    let flow = with(flow, "/description", json!("ours"));
    let (world, process, mut inventory) = World::kept(&[base, source, mapping, flow]).await;
    let person = Person::new(&world.aep());
    for (role, member, write) in [
        ("dataset", "tags", "PATCH /dataSets/{id}"),
        ("schema", "description", "PATCH /tenant/schemas/{id}"),
        ("field-group", "description", "PATCH /tenant/fieldgroups/{id}"),
        ("field-group", "definitions", "PATCH /tenant/fieldgroups/{id}"),
    ] {
        let id = world.id_of(role);
        let before = person.in_the_lake(role, &id).await;
        let mut theirs = json!("theirs");
        if member == "tags" {
            theirs = before["tags"].clone();
            theirs.as_object_mut().and_then(|tags| tags.shift_remove("aepOperator")).expect("a tag");
        }
        if member == "definitions" {
            theirs = before["definitions"].clone();
            let fields =
                theirs.pointer_mut("/customFields/properties/_simtenant/properties/charges_data/properties");
            fields
                .and_then(Value::as_object_mut)
                .and_then(|all| all.shift_remove("amount"))
                .expect("a field");
        }
        world.set_in_the_lake(&id, &json!({ member: theirs }));
        assert_ne!(person.in_the_lake(role, &id).await, before, "{role} {member}: edited");
        let calls = slow_round(&world, &process, &mut inventory).await;
        let writes: Vec<_> = calls.iter().filter(|call| !call.starts_with("GET ")).collect();
        assert_eq!(writes, [write], "{role} {member}");
        assert_eq!(
            person.in_the_lake(role, &id).await,
            before,
            "{role} {member}: put back, and nothing else"
        );
    }
    // People may call a dataset what they like.
    let data_set = world.id_of("dataset");
    world.set_in_the_lake(&data_set, &json!({ "name": "theirs" }));
    let calls = slow_round(&world, &process, &mut inventory).await;
    assert!(calls.iter().all(|call| call.starts_with("GET ")), "{calls:?}");
    assert_eq!(person.in_the_lake("dataset", &data_set).await["name"], "theirs");
    assert!(KINDS.iter().flat_map(|kind| world.api.list(kind)).all(|object| is_ready(&object)));
}

#[tokio::test(start_paused = true)]
async fn an_identity_that_others_removed_is_set_again_by_the_slow_round() {
    const IDENTITIES: &str = "GET /tenant/descriptors";
    let [base, source, mapping, flow] = quiet_chain();
    let identities = json!([{ "destination": "_{TENANT_ID}.charges_data.id", "namespace": "StripeCharge" }]);
    let mapping = with(mapping, "/targetSchema/managed/identities", identities);
    let (world, process, mut inventory) = World::kept(&[base, source, mapping, flow]).await;
    let calls = slow_round(&world, &process, &mut inventory).await;
    assert_eq!(calls, [&FLOW_SERVICE[..], &LAKE, &[IDENTITIES]].concat(), "one list of them all");
    assert_eq!(round(&world, &process, &mut inventory).await, FLOW_SERVICE);
    let set = |world: &World| {
        let mut descriptors = world.inventory("descriptors");
        descriptors.iter_mut().for_each(|found| found["id"] = Value::Null);
        descriptors
    };
    let before = set(&world);
    let id = text(&world.inventory("descriptors")[0], "/id");
    assert_eq!(world.sim.control("DELETE", &path_of(&id), &Value::Null).0, 204);
    assert_eq!(set(&world), Vec::<Value>::new());
    let calls = slow_round(&world, &process, &mut inventory).await;
    let writes: Vec<_> = calls.iter().filter(|call| !call.starts_with("GET ")).collect();
    assert_eq!(writes, ["POST /tenant/descriptors"]);
    assert_eq!(set(&world), before, "the same identity again");
    assert!(KINDS.iter().flat_map(|kind| world.api.list(kind)).all(|object| is_ready(&object)));
}

#[tokio::test(start_paused = true)]
async fn what_others_do_in_the_lake_reaches_no_flow_and_tags_are_put_back_by_the_slow_round() {
    let (world, process, mut inventory) = World::kept(&quiet_chain()).await;
    let data_set = world.id_of("dataset");
    world.set_in_the_lake(&data_set, &json!({ "tags": { "team": ["payments"] } }));
    let person = Person::new(&world.aep());
    let schema = text(&world.api.get("IngestionMapping", "charges").unwrap_or_default(), "/status/schemaId");
    let set = world.id_of("mapping-set");
    let permit = person.permit().await;
    let rows = new_mapping(&schema, "data.currency");
    let put = person.session.put_mapping_set(permit, &person.gate, &set, &rows).await;
    put.expect("a person may put a mapping set");
    let calls = slow_round(&world, &process, &mut inventory).await;
    let writes: Vec<_> = calls.iter().filter(|call| !call.starts_with("GET ")).collect();
    assert_eq!(writes, ["PATCH /dataSets/{id}"], "{calls:?}");
    let used = world.upstream("flow")["doc"]["transformations"][0]["params"]["mappingVersion"].clone();
    assert!(
        used == json!("0") || used == json!(0),
        "the flow uses the version that the operator made: {used}"
    );
    let tags = person.session.get_data_set(&data_set).await.ok().flatten().map(|data_set| data_set.tags);
    assert!(tags.is_some_and(|tags| tags.contains_key("team") && tags.contains_key("aepOperator")));
    assert_eq!(world.keep(&process, &mut inventory).await, Ok(End::Settled));
}
