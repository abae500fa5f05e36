//! A flow is replaced while its last run is in flight; the process dies at every exchange, in every way, and the next one ends with one
//! flow, one target, and every Stripe id as often as the condition says. The simulator watches that no two flows of one object are
//! enabled at any moment. A death before an exchange leaves what a death in the one before it leaves, so it is not tried as well.

use std::time::Duration;

use serde_json::json;

use super::{AUTOMATIC, Asked, MANUAL, flow, flow_alone, one_flow, running, status, with_trace};
use crate::driver::apiserver::ApiServer;
use crate::driver::harness::{End, KINDS, Order, Pass, World, text};
use crate::driver::tape::{Moment, Plan};
use crate::driver::{deaths, notices, try_each};

async fn replace_under(asked: Asked, plan: Plan) -> Result<Vec<String>, String> {
    let (world, maker) = running(asked).await;
    let world = world.approving();
    drop(maker);
    let made = world.trace().len();
    world.pay(3);
    world.api.apply(&flow(asked, "other"));
    let former = world.process("first", plan);
    let mut end = flow_alone(&world, &former, None).await;
    if plan != Plan::Live {
        end = match end? {
            End::Died => {
                let next = world.process("next", Plan::Live);
                flow_alone(&world, &next, Some(&former)).await
            }
            End::Settled => Err("the exchange was never reached".to_owned()),
        };
    }
    end.and_then(|_| one_flow(&world, "other", "enabled"))
        .map_err(|problem| with_trace(&world, made, &problem))?;
    world.pay(2);
    world.wait(Duration::from_hours(3)).await;
    as_promised(&world, asked).map_err(|problem| with_trace(&world, made, &problem))?;
    Ok(world.trace().split_off(made))
}

/// With windows that follow `created`, history None loses and doubles nothing; history Full doubles what the old flow had.
fn as_promised(world: &World, asked: Asked) -> Result<(), String> {
    let replaced = world.condition("IngestionFlow", "Replaced");
    if replaced["status"] != "True" || !text(&replaced, "/message").contains(asked.history) {
        return Err(format!("the condition Replaced is {replaced}"));
    }
    let rows = world.rows();
    let times = |wanted: u64| rows.values().filter(|times| **times == wanted).count();
    let seeded = rows.len() - 5;
    let promised = if asked.history == "None" { [rows.len(), 0] } else { [5, seeded] };
    if [times(1), times(2)] != promised {
        return Err(format!("{} ids once, {} twice, promised {promised:?}", times(1), times(2)));
    }
    Ok(())
}

async fn survives(asked: Asked, moments: &[Moment]) {
    let clean = replace_under(asked, Plan::Live).await.expect("a replacement without faults should end");
    try_each(deaths(&clean, moments), async |plan| replace_under(asked, plan).await).await;
}

#[tokio::test(start_paused = true)]
async fn an_approved_replacement_without_history_ends_wherever_its_process_dies() {
    survives(MANUAL, &[Moment::Executed, Moment::OnItsWay]).await;
}

#[tokio::test(start_paused = true)]
async fn an_approved_replacement_with_full_history_ends_wherever_its_process_dies() {
    survives(Asked { history: "Full", ..MANUAL }, &[Moment::Executed]).await;
}

#[tokio::test(start_paused = true)]
async fn an_automatic_replacement_without_history_ends_wherever_its_process_dies() {
    survives(AUTOMATIC, &[Moment::Executed]).await;
}

#[tokio::test(start_paused = true)]
async fn an_automatic_replacement_with_full_history_ends_wherever_its_process_dies() {
    survives(Asked { history: "Full", ..AUTOMATIC }, &[Moment::Executed, Moment::OnItsWay]).await;
}

/// At each exchange of a replacement the user puts the former source back.
#[tokio::test(start_paused = true)]
async fn a_replacement_that_is_reverted_at_any_exchange_ends_with_one_flow_on_the_former_source() {
    let clean = replace_under(MANUAL, Plan::Live).await.expect("a replacement without faults should end");
    try_each(notices(&clean).chain(deaths(&clean, &[Moment::Executed])), revert_at).await;
}

async fn revert_at(plan: Plan) -> Result<(), String> {
    let (world, maker) = running(MANUAL).await;
    let world = world.approving();
    drop(maker);
    let made = world.trace().len();
    world.api.apply(&flow(MANUAL, "other"));
    let former = world.process("first", plan);
    let api = world.api.clone();
    former.tape.at(move || api.apply(&flow(MANUAL, "charges")));
    let mut end = flow_alone(&world, &former, None).await;
    if let Plan::Die(..) = plan {
        world.api.apply(&flow(MANUAL, "charges"));
        let next = world.process("next", Plan::Live);
        end = flow_alone(&world, &next, Some(&former)).await;
    }
    end.and_then(|_| one_flow(&world, "charges", "enabled"))
        .map_err(|problem| with_trace(&world, made, &problem))
}

/// The new flow was just made when its process died and the user put the former source back; the process that gives the replacement up
/// dies too, at each exchange.
#[tokio::test(start_paused = true)]
async fn a_replacement_is_given_up_wherever_the_process_dies_that_gives_it_up() {
    let clean = replace_under(MANUAL, Plan::Live).await.expect("a replacement without faults should end");
    let made =
        clean.iter().position(|line| line.ends_with("POST /flowservice/flows")).expect("a POST of the flow");
    let giving_up = give_up_under(made, Plan::Live).await.expect("giving up without faults should end");
    try_each(deaths(&giving_up, &[Moment::Executed]), async |plan| give_up_under(made, plan).await).await;
}

async fn give_up_under(made: usize, plan: Plan) -> Result<Vec<String>, String> {
    let (world, maker) = running(MANUAL).await;
    drop(maker);
    let world = world.approving();
    world.api.apply(&flow(MANUAL, "other"));
    let former = world.process("first", Plan::Die(made, Moment::Executed));
    let _died = flow_alone(&world, &former, None).await?;
    let from = world.trace().len();
    world.api.apply(&flow(MANUAL, "charges"));
    let second = world.process("second", plan);
    let mut end = flow_alone(&world, &second, None).await;
    if plan != Plan::Live && end == Ok(End::Died) {
        let third = world.process("third", Plan::Live);
        end = flow_alone(&world, &third, None).await;
    }
    end.and_then(|_| one_flow(&world, "charges", "enabled"))
        .map_err(|problem| with_trace(&world, from, &problem))?;
    Ok(world.trace().split_off(from))
}

/// At each exchange of a replacement the user deletes everything.
#[tokio::test(start_paused = true)]
async fn a_chain_deleted_in_the_midst_of_a_replacement_leaves_nothing_behind() {
    let clean = replace_under(AUTOMATIC, Plan::Live).await.expect("a replacement without faults should end");
    try_each(notices(&clean).chain(deaths(&clean, &[Moment::Executed])), delete_at).await;
}

async fn delete_at(plan: Plan) -> Result<(), String> {
    let (world, maker) = running(AUTOMATIC).await;
    drop(maker);
    let made = world.trace().len();
    world.api.apply(&flow(AUTOMATIC, "other"));
    let former = world.process("first", plan);
    let api = world.api.clone();
    former.tape.at(move || delete_all(&api));
    let mut end = world.run(&former, Order::ParentsFirst).await;
    if let Plan::Die(..) = plan {
        delete_all(&world.api);
        let next = world.process("next", Plan::Live);
        end = world.run_after(&next, &former, Order::ChildrenFirst).await;
    }
    let nothing_left = |_| {
        let left: Vec<String> = world.owned().into_keys().map(|(_, role)| role).collect();
        let may_stay = ["mapping-set", "field-group", "schema", "dataset"];
        let orphans: Vec<&String> = left.iter().filter(|role| !may_stay.contains(&role.as_str())).collect();
        match (orphans.is_empty(), world.violations().is_empty()) {
            (true, true) => Ok(()),
            _ => Err(format!("left {orphans:?}, violations {:?}", world.violations())),
        }
    };
    end.and_then(nothing_left).map_err(|problem| with_trace(&world, made, &problem))
}

fn delete_all(api: &ApiServer) {
    for kind in KINDS {
        for object in api.list(kind) {
            api.delete(kind, &text(&object, "/metadata/name"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_flow_that_adobe_refuses_leaves_the_former_one_at_work_wherever_its_process_dies() {
    let clean = refused_under(Plan::Live).await.expect("a refusal should end");
    try_each(deaths(&clean, &[Moment::Executed]), refused_under).await;
}

async fn refused_under(plan: Plan) -> Result<Vec<String>, String> {
    let (world, maker) = running(AUTOMATIC).await;
    drop(maker);
    let made = world.trace().len();
    let on = json!({ "method": "POST", "endpoint": "/flows" });
    let body = json!({ "errorCode": "FLOW-1419-400", "errorMessage": "no" });
    world.fault(
        &json!({ "match": on, "times": "forever", "action": { "status": { "status": 400, "body": body } } }),
    );
    world.api.apply(&flow(AUTOMATIC, "other"));
    let former = world.process("first", plan);
    let mut next = None;
    for _ in 0..60 {
        let process = next.as_ref().unwrap_or(&former);
        if let Pass::Died = world.pass(process, "IngestionFlow", "charges").await {
            next = Some(world.process("next", Plan::Live));
            continue;
        }
        if world.condition("IngestionFlow", "Ready")["reason"] == "ApprovalRequired" {
            break;
        }
        if let Some(request) = former.tape.take_on_its_way().filter(|_| next.is_some()) {
            request.await;
        }
        world.wait(Duration::from_secs(10)).await;
    }
    let lines = status(&world)["pending"]["differences"].to_string();
    if world.condition("IngestionFlow", "Ready")["reason"] != "ApprovalRequired"
        || !lines.contains("the last attempt was refused")
    {
        return Err(with_trace(&world, made, &status(&world).to_string()));
    }
    one_flow(&world, "charges", "enabled").map_err(|problem| with_trace(&world, made, &problem))?;
    Ok(world.trace().split_off(made))
}
