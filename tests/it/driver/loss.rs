//! What others delete, hide or reset upstream: nothing is made again before its absence is proven, never twice, and never while so much is
//! missing that the fault is more likely with whoever asks.

use std::time::Duration;

use aep_operator::api::SYNC_REQUESTED_AT;
use aep_operator::controller::inventory::Inventory;
use serde_json::{Value, json};

mod outlived;

use super::harness::seen::path_of;
use super::harness::{End, KINDS, Process, World, is_ready, text};
use super::tape::{Moment, Plan};
use crate::support::objects::{self, with};

const RECREATE: &str = "Recreate";
const HOLD: &str = "Hold";

fn chain(policy: &str) -> [Value; 4] {
    let [base, source, mapping, flow] = objects::chain("charges", "charges");
    [base, source, mapping, with(flow, "/onUpstreamDeletion", json!(policy))]
}

/// Somebody deletes the object in Adobe's UI.
fn delete_upstream(world: &World, role: &str) -> String {
    let id = world.id_of(role);
    let (status, answer) = world.sim.control("DELETE", &path_of(&id), &Value::Null);
    assert_eq!(status, 204, "{role}: {answer}");
    id
}

/// Every object is Ready, nothing was ever there twice, and each role exists once.
fn is_whole(world: &World) -> Result<(), String> {
    if !world.violations().is_empty() {
        return Err(format!("at some moment: {:?}", world.violations()));
    }
    let unready: Vec<Value> =
        KINDS.iter().flat_map(|kind| world.api.list(kind)).filter(|object| !is_ready(object)).collect();
    if let Some(object) = unready.first() {
        return Err(format!("not Ready: {}", object["status"]["conditions"]));
    }
    match world.owned().into_iter().find(|(_, count)| *count != 1) {
        Some((role, count)) => Err(format!("{count} of {role:?}")),
        None => Ok(()),
    }
}

/// So many Stripe ids were ingested, each once.
fn holds_each_once(world: &World, count: usize, what: &str) {
    let rows = world.rows();
    assert_eq!(rows.len(), count, "{what}: nothing is missing");
    assert!(rows.values().all(|times| *times == 1), "{what}: nothing is there twice: {rows:?}");
}

#[tokio::test(start_paused = true)]
async fn whatever_is_deleted_upstream_is_made_again_once_and_proven_first() {
    for (role, posts) in [
        (
            "connection",
            vec!["POST /connections", "POST /sourceConnections", "POST /targetConnections", "POST /flows"],
        ),
        ("source-connection", vec!["POST /sourceConnections", "POST /targetConnections", "POST /flows"]),
        ("mapping-set", vec!["POST /mappingSets"]),
        ("target-connection", vec!["POST /targetConnections", "POST /flows"]),
        ("flow", vec!["POST /flows"]),
        ("dataset", vec!["POST /dataSets", "POST /targetConnections", "POST /flows"]),
    ] {
        let (world, process, mut inventory) = World::kept(&chain(RECREATE)).await;
        // A source made again is a replacement for its flow, which is approved here.
        let world = world.approving();
        world.wait(Duration::from_hours(2)).await;
        world.keep(&process, &mut inventory).await.expect("runs should be noted");
        let seeded = world.rows().len();
        assert!(seeded > 0);
        delete_upstream(&world, role);
        world.pay(3);
        let before = world.creating_posts().len();
        let began = world.now();
        let end = world.keep(&process, &mut inventory).await;
        assert_eq!(end, Ok(End::Settled), "{role}: {:#?}", world.trace());
        let waited = Duration::try_from(world.now().duration_since(began)).unwrap_or_default();
        assert!(waited >= process.cx.settings.drift_interval, "{role}: proven after {waited:?}");
        assert_eq!(world.creating_posts().split_off(before), posts, "{role}");
        is_whole(&world).unwrap_or_else(|problem| panic!("{role}: {problem}\n{:#?}", world.trace()));
        let asked = world.approvals().into_keys().collect::<Vec<_>>();
        let moves = ["connection", "source-connection"].contains(&role);
        let expected: &[&str] = if moves { &["IngestionFlow charges"] } else { &[] };
        assert_eq!(asked, expected, "{role}: nobody is asked where spec says Recreate");
        world.pay(2);
        world.wait(Duration::from_hours(3)).await;
        // What the lost dataset held is lost with it.
        let held = if role == "dataset" { 0 } else { seeded };
        holds_each_once(&world, held + 5, role);
    }
}

#[tokio::test(start_paused = true)]
async fn a_held_flow_waits_for_an_approval_and_then_goes_on_where_the_lost_one_ended() {
    for role in ["flow", "target-connection", "dataset"] {
        let (world, process, mut inventory) = World::kept(&chain(HOLD)).await;
        world.wait(Duration::from_hours(2)).await;
        world.keep(&process, &mut inventory).await.expect("runs should be noted");
        let seeded = world.rows().len();
        assert!(seeded > 0);
        let (id, posts) = (delete_upstream(&world, role), world.creating_posts().len());
        world.pay(3);
        world.keep(&process, &mut inventory).await.expect("the loss should be settled");
        assert_eq!(world.creating_posts().len(), posts, "{role}: nothing is made before it is approved");
        let ready = world.condition("IngestionFlow", "Ready");
        assert_eq!(ready["reason"], "ApprovalRequired", "{role}: {ready}");
        assert!(text(&ready, "/message").contains(&id), "{role}: {ready}");
        assert_eq!(world.condition("IngestionFlow", "Synced")["status"], "False", "{role}");
        // Asked to look again, it says that it has.
        world.api.annotate("IngestionFlow", "charges", SYNC_REQUESTED_AT, "now");
        let _waits = world.pass(&process, "IngestionFlow", "charges").await;
        let flow = world.api.get("IngestionFlow", "charges").unwrap_or_default();
        assert_eq!(flow["status"]["lastHandledSync"], "now", "{role}: {flow}");

        world.wait(Duration::from_hours(5)).await;
        let world = world.approving();
        world.approve();
        world.keep(&process, &mut inventory).await.expect("the approved flow should be made");
        is_whole(&world).unwrap_or_else(|problem| panic!("{role}: {problem}"));
        assert_eq!(world.approvals()["IngestionFlow charges"].len(), 1, "{role}: asked once");
        world.pay(2);
        world.wait(Duration::from_hours(3)).await;
        // What the lost dataset held is lost with it; until it was lost, nobody stopped the flow whose target was.
        let held = if role == "dataset" { 0 } else { seeded };
        holds_each_once(&world, held + 5, role);
    }
}

#[tokio::test(start_paused = true)]
async fn the_second_loss_of_what_was_made_again_is_left_to_a_person() {
    for (role, kind) in [("flow", "IngestionFlow"), ("mapping-set", "IngestionMapping")] {
        let (world, process, mut inventory) = World::kept(&chain(RECREATE)).await;
        for _ in 0..2 {
            delete_upstream(&world, role);
            world.keep(&process, &mut inventory).await.expect("the loss should be settled");
        }
        let ready = world.condition(kind, "Ready");
        assert_eq!(ready["reason"], "ApprovalRequired", "{role}: {ready}");
        let world = world.approving();
        world.approve();
        world.keep(&process, &mut inventory).await.expect("the approved object should be made");
        is_whole(&world).unwrap_or_else(|problem| panic!("{role}: {problem}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_schema_or_field_group_is_left_to_a_person_and_the_way_out_that_is_named_works() {
    for role in ["schema", "field-group"] {
        let (world, process, mut inventory) = World::kept(&chain(RECREATE)).await;
        let id = delete_upstream(&world, role);
        let posts = world.creating_posts().len();
        world.wait(process.cx.settings.slow_drift_interval).await;
        world.keep(&process, &mut inventory).await.expect("the loss should be settled");
        assert_eq!(world.creating_posts().len(), posts, "{role}: nothing is made in its place");
        let ready = world.condition("IngestionMapping", "Ready");
        assert_eq!(ready["reason"], "Gone", "{role}: {ready}");
        for part in [role, &id, "delete this IngestionMapping and the IngestionFlow", "under another name"] {
            assert!(text(&ready, "/message").contains(part), "{role}: {part}: {ready}");
        }
        if role == "field-group" {
            assert!(text(&ready, "/message").contains("delete the schema that is built on it"), "{ready}");
            delete_upstream(&world, "schema");
        }
        for kind in ["IngestionMapping", "IngestionFlow"] {
            world.api.delete(kind, "charges");
        }
        world.keep(&process, &mut inventory).await.expect("both should go");
        assert!(world.api.get("IngestionMapping", "charges").is_none(), "{role}: released");
        world.api.apply(&chain(RECREATE)[2]);
        // A dataset is bound to its schema for good, and one that was retained belongs to the flow of that name.
        world.api.apply(&objects::flow("again", "charges", "charges", "Stripe charges"));
        world.keep(&process, &mut inventory).await.expect("both should be made again");
        for object in KINDS.iter().flat_map(|kind| world.api.list(kind)) {
            assert!(is_ready(&object), "{role}: {}", object["status"]);
        }
        assert!(world.violations().is_empty(), "{role}: {:?}", world.violations());
    }
}

#[tokio::test(start_paused = true)]
async fn a_flow_that_ran_once_and_succeeded_is_never_made_again() {
    let [base, source, mapping, flow] = chain(RECREATE);
    let flow = with(flow, "/schedule", json!({ "frequency": "once" }));
    let (world, process, mut inventory) = World::kept(&[base, source, mapping, flow]).await;
    world.wait(Duration::from_hours(1)).await;
    world.keep(&process, &mut inventory).await.expect("the run should be noted");
    delete_upstream(&world, "flow");
    let posts = world.creating_posts().len();
    world.keep(&process, &mut inventory).await.expect("the loss should be settled");
    assert_eq!(world.creating_posts().len(), posts);
    assert_eq!(world.condition("IngestionFlow", "Stalled")["reason"], "CompletedFlowGone");
    assert_eq!(world.condition("IngestionFlow", "Ready")["status"], "True", "it did what it was for");
}

#[tokio::test(start_paused = true)]
async fn with_report_nothing_is_made_again() {
    for (at, kind, role) in [
        (1, "StripeSourceConnection", "source-connection"),
        (2, "IngestionMapping", "mapping-set"),
        (3, "IngestionFlow", "flow"),
        (3, "IngestionFlow", "dataset"),
    ] {
        let mut chain = chain(RECREATE);
        chain[at] = with(chain[at].clone(), "/driftPolicy", json!("Report"));
        let (world, process, mut inventory) = World::kept(&chain).await;
        let id = delete_upstream(&world, role);
        let posts = world.creating_posts().len();
        world.keep(&process, &mut inventory).await.expect("the loss should be settled");
        assert_eq!(world.creating_posts().len(), posts, "{role}");
        let ready = world.condition(kind, "Ready");
        assert_eq!(ready["reason"], "Gone", "{role}: {ready}");
        for part in [&id, "driftPolicy is Report"] {
            assert!(text(&ready, "/message").contains(part), "{role}: {part}: {ready}");
        }
    }
}

/// Nothing is created and nothing is released while something is wrong with what can be seen; afterwards all is as before.
async fn neither_created_nor_released(break_it: impl Fn(&World), mend_it: impl Fn(&World), reason: &str) {
    let (world, process, mut inventory) = World::kept(&chain(RECREATE)).await;
    let (owned, posts) = (world.owned(), world.creating_posts().len());
    break_it(&world);
    world.keep(&process, &mut inventory).await.expect("it should come to rest");
    let flow = world.condition("IngestionFlow", "Stalled");
    assert_eq!(flow["reason"], reason, "{flow}");
    world.api.delete("IngestionFlow", "charges");
    world.keep(&process, &mut inventory).await.expect("it should come to rest");
    assert!(world.api.get("IngestionFlow", "charges").is_some(), "not released");
    assert_eq!(world.creating_posts().len(), posts, "nothing is created: {:?}", world.creating_posts());
    mend_it(&world);
    world.keep(&process, &mut inventory).await.expect("it should come to rest");
    assert!(world.api.get("IngestionFlow", "charges").is_none(), "released when it could be deleted");
    let left: Vec<_> = world.owned().into_keys().collect();
    let kept: Vec<_> = owned
        .into_keys()
        .filter(|(_, role)| !["flow", "target-connection"].contains(&role.as_str()))
        .collect();
    assert_eq!(left, kept, "the rest of the chain is untouched");
    assert!(KINDS[..3].iter().flat_map(|kind| world.api.list(kind)).all(|object| is_ready(&object)));
}

#[tokio::test(start_paused = true)]
async fn an_access_label_hides_a_flow_and_nothing_is_made_in_its_place() {
    let hide = |world: &World, hidden: bool| {
        let id = world.id_of("flow");
        let (status, _) = world.sim.control("POST", &format!("/objects/{id}"), &json!({ "hidden": hidden }));
        assert_eq!(status, 200);
    };
    neither_created_nor_released(
        |world| hide(world, true),
        |world| hide(world, false),
        "HiddenByAccessLabel",
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_role_shows_nothing_and_nothing_is_made_or_released() {
    let lose = |world: &World, lost: bool| world.set_sandbox(&json!({ "roleLost": lost }));
    neither_created_nor_released(|world| lose(world, true), |world| lose(world, false), "InventorySuspect")
        .await;
}

/// A lost role answers 403 like an access label, and an object may look before the inventory has counted what is missing.
#[tokio::test(start_paused = true)]
async fn objects_that_look_before_the_inventory_under_a_lost_role_stay_ready() {
    let (world, former, _) = World::kept(&chain(RECREATE)).await;
    drop(former);
    let process = world.process("next", Plan::Live);
    let look = async |moment: &str| {
        for kind in KINDS {
            let object = world.api.get(kind, "charges").unwrap_or_default();
            process.cx.memory.ask_for_check(&text(&object, "/metadata/uid"));
            let asked = world.calls().len();
            world.pass(&process, kind, "charges").await;
            let calls = world.calls().split_off(asked);
            assert!(calls.iter().any(|call| call.ends_with("/{id}")), "{moment}: {kind} looked: {calls:?}");
            let ready = world.condition(kind, "Ready");
            assert_eq!(ready["status"], "True", "{moment}: {kind}: {ready}");
        }
    };
    look("at once").await;
    world.set_sandbox(&json!({ "roleLost": true }));
    look("when the role is lost").await;
    world.wait(process.cx.settings.drift_interval).await;
    look("an interval later").await;
    world.keep(&process, &mut Inventory::new(vec![None])).await.expect("it should come to rest");
    for kind in KINDS {
        assert_eq!(world.condition(kind, "InventorySuspect")["status"], "True", "{kind}");
        assert_eq!(world.condition(kind, "Ready")["status"], "True", "{kind}: nobody knows better");
    }
}

#[tokio::test(start_paused = true)]
async fn in_a_sandbox_that_was_reset_nothing_is_made_and_only_retain_releases() {
    let (world, process, mut inventory) = World::kept(&chain(RECREATE)).await;
    let posts = world.creating_posts().len();
    world.set_sandbox(&json!({ "reset": true }));
    world.wait(process.cx.settings.slow_drift_interval).await;
    world.keep(&process, &mut inventory).await.expect("it should come to rest");
    for kind in KINDS {
        let stalled = world.condition(kind, "Stalled");
        assert_eq!(stalled["reason"], "SandboxReset", "{kind}: {stalled}");
    }
    KINDS.iter().for_each(|kind| world.api.delete(kind, "charges"));
    world.keep(&process, &mut inventory).await.expect("it should come to rest");
    assert!(world.api.get("IngestionFlow", "charges").is_some(), "not released");
    assert_eq!(world.creating_posts().len(), posts);
    for object in chain(RECREATE) {
        world.api.apply(&with(object, "/deletionPolicy", json!("Retain")));
    }
    world.keep(&process, &mut inventory).await.expect("it should come to rest");
    assert!(KINDS.iter().all(|kind| world.api.get(kind, "charges").is_none()), "Retain lets them go");
}

/// A chain at rest after everything of Flow Service has gone, and how many POSTs there were until then.
async fn mass_disappearance() -> (World, Process, Inventory, usize) {
    let (world, process, mut inventory) = World::kept(&chain(RECREATE)).await;
    let posts = world.creating_posts().len();
    for role in ["flow", "target-connection", "source-connection", "connection"] {
        delete_upstream(&world, role);
    }
    world.keep(&process, &mut inventory).await.expect("it should come to rest");
    (world, process, inventory, posts)
}

#[tokio::test(start_paused = true)]
async fn when_too_much_disappears_a_person_has_to_believe_it() {
    let (world, process, mut inventory, posts) = mass_disappearance().await;
    for kind in ["StripeBaseConnection", "StripeSourceConnection", "IngestionFlow"] {
        let suspect = world.condition(kind, "InventorySuspect");
        assert_eq!(suspect["status"], "True", "{kind}");
        assert_eq!(world.condition(kind, "Ready")["status"], "True", "{kind}: nobody knows better");
    }
    assert_eq!(world.creating_posts().len(), posts);
    let asked = world.calls().len();
    inventory.round(&process.cx).await;
    world.pass(&process, "IngestionFlow", "charges").await;
    let calls = world.calls().split_off(asked);
    assert!(calls.iter().all(|call| !call.contains("{id}")), "the lists tell enough: {calls:?}");
    let world = world.approving();
    world.approve();
    world.keep(&process, &mut inventory).await.expect("the chain should be made again");
    is_whole(&world).expect("the chain should be whole");
}

#[tokio::test(start_paused = true)]
async fn when_too_much_disappears_nothing_is_released() {
    let (world, process, mut inventory, posts) = mass_disappearance().await;
    KINDS.iter().for_each(|kind| world.api.delete(kind, "charges"));
    world.keep(&process, &mut inventory).await.expect("it should come to rest");
    for kind in ["StripeBaseConnection", "StripeSourceConnection", "IngestionFlow"] {
        let object = world.api.get(kind, "charges").unwrap_or_default();
        assert!(object["metadata"]["finalizers"].is_array(), "{kind}: {object}");
    }
    assert_eq!(world.creating_posts().len(), posts, "nothing is made");
}

async fn lost_under(role: &str, kinds: &[&str], plan: Plan) -> Result<Vec<String>, String> {
    let (world, maker, _) = World::kept(&chain(RECREATE)).await;
    let world = world.approving();
    world.wait(Duration::from_hours(1)).await;
    drop(maker);
    delete_upstream(&world, role);
    world.pay(2);
    let made = world.trace().len();
    let failed = |problem: String| format!("{problem}\n{}", world.trace().split_off(made).join("\n"));
    let former = world.process("first", plan);
    let mut end = world.keep_only(kinds, &former, &mut Inventory::new(vec![None])).await.map_err(failed)?;
    if plan != Plan::Live {
        if end != End::Died {
            return Err(failed("the exchange was never reached".to_owned()));
        }
        let next = world.process("next", Plan::Live);
        let mut inventory = Inventory::new(vec![None]);
        if let Some(request) = former.tape.take_on_its_way() {
            inventory.round(&next.cx).await;
            request.await;
        }
        end = world.keep_only(kinds, &next, &mut inventory).await.map_err(failed)?;
    }
    if end != End::Settled {
        return Err(failed("not settled".to_owned()));
    }
    is_whole(&world).map_err(failed)?;
    world.wait(Duration::from_hours(3)).await;
    let rows = world.rows();
    if rows.values().any(|times| *times != 1) {
        return Err(failed(format!("rows twice: {rows:?}")));
    }
    Ok(world.trace().split_off(made))
}

async fn survives(role: &str, kinds: &[&str], moments: &[Moment]) {
    let clean = lost_under(role, kinds, Plan::Live).await.expect("a loss without faults should end");
    super::try_each(super::deaths(&clean, moments), async |plan| lost_under(role, kinds, plan).await).await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_flow_is_made_again_once_wherever_the_process_dies() {
    survives("flow", &["IngestionFlow"], &Moment::ALL).await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_mapping_set_is_made_again_once_wherever_the_process_dies() {
    survives("mapping-set", &["IngestionMapping", "IngestionFlow"], &[Moment::Executed]).await;
}
