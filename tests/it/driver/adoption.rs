//! Existing objects are taken over: nothing is written before the approval, nothing is made, and whoever dies in between asks nobody twice.

use std::collections::BTreeMap;
use std::time::Duration;

use aep_operator::aep::model::ResourceKind;
use aep_operator::api::APPROVE;
use serde_json::{Value, json};

use super::harness::{End, KINDS, Order, Process, World, is_ready, text};
use super::tape::{Moment, Plan};
use crate::support::by_hand::{Chain, DESCRIPTION, NAME, Person};
use crate::support::objects::{self, with};

/// The custom resources that take over what a chain has.
pub(super) type Manifests = fn(&Chain) -> [Value; 4];

/// A world with a chain that a person made and custom resources that name it.
pub(super) async fn world_of(manifests: Manifests) -> (World, Chain) {
    let world = World::new();
    let chain = Person::new(&world.aep()).chain().await.expect("a person should be able to make a chain");
    for object in manifests(&chain) {
        world.api.apply(&object);
    }
    (world, chain)
}

async fn world_by_hand() -> (World, Chain) {
    world_of(Chain::adopting).await
}

/// The stored document of an upstream object.
fn document(world: &World, id: &str) -> Value {
    let path = format!("/objects/{id}");
    let (status, object) = world.sim.control("GET", &path, &Value::Null);
    assert_eq!(status, 200, "{object}");
    object["doc"].clone()
}

pub(super) async fn round(world: &World, process: &Process) {
    for kind in KINDS {
        let _ended = world.pass(process, kind, "hand").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_whole_chain_is_taken_over_and_nothing_is_made() {
    let (world, chain) = world_by_hand().await;
    let world = world.approving();
    let (before, written) = (world.ids(), world.upstream_writes().len());
    let process = world.process("p", Plan::Live);
    world.settle(&process).await;
    assert_eq!(world.ids(), before, "{:#?}", world.trace());
    let writes = world.upstream_writes().split_off(written);
    assert_eq!(
        writes,
        [
            "POST /connections",
            "DELETE /connections/{id}",
            "PATCH /connections/{id}",
            "PATCH /sourceConnections/{id}",
            "PUT /mappingSets/{id}",
            "PATCH /dataSets/{id}",
            "PATCH /targetConnections/{id}",
            "PATCH /flows/{id}",
        ]
    );
    let ids = [&chain.base, &chain.source, &chain.mapping.id, &chain.dataset, &chain.target, &chain.flow];
    let recorded: Vec<String> = KINDS
        .iter()
        .flat_map(|kind| world.api.list(kind))
        .flat_map(|object| object["status"]["external"].as_array().cloned().unwrap_or_default())
        .inspect(|external| assert_eq!(external["adopted"], true, "{external}"))
        .map(|external| text(&external, "/id"))
        .collect();
    assert_eq!(recorded.len(), ids.len());
    assert!(ids.iter().all(|id| recorded.contains(id)), "{recorded:?}");
}

#[tokio::test(start_paused = true)]
async fn before_the_approval_every_difference_is_listed_and_nothing_is_written() {
    let (world, _) = world_by_hand().await;
    let process = world.process("p", Plan::Live);
    let row = "mappings: _simtenant.charges_data.currency: upper(data.currency) (Expression) (upstream: lower(data.currency) (Expression))";
    let expected = [
        ("StripeBaseConnection", json!(["stripeCredentialsSecretRef: unknown upstream, will be replaced"])),
        ("IngestionMapping", json!([row])),
    ];
    for (kind, differences) in expected {
        let before = world.upstream_writes().len();
        for _ in 0..4 {
            round(&world, &process).await;
        }
        assert_eq!(world.upstream_writes().len(), before, "{:#?}", world.trace());
        let object = world.api.get(kind, "hand").unwrap_or_default();
        assert!(object["status"].get("external").is_none(), "{object}");
        assert!(object["metadata"].get("finalizers").is_none(), "{object}");
        let waits = object["status"]["pending"].clone();
        assert_eq!((&waits["kind"], &waits["differences"]), (&json!("Adopt"), &differences));
        world.api.edit_metadata(kind, "hand", &json!({ "annotations": { APPROVE: waits["digest"] } }));
        for _ in 0..4 {
            round(&world, &process).await;
        }
        assert!(is_ready(&world.api.get(kind, "hand").unwrap_or_default()), "{:#?}", world.trace());
    }
    let waits = world.api.get("IngestionFlow", "hand").unwrap_or_default()["status"]["pending"].clone();
    let differences: Vec<&str> =
        waits["differences"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let [mapping, interval] = differences.as_slice() else { panic!("{differences:?}") };
    assert!(
        mapping.starts_with("flow: mappingRef: ") && mapping.contains(" version 1 (upstream: "),
        "{mapping}"
    );
    assert_eq!(*interval, "flow: schedule.interval: 6 (upstream: 1)");
}

#[tokio::test(start_paused = true)]
async fn every_field_that_differs_is_a_line_of_its_own() {
    let (world, chain) = world_by_hand().await;
    let [base, source, _, flow] = chain.adopting();
    let described =
        |object: Value| with(with(object, "/displayName", json!("Ours")), "/description", json!("Ours"));
    let fields = [
        ("/schedule", json!({ "frequency": "day", "interval": 2 })),
        ("/enabled", json!(false)),
        ("/errorDiagnostics", json!(false)),
        ("/partialIngestion", json!({ "percent": 5 })),
        ("/accessLabels", json!(["core/C12"])),
        ("/dataset/managed/name", json!("Ours")),
    ];
    let flow = fields.into_iter().fold(described(flow), |flow, (at, value)| with(flow, at, value));
    for object in [described(base), described(source), flow] {
        world.api.apply(&object);
    }
    let process = world.process("p", Plan::Live);
    let shown = |world: &World, kind: &str| {
        let object = world.api.get(kind, "hand").unwrap_or_default();
        let lines = object["status"]["pending"]["differences"].as_array().cloned().unwrap_or_default();
        let field = |line: &Value| line.as_str()?.split_once(" (upstream: ").map(|(ours, _)| ours.to_owned());
        lines.iter().filter_map(field).collect::<Vec<_>>()
    };
    for _ in 0..4 {
        round(&world, &process).await;
    }
    assert_eq!(shown(&world, "StripeBaseConnection"), ["displayName: Ours", "description: Ours"]);
    let world = world.approving();
    for _ in 0..8 {
        round(&world, &process).await;
        if shown(&world, "IngestionFlow").is_empty() {
            world.approve();
        }
    }
    let told = shown(&world, "IngestionFlow");
    for field in [
        "flow: displayName: Ours",
        "flow: description: Ours",
        "flow: schedule.frequency: day",
        "flow: schedule.interval: 2",
        "flow: enabled: false",
        "flow: errorDiagnostics: false",
        "flow: partialIngestion: 5",
        "flow: accessLabels: core/C12",
        "target-connection: displayName: Ours",
        "target-connection: description: Ours",
        "dataset: dataset.managed.name: Ours",
    ] {
        assert!(told.iter().any(|line| line.starts_with(field)), "{field}: {told:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_spec_leaves_out_stays_and_is_never_fought_over() {
    let (world, chain) = world_by_hand().await;
    let world = world.approving();
    let process = world.process("p", Plan::Live);
    world.settle(&process).await;
    let flow = document(&world, &chain.flow);
    assert_eq!(flow["name"], NAME);
    let plain = |value: &Value| value.to_string().trim_matches('"').to_owned();
    assert_eq!(plain(&flow["options"]["partialIngestionPercent"]), "10", "{flow}");
    assert_eq!(plain(&flow["options"]["errorDiagnosticsEnabled"]), "true", "{flow}");
    assert_eq!(plain(&flow["scheduleParams"]["startTime"]), "1700000000", "{flow}");
    for id in [&chain.base, &chain.target, &chain.flow] {
        let description = text(&document(&world, id), "/description");
        assert!(description.starts_with(&format!("{DESCRIPTION}\n[aep-operator/v1 ")), "{description}");
    }
    assert!(text(&document(&world, &chain.source), "/description").starts_with("[aep-operator/v1 "));

    // A colleague goes on working with it, in the UI.
    let edits = json!([
        { "op": "replace", "path": "/name", "value": "Renamed" },
        { "op": "replace", "path": "/options/partialIngestionPercent", "value": 20 },
        { "op": "add", "path": "/labels", "value": ["core/C12"] },
    ]);
    world.edit_upstream("flow", &edits);
    let written = world.upstream_writes().len();
    look_again(&world, &process).await;
    assert_eq!(world.upstream_writes().len(), written, "{:#?}", world.trace());
    assert!(is_ready(&world.api.get("IngestionFlow", "hand").unwrap_or_default()));
    // One who erases the marker gives nothing away.
    world.edit_upstream("connection", &json!([{ "op": "replace", "path": "/description", "value": "mine" }]));
    look_again(&world, &process).await;
    let description = text(&document(&world, &chain.base), "/description");
    assert!(description.starts_with("mine\n[aep-operator/v1 "), "{description}");
}

async fn look_again(world: &World, process: &Process) {
    for kind in KINDS {
        let object = world.api.get(kind, "hand").unwrap_or_default();
        process.cx.memory.ask_for_check(&text(&object, "/metadata/uid"));
    }
    round(world, process).await;
}

#[tokio::test(start_paused = true)]
async fn a_replaced_object_still_knows_what_it_took_over() {
    let (world, chain) = world_by_hand().await;
    let world = world.approving();
    let process = world.process("p", Plan::Live);
    world.settle(&process).await;
    let written = world.upstream_writes().len();
    // `kubectl replace` with the manifest of a user, who also thinks that adopt has done its work.
    for kind in KINDS {
        let mut object = world.api.get(kind, "hand").unwrap_or_default();
        object["spec"].as_object_mut().map(|spec| spec.remove("adopt"));
        world.api.apply(&object);
        world.api.edit_metadata(kind, "hand", &json!({ "annotations": null, "finalizers": null }));
    }
    world.settle(&process).await;
    assert_eq!(world.upstream_writes().len(), written, "{:#?}", world.trace());
    assert_eq!(document(&world, &chain.flow)["name"], NAME);
    for kind in KINDS {
        world.api.delete(kind, "hand");
    }
    assert_eq!(world.run(&process, Order::ChildrenFirst).await, Ok(End::Settled), "{:#?}", world.trace());
    assert_eq!(world.upstream_writes().len(), written, "what was there before stays: {:#?}", world.trace());
    assert!(KINDS.iter().all(|kind| world.api.get(kind, "hand").is_none()));
}

#[tokio::test(start_paused = true)]
async fn a_chain_that_was_taken_over_goes_when_spec_says_so() {
    let (world, chain) = world_by_hand().await;
    let world = world.approving();
    for object in chain.adopting() {
        world.api.apply(&with(object, "/deletionPolicy", json!("Delete")));
    }
    let process = world.process("p", Plan::Live);
    world.settle(&process).await;
    let written = world.upstream_writes().len();
    for kind in KINDS {
        world.api.delete(kind, "hand");
    }
    assert_eq!(world.run(&process, Order::ChildrenFirst).await, Ok(End::Settled), "{:#?}", world.trace());
    let mut writes = world.upstream_writes().split_off(written);
    writes.retain(|write| write.starts_with("DELETE "));
    writes.sort_unstable();
    let deleted = ["connections", "flows", "sourceConnections", "targetConnections"];
    assert_eq!(writes, deleted.map(|kind| format!("DELETE /{kind}/{{id}}")), "the dataset is kept");
}

/// Two objects name one connection. Whatever the order of their exchanges, one has it and the other says whose it is.
#[tokio::test(start_paused = true)]
async fn two_objects_that_name_one_upstream_object_never_both_have_it() {
    let mut failures = Vec::new();
    for seed in 0..20 {
        let world = World::new();
        let person = Person::new(&world.aep());
        let base = person.base().await.expect("a person should be able to make a connection");
        for name in ["hand", "rival"] {
            world.api.apply(&with(objects::base(name), "/adopt", json!({ "connectionId": base })));
        }
        let world = world.approving();
        let one = world.blank_process("one", Plan::Mix(seed));
        let other = world.blank_process("other", Plan::Mix(seed));
        for _ in 0..12 {
            tokio::join!(world.pass(&one, KINDS[0], "hand"), world.pass(&other, KINDS[0], "rival"));
            world.approve();
            world.wait(Duration::from_secs(1)).await;
        }
        let mut said = ["hand", "rival"].map(|name| {
            let object = world.api.get(KINDS[0], name).unwrap_or_default();
            let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let ready = conditions.into_iter().find(|condition| condition["type"] == "Ready");
            text(&ready.unwrap_or_default(), "/reason")
        });
        said.sort_unstable();
        let patches = world.upstream_writes().iter().filter(|write| write.starts_with("PATCH")).count();
        if said != ["AdoptionRefused", "Available"] || patches != 1 {
            failures.push(format!("seed {seed}: {said:?}, {patches} patches\n{}", world.trace().join("\n")));
        }
    }
    super::report(&failures);
}

/// What a run without a crash comes to.
struct Clean {
    exchanges: Vec<String>,
    statuses: BTreeMap<String, Value>,
    owned: BTreeMap<(String, String), usize>,
    documents: Vec<Value>,
}

/// The documents of the chain, without what differs from run to run.
async fn documents(world: &World, chain: &Chain) -> Vec<Value> {
    let ids = [&chain.base, &chain.source, &chain.target, &chain.flow];
    let telling = |id: &String| {
        let doc = document(world, id);
        json!([
            doc["name"],
            doc["description"],
            doc["state"],
            doc["scheduleParams"]["interval"],
            doc["options"]
        ])
    };
    let mut documents: Vec<Value> = ids.into_iter().map(telling).collect();
    for (kind, id) in [(ResourceKind::FieldGroup, &chain.field_group), (ResourceKind::Schema, &chain.schema)]
    {
        let doc = resource(world, kind, id).await;
        documents.push(json!([doc["title"], doc["description"], doc["definitions"], doc["version"]]));
    }
    documents
}

/// A field group or schema, as the registry shows it.
pub(super) async fn resource(world: &World, kind: ResourceKind, id: &str) -> Value {
    let read = Person::new(&world.aep()).session.get_resource(kind, id).await;
    read.expect("a read").expect("a resource").raw
}

#[tokio::test(start_paused = true)]
async fn a_chain_is_taken_over_once_and_approved_once_wherever_the_process_dies() {
    taken_over_once(Chain::adopting).await;
}

/// Takes a chain over with a death at each write, and compares with what comes of it without one.
pub(super) async fn taken_over_once(manifests: Manifests) {
    let (world, chain) = world_of(manifests).await;
    let world = world.approving();
    let process = world.process("clean", Plan::Live);
    world.settle(&process).await;
    let clean = Clean {
        exchanges: world.trace(),
        statuses: world.statuses(),
        owned: world.owned(),
        documents: documents(&world, &chain).await,
    };
    super::try_each(super::deaths(&clean.exchanges, &Moment::ALL), async |plan| {
        taken_over_in_spite_of(plan, &clean, manifests).await
    })
    .await;
}

async fn taken_over_in_spite_of(plan: Plan, clean: &Clean, manifests: Manifests) -> Result<(), String> {
    let (world, chain) = world_of(manifests).await;
    let world = world.approving();
    let before = world.ids();
    let former = world.process("first", plan);
    let traced = |problem: String| format!("{problem}\n{}", world.trace().join("\n"));
    if world.run(&former, Order::ParentsFirst).await? == End::Settled {
        return Err("the exchange was never reached".to_owned());
    }
    let next = world.process("next", Plan::Live);
    world.run_after(&next, &former, Order::ParentsFirst).await.map_err(traced)?;
    let twice: Vec<String> = world
        .approvals()
        .into_iter()
        .filter(|(_, digests)| digests.len() > 1)
        .map(|(object, digests)| format!("{object} was approved as {digests:?}"))
        .collect();
    if !twice.is_empty() {
        return Err(traced(twice.join("; ")));
    }
    if world.ids() != before {
        return Err(traced(format!("{:?} became {:?}", before, world.ids())));
    }
    if world.owned() != clean.owned || !world.violations().is_empty() {
        return Err(traced(format!("owned {:?}, {:?}", world.owned(), world.violations())));
    }
    let documents = documents(&world, &chain).await;
    if documents != clean.documents {
        return Err(traced(format!("upstream: {documents:?}, without a crash: {:?}", clean.documents)));
    }
    for (kind, status) in world.statuses() {
        if status != clean.statuses[&kind] {
            return Err(traced(format!("the status of {kind} is {status}, not {}", clean.statuses[&kind])));
        }
    }
    Ok(())
}
