//! Flows: creation and its refusals, the form of answers, states, actions, drafts.

use aep_sim::switches::{DeleteStatus, SchemaEquality};
use serde_json::{Value, json};

use crate::support::{PREP, TENANT, World, row, with};

#[tokio::test]
async fn a_flow_reads_back_with_strings_for_numbers() {
    let world = World::new().await;
    let chain = world.chain().await;
    let flow = world.flow(&chain.flow).await;
    let schedule = &flow["scheduleParams"];
    assert!(schedule["startTime"].is_string());
    assert_eq!((&schedule["interval"], &schedule["backfill"]), (&json!("1"), &json!("true")));
    assert_eq!(flow["transformations"][0]["params"]["mappingVersion"], "0");
    assert_eq!(flow["state"], "enabled");
    assert_eq!(flow["lastOperation"]["operation"], "create");
    assert_eq!(flow["lastOperation"]["status"], json!({"value": "completed", "errors": []}));
    let sources = &flow["inheritedAttributes"]["sourceConnections"];
    assert_eq!(sources[0]["baseConnection"]["id"], chain.connection);
    assert_eq!(flow["inheritedAttributes"]["properties"]["isSourceFlow"], true);
    let runs = flow["runs"].as_str().unwrap();
    assert_eq!(world.get(runs).await.items().len(), 0);
}

#[tokio::test]
async fn wrong_flows_have_their_codes() {
    let world = World::new().await;
    let chain = world.parts().await;
    let good = chain.flow_body(world.now());
    let schedule = |value: Value| with(good.clone(), "/scheduleParams", value);
    let version = |value: Value| {
        let step =
            json!([{"name": "Mapping", "params": {"mappingId": chain.mapping, "mappingVersion": value}}]);
        with(good.clone(), "/transformations", step)
    };
    let cases = [
        (with(good.clone(), "/state", json!("disabled")), "1410-400"),
        (with(good.clone(), "/flowSpec/id", json!("none")), "1413-400"),
        (with(good.clone(), "/sourceConnectionIds", json!(["none"])), "1101-404"),
        (with(good.clone(), "/targetConnectionIds", json!(["none"])), "1101-404"),
        (version(json!(1)), "1412-400"),
        (version(json!("x")), "1412-400"),
        (with(good.clone(), "/sourceConnectionIds", json!([])), ""),
        (with(good.clone(), "/transformations", Value::Null), ""),
        (with(good.clone(), "/transformations", json!([{"name": "Copy", "params": {}}])), ""),
        (with(good.clone(), "/options", json!({"partialIngestionPercent": 0})), ""),
        (with(good.clone(), "/options", json!({"errorDiagnosticsEnabled": "yes"})), ""),
        (with(good.clone(), "/name", json!(" ")), ""),
        (schedule(Value::Null), ""),
        (schedule(json!({"startTime": 1, "frequency": "minute", "interval": 14})), ""),
        (schedule(json!({"startTime": 1, "frequency": "hour"})), ""),
        (schedule(json!({"startTime": 1, "frequency": "once", "interval": 1})), ""),
    ];
    for (body, code) in cases {
        let answer = world.post("/flows", &body).await;
        assert!(answer.status == 400 || code == "1101-404", "{body} {answer:?}");
        assert!(code.is_empty() || answer.code() == code, "{body} {answer:?}");
    }
    assert!(world.get("/flows").await.items().is_empty());
}

#[tokio::test]
async fn mapping_and_data_set_must_have_the_same_schema() {
    let world = World::new().await;
    let chain = world.parts().await;
    // The same path may not have two types in one tenant, so the second schema has the same fields.
    let other = world.schema("Another schema").await;
    let mapping = world.mapping(&other, &[("data.id", "id")]).await;
    let step = json!([{"name": "Mapping", "params": {"mappingId": mapping, "mappingVersion": 0}}]);
    let body = with(chain.flow_body(world.now()), "/transformations", step);
    assert_eq!(world.post("/flows", &body).await.code(), "1425-400");
}

#[tokio::test]
async fn schema_versions_count_only_when_compared_in_full() {
    let world = World::new().await;
    let chain = world.parts().await;
    let schema = world.control("GET", "/inventory", &Value::Null);
    let schema = schema["objects"]
        .as_array()
        .unwrap()
        .iter()
        .find(|object| object["kind"] == "schemas")
        .unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let body = json!({"version": 0, "xdmSchema": schema, "xdmVersion": "1.3", "mappings": [
        {"sourceAttribute": "data.id", "destinationXdmPath": format!("_{TENANT}.charges_data.id")}]});
    let set = world.call("POST", &format!("{PREP}/mappingSets"), Some(&body)).await;
    let step = json!([{"name": "Mapping", "params": {"mappingId": set.body["id"], "mappingVersion": 0}}]);
    let body = with(chain.flow_body(world.now() + 60), "/transformations", step);
    world.switch(|switches| switches.schema_equality = SchemaEquality::Full);
    assert_eq!(world.post("/flows", &body).await.code(), "1425-400");
    world.switch(|switches| switches.schema_equality = SchemaEquality::Major);
    assert_eq!(world.post("/flows", &body).await.status, 201);
}

#[tokio::test]
async fn a_mapping_that_does_not_validate_is_refused() {
    let world = World::new().await;
    let chain = world.parts().await;
    let inventory = world.control("GET", "/inventory", &Value::Null);
    let objects = inventory["objects"].as_array().unwrap();
    let schema = objects.iter().find(|object| object["kind"] == "schemas").unwrap()["id"].as_str().unwrap();
    let broken = json!({"outputSchema": {"schemaRef": {"id": schema, "contentType":
        "application/vnd.adobe.xed-full+json;version=1"}}, "mappings": [row("data.id", "no_such_field")]});
    let seeded = world.control("POST", "/seed", &json!({"lake": [{"kind": "mappingSets", "body": broken}]}));
    let step = json!([{"name": "Mapping", "params": {"mappingId": seeded["ids"][0], "mappingVersion": 0}}]);
    let body = with(chain.flow_body(world.now()), "/transformations", step);
    assert_eq!(world.post("/flows", &body).await.code(), "1419-400");
}

#[tokio::test]
async fn a_second_flow_on_a_source_depends_on_the_switch() {
    let world = World::new().await;
    let chain = world.chain().await;
    let body = chain.flow_body(world.now() + 3600);
    assert_eq!(world.post("/flows", &body).await.status, 201);
    world.switch(|switches| switches.second_flow_allowed = false);
    assert_eq!(world.post("/flows", &body).await.code(), "1447-400");
}

#[tokio::test]
async fn enable_and_disable_work_in_both_cases_and_move_the_etag() {
    let world = World::new().await;
    let chain = world.chain().await;
    let path = format!("/flows/{}/action", chain.flow);
    let before = world.flow(&chain.flow).await["etag"].clone();
    let disabled = world.act(&format!("{path}?op=disable")).await;
    assert_ne!(disabled.etag(), before.as_str().unwrap());
    assert_eq!(world.flow(&chain.flow).await["state"], "disabled");
    assert_eq!(world.act(&format!("{path}?op=DISABLE")).await.code(), "1422-400");
    assert_eq!(world.act(&format!("{path}?op=ENABLE&subOp=APPLY")).await.status, 200);
    assert_eq!(world.flow(&chain.flow).await["state"], "enabled");
    assert_eq!(world.act(&format!("{path}?op=enable&subOp=PROGRESS")).await.code(), "1436-400");
    assert_eq!(world.act(&format!("{path}?op=explode")).await.code(), "1435-400");
    assert_eq!(world.act(&format!("{path}?op=FINALIZE")).await.code(), "1402-400");
    world.switch(|switches| switches.sub_op_required = true);
    assert_eq!(world.act(&format!("{path}?op=disable")).await.code(), "1436-400");
}

#[tokio::test]
async fn an_action_may_carry_a_version() {
    let world = World::new().await;
    let chain = world.chain().await;
    let uri = format!("{}/flows/{}/action?op=disable", crate::support::FLOW, chain.flow);
    let mut headers = world.headers();
    headers.push(("if-match".to_owned(), "\"stale\"".to_owned()));
    assert_eq!(world.send("POST", &uri, &headers, None).await.unwrap().code(), "1404-412");
}

#[tokio::test]
async fn slow_transitions_refuse_other_writes_until_they_end() {
    let world = World::new().await;
    let chain = world.chain().await;
    world.switch(|switches| switches.transition_ms = 5_000);
    let path = format!("/flows/{}", chain.flow);
    assert_eq!(world.act(&format!("{path}/action?op=disable")).await.status, 200);
    let during = world.flow(&chain.flow).await;
    assert_eq!(during["state"], "disabling");
    let rename = json!([{"op": "replace", "path": "/name", "value": "new"}]);
    assert_eq!(world.patch(&path, &rename).await.code(), "1420-400");
    assert_eq!(world.act(&format!("{path}/action?op=enable")).await.code(), "1421-400");
    assert_eq!(world.delete(&path).await.code(), "1416-400");
    world.advance(6);
    let after = world.flow(&chain.flow).await;
    assert_eq!(after["state"], "disabled");
    assert_ne!(after["etag"], during["etag"]);

    assert_eq!(world.patch(&path, &rename).await.status, 200);
    let updating = world.flow(&chain.flow).await;
    assert_eq!(
        (&updating["state"], &updating["lastOperation"]["status"]["value"]),
        (&json!("updating"), &json!("inProgress"))
    );
    world.advance(6);
    let after = world.flow(&chain.flow).await;
    assert_eq!(
        (&after["state"], &after["lastOperation"]["status"]["value"]),
        (&json!("disabled"), &json!("completed"))
    );
    assert_eq!(after["name"], "new");
}

#[tokio::test]
async fn a_delete_can_take_its_time() {
    let world = World::new().await;
    let chain = world.chain().await;
    world.switch(|switches| switches.delete_status = DeleteStatus::Accepted);
    let path = format!("/flows/{}", chain.flow);
    assert_eq!(world.delete(&path).await.status, 202);
    assert_eq!(world.flow(&chain.flow).await["state"], "delete-finalizing");
    assert_eq!(world.delete(&path).await.code(), "1458-400");
    let rename = json!([{"op": "replace", "path": "/name", "value": "new"}]);
    assert_eq!(world.patch(&path, &rename).await.code(), "1457-400");
    world.advance(2);
    assert_eq!(world.get(&path).await.code(), "1439-404");
    assert_eq!(world.delete(&path).await.code(), "1439-404");
}

#[tokio::test]
async fn a_draft_is_completed_by_patches_and_then_published() {
    let world = World::new().await;
    let chain = world.parts().await;
    let complete = chain.flow_body(world.now());
    let draft = json!({"name": "draft", "flowSpec": complete["flowSpec"],
        "sourceConnectionIds": complete["sourceConnectionIds"], "targetConnectionIds": complete["targetConnectionIds"]});
    let id = world.post("/flows?mode=draft", &draft).await.id();
    let path = format!("/flows/{id}");
    assert_eq!(world.flow(&id).await.get("state"), None);
    assert_eq!(world.act(&format!("{path}/action?op=publish")).await.status, 400);
    let ops = json!([{"op": "add", "path": "/scheduleParams", "value": complete["scheduleParams"]},
        {"op": "add", "path": "/transformations", "value": complete["transformations"]}]);
    assert_eq!(world.patch(&path, &ops).await.status, 200);
    world.advance(3600);
    assert!(world.runs(&id).await.is_empty());
    assert_eq!(world.act(&format!("{path}/action?op=publish")).await.status, 200);
    assert_eq!(world.flow(&id).await["state"], "enabled");
    world.advance(2);
    assert_eq!(world.runs(&id).await.len(), 1);
    assert_eq!(world.act(&format!("{path}/action?op=publish")).await.code(), "1422-400");
    assert_eq!(world.post("/flows?mode=other", &complete).await.code(), "1451-400");
}

#[tokio::test]
async fn an_accepted_change_can_fail_later() {
    let world = World::new().await;
    let chain = world.chain().await;
    world.switch(|switches| switches.fail_patches_later = true);
    let path = format!("/flows/{}", chain.flow);
    let rename = json!([{"op": "replace", "path": "/name", "value": "new"}]);
    let accepted = world.patch(&path, &rename).await.etag();
    world.advance(1);
    let flow = world.flow(&chain.flow).await;
    assert_eq!(flow["name"], "stripe charges");
    assert_ne!(flow["etag"], accepted);
    assert_eq!(flow["lastOperation"]["status"]["value"], "failed");
    assert_eq!(flow["lastOperation"]["status"]["errors"].as_array().unwrap().len(), 1);
}
