//! What an apply would make the operator do, told before it is applied.

use anyhow::Result;
use serde_json::{Value, json};

use super::{aep, file, writes};
use crate::support::World;
use crate::support::by_hand::Person;
use crate::support::commands::quiet_chain;
use crate::support::objects::{base, chain, source, with};
use crate::support::world::KINDS;

/// Plans manifests, and gives the plans of the objects in the order of their references.
async fn plan(world: &World, objects: &[Value], code: i32) -> Result<Vec<Value>> {
    let folder = tempfile::tempdir()?;
    let path = file(folder.path(), objects)?.to_string_lossy().into_owned();
    let plans = aep(world, &["plan", "-f", &path, "--output", "json"]).await?.json(code)?;
    Ok(plans.as_array().cloned().unwrap_or_default())
}

fn prices() -> [Value; 4] {
    let [base, source, mapping, flow] = chain("c", "prices");
    [base, source, mapping, with(flow, "/schedule/startTime", json!("2090-01-01T00:00:00Z"))]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plan_of_a_new_chain_names_every_creation_and_writes_nothing_anywhere() -> Result<()> {
    let world = World::start("plnew").await?;
    let before = world.last_call().await?;
    let plans = plan(&world, &prices(), 10).await?;
    let outcomes: Vec<&Value> = plans.iter().map(|plan| &plan["outcome"]).collect();
    assert_eq!(outcomes, ["Changes", "Waits", "Waits", "Waits"], "{plans:#?}");
    let first = &plans[0]["calls"][0];
    assert_eq!((&first["action"], &first["role"]), (&json!("create"), &json!("connection")));
    assert_eq!(first["request"], "POST /data/foundation/flowservice/connections");
    let roles = |plan: &Value| -> Vec<Value> {
        plan["calls"].as_array().into_iter().flatten().map(|call| call["role"].clone()).collect()
    };
    assert_eq!(roles(&plans[1]), ["source-connection"]);
    assert_eq!(roles(&plans[2]), ["field-group", "schema", "mapping-set"]);
    assert_eq!(roles(&plans[3]), ["dataset", "target-connection", "flow"]);
    assert!(
        plans[1]["note"].as_str().is_some_and(|note| note.contains("spec.baseConnectionRef")),
        "{}",
        plans[1]
    );
    assert_eq!(writes(&world, before).await?, Vec::<String>::new());
    for kind in KINDS {
        assert!(world.list(kind).await?.is_empty(), "no {kind} was applied");
    }
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_of_what_is_applied_shows_no_change_and_one_of_a_change_shows_what_then_happens() -> Result<()>
{
    let world = quiet_chain("plchange").await?;
    let same = plan(&world, &prices(), 0).await?;
    assert!(same.iter().all(|plan| plan["outcome"] == "NoChange"), "{same:#?}");

    let [base, source, mapping, flow] = prices();
    let stopped = plan(&world, &[with(flow.clone(), "/enabled", json!(false))], 10).await?;
    assert_eq!(stopped[0]["calls"][0]["action"], "action", "{stopped:#?}");
    assert!(stopped[0]["calls"][0]["differences"].to_string().contains("enabled"), "{stopped:#?}");
    let row = json!([{ "source": "upper(data.currency)", "destination": "_{TENANT_ID}.prices_data.currency", "type": "Expression" }]);
    let changed = [
        with(base, "/displayName", json!("Stripe EU")),
        source,
        with(mapping, "/mappings", row),
        with(flow, "/schedule/interval", json!(6)),
    ];
    let before = world.last_call().await?;
    let plans = plan(&world, &changed, 10).await?;
    assert_eq!(writes(&world, before).await?, Vec::<String>::new(), "a plan writes nothing");
    let told = |at: usize| {
        let call = &plans[at]["calls"][0];
        let text = |name: &str| call[name].to_string();
        (text("action"), text("request"), text("differences"))
    };
    let flow_id = world.id_of(KINDS[3], "c", "flow").await?;
    let (action, request, differences) = told(0);
    assert!(
        action.contains("patch") && request.contains("PATCH") && differences.contains("Stripe EU"),
        "{plans:#?}"
    );
    assert_eq!(plans[1]["outcome"], "NoChange");
    let (action, request, differences) = told(2);
    assert!(action.contains("put") && request.contains("PUT"), "{plans:#?}");
    assert!(differences.contains("prices_data.currency"), "{differences}");
    assert!(plans[2]["note"].as_str().is_some_and(|note| note.contains("IngestionFlow c")), "{}", plans[2]);
    let (action, request, differences) = told(3);
    assert!(action.contains("patch") && request.contains(&flow_id), "{plans:#?}");
    assert!(differences.contains("interval") && differences.contains('6'), "{differences}");

    world.apply_all(&changed).await?;
    world.wait_all_ready(4).await?;
    let lines = writes(&world, before).await?;
    for line in ["PATCH /connections/{id}", "PUT /mappingSets/{id}", "PATCH /flows/{id}"] {
        assert!(lines.iter().any(|sent| sent == line), "{line} was told: {lines:?}");
    }
    assert!(lines.iter().all(|line| !line.starts_with("POST") && !line.contains("source")), "{lines:?}");
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_more_grows_the_schema_first_and_another_source_replaces_the_flow() -> Result<()> {
    let world = quiet_chain("plgrow").await?;
    world.apply(&source("d", "c", "prices")).await?;
    world.wait_ready(KINDS[1], "d").await?;
    let [_, _, mapping, flow] = prices();
    let row = json!([{ "source": "data.livemode", "destination": "_{TENANT_ID}.prices_data.is_live", "xdmType": "Boolean" }]);
    let changed =
        [with(mapping, "/mappings", row), with(flow, "/sourceConnectionRef", json!({ "name": "d" }))];
    let before = world.last_call().await?;
    let plans = plan(&world, &changed, 10).await?;
    let calls: Vec<(&Value, &Value)> = plans[0]["calls"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|call| (&call["action"], &call["role"]))
        .collect();
    let told = [("patch", "field-group"), ("put", "mapping-set")].map(|(a, r)| (json!(a), json!(r)));
    assert_eq!(calls, told.iter().map(|(a, r)| (a, r)).collect::<Vec<_>>(), "{plans:#?}");
    assert!(plans[0]["calls"][0]["request"].to_string().contains("/tenant/fieldgroups/"), "{plans:#?}");
    assert_eq!(plans[1]["outcome"], "NeedsApproval", "{plans:#?}");
    assert_eq!(plans[1]["pending"]["kind"], "Replace", "{plans:#?}");
    let folder = tempfile::tempdir()?;
    let path = file(folder.path(), &changed)?.to_string_lossy().into_owned();
    let table = aep(&world, &["plan", "-f", &path]).await?;
    for word in ["needs approval", "Replace", "field-group", "then", "mapping-set"] {
        assert!(table.out.contains(word), "{word}:\n{}", table.out);
    }
    assert_eq!(writes(&world, before).await?, Vec::<String>::new());
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_cannot_be_made_is_no_plan() -> Result<()> {
    let mut world = quiet_chain("pldown").await?;
    world.sim.process().kill()?;
    let folder = tempfile::tempdir()?;
    let path = file(folder.path(), &prices())?.to_string_lossy().into_owned();
    let said = aep(&world, &["plan", "-f", &path]).await?;
    assert!(said.code == 1 && said.out.is_empty() && said.err.contains("cannot be planned"), "{said:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_be_refused_or_waits_for_a_person_is_told_before_it_is_applied() -> Result<()> {
    let world = World::start("plheld").await?;
    world.apply(&base("c")).await?;
    world.wait_ready(KINDS[0], "c").await?;
    let moved = plan(&world, &[with(base("c"), "/sandbox", json!("prod"))], 3).await?;
    assert_eq!(moved[0]["outcome"], "Refused");
    assert!(moved[0]["note"].as_str().is_some_and(|note| note.contains("sandbox is immutable")), "{moved:?}");

    let id = Person::of(&world)?.base().await?;
    let adopting = with(base("hand"), "/adopt", json!({ "connectionId": id }));
    let before = world.last_call().await?;
    let held = plan(&world, std::slice::from_ref(&adopting), 10).await?;
    assert_eq!(held[0]["outcome"], "NeedsApproval", "{held:?}");
    assert_eq!(held[0]["pending"]["kind"], "Adopt");
    assert!(held[0]["pending"]["differences"].to_string().contains("stripeCredentialsSecretRef"), "{held:?}");
    assert_eq!(writes(&world, before).await?, Vec::<String>::new());
    world.check_invariants().await
}
