//! Looking at chains, and the annotations by which people steer.

use anyhow::Result;
use serde_json::json;

use super::aep;
use crate::support::World;
use crate::support::commands::quiet_chain;
use crate::support::objects::source;
use crate::support::world::{KINDS, condition};

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_shows_the_chain_with_adobes_ids_and_status_tells_what_is_wrong() -> Result<()> {
    let world = quiet_chain("pltree").await?;
    let tree = aep(&world, &["tree"]).await?;
    assert_eq!(tree.code, 0, "{tree:?}");
    for (kind, role) in KINDS.iter().zip(["connection", "source-connection", "mapping-set", "flow"]) {
        let id = world.id_of(kind, "c", role).await?;
        let line = tree.out.lines().position(|line| line.contains(&format!("{kind} c ")));
        let below = tree.out.lines().position(|line| line.contains(&format!("{role} {id}")));
        assert!(line.is_some() && line < below, "{kind} owns {role} {id}:\n{}", tree.out);
    }
    let items = aep(&world, &["tree", "--output", "json"]).await?.json(0)?;
    assert_eq!(items.as_array().map(Vec::len), Some(4));
    let yaml: serde_json::Value =
        serde_saphyr::from_str(&aep(&world, &["tree", "--output", "yaml"]).await?.out)?;
    assert_eq!(yaml, items, "one content in two forms");
    let well = aep(&world, &["status"]).await?;
    assert_eq!((well.code, well.out.trim()), (0, "4 of 4 objects are well"));

    world.apply(&source("lost", "nowhere", "refunds")).await?;
    world.wait_condition(KINDS[1], "lost", "Ready", "False", "ReferenceNotFound").await?;
    let wrong = aep(&world, &["status"]).await?;
    assert_eq!(wrong.code, 3, "a person is needed: {wrong:?}");
    assert!(wrong.out.contains("ReferenceNotFound") && wrong.out.contains("4 of 5"), "{}", wrong.out);
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_is_served_and_a_paused_object_is_left_alone_until_it_is_resumed() -> Result<()> {
    let world = quiet_chain("plsteer").await?;
    let since = world.last_call().await?;
    let sync = aep(&world, &["sync", "sbc/c"]).await?;
    assert_eq!(sync.code, 0, "{sync:?}");
    world
        .until("the check to be made and echoed", async || {
            let base = world.get(KINDS[0], "c").await?.unwrap_or_default();
            Ok(base["status"]["lastHandledSync"].is_string().then_some(()))
        })
        .await?;
    assert!(world.count(since, "GET /connections/{id}").await? > 0, "upstream was looked at");

    assert_eq!(aep(&world, &["pause", "iflow/c"]).await?.code, 0);
    let paused = async || Ok(condition(&world.get(KINDS[3], "c").await?.unwrap_or_default(), "Paused"));
    world.until("the flow to say that it is paused", paused).await?;
    let before = world.last_call().await?;
    world.merge(KINDS[3], "c", &json!({ "spec": { "displayName": "Another name" } })).await?;
    assert_eq!(aep(&world, &["resume", "iflow/c"]).await?.code, 0);
    world.wait_ready(KINDS[3], "c").await?;
    assert_eq!(world.count(before, "PATCH /flows/{id}").await?, 1, "the change is made when it is resumed");
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_said_and_ends_with_one() -> Result<()> {
    let world = World::start("plrefuse").await?;
    let missing = aep(&world, &["sync", "iflow/nothing"]).await?;
    assert!(missing.code == 1 && missing.err.contains("nothing"), "{missing:?}");
    let unknown = aep(&world, &["pause", "pod/nothing"]).await?;
    assert!(unknown.code == 1 && unknown.err.contains("sbc, ssc, imap or iflow"), "{unknown:?}");
    world.apply(&crate::support::objects::base("c")).await?;
    world.wait_ready(KINDS[0], "c").await?;
    let idle = aep(&world, &["approve", "sbc/c"]).await?;
    assert!(idle.code == 1 && idle.err.contains("waits for no approval"), "{idle:?}");
    world.check_invariants().await
}
