//! The operator's own code in process, with both ports faked and the clock paused: every crash, every lost answer, every stale view.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::large_futures,
    clippy::needless_for_each,
    reason = "helpers of tests fail like tests"
)]

mod adoption;
mod apiserver;
mod budget;
mod change;
mod crash;
mod deletion;
mod drift;
mod harness;
mod loss;
mod lost;
mod mapping;
mod on_demand;
mod ports;
mod profile;
mod refusals;
mod replacement;
mod rivals;
mod rotation;
mod stale;
mod tape;
mod time;

/// Fails with one line for every failure, and all of the first.
fn report(failures: &[String]) {
    let Some(first) = failures.first() else { return };
    let lines: Vec<&str> = failures.iter().filter_map(|failure| failure.lines().next()).collect();
    panic!("{} failures:\n{}\n\nthe first:\n{first}", failures.len(), lines.join("\n"));
}
