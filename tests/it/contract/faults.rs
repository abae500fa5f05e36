//! Lost answers, spoilt answers, storms and lag: what the client says, and that it never writes twice.

use aep_operator::aep::model::NewRun;
use aep_operator::aep::{ErrorKind, Filter, FlowAction, Patch};

use super::*;

const SPOILT: [&str; 9] =
    ["empty", "cut", "html", "noId", "badId", "huge", "invalidUtf8", "wrongType", "deep"];

#[tokio::test(start_paused = true)]
async fn a_lost_answer_to_a_creation_is_ambiguous_and_never_repeated() {
    for (action, made) in [
        (json!("dropBeforeCommit"), 0),
        (json!("dropAfterCommit"), 1),
        (json!("dropMidBody"), 1),
        (json!("hang"), 0),
        (json!("hangAfterCommit"), 1),
        (json!({"statusAfterCommit": {"status": 500}}), 1),
        (json!({"statusAfterCommit": {"status": 502, "body": "<html>Bad Gateway</html>"}}), 1),
        (json!({"statusAfterCommit": {"status": 503}}), 1),
        (json!({"statusAfterCommit": {"status": 504}}), 1),
        (json!({"status": {"status": 500}}), 0),
    ] {
        let world = World::new();
        world.fault("POST", "/connections", &json!(1), &action);
        let error = world.try_base(&new_base()).await.unwrap_err();
        assert!(error.is_ambiguous(), "{action}: {error}");
        assert_eq!(world.calls("POST", "/connections"), 1, "{action}");
        assert_eq!(world.count("connections"), made, "{action}");
        assert_eq!(world.reached(), [1], "{action}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_spoilt_answer_to_a_creation_is_ambiguous() {
    for spoilt in SPOILT {
        let world = World::new();
        world.fault("POST", "/connections", &json!(1), &json!({"replaceBody": spoilt}));
        let error = world.try_base(&new_base()).await.unwrap_err();
        assert!(error.is_ambiguous(), "{spoilt}: {error}");
        assert_eq!((world.count("connections"), world.reached()), (1, vec![1]), "{spoilt}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_spoilt_answer_to_a_read_is_malformed_and_nothing_is_concluded() {
    let world = World::new();
    let base = world.base().await;
    for spoilt in SPOILT.into_iter().chain(["wrongId"]) {
        world.fault("GET", "/connections/{id}", &json!(1), &json!({"replaceBody": spoilt}));
        let error = world.session.get::<Connection>(&base.id).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{spoilt}: {error}");
    }
    let extra = json!({"items": [{"id": base.id, "new": {"deep": [1, null]}}], "somethingNew": {"nested": [1]}, "count": 1});
    world.fault("GET", "/connections/{id}", &json!(1), &json!({"status": {"status": 200, "body": extra}}));
    assert!(
        world.session.get::<Connection>(&base.id).await.unwrap().is_some(),
        "unknown members are no reason"
    );
}

#[tokio::test(start_paused = true)]
async fn a_spoilt_list_is_malformed() {
    let world = World::new();
    world.base().await;
    for spoilt in ["empty", "cut", "html", "noId", "badId", "invalidUtf8", "wrongType", "deep"] {
        world.fault("GET", "/connections", &json!(1), &json!({"replaceBody": spoilt}));
        let error = world.session.list::<Connection>(&Filter::all()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{spoilt}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_write_is_sent_once_whatever_happens_to_its_answer() {
    let world = World::new();
    let chain = world.chain().await;
    let flow = world.try_flow(&chain.flow).await.unwrap();
    let (session, gate) = (&world.session, &world.gate);
    let lost = json!("dropAfterCommit");
    let etag = session.get::<Flow>(&flow.id).await.unwrap().unwrap().meta.etag.unwrap();
    let run = NewRun { flow_id: flow.id.clone(), start_time: None, window: None };
    let cases = [
        ("PATCH", "/flows/{id}"),
        ("POST", "/flows/{id}/action"),
        ("PUT", "/mappingSets/{id}"),
        ("POST", "/runs"),
        ("PATCH", "/dataSets/{id}"),
        ("DELETE", "/flows/{id}"),
        ("DELETE", "/dataSets/{id}"),
    ];
    for (method, endpoint) in cases {
        world.fault(method, endpoint, &json!("forever"), &lost);
    }
    let errors = [
        session.patch::<Flow>(&flow.id, &etag, &Patch::new().replace("/name", "n")).await.unwrap_err(),
        session.action(gate, &flow.id, FlowAction::Disable).await.unwrap_err(),
        session
            .put_mapping_set(world.permit().await, gate, &chain.mapping.id, &new_mapping(&chain.schema))
            .await
            .unwrap_err(),
        session.create_run(world.permit().await, gate, &run).await.unwrap_err(),
        session.patch_data_set(gate, &chain.data_set, &Patch::new().replace("/name", "n")).await.unwrap_err(),
        session.delete::<Flow>(gate, &flow.id).await.unwrap_err(),
        session.delete_data_set(gate, &chain.data_set).await.unwrap_err(),
    ];
    assert!(errors.iter().all(Error::is_ambiguous), "{errors:?}");
    for (method, endpoint) in cases {
        assert_eq!(world.calls(method, endpoint), 1, "{method} {endpoint}");
    }
    assert_eq!(session.get::<Flow>(&flow.id).await.unwrap(), None, "what was lost was done");
}

#[tokio::test(start_paused = true)]
async fn reads_survive_two_failures_of_any_kind() {
    for action in [
        json!({"status": {"status": 500}}),
        json!({"status": {"status": 502, "body": "<html></html>"}}),
        json!({"status": {"status": 503, "headers": {"retry-after": "1"}}}),
        json!({"status": {"status": 429, "headers": {"retry-after": "2"}}}),
        json!("dropBeforeCommit"),
        json!("dropMidBody"),
    ] {
        let world = World::new();
        let base = world.base().await;
        world.fault("GET", "/connections/{id}", &json!(2), &action);
        assert!(world.session.get::<Connection>(&base.id).await.unwrap().is_some(), "{action}");
        assert_eq!(world.reached(), [2], "{action}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_limited_write_is_known_not_to_have_happened() {
    let world = World::new();
    world.fault(
        "POST",
        "/connections",
        &json!(1),
        &json!({"status": {"status": 429, "headers": {"retry-after": "5"}}}),
    );
    let error = world.try_base(&new_base()).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Limited, Some(Duration::from_secs(5))));
    world.fault(
        "POST",
        "/connections",
        &json!(1),
        &json!({"status": {"status": 503, "headers": {"retry-after": "5"}}}),
    );
    let error = world.try_base(&new_base()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert_eq!(world.count("connections"), 0);
    world.base().await;
}

#[tokio::test(start_paused = true)]
async fn a_token_that_dies_in_flight_costs_one_repetition() {
    let world = World::new();
    world.fault("POST", "/connections", &json!(1), &json!({"status": {"status": 401}}));
    world.base().await;
    assert_eq!((world.calls("POST", "/connections"), world.count("connections")), (2, 1));
    assert_eq!(world.calls("POST", "/ims/token/v3"), 2);
}

#[tokio::test(start_paused = true)]
async fn what_was_just_made_may_not_be_listed_yet() {
    let world = World::new();
    world.sim.switch(|switches| switches.list_lag_ms = 10_000);
    let base = world.base().await;
    assert!(world.session.list::<Connection>(&Filter::all()).await.unwrap().is_empty());
    assert!(world.session.get::<Connection>(&base.id).await.unwrap().is_some());
    tokio::time::advance(Duration::from_secs(11)).await;
    assert_eq!(world.session.list::<Connection>(&Filter::all()).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_ims_is_told_and_overcome() {
    let world = World::new();
    world.fault(
        "POST",
        "/ims/token/v3",
        &json!(1),
        &json!({"status": {"status": 500, "body": {"error": "internal_error"}}}),
    );
    let error = world.try_base(&new_base()).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unavailable, Some("internal_error")), "{error}");
    tokio::time::advance(Duration::from_secs(31)).await;
    world.base().await;
}

#[tokio::test(start_paused = true)]
async fn a_storm_ends_within_a_probe() {
    let world = World::new();
    let base = world.base().await;
    world.fault("GET", "/connections/{id}", &json!(30), &json!({"status": {"status": 500}}));
    let started = Instant::now();
    loop {
        if world.session.get::<Connection>(&base.id).await.is_ok() {
            break;
        }
        assert!(started.elapsed() < Duration::from_mins(3), "the storm of 30 failures should be over");
    }
    assert_eq!(world.reached(), [30]);
    assert!(
        started.elapsed() > Duration::from_secs(30),
        "in a storm, calls fall to a probe: {:?}",
        started.elapsed()
    );
}
