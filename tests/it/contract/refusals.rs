//! Every code of Flow Service that this client can meet, and the refusals of the other services.

use aep_operator::aep::model::NewRun;
use aep_operator::aep::{ErrorKind, Etag, FlowAction, Patch};
use aep_sim::switches::SchemaEquality;

use super::*;

/// The error is a refusal with this code.
fn refused<T: std::fmt::Debug>(result: Result<T, Error>, number: u32) {
    let error = result.unwrap_err();
    assert_eq!(error.code_number(), Some(number), "{error}");
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    assert!(error.request_id().is_some(), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_needs_a_known_spec_version_and_auth_type() {
    let world = World::new();
    let with = |change: fn(&mut NewConnection)| {
        let mut new = new_base();
        change(&mut new);
        new
    };
    let unknown_spec = with(|new| new.connection_spec = SpecRef::v1(MISSING));
    refused(world.try_base(&unknown_spec).await, 1413);
    let unknown_auth = with(|new| "Basic".clone_into(&mut new.auth_spec_name));
    refused(world.try_base(&unknown_auth).await, 1415);
    let unknown_version = with(|new| new.connection_spec.version = Some("9.9".to_owned()));
    let error = world.try_base(&unknown_version).await.unwrap_err();
    assert_eq!((error.kind(), error.status(), error.code()), (ErrorKind::Refused, Some(422), None));
    world.sim.switch(|switches| switches.verify_key_on_create = true);
    let wrong_key = with(|new| new.access_token = SecretString::from("not-a-stripe-key"));
    refused(world.try_base(&wrong_key).await, 1100);
    assert_eq!(world.count("connections"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_source_needs_a_base_connection_and_a_known_resource() {
    let world = World::new();
    let error = world.try_source(&new_source(MISSING)).await.unwrap_err();
    assert_eq!((error.kind(), error.code_number()), (ErrorKind::NotFound, Some(1101)), "{error}");
    let base = world.base().await;
    let unknown = NewSourceConnection { resource_path: "unicorns".to_owned(), ..new_source(&base.id) };
    assert_eq!(world.try_source(&unknown).await.unwrap_err().kind(), ErrorKind::Refused);
    let wrong_spec = NewSourceConnection {
        connection_spec: SpecRef::v1(spec::DATA_LAKE_CONNECTION_SPEC),
        ..new_source(&base.id)
    };
    refused(world.try_source(&wrong_spec).await, 1413);
}

#[tokio::test(start_paused = true)]
async fn a_flow_is_refused_for_its_mapping_schema_or_schedule() {
    let world = World::new();
    let chain = world.chain().await;
    let with = |change: &dyn Fn(&mut NewFlow)| {
        let mut new = chain.flow.clone();
        change(&mut new);
        new
    };
    let version = with(&|new| new.mapping.version = 7);
    refused(world.try_flow(&version).await, 1412);
    let unknown_spec = with(&|new| new.flow_spec = SpecRef::v1(MISSING));
    refused(world.try_flow(&unknown_spec).await, 1413);

    let mut rows = new_mapping(&chain.schema);
    rows.rows.push(MappingRow::attribute("data.id", format!("_{TENANT}.charges_data.nowhere")));
    let bad = world.session.create_mapping_set(world.permit().await, &world.gate, &rows).await.unwrap();
    refused(world.try_flow(&with(&|new| new.mapping = bad.clone())).await, 1419);

    let other = world.schema("Another").await;
    let foreign = world.mapping(&other).await;
    refused(world.try_flow(&with(&|new| new.mapping = foreign.clone())).await, 1425);

    let schedules: [fn(&mut NewSchedule); 4] = [
        |schedule| schedule.interval = Some(14),
        |schedule| schedule.interval = None,
        |schedule| schedule.frequency = Frequency::Once,
        |schedule| schedule.frequency = Frequency::Other("fortnight".to_owned()),
    ];
    for change in schedules {
        let error = world.try_flow(&with(&|new| change(&mut new.schedule))).await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::Refused, Some(400)), "{error}");
    }
    let unknown_source = with(&|new| MISSING.clone_into(&mut new.source_connection_id));
    assert_eq!(world.try_flow(&unknown_source).await.unwrap_err().code_number(), Some(1101));
    assert_eq!(world.count("flows"), 0);
}

#[tokio::test(start_paused = true)]
async fn schemas_may_have_to_agree_in_their_full_version() {
    let world = World::new();
    world.sim.switch(|switches| switches.schema_equality = SchemaEquality::Full);
    let chain = world.chain().await;
    let minor = SchemaRef {
        content_type: "application/vnd.adobe.xed-full+json;version=1.3".to_owned(),
        ..chain.schema.clone()
    };
    let mapping = world.mapping(&minor).await;
    refused(world.try_flow(&NewFlow { mapping, ..chain.flow.clone() }).await, 1425);
    world.try_flow(&chain.flow).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_second_flow_on_a_source_may_be_refused() {
    let world = World::new();
    let chain = world.chain().await;
    world.sim.switch(|switches| switches.second_flow_allowed = false);
    world.try_flow(&chain.flow).await.unwrap();
    refused(world.try_flow(&chain.flow).await, 1447);
}

#[tokio::test(start_paused = true)]
async fn objects_in_use_are_not_deleted() {
    let world = World::new();
    let chain = world.chain().await;
    refused(world.session.delete::<Connection>(&world.gate, &chain.base.id).await, 1418);
    world.try_flow(&chain.flow).await.unwrap();
    refused(world.session.delete::<SourceConnection>(&world.gate, &chain.source.id).await, 1447);
    refused(world.session.delete::<TargetConnection>(&world.gate, &chain.target.id).await, 1447);
    refused(world.session.delete::<Connection>(&world.gate, &chain.base.id).await, 1418);
}

#[tokio::test(start_paused = true)]
async fn a_patch_is_refused_for_what_cannot_change() {
    let world = World::new();
    let chain = world.chain().await;
    let flow = world.try_flow(&chain.flow).await.unwrap();
    world.sim.advance(Duration::from_mins(1));
    let connection = |patch: Patch| {
        let (session, id, etag) = (&world.session, &chain.base.id, chain.base.etag.clone().unwrap());
        async move { session.patch::<Connection>(id, &etag, &patch).await }
    };
    let flow_patch = |patch: Patch| {
        let (session, id) = (&world.session, &flow.id);
        async move {
            let etag = session.get::<Flow>(id).await.unwrap().unwrap().meta.etag.unwrap();
            session.patch::<Flow>(id, &etag, &patch).await
        }
    };
    refused(connection(Patch::new()).await, 1405);
    refused(connection(Patch::new().replace("/connectionSpec/id", MISSING)).await, 1414);
    refused(connection(Patch::new().replace("/createdBy", "me")).await, 1455);
    refused(flow_patch(Patch::new().replace("/state", "sleeping")).await, 1456);
    refused(flow_patch(Patch::new().remove("/options/nowhere")).await, 1455);
    refused(flow_patch(Patch::new().replace("/scheduleParams/startTime", 1)).await, 1455);
    world.sim.switch(|switches| switches.interval_patchable = false);
    refused(flow_patch(Patch::new().replace("/scheduleParams/interval", 30)).await, 1455);
}

#[tokio::test(start_paused = true)]
async fn a_tag_without_its_quotes_is_refused() {
    let world = World::new();
    let base = world.base().await;
    let unquoted = Etag::new(base.etag.unwrap().as_str().trim_matches('"')).unwrap();
    let error =
        world.session.patch::<Connection>(&base.id, &unquoted, &Patch::new().replace("/name", "n")).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::PreconditionFailed);
}

#[tokio::test(start_paused = true)]
async fn an_object_in_transition_is_left_alone() {
    let world = World::new();
    let chain = world.chain().await;
    let flow = world.try_flow(&chain.flow).await.unwrap();
    world.control(
        "POST",
        &format!("/objects/{}", flow.id),
        &json!({"state": "updating", "stateForMs": 5000}),
    );
    let etag = world.session.get::<Flow>(&flow.id).await.unwrap().unwrap().meta.etag.unwrap();
    let patch = Patch::new().replace("/name", "n");
    refused(world.session.patch::<Flow>(&flow.id, &etag, &patch).await, 1420);
    refused(world.session.delete::<Flow>(&world.gate, &flow.id).await, 1416);
    refused(world.session.action(&world.gate, &flow.id, FlowAction::Disable).await, 1421);
}

#[tokio::test(start_paused = true)]
async fn a_run_on_demand_is_refused_for_a_repeating_or_unknown_flow() {
    let world = World::new();
    let chain = world.chain().await;
    let flow = world.try_flow(&chain.flow).await.unwrap();
    let new = |id: &str| NewRun { flow_id: id.to_owned(), start_time: None, window: None };
    let repeating = world.session.create_run(world.permit().await, &world.gate, &new(&flow.id)).await;
    refused(repeating, 1422);
    let unknown = world.session.create_run(world.permit().await, &world.gate, &new(MISSING)).await;
    refused(unknown, 1430);
}

#[tokio::test(start_paused = true)]
async fn missing_objects_are_none_or_not_found_everywhere() {
    let world = World::new();
    let session = &world.session;
    assert_eq!(session.get::<Connection>(MISSING).await.unwrap(), None);
    assert_eq!(session.get::<Flow>(MISSING).await.unwrap(), None);
    let etag = Etag::new("\"x\"").unwrap();
    let patched = session.patch::<Flow>(MISSING, &etag, &Patch::new().replace("/name", "n")).await;
    let error = patched.unwrap_err();
    assert_eq!((error.kind(), error.code_number()), (ErrorKind::NotFound, Some(1439)), "{error}");
    assert!(session.action(&world.gate, MISSING, FlowAction::Enable).await.unwrap_err().is_not_found());
    assert!(session.test_connection(MISSING).await.unwrap_err().is_not_found());
    assert!(session.explore(MISSING, "charges").await.unwrap_err().is_not_found());
}

#[tokio::test(start_paused = true)]
async fn codes_that_only_adobe_can_provoke_are_still_told_apart() {
    let world = World::new();
    for (status, code, kind) in [
        (500, "1102-500", ErrorKind::Unavailable),
        (503, "1103-503", ErrorKind::Unavailable),
        (504, "1104-504", ErrorKind::Unavailable),
        (500, "1400-500", ErrorKind::Unavailable),
        (400, "1445-400", ErrorKind::Refused),
        (401, "2000-401", ErrorKind::Unauthorized),
        (404, "2106-404", ErrorKind::Refused),
        (403, "2121-403", ErrorKind::Denied),
        (500, "2250-500", ErrorKind::Unavailable),
    ] {
        let body = json!({"type": format!("https://ns.adobe.com/aep/errors/FLOW-{code}"), "title": "t", "status": status,
            "report": {"detailed-message": "d", "request-id": "r"}});
        world.fault(
            "GET",
            "/connections/{id}",
            &json!("forever"),
            &json!({"status": {"status": status, "body": body}}),
        );
        let error = world.session.get::<Connection>(MISSING).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.code(), error.request_id()),
            (kind, Some(code), Some("r")),
            "{error}"
        );
        world.control("DELETE", "/faults", &Value::Null);
    }
}
