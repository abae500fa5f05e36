//! Adobe's tutorial "Ingest payments data from Stripe using APIs" from the first call to the last, and the way back.

use aep_operator::aep::model::{RunStatus, State};
use aep_operator::aep::{Deleted, Filter, FlowAction, Patch};

use super::*;

#[tokio::test(start_paused = true)]
async fn the_whole_tutorial_runs_and_leaves_nothing_behind() {
    let world = World::new();
    let session = &world.session;

    assert!(session.get_sandbox().await.unwrap().unwrap().is_active());
    assert_eq!(session.stats().await.unwrap().tenant_id, TENANT);

    let base = world.base().await;
    assert!(session.test_connection(&base.id).await.unwrap());
    let explored = session.explore(&base.id, "charges").await.unwrap();
    assert_eq!(explored["format"], "hierarchical");
    assert_eq!(explored["schema"]["properties"]["data"]["properties"]["amount"]["type"], "integer");

    let source = world.source(&base.id).await;
    let schema = world.schema("Stripe charges").await;
    let data_set = world.data_set(&schema).await;
    let target = world.target(&data_set, &schema).await;
    assert_eq!(session.validate_mapping_set(&new_mapping(&schema)).await.unwrap(), []);
    let mapping = world.mapping(&schema).await;
    assert_eq!(mapping.version, 0);

    let start = world.sim.now_ms() / 1000;
    let flow = world.try_flow(&new_flow(&source.id, &target.id, &mapping, start)).await.unwrap();
    world.sim.advance(Duration::from_mins(1));
    let seen = session.get::<Flow>(&flow.id).await.unwrap().unwrap();
    assert_eq!(seen.meta.state, State::Enabled);
    assert_eq!(seen.source_connection_ids, std::slice::from_ref(&source.id));
    assert_eq!(seen.target_connection_ids, std::slice::from_ref(&target.id));
    assert_eq!(seen.schedule.start_time, Some(start));
    assert_eq!(seen.schedule.interval, Some(15));
    assert_eq!(seen.mapping().unwrap().1.id, mapping.id);

    let runs = session.runs(&flow.id, 10).await.unwrap();
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].status, RunStatus::Success);
    let read = runs[0].records.input.unwrap();
    assert!(read > 0 && runs[0].records.output == Some(read));
    let rows = world.control("GET", "/rows", &Value::Null);
    assert_eq!(rows[ORG]["dev"][&data_set].as_object().unwrap().len(), usize::try_from(read).unwrap());

    let etag = session.get::<Flow>(&flow.id).await.unwrap().unwrap().meta.etag.unwrap();
    session.patch::<Flow>(&flow.id, &etag, &Patch::new().replace("/name", "renamed")).await.unwrap();
    session.action(&world.gate, &flow.id, FlowAction::Disable).await.unwrap();
    let seen = session.get::<Flow>(&flow.id).await.unwrap().unwrap();
    assert_eq!((seen.meta.name.as_deref(), seen.meta.state), (Some("renamed"), State::Disabled));

    assert_eq!(session.delete::<Flow>(&world.gate, &flow.id).await.unwrap(), Deleted::Accepted);
    assert_eq!(session.get::<Flow>(&flow.id).await.unwrap(), None);
    session.delete::<TargetConnection>(&world.gate, &target.id).await.unwrap();
    session.delete::<SourceConnection>(&world.gate, &source.id).await.unwrap();
    session.delete::<Connection>(&world.gate, &base.id).await.unwrap();
    session.delete_data_set(&world.gate, &data_set).await.unwrap();
    session.delete_resource(&world.gate, ResourceKind::Schema, &schema.id).await.unwrap();
    let groups = session.find_resources(ResourceKind::FieldGroup, "Stripe charges fields").await.unwrap();
    session.delete_resource(&world.gate, ResourceKind::FieldGroup, &groups[0].id).await.unwrap();
    for kind in [
        "connections",
        "sourceConnections",
        "targetConnections",
        "flows",
        "dataSets",
        "schemas",
        "fieldgroups",
    ] {
        assert_eq!(world.count(kind), 0, "{kind}");
    }
    assert_eq!(world.count("mappingSets"), 1, "no document shows how to delete a mapping set");
    assert!(session.list::<Flow>(&Filter::all()).await.unwrap().is_empty());
}
