//! Adobe binds a source connection to its base connection for good. One whose base was lost is made again beside the old one, which goes
//! when its flow has moved.

use std::time::Duration;

use aep_operator::api::APPROVE;
use aep_operator::controller::inventory::Inventory;
use serde_json::{Value, json};

use super::{HOLD, RECREATE, chain, delete_upstream, holds_each_once, is_whole, survives};
use crate::driver::harness::seen::path_of;
use crate::driver::harness::{End, KINDS, World, is_ready, text};
use crate::driver::tape::{Moment, Plan};
use crate::driver::{deaths, try_each};
use crate::support::objects::with;

/// The roles of the source connections that status names.
fn sources_of(world: &World) -> Vec<String> {
    let source = world.api.get("StripeSourceConnection", "charges").unwrap_or_default();
    let external = source["status"]["external"].as_array().cloned().unwrap_or_default();
    external.iter().map(|object| text(object, "/role")).collect()
}

#[tokio::test(start_paused = true)]
async fn a_source_that_outlived_its_connection_stays_until_its_flow_has_moved() {
    let (world, process, mut inventory) = World::kept(&chain(HOLD)).await;
    world.wait(Duration::from_hours(2)).await;
    world.keep(&process, &mut inventory).await.expect("runs should be noted");
    let seeded = world.rows().len();
    let (outlived, flow) = (world.id_of("source-connection"), world.id_of("flow"));
    delete_upstream(&world, "connection");
    world.pay(3);
    let posts = world.creating_posts().len();
    world.keep(&process, &mut inventory).await.expect("the loss should be settled");
    assert_eq!(world.creating_posts().split_off(posts), ["POST /connections", "POST /sourceConnections"]);
    assert_eq!(world.condition("StripeSourceConnection", "Ready")["status"], "True");
    assert_eq!(sources_of(&world), ["former-source-connection", "source-connection"]);
    let ready = world.condition("IngestionFlow", "Ready");
    assert_eq!(ready["reason"], "ApprovalRequired", "{ready}");
    assert!(text(&ready, "/message").contains(&outlived), "{ready}");
    assert_eq!(world.id_of("flow"), flow, "nothing is stopped before it is approved");
    let world = world.approving();
    world.approve();
    world.keep(&process, &mut inventory).await.expect("the flow should move");
    is_whole(&world).expect("the chain should be whole");
    assert_eq!(sources_of(&world), ["source-connection"]);
    assert!(
        world.all_upstream().iter().all(|object| object["id"] != *outlived),
        "it went when nothing read it"
    );
    world.pay(2);
    world.wait(Duration::from_hours(3)).await;
    holds_each_once(&world, seeded + 5, "connection");
}

#[tokio::test(start_paused = true)]
async fn a_chain_deleted_while_its_source_waits_to_go_leaves_neither_source_behind() {
    let (world, process, mut inventory) = World::kept(&chain(HOLD)).await;
    delete_upstream(&world, "connection");
    world.keep(&process, &mut inventory).await.expect("the loss should be settled");
    assert_eq!(world.playing("source-connection").len(), 2);
    KINDS.iter().for_each(|kind| world.api.delete(kind, "charges"));
    world.keep(&process, &mut inventory).await.expect("the chain should go");
    assert!(KINDS.iter().all(|kind| world.api.get(kind, "charges").is_none()), "released");
    for role in ["connection", "source-connection", "target-connection", "flow"] {
        assert_eq!(world.playing(role), Vec::<Value>::new(), "{role}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_lost_again_before_the_flow_has_moved_leaves_no_source_behind() {
    let (world, process, mut inventory) = World::kept(&chain(HOLD)).await;
    delete_upstream(&world, "connection");
    world.keep(&process, &mut inventory).await.expect("the loss should be settled");
    delete_upstream(&world, "connection");
    world.keep(&process, &mut inventory).await.expect("the loss should be settled");
    let (base, flow) = ("StripeBaseConnection", "IngestionFlow");
    for kind in [base, flow] {
        assert_eq!(world.condition(kind, "Ready")["reason"], "ApprovalRequired", "{kind}");
    }
    // The connection alone is approved.
    let digest = text(&world.api.get(base, "charges").unwrap_or_default(), "/status/pending/digest");
    world.api.edit_metadata(base, "charges", &json!({ "annotations": { APPROVE: digest } }));
    world.keep(&process, &mut inventory).await.expect("the connection should be made again");
    assert_eq!(world.condition("StripeSourceConnection", "Ready")["status"], "True");
    assert_eq!(sources_of(&world), ["former-source-connection", "source-connection"]);
    assert_eq!(world.playing("source-connection").len(), 2, "the one that no flow has read is gone");
    let world = world.approving();
    world.approve();
    world.keep(&process, &mut inventory).await.expect("the chain should be mended");
    is_whole(&world).expect("the chain should be whole");
}

/// The connection is lost a second time while the first former source still waits for its flow; the process dies in between.
async fn lost_twice(plan: Plan) -> Result<Vec<String>, String> {
    let (world, maker, mut inventory) = World::kept(&chain(HOLD)).await;
    delete_upstream(&world, "connection");
    world.keep(&maker, &mut inventory).await?;
    let flow = world.id_of("flow");
    drop(maker);
    let world = world.approving();
    delete_upstream(&world, "connection");
    let made = world.trace().len();
    let failed = |problem: String| format!("{problem}\n{}", world.trace().split_off(made).join("\n"));
    let kinds = ["StripeBaseConnection", "StripeSourceConnection"];
    let former = world.process("first", plan);
    let mut end = world.keep_only(&kinds, &former, &mut Inventory::new(vec![None])).await.map_err(failed)?;
    if end == End::Died {
        let next = world.process("next", Plan::Live);
        end = world.keep_only(&kinds, &next, &mut Inventory::new(vec![None])).await.map_err(failed)?;
    }
    let exchanges = world.trace().split_off(made);
    let next = world.process("last", Plan::Live);
    let ended = world.keep(&next, &mut Inventory::new(vec![None])).await.map_err(failed)?;
    if (end, ended) != (End::Settled, End::Settled) || world.id_of("flow") == flow {
        return Err(failed("the flow did not move".to_owned()));
    }
    is_whole(&world).map_err(failed)?;
    Ok(exchanges)
}

#[tokio::test(start_paused = true)]
async fn a_connection_lost_again_leaves_one_source_wherever_the_process_dies() {
    let clean = lost_twice(Plan::Live).await.expect("two losses without faults should end");
    try_each(deaths(&clean, &[Moment::Executed]), async |plan| lost_twice(plan).await).await;
}

#[tokio::test(start_paused = true)]
async fn a_former_source_that_cannot_be_deleted_is_told_and_stops_nothing() {
    let (world, process, mut inventory) = World::kept(&chain(HOLD)).await;
    let outlived = world.id_of("source-connection");
    delete_upstream(&world, "connection");
    world.keep(&process, &mut inventory).await.expect("the loss should be settled");
    // Somebody takes the marker away: it is not known to be ours any more.
    let patch = json!({ "patch": [{ "op": "add", "path": "/description", "value": "mine" }] });
    assert_eq!(world.sim.control("POST", &path_of(&outlived), &patch).0, 200);
    let world = world.approving();
    world.approve();
    world.keep(&process, &mut inventory).await.expect("the flow should move");
    let source = || world.api.get("StripeSourceConnection", "charges").unwrap_or_default();
    assert!(is_ready(&source()), "{}", source());
    let synced = world.condition("StripeSourceConnection", "Synced");
    assert_eq!((&synced["status"], &synced["reason"]), (&json!("True"), &json!("NotOurs")), "{synced}");
    assert!(text(&synced, "/message").contains(&outlived), "{synced}");
    let renamed = with(chain(HOLD)[1].clone(), "/displayName", json!("Renamed"));
    world.api.apply(&renamed);
    world.keep(&process, &mut inventory).await.expect("the change should be applied");
    assert!(is_ready(&source()), "{}", source());
    assert_eq!(world.upstream("source-connection")["doc"]["name"], "Renamed");
    world.sim.control("DELETE", &path_of(&outlived), &Value::Null);
    world.keep(&process, &mut inventory).await.expect("it should come to rest");
    assert_eq!(sources_of(&world), ["source-connection"]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_lost_while_the_flow_moves_is_mended_when_it_has_moved() {
    let (world, process, mut inventory) = World::kept(&chain(HOLD)).await;
    let world = world.approving();
    // A run in flight holds the flow half way.
    world.switches(&json!({ "runDurationMs": 6 * 3_600_000 }));
    world.wait(Duration::from_mins(61)).await;
    delete_upstream(&world, "connection");
    world.keep(&process, &mut inventory).await.expect("the loss should be settled");
    delete_upstream(&world, "connection");
    world.keep(&process, &mut inventory).await.expect("the loss should be settled");
    let told = world.condition("StripeSourceConnection", "Reconciling");
    assert_eq!(told["reason"], "Gone", "{told}");
    assert!(text(&told, "/message").contains("when its IngestionFlow has moved to it"), "{told}");
    assert_eq!(world.playing("source-connection").len(), 2, "and no third one");
    world.switches(&json!({ "runDurationMs": 1_000 }));
    world.wait(Duration::from_hours(6)).await;
    world.keep(&process, &mut inventory).await.expect("the chain should be mended");
    is_whole(&world).expect("the chain should be whole");
    assert_eq!(sources_of(&world), ["source-connection"]);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_outlived_its_connection_is_left_where_spec_says_so() {
    for (pointer, value, way_out) in [
        ("/driftPolicy", json!("Report"), "set it to Correct"),
        ("/adopt", Value::Null, "remove that field to have a new one made"),
    ] {
        let (world, process, mut inventory) = World::kept(&chain(RECREATE)).await;
        let id = world.id_of("source-connection");
        let value = if value.is_null() { json!({ "sourceConnectionId": id }) } else { value };
        world.api.apply(&with(chain(RECREATE)[1].clone(), pointer, value));
        world.keep(&process, &mut inventory).await.expect("the change should be settled");
        delete_upstream(&world, "connection");
        let posts = world.creating_posts().len();
        world.keep(&process, &mut inventory).await.expect("the loss should be settled");
        assert_eq!(world.creating_posts().split_off(posts), ["POST /connections"], "{pointer}");
        let ready = world.condition("StripeSourceConnection", "Ready");
        assert_eq!(ready["reason"], "Gone", "{pointer}: {ready}");
        for part in [&id, "StripeBaseConnection charges", way_out] {
            assert!(text(&ready, "/message").contains(part), "{pointer}: {part}: {ready}");
        }
        // The way out that the message names.
        world.api.apply(&chain(RECREATE)[1]);
        let world = world.approving();
        world.keep(&process, &mut inventory).await.expect("the source should be made again");
        is_whole(&world).unwrap_or_else(|problem| panic!("{pointer}: {problem}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_chain_whose_connection_was_lost_is_whole_again_wherever_the_process_dies() {
    let kinds = ["StripeBaseConnection", "StripeSourceConnection", "IngestionFlow"];
    survives("connection", &kinds, &[Moment::Executed]).await;
}
