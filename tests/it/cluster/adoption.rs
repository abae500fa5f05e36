//! A chain that somebody made by hand is taken over: shown, approved, kept as it is where spec says nothing, and left behind in the end.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::support::World;
use crate::support::by_hand::{Chain, NAME, Person};
use crate::support::objects::{base, with};
use crate::support::seen::Call;
use crate::support::world::{KINDS, external_id, is_ready};

/// Waits until an object shows what waits for approval.
async fn pending(world: &World, kind: &str, name: &str) -> Result<Value> {
    world
        .until(&format!("{kind} {name} to wait for approval"), async || {
            let object = world.get(kind, name).await?.unwrap_or_default();
            Ok(Some(object["status"]["pending"].clone()).filter(|pending| !pending.is_null()))
        })
        .await
}

async fn approve(world: &World, kind: &str, name: &str) -> Result<Vec<String>> {
    let pending = pending(world, kind, name).await?;
    let approval =
        json!({ "metadata": { "annotations": { "ingestion.aep-operator.io/approve": pending["digest"] } } });
    world.merge(kind, name, &approval).await?;
    let ready = world.wait_ready(kind, name).await?;
    assert_eq!(ready["status"]["lastApproved"], pending["digest"], "the approval is echoed");
    assert!(ready["status"]["pending"].is_null(), "{}", ready["status"]);
    let differences = pending["differences"].as_array().context("differences are listed")?;
    Ok(differences.iter().filter_map(|line| line.as_str().map(str::to_owned)).collect())
}

/// What was there before outlives its custom resources.
async fn outlives_its_objects(world: &World) -> Result<()> {
    let (upstream, calls) = (world.upstream().await?, world.last_call().await?);
    world.delete_everything().await?;
    assert_eq!(world.upstream().await?, upstream);
    assert!(world.calls(calls).await?.iter().all(|call| call.method != "DELETE"));
    world.check_invariants().await
}

/// Takes the whole chain over, as its user would.
async fn taken_over(world: &World, chain: &Chain) -> Result<()> {
    world.apply_all(&chain.adopting()).await?;
    let base = approve(world, KINDS[0], "hand").await?;
    assert_eq!(base, ["stripeCredentialsSecretRef: unknown upstream, will be replaced"]);
    // Nothing of the source connection differs.
    world.wait_ready(KINDS[1], "hand").await?;
    let rows = approve(world, KINDS[2], "hand").await?;
    assert!(matches!(rows.as_slice(), [row] if row.contains("charges_data.currency")), "{rows:?}");
    let flow = approve(world, KINDS[3], "hand").await?;
    assert_eq!(flow.len(), 2, "mapping version and interval: {flow:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hand_made_chain_is_taken_over_runs_on_and_stays_when_its_objects_go() -> Result<()> {
    let world = World::start("adopt").await?;
    let chain = Person::of(&world)?.chain().await?;
    let before = world.last_call().await?;
    taken_over(&world, &chain).await?;
    let calls = world.calls(before).await?;
    // A run that begins between a read and the patch that follows makes its etag stale: refused, and sent again.
    let writes: Vec<&str> = calls
        .iter()
        .filter(|call| {
            call.method != "GET"
                && call.status != 412
                && !["/ims/token/v3", "/mappingSets/validate"].contains(&call.endpoint.as_str())
        })
        .map(|call| call.line.as_str())
        .collect();
    let expected = [
        "POST /connections",
        "DELETE /connections/{id}",
        "PATCH /connections/{id}",
        "PATCH /sourceConnections/{id}",
        "PUT /mappingSets/{id}",
        "PATCH /dataSets/{id}",
        "PATCH /targetConnections/{id}",
        "PATCH /flows/{id}",
    ];
    assert_eq!(writes, expected, "the key is tried first, one write each, and nothing that stays is made");
    let written = world.operator_writes()?;
    let claims =
        written.iter().filter(|write| write.ends_with("/ hand") && !write.contains(" secrets/")).count();
    assert_eq!(
        claims, 7,
        "one claim each, that of the probe and its end, the announcement of the PUT: {written:#?}"
    );
    let of_base = written.iter().filter(|write| write.contains(" stripebaseconnections/")).count();
    assert_eq!(of_base, 5, "what waits, claim, probe, its end, and result: {written:#?}");
    let flow = world.wait_ready(KINDS[3], "hand").await?;
    for (role, id) in
        [("flow", &chain.flow), ("target-connection", &chain.target), ("dataset", &chain.dataset)]
    {
        assert_eq!(&external_id(&flow, role)?, id);
    }

    let document = world.document(&chain.flow).await?;
    assert_eq!(document["name"], NAME, "what spec leaves out stays");
    assert_eq!(document["options"]["partialIngestionPercent"].to_string().trim_matches('"'), "10");

    world.sim.advance(7 * 3600).await?;
    world
        .until("a run after the taking over", async || {
            let flow = world.get(KINDS[3], "hand").await?.unwrap_or_default();
            Ok((flow["status"]["lastRun"]["state"] == "success").then_some(()))
        })
        .await?;
    let rows = world.rows(&chain.dataset).await?;
    assert!(rows.values().all(|times| *times == 1), "no payment twice: {rows:?}");

    outlives_its_objects(&world).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hand_made_schema_is_taken_over_with_its_field_group_and_grows() -> Result<()> {
    let world = World::start("adoptschema").await?;
    let chain = Person::of(&world)?.chain().await?;
    let before = world.last_call().await?;
    world.apply_all(&chain.adopting_schema()).await?;
    approve(&world, KINDS[0], "hand").await?;
    let shown = approve(&world, KINDS[2], "hand").await?;
    assert_eq!(shown[0], "field-group: fields: _simtenant.charges_data.status (upstream: empty)");
    let mapping = world.wait_ready(KINDS[2], "hand").await?;
    for (role, id) in
        [("field-group", &chain.field_group), ("schema", &chain.schema), ("mapping-set", &chain.mapping.id)]
    {
        assert_eq!(&external_id(&mapping, role)?, id);
    }
    let calls = world.calls(before).await?;
    let lake = ["/tenant/fieldgroups", "/tenant/schemas", "/mappingSets/{id}"];
    let writes: Vec<&str> = calls
        .iter()
        .filter(|call| call.method != "GET" && lake.iter().any(|part| call.endpoint.starts_with(part)))
        .map(|call| call.line.as_str())
        .collect();
    assert_eq!(
        writes,
        ["PATCH /tenant/fieldgroups/{id}", "PATCH /tenant/schemas/{id}", "PUT /mappingSets/{id}"]
    );
    approve(&world, KINDS[3], "hand").await?;
    outlives_its_objects(&world).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_while_it_waits_is_shown_again_and_an_old_approval_does_nothing() -> Result<()> {
    let world = World::start("adoptold").await?;
    let id = Person::of(&world)?.base().await?;
    let named =
        with(with(base("hand"), "/adopt", json!({ "connectionId": id })), "/displayName", json!("Ours"));
    world.apply(&named).await?;
    let shown = pending(&world, KINDS[0], "hand").await?;
    assert_eq!(shown["differences"][0], format!("displayName: Ours (upstream: {NAME})"));
    let patch = json!([{ "op": "replace", "path": "/name", "value": "Renamed" }]);
    world.sim.post(&format!("objects/{id}"), &json!({ "patch": patch })).await?;
    let before = world.last_call().await?;
    let approval =
        json!({ "metadata": { "annotations": { "ingestion.aep-operator.io/approve": shown["digest"] } } });
    world.merge(KINDS[0], "hand", &approval).await?;
    world
        .until("the other difference to be shown", async || {
            let pending = pending(&world, KINDS[0], "hand").await?;
            Ok((pending["differences"][0] == "displayName: Ours (upstream: Renamed)").then_some(()))
        })
        .await?;
    assert!(world.calls(before).await?.iter().all(|call| call.method != "PATCH"), "nothing was approved");
    approve(&world, KINDS[0], "hand").await?;
    let patches = world.calls(before).await?.iter().filter(|call| call.method == "PATCH").count();
    assert_eq!(patches, 1);
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_refused_unclaimed_and_left_as_it_is() -> Result<()> {
    let world = World::start("adoptrefused").await?;
    let person = Person::of(&world)?;
    let no_such = "00000000-0000-4000-8000-000000000000";
    let foreign = "[aep-operator/v1 uid-9/connection/1 dev elsewhere/payments/theirs]";
    let cases = [
        ("sandbox", None, "sandbox prod"),
        ("spec", Some(("/connectionSpec/id", no_such)), "not that of Stripe"),
        ("marker", Some(("/description", foreign)), "payments/theirs in cluster elsewhere"),
    ];
    let mut ids = Vec::new();
    for (_, edit, _) in &cases {
        let id = person.base().await?;
        if let Some((path, value)) = edit {
            world.edit_upstream(&id, json!([{ "op": "replace", "path": path, "value": value }])).await?;
        }
        ids.push(id);
    }
    let before = (world.upstream().await?, world.last_call().await?, world.operator_writes()?.len());
    for ((name, ..), id) in cases.iter().zip(&ids) {
        let named = with(base(name), "/adopt", json!({ "connectionId": id }));
        let sandbox = if *name == "sandbox" { "prod" } else { "dev" };
        world.apply(&with(named, "/sandbox", json!(sandbox))).await?;
    }
    for (name, _, why) in &cases {
        let message = world.wait_condition(KINDS[0], name, "Ready", "False", "AdoptionRefused").await?;
        assert!(message.contains("spec.adopt.connectionId") && message.contains(why), "{name}: {message}");
        let object = world.get(KINDS[0], name).await?.context("the object")?;
        assert!(object["metadata"]["finalizers"].is_null(), "{name} is not claimed: {object}");
        assert!(object["status"]["external"].is_null(), "{name} owns nothing: {object}");
    }
    world
        .until("another look at each", async || {
            let looks = world.count(before.1, "GET /connections/{id}").await?;
            Ok((looks >= 3 * cases.len()).then_some(()))
        })
        .await?;
    assert_eq!(world.upstream().await?, before.0);
    let reads = |call: &Call| call.method == "GET" || call.endpoint.starts_with("/ims");
    let calls = world.calls(before.1).await?;
    assert!(calls.iter().all(reads), "{calls:?}");
    let written = world.operator_writes()?.split_off(before.2);
    let of_bases = written.iter().filter(|write| write.contains("stripebaseconnections"));
    assert_eq!(of_bases.count(), 3, "what is refused, and nothing else: {written:?}");
    // Whoever asked for nothing that exists is free to go.
    world.delete_everything().await?;
    assert_eq!(world.upstream().await?, before.0);
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_operator_asks_nobody_twice() -> Result<()> {
    let mut world = World::start("adoptkill").await?;
    let id = Person::of(&world)?.base().await?;
    let hang = json!([{ "match": { "method": "PATCH", "endpoint": "/connections/{id}" }, "times": "forever", "action": "hang" }]);
    world.sim.post("faults", &hang).await?;
    world.apply(&with(base("hand"), "/adopt", json!({ "connectionId": id }))).await?;
    let shown = pending(&world, KINDS[0], "hand").await?;
    let approval =
        json!({ "metadata": { "annotations": { "ingestion.aep-operator.io/approve": shown["digest"] } } });
    world.merge(KINDS[0], "hand", &approval).await?;
    world
        .until("the patch to be under way", async || {
            let faults = world.sim.get("faults").await?;
            Ok((faults["faults"][0]["reached"].as_u64() > Some(0)).then_some(()))
        })
        .await?;
    world.operator.process().kill()?;
    // Even the approval is taken back: what was approved and claimed goes on.
    let none = json!({ "metadata": { "annotations": { "ingestion.aep-operator.io/approve": null } } });
    world.merge(KINDS[0], "hand", &none).await?;
    world.sim.delete("faults").await?;
    world.operator.process().restart()?;
    let ready = world.until("the connection to be taken over", async || {
        Ok(world.get(KINDS[0], "hand").await?.filter(is_ready))
    });
    assert_eq!(external_id(&ready.await?, "connection")?, id);
    let connections =
        world.upstream().await?.into_iter().filter(|object| object.kind == "connections").count();
    assert_eq!(connections, 1);
    world.check_invariants().await
}
