//! The operator's own code in process, with both ports faked and the clock paused: every crash, every lost answer, every stale view.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::large_futures,
    clippy::needless_for_each,
    reason = "helpers of tests fail like tests"
)]

mod adoption;
mod adoption_schema;
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
mod mistakes;
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

use tape::{Moment, Plan};

/// The deaths at one of the exchanges that leave something of their own. A process dies with all its memory, so one that dies in a read, or
/// before it sends a write, leaves what one leaves that dies in the write before.
fn deaths<'a>(exchanges: &'a [String], moments: &'a [Moment]) -> impl Iterator<Item = (Plan, &'a str)> {
    let is_write =
        |name: &str| !name.contains(" GET ") && !name.contains("/ims/") && !name.contains("/validate");
    let writes = exchanges.iter().enumerate().filter(move |(_, name)| is_write(name));
    writes.flat_map(|(index, name)| {
        moments.iter().map(move |moment| (Plan::Die(index, *moment), name.as_str()))
    })
}

/// At each exchange, reads included, a living process meets what somebody does.
fn notices(exchanges: &[String]) -> impl Iterator<Item = (Plan, &str)> {
    exchanges.iter().enumerate().map(|(index, name)| (Plan::Notify(index), name.as_str()))
}

/// Tries each plan, and fails with all that went wrong.
async fn try_each<'a, T>(
    plans: impl Iterator<Item = (Plan, &'a str)>,
    attempt: impl AsyncFn(Plan) -> Result<T, String>,
) {
    let mut failures = Vec::new();
    for (plan, name) in plans {
        if let Err(problem) = attempt(plan).await {
            failures.push(format!("{plan:?} {name}: {problem}"));
        }
    }
    report(&failures);
}

/// Fails with one line for every failure, and all of the first.
fn report(failures: &[String]) {
    let Some(first) = failures.first() else { return };
    let lines: Vec<&str> = failures.iter().filter_map(|failure| failure.lines().next()).collect();
    panic!("{} failures:\n{}\n\nthe first:\n{first}", failures.len(), lines.join("\n"));
}
