//! The request budget of a running operator: the pace that is set, and whom a 429 stops for how long.

use aep_operator::clock;
use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use serde_json::json;

use super::many::{one_object_per_role, shuffled};
use super::tenants::{OTHER, three_places};
use crate::support::World;
use crate::support::commands::without_inventory;
use crate::support::objects::ORGANIZATION;
use crate::support::seen::Call;

const BASE: &str = "StripeBaseConnection";

#[tokio::test(flavor = "multi_thread")]
async fn many_chains_at_once_keep_to_the_rate_that_is_set_and_to_few_calls() -> Result<()> {
    const CHAINS: usize = 15;
    const PER_SECOND: u64 = 40;
    let mut settings = without_inventory();
    let rate = settings.operator.iter_mut().find(|argument| *argument == "500").context("a rate")?;
    *rate = PER_SECOND.to_string();
    let world = World::start_with("budget", settings).await?;
    // On a busy machine calls arrive less evenly than they leave; how evenly they leave, tests on a paused clock tell.
    let limits = json!({ "requestsPerSecond": 2 * PER_SECOND });
    world.sim.patch("switches", &json!({ "limits": limits })).await?;
    world.apply_all(&shuffled(CHAINS)).await?;
    world.wait_all_ready(4 * CHAINS).await?;
    one_object_per_role(&world, CHAINS).await?;
    let calls = world.calls(0).await?;
    assert_eq!(calls.iter().filter(|call| call.status == 429).count(), 0, "no call was one too many");
    // Eight creations, the checks before and after them, and the searches that a new object needs.
    ensure!(calls.len() <= 16 * CHAINS + 20, "{} calls for {CHAINS} chains", calls.len());
    let paced: Vec<i64> =
        calls.iter().filter(|call| of(call, ORGANIZATION)).map(|call| call.real_ms).collect();
    let took = paced.last().zip(paced.first()).map_or(0, |(last, first)| last - first);
    let least = i64::try_from(paced.len() - 1)? * 1000 / PER_SECOND.cast_signed();
    ensure!(took >= least * 95 / 100, "{} calls in {took} ms: at least {least} ms at the rate", paced.len());
    world.check_invariants().await
}

/// A wait that Adobe asks for, as the header says it, and the moment in epoch milliseconds at which it ends.
fn asked(form: &str, seconds: i64) -> Result<(String, i64)> {
    let until = Timestamp::from_second(clock::now().as_second() + seconds)?;
    let header = match form {
        "date" => until.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string(),
        _ => seconds.to_string(),
    };
    Ok((header, until.as_millisecond()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_429_stops_its_whole_organisation_for_as_long_as_it_says_and_no_other() -> Result<()> {
    const SECONDS: i64 = 8;
    /// What was on its way already may still arrive.
    const ON_ITS_WAY_MS: i64 = 500;
    let world = three_places().await?;
    for form in ["seconds", "date"] {
        let (header, date_ms) = asked(form, SECONDS)?;
        let action = json!({ "status": { "status": 429, "headers": { "Retry-After": header } } });
        let since = world.last_call().await?;
        world.sim.post("faults", &json!([{ "match": { "org": ORGANIZATION }, "action": action }])).await?;
        let calls = world
            .until("the organisation to be asked again", async || {
                for name in ["dev", "prod", "other"] {
                    world.ask_for_check(BASE, name).await?;
                }
                let calls = world.calls(since).await?;
                let limited = calls.iter().find(|call| call.status == 429).map(|call| call.real_ms);
                let again = |call: &Call| limited.is_some_and(|at| call.real_ms > at + SECONDS * 1000);
                Ok(calls.iter().any(|call| of(call, ORGANIZATION) && again(call)).then_some(calls))
            })
            .await?;
        let limited = calls.iter().find(|call| call.status == 429).context("a 429")?.real_ms;
        let until = if form == "date" { date_ms } else { limited + SECONDS * 1000 };
        let during = |call: &&Call| (limited + ON_ITS_WAY_MS..until).contains(&call.real_ms);
        let early: Vec<&Call> = calls.iter().filter(during).filter(|call| of(call, ORGANIZATION)).collect();
        ensure!(early.is_empty(), "{form}: {early:?} before {until}");
        let others = calls.iter().filter(during).filter(|call| of(call, OTHER));
        ensure!(others.count() > 0, "{form}: the other organisation is served meanwhile");
        ensure!(calls.iter().filter(|call| call.status == 429).count() == 1, "{form}: told once");
    }
    world.wait_all_ready(12).await?;
    world.check_invariants().await
}

fn of(call: &Call, organization: &str) -> bool {
    call.org.as_deref() == Some(organization)
}
