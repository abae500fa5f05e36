//! IMS, the gateway's refusals, sandboxes and limits.

use aep_operator::aep::model::State;
use aep_operator::aep::{ErrorKind, Filter};

use super::*;

fn with(world: &World, credentials: &Credentials, sandbox: &str) -> Session {
    world.aep.session(credentials, sandbox)
}

async fn refusal(session: &Session) -> Error {
    session.get::<Connection>(MISSING).await.unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn one_token_serves_many_calls() {
    let world = World::new();
    for _ in 0..5 {
        assert_eq!(world.session.get::<Connection>(MISSING).await.unwrap(), None);
    }
    assert_eq!(world.calls("POST", "/ims/token/v3"), 1);
}

#[tokio::test(start_paused = true)]
async fn ims_refuses_a_wrong_secret_an_unknown_client_and_a_wrong_scope() {
    let world = World::new();
    let wrong = [
        Credentials { client_secret: SecretString::from("wrong"), ..credentials() },
        Credentials { client_id: "nobody".to_owned(), ..credentials() },
    ];
    for credentials in wrong {
        let error = refusal(&with(&world, &credentials, "dev")).await;
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::TokenRefused, Some("invalid_client")),
            "{error}"
        );
    }
    let scope = Credentials { scopes: Some("openid,unheard_of".to_owned()), ..credentials() };
    let error = refusal(&with(&world, &scope, "dev")).await;
    assert_eq!((error.kind(), error.code()), (ErrorKind::TokenRefused, Some("invalid_scope")), "{error}");
}

#[tokio::test(start_paused = true)]
async fn revoked_and_expired_tokens_are_replaced_without_an_error() {
    let world = World::new();
    world.sim.switch(|switches| switches.token_seconds = 600);
    let base = world.base().await;
    world.control("POST", "/ims", &json!({"revokeTokens": true}));
    let seen = world.session.get::<Connection>(&base.id).await.unwrap().unwrap();
    assert_eq!(world.calls("POST", "/ims/token/v3"), 2);
    tokio::time::advance(Duration::from_mins(30)).await;
    world.control("POST", "/ims", &json!({"revokeTokens": true}));
    let etag = seen.meta.etag.unwrap();
    let patch = aep_operator::aep::Patch::new().replace("/name", "n");
    world.session.patch::<Connection>(&base.id, &etag, &patch).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_gateway_refuses_a_foreign_organisation() {
    let world = World::new();
    let foreign = Credentials { org_id: "0000@AdobeOrg".to_owned(), ..credentials() };
    let error = refusal(&with(&world, &foreign, "dev")).await;
    assert_eq!((error.kind(), error.status(), error.code()), (ErrorKind::Denied, Some(403), Some("403025")));
}

#[tokio::test(start_paused = true)]
async fn every_gateway_refusal_has_its_kind() {
    let world = World::new();
    for (status, code, kind) in [
        (400, json!("400003"), ErrorKind::Refused),
        (403, json!("403000"), ErrorKind::Denied),
        (403, json!("403003"), ErrorKind::Denied),
        (403, json!("403010"), ErrorKind::Denied),
        (403, json!(403_025), ErrorKind::Denied),
    ] {
        let canned = json!({"status": {"status": status, "body": {"error_code": code, "message": "no"}}});
        world.fault("GET", "/connections/{id}", &json!(1), &canned);
        let error = refusal(&world.session).await;
        assert_eq!((error.kind(), error.status()), (kind, Some(status)), "{error}");
        assert!(error.code().is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_or_inactive_sandbox_is_never_a_missing_object() {
    let world = World::new();
    let nowhere = with(&world, &credentials(), "nowhere");
    let error = refusal(&nowhere).await;
    assert!(error.is_sandbox_missing(), "{error}");
    assert_eq!((error.kind(), error.code_number()), (ErrorKind::Refused, Some(2100)));
    assert!(nowhere.list::<Connection>(&Filter::all()).await.unwrap_err().is_sandbox_missing());
    assert!(nowhere.get_data_set("5c8c3c555033b814b69f947f").await.unwrap_err().is_sandbox_missing());
    assert!(nowhere.delete::<Connection>(&world.gate, MISSING).await.unwrap_err().is_sandbox_missing());

    let path = format!("/sandboxes/{ORG}/dev");
    world.control("POST", &path, &json!({"state": "resetting"}));
    assert!(refusal(&world.session).await.is_sandbox_missing());
    assert!(!world.session.get_sandbox().await.unwrap().unwrap().is_active());
}

#[tokio::test(start_paused = true)]
async fn a_reset_sandbox_shows_another_id() {
    let world = World::new();
    let base = world.base().await;
    let before = world.session.get::<Connection>(&base.id).await.unwrap().unwrap();
    assert_eq!(before.meta.state, State::Enabled);
    world.control("POST", &format!("/sandboxes/{ORG}/dev"), &json!({"reset": true}));
    assert_eq!(world.session.get::<Connection>(&base.id).await.unwrap(), None);
    let again = world.base().await;
    let after = world.session.get::<Connection>(&again.id).await.unwrap().unwrap();
    assert_ne!(before.meta.sandbox_id, after.meta.sandbox_id);
    assert_eq!(after.meta.sandbox_id, world.session.get_sandbox().await.unwrap().unwrap().id);
}

#[tokio::test(start_paused = true)]
async fn objects_of_another_sandbox_are_not_seen() {
    let world = World::new();
    let base = world.base().await;
    let prod = with(&world, &credentials(), "prod");
    assert_eq!(prod.get::<Connection>(&base.id).await.unwrap(), None);
    assert!(prod.list::<Connection>(&Filter::all()).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_lost_role_gives_empty_lists_and_refused_writes() {
    let world = World::new();
    world.base().await;
    world.control("POST", &format!("/sandboxes/{ORG}/dev"), &json!({"roleLost": true}));
    assert!(world.session.list::<Connection>(&Filter::all()).await.unwrap().is_empty());
    let error = world.try_base(&new_base()).await.unwrap_err();
    assert_eq!((error.kind(), error.code_number()), (ErrorKind::Denied, Some(2120)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_is_obeyed_in_every_form_of_retry_after() {
    use aep_sim::switches::RetryAfter;
    for form in [RetryAfter::Absent, RetryAfter::Seconds, RetryAfter::Date] {
        let world = World::new();
        world.sim.switch(|switches| {
            switches.limits.requests_per_second = 2;
            switches.limits.retry_after = form;
            switches.limits.retry_after_seconds = 3;
        });
        let calls = (0..6).map(|_| world.session.get::<Connection>(MISSING));
        let failed = futures::future::join_all(calls).await.into_iter().filter(Result::is_err).count();
        let limited = world.control("GET", "/journal?kind=call", &Value::Null);
        let entries = limited["entries"].as_array().unwrap().clone();
        let refused = entries.iter().filter(|entry| entry["status"] == 429).count();
        assert!(refused > 0, "{form:?}: the limit should be met");
        assert!(refused <= 12, "{form:?}: {refused}");
        assert!(failed <= 2, "{form:?}: {failed} reads failed for good");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slower_budget_never_meets_the_limit() {
    let world = World::new();
    world.sim.switch(|switches| {
        switches.limits.requests_per_second = 10;
        switches.limits.requests_per_minute = 600;
    });
    let settings = Settings { requests_per_second: 10.0, ..Settings::default() };
    let aep = Aep::new(settings, Arc::new(InProcess(world.sim.clone()))).unwrap();
    let session = aep.session(&credentials(), "dev");
    let all = futures::future::join_all((0..700).map(|_| async {
        let permit = session.permits(1).await;
        drop(permit);
        session.on(Lane::Drift).get::<Connection>(MISSING).await
    }))
    .await;
    assert!(all.iter().all(|result| !matches!(result, Err(error) if error.status() == Some(429))));
}
