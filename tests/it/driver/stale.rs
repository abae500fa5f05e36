//! Old views: a watch that lags gives the reconciler versions that the API server left behind long ago.

use super::harness::{KINDS, World, pass_over};
use super::tape::Plan;
use crate::support::objects::{self, with};
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn an_old_view_creates_nothing_and_takes_no_status_away() {
    let world = World::with(&objects::chain("charges", "charges"));
    let maker = world.blank_process("maker", Plan::Live);
    world.settle(&maker).await;
    let (posts, statuses) = (world.creating_posts(), world.statuses());
    for kind in KINDS {
        for (age, old) in world.api.history(kind, "charges").into_iter().enumerate() {
            let fresh = world.blank_process("fresh", Plan::Live);
            let restarted = world.process("restarted", Plan::Live);
            for process in [&maker, &fresh, &restarted] {
                let ended = pass_over(process, kind, old.clone()).await;
                let message = format!("{kind} version {age}: {ended:?}\n{}", world.trace().join("\n"));
                assert_eq!(world.creating_posts(), posts, "{message}");
                assert_eq!(world.statuses(), statuses, "{message}");
            }
        }
    }
    assert!(world.violations().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_old_view_of_each_moment_of_a_creation_creates_nothing_twice() {
    let chain = objects::chain("charges", "charges");
    for seed in 0..20 {
        let world = World::with(&chain);
        let process = world.blank_process("p", Plan::Live);
        for step in 0..60_usize {
            let kind = KINDS[(step + seed) % 4];
            let history = world.api.history(kind, "charges");
            let old = history[(step * 7 + seed * 3) % history.len()].clone();
            let _either_way = pass_over(&process, kind, old).await;
        }
        world.settle(&process).await;
        assert!(world.violations().is_empty(), "{seed}: {:#?}", world.trace());
        assert!(world.owned().values().all(|count| *count == 1), "{seed}: {:?}", world.owned());
    }
}

#[tokio::test(start_paused = true)]
async fn an_old_view_of_spec_does_not_undo_a_change() {
    let (world, process) = World::settled(&objects::chain("charges", "charges")).await;
    world.api.apply(&with(objects::base("charges"), "/displayName", json!("After")));
    world.settle(&process).await;
    for old in world.api.history("StripeBaseConnection", "charges") {
        let _either_way = pass_over(&process, "StripeBaseConnection", old).await;
        assert_eq!(world.upstream("connection")["doc"]["name"], "After", "{:#?}", world.trace());
    }
}

#[tokio::test(start_paused = true)]
async fn an_old_view_of_a_deletion_sends_no_second_one_and_makes_nothing_again() {
    let (world, process) = World::settled(&objects::chain("charges", "charges")).await;
    KINDS.iter().for_each(|kind| world.api.delete(kind, "charges"));
    world.settle(&process).await;
    let written = world.upstream_writes();
    for kind in KINDS {
        let mut seen = 0;
        for old in world.api.history(kind, "charges") {
            seen += usize::from(old["metadata"]["deletionTimestamp"].is_string());
            let restarted = world.process("restarted", Plan::Live);
            for process in [&process, &restarted] {
                let ended = pass_over(process, kind, old.clone()).await;
                assert_eq!(
                    world.upstream_writes(),
                    written,
                    "{kind}: {ended:?}\n{}",
                    world.trace().join("\n")
                );
            }
        }
        assert!(seen > 0, "{kind} was seen while it was being deleted");
    }
    assert!(world.violations().is_empty());
}
