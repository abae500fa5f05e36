//! A chain that was made by hand is exported, adopted and approved with the plugin alone.

use anyhow::Result;
use serde_json::{Value, json};

use super::{aep, answering, writes};
use crate::support::World;
use crate::support::by_hand::Person;
use crate::support::world::{KINDS, external_id};

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_a_whole_chain_that_says_only_what_is_there_and_is_always_the_same() -> Result<()> {
    let world = World::start("plexport").await?;
    let chain = Person::of(&world)?.chain().await?;
    let before = world.last_call().await?;
    let export = aep(&world, &["export", &chain.flow, "--sandbox", "dev"]).await?;
    assert_eq!(export.code, 0, "{export:?}");
    assert_eq!(aep(&world, &["export", &chain.flow, "--sandbox", "dev"]).await?.out, export.out);
    let manifests: Vec<Value> = serde_saphyr::from_multiple(&export.out)?;
    let kinds: Vec<&Value> = manifests.iter().map(|manifest| &manifest["kind"]).collect();
    assert_eq!(kinds, KINDS);
    let [base, source, mapping, flow] = [0, 1, 2, 3].map(|at| &manifests[at]["spec"]);
    assert_eq!(base["adopt"]["connectionId"], chain.base);
    assert_eq!(source["adopt"]["sourceConnectionId"], chain.source);
    assert_eq!(mapping["adopt"]["mappingSetId"], chain.mapping.id);
    assert_eq!(mapping["targetSchema"]["existing"]["id"], chain.schema);
    assert_eq!(mapping["mappings"][2]["destination"], "_{TENANT_ID}.charges_data.currency");
    assert_eq!(mapping["mappings"][2]["type"], "Expression");
    let types: Vec<&Value> = [0, 1, 2].map(|at| &mapping["mappings"][at]["xdmType"]).to_vec();
    assert_eq!(types, [&Value::Null, &json!("Integer"), &Value::Null], "where the schema is not as shipped");
    assert_eq!(flow["adopt"]["flowId"], chain.flow);
    assert_eq!(flow["dataset"]["existing"]["id"], chain.dataset);
    assert_eq!(flow["schedule"], json!({ "frequency": "hour", "interval": 1 }));
    assert_eq!(flow["partialIngestion"]["percent"], 10);
    let managed = aep(&world, &["export", &chain.flow, "--sandbox", "dev", "--manage-dataset"]).await?;
    assert!(managed.out.contains(&format!("id: {}", chain.dataset)), "{}", managed.out);
    assert!(managed.out.contains("managed:"), "{}", managed.out);
    let unknown = aep(&world, &["export", &chain.target, "--sandbox", "dev"]).await?;
    assert!(unknown.code == 1 && unknown.err.contains(&chain.target), "{unknown:?}");
    assert_eq!(writes(&world, before).await?, Vec::<String>::new(), "an export only reads");
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adopted_chain_is_approved_object_by_object_and_nothing_is_made() -> Result<()> {
    let world = World::start("pladopt").await?;
    let person = Person::of(&world)?;
    let chain = person.chain().await?;
    let upstream = world.upstream().await?.len();
    let line = ["adopt", &chain.flow, "--sandbox", "dev", "--name", "hand"];
    for answer in ["", "n\n"] {
        let declined = answering(&world, &line, answer).await?;
        assert!(declined.out.contains(&chain.flow), "it was shown: {declined:?}");
        assert!(declined.code == 1 && declined.err.contains("nothing was applied"), "{declined:?}");
    }
    assert!(world.list(KINDS[0]).await?.is_empty(), "nobody said yes");
    let adopted = answering(&world, &line, "y\n").await?;
    assert_eq!(adopted.code, 0, "{adopted:?}");
    for kind in KINDS {
        let next = format!("kubectl aep approve {kind}/hand -n {}", world.namespace);
        assert!(adopted.out.contains(&next), "{next} comes next:\n{}", adopted.out);
    }

    // Nobody can read a Stripe key back, and the marker in its name makes a new version of the mapping set.
    for (kind, difference) in [(KINDS[0], "stripeCredentialsSecretRef"), (KINDS[3], "mappingRef")] {
        world
            .until(&format!("{kind} to wait for approval"), async || {
                let object = world.get(kind, "hand").await?.unwrap_or_default();
                Ok(object["status"]["pending"].is_object().then_some(()))
            })
            .await?;
        let status = aep(&world, &["status", "--output", "json"]).await?.json(3)?;
        let waiting = status.as_array().into_iter().flatten().find(|item| item["kind"] == kind);
        assert_eq!(waiting.map(|item| &item["pending"]["kind"]), Some(&json!("Adopt")), "{status}");
        let approved = aep(&world, &["approve", &format!("{kind}/hand")]).await?;
        assert!(approved.out.contains(difference), "it says what was approved: {approved:?}");
        world.wait_ready(kind, "hand").await?;
    }
    world.wait_all_ready(4).await?;
    assert_eq!(external_id(&world.wait_ready(KINDS[3], "hand").await?, "flow")?, chain.flow);
    assert_eq!(world.upstream().await?.len(), upstream, "nothing is made");
    let again = aep(&world, &["export", &chain.flow, "--sandbox", "dev"]).await?;
    assert!(again.code == 1 && again.err.contains("managed already"), "{again:?}");

    // Another dataflow of the same account and mapping set: what is there is referred to.
    let source = person.source(&chain.base).await?;
    let target = person.target(&chain.dataset, &chain.schema).await?;
    let flow = person.flow(&source, &target, &chain.mapping).await?;
    let more = aep(&world, &["export", &flow, "--sandbox", "dev", "--name", "more"]).await?;
    let more: Vec<Value> = serde_saphyr::from_multiple(&more.out)?;
    let kinds: Vec<&Value> = more.iter().map(|manifest| &manifest["kind"]).collect();
    assert_eq!(kinds, [KINDS[1], KINDS[3]]);
    assert_eq!(more[0]["spec"]["baseConnectionRef"]["name"], "hand");
    assert_eq!(more[1]["spec"]["mappingRef"]["name"], "hand");
    let unasked = aep(&world, &["adopt", &flow, "--sandbox", "dev", "--name", "more", "--yes"]).await?;
    assert!(unasked.code == 0 && !unasked.err.contains('?'), "{unasked:?}");
    assert!(world.get(KINDS[3], "more").await?.is_some());
    world.check_invariants().await
}
