//! The send path: headers, meanings of statuses, what is repeated and what never is.

use super::*;

fn flow() -> Reply {
    Reply::json(
        200,
        &json!({"items": [{"id": ID, "sandboxName": "dev", "imsOrgId": ORG, "state": "enabled"}]}),
    )
}

pub(super) fn flow_error(code: &str) -> Value {
    json!({"type": format!("https://ns.adobe.com/aep/errors/FLOW-{code}"), "report": {"detailed-message": "why"}})
}

#[tokio::test(start_paused = true)]
async fn every_call_carries_the_documented_headers() {
    let fake = Fake::answering([Reply::written(), flow()]);
    let session = session(&fake);
    create(&session).await.expect("created");
    get(&session).await.expect("read");
    let calls = fake.calls();
    for seen in &calls {
        assert_eq!(seen.header("authorization"), "Bearer token-1");
        assert_eq!(seen.header("x-api-key"), "client");
        assert_eq!(seen.header("x-gw-ims-org-id"), ORG);
        assert_eq!(seen.header("x-sandbox-name"), "dev");
        assert_eq!(seen.header("accept"), "application/json");
        assert!(seen.headers["authorization"].is_sensitive());
    }
    assert_eq!(calls[0].header("content-type"), "application/json");
    assert_eq!(calls[1].header("content-type"), "");
    assert_ne!(calls[0].header("x-request-id"), calls[1].header("x-request-id"));
    assert_eq!(calls[0].url, "https://platform.adobe.io/data/foundation/flowservice/connections");
}

#[tokio::test(start_paused = true)]
async fn each_status_has_one_meaning_for_reads_and_one_for_writes() {
    use ErrorKind::*;
    let plain = json!({"message": "why"});
    let cases = [
        (Reply::json(400, &flow_error("1425-400")), Refused, Refused),
        (
            Reply::json(412, &json!({"errorMessage": "does not match"})),
            PreconditionFailed,
            PreconditionFailed,
        ),
        (Reply::json(401, &flow_error("2000-401")), Unauthorized, Unauthorized),
        (Reply::json(403, &json!({"error_code": "403003", "message": "Api Key is invalid"})), Denied, Denied),
        (Reply::json(404, &flow_error("2100-404")), Refused, Refused),
        (Reply::raw(404, "<html></html>"), Refused, Refused),
        (Reply::json(405, &plain), Refused, Refused),
        (Reply::json(408, &plain), Unavailable, Ambiguous),
        (Reply::json(409, &plain), Refused, Refused),
        (Reply::json(412, &flow_error("1404-412")), PreconditionFailed, PreconditionFailed),
        (Reply::json(422, &plain), Refused, Refused),
        (Reply::json(425, &plain), Unavailable, Unavailable),
        (Reply::json(429, &json!({"error_code": "429050"})), Limited, Limited),
        (Reply::json(500, &flow_error("1400-500")), Unavailable, Ambiguous),
        (Reply::raw(502, "<html>Bad Gateway</html>"), Unavailable, Ambiguous),
        (Reply::raw(503, ""), Unavailable, Ambiguous),
        (Reply::raw(503, "").with("retry-after", "2"), Unavailable, Unavailable),
        (Reply::json(503, &flow_error("1103-503")).with("retry-after", "2"), Unavailable, Ambiguous),
        (Reply::raw(504, ""), Unavailable, Ambiguous),
        (Reply::raw(302, "").with("location", "https://elsewhere.example"), Malformed, Ambiguous),
        (Reply::raw(200, "{\"items\":"), Malformed, Ambiguous),
        (Reply::raw(200, ""), Malformed, Ambiguous),
        (Reply::raw(200, "<html>hello</html>"), Malformed, Ambiguous),
        (Reply::NoAnswer, Unavailable, Ambiguous),
        (Reply::NotSent, Unavailable, Unavailable),
        (Reply::Hang, Unavailable, Ambiguous),
    ];
    for (at, (reply, read, write)) in cases.into_iter().enumerate() {
        let error = get(&session(&Fake::answering([reply.clone()]))).await.expect_err("a failed read");
        assert_eq!(error.kind(), read, "read, case {at}: {error}");
        let fake = Fake::answering([reply]);
        let error = create(&session(&fake)).await.expect_err("a failed write");
        assert_eq!(error.kind(), write, "write, case {at}: {error}");
        assert_eq!(fake.calls().len(), 1, "a write leaves once, case {at}");
        assert_eq!(error.operation().to_string(), "create connections");
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_object_is_an_answer_and_a_missing_sandbox_is_not() {
    let missing =
        Reply::json(404, &json!({"errorMessage": "flows not found with id", "errorDetails": "same"}));
    assert_eq!(get(&session(&Fake::answering([missing]))).await.expect("an answer"), None);
    let listed = Reply::json(400, &flow_error("1439-400"));
    assert_eq!(get(&session(&Fake::answering([listed]))).await.expect("an answer"), None);
    let hidden = Reply::json(404, &flow_error("1439-404"));
    assert_eq!(get(&session(&Fake::answering([hidden]))).await.expect("an answer"), None);
    let error = get(&session(&Fake::answering([Reply::json(404, &flow_error("2103-404"))])))
        .await
        .expect_err("no sandbox");
    assert!(error.is_sandbox_missing() && !error.is_not_found());
}

#[tokio::test(start_paused = true)]
async fn an_error_tells_status_code_message_and_request_id() {
    let body =
        json!({"type": "x/FLOW-1418-400", "report": {"detailed-message": "in use", "request-id": "req-9"}});
    let (_leader, gate) = gate();
    let session = session(&Fake::answering([Reply::json(400, &body)]));
    let error = session.delete::<model::Connection>(&gate, ID).await.expect_err("refused");
    assert_eq!(
        (error.status(), error.code(), error.code_number()),
        (Some(400), Some("1418-400"), Some(1418))
    );
    assert_eq!((error.message(), error.request_id()), ("in use", Some("req-9")));
    assert_eq!(error.to_string(), "delete connections: 400 (1418-400): in use [request req-9]");
}

#[tokio::test(start_paused = true)]
async fn a_read_survives_two_failures_and_gives_up_after_three() {
    for failure in
        [Reply::raw(500, ""), Reply::NotSent, Reply::NoAnswer, Reply::raw(429, "").with("retry-after", "3")]
    {
        let fake = Fake::answering([failure.clone(), failure.clone(), flow()]);
        assert!(get(&session(&fake)).await.expect("read in the end").is_some());
        assert_eq!(fake.calls().len(), 3);
        let fake = Fake::answering([failure]);
        get(&session(&fake)).await.expect_err("given up");
        assert_eq!(fake.calls().len(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn a_hanging_read_is_tried_again_within_its_deadline() {
    let fake = Fake::answering([Reply::Hang, flow()]);
    let started = Instant::now();
    assert!(get(&session(&fake)).await.expect("read in the end").is_some());
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    let fake = Fake::answering([Reply::Hang]);
    let started = Instant::now();
    assert_eq!(get(&session(&fake)).await.expect_err("no answer").kind(), ErrorKind::Unavailable);
    assert!(started.elapsed() <= Duration::from_secs(31), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_read_does_not_wait_for_a_limit_beyond_its_deadline() {
    let fake = Fake::answering([Reply::raw(429, "").with("retry-after", "300")]);
    let started = Instant::now();
    let error = get(&session(&fake)).await.expect_err("limited");
    assert_eq!(error.kind(), ErrorKind::Limited);
    assert_eq!(error.retry_after(), Some(Duration::from_mins(5)));
    assert!(started.elapsed() < Duration::from_secs(2));
    assert_eq!(fake.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_write_gets_its_whole_deadline_and_then_is_ambiguous() {
    let fake = Fake::answering([Reply::Hang]);
    let started = Instant::now();
    let error = create(&session(&fake)).await.expect_err("no answer");
    assert!(error.is_ambiguous());
    assert!(started.elapsed() >= Duration::from_secs(30) && started.elapsed() < Duration::from_secs(32));
    let slow = Reply::After(Duration::from_secs(29), Box::new(Reply::written()));
    create(&session(&Fake::answering([slow]))).await.expect("a slow answer is an answer");
}

#[tokio::test(start_paused = true)]
async fn nothing_leaves_through_a_closed_gate() {
    let fake = Fake::answering([Reply::written()]);
    let session = session(&fake);
    let (leader, gate) = gate();
    leader.send_replace(Instant::now());
    let (id, new) = (ID, new_connection());
    let set =
        model::NewMappingSet { name: "n".to_owned(), schema: model::SchemaRef::default(), rows: Vec::new() };
    let patch = Patch::new().add("/a", 1);
    let body = json!({});
    let data_set = model::NewDataSet {
        name: "n".to_owned(),
        description: None,
        schema_ref: model::SchemaRef::default(),
        tags: std::collections::BTreeMap::new(),
        enable_error_diagnostics: None,
    };
    let run = model::NewRun { flow_id: ID.to_owned(), start_time: None, window: None };
    let kind = model::ResourceKind::Schema;
    let errors = [
        session.create::<model::Connection>(permit(&session).await, &gate, &new).await.expect_err("closed"),
        session.delete::<model::Flow>(&gate, id).await.expect_err("closed"),
        session.action(&gate, id, FlowAction::Disable).await.expect_err("closed"),
        session.create_run(permit(&session).await, &gate, &run).await.expect_err("closed"),
        session.create_mapping_set(permit(&session).await, &gate, &set).await.expect_err("closed"),
        session.put_mapping_set(permit(&session).await, &gate, id, &set).await.expect_err("closed"),
        session.create_resource(permit(&session).await, &gate, kind, &body).await.expect_err("closed"),
        session.patch_resource(&gate, kind, id, &patch).await.expect_err("closed"),
        session.delete_resource(&gate, kind, id).await.expect_err("closed"),
        session.create_descriptor(permit(&session).await, &gate, &body).await.expect_err("closed"),
        session.delete_descriptor(&gate, id).await.expect_err("closed"),
        session.create_data_set(permit(&session).await, &gate, &data_set).await.expect_err("closed"),
        session.patch_data_set(&gate, id, &patch).await.expect_err("closed"),
        session.delete_data_set(&gate, id).await.expect_err("closed"),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::NotSent, "{error}");
    }
    assert!(fake.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_gate_is_asked_again_before_a_write_is_sent_with_a_new_token() {
    let rejected = Reply::json(401, &json!({"error_code": "401013", "message": "Oauth token is not valid"}));
    let fake = Fake::answering([Reply::After(Duration::from_secs(5), Box::new(rejected)), Reply::written()]);
    let session = session(&fake);
    let (_leader, until) = sole_leadership();
    let permit = permit(&session).await;
    let gate = Gate::new(Instant::now() + Duration::from_secs(3), until);
    let error =
        session.create::<model::Connection>(permit, &gate, &new_connection()).await.expect_err("too late");
    assert_eq!(error.kind(), ErrorKind::NotSent);
    assert_eq!(fake.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_beyond_the_cap_is_not_read() {
    let huge = Reply::raw(200, vec![b' '; BodyCap::OBJECT.0 + 1]);
    let error = get(&session(&Fake::answering([huge.clone()]))).await.expect_err("too long");
    assert_eq!(error.kind(), ErrorKind::Malformed);
    assert!(create(&session(&Fake::answering([huge]))).await.expect_err("too long").is_ambiguous());
    let list = Reply::raw(200, format!("{{\"items\":[]{}}}", " ".repeat(BodyCap::OBJECT.0)));
    let found = session(&Fake::answering([list]))
        .list::<model::Flow>(&Filter::all())
        .await
        .expect("lists may be long");
    assert!(found.is_empty());
}

#[tokio::test(start_paused = true)]
async fn hostile_answers_never_panic() {
    let deep = format!("{{\"items\":{}", "[".repeat(100_000));
    let bodies: [Vec<u8>; 6] = [
        deep.into_bytes(),
        b"\xff\xfe\x00".to_vec(),
        b"null".to_vec(),
        b"[]".to_vec(),
        b"{\"items\":[{\"id\":7}]}".to_vec(),
        b"{\"items\":[{\"id\":\"../../etc\"}],\"id\":\"x\"}".to_vec(),
    ];
    for body in bodies {
        let reply = Reply::raw(200, body);
        let error = get(&session(&Fake::answering([reply.clone()]))).await.expect_err("untrusted");
        assert_eq!(error.kind(), ErrorKind::Malformed);
        assert!(create(&session(&Fake::answering([reply]))).await.expect_err("untrusted").is_ambiguous());
    }
}

#[tokio::test(start_paused = true)]
async fn credentials_that_cannot_stand_in_a_header_send_nothing() {
    let fake = Fake::answering([Reply::written()]);
    let bad = Credentials { client_id: "a\r\nx-evil: 1".to_owned(), ..credentials() };
    let session = client(&fake).session(&bad, "dev");
    assert_eq!(create(&session).await.expect_err("unsendable").kind(), ErrorKind::TokenRefused);
    assert_eq!(get(&session).await.expect_err("unsendable").kind(), ErrorKind::TokenRefused);
    assert!(fake.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_id_cannot_lead_to_another_endpoint() {
    let fake = Fake::answering([Reply::raw(204, "")]);
    let session = session(&fake);
    let (_leader, gate) = gate();
    for id in ["", ".", ".."] {
        let error = session.delete::<model::Flow>(&gate, id).await.expect_err("no id");
        assert_eq!(error.kind(), ErrorKind::Refused, "{id}");
        assert_eq!(
            session.explore(id, "charges").await.expect_err("no id").kind(),
            ErrorKind::Refused,
            "{id}"
        );
    }
    assert!(fake.calls().is_empty());
    session.delete::<model::Flow>(&gate, "../connections/x?y#z").await.expect("encoded");
    assert!(fake.calls()[0].url.ends_with("/flows/..%2Fconnections%2Fx%3Fy%23z"), "{}", fake.calls()[0].url);
}

#[tokio::test(start_paused = true)]
async fn every_exchange_is_reported_to_the_observer() {
    #[derive(Default)]
    struct Reports(Mutex<Vec<CallReport>>);
    impl Observer for Reports {
        fn finished(&self, call: &CallReport) {
            self.0.lock().expect("reports").push(call.clone());
        }
    }
    let fake = Fake::answering([Reply::raw(500, ""), flow()]);
    let reports = Arc::new(Reports::default());
    let observer = Arc::clone(&reports) as Arc<dyn Observer>;
    let aep = Aep::observed(settings(), fake, observer).expect("usable settings");
    get(&aep.session(&credentials(), "dev")).await.expect("read");
    let reports = reports.0.lock().expect("reports");
    let told: Vec<_> = reports
        .iter()
        .map(|report| (format!("{} {}", report.method, report.endpoint), report.status, report.kind))
        .collect();
    let flow = "GET /data/foundation/flowservice/flows/{id}".to_owned();
    assert_eq!(
        told,
        [
            ("POST /ims/token/v3".to_owned(), Some(200), None),
            (flow.clone(), Some(500), Some(ErrorKind::Unavailable)),
            (flow, Some(200), None)
        ]
    );
}

#[test]
fn urls_have_to_be_https_bases_unless_http_is_allowed() {
    let with = |url: &str, allow_http: bool| {
        let settings = Settings { aep_url: url.to_owned(), allow_http, ..Settings::default() };
        Aep::new(settings, Fake::answering([])).map(|aep| aep.settings().aep_url.clone())
    };
    assert_eq!(with("https://platform.adobe.io/", false).as_deref(), Ok("https://platform.adobe.io"));
    assert_eq!(with("http://127.0.0.1:80", true).as_deref(), Ok("http://127.0.0.1:80"));
    assert_eq!(with("http://127.0.0.1:80", false), Err(SettingsError::PlainHttp { name: "the AEP URL" }));
    for url in
        ["", "platform.adobe.io", "https://", "https://u:p@h", "https://h/path", "https://h?x=1", "ftp://h"]
    {
        assert_eq!(with(url, true), Err(SettingsError::Url { name: "the AEP URL" }), "{url}");
    }
    for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let settings = Settings { requests_per_second: rate, ..Settings::default() };
        assert_eq!(Aep::new(settings, Fake::answering([])).err(), Some(SettingsError::Rate));
    }
}
