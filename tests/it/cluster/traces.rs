//! Traces: from a custom resource to the ids under which Adobe knows its calls, without a secret, and without which everything works.

use anyhow::{Context as _, Result, ensure};

use crate::support::World;
use crate::support::collector::{Collector, Span};
use crate::support::objects::base;
use crate::support::operators::holds_no_secret;
use crate::support::world::{KINDS, Settings};

/// The id that was sent with the POST of a connection, as Adobe saw it.
async fn request_id_of_post(world: &World) -> Result<String> {
    let journal = world.sim.journal(0).await?;
    let entries = journal["entries"].as_array().context("entries")?;
    let post = entries.iter().find(|entry| entry["method"] == "POST" && entry["endpoint"] == "/connections");
    Ok(post.and_then(|post| post["requestId"].as_str()).context("a POST with a request id")?.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_lead_from_an_object_to_the_request_ids_of_its_calls_and_a_lost_collector_stops_nothing()
-> Result<()> {
    let collector = Collector::start().await?;
    let mut settings = Settings::default();
    settings.operator.extend(["--otlp-endpoint".to_owned(), collector.endpoint.clone()]);
    let world = World::start_with("traces", settings).await?;
    world.apply(&base("traced")).await?;
    world.wait_ready(KINDS[0], "traced").await?;
    let request_id = request_id_of_post(&world).await?;
    let (call, pass) = world
        .until("the span of the POST, and that of its pass", async || {
            let spans = collector.spans()?;
            let call = spans.iter().find(|span| span.attributes.get("request_id") == Some(&request_id));
            Ok(call.and_then(|call| Some((call.clone(), call.parent(&spans)?.clone()))))
        })
        .await?;
    let attribute = |span: &Span, name: &str| span.attributes.get(name).cloned().unwrap_or_default();
    ensure!(call.name.starts_with("POST /") && call.name.ends_with("/connections"), "{call:?}");
    assert_eq!(attribute(&call, "status"), "201");
    let object = attribute(&pass, "object.ref");
    ensure!(object.contains("StripeBaseConnection") && object.contains("traced"), "{pass:?}");
    world
        .until("a round of the inventory", async || {
            let spans = collector.spans()?;
            let of_round = |span: &Span| span.parent(&spans).is_some_and(|it| it.name == "inventory round");
            Ok(spans.iter().any(of_round).then_some(()))
        })
        .await?;
    holds_no_secret("traces", &collector.text())?;

    drop(collector);
    world.apply(&base("untraced")).await?;
    world.wait_ready(KINDS[0], "untraced").await?;
    world.check_invariants().await
}
