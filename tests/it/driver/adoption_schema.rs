//! A schema that a person made is taken over together with its field group: shown field by field, grown, and left behind in the end.

use aep_operator::aep::model::ResourceKind;
use serde_json::{Value, json};

use super::adoption::{resource, round, taken_over_once, world_of};
use super::harness::{End, KINDS, Order, World, is_ready, text};
use super::refusals::{Case, ready_message, refused_and_left_alone};
use super::tape::Plan;
use crate::support::by_hand::{Chain, NAME, Person};
use crate::support::objects::with;

const MAPPING: &str = KINDS[2];

/// Writes to Schema Registry and Data Prep since the call with that number.
fn lake_writes(world: &World, since: usize) -> Vec<String> {
    let of_lake = |write: &String| {
        ["mappingSets", "fieldgroups", "schemas", "descriptors"].iter().any(|part| write.contains(part))
    };
    world.upstream_writes().split_off(since).into_iter().filter(of_lake).collect()
}

#[tokio::test(start_paused = true)]
async fn a_schema_and_its_field_group_are_taken_over_grown_and_left_behind() {
    let (world, chain) = world_of(Chain::adopting_schema).await;
    let world = world.approving();
    let (before, written) = (world.ids(), world.upstream_writes().len());
    let process = world.process("p", Plan::Live);
    world.settle(&process).await;
    assert_eq!(world.ids(), before, "{:#?}", world.trace());
    assert_eq!(
        lake_writes(&world, written),
        ["PATCH /tenant/fieldgroups/{id}", "PATCH /tenant/schemas/{id}", "PUT /mappingSets/{id}"],
        "{:#?}",
        world.trace()
    );
    let external = world.api.get(MAPPING, "hand").unwrap_or_default()["status"]["external"].clone();
    for (role, id) in
        [("field-group", &chain.field_group), ("schema", &chain.schema), ("mapping-set", &chain.mapping.id)]
    {
        let recorded = external.as_array().into_iter().flatten().find(|external| external["role"] == role);
        let recorded = recorded.unwrap_or_else(|| panic!("{external}"));
        assert_eq!((&recorded["id"], &recorded["adopted"]), (&json!(id), &json!(true)));
    }
    let group = resource(&world, ResourceKind::FieldGroup, &chain.field_group).await;
    let schema = resource(&world, ResourceKind::Schema, &chain.schema).await;
    let fields = &group["definitions"]["customFields"]["properties"]["_simtenant"]["properties"]["charges_data"]
        ["properties"];
    assert_eq!((&fields["status"]["type"], &fields["id"]["title"]), (&json!("string"), &json!("Id")));
    assert_eq!((text(&group, "/title"), text(&schema, "/title")), (format!("{NAME} fields"), NAME.into()));
    for document in [&group, &schema] {
        let description = text(document, "/description");
        assert!(description.starts_with("by hand\n[aep-operator/v1 "), "{description}");
    }

    let written = world.upstream_writes().len();
    for kind in KINDS {
        world.api.delete(kind, "hand");
    }
    assert_eq!(world.run(&process, Order::ChildrenFirst).await, Ok(End::Settled), "{:#?}", world.trace());
    assert_eq!(world.upstream_writes().len(), written, "what was there before stays: {:#?}", world.trace());
}

#[tokio::test(start_paused = true)]
async fn every_field_and_row_is_shown_under_one_digest_before_anything_is_written() {
    let (world, _) = world_of(Chain::adopting_schema).await;
    let process = world.process("p", Plan::Live);
    let approve = |kind: &str| {
        let digest = world.api.get(kind, "hand").unwrap_or_default()["status"]["pending"]["digest"].clone();
        let approval = json!({ "annotations": { aep_operator::api::APPROVE: digest } });
        world.api.edit_metadata(kind, "hand", &approval);
    };
    for _ in 0..4 {
        round(&world, &process).await;
    }
    approve(KINDS[0]);
    for _ in 0..4 {
        round(&world, &process).await;
    }
    let waits = world.api.get(MAPPING, "hand").unwrap_or_default();
    let differences = waits["status"]["pending"]["differences"].as_array().cloned().unwrap_or_default();
    let shown: Vec<&str> = differences.iter().filter_map(Value::as_str).collect();
    assert_eq!(shown[0], "field-group: fields: _simtenant.charges_data.status (upstream: empty)");
    let rows: Vec<&&str> = shown.iter().filter(|line| line.starts_with("mapping-set: mappings: ")).collect();
    assert_eq!((shown.len(), rows.len()), (3, 2), "{shown:?}");
    assert!(waits["metadata"].get("finalizers").is_none(), "{waits}");
    assert_eq!(lake_writes(&world, 0).iter().filter(|write| !write.starts_with("POST")).count(), 0);
    approve(MAPPING);
    for _ in 0..4 {
        round(&world, &process).await;
    }
    assert!(is_ready(&world.api.get(MAPPING, "hand").unwrap_or_default()), "{:#?}", world.trace());
}

#[tokio::test(start_paused = true)]
async fn a_new_mapping_set_is_made_for_a_schema_that_was_taken_over() {
    let (world, chain) = world_of(|chain| {
        let [base, source, mapping, flow] = chain.adopting_schema();
        [base, source, with(mapping, "/adopt", Value::Null), flow]
    })
    .await;
    let world = world.approving();
    let written = world.upstream_writes().len();
    let process = world.process("p", Plan::Live);
    // The flow by hand runs through another mapping set, and is refused.
    let _ended = world.run(&process, Order::ParentsFirst).await;
    let mapping = world.api.get(MAPPING, "hand").unwrap_or_default();
    assert!(is_ready(&mapping), "{:#?}", world.trace());
    assert_eq!(mapping["status"]["schemaId"], json!(chain.schema));
    assert_eq!(
        lake_writes(&world, written),
        ["PATCH /tenant/fieldgroups/{id}", "PATCH /tenant/schemas/{id}", "POST /mappingSets"]
    );
}

#[tokio::test(start_paused = true)]
async fn identities_that_spec_leaves_out_stay() {
    let (world, chain) = world_of(Chain::adopting_schema).await;
    let person = Person::new(&world.aep());
    person.identity(&chain.schema, "/_simtenant/charges_data/id").await.expect("an identity");
    let world = world.approving();
    let process = world.process("p", Plan::Live);
    world.settle(&process).await;
    let left = person.session.list_descriptors(&chain.schema).await.expect("a list");
    assert_eq!(left.len(), 1, "{left:?}");
}

#[tokio::test(start_paused = true)]
async fn a_schema_is_taken_over_once_and_approved_once_wherever_the_process_dies() {
    taken_over_once(Chain::adopting_schema).await;
}

fn only(chain: &Chain, pointer: &str, value: Value) -> Vec<Value> {
    let mut objects = chain.adopting_schema().to_vec();
    objects[2] = with(objects[2].clone(), pointer, value);
    objects
}

#[tokio::test(start_paused = true)]
async fn a_schema_that_can_never_be_the_wanted_one_is_refused_and_left_alone() {
    refused_and_left_alone(vec![
        Case {
            name: "another title",
            kind: MAPPING,
            objects: |chain| only(chain, "/targetSchema/managed/title", json!("Another")),
            names: &["the title Made by hand", "the title Another", "spec.targetSchema.managed.title"],
        },
        Case {
            name: "another class",
            kind: MAPPING,
            objects: |chain| {
                only(chain, "/targetSchema/managed/class", json!("https://ns.adobe.com/xdm/context/account"))
            },
            names: &["the class https://ns.adobe.com/xdm/context/profile", "spec.targetSchema.managed.class"],
        },
        Case {
            name: "a schema in the place of the field group",
            kind: MAPPING,
            objects: |chain| {
                only(chain, "/targetSchema/managed/adopt/fieldGroupId", json!(chain.schema.clone()))
            },
            names: &["spec.targetSchema.managed.adopt", "shows no field-group", "correct the id"],
        },
        Case {
            name: "a field of another type",
            kind: MAPPING,
            objects: |chain| {
                let [.., mapping, _] = chain.adopting_schema();
                let mut rows = mapping["spec"]["mappings"].clone();
                rows[1]["xdmType"] = json!("Number");
                only(chain, "/mappings", rows)
            },
            names: &["_simtenant.charges_data.amount", "upstream", "name another field group"],
        },
    ])
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_schema_that_lacks_the_field_group_or_is_in_profile_is_refused() {
    let (world, chain) = world_of(Chain::adopting_schema).await;
    let world = world.approving();
    let person = Person::new(&world.aep());
    let (group, _) = person.schema("Neighbour").await.expect("another schema");
    let mapping = world.api.get(MAPPING, "hand").unwrap_or_default();
    world.api.apply(&with(mapping, "/targetSchema/managed/adopt/fieldGroupId", json!(group)));
    let process = world.process("p", Plan::Live);
    let _ended = world.run(&process, Order::ParentsFirst).await;
    let message = refusal(&world);
    assert!(message.contains("is not composed of the field group") && message.contains(&group), "{message}");

    let [.., mapping, _] = chain.adopting_schema();
    world.api.apply(&mapping);
    let tag = json!({ "set": { "meta:immutableTags": ["union"] } });
    let path = format!("/objects/{}", chain.schema.replace(':', "%3A").replace('/', "%2F"));
    let (status, answer) = world.sim.control("POST", &path, &tag);
    assert_eq!(status, 200, "{answer}");
    let _ended = world.run(&process, Order::ParentsFirst).await;
    let message = refusal(&world);
    assert!(message.contains("takes part in Profile") && message.contains("set profile: true"), "{message}");
    assert_eq!(lake_writes(&world, 0).iter().filter(|write| write.starts_with("PATCH")).count(), 0);
}

fn refusal(world: &World) -> String {
    let (reason, message) = ready_message(world, MAPPING, "hand");
    assert_eq!(reason, "AdoptionRefused", "{message}");
    message
}
