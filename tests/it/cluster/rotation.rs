//! Rotated credentials: how fast they are followed, what they cost, and what a mistake in them does not stop.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};

use super::bad_input::no_secret_in_any_output;
use crate::support::World;
use crate::support::objects::{
    CLIENT_SECRET, ORGANIZATION, STRIPE_KEY, base, chain, platform_secret, secret, with,
};
use crate::support::seen::Call;
use crate::support::world::{KINDS, Settings, condition, external_id};

const BASE: &str = "StripeBaseConnection";
const NEW_KEY: &str = "sk_test_rotated_canary_1";
const BAD_KEY: &str = "sk_live_rotated_canary_2";

async fn rotate(world: &World, key: &str) -> Result<()> {
    world.apply(&secret("stripe", &[("access-token", key)])).await
}

/// Calls on connections that write, in their order.
fn writes(calls: &[Call]) -> Vec<&str> {
    let on_connections = |call: &&Call| call.endpoint.starts_with("/connections") && call.method != "GET";
    calls.iter().filter(on_connections).map(|call| call.line.as_str()).collect()
}

const TRIED_AND_APPLIED: [&str; 3] =
    ["POST /connections", "DELETE /connections/{id}", "PATCH /connections/{id}"];

async fn until_patched(world: &World, since: u64, count: usize) -> Result<Vec<Call>> {
    world
        .until_within(Duration::from_mins(4), "the new key to reach the connections", async || {
            let calls = world.calls(since).await?;
            let patches = calls.iter().filter(|call| call.line == "PATCH /connections/{id}").count();
            Ok((patches >= count).then_some(calls))
        })
        .await
}

/// Asks for a check and waits until it is served.
async fn check(world: &World, name: &str) -> Result<Value> {
    let token = world.ask_for_check(BASE, name).await?;
    world
        .until("the check to be served", async || {
            let object = world.get(BASE, name).await?;
            Ok(object.filter(|object| object["status"]["lastHandledSync"] == json!(token)))
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_is_tried_first_and_reaches_upstream_within_ten_seconds() -> Result<()> {
    let world = World::start("rotated").await?;
    world.apply_all(&chain("r", "refunds")).await?;
    world.wait_all_ready(4).await?;
    let (calls, written) = (world.last_call().await?, world.operator_writes()?.len());
    let changed = Instant::now();
    rotate(&world, NEW_KEY).await?;
    let after = until_patched(&world, calls, 1).await?;
    assert!(changed.elapsed() < Duration::from_secs(10), "{:?}", changed.elapsed());
    assert_eq!(writes(&after), TRIED_AND_APPLIED);
    world
        .until("the new hash in status", async || {
            let writes = world.operator_writes()?.split_off(written);
            Ok(writes.iter().any(|write| write.contains("/status")).then_some(()))
        })
        .await?;
    let spent: Vec<String> = world.operator_writes()?.split_off(written);
    let on_bases = spent.iter().filter(|write| write.contains("stripebaseconnections")).count();
    assert!(on_bases <= 3, "a claim for the probe, its end, and a status: {spent:#?}");
    let on_children = spent.iter().filter(|write| write.contains("/status") && !write.contains("stripebase"));
    assert_eq!(on_children.filter(|write| !write.contains("flows")).count(), 0, "{spent:#?}");
    assert!(
        world
            .upstream()
            .await?
            .iter()
            .all(|object| { object.owner.as_ref().is_none_or(|(_, role)| role != "probe") })
    );
    no_secret_in_any_output(world, &[NEW_KEY, STRIPE_KEY, CLIENT_SECRET]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_rotated_twice_within_a_second_ends_at_the_last() -> Result<()> {
    let world = World::start("twice").await?;
    world.apply(&base("eu")).await?;
    world.wait_ready(BASE, "eu").await?;
    let before = world.last_call().await?;
    let keys: Vec<String> = (0..4).map(|n| format!("sk_test_twice_{n}")).collect();
    for key in &keys {
        rotate(&world, key).await?;
    }
    let changed = Instant::now();
    // Only the last one works from now on: the connection's own test tells which it has.
    for key in &keys[..3] {
        world.sim.post("stripe", &json!({ "revoke": key })).await?;
    }
    world.sim.post("stripe", &json!({ "revoke": STRIPE_KEY })).await?;
    world
        .until("the connection to have the last key", async || {
            let object = check(&world, "eu").await?;
            let valid = condition(&object, "CredentialsValid");
            Ok(valid.is_some_and(|valid| valid["status"] == "True").then_some(()))
        })
        .await?;
    assert!(changed.elapsed() < Duration::from_secs(10), "{:?}", changed.elapsed());
    until_patched(&world, before, 1).await?;
    let connections = world.upstream().await?.into_iter().filter(|object| object.kind == "connections");
    assert_eq!(connections.count(), 1, "no probe is left");
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_typo_in_the_secret_stops_no_flow_and_is_taken_back_without_a_write() -> Result<()> {
    let world = World::start("typo").await?;
    world.apply_all(&chain("t", "prices")).await?;
    world.wait_all_ready(4).await?;
    let before = world.last_call().await?;
    rotate(&world, BAD_KEY).await?;
    let message =
        world.wait_condition(BASE, "t", "CredentialsValid", "False", "StripeCredentialsRefused").await?;
    for part in ["spec.stripeCredentialsSecretRef", "access-token", "Secret stripe"] {
        assert!(message.contains(part), "{message}");
    }
    world.wait_ready(BASE, "t").await?;
    world.sim.advance(2 * 3600).await?;
    // Runs go on with the key that the connection has.
    world.wait_success("t").await?;
    assert_eq!(writes(&world.calls(before).await?), TRIED_AND_APPLIED[..2], "only the probe had the bad key");
    rotate(&world, STRIPE_KEY).await?;
    world.wait_condition(BASE, "t", "CredentialsValid", "True", "CredentialsAccepted").await?;
    let object = world.wait_ready(BASE, "t").await?;
    assert!(condition(&object, "Stalled").is_none(), "{object}");
    let calls = world.calls(before).await?;
    assert_eq!(writes(&calls), TRIED_AND_APPLIED[..2], "back to what it has: nothing to send");
    assert!(calls.iter().all(|call| call.line != "PATCH /flows/{id}" && !call.line.ends_with("/action")));
    no_secret_in_any_output(world, &[BAD_KEY, STRIPE_KEY, CLIENT_SECRET]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_of_the_secret_and_a_secret_made_anew_are_followed() -> Result<()> {
    let world = World::start("renamed").await?;
    world.apply(&secret("stripe", &[("access-token", STRIPE_KEY), ("next", "sk_test_next")])).await?;
    world.apply(&base("eu")).await?;
    world.wait_ready(BASE, "eu").await?;
    let before = world.last_call().await?;
    let renamed = json!({ "spec": { "stripeCredentialsSecretRef": { "key": "next" } } });
    let changed = Instant::now();
    world.merge(BASE, "eu", &renamed).await?;
    assert_eq!(writes(&until_patched(&world, before, 1).await?), TRIED_AND_APPLIED);
    assert!(changed.elapsed() < Duration::from_secs(10), "another key: {:?}", changed.elapsed());
    world.wait_ready(BASE, "eu").await?;

    let before = world.last_call().await?;
    world.delete("Secret", "stripe").await?;
    world.wait_condition(BASE, "eu", "Ready", "False", "SecretMissing").await?;
    let changed = Instant::now();
    world.apply(&secret("stripe", &[("next", "sk_test_anew")])).await?;
    assert_eq!(writes(&until_patched(&world, before, 1).await?), TRIED_AND_APPLIED);
    assert!(changed.elapsed() < Duration::from_secs(10), "a Secret made anew: {:?}", changed.elapsed());
    world.wait_ready(BASE, "eu").await?;
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn platform_credentials_are_followed_and_another_organisation_is_refused() -> Result<()> {
    let world = World::start("platformrot").await?;
    world.apply_all(&chain("p", "refunds")).await?;
    world.wait_all_ready(4).await?;
    let next = "next-client-secret-canary";
    world.sim.post("ims", &json!({ "clientId": "sim-client", "secrets": [CLIENT_SECRET, next] })).await?;
    let before = world.last_call().await?;
    let with_secret = |secret_text: &str, org: &str| {
        secret(
            "aep-credentials",
            &[("client-id", "sim-client"), ("client-secret", secret_text), ("org-id", org)],
        )
    };
    let changed = Instant::now();
    world.apply(&with_secret(next, ORGANIZATION)).await?;
    world
        .until("a token for the new credential", async || {
            let calls = world.calls(before).await?;
            Ok(calls.iter().any(|call| call.endpoint.starts_with("/ims/token")).then_some(()))
        })
        .await?;
    assert!(changed.elapsed() < Duration::from_secs(10), "platform credentials: {:?}", changed.elapsed());
    // The former secret goes: whatever still used it would fail from here on.
    world
        .sim
        .post("ims", &json!({ "clientId": "sim-client", "secrets": [next], "revokeTokens": true }))
        .await?;
    check(&world, "p").await?;
    world.wait_all_ready(4).await?;
    let calls = world.calls(before).await?;
    let written: Vec<&Call> = calls
        .iter()
        .filter(|call| !call.endpoint.starts_with("/ims"))
        .filter(|call| ["POST", "PUT", "PATCH", "DELETE"].contains(&call.method.as_str()))
        .collect();
    assert!(written.is_empty(), "no upstream write: {written:?}");

    let ready_before = readies(&world).await?;
    let other = "0000000000000000000000AA@AdobeOrg";
    world.apply(&with_secret(next, other)).await?;
    let message = world.wait_condition(BASE, "p", "Ready", "False", "OrganizationChanged").await?;
    for part in [other, ORGANIZATION, "aep-credentials"] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(readies(&world).await?, ready_before, "children do not follow their base");
    world.apply(&with_secret(next, ORGANIZATION)).await?;
    world.wait_all_ready(4).await?;
    no_secret_in_any_output(world, &[next]).await
}

/// The Ready conditions of the children.
async fn readies(world: &World) -> Result<Vec<Option<Value>>> {
    let mut found = Vec::new();
    for kind in &KINDS[1..] {
        found.extend(world.list(kind).await?.iter().map(|object| condition(object, "Ready")));
    }
    Ok(found)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_bases_with_one_secret_follow_it_within_the_budget_and_with_one_probe() -> Result<()> {
    const BASES: usize = 200;
    const PER_SECOND: u64 = 100;
    let mut settings = Settings::default();
    if let Some(rate) = settings.operator.iter_mut().find(|argument| *argument == "500") {
        *rate = PER_SECOND.to_string();
    }
    let world = World::start_with("shared", settings).await?;
    let objects: Vec<Value> = (0..BASES)
        .map(|n| with(base(&format!("b{n}")), "/displayName", json!(format!("Base {n}"))))
        .collect();
    world.apply_all(&objects).await?;
    world.wait_all_ready(BASES).await?;
    world
        .sim
        .patch("switches", &json!({ "limits": { "requestsPerSecond": PER_SECOND + PER_SECOND / 5 } }))
        .await?;
    let before = world.last_call().await?;
    rotate(&world, NEW_KEY).await?;
    let calls = until_patched(&world, before, BASES).await?;
    let count = |line: &str| calls.iter().filter(|call| call.line == line).count();
    assert_eq!(count("POST /connections"), 1, "one probe");
    assert_eq!(count("DELETE /connections/{id}"), 1, "which is gone");
    assert_eq!(count("PATCH /connections/{id}"), BASES, "one patch each");
    assert_eq!(calls.iter().filter(|call| call.status == 429).count(), 0, "within the budget");
    assert!(
        count("GET /connections/{id}") <= 2 * BASES + 5,
        "read before and after: {}",
        count("GET /connections/{id}")
    );
    assert!(calls.len() <= 5 * BASES, "what the budget has to let through: {}", calls.len());
    world.wait_all_ready(BASES).await?;
    let connections = world.upstream().await?.into_iter().filter(|object| object.kind == "connections");
    assert_eq!(connections.count(), BASES);
    assert!(external_id(&world.wait_ready(BASE, "b0").await?, "connection").is_ok());
    world.apply(&platform_secret()).await?;
    world.check_invariants().await
}
