//! Mistakes in spec, in what it refers to and in the sandbox: each has a reason of its own and a message that names what to change, makes
//! nothing upstream, and is over as soon as it is mended.

use serde_json::{Value, json};

use super::harness::{KINDS, World};
use super::refusals::{ready_message, rounds};
use super::tape::Plan;
use crate::support::by_hand::Person;
use crate::support::objects::{self, EVENT_CLASS, PROFILE_CLASS, with};

const NAME: &str = "charges";

struct Mistake {
    reason: &'static str,
    /// On which object of the chain it shows.
    kind: usize,
    /// What the message names.
    names: &'static [&'static str],
    /// What is wrong outside of the chain.
    spoil: fn(&World),
    /// The chain with the mistake.
    wrong: fn(chain: [Value; 4]) -> Vec<Value>,
    /// What is mended outside of the chain; the chain as it should be is applied afterwards.
    mend: fn(&World),
}

fn nothing(_: &World) {}

/// Flow Service refuses base connections with a code.
fn refuse_connections(world: &World, code: u16, detail: &str) {
    let body = json!({
        "type": format!("https://ns.adobe.com/aep/errors/FLOW-{code}-400"), "title": "Refused", "status": 400,
        "report": { "detailed-message": detail }, "errorMessage": detail,
    });
    let on = json!({ "method": "POST", "endpoint": "/connections" });
    world.fault(
        &json!({ "match": on, "times": 1_000, "action": { "status": { "status": 400, "body": body } } }),
    );
}

/// The chain with rows of its own in the place of the shipped ones.
fn with_rows(chain: [Value; 4], rows: Value) -> Vec<Value> {
    let [base, source, mapping, _] = chain;
    let mapping = with(with(mapping, "/builtin", Value::Null), "/mappings", rows);
    vec![base, source, mapping]
}

fn into_schema(chain: [Value; 4], title: &str, rows: Value) -> Vec<Value> {
    let mut objects = with_rows(chain, rows);
    objects[2] = with(objects[2].clone(), "/targetSchema", json!({ "existing": { "title": title } }));
    objects
}

fn row(source: &str, destination: &str, xdm_type: &str) -> Value {
    json!({ "source": source, "destination": format!("_{{TENANT_ID}}.charges_data.{destination}"), "xdmType": xdm_type })
}

fn into_dataset([base, source, mapping, flow]: [Value; 4], name: &str) -> Vec<Value> {
    vec![base, source, mapping, with(flow, "/dataset", json!({ "existing": { "name": name } }))]
}

const MISTAKES: &[Mistake] = &[
    Mistake {
        reason: "SandboxNotActive",
        kind: 0,
        names: &["spec.sandbox", "dev", "resetting"],
        spoil: |world| world.set_sandbox(&json!({ "state": "resetting" })),
        wrong: Vec::from,
        mend: |world| world.set_sandbox(&json!({ "state": "active" })),
    },
    Mistake {
        reason: "PermissionMissing",
        kind: 0,
        names: &["1426", "permission"],
        spoil: |world| refuse_connections(world, 1426, "no right"),
        wrong: Vec::from,
        mend: World::no_faults,
    },
    Mistake {
        reason: "UpstreamRefused",
        kind: 0,
        names: &["9999", "because of that"],
        spoil: |world| refuse_connections(world, 9999, "because of that"),
        wrong: Vec::from,
        mend: World::no_faults,
    },
    Mistake {
        reason: "ReferenceNotReady",
        kind: 1,
        names: &["spec.baseConnectionRef", "StripeBaseConnection charges", "SecretKeyMissing"],
        spoil: |world| world.api.apply(&objects::secret("stripe", &[("another", "key")])),
        wrong: Vec::from,
        mend: |world| world.api.apply(&objects::stripe_secret()),
    },
    Mistake {
        reason: "ReferenceMismatch",
        kind: 3,
        names: &["spec.mappingRef", "prices", "refunds", "refer to a mapping of the same"],
        spoil: nothing,
        wrong: |[base, source, mapping, flow]| {
            // Not the resource of the chain.
            let others = [
                objects::source("refunds", NAME, "refunds"),
                objects::mapping("refunds", "refunds", "refunds", "Refunds"),
            ];
            let flow = with(flow, "/mappingRef/name", json!("refunds"));
            [base, source, mapping, flow].into_iter().chain(others).collect()
        },
        mend: nothing,
    },
    Mistake {
        reason: "TypeUnknown",
        kind: 2,
        names: &["spec.mappings", "data.made_up", "xdmType"],
        spoil: nothing,
        wrong: |chain| {
            let mut row = row("data.made_up", "made_up", "");
            row["xdmType"].take();
            with_rows(chain, json!([row]))
        },
        mend: nothing,
    },
    Mistake {
        reason: "DuplicateDestination",
        kind: 2,
        names: &["spec.mappings", "_simtenant.charges_data.id", "remove one"],
        spoil: nothing,
        wrong: |chain| {
            let mut second = row("data.id", "id", "String");
            second["destination"] = json!("_simtenant.charges_data.id");
            with_rows(chain, json!([row("data.id", "id", "String"), second]))
        },
        mend: nothing,
    },
    Mistake {
        reason: "RequiredFieldUnmapped",
        kind: 2,
        names: &["spec.mappings", EVENT_CLASS, "_id", "add one"],
        spoil: nothing,
        wrong: |[base, source, mapping, _]| {
            vec![base, source, with(mapping, "/targetSchema/managed/class", json!(EVENT_CLASS))]
        },
        mend: nothing,
    },
    Mistake {
        reason: "TypeMismatch",
        kind: 2,
        names: &[
            "spec.mappings",
            "charges_data.amount",
            "the schema has an integer there",
            "type Expression",
        ],
        spoil: nothing,
        wrong: |chain| into_schema(chain, "Theirs", json!([row("data.paid", "amount", "Boolean")])),
        mend: nothing,
    },
    Mistake {
        reason: "SchemaNotFound",
        kind: 2,
        names: &["spec.targetSchema.existing.title", "Nowhere", "sandbox dev", "correct the title"],
        spoil: nothing,
        wrong: |chain| into_schema(chain, "Nowhere", json!([row("data.id", "id", "String")])),
        mend: nothing,
    },
    Mistake {
        reason: "SchemaAmbiguous",
        kind: 2,
        names: &["spec.targetSchema.existing.title", "Twins", "name one by id: https://"],
        spoil: nothing,
        wrong: |chain| into_schema(chain, "Twins", json!([row("data.id", "id", "String")])),
        mend: nothing,
    },
    Mistake {
        reason: "SchemaMismatch",
        kind: 3,
        names: &["spec.dataset", "use a dataset of the mapping's schema"],
        spoil: nothing,
        wrong: |chain| into_dataset(chain, "Theirs"),
        mend: nothing,
    },
    Mistake {
        reason: "DatasetNotFound",
        kind: 3,
        names: &["spec.dataset.existing", "Nowhere", "sandbox dev", "create it there"],
        spoil: nothing,
        wrong: |chain| into_dataset(chain, "Nowhere"),
        mend: nothing,
    },
    Mistake {
        reason: "DatasetAmbiguous",
        kind: 3,
        names: &["spec.dataset.existing", "Same", "name one by id"],
        spoil: nothing,
        wrong: |chain| into_dataset(chain, "Same"),
        mend: nothing,
    },
];

/// A sandbox in which others have schemas and datasets: one each of the name Theirs, and two of one name.
async fn shared_sandbox() -> World {
    let world = World::new();
    let person = Person::new(&world.aep());
    let (_, schema) = person.schema("Theirs").await.expect("a schema");
    let twin = json!({ "kind": "schemas", "body": {
        "type": "object", "title": "Twins", "description": "by hand", "allOf": [{ "$ref": PROFILE_CLASS }],
    } });
    let data_set = |name: &str| {
        let schema = json!({ "id": schema, "contentType": "application/vnd.adobe.xed+json;version=1" });
        json!({ "kind": "dataSets", "body": { "name": name, "schemaRef": schema } })
    };
    let lake = json!([twin, twin, data_set("Theirs"), data_set("Same"), data_set("Same")]);
    let (status, answer) = world.sim.control("POST", "/seed", &json!({ "sandbox": "dev", "lake": lake }));
    assert_eq!(status, 201, "{answer}");
    world
}

#[tokio::test(start_paused = true)]
async fn each_mistake_is_told_with_its_reason_and_remedy_makes_nothing_and_ends_with_its_cause() {
    let mut failures = Vec::new();
    for mistake in MISTAKES {
        let world = shared_sandbox().await;
        (mistake.spoil)(&world);
        (mistake.wrong)(objects::chain(NAME, "prices")).iter().for_each(|object| world.api.apply(object));
        rounds(&world, 8).await;
        let kind = KINDS[mistake.kind];
        let (reason, message) = ready_message(&world, kind, NAME);
        let missing: Vec<&&str> = mistake.names.iter().filter(|part| !message.contains(**part)).collect();
        if reason != mistake.reason || !missing.is_empty() {
            failures.push(format!("{}: {reason}: {message}: {missing:?} is not named", mistake.reason));
        }
        let made = world.api.get(kind, NAME).unwrap_or_default()["status"]["external"].clone();
        if !made.is_null() {
            failures.push(format!("{}: made {made}", mistake.reason));
        }
        (mistake.mend)(&world);
        objects::chain(NAME, "prices").iter().for_each(|object| world.api.apply(object));
        if let Err(problem) = world.try_settle(&world.process("next", Plan::Live)).await {
            failures.push(format!("{}: mended, and then {problem}", mistake.reason));
        }
        let twice: Vec<_> = world.owned().into_iter().filter(|(_, count)| *count > 1).collect();
        if !twice.is_empty() || !world.violations().is_empty() {
            failures.push(format!("{}: {twice:?}", mistake.reason));
        }
    }
    super::report(&failures);
}

#[tokio::test(start_paused = true)]
async fn an_account_without_records_is_served_and_its_fields_are_judged_once_there_are_some() {
    let world = World::new();
    world.switches(&json!({ "explore": "empty" }));
    objects::chain(NAME, NAME).iter().for_each(|object| world.api.apply(object));
    let process = world.blank_process("p", Plan::Live);
    world.settle(&process).await;
    let seen = || {
        let condition = world.condition("IngestionMapping", "SourceFieldsSeen");
        (condition["status"].clone(), condition["reason"].clone())
    };
    assert_eq!(seen(), (json!("Unknown"), json!("ExploreEmpty")));
    assert_eq!(world.api.events("ExploreEmpty").len(), 1, "{:?}", world.api.events("ExploreEmpty"));
    world.switches(&json!({ "explore": "complete" }));
    for kind in ["StripeSourceConnection", "IngestionMapping"] {
        let _ended = world.pass(&process, kind, NAME).await;
    }
    assert_eq!(seen(), (json!("True"), json!("SourceFieldsSeen")));
    assert_eq!(world.api.events("ExploreEmpty").len(), 1);
}
