//! What spec names and does not fit is refused with the field and the remedy, and nothing is written; and each remedy that says `adopt`
//! works.

use serde_json::{Value, json};

use super::harness::{KINDS, World, is_ready, text};
use super::tape::Plan;
use crate::support::by_hand::{Chain, NAME, Person};
use crate::support::objects::{self, with};

const MARKER_OF_ANOTHER_CLUSTER: &str = "[aep-operator/v1 uid-9/connection/1 dev elsewhere/payments/theirs]";

/// What is changed before anybody looks, and what the refusal has to name.
pub(super) struct Case {
    pub name: &'static str,
    pub kind: &'static str,
    pub objects: fn(&Chain) -> Vec<Value>,
    pub names: &'static [&'static str],
}

fn only(kind: usize, chain: &Chain, pointer: &str, value: Value) -> Vec<Value> {
    let mut objects = chain.adopting().to_vec();
    objects[kind] = with(objects[kind].clone(), pointer, value);
    objects
}

const NO_SUCH: &str = "00000000-0000-4000-8000-000000000000";

fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "an id that nobody has",
            kind: KINDS[0],
            objects: |chain| only(0, chain, "/adopt/connectionId", json!(NO_SUCH)),
            names: &[
                "spec.adopt.connectionId",
                NO_SUCH,
                "sandbox dev",
                "correct the id",
                "the sandbox that holds it",
            ],
        },
        Case {
            name: "an id of another kind of object",
            kind: KINDS[0],
            objects: |chain| only(0, chain, "/adopt/connectionId", json!(chain.flow)),
            names: &["spec.adopt.connectionId", "another kind of object"],
        },
        Case {
            name: "an object of another sandbox",
            kind: KINDS[0],
            objects: |chain| only(0, chain, "/sandbox", json!("prod")),
            names: &["spec.adopt.connectionId", "sandbox prod"],
        },
        Case {
            name: "a source connection of another base connection",
            kind: KINDS[1],
            objects: |chain| only(0, chain, "/adopt", Value::Null),
            names: &["spec.adopt.sourceConnectionId", "base connection", "spec.baseConnectionRef"],
        },
        Case {
            name: "a dataflow of another source connection",
            kind: KINDS[3],
            objects: |chain| only(1, chain, "/adopt", Value::Null),
            names: &["spec.adopt.flowId", "source connection", "spec.sourceConnectionRef"],
        },
        Case {
            name: "a dataflow of another mapping set",
            kind: KINDS[3],
            objects: |chain| only(2, chain, "/adopt", Value::Null),
            names: &["spec.adopt.flowId", "mapping set", "spec.mappingRef"],
        },
        Case {
            name: "a source connection of another resource",
            kind: KINDS[1],
            objects: |chain| only(1, chain, "/resourcePath", json!("refunds")),
            names: &["spec.adopt.sourceConnectionId", "charges", "refunds", "spec.resourcePath"],
        },
        Case {
            name: "a mapping set of another schema",
            kind: KINDS[2],
            objects: |chain| {
                let schema = json!({ "managed": { "title": "Another", "class": objects::PROFILE_CLASS } });
                only(2, chain, "/targetSchema", schema)
            },
            names: &[
                "spec.adopt.mappingSetId",
                "https://ns.adobe.com/simtenant/schemas/",
                "spec.targetSchema.existing.id",
            ],
        },
        Case {
            name: "a flow whose dataset is not named",
            kind: KINDS[3],
            objects: |chain| only(3, chain, "/dataset", json!({ "managed": { "name": "New" } })),
            names: &["the dataset", "does not exist yet", "spec.dataset.managed.adopt.id"],
        },
        Case {
            name: "a flow that runs once",
            kind: KINDS[3],
            objects: |chain| only(3, chain, "/schedule", json!({ "frequency": "once" })),
            names: &["spec.adopt.flowId", "frequency hour", "spec.schedule.frequency"],
        },
    ]
}

pub(super) fn ready_message(world: &World, kind: &str, name: &str) -> (String, String) {
    let object = world.api.get(kind, name).unwrap_or_default();
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let ready = conditions.into_iter().find(|condition| condition["type"] == "Ready").unwrap_or_default();
    (text(&ready, "/reason"), text(&ready, "/message"))
}

/// Rounds without an end: what waits for a person does so for ever.
pub(super) async fn rounds(world: &World, count: usize) {
    let process = world.process("p", Plan::Live);
    for _ in 0..count {
        for kind in KINDS {
            for object in world.api.list(kind) {
                let _ended = world.pass(&process, kind, &text(&object, "/metadata/name")).await;
            }
        }
        world.approve();
    }
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_is_refused_with_field_and_remedy_and_left_alone() {
    refused_and_left_alone(cases()).await;
}

pub(super) async fn refused_and_left_alone(cases: Vec<Case>) {
    let mut failures = Vec::new();
    for case in cases {
        let world = World::new().approving();
        let chain = Person::new(&world.aep()).chain().await.expect("a chain");
        let kind = KINDS.iter().position(|kind| *kind == case.kind).unwrap_or_default();
        let documents = || ids(&chain)[kind].iter().map(|id| stored(&world, id)).collect::<Vec<Value>>();
        let before = documents();
        for object in (case.objects)(&chain) {
            world.api.apply(&object);
        }
        rounds(&world, 8).await;
        let (reason, message) = ready_message(&world, case.kind, "hand");
        let missing: Vec<&&str> = case.names.iter().filter(|part| !message.contains(**part)).collect();
        if reason != "AdoptionRefused" || !missing.is_empty() {
            failures.push(format!("{}: {reason}: {message}: {missing:?} is not named", case.name));
        }
        let after = documents();
        if after != before {
            failures.push(format!("{}: {before:?} became {after:?}", case.name));
        }
        let status = world.api.get(case.kind, "hand").unwrap_or_default()["status"].clone();
        if status.get("external").is_some() {
            failures.push(format!("{}: {status}", case.name));
        }
    }
    super::report(&failures);
}

/// What each kind may name.
fn ids(chain: &Chain) -> [Vec<&String>; 4] {
    [
        vec![&chain.base],
        vec![&chain.source],
        vec![&chain.mapping.id, &chain.schema, &chain.field_group],
        vec![&chain.flow, &chain.target, &chain.dataset],
    ]
}

fn stored(world: &World, id: &str) -> Value {
    world.sim.control("GET", &format!("/objects/{id}"), &Value::Null).1["doc"].clone()
}

async fn base_by_hand(description: Option<&str>) -> (World, String) {
    let world = World::new().approving();
    let base = Person::new(&world.aep()).base().await.expect("a connection");
    if let Some(description) = description {
        let patch = json!([{ "op": "replace", "path": "/description", "value": description }]);
        let (status, answer) =
            world.sim.control("POST", &format!("/objects/{base}"), &json!({ "patch": patch }));
        assert_eq!(status, 200, "{answer}");
    }
    (world, base)
}

fn adopting(name: &str, id: &str) -> Value {
    with(objects::base(name), "/adopt", json!({ "connectionId": id }))
}

/// An object of a chain made by hand.
struct Made {
    /// The kind that takes it over.
    kind: &'static str,
    role: &'static str,
    id: fn(&Chain) -> &String,
    /// Where its spec stands, and what it has to be the spec of.
    spec: (&'static str, &'static str),
}

const MADE: [Made; 4] = [
    Made {
        kind: KINDS[0],
        role: "connection",
        id: |chain| &chain.base,
        spec: ("/connectionSpec/id", "Stripe"),
    },
    Made {
        kind: KINDS[1],
        role: "source-connection",
        id: |chain| &chain.source,
        spec: ("/connectionSpec/id", "Stripe"),
    },
    Made {
        kind: KINDS[3],
        role: "target-connection",
        id: |chain| &chain.target,
        spec: ("/connectionSpec/id", "the data lake"),
    },
    Made {
        kind: KINDS[3],
        role: "flow",
        id: |chain| &chain.flow,
        spec: ("/flowSpec/id", "a source that is read over REST"),
    },
];

/// A chain made by hand, one value of one object changed, and everything taken over as far as it goes.
async fn taken_over_with(made: &Made, place: &str, value: &str) -> (String, String) {
    let Made { kind, role, id, .. } = *made;
    let world = World::new().approving();
    let chain = Person::new(&world.aep()).chain().await.expect("a chain");
    let patch = json!([{ "op": "add", "path": place, "value": value }]);
    let object = format!("/objects/{}", id(&chain));
    assert_eq!(world.sim.control("POST", &object, &json!({ "patch": patch })).0, 200, "{role}");
    let before = stored(&world, id(&chain));
    chain.adopting().iter().for_each(|object| world.api.apply(object));
    rounds(&world, 8).await;
    assert_eq!(stored(&world, id(&chain)), before, "{role}: left alone");
    ready_message(&world, kind, "hand")
}

#[tokio::test(start_paused = true)]
async fn an_object_of_another_spec_is_refused_whatever_its_kind() {
    for made in &MADE {
        let (place, of) = made.spec;
        let (reason, message) = taken_over_with(made, place, NO_SUCH).await;
        assert_eq!(reason, "AdoptionRefused", "{}: {message}", made.role);
        let said = format!("not that of {of}");
        assert!(message.contains(NO_SUCH) && message.contains(&said), "{}: {message}", made.role);
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_with_the_marker_of_another_cluster_is_refused_whatever_its_kind() {
    for made in &MADE {
        let marker = format!("[aep-operator/v1 uid-9/{}/1 dev elsewhere/payments/theirs]", made.role);
        let (reason, message) = taken_over_with(made, "/description", &marker).await;
        assert_eq!(reason, "AdoptionRefused", "{}: {message}", made.role);
        assert!(message.contains("payments/theirs in cluster elsewhere"), "{}: {message}", made.role);
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_of_the_lake_with_the_marker_of_another_cluster_is_refused() {
    type Place = fn(&Chain) -> &String;
    let marker = |role: &str| format!("[aep-operator/v1 uid-9/{role}/1 dev elsewhere/payments/theirs]");
    let cases: [(&str, &str, Place, Value); 4] = [
        (
            "mapping-set",
            KINDS[2],
            |chain| &chain.mapping.id,
            json!({ "name": format!("theirs {}", marker("mapping-set")) }),
        ),
        ("schema", KINDS[2], |chain| &chain.schema, json!({ "description": marker("schema") })),
        (
            "field-group",
            KINDS[2],
            |chain| &chain.field_group,
            json!({ "description": marker("field-group") }),
        ),
        (
            "dataset",
            KINDS[3],
            |chain| &chain.dataset,
            json!({ "tags": { "aepOperator": [marker("dataset")] } }),
        ),
    ];
    for (role, kind, id, members) in cases {
        let world = World::new().approving();
        let chain = Person::new(&world.aep()).chain().await.expect("a chain");
        world.set_in_the_lake(id(&chain), &members);
        let before = world.upstream_writes().len();
        let adopting = if ["schema", "field-group"].contains(&role) {
            chain.adopting_schema()
        } else {
            chain.adopting()
        };
        adopting.iter().for_each(|object| world.api.apply(object));
        rounds(&world, 8).await;
        let (reason, message) = ready_message(&world, kind, "hand");
        assert_eq!(reason, "AdoptionRefused", "{role}: {message}");
        assert!(message.contains("payments/theirs in cluster elsewhere"), "{role}: {message}");
        let lake = ["/mappingSets", "/tenant/", "/dataSets"];
        let writes = world.upstream_writes().split_off(before);
        let of_role = writes.iter().filter(|write| lake.iter().any(|part| write.contains(part)));
        // A mapping that fits is taken over before the flow is looked at.
        let expected = usize::from(role == "dataset");
        assert_eq!(of_role.count(), expected, "{role}: left alone: {writes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_marker_of_an_owner_that_lives_is_respected_and_that_of_a_dead_one_gives_way() {
    let (world, base) = base_by_hand(Some(MARKER_OF_ANOTHER_CLUSTER)).await;
    world.api.apply(&adopting("hand", &base));
    rounds(&world, 3).await;
    let (reason, message) = ready_message(&world, KINDS[0], "hand");
    assert_eq!(reason, "AdoptionRefused");
    assert!(message.contains("payments/theirs in cluster elsewhere"), "{message}");

    let dead = "keep\n[aep-operator/v1 uid-9/connection/1 dev test-cluster/payments/gone]";
    let (world, base) = base_by_hand(Some(dead)).await;
    world.api.apply(&adopting("hand", &base));
    rounds(&world, 3).await;
    assert!(is_ready(&world.api.get(KINDS[0], "hand").unwrap_or_default()), "{:#?}", world.trace());
    let description = text(&stored(&world, &base), "/description");
    assert!(
        description.starts_with("keep\n[aep-operator/v1 ") && description.contains("/hand]"),
        "{description}"
    );

    // The new owner lives.
    world.api.apply(&adopting("second", &base));
    rounds(&world, 3).await;
    let (reason, message) = ready_message(&world, KINDS[0], "second");
    assert_eq!(reason, "AdoptionRefused");
    assert!(message.contains("belongs to StripeBaseConnection payments/hand"), "{message}");
    world.api.delete(KINDS[0], "hand");
    rounds(&world, 3).await;
    assert!(is_ready(&world.api.get(KINDS[0], "second").unwrap_or_default()), "{:#?}", world.trace());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_a_predecessor_left_is_taken_over_as_the_message_says() {
    let world = World::with(&[with(objects::base("hand"), "/deletionPolicy", json!("Retain"))]).approving();
    let process = world.process("p", Plan::Live);
    world.settle(&process).await;
    let base = text(&world.api.get(KINDS[0], "hand").unwrap_or_default(), "/status/external/0/id");
    world.api.delete(KINDS[0], "hand");
    rounds(&world, 1).await;
    assert!(world.api.get(KINDS[0], "hand").is_none());
    world.api.apply(&objects::base("hand"));
    rounds(&world, 2).await;
    let (reason, message) = ready_message(&world, KINDS[0], "hand");
    assert_eq!(reason, "PredecessorFound");
    assert!(message.contains(&base) && message.contains("spec.adopt.connectionId"), "{message}");
    remedied(&world, &adopting("hand", &base)).await;
}

/// The object becomes Ready and nothing new stays upstream.
async fn remedied(world: &World, object: &Value) {
    let before = world.ids();
    world.api.apply(object);
    let process = world.process("later", Plan::Live);
    world.settle(&process).await;
    assert_eq!(world.ids(), before);
    let external = world.api.get(KINDS[0], "hand").unwrap_or_default()["status"]["external"][0].clone();
    assert_eq!(external["id"], object["spec"]["adopt"]["connectionId"]);
}

/// A connection that a lost POST made: each text is what its description became, and each nothing is a copy of it.
async fn lost_post(descriptions: &[Option<&str>]) -> (World, Vec<String>) {
    let world = World::with(&[objects::base("hand")]).approving();
    let fault =
        json!({ "match": { "method": "POST", "endpoint": "/connections" }, "action": "dropAfterCommit" });
    world.fault(&fault);
    world.switches(&json!({ "listLagMs": 5_000 }));
    let first = world.blank_process("first", Plan::Live);
    let _ended = world.pass(&first, KINDS[0], "hand").await;
    let made = text(&world.upstream("connection"), "/summary/id");
    let mut ids = vec![made.clone()];
    for description in descriptions {
        if let Some(text) = description {
            let patch = json!([{ "op": "replace", "path": "/description", "value": text }]);
            world.sim.control("POST", &format!("/objects/{made}"), &json!({ "patch": patch }));
        } else {
            let seed = json!({ "sandbox": "dev", "objects": [{ "copyOf": made }] });
            let (status, answer) = world.sim.control("POST", "/seed", &seed);
            assert_eq!(status, 201, "{answer}");
            ids.push(text(&answer, "/ids/0"));
        }
    }
    world.switches(&json!({ "listLagMs": 0 }));
    rounds(&world, 2).await;
    (world, ids)
}

#[tokio::test(start_paused = true)]
async fn a_possible_twin_is_taken_over_as_the_message_says() {
    let (world, ids) = lost_post(&[Some("somebody edited this")]).await;
    let (reason, message) = ready_message(&world, KINDS[0], "hand");
    assert_eq!(reason, "PossibleTwin");
    assert!(message.contains(&ids[0]) && message.contains("spec.adopt.connectionId"), "{message}");
    remedied(&world, &adopting("hand", &ids[0])).await;
    assert!(world.violations().is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_of_several_duplicates_is_kept_as_the_message_says() {
    let (world, ids) = lost_post(&[None]).await;
    let (reason, message) = ready_message(&world, KINDS[0], "hand");
    assert_eq!(reason, "DuplicateFound");
    assert!(
        ids.iter().all(|id| message.contains(id)) && message.contains("spec.adopt.connectionId"),
        "{message}"
    );
    remedied(&world, &adopting("hand", &ids[1])).await;
}

#[tokio::test(start_paused = true)]
async fn an_object_that_exists_does_not_give_way_to_another_id() {
    let (world, base) = base_by_hand(None).await;
    world.api.apply(&objects::base("hand"));
    rounds(&world, 2).await;
    assert!(is_ready(&world.api.get(KINDS[0], "hand").unwrap_or_default()));
    world.api.apply(&adopting("hand", &base));
    rounds(&world, 2).await;
    let (reason, message) = ready_message(&world, KINDS[0], "hand");
    assert_eq!(reason, "AdoptionRefused");
    assert!(message.contains(&base) && message.contains("remove the field"), "{message}");
    assert_eq!(stored(&world, &base)["name"], NAME);
    world.api.apply(&objects::base("hand"));
    rounds(&world, 2).await;
    assert!(is_ready(&world.api.get(KINDS[0], "hand").unwrap_or_default()));
}
