//! A rotated Stripe key: tried on a probe first, and nothing is left of it wherever the process dies.

use std::time::Duration;

use serde_json::{Value, json};

use super::harness::{End, Order, Process, World, is_ready, text};
use super::tape::{Moment, Plan};
use crate::support::by_hand::Person;
use crate::support::objects::{self, with};

const NEW_KEY: &str = "sk_test_rotated";
/// A key that Stripe does not know.
const BAD_KEY: &str = "sk_live_typo";

fn rotate(world: &World, key: &str) {
    world.api.apply(&objects::secret("stripe", &[("access-token", key)]));
}

async fn ready_base() -> (World, Process) {
    World::settled(&[objects::base("eu")]).await
}

fn base(world: &World) -> Value {
    world.api.get("StripeBaseConnection", "eu").unwrap_or_default()
}

fn is_probe((_, role): (String, String)) -> bool {
    role == "probe"
}

fn says(object: &Value, type_: &str) -> (String, String) {
    let conditions = object["status"]["conditions"].as_array();
    let found = conditions.into_iter().flatten().find(|condition| condition["type"] == type_);
    found.map(|found| (text(found, "/status"), text(found, "/reason"))).unwrap_or_default()
}

/// One connection, no probe, and no trace of one in the intent or the status.
fn alone(world: &World) -> Result<(), String> {
    let owned: Vec<(String, usize)> =
        world.owned().into_iter().map(|((_, role), count)| (role, count)).collect();
    if owned != [("connection".to_owned(), 1)] {
        return Err(format!("upstream: {owned:?}"));
    }
    if !world.violations().is_empty() {
        return Err(format!("violations: {:?}", world.violations()));
    }
    if base(world).to_string().contains("probe") {
        return Err(format!("a trace of a probe: {}", base(world)));
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_new_key_is_tried_on_a_probe_before_the_connection_gets_it() {
    let (world, process) = ready_base().await;
    let before = world.calls().len();
    rotate(&world, NEW_KEY);
    world.settle(&process).await;
    let calls = world.calls().split_off(before);
    assert_eq!(
        calls,
        [
            "GET /connections/{id}",
            "POST /connections",
            "GET /connections/{id}/test",
            "GET /connections/{id}",
            "DELETE /connections/{id}",
            "GET /connections/{id}",
            "PATCH /connections/{id}",
            "GET /connections/{id}",
            "GET /connections/{id}/test",
        ]
    );
    alone(&world).expect("one connection");
    assert_eq!(says(&base(&world), "CredentialsValid").0, "True");
    let (calls, version) = (world.calls(), world.api.version());
    let _rest = world.pass(&process, "StripeBaseConnection", "eu").await;
    assert_eq!((world.calls(), world.api.version()), (calls, version), "at rest again");
}

/// Rotates under a plan; the next process ends it. Gives the exchanges of the first process.
async fn rotation(key: &str, plan: Plan) -> Result<(Vec<String>, Value), String> {
    let (world, maker) = ready_base().await;
    drop(maker);
    let made = world.trace().len();
    rotate(&world, key);
    let first = world.process("first", plan);
    let mut end = world.run(&first, Order::ParentsFirst).await?;
    if plan != Plan::Live {
        if end != End::Died {
            return Err("the exchange was never reached".to_owned());
        }
        let next = world.process("next", Plan::Live);
        end = world.run_after(&next, &first, Order::ParentsFirst).await?;
        // The base is Ready all the time, also while it waits for a probe that may still surface.
        for _ in 0..60 {
            if !base(&world).to_string().contains("probe") && !world.owned().into_keys().any(is_probe) {
                break;
            }
            world.wait(Duration::from_secs(5)).await;
            let _pass = world.pass(&next, "StripeBaseConnection", "eu").await;
        }
    }
    let trace = |problem: String| format!("{problem}\n{}", world.trace().split_off(made).join("\n"));
    if end != End::Settled {
        return Err(trace(format!("{end:?}")));
    }
    alone(&world).map_err(&trace)?;
    let patches = world.upstream_writes().iter().filter(|write| *write == "PATCH /connections/{id}").count();
    let refused = key == BAD_KEY;
    if refused && patches > 0 || !refused && patches == 0 {
        return Err(trace(format!("{patches} patches")));
    }
    Ok((world.trace().split_off(made), base(&world)))
}

#[tokio::test(start_paused = true)]
async fn a_rotation_ends_with_the_new_key_and_without_a_probe_wherever_its_process_dies() {
    let mut failures = Vec::new();
    for key in [NEW_KEY, BAD_KEY] {
        let (clean, applied) = rotation(key, Plan::Live).await.expect("a rotation without faults should end");
        for (plan, name) in super::deaths(&clean, &Moment::ALL) {
            match rotation(key, plan).await {
                Ok((_, base)) => {
                    let hash = |base: &Value| text(base, "/status/credentialsHash");
                    if hash(&base) != hash(&applied) || says(&base, "Ready") != says(&applied, "Ready") {
                        failures.push(format!("{key} {plan:?} {name}: {base}"));
                    }
                }
                Err(problem) => failures.push(format!("{key} {plan:?} {name}: {problem}")),
            }
        }
    }
    super::report(&failures);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_does_not_work_reaches_no_connection_and_is_named() {
    for verify_on_create in [false, true] {
        let (world, process) = ready_base().await;
        world.switches(&json!({ "verifyKeyOnCreate": verify_on_create }));
        rotate(&world, BAD_KEY);
        for _ in 0..4 {
            let _refused = world.pass(&process, "StripeBaseConnection", "eu").await;
        }
        let object = base(&world);
        assert!(is_ready(&object), "the former key works on: {object}");
        let refused = ("False".to_owned(), "StripeCredentialsRefused".to_owned());
        assert_eq!(says(&object, "CredentialsValid"), refused);
        assert_eq!(says(&object, "Stalled").1, "StripeCredentialsRefused");
        let message = object["status"]["conditions"].to_string();
        assert!(message.contains("access-token") && message.contains("Secret stripe"), "{message}");
        assert!(!world.upstream_writes().iter().any(|write| write.starts_with("PATCH")));
        let posts = world.creating_posts();
        assert_eq!(posts.len(), 2, "one probe for one bad key: {posts:?}");
        alone(&world).expect("one connection");

        // Back to the key that the connection has: nothing is written upstream.
        let before = world.upstream_writes().len();
        rotate(&world, objects::STRIPE_KEY);
        world.settle(&process).await;
        assert_eq!(says(&base(&world), "CredentialsValid").0, "True");
        assert_eq!(says(&base(&world), "Stalled").0, "");
        assert_eq!(world.upstream_writes().len(), before);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_is_taken_back_after_a_restart_too() {
    let (world, process) = ready_base().await;
    rotate(&world, BAD_KEY);
    let _refused = world.pass(&process, "StripeBaseConnection", "eu").await;
    drop(process);
    rotate(&world, objects::STRIPE_KEY);
    let next = world.process("next", Plan::Live);
    let _mended = world.pass(&next, "StripeBaseConnection", "eu").await;
    assert_eq!(says(&base(&world), "CredentialsValid").0, "True");
    assert_eq!(says(&base(&world), "Stalled").0, "");
}

#[tokio::test(start_paused = true)]
async fn other_fields_are_applied_beside_a_key_that_does_not_work() {
    let (world, process) = ready_base().await;
    rotate(&world, BAD_KEY);
    world.api.apply(&with(objects::base("eu"), "/displayName", json!("Renamed")));
    let _refused = world.pass(&process, "StripeBaseConnection", "eu").await;
    assert_eq!(world.upstream("connection")["doc"]["name"], "Renamed");
    let object = base(&world);
    assert_eq!(says(&object, "Ready"), ("False".to_owned(), "StripeCredentialsRefused".to_owned()));
    rotate(&world, NEW_KEY);
    world.settle(&process).await;
    let patches = world.upstream_writes().iter().filter(|write| write.starts_with("PATCH")).count();
    assert_eq!(patches, 2, "the name, then the key: {:?}", world.upstream_writes());
}

#[tokio::test(start_paused = true)]
async fn objects_that_share_a_key_share_one_probe() {
    let names = ["a", "b", "c", "d"];
    let (world, process) = World::settled(&names.map(objects::base)).await;
    let before = world.upstream_writes().len();
    rotate(&world, NEW_KEY);
    let passes = names.map(|name| world.pass(&process, "StripeBaseConnection", name));
    futures::future::join_all(passes).await;
    world.settle(&process).await;
    let writes = world.upstream_writes().split_off(before);
    let count = |line: &str| writes.iter().filter(|write| *write == line).count();
    assert_eq!(count("POST /connections"), 1, "{writes:?}");
    assert_eq!(count("DELETE /connections/{id}"), 1, "{writes:?}");
    assert_eq!(count("PATCH /connections/{id}"), 4, "{writes:?}");
}

/// A probe is deleted with its base even if the base's own connection is kept.
#[tokio::test(start_paused = true)]
async fn what_a_dead_process_left_of_a_trial_goes_with_the_base() {
    for policy in ["Delete", "Retain"] {
        let clean = rotation(NEW_KEY, Plan::Live).await.expect("a rotation without faults should end").0;
        let mut failures = Vec::new();
        for (plan, name) in super::deaths(&clean, &Moment::ALL) {
            let world = World::with(&[with(objects::base("eu"), "/deletionPolicy", json!(policy))]);
            let maker = world.process("maker", Plan::Live);
            world.settle(&maker).await;
            rotate(&world, NEW_KEY);
            let first = world.process("first", plan);
            let _died = world.run(&first, Order::ParentsFirst).await;
            world.api.delete("StripeBaseConnection", "eu");
            let next = world.process("next", Plan::Live);
            let end = world.run_after(&next, &first, Order::ParentsFirst).await;
            let left: Vec<String> = world.owned().into_keys().map(|(_, role)| role).collect();
            let kept: &[&str] = if policy == "Retain" { &["connection"] } else { &[] };
            if end != Ok(End::Settled) || left != kept {
                let trace = world.trace().join("\n");
                failures.push(format!("{policy} {plan:?} {name}: {end:?}, left {left:?}\n{trace}"));
            }
        }
        super::report(&failures);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_to_the_probe_leaves_none_behind() {
    let fates = [json!("dropAfterCommit"), json!("dropBeforeCommit"), json!({ "status": { "status": 500 } })];
    for (method, endpoint) in
        [("POST", "/connections"), ("DELETE", "/connections/{id}"), ("GET", "/connections/{id}/test")]
    {
        for fate in &fates {
            let (world, process) = ready_base().await;
            let on = json!({ "service": "flowservice", "method": method, "endpoint": endpoint });
            world.fault(&json!({ "match": on, "action": fate }));
            rotate(&world, NEW_KEY);
            let end = world.run(&process, Order::ParentsFirst).await;
            // The base stays Ready meanwhile: it is settled when it has the new key.
            let mut rounds = 0;
            while !world.upstream_writes().iter().any(|write| write.starts_with("PATCH")) && rounds < 60 {
                world.wait(Duration::from_secs(5)).await;
                let _pass = world.pass(&process, "StripeBaseConnection", "eu").await;
                rounds += 1;
            }
            assert!(rounds < 60 && end.is_ok(), "{method} {endpoint} {fate}: {:#?}", world.trace());
            alone(&world).unwrap_or_else(|problem| panic!("{method} {endpoint} {fate}: {problem}"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn new_platform_credentials_are_used_and_write_nothing_upstream() {
    let (world, process) = ready_base().await;
    let (status, _) = world.sim.control(
        "POST",
        "/ims",
        &json!({ "clientId": "sim-client", "secrets": [objects::CLIENT_SECRET, "next-secret"] }),
    );
    assert_eq!(status, 200);
    let before = world.calls().len();
    let renewed =
        [("client-id", "sim-client"), ("client-secret", "next-secret"), ("org-id", objects::ORGANIZATION)];
    world.api.apply(&objects::secret("aep-credentials", &renewed));
    let _pass = world.pass(&process, "StripeBaseConnection", "eu").await;
    let calls = world.calls().split_off(before);
    assert_eq!(calls, ["POST /ims/token/v3", "GET /connections/{id}", "GET /connections/{id}/test"]);
    assert!(is_ready(&base(&world)));

    let wrong = [("client-id", "sim-client"), ("client-secret", "typo"), ("org-id", objects::ORGANIZATION)];
    world.api.apply(&objects::secret("aep-credentials", &wrong));
    let _pass = world.pass(&process, "StripeBaseConnection", "eu").await;
    assert_eq!(says(&base(&world), "CredentialsValid").1, "PlatformCredentialsRefused", "{}", base(&world));
}

#[tokio::test(start_paused = true)]
async fn name_description_and_key_are_one_patch() {
    let (world, process) = ready_base().await;
    let before = world.upstream_writes().len();
    rotate(&world, NEW_KEY);
    let renamed = with(objects::base("eu"), "/displayName", json!("Renamed"));
    world.api.apply(&with(renamed, "/description", json!("For the auditors")));
    world.settle(&process).await;
    let writes = world.upstream_writes().split_off(before);
    assert_eq!(writes, ["POST /connections", "DELETE /connections/{id}", "PATCH /connections/{id}"]);
    let document = world.upstream("connection")["doc"].clone();
    assert_eq!(document["name"], "Renamed");
    assert!(text(&document, "/description").starts_with("For the auditors\n"), "{document}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_taken_over_keeps_its_key_until_the_new_one_works() {
    let world = World::new().approving();
    let person = Person::new(&world.aep());
    let id = person.base().await.expect("a connection");
    rotate(&world, BAD_KEY);
    world.api.apply(&with(objects::base("eu"), "/adopt", json!({ "connectionId": id })));
    let process = world.process("p", Plan::Live);
    for _ in 0..6 {
        let _ended = world.pass(&process, "StripeBaseConnection", "eu").await;
        world.approve();
    }
    assert_eq!(says(&base(&world), "CredentialsValid").1, "StripeCredentialsRefused", "{}", base(&world));
    let is_working = person.session.test_connection(&id).await;
    assert!(is_working.expect("a test"), "the flows on it go on");
    assert_eq!(world.ids().len(), 1, "no probe is left");

    world.api.apply(&objects::stripe_secret());
    world.settle(&process).await;
    assert_eq!(world.ids().into_iter().collect::<Vec<_>>(), [id]);
    assert_eq!(world.approvals()["StripeBaseConnection eu"].len(), 1, "approved once");
}
