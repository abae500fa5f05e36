//! A process dies at every exchange, in every way; the next one finishes the work, and nothing exists twice or is left behind.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::apiserver::ApiServer;
use super::harness::{End, KINDS, Order, World, text};
use super::tape::{Moment, Plan};
use crate::support::objects::{self, with};

/// What a run without faults comes to.
struct Clean {
    exchanges: Vec<String>,
    calls: usize,
    statuses: BTreeMap<String, Value>,
    owned: BTreeMap<(String, String), usize>,
}

/// Calls that a new process may make beyond those of a run without faults: token, sandbox, tenant, and a look at each role.
const EXTRA_CALLS: usize = 20;

/// Where the rows of a chain go.
#[derive(Debug, Clone, Copy)]
enum Target {
    /// A schema and a dataset of its own.
    Managed,
    /// A schema and a dataset that are there already.
    Existing,
}

#[tokio::test(start_paused = true)]
async fn a_chain_is_made_once_wherever_its_process_dies() {
    creation_survives(Target::Managed).await;
}

#[tokio::test(start_paused = true)]
async fn a_chain_on_an_existing_schema_and_dataset_is_made_once_wherever_its_process_dies() {
    creation_survives(Target::Existing).await;
}

#[tokio::test(start_paused = true)]
async fn a_chain_is_deleted_wherever_its_process_dies() {
    let chain = objects::chain("charges", "charges");
    let clean = deletion(&chain, Plan::Live).await.expect("a deletion without faults should end");
    super::try_each(super::deaths(&clean, &Moment::ALL), async |plan| deletion(&chain, plan).await).await;
}

#[tokio::test(start_paused = true)]
async fn a_chain_deleted_while_it_is_made_leaves_nothing_behind() {
    deleted_while_made(&objects::chain("charges", "charges"), &Moment::ALL).await;
}

#[tokio::test(start_paused = true)]
async fn a_chain_deleted_while_it_is_made_leaves_no_schema_and_no_dataset_where_spec_says_so() {
    deleted_while_made(&chain_that_keeps_nothing(), &[Moment::Executed]).await;
}

async fn deleted_while_made(chain: &[Value], moments: &[Moment]) {
    let clean = clean_run(&World::with(chain)).await;
    super::try_each(
        super::notices(&clean.exchanges).chain(super::deaths(&clean.exchanges, moments)),
        async |plan| delete_while_creating(chain, plan).await,
    )
    .await;
}

fn chain_that_keeps_nothing() -> [Value; 4] {
    let [base, source, mapping, flow] = objects::chain("charges", "charges");
    let mapping = with(mapping, "/targetSchema/managed/deletionPolicy", json!("Delete"));
    let flow = with(flow, "/dataset/managed/deletionPolicy", json!("Delete"));
    [base, source, mapping, flow]
}

/// What may stay of a chain.
fn may_stay(chain: &[Value]) -> &'static [&'static str] {
    let goes = |object: &Value| object.to_string().contains(r#""deletionPolicy":"Delete""#);
    if chain.iter().any(goes) { &MAY_STAY[..1] } else { &MAY_STAY }
}

#[tokio::test(start_paused = true)]
async fn a_managed_schema_and_dataset_go_too_where_spec_says_so_wherever_their_process_dies() {
    let chain = chain_that_keeps_nothing();
    let clean = deletion(&chain, Plan::Live).await.expect("a deletion without faults should end");
    super::try_each(super::deaths(&clean, &[Moment::Executed]), async |plan| deletion(&chain, plan).await)
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_again_and_again_makes_a_chain_once() {
    let chain = objects::chain("charges", "charges");
    let clean = clean_run(&World::with(&chain)).await;
    let mut failures = Vec::new();
    for stride in 3..30 {
        let world = World::with(&chain);
        let mut end = End::Died;
        for life in 0..10 {
            let process = world.process("mortal", Plan::Die(stride + life, Moment::Executed));
            end = world.run(&process, Order::Random(stride as u64)).await.unwrap_or(End::Died);
        }
        if end == End::Died {
            let last = world.process("last", Plan::Live);
            if let Err(problem) = world.run(&last, Order::Random(stride as u64)).await {
                failures.push(format!("stride {stride}: {}", with_trace(&world, &problem)));
                continue;
            }
        }
        if !world.violations().is_empty() || world.owned() != clean.owned {
            let problem = format!("{:?}, owned {:?}", world.violations(), world.owned());
            failures.push(format!("stride {stride}: {}", with_trace(&world, &problem)));
        }
    }
    super::report(&failures);
}

/// A world with a chain that nobody has worked on yet.
async fn new_world(target: Target) -> World {
    let chain = objects::chain("charges", "charges");
    if let Target::Managed = target {
        return World::with(&chain);
    }
    let world = World::with(&objects::chain("former", "charges"));
    let former = world.process("former", Plan::Live);
    for order in [Order::ParentsFirst, Order::ChildrenFirst] {
        assert_eq!(world.run(&former, order).await, Ok(End::Settled), "{:#?}", world.trace());
        delete_all(&world.api);
    }
    let [base, source, mapping, flow] = chain;
    let existing = "Stripe charges of former";
    world.api.apply(&base);
    world.api.apply(&source);
    world.api.apply(&with(mapping, "/targetSchema", json!({ "existing": { "title": existing } })));
    world.api.apply(&with(flow, "/dataset", json!({ "existing": { "name": existing } })));
    world
}

async fn creation_survives(target: Target) {
    let clean = clean_run(&new_world(target).await).await;
    super::try_each(super::deaths(&clean.exchanges, &Moment::ALL), async |plan| {
        let world = new_world(target).await;
        die_while_creating(&world, &clean, plan).await
    })
    .await;
}

async fn clean_run(world: &World) -> Clean {
    let before = world.creating_posts().len();
    let owned_before: usize = world.owned().values().sum();
    let process = world.process("clean", Plan::Live);
    let end = world.run(&process, Order::ParentsFirst).await;
    assert_eq!(end, Ok(End::Settled), "{:#?}", world.trace());
    assert!(world.violations().is_empty(), "{:#?}", world.violations());
    let posts = world.creating_posts().split_off(before);
    let owned = world.owned();
    assert_eq!(owned.values().sum::<usize>() - owned_before, posts.len(), "{owned:#?} by {posts:#?}");
    let exchanges = world.trace().into_iter().filter(|line| line.starts_with("clean")).collect();
    Clean { exchanges, calls: world.calls().len(), statuses: world.statuses(), owned }
}

async fn die_while_creating(world: &World, clean: &Clean, plan: Plan) -> Result<(), String> {
    let former = world.process("first", plan);
    expect_death(world.run(&former, Order::ParentsFirst).await)?;
    let next = world.process("next", Plan::Live);
    let end = world.run_after(&next, &former, Order::ParentsFirst).await;
    end.and_then(|_| agrees(world, clean)).map_err(|problem| with_trace(world, &problem))
}

/// Makes a chain, deletes it under a plan, and returns the exchanges of the deletion.
async fn deletion(chain: &[Value], plan: Plan) -> Result<Vec<String>, String> {
    let world = World::with(chain);
    let maker = world.process("maker", Plan::Live);
    world.run(&maker, Order::ParentsFirst).await?;
    drop(maker);
    let made = world.trace().len();
    delete_all(&world.api);
    let former = world.process("first", plan);
    let mut end = world.run(&former, Order::ChildrenFirst).await;
    if plan != Plan::Live {
        expect_death(end)?;
        let next = world.process("next", Plan::Live);
        end = world.run_after(&next, &former, Order::ChildrenFirst).await;
    }
    end.and_then(|_| leaves_nothing(&world, may_stay(chain)))
        .map_err(|problem| with_trace(&world, &problem))?;
    Ok(world.trace().split_off(made))
}

async fn delete_while_creating(chain: &[Value], plan: Plan) -> Result<(), String> {
    let world = World::with(chain);
    let former = world.process("first", plan);
    let api = world.api.clone();
    former.tape.at(move || delete_all(&api));
    let mut end = world.run(&former, Order::ParentsFirst).await;
    if let Plan::Die(..) = plan {
        expect_death(end)?;
        delete_all(&world.api);
        let next = world.process("next", Plan::Live);
        end = world.run_after(&next, &former, Order::ChildrenFirst).await;
    }
    end.and_then(|_| leaves_nothing(&world, may_stay(chain))).map_err(|problem| with_trace(&world, &problem))
}

fn delete_all(api: &ApiServer) {
    for kind in KINDS {
        for object in api.list(kind) {
            api.delete(kind, &text(&object, "/metadata/name"));
        }
    }
}

/// Retained schemas and datasets, and mapping sets, which have no DELETE, may stay.
const MAY_STAY: [&str; 4] = ["mapping-set", "field-group", "schema", "dataset"];

fn leaves_nothing(world: &World, may_stay: &[&str]) -> Result<(), String> {
    if !world.violations().is_empty() {
        return Err(format!("two live objects with one marker: {:?}", world.violations()));
    }
    let left: Vec<String> = world.owned().into_keys().map(|(_, role)| role).collect();
    let orphans: Vec<&String> = left.iter().filter(|role| !may_stay.contains(&role.as_str())).collect();
    if !orphans.is_empty() {
        return Err(format!("orphans: {orphans:?}"));
    }
    for secret in ["aep-credentials", "stripe"] {
        if world
            .api
            .get("Secret", secret)
            .is_some_and(|secret| secret["metadata"].get("finalizers").is_some())
        {
            return Err(format!("Secret {secret} is still held"));
        }
    }
    Ok(())
}

fn agrees(world: &World, clean: &Clean) -> Result<(), String> {
    let violations = world.violations();
    if !violations.is_empty() {
        return Err(format!("two live objects with one marker: {violations:?}"));
    }
    if world.owned() != clean.owned {
        return Err(format!("owned upstream: {:?}, without a crash: {:?}", world.owned(), clean.owned));
    }
    for (kind, status) in world.statuses() {
        if status != clean.statuses[&kind] {
            return Err(format!(
                "the status of {kind} is {status}, without a crash {}",
                clean.statuses[&kind]
            ));
        }
    }
    let extra = world.calls().len().saturating_sub(clean.calls);
    if extra > EXTRA_CALLS {
        return Err(format!("{extra} calls more than without a crash"));
    }
    Ok(())
}

fn expect_death(end: Result<End, String>) -> Result<(), String> {
    match end? {
        End::Died => Ok(()),
        End::Settled => Err("the exchange was never reached".to_owned()),
    }
}

fn with_trace(world: &World, problem: &str) -> String {
    const SHOWN: usize = 160;
    let trace = world.trace();
    format!("{problem}\n{}", trace[..trace.len().min(SHOWN)].join("\n"))
}
