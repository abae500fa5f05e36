//! The checks before any service: order, codes, sandboxes, limits.

use aep_sim::config::{Config, Organisation};
use aep_sim::switches::{MissingSandbox, RetryAfter};
use serde_json::json;

use crate::support::{FLOW, ORG, World, connection};

async fn without(world: &World, gone: &[&str]) -> (u16, String) {
    let headers: Vec<_> =
        world.headers().into_iter().filter(|(name, _)| !gone.contains(&name.as_str())).collect();
    let answer = world.send("GET", &format!("{FLOW}/flows"), &headers, None).await.unwrap();
    (answer.status, answer.body["error_code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn missing_headers_are_told_in_adobes_order() {
    let world = World::new().await;
    let code = |status: u16, code: &str| (status, code.to_owned());
    let all = ["authorization", "x-api-key", "x-gw-ims-org-id", "x-sandbox-name"];
    assert_eq!(without(&world, &all).await, code(403, "403010"));
    assert_eq!(without(&world, &all[1..]).await, code(403, "403000"));
    assert_eq!(without(&world, &all[2..]).await, code(400, "400003"));
}

async fn replaced(world: &World, name: &str, value: &str) -> crate::support::Answer {
    let mut headers = world.headers();
    headers.retain(|(have, _)| have != name);
    headers.push((name.to_owned(), value.to_owned()));
    world.send("GET", &format!("{FLOW}/flows"), &headers, None).await.unwrap()
}

#[tokio::test]
async fn wrong_credentials_have_their_codes() {
    let world = World::new().await;
    let cases = [
        ("authorization", "Bearer nonsense", 401, "401013"),
        ("x-api-key", "nobody", 403, "403003"),
        ("x-gw-ims-org-id", "OTHER@AdobeOrg", 403, "403025"),
    ];
    for (name, value, status, code) in cases {
        let answer = replaced(&world, name, value).await;
        assert_eq!((answer.status, answer.body["error_code"].as_str()), (status, Some(code)), "{name}");
    }
}

#[tokio::test]
async fn a_token_does_not_open_another_organisation() {
    let mut config = Config::default();
    config.organisations.push(Organisation::new("SECOND@AdobeOrg", "second", "second-client", "s"));
    let world = World::with(config).await;
    assert_eq!(replaced(&world, "x-gw-ims-org-id", "SECOND@AdobeOrg").await.body["error_code"], "403025");
    assert_eq!(replaced(&world, "x-api-key", "second-client").await.body["error_code"], "403003");
}

#[tokio::test]
async fn sandbox_errors_come_after_the_gateways() {
    let world = World::new().await;
    assert_eq!(replaced(&world, "x-sandbox-name", "nowhere").await.code(), "2100-404");
    assert_eq!(replaced(&world, "x-sandbox-name", "").await.code(), "2105-400");
    assert_eq!(replaced(&world, "x-sandbox-name", "*").await.code(), "2111-400");
    assert_eq!(replaced(&world, "x-sandbox-id", "some").await.code(), "2110-400");
    world.control("POST", &format!("/sandboxes/{ORG}/prod"), &json!({"state": "resetting"}));
    assert_eq!(world.get("/flows").await.code(), "2103-404");
    let sandbox = world.call("GET", "/data/foundation/sandbox-management/sandboxes/prod", None).await;
    assert_eq!(sandbox.body["state"], "resetting");
}

#[tokio::test]
async fn a_missing_sandbox_can_mean_prod() {
    let mut world = World::new().await;
    world.connection("in prod").await;
    world.switch(|switches| switches.missing_sandbox = MissingSandbox::Prod);
    world.sandbox = String::new();
    assert_eq!(world.get("/connections").await.item()["name"], "in prod");
}

#[tokio::test]
async fn sandboxes_do_not_see_each_other() {
    let mut world = World::new().await;
    let id = world.connection("in prod").await;
    world.sandbox = "dev".to_owned();
    assert!(world.get("/connections").await.items().is_empty());
    assert_eq!(world.get(&format!("/connections/{id}")).await.code(), "1439-404");
}

#[tokio::test]
async fn a_body_needs_a_json_content_type() {
    let world = World::new().await;
    let request = axum::http::Request::post(format!("{FLOW}/connections"));
    let request =
        world.headers().into_iter().fold(request, |request, (name, value)| request.header(name, value));
    let request = request.header("content-type", "text/plain").body(connection("x").to_string().into_bytes());
    assert_eq!(world.sim.handle(request.unwrap()).await.unwrap().status(), 400);
}

#[tokio::test]
async fn limits_answer_429_with_every_form_of_retry_after() {
    let world = World::new().await;
    let forms =
        [(RetryAfter::Absent, None), (RetryAfter::Seconds, Some("7")), (RetryAfter::Date, Some("GMT"))];
    for (form, part) in forms {
        world.switch(|switches| {
            switches.limits.requests_per_minute = 2;
            switches.limits.retry_after = form;
            switches.limits.retry_after_seconds = 7;
        });
        let mut last = world.get("/flows").await;
        while last.status != 429 {
            last = world.get("/flows").await;
        }
        assert_eq!(last.body["error_code"], "429050");
        let header = last.headers.get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        match part {
            None => assert_eq!(header, None),
            Some(part) => assert!(header.unwrap().contains(part)),
        }
    }
}

#[tokio::test]
async fn the_request_id_comes_back_in_header_and_report() {
    let world = World::new().await;
    let mut headers = world.headers();
    headers.push(("x-request-id".to_owned(), "my-id".to_owned()));
    let answer = world.send("GET", &format!("{FLOW}/flows/none"), &headers, None).await.unwrap();
    assert_eq!(answer.headers["x-request-id"], "my-id");
    assert_eq!(answer.body["report"]["request-id"], "my-id");
    assert_eq!(answer.body["report"]["type"], "flows");
}
