//! The request budget under load: many objects at once keep to the rate, use all of it, and an organisation that is told to wait
//! holds up nobody else. Time is paused, so seconds are exact and cost nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use aep_operator::controller::next_look;
use aep_sim::Config;
use aep_sim::config::Organisation;
use futures::future::join_all;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::harness::{KINDS, Pass, Process, World, is_ready, text};
use super::tape::Plan;
use crate::support::objects::{self, ORGANIZATION, with};

const RATE: u32 = 10;
/// A second organisation.
pub(super) const OTHER: &str = "A0B1C2D3E4F5061728394A5B@AdobeOrg";
/// Places of one kind's controller: twice those that one organisation may have, as `controller::run` sets them.
const PLACES: usize = 16;
/// How the names of objects begin that never become Ready.
const FAILING: &str = "failing";
/// After this time an object is looked at again that got no place among those of its organisation, or whose parent was not Ready, the
/// change of which would wake it.
const AGAIN: Duration = Duration::from_secs(1);
/// No object needs longer.
const LIMIT: Duration = Duration::from_hours(1);

fn chains(count: usize, prefix: &str, platform: &str) -> Vec<Value> {
    let chain = |number: usize| {
        let [base, source, mapping, flow] = objects::chain(&format!("{prefix}-{number}"), "prices");
        let base = with(base, "/platformCredentialsSecretRef", json!({ "name": platform }));
        [base, source, mapping, flow]
    };
    (0..count).flat_map(chain).collect()
}

/// The places of each kind; who waits gets one in the order of coming, as in a controller's queue.
type Workers = BTreeMap<&'static str, Semaphore>;

/// Works on every object at its own pace, many at once, until all are Ready but those that never will be. Returns when each became Ready.
async fn settle(world: &World, process: &Process) -> BTreeMap<String, Duration> {
    let workers: Workers = KINDS.into_iter().map(|kind| (kind, Semaphore::new(PLACES))).collect();
    let named = |kind: &'static str| move |object: Value| (kind, text(&object, "/metadata/name"));
    let objects = KINDS.into_iter().flat_map(|kind| world.api.list(kind).into_iter().map(named(kind)));
    let (failing, others): (Vec<_>, Vec<_>) = objects.partition(|(_, name)| name.starts_with(FAILING));
    tokio::select! {
        times = work_on(others, world, process, &workers) => times,
        times = work_on(failing, world, process, &workers), if !failing.is_empty() => panic!("Ready: {times:?}"),
    }
}

/// Works on objects until they are Ready, with the pauses that the controllers make.
async fn work_on(
    objects: Vec<(&'static str, String)>,
    world: &World,
    process: &Process,
    workers: &Workers,
) -> BTreeMap<String, Duration> {
    let start = Instant::now();
    let settled = objects.into_iter().map(async |(kind, name)| {
        while !world.api.get(kind, &name).is_some_and(|object| is_ready(&object)) {
            assert!(start.elapsed() < LIMIT, "{kind} {name} is not Ready");
            let parent = KINDS.iter().take_while(|other| **other != kind).last();
            let waits =
                parent.is_some_and(|parent| !world.api.get(parent, &name).is_some_and(|it| is_ready(&it)));
            if waits {
                tokio::time::sleep(AGAIN).await;
                continue;
            }
            let permit = workers[kind].acquire().await;
            let ended = world.pass(process, kind, &name).await;
            drop(permit);
            let pause = match ended {
                // What only waits for its parent would be woken by it, so it does not back off here.
                Pass::Ended(Err(obstacle)) if name.starts_with(FAILING) => {
                    let uid = text(&world.api.get(kind, &name).unwrap_or_default(), "/metadata/uid");
                    let failures = process.cx.memory.failures(&uid);
                    next_look(&obstacle, failures, process.cx.settings.drift_interval)
                }
                Pass::Ended(Err(obstacle)) => obstacle.retry_after.unwrap_or(AGAIN),
                _ => AGAIN,
            };
            tokio::time::sleep(pause).await;
        }
        (format!("{kind} {name}"), start.elapsed())
    });
    join_all(settled).await.into_iter().collect()
}

/// Calls by organisation that the gateway has seen, and how many it turned away.
fn seen(world: &World, org: &str) -> (usize, usize) {
    let entries = world.sim.journal(0);
    let calls = entries.iter().filter(|entry| entry.kind == "call" && entry.org.as_deref() == Some(org));
    let limited = calls.clone().filter(|entry| entry.status == Some(429)).count();
    (calls.count(), limited)
}

#[tokio::test(start_paused = true)]
async fn a_thousand_objects_at_once_use_the_whole_rate_and_never_exceed_it() {
    const CHAINS: usize = 250;
    let world = World::with(&chains(CHAINS, "many", "aep-credentials"));
    world.switches(&json!({ "limits": { "requestsPerSecond": RATE, "requestsPerMinute": 60 * RATE } }));
    let process = world.paced_process("p", Plan::Live, f64::from(RATE));
    let start = Instant::now();
    assert_eq!(settle(&world, &process).await.len(), 4 * CHAINS);
    let took = start.elapsed().as_secs_f64();

    let (calls, limited) = seen(&world, ORGANIZATION);
    assert_eq!(limited, 0, "the simulator limits at the same rate");
    // Eight creations, the checks before and after them, and the searches that a new object needs; the rest is asked once for all.
    assert!(calls <= 16 * CHAINS + 10, "{calls} calls for {CHAINS} chains");
    let bound = f64::from(u32::try_from(calls).unwrap_or(u32::MAX)) / f64::from(RATE);
    assert!(
        took <= 1.1 * bound,
        "{calls} calls took {took:.1} s, at {RATE} per second they need {bound:.1} s"
    );
    assert_eq!(world.creating_posts().len(), 8 * CHAINS, "each object exactly once");
    assert!(world.violations().is_empty(), "{:#?}", world.violations());
}

/// Twenty-five healthy chains beside some bases that never become Ready: how long the healthy ones took, and all calls.
async fn healthy_beside(failing: usize, fail: impl Fn(&World)) -> (f64, usize) {
    let world = World::with(&chains(25, "well", "aep-credentials"));
    fail(&world);
    for number in 0..failing {
        let wrong = json!({ "name": "wrong", "key": "access-token" });
        let base = objects::base(&format!("{FAILING}-{number}"));
        world.api.apply(&with(base, "/stripeCredentialsSecretRef", wrong));
    }
    let process = world.paced_process("p", Plan::Live, f64::from(RATE));
    let start = Instant::now();
    assert_eq!(settle(&world, &process).await.len(), 100);
    let took = start.elapsed().as_secs_f64();
    for object in world.api.list("StripeBaseConnection") {
        let name = text(&object, "/metadata/name");
        assert_eq!(is_ready(&object), !name.starts_with(FAILING), "{name}: {}", object["status"]);
    }
    (took, seen(&world, ORGANIZATION).0)
}

#[tokio::test(start_paused = true)]
async fn objects_that_keep_failing_cost_others_nothing() {
    let with_key = |world: &World, key: &str| {
        world.api.apply(&objects::secret("wrong", &[("access-token", key)]));
    };
    let broken = |world: &World| {
        with_key(world, objects::STRIPE_KEY);
        let on = json!({ "method": "POST", "endpoint": "/connections", "body": FAILING });
        let action = json!({ "status": { "status": 500 } });
        world.fault(&json!({ "match": on, "times": "forever", "action": action }));
    };
    let (alone, calls) = healthy_beside(0, |_| ()).await;
    // A key that Stripe refuses is looked at once in an interval; what fails backs off, since its outcome is never known.
    for (what, (beside, all)) in [
        ("refused", healthy_beside(5, |world| with_key(world, "sk_live_wrong")).await),
        ("broken", healthy_beside(5, broken).await),
    ] {
        let spent = all - calls;
        assert!(spent > 5 && spent <= 5 * 10, "{what}: {spent} calls for five objects in {beside:.0} s");
        let budget = f64::from(u32::try_from(spent).unwrap_or(u32::MAX)) / f64::from(RATE);
        assert!(beside <= 1.1 * (alone + budget), "{what}: {beside:.1} s beside five, {alone:.1} s alone");
    }
}

/// A world with a second organisation, whose credentials are in a Secret of its own.
pub(super) fn two_organisations() -> World {
    let mut other = Organisation::new(OTHER, "othertenant", "other-client", "other-secret");
    other.stripe.clone_from(&Organisation::default().stripe);
    let config = Config { organisations: vec![Organisation::default(), other], ..Config::default() };
    let world = World::configured(config);
    world.api.apply(&objects::secret(
        "other-credentials",
        &[("client-id", "other-client"), ("client-secret", "other-secret"), ("org-id", OTHER)],
    ));
    world
}

/// The 99th percentile of the time to Ready of the second organisation's objects.
async fn p99_of_the_other(beside: usize) -> (f64, World) {
    let world = two_organisations();
    let limited = json!({
        "match": { "org": ORGANIZATION }, "times": "forever", "percent": 20,
        "action": { "status": { "status": 429, "headers": { "Retry-After": "5" } } },
    });
    world.fault(&limited);
    // Nobody waits for them here: they have not done yet when the others have.
    let limited = chains(beside, &format!("{FAILING}-limited"), "aep-credentials");
    limited
        .iter()
        .chain(&chains(25, "other", "other-credentials"))
        .for_each(|object| world.api.apply(object));
    let process = world.paced_process("p", Plan::Live, f64::from(RATE));
    let mut times: Vec<f64> =
        settle(&world, &process).await.into_values().map(|time| time.as_secs_f64()).collect();
    times.sort_by(f64::total_cmp);
    assert_eq!(times.len(), 100);
    (times[98], world)
}

#[tokio::test(start_paused = true)]
async fn an_organisation_that_is_told_to_wait_holds_up_no_other() {
    let (alone, _) = p99_of_the_other(0).await;
    let (beside, world) = p99_of_the_other(100).await;
    let (_, limited) = seen(&world, ORGANIZATION);
    assert!(limited > 0, "the fault was reached");
    assert_eq!(seen(&world, OTHER).1, 0, "the other organisation was never limited");
    assert!(beside <= 1.5 * alone, "p99 {beside:.1} s beside a limited organisation, {alone:.1} s alone");
}

#[tokio::test(start_paused = true)]
async fn a_limit_slows_the_whole_organisation_for_the_time_that_it_names() {
    for (form, least) in [("seconds", 20.0), ("date", 19.0), ("absent", 0.4)] {
        let world = World::with(&chains(3, "slow", "aep-credentials"));
        let limits = json!({ "requestsPerSecond": RATE / 2, "retryAfter": form, "retryAfterSeconds": 20 });
        world.switches(&json!({ "limits": limits }));
        let process = world.paced_process("p", Plan::Live, f64::from(RATE));
        assert_eq!(settle(&world, &process).await.len(), 12, "{form}");

        let entries = world.sim.journal(0);
        let calls: Vec<_> =
            entries.iter().filter(|entry| entry.kind == "call" && entry.org.is_some()).collect();
        let limited: Vec<usize> = (0..calls.len()).filter(|at| calls[*at].status == Some(429)).collect();
        assert!(!limited.is_empty(), "{form}: the operator is faster than the gateway allows");
        for at in limited {
            let Some(next) = calls.get(at + 1) else { continue };
            let pause =
                Duration::from_millis(u64::try_from(next.real_ms - calls[at].real_ms).unwrap_or_default());
            assert!(pause.as_secs_f64() >= least, "{form}: {} came {pause:?} after a 429", next.endpoint);
        }
    }
}
