//! Tokens: shared, early, and never a storm.

use super::*;

fn flow() -> Reply {
    Reply::json(200, &json!({"items": [{"id": ID}]}))
}

fn rejected() -> Reply {
    Reply::json(401, &json!({"error_code": 401_013, "message": "Oauth token is not valid"}))
}

fn token_for(seconds: u64, text: &str) -> Reply {
    Reply::json(200, &json!({"access_token": text, "expires_in": seconds}))
}

#[tokio::test(start_paused = true)]
async fn the_token_call_is_the_documented_form() {
    let fake = Fake::answering([flow()]);
    get(&session(&fake)).await.expect("read");
    let seen = fake.last_token_call();
    assert_eq!(
        (seen.method.as_str(), seen.url.as_str()),
        ("POST", "https://ims-na1.adobelogin.com/ims/token/v3")
    );
    assert_eq!(seen.header("content-type"), "application/x-www-form-urlencoded");
    let body = String::from_utf8(seen.body).expect("a form");
    assert_eq!(
        body,
        format!(
            "grant_type=client_credentials&client_id=client&client_secret={CLIENT_SECRET}&scope=openid%2Csession%2CAdobeID\
             %2Cread_organizations%2Cadditional_info.projectedProductContext"
        )
    );
}

#[tokio::test(start_paused = true)]
async fn fifty_callers_share_one_token_call() {
    let slow = Reply::After(Duration::from_secs(3), Box::new(Reply::token("shared")));
    let fake = Fake::answering([flow()]).tokens([slow]);
    let session = session(&fake);
    let all = futures::future::join_all((0..50).map(|_| get(&session))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(fake.token_calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_500_seconds_before_it_expires_while_others_go_on_with_the_old_one() {
    let slow = Reply::After(Duration::from_secs(5), Box::new(Reply::token("new")));
    let fake = Fake::answering([flow()]).tokens([token_for(86_400, "old"), slow]);
    let session = session(&fake);
    get(&session).await.expect("read");
    tokio::time::advance(Duration::from_secs(86_400 - 501)).await;
    get(&session).await.expect("read");
    assert_eq!(fake.token_calls(), 1);
    tokio::time::advance(Duration::from_secs(2)).await;
    let all = futures::future::join_all((0..10).map(|_| get(&session))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(fake.token_calls(), 2);
    let bearers: Vec<_> =
        fake.calls()[2..].iter().map(|seen| seen.header("authorization").to_owned()).collect();
    assert_eq!(bearers.iter().filter(|bearer| *bearer == "Bearer old").count(), 9);
    assert_eq!(bearers.iter().filter(|bearer| *bearer == "Bearer new").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_short_token_is_renewed_in_the_last_tenth_of_its_life() {
    let fake = Fake::answering([flow()]).tokens([token_for(100, "short")]);
    let session = session(&fake);
    get(&session).await.expect("read");
    tokio::time::advance(Duration::from_secs(88)).await;
    get(&session).await.expect("read");
    assert_eq!(fake.token_calls(), 1);
    tokio::time::advance(Duration::from_secs(3)).await;
    get(&session).await.expect("read");
    assert_eq!(fake.token_calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_life_in_milliseconds_is_understood() {
    let fake = Fake::answering([flow()]).tokens([token_for(86_399_992, "old api")]);
    let fake = fake.tokens([]);
    // "old api" holds a blank, which no token has: the answer is not used.
    let error = get(&session(&fake)).await.expect_err("no usable token");
    assert_eq!(error.kind(), ErrorKind::Unavailable);

    let fake = Fake::answering([flow()]).tokens([token_for(86_399_992, "milliseconds")]);
    let session = session(&fake);
    get(&session).await.expect("read");
    tokio::time::advance(Duration::from_hours(24)).await;
    get(&session).await.expect("read");
    assert_eq!(fake.token_calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_failed_early_renewal_keeps_the_old_token_and_is_not_hammered() {
    let fake =
        Fake::answering([flow()]).tokens([token_for(1000, "old"), Reply::raw(500, ""), Reply::token("new")]);
    let session = session(&fake);
    get(&session).await.expect("read");
    tokio::time::advance(Duration::from_secs(950)).await;
    for _ in 0..5 {
        get(&session).await.expect("the old token still works");
    }
    assert_eq!(fake.token_calls(), 2);
    tokio::time::advance(Duration::from_secs(31)).await;
    get(&session).await.expect("read");
    assert_eq!(fake.token_calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_failing_credential_makes_one_token_call_in_half_a_minute() {
    let cases = [
        (
            Reply::json(400, &json!({"error": "invalid_client", "error_description": "bad"})),
            ErrorKind::TokenRefused,
        ),
        (Reply::json(401, &json!({"error": "invalid_client"})), ErrorKind::TokenRefused),
        (Reply::json(400, &json!({"error": "invalid_scope"})), ErrorKind::TokenRefused),
        (Reply::raw(403, "<html>blocked by a proxy</html>"), ErrorKind::Unavailable),
        (Reply::json(500, &json!({"error": "internal_error"})), ErrorKind::Unavailable),
        (Reply::raw(429, ""), ErrorKind::Limited),
        (Reply::NotSent, ErrorKind::Unavailable),
        (Reply::Hang, ErrorKind::Unavailable),
        (Reply::raw(200, "{}"), ErrorKind::Unavailable),
    ];
    for (at, (reply, kind)) in cases.into_iter().enumerate() {
        let fake = Fake::answering([flow()]).tokens([reply]);
        let session = session(&fake);
        for _ in 0..20 {
            let error = get(&session).await.expect_err("no token");
            assert_eq!(error.kind(), kind, "case {at}: {error}");
            assert_eq!(error.operation().to_string(), "request token");
            assert!(error.retry_after().is_some_and(|wait| wait <= Duration::from_secs(30)));
        }
        assert_eq!((fake.token_calls(), fake.calls().len()), (1, 0), "case {at}");
        tokio::time::advance(Duration::from_secs(30)).await;
        get(&session).await.expect("IMS is asked again");
        assert_eq!(fake.token_calls(), 2, "case {at}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_longer_wait_asked_by_ims_is_obeyed() {
    let fake = Fake::answering([flow()]).tokens([Reply::raw(429, "").with("retry-after", "120")]);
    let session = session(&fake);
    get(&session).await.expect_err("limited");
    tokio::time::advance(Duration::from_secs(119)).await;
    get(&session).await.expect_err("still limited");
    tokio::time::advance(Duration::from_secs(1)).await;
    get(&session).await.expect("asked again");
    assert_eq!(fake.token_calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_rejected_token_is_replaced_once_also_for_a_write() {
    let fake = Fake::answering([rejected(), Reply::written()]);
    create(&session(&fake)).await.expect("a gateway 401 was not executed, so the write may be sent again");
    assert_eq!((fake.token_calls(), fake.calls().len()), (2, 2));
    assert_eq!(fake.calls()[1].header("authorization"), "Bearer token-2");
}

#[tokio::test(start_paused = true)]
async fn a_credential_whose_tokens_are_rejected_does_not_loop() {
    let fake = Fake::answering([rejected()]);
    let session = session(&fake);
    for _ in 0..20 {
        assert_eq!(get(&session).await.expect_err("rejected").kind(), ErrorKind::Unauthorized);
    }
    assert!(fake.token_calls() <= 2, "{}", fake.token_calls());
    let before = fake.token_calls();
    for _ in 0..10 {
        tokio::time::advance(Duration::from_secs(30)).await;
        get(&session).await.expect_err("rejected");
    }
    assert!(fake.token_calls() - before <= 20, "{}", fake.token_calls());
}

#[tokio::test(start_paused = true)]
async fn many_callers_with_one_rejected_token_ask_for_one_new_token() {
    let fake = Fake::answering((0..10).map(|_| Reply::After(Duration::from_secs(1), Box::new(rejected()))));
    fake.then(flow());
    let session = session(&fake);
    let all = futures::future::join_all((0..10).map(|_| get(&session))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    assert_eq!(fake.token_calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_service_level_401_asks_for_no_new_token() {
    let body = json!({"type": "https://ns.adobe.com/aep/errors/FLOW-2000-401"});
    let fake = Fake::answering([Reply::json(401, &body)]);
    assert_eq!(get(&session(&fake)).await.expect_err("no access").kind(), ErrorKind::Unauthorized);
    assert_eq!((fake.token_calls(), fake.calls().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_rotated_secret_gets_its_own_token_and_the_same_one_is_shared_between_sandboxes() {
    let fake = Fake::answering([flow()]);
    let aep = client(&fake);
    get(&aep.session(&credentials(), "dev")).await.expect("read");
    get(&aep.session(&credentials(), "prod")).await.expect("read");
    assert_eq!(fake.token_calls(), 1);
    let rotated = Credentials { client_secret: SecretString::from("another-secret"), ..credentials() };
    get(&aep.session(&rotated, "dev")).await.expect("read");
    assert_eq!(fake.token_calls(), 2);
}
