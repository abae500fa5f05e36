//! Two processes that both believe to be alone, as after a failed lease or in a rolling update without leader election.

use std::time::Duration;

use super::harness::{End, KINDS, Order, World, is_ready};
use super::tape::Plan;
use crate::support::objects;

#[tokio::test(start_paused = true)]
async fn two_processes_at_single_make_a_chain_once() {
    let mut failures = Vec::new();
    for seed in 0..30 {
        let world = World::with(&objects::chain("charges", "charges"));
        let one = world.blank_process("one", Plan::Mix(seed));
        let other = world.blank_process("other", Plan::Mix(seed));
        let ends =
            tokio::join!(world.run(&one, Order::Random(seed)), world.run(&other, Order::Random(seed + 1000)));
        let settled = ends == (Ok(End::Settled), Ok(End::Settled));
        let single = world.owned().len() == 8 && world.owned().values().all(|count| *count == 1);
        if !settled || !single || !world.violations().is_empty() {
            failures.push(format!(
                "seed {seed}: {ends:?} owned {:?} violations {:?}\n{}",
                world.owned(),
                world.violations(),
                world.trace().join("\n")
            ));
        }
    }
    super::report(&failures);
}

#[tokio::test(start_paused = true)]
async fn two_processes_at_single_delete_a_chain_whole() {
    for seed in 0..10 {
        let world = World::with(&objects::chain("charges", "charges"));
        let maker = world.blank_process("maker", Plan::Live);
        world.settle(&maker).await;
        KINDS.iter().for_each(|kind| world.api.delete(kind, "charges"));
        let one = world.process("one", Plan::Mix(seed));
        let other = world.process("other", Plan::Mix(seed));
        let ends =
            tokio::join!(world.run(&one, Order::Random(seed)), world.run(&other, Order::Random(seed + 7)));
        assert_eq!(ends, (Ok(End::Settled), Ok(End::Settled)), "{seed}: {:#?}", world.trace());
        let left =
            world.owned().into_keys().filter(|(_, role)| role.contains("connection") || role == "flow");
        assert_eq!(left.count(), 0, "{seed}: {:#?}", world.trace());
    }
}

/// A stop between the last check of the gate and the wire cannot be fenced. Whoever comes second deletes what it made.
#[tokio::test(start_paused = true)]
async fn a_process_stopped_right_before_a_post_deletes_what_it_then_makes_too_late() {
    let clean = World::with(&objects::chain("charges", "charges"));
    let process = clean.blank_process("clean", Plan::Live);
    clean.settle(&process).await;
    let creates =
        |line: &String| line.contains(" POST ") && !line.contains("/validate") && !line.contains("/ims/");
    let mut failures = Vec::new();
    for (index, name) in clean.trace().iter().enumerate().filter(|(_, line)| creates(line)) {
        let world = World::with(&objects::chain("charges", "charges"));
        let late = world.blank_process("late", Plan::Stop(index));
        let late_runs = world.run(&late, Order::ParentsFirst);
        tokio::pin!(late_runs);
        // From here on nobody polls the stopped process: it has no clock either.
        tokio::select! {
            end = &mut late_runs => panic!("{name}: never stopped, but {end:?}"),
            () = late.tape.stopped() => {}
        }
        let next = world.process("next", Plan::Live);
        world.wait(Duration::from_secs(20)).await;
        let next_ends = world.run(&next, Order::ParentsFirst).await;
        late.tape.go_on();
        let ends = (late_runs.await, next_ends);
        let ready = KINDS.iter().flat_map(|kind| world.api.list(kind)).all(|object| is_ready(&object));
        // Data Prep has no DELETE, so a set that was made too late stays.
        let most = |role: &str| if role == "mapping-set" { 2 } else { 1 };
        let single =
            world.owned().len() == 8 && world.owned().iter().all(|((_, role), count)| *count <= most(role));
        if ends != (Ok(End::Settled), Ok(End::Settled)) || !ready || !single {
            failures.push(format!(
                "{name}: {ends:?} owned {:?}\n{}",
                world.owned(),
                world.trace().join("\n")
            ));
        }
    }
    super::report(&failures);
}
