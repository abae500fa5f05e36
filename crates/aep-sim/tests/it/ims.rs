//! Tokens.

use serde_json::json;

use crate::support::{CLIENT, SCOPES, SECRET, World};

fn form<'a>(secret: &'a str, scope: &'a str) -> [(&'a str, &'a str); 4] {
    [("grant_type", "client_credentials"), ("client_id", CLIENT), ("client_secret", secret), ("scope", scope)]
}

#[tokio::test]
async fn good_credentials_get_a_token_for_a_day() {
    let world = World::new().await;
    let answer = world.token(&form(SECRET, SCOPES)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["token_type"], "bearer");
    assert_eq!(answer.body["expires_in"], 86_399);
}

#[tokio::test]
async fn parameters_may_stand_in_the_query() {
    let world = World::new().await;
    let uri = format!(
        "/ims/token/v3?grant_type=client_credentials&client_id={CLIENT}&client_secret={SECRET}&scope={SCOPES}"
    );
    assert_eq!(world.send("POST", &uri, &[], None).await.unwrap().status, 200);
    let journal = serde_json::to_string(&world.sim.journal(0)).unwrap();
    assert!(!journal.contains(SECRET));
}

#[tokio::test]
async fn bad_requests_are_refused_the_oauth_way() {
    let world = World::new().await;
    let cases = [
        (form("wrong", SCOPES).to_vec(), "invalid_client"),
        (form(SECRET, "everything").to_vec(), "invalid_scope"),
        (form(SECRET, "").to_vec(), "invalid_scope"),
        (vec![("grant_type", "password")], "unsupported_grant_type"),
        (vec![("client_id", CLIENT)], "invalid_request"),
    ];
    for (form, error) in cases {
        let answer = world.token(&form).await;
        assert_eq!((answer.status, answer.body["error"].as_str()), (400, Some(error)));
    }
}

#[tokio::test]
async fn a_revoked_token_is_not_valid_and_a_new_one_is() {
    let mut world = World::new().await;
    assert_eq!(world.get("/flows").await.status, 200);
    world.control("POST", "/ims", &json!({"revokeTokens": true}));
    let refused = world.get("/flows").await;
    assert_eq!((refused.status, refused.body["error_code"].as_str()), (401, Some("401013")));
    world.token = world.new_token().await;
    assert_eq!(world.get("/flows").await.status, 200);
    assert_eq!(world.control("GET", "/ims", &json!(null))["issued"][CLIENT], 2);
}

#[tokio::test]
async fn a_token_can_be_short_lived() {
    let mut world = World::new().await;
    world.switch(|switches| switches.token_seconds = 0);
    world.token = world.new_token().await;
    assert_eq!(world.get("/flows").await.status, 401);
}

#[tokio::test]
async fn secrets_can_be_rotated_two_at_a_time() {
    let world = World::new().await;
    world.control("POST", "/ims", &json!({"clientId": CLIENT, "secrets": ["second", "third"]}));
    assert_eq!(world.token(&form(SECRET, SCOPES)).await.status, 400);
    assert_eq!(world.token(&form("second", SCOPES)).await.status, 200);
    assert_eq!(world.token(&form("third", SCOPES)).await.status, 200);
}
