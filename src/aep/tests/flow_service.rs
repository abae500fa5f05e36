//! Flow Service: bodies, paging, and answers that cannot be trusted.

use model::{Connection, Flow, SourceConnection, TargetConnection};

use super::*;

fn page(ids: &[&str], next: Option<&str>) -> Reply {
    let items: Vec<_> =
        ids.iter().map(|id| json!({"id": id, "sandboxName": "dev", "imsOrgId": ORG})).collect();
    let links = next.map_or_else(
        || json!({}),
        |token| json!({"next": {"href": format!("/flows?continuationToken={token}")}}),
    );
    Reply::json(200, &json!({"items": items, "_links": links}))
}

fn id(number: u32) -> String {
    format!("00000000-0000-0000-0000-{number:012}")
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_created_as_the_tutorial_does() {
    let fake = Fake::answering([Reply::written()]);
    let created = create(&session(&fake)).await.expect("created");
    assert_eq!((created.id.as_str(), created.etag.as_ref().map(Etag::as_str)), (ID, Some(ETAG)));
    assert_eq!(
        fake.calls()[0].json(),
        json!({
            "name": "Stripe EU", "description": "marker",
            "connectionSpec": {"id": spec::STRIPE_CONNECTION_SPEC, "version": "1.0"},
            "auth": {"specName": "OAuth2 Refresh Code", "params": {"accessToken": STRIPE_KEY}}
        })
    );
}

#[tokio::test(start_paused = true)]
async fn source_and_target_connections_are_created_as_the_tutorial_does() {
    let fake = Fake::answering([Reply::written()]);
    let session = session(&fake);
    let (_leader, gate) = gate();
    let source = model::NewSourceConnection {
        name: "charges".to_owned(),
        description: None,
        base_connection_id: ID.to_owned(),
        connection_spec: model::SpecRef::v1(spec::STRIPE_CONNECTION_SPEC),
        resource_path: "charges".to_owned(),
    };
    session.create::<SourceConnection>(permit(&session).await, &gate, &source).await.expect("created");
    let schema = model::SchemaRef { id: "s".to_owned(), content_type: spec::SCHEMA_CONTENT_TYPE.to_owned() };
    let target = model::NewTargetConnection {
        name: "lake".to_owned(),
        description: Some("d".to_owned()),
        connection_spec: model::SpecRef::v1(spec::DATA_LAKE_CONNECTION_SPEC),
        schema,
        data_set_id: "5c8c3c555033b814b69f947f".to_owned(),
    };
    session.create::<TargetConnection>(permit(&session).await, &gate, &target).await.expect("created");
    let calls = fake.calls();
    assert_eq!(
        calls[0].json(),
        json!({
            "name": "charges", "baseConnectionId": ID,
            "connectionSpec": {"id": spec::STRIPE_CONNECTION_SPEC, "version": "1.0"},
            "data": {"format": "json"}, "params": {"resourcePath": "charges"}
        })
    );
    assert_eq!(
        calls[1].json(),
        json!({
            "name": "lake", "description": "d",
            "connectionSpec": {"id": spec::DATA_LAKE_CONNECTION_SPEC, "version": "1.0"},
            "data": {"format": "parquet_xdm", "schema": {"id": "s", "version": spec::SCHEMA_CONTENT_TYPE}},
            "params": {"dataSetId": "5c8c3c555033b814b69f947f"}
        })
    );
}

#[tokio::test(start_paused = true)]
async fn a_success_without_a_usable_id_is_ambiguous_and_without_a_tag_is_not() {
    for body in [
        json!({}),
        json!({"id": null}),
        json!({"id": "not-a-uuid", "etag": ETAG}),
        json!({"etag": ETAG}),
        json!([]),
    ] {
        let error =
            create(&session(&Fake::answering([Reply::json(201, &body)]))).await.expect_err("untrusted");
        assert!(error.is_ambiguous(), "{body}: {error}");
    }
    for etag in [json!(null), json!("a\nb"), json!({}), json!("")] {
        let reply = Reply::json(201, &json!({"id": ID, "etag": etag}));
        assert_eq!(create(&session(&Fake::answering([reply]))).await.expect("created").etag, None);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_about_something_else_is_not_believed() {
    let wrong = [
        json!({"items": [{"id": OTHER_ID}]}),
        json!({"items": [{"id": ID, "sandboxName": "prod"}]}),
        json!({"items": [{"id": ID, "imsOrgId": "OTHER@AdobeOrg"}]}),
        json!({"items": [{"id": ID}, {"id": OTHER_ID}]}),
        json!({"items": []}),
        json!({"items": {}}),
        json!({}),
    ];
    for body in wrong {
        let error = get(&session(&Fake::answering([Reply::json(200, &body)]))).await.expect_err("untrusted");
        assert_eq!(error.kind(), ErrorKind::Malformed, "{body}");
    }
    let bare = Reply::json(200, &json!({"id": ID, "state": "enabled"}));
    assert!(get(&session(&Fake::answering([bare]))).await.expect("a bare object is accepted").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_list_is_read_to_its_end_and_an_object_that_moved_is_given_once() {
    let (a, b, c) = (id(1), id(2), id(3));
    let fake =
        Fake::answering([page(&[&a, &b], Some("t%2B1%3D")), page(&[&b], Some("t2")), page(&[&c], None)]);
    let filter = Filter::all().equal("sourceConnectionIds[]", ID);
    let found = session(&fake).list::<Flow>(&filter).await.expect("a list");
    assert_eq!(found.iter().map(|flow| flow.meta.id.clone()).collect::<Vec<_>>(), [a, b, c]);
    let queries: Vec<_> = fake.calls().iter().map(Seen::query).collect();
    let own = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<Vec<_>>()
    };
    let condition = format!("sourceConnectionIds[]=={ID}");
    let first = [("property", condition.as_str()), ("orderby", "createdAt"), ("limit", "100")];
    assert_eq!(queries[0], own(&first));
    assert_eq!(queries[1], own(&[&first[..], &[("continuationToken", "t+1=")]].concat()));
}

#[tokio::test(start_paused = true)]
async fn a_list_that_goes_in_circles_is_refused() {
    let a = id(1);
    let fake = Fake::answering([page(&[&a], Some("t1")), page(&[&a], Some("t2")), page(&[&a], Some("t1"))]);
    let error = session(&fake).list::<Flow>(&Filter::all()).await.expect_err("a loop");
    assert_eq!((error.kind(), fake.calls().len()), (ErrorKind::Malformed, 3));
}

#[tokio::test(start_paused = true)]
async fn one_foreign_object_in_a_list_spoils_the_whole_list() {
    for item in [json!({"id": "x"}), json!({"id": ID, "sandboxName": "prod"}), json!({"name": "no id"})] {
        let body = json!({"items": [{"id": OTHER_ID}, item]});
        let error = session(&Fake::answering([Reply::json(200, &body)])).list::<Flow>(&Filter::all()).await;
        assert_eq!(error.expect_err("untrusted").kind(), ErrorKind::Malformed, "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_patch_sends_the_tag_verbatim_and_reads_either_answer() {
    let next = "\"new\"";
    for body in [json!({"id": ID, "etag": next}), json!({"items": [{"id": ID, "etag": next}], "_links": {}})]
    {
        let fake = Fake::answering([Reply::json(200, &body)]);
        let etag = Etag::new(ETAG).expect("a tag");
        let patch = Patch::new().replace("/name", "n");
        let tag = session(&fake).patch::<SourceConnection>(ID, &etag, &patch).await.expect("patched");
        assert_eq!(tag.as_ref().map(Etag::as_str), Some(next));
        let seen = &fake.calls()[0];
        assert_eq!((seen.method.as_str(), seen.header("if-match")), ("PATCH", ETAG));
        assert_eq!(seen.json(), json!([{"op": "replace", "path": "/name", "value": "n"}]));
        assert!(seen.url.ends_with(&format!("/sourceConnections/{ID}")));
    }
    let other = Reply::json(200, &json!({"id": OTHER_ID, "etag": next}));
    let etag = Etag::new(ETAG).expect("a tag");
    let result = session(&Fake::answering([other])).patch::<Flow>(ID, &etag, &Patch::new()).await;
    assert!(result.expect_err("about another object").is_ambiguous());
}

#[tokio::test(start_paused = true)]
async fn a_deletion_is_accepted_or_finds_nothing() {
    let (_leader, gate) = gate();
    for (reply, expected) in [
        (Reply::raw(204, ""), Deleted::Accepted),
        (Reply::raw(202, ""), Deleted::Accepted),
        (Reply::raw(200, "nonsense"), Deleted::Accepted),
        (Reply::json(404, &json!({"errorMessage": "flows not found"})), Deleted::Gone),
    ] {
        let fake = Fake::answering([reply]);
        assert_eq!(session(&fake).delete::<Flow>(&gate, ID).await.expect("deleted"), expected);
        assert_eq!(fake.calls()[0].header("if-match"), "");
    }
    let sandbox = json!({"type": "x/FLOW-2100-404"});
    let error = session(&Fake::answering([Reply::json(404, &sandbox)])).delete::<Flow>(&gate, ID).await;
    assert_eq!(error.expect_err("the sandbox is gone, not the flow").kind(), ErrorKind::Refused);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_credential_is_an_answer_of_the_test() {
    for (body, expected) in
        [(json!({"result": true}), Ok(true)), (json!({"result": "false"}), Ok(false)), (json!({}), Err(()))]
    {
        let fake = Fake::answering([Reply::json(200, &body)]);
        assert_eq!(session(&fake).test_connection(ID).await.map_err(|_| ()), expected, "{body}");
        assert!(fake.calls()[0].url.ends_with(&format!("/connections/{ID}/test")));
    }
}

#[tokio::test(start_paused = true)]
async fn explore_asks_with_the_query_of_the_tutorial() {
    let schema = json!({"format": "hierarchical", "schema": {"type": "object", "properties": {}}});
    let fake = Fake::answering([Reply::json(200, &schema)]);
    assert_eq!(session(&fake).explore(ID, "charges").await.expect("explored"), schema);
    let expected = format!(
        "/connections/{ID}/explore?objectType=rest&object=json&fileType=json&preview=false\
         &sourceParams=eyJyZXNvdXJjZVBhdGgiOiJjaGFyZ2VzIn0%3D"
    );
    assert!(fake.calls()[0].url.ends_with(&expected), "{}", fake.calls()[0].url);
    let error = session(&Fake::answering([Reply::json(200, &json!([]))])).explore(ID, "charges").await;
    assert_eq!(error.expect_err("no schema").kind(), ErrorKind::Malformed);
}

#[tokio::test(start_paused = true)]
async fn enabling_and_disabling_are_actions_without_a_body() {
    let (_leader, gate) = gate();
    for (action, op) in [(FlowAction::Enable, "enable"), (FlowAction::Disable, "disable")] {
        let fake = Fake::answering([Reply::json(200, &json!({"id": ID, "etag": ETAG}))]);
        assert!(session(&fake).action(&gate, ID, action).await.expect("done").is_some());
        let seen = &fake.calls()[0];
        assert_eq!((seen.method.as_str(), seen.body.len(), seen.header("content-type")), ("POST", 0, ""));
        assert!(seen.url.ends_with(&format!("/flows/{ID}/action?op={op}")), "{}", seen.url);
    }
}

#[tokio::test(start_paused = true)]
async fn runs_come_newest_first_whatever_the_order_of_the_answer() {
    let body = json!({"items": [{"id": id(1), "flowId": ID, "createdAt": 5}, {"id": id(2), "flowId": ID, "createdAt": 9}]});
    let fake = Fake::answering([Reply::json(200, &body)]);
    let runs = session(&fake).runs(ID, 10).await.expect("runs");
    assert_eq!(runs.iter().map(|run| run.meta.created_at).collect::<Vec<_>>(), [Some(9), Some(5)]);
    let query = fake.calls()[0].query();
    assert!(query.contains(&("property".to_owned(), format!("flowId=={ID}"))));
    assert!(query.contains(&("orderby".to_owned(), "-createdAt".to_owned())));
    let foreign = json!({"items": [{"id": id(1), "flowId": OTHER_ID}]});
    let error =
        session(&Fake::answering([Reply::json(200, &foreign)])).runs(ID, 10).await.expect_err("untrusted");
    assert_eq!(error.kind(), ErrorKind::Malformed);
}

#[tokio::test(start_paused = true)]
async fn a_run_is_created_from_either_answer() {
    let (_leader, gate) = gate();
    for body in [json!({"id": ID, "etag": ETAG}), json!({"items": [{"id": ID, "etag": ETAG}]})] {
        let fake = Fake::answering([Reply::json(201, &body)]);
        let session = session(&fake);
        let new = model::NewRun { flow_id: OTHER_ID.to_owned(), start_time: Some(7), window: None };
        let run = session.create_run(permit(&session).await, &gate, &new).await.expect("a run");
        assert_eq!(run.id, ID);
        assert_eq!(fake.calls()[0].json(), json!({"flowId": OTHER_ID, "params": {"startTime": "7"}}));
    }
}

#[tokio::test(start_paused = true)]
async fn the_sandbox_is_read_by_its_own_name() {
    let body =
        json!({"name": "dev", "title": "Dev", "state": "active", "type": "development", "isDefault": false});
    let fake = Fake::answering([Reply::json(200, &body)]);
    let sandbox = session(&fake).get_sandbox().await.expect("an answer").expect("a sandbox");
    assert!(sandbox.is_active());
    assert!(fake.calls()[0].url.ends_with("/data/foundation/sandbox-management/sandboxes/dev"));
    let other = Reply::json(200, &json!({"name": "prod", "state": "active"}));
    let error = session(&Fake::answering([other])).get_sandbox().await.expect_err("another sandbox");
    assert_eq!(error.kind(), ErrorKind::Malformed);
    let none = Reply::raw(404, "");
    assert_eq!(session(&Fake::answering([none])).get_sandbox().await.expect("an answer"), None);
}

#[tokio::test(start_paused = true)]
async fn connections_show_no_credentials_even_when_the_service_does() {
    let body =
        json!({"items": [{"id": ID, "auth": {"specName": "x", "params": {"accessToken": STRIPE_KEY}}}]});
    let connection =
        session(&Fake::answering([Reply::json(200, &body)])).get::<Connection>(ID).await.expect("read");
    assert!(!format!("{connection:?}").contains(STRIPE_KEY));
}

#[tokio::test(start_paused = true)]
async fn a_probe_tells_hidden_from_gone() {
    for (reply, expected) in [
        (Reply::json(412, &json!({"errorMessage": "does not match"})), Ok(Presence::Alive)),
        (Reply::json(404, &json!({"errorMessage": "not found"})), Ok(Presence::Gone)),
        (Reply::json(403, &json!({"type": "x/FLOW-2120-403"})), Ok(Presence::Hidden)),
        (Reply::json(403, &json!({"error_code": "403003"})), Err(ErrorKind::Denied)),
        (Reply::json(404, &json!({"type": "x/FLOW-2100-404"})), Err(ErrorKind::Refused)),
        (Reply::raw(500, ""), Err(ErrorKind::Ambiguous)),
    ] {
        let fake = Fake::answering([reply]);
        let presence = session(&fake).presence::<Flow>(ID, "n").await.map_err(|error| error.kind());
        assert_eq!(presence, expected);
        assert_eq!(fake.calls()[0].header("if-match"), "\"00000000-0000-0200-0000-000000000000\"");
        assert_eq!(fake.calls()[0].json(), json!([{"op": "replace", "path": "/name", "value": "n"}]));
    }
}
