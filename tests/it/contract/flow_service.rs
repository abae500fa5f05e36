//! Flow Service: every endpoint, and how its objects read back.

use aep_operator::aep::model::{NewRun, RunStatus, State};
use aep_operator::aep::{Deleted, ErrorKind, Filter, FlowAction, Patch, Presence};
use aep_sim::switches::{DeleteStatus, RunsAnswer, SecretMasking};

use super::*;

#[tokio::test(start_paused = true)]
async fn created_objects_read_back_as_they_were_sent() {
    let world = World::new();
    let chain = world.chain().await;
    let base = world.session.get::<Connection>(&chain.base.id).await.unwrap().unwrap();
    assert_eq!(base.meta.name.as_deref(), Some("Stripe EU"));
    assert_eq!(base.meta.description.as_deref(), Some("made by a test"));
    assert_eq!(base.meta.etag, chain.base.etag);
    assert_eq!(base.meta.created_client.as_deref(), Some(CLIENT));
    assert_eq!(base.meta.organization.as_deref(), Some(ORG));
    assert_eq!(base.meta.sandbox_name.as_deref(), Some("dev"));
    assert_eq!(base.connection_spec.id, spec::STRIPE_CONNECTION_SPEC);
    let source = world.session.get::<SourceConnection>(&chain.source.id).await.unwrap().unwrap();
    assert_eq!(source.base_connection_id.as_deref(), Some(chain.base.id.as_str()));
    assert_eq!(source.resource_path(), Some("charges"));
    let target = world.session.get::<TargetConnection>(&chain.target.id).await.unwrap().unwrap();
    assert_eq!(target.data_set_id(), Some(chain.data_set.as_str()));
    assert!(target.data.schema.unwrap().is_same_major(&chain.schema));
    assert_eq!(target.data.format.as_deref(), Some("parquet_xdm"));
}

#[tokio::test(start_paused = true)]
async fn objects_are_found_by_what_narrows_the_search() {
    let world = World::new();
    let chain = world.chain().await;
    let flow = world.try_flow(&chain.flow).await.unwrap();
    world.control(
        "POST",
        "/seed",
        &json!({"sandbox": "dev", "foreignConnections": 3, "destinationFlows": 2}),
    );
    let session = &world.session;
    let all = Filter::all();
    let stripe =
        all.clone().equal("connectionSpec.id", spec::STRIPE_CONNECTION_SPEC).equal("name", "Stripe EU");
    let connections = session.list::<Connection>(&stripe).await.unwrap();
    assert_eq!(connections.iter().map(|found| &found.meta.id).collect::<Vec<_>>(), [&chain.base.id]);
    let by_base = all.clone().equal("baseConnectionId", &chain.base.id);
    let sources = session.list::<SourceConnection>(&by_base).await.unwrap();
    assert_eq!(sources.iter().map(|found| &found.meta.id).collect::<Vec<_>>(), [&chain.source.id]);
    let by_data_set = all.clone().equal("params.dataSetId", &chain.data_set);
    let targets = session.list::<TargetConnection>(&by_data_set).await.unwrap();
    assert_eq!(targets.iter().map(|found| &found.meta.id).collect::<Vec<_>>(), [&chain.target.id]);
    let by_source = all.clone().equal("sourceConnectionIds[]", &chain.source.id);
    let flows = session.list::<Flow>(&by_source).await.unwrap();
    assert_eq!(flows.iter().map(|found| &found.meta.id).collect::<Vec<_>>(), [&flow.id]);
    let described = all.clone().equal("description", "made by a test");
    assert_eq!(session.list::<Flow>(&described).await.unwrap().len(), 1);
    assert_eq!(
        session.list::<Flow>(&all).await.unwrap().len(),
        3,
        "foreign flows of other kinds are read too"
    );
}

#[tokio::test(start_paused = true)]
async fn a_list_is_complete_over_many_short_pages_while_objects_change() {
    let world = World::new();
    world.sim.switch(|switches| switches.page_cap = 7);
    world.control("POST", "/seed", &json!({"sandbox": "dev", "foreignConnections": 50}));
    let filter = Filter::all();
    let mut pages = world.session.pages::<Connection>(&filter);
    let mut ids = Vec::new();
    while let Some(page) = pages.next().await.unwrap() {
        assert!(page.len() <= 7);
        ids.extend(page.into_iter().map(|found| found.meta.id));
        // What was just listed is touched, which moves it in the default order.
        world.control("POST", &format!("/objects/{}", ids[0]), &json!({"touch": true}));
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 50);
}

#[tokio::test(start_paused = true)]
async fn the_credentials_of_a_connection_never_come_back() {
    for masking in [SecretMasking::Absent, SecretMasking::Stars, SecretMasking::Ciphertext] {
        let world = World::new();
        world.sim.switch(|switches| switches.secret_masking = masking);
        let base = world.base().await;
        let seen = world.session.get::<Connection>(&base.id).await.unwrap().unwrap();
        assert!(!format!("{seen:?}").contains(STRIPE_KEY));
    }
}

#[tokio::test(start_paused = true)]
async fn a_credential_is_replaced_by_a_patch_and_judged_by_the_test() {
    let world = World::new();
    let mut wrong = new_base();
    wrong.access_token = SecretString::from("not-a-stripe-key");
    let base = world.try_base(&wrong).await.unwrap();
    assert!(!world.session.test_connection(&base.id).await.unwrap());
    let error = world.session.explore(&base.id, "charges").await.unwrap_err();
    assert_eq!((error.kind(), error.code_number()), (ErrorKind::Refused, Some(1100)), "{error}");
    let patch = Patch::new().access_token(SecretString::from(STRIPE_KEY));
    world.session.patch::<Connection>(&base.id, &base.etag.unwrap(), &patch).await.unwrap();
    assert!(world.session.test_connection(&base.id).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn all_six_resources_can_be_explored() {
    let world = World::new();
    let base = world.base().await;
    for resource in ["charges", "subscriptions", "refunds", "balance_transactions", "customers", "prices"] {
        let explored = world.session.explore(&base.id, resource).await.unwrap();
        assert!(explored["schema"]["properties"]["data"]["properties"]["id"].is_object(), "{resource}");
    }
    let error = world.session.explore(&base.id, "unicorns").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
}

#[tokio::test(start_paused = true)]
async fn a_patch_moves_the_tag_and_the_old_one_is_refused() {
    let world = World::new();
    let base = world.base().await;
    let old = base.etag.unwrap();
    let patch = Patch::new().replace("/name", "renamed").add("/description", "new");
    let new = world.session.patch::<Connection>(&base.id, &old, &patch).await.unwrap().unwrap();
    assert_ne!(old, new);
    let seen = world.session.get::<Connection>(&base.id).await.unwrap().unwrap();
    assert_eq!((seen.meta.name.as_deref(), seen.meta.description.as_deref()), (Some("renamed"), Some("new")));
    assert_eq!(seen.meta.etag.as_ref(), Some(&new));
    let error = world.session.patch::<Connection>(&base.id, &old, &patch).await.unwrap_err();
    assert_eq!((error.kind(), error.code_number()), (ErrorKind::PreconditionFailed, Some(1404)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn source_and_target_connections_answer_a_patch_in_their_own_form() {
    let world = World::new();
    let chain = world.chain().await;
    let patch = Patch::new().replace("/name", "renamed");
    let etag = chain.source.etag.clone().unwrap();
    world.session.patch::<SourceConnection>(&chain.source.id, &etag, &patch).await.unwrap().unwrap();
    let etag = chain.target.etag.clone().unwrap();
    world.session.patch::<TargetConnection>(&chain.target.id, &etag, &patch).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_flow_is_changed_member_by_member() {
    let world = World::new();
    let chain = world.chain().await;
    let later = world.sim.now_ms() / 1000 + 3600;
    let mut new = chain.flow.clone();
    new.schedule.start_time = later;
    let flow = world.try_flow(&new).await.unwrap();
    let mapping = world
        .session
        .put_mapping_set(world.permit().await, &world.gate, &chain.mapping.id, &new_mapping(&chain.schema))
        .await
        .unwrap();
    assert_eq!(mapping.version, 1);
    let patch = Patch::new()
        .replace("/scheduleParams/frequency", "hour")
        .replace("/scheduleParams/interval", 2)
        .replace("/scheduleParams/startTime", later + 60)
        .replace("/transformations/0", aep_operator::aep::model::MappingRef::transformation(&mapping))
        .add("/options", json!({"partialIngestionPercent": "10"}))
        .add("/options/errorDiagnosticsEnabled", true)
        .add("/labels", json!(["core/C12"]));
    world.session.patch::<Flow>(&flow.id, &flow.etag.unwrap(), &patch).await.unwrap();
    let seen = world.session.get::<Flow>(&flow.id).await.unwrap().unwrap();
    assert_eq!((seen.schedule.frequency, seen.schedule.interval), (Some(Frequency::Hour), Some(2)));
    assert_eq!(seen.schedule.start_time, Some(later + 60));
    let options = seen.options.expect("options");
    assert_eq!(options.partial_ingestion_percent, Some(10.0));
    assert_eq!(options.error_diagnostics_enabled, Some(true));
    assert_eq!(seen.labels, ["core/C12"]);
    let operation = seen.last_operation.unwrap();
    assert_eq!((operation.operation.as_deref(), operation.status.errors.len()), (Some("update"), 0));
    let (at, mapped) = world.session.get::<Flow>(&flow.id).await.unwrap().unwrap().mapping().unwrap();
    assert_eq!((at, mapped.id, mapped.version), (0, mapping.id, Some(1)));
}

#[tokio::test(start_paused = true)]
async fn an_accepted_patch_may_fail_later() {
    let world = World::new();
    let chain = world.chain().await;
    let flow = world.try_flow(&chain.flow).await.unwrap();
    world.sim.switch(|switches| switches.fail_patches_later = true);
    let etag = world.session.get::<Flow>(&flow.id).await.unwrap().unwrap().meta.etag.unwrap();
    world.session.patch::<Flow>(&flow.id, &etag, &Patch::new().replace("/name", "n")).await.unwrap();
    world.sim.advance(Duration::from_mins(1));
    let seen = world.session.get::<Flow>(&flow.id).await.unwrap().unwrap();
    assert!(!seen.last_operation.unwrap().status.errors.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_flow_is_disabled_and_enabled_and_shows_its_transition() {
    let world = World::new();
    let chain = world.chain().await;
    let flow = world.try_flow(&chain.flow).await.unwrap();
    let state = || async { world.session.get::<Flow>(&flow.id).await.unwrap().unwrap().meta.state };
    let error = world.session.action(&world.gate, &flow.id, FlowAction::Enable).await.unwrap_err();
    assert_eq!((error.kind(), error.code_number()), (ErrorKind::Refused, Some(1422)), "{error}");
    world.sim.switch(|switches| switches.transition_ms = 5_000);
    world.session.action(&world.gate, &flow.id, FlowAction::Disable).await.unwrap();
    let between = state().await;
    assert!(between.is_transitional(), "{between:?}");
    let error = world.session.action(&world.gate, &flow.id, FlowAction::Enable).await.unwrap_err();
    assert!(matches!(error.code_number(), Some(1421 | 1422)), "{error}");
    world.sim.advance(Duration::from_secs(6));
    assert_eq!(state().await, State::Disabled);
    world.session.action(&world.gate, &flow.id, FlowAction::Enable).await.unwrap();
    world.sim.advance(Duration::from_secs(6));
    assert_eq!(state().await, State::Enabled);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_may_be_accepted_and_done_later() {
    let world = World::new();
    world.sim.switch(|switches| {
        switches.delete_status = DeleteStatus::Accepted;
        switches.delete_lag_ms = 10_000;
    });
    let base = world.base().await;
    assert_eq!(world.session.delete::<Connection>(&world.gate, &base.id).await.unwrap(), Deleted::Accepted);
    let seen = world.session.get::<Connection>(&base.id).await.unwrap();
    assert!(seen.is_some_and(|connection| connection.meta.state.is_transitional()));
    world.sim.advance(Duration::from_secs(11));
    assert_eq!(world.session.get::<Connection>(&base.id).await.unwrap(), None);
    assert_eq!(world.session.delete::<Connection>(&world.gate, &base.id).await.unwrap(), Deleted::Gone);
}

#[tokio::test(start_paused = true)]
async fn a_hidden_flow_reads_as_missing_and_a_probe_finds_it() {
    let world = World::new();
    let chain = world.chain().await;
    let mut new = chain.flow.clone();
    new.schedule.start_time += 3600;
    let flow = world.try_flow(&new).await.unwrap();
    assert_eq!(world.session.presence::<Flow>(&flow.id, "Stripe charges").await.unwrap(), Presence::Alive);
    let seen = world.session.get::<Flow>(&flow.id).await.unwrap().unwrap();
    assert_eq!(seen.meta.etag, flow.etag, "a probe changes nothing");
    assert_eq!(world.session.presence::<Flow>(MISSING, "n").await.unwrap(), Presence::Gone);
    world.control("POST", &format!("/objects/{}", flow.id), &json!({"hidden": true}));
    assert_eq!(world.session.get::<Flow>(&flow.id).await.unwrap(), None);
    assert!(world.session.list::<Flow>(&Filter::all()).await.unwrap().is_empty());
    assert_eq!(world.session.presence::<Flow>(&flow.id, "n").await.unwrap(), Presence::Hidden);
    let error = world.session.delete::<Flow>(&world.gate, &flow.id).await.unwrap_err();
    assert_eq!((error.kind(), error.code_number()), (ErrorKind::Denied, Some(2120)));
    world.sim.switch(|switches| switches.labelled_in_lists = true);
    assert_eq!(world.session.list::<Flow>(&Filter::all()).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn runs_show_success_failure_and_partial_failure() {
    let world = World::new();
    let chain = world.chain().await;
    let flow = world.try_flow(&chain.flow).await.unwrap();
    assert!(world.session.runs(MISSING, 10).await.unwrap().is_empty());
    world.sim.advance(Duration::from_mins(1));
    world.control("POST", "/stripe", &json!({"revoke": STRIPE_KEY}));
    world.sim.advance(Duration::from_mins(16));
    let runs = world.session.runs(&flow.id, 10).await.unwrap();
    assert_eq!(runs.len(), 2);
    assert!(runs[0].meta.created_at >= runs[1].meta.created_at, "newest first");
    assert_eq!((runs[0].status.clone(), runs[1].status.clone()), (RunStatus::Failed, RunStatus::Success));
    assert!(runs[0].errors.iter().any(|error| error.code == "CONNECTOR-1001-500"), "{:?}", runs[0].errors);
    assert!(runs[1].started_at.is_some() && runs[1].completed_at.is_some());
    assert_eq!(world.session.runs(&flow.id, 1).await.unwrap().len(), 1);
    let last = world.session.get::<Flow>(&flow.id).await.unwrap().unwrap().last_run.unwrap();
    assert_eq!((last.state, last.id.as_deref()), (RunStatus::Failed, Some(runs[0].meta.id.as_str())));
}

#[tokio::test(start_paused = true)]
async fn a_run_under_way_is_read_as_such() {
    let world = World::new();
    world.sim.switch(|switches| switches.run_duration_ms = 60_000);
    let chain = world.chain().await;
    let flow = world.try_flow(&chain.flow).await.unwrap();
    world.sim.advance(Duration::from_secs(5));
    let runs = world.session.runs(&flow.id, 10).await.unwrap();
    assert_eq!(runs.len(), 1);
    assert!(!runs[0].status.is_final(), "{:?}", runs[0].status);
    assert_eq!(runs[0].completed_at, None);
}

#[tokio::test(start_paused = true)]
async fn a_run_on_demand_is_for_flows_that_run_once() {
    for answer in [RunsAnswer::Plain, RunsAnswer::Items] {
        let world = World::new();
        world.sim.switch(|switches| switches.runs_answer = answer);
        let chain = world.chain().await;
        let mut once = chain.flow.clone();
        once.schedule.frequency = Frequency::Once;
        once.schedule.interval = None;
        once.schedule.backfill = None;
        let flow = world.try_flow(&once).await.unwrap();
        world.sim.advance(Duration::from_mins(1));
        let new =
            NewRun { flow_id: flow.id.clone(), start_time: Some(world.sim.now_ms() / 1000), window: None };
        let run = world.session.create_run(world.permit().await, &world.gate, &new).await.unwrap();
        world.sim.advance(Duration::from_mins(1));
        let runs = world.session.runs(&flow.id, 10).await.unwrap();
        assert!(runs.iter().any(|seen| seen.meta.id == run.id));
    }
}
