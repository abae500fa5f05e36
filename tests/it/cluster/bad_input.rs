//! Mistakes: each gives a condition that names the field or object and the remedy, and goes away by itself when it is mended.

use anyhow::Result;
use serde_json::json;

use crate::support::World;
use crate::support::objects::{
    CLIENT_SECRET, ORGANIZATION, PROFILE_CLASS, STRIPE_KEY, base, chain, flow, mapping, platform_secret,
    secret, source, stripe_secret, with,
};
use crate::support::world::{KINDS, external_id};

/// Asserts that a message names everything that the user needs.
fn names(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "the message should name {part}: {message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_stripe_key_is_named_and_followed_when_mended() -> Result<()> {
    let world = World::start("stripekey").await?;
    let wrong = "sk_live_wrong_canary_4711";
    world.apply(&secret("stripe", &[("access-token", wrong)])).await?;
    world.apply(&base("stripe-eu")).await?;
    let message = world
        .wait_condition(
            "StripeBaseConnection",
            "stripe-eu",
            "CredentialsValid",
            "False",
            "StripeCredentialsRefused",
        )
        .await?;
    names(&message, &["spec.stripeCredentialsSecretRef", "access-token", "stripe"]);
    world.apply(&stripe_secret()).await?;
    world.wait_ready("StripeBaseConnection", "stripe-eu").await?;
    no_secret_in_any_output(world, &[wrong, STRIPE_KEY, CLIENT_SECRET]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_platform_secret_is_named_and_followed_when_mended() -> Result<()> {
    let world = World::start("platform").await?;
    let wrong = "wrong-secret-canary-4712";
    world
        .apply(&secret(
            "aep-credentials",
            &[("client-id", "sim-client"), ("client-secret", wrong), ("org-id", ORGANIZATION)],
        ))
        .await?;
    world.apply(&base("stripe-eu")).await?;
    let message = world
        .wait_condition("StripeBaseConnection", "stripe-eu", "Ready", "False", "PlatformCredentialsRefused")
        .await?;
    names(&message, &["Secret"]);
    world.apply(&platform_secret()).await?;
    world.wait_ready("StripeBaseConnection", "stripe-eu").await?;
    no_secret_in_any_output(world, &[wrong, CLIENT_SECRET]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_secret_and_a_missing_key_are_named_and_followed_when_mended() -> Result<()> {
    let world = World::start("secrets").await?;
    let elsewhere =
        with(base("stripe-eu"), "/stripeCredentialsSecretRef", json!({ "name": "stripe-eu", "key": "live" }));
    world.apply(&elsewhere).await?;
    let message =
        world.wait_condition("StripeBaseConnection", "stripe-eu", "Ready", "False", "SecretMissing").await?;
    names(&message, &["spec.stripeCredentialsSecretRef", "stripe-eu", "create it"]);
    world.apply(&secret("stripe-eu", &[("test", STRIPE_KEY)])).await?;
    let message = world
        .wait_condition("StripeBaseConnection", "stripe-eu", "Ready", "False", "SecretKeyMissing")
        .await?;
    names(&message, &["live", "stripe-eu"]);
    world.apply(&secret("stripe-eu", &[("live", STRIPE_KEY)])).await?;
    world.wait_ready("StripeBaseConnection", "stripe-eu").await?;
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_reference_is_named_and_waited_for() -> Result<()> {
    let world = World::start("reference").await?;
    let [base, source, mapping, flow] = chain("late", "refunds");
    world.apply_all([&source, &mapping, &flow]).await?;
    let message =
        world.wait_condition("StripeSourceConnection", "late", "Ready", "False", "ReferenceNotFound").await?;
    names(&message, &["spec.baseConnectionRef", "StripeBaseConnection late"]);
    assert!(
        world.calls(0).await?.iter().all(|call| !call.is_creating_post()),
        "nothing is created before its parent"
    );
    world.apply(&base).await?;
    world.wait_all_ready(4).await?;
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_sandbox_is_named() -> Result<()> {
    let world = World::start("sandbox").await?;
    world.apply(&with(base("stripe-eu"), "/sandbox", json!("nowhere"))).await?;
    let message = world
        .wait_condition("StripeBaseConnection", "stripe-eu", "Ready", "False", "SandboxNotFound")
        .await?;
    names(&message, &["spec.sandbox", "nowhere"]);
    world.sim.post(&format!("sandboxes/{ORGANIZATION}/nowhere"), &json!({ "create": true })).await?;
    world.wait_ready("StripeBaseConnection", "stripe-eu").await?;
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_does_not_exist_is_listed_and_mended_by_the_next_generation() -> Result<()> {
    let world = World::start("destination").await?;
    world.apply_all(&chain("whole", "refunds")).await?;
    world.wait_all_ready(4).await?;
    world.apply(&source("other", "whole", "refunds")).await?;
    let rows = json!([{ "source": "data.id", "destination": "_{TENANT_ID}.refunds_data.nowhere" }]);
    let existing = with(
        with(
            mapping("other", "other", "refunds", "x"),
            "/targetSchema",
            json!({ "existing": { "title": "Stripe refunds of whole" } }),
        ),
        "/mappings",
        rows,
    );
    world.apply(&existing).await?;
    let message =
        world.wait_condition("IngestionMapping", "other", "Ready", "False", "DestinationMissing").await?;
    names(&message, &["spec.mappings", "refunds_data.nowhere"]);
    let failed = world.get("IngestionMapping", "other").await?.unwrap_or_default();
    assert_eq!(failed["status"]["failures"][0]["source"], "data.id");
    let mended = json!({ "spec": { "mappings": [{ "source": "data.id", "destination": "_{TENANT_ID}.refunds_data.id" }] } });
    world.merge("IngestionMapping", "other", &mended).await?;
    let mapping = world.wait_ready("IngestionMapping", "other").await?;
    assert!(mapping["status"]["failures"].is_null(), "failures go with their cause");
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_data_prep_refuses_is_listed() -> Result<()> {
    let world = World::start("rows").await?;
    let [base, source, mapping, _] = chain("rows", "refunds");
    let rows = json!([{ "source": "concat(data.id", "destination": "_{TENANT_ID}.refunds_data.label", "type": "Expression", "xdmType": "String" }]);
    world.apply_all([&base, &source, &with(mapping, "/mappings", rows)]).await?;
    let message = world.wait_condition("IngestionMapping", "rows", "Ready", "False", "RowsRefused").await?;
    names(&message, &["spec.mappings", "concat(data.id", "refunds_data.label"]);
    let mended = json!([{ "source": "concat(data.id, data.currency)", "destination": "_{TENANT_ID}.refunds_data.label", "type": "Expression", "xdmType": "String" }]);
    world.merge("IngestionMapping", "rows", &json!({ "spec": { "mappings": mended } })).await?;
    world.wait_ready("IngestionMapping", "rows").await?;
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_title_that_is_taken_is_named_and_used_as_soon_as_it_is_free() -> Result<()> {
    let world = World::start("title").await?;
    let foreign = json!({ "kind": "schemas", "body": {
        "title": "Taken", "description": "somebody else's", "type": "object", "allOf": [{ "$ref": PROFILE_CLASS }],
    } });
    let seed = json!({ "org": ORGANIZATION, "sandbox": "dev", "lake": [foreign] });
    let made = world.sim.post("seed", &seed).await?;
    world.apply_all([&base("b"), &source("s", "b", "prices"), &mapping("m", "s", "prices", "Taken")]).await?;
    let message = world.wait_condition("IngestionMapping", "m", "Ready", "False", "SchemaTitleTaken").await?;
    let taken = made["ids"][0].as_str().unwrap_or_default();
    names(&message, &["Taken", taken]);
    world.sim.delete(&format!("objects/{}", taken.replace(':', "%3A").replace('/', "%2F"))).await?;
    let mapping = world.wait_ready("IngestionMapping", "m").await?;
    assert_ne!(external_id(&mapping, "schema")?, taken, "the schema is one of its own");
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_flow_on_a_source_is_refused_with_both_named_and_takes_over_when_the_first_goes()
-> Result<()> {
    let world = World::start("second").await?;
    world.apply_all(&chain("first", "prices")).await?;
    world.wait_all_ready(4).await?;
    world.apply(&flow("second", "first", "first", "Second")).await?;
    let message = world.wait_condition("IngestionFlow", "second", "Ready", "False", "SourceInUse").await?;
    names(&message, &["IngestionFlow first", "IngestionFlow second", "StripeSourceConnection first"]);
    world.delete("IngestionFlow", "first").await?;
    world.wait_ready("IngestionFlow", "second").await?;
    world.check_invariants().await
}

/// A wrong secret is a secret as well: it stands in no output either.
async fn no_secret_in_any_output(world: World, secrets: &[&str]) -> Result<()> {
    let mut outputs = vec![
        ("log", world.operator.log_tail(usize::MAX)),
        ("journal", world.sim.journal(0).await?.to_string()),
    ];
    for kind in KINDS.into_iter().chain(["Event"]) {
        outputs.push(("objects", serde_json::to_string(&world.list(kind).await?)?));
    }
    for (output, text) in outputs {
        for secret in secrets {
            assert!(!text.contains(secret), "{output} hold a secret");
        }
    }
    world.check_invariants().await
}
