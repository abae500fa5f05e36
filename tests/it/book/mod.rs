//! The task pages of the book: the commands in them are run, one page after the other, as a person who follows them would.
//!
//! A block marked `sh,test` is run; what stands in other blocks is for reading. What a page asks its reader to put into the shell's
//! environment comes from the test.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::support::World;
use crate::support::by_hand::Person;
use crate::support::objects::{CLIENT_SECRET, ORGANIZATION, STRIPE_KEY};
use crate::support::world::KINDS;

const MARK: &str = "```sh,test";
/// Pages take seconds. Commands that wait have limits of their own.
const PAGE_WITHIN: Duration = Duration::from_mins(2);
const NEW_STRIPE_KEY: &str = "sk_test_of_the_book";

/// The blocks of a page that are to be run, as one script.
fn script(page: &str) -> Result<String> {
    let path = testbed::binaries::workspace_root().join("docs/tasks").join(page).with_extension("md");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let blocks = text.split(MARK).skip(1).map(|rest| rest.split("\n```").next().unwrap_or_default());
    let script = blocks.collect::<Vec<_>>().join("\n");
    ensure!(!script.is_empty(), "{page} has no block marked {MARK}");
    Ok(script)
}

/// Runs a page in the world's namespace.
async fn follow(world: &World, page: &str, environment: &[(&str, &str)]) -> Result<()> {
    let script = script(page)?;
    let folder = tempfile::tempdir()?;
    let kubectl = folder.path().join("kubectl");
    let program = world.plane.kubectl_path();
    std::fs::write(
        &kubectl,
        format!("#!/bin/sh\nexec '{}' --namespace '{}' \"$@\"\n", program.display(), world.namespace),
    )?;
    std::fs::set_permissions(&kubectl, std::fs::Permissions::from_mode(0o755))?;
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH")?);
    let mut shell = tokio::process::Command::new("sh");
    shell.args(["-euc", &script]).env("PATH", path).envs(environment.iter().copied());
    shell.current_dir(folder.path()).stdin(std::process::Stdio::null()).kill_on_drop(true);
    let ended = tokio::time::timeout(PAGE_WITHIN, shell.output()).await;
    let output = ended.with_context(|| format!("{page} takes too long"))??;
    if !output.status.success() {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        bail!("{page} fails:\n{out}{err}\n{}", world.describe().await);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_task_pages_work_one_after_the_other() -> Result<()> {
    let world = World::start("book").await?;
    for secret in ["aep-credentials", "stripe"] {
        world.delete("Secret", secret).await?;
    }
    let credentials = [
        ("CLIENT_ID", "sim-client"),
        ("CLIENT_SECRET", CLIENT_SECRET),
        ("ORG_ID", ORGANIZATION),
        ("STRIPE_KEY", STRIPE_KEY),
    ];
    follow(&world, "create-a-chain", &credentials).await?;
    for page in ["monitor-runs", "change-rows", "pause"] {
        follow(&world, page, &[]).await?;
    }
    follow(&world, "rotate-a-key", &[("NEW_STRIPE_KEY", NEW_STRIPE_KEY)]).await?;
    for page in ["replace-a-source", "approve"] {
        follow(&world, page, &[]).await?;
    }
    let flow = world.id_of("IngestionFlow", "charges", "flow").await?;
    world.sim.delete(&format!("objects/{flow}")).await?;
    follow(&world, "deleted-in-aep", &[]).await?;
    let flow = world.id_of("IngestionFlow", "charges", "flow").await?;
    follow(&world, "delete-and-keep", &[]).await?;
    for kind in KINDS {
        ensure!(world.list(kind).await?.is_empty(), "nothing is left: {}", world.describe().await);
    }
    ensure!(world.document(&flow).await?["state"] == "enabled", "what is kept runs on");
    world.check_invariants().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hand_made_chain_is_adopted_as_its_page_says() -> Result<()> {
    let world = World::start("bookadopt").await?;
    let chain = Person::of(&world)?.chain().await?;
    let before = world.upstream().await?;
    let ids = [
        ("CONNECTION_ID", chain.base.as_str()),
        ("SOURCE_CONNECTION_ID", &chain.source),
        ("SCHEMA_ID", &chain.schema),
        ("MAPPING_SET_ID", &chain.mapping.id),
        ("DATASET_ID", &chain.dataset),
        ("FLOW_ID", &chain.flow),
    ];
    follow(&world, "adopt", &ids).await?;
    let ids = |objects: &[crate::support::seen::Upstream]| -> Vec<String> {
        objects.iter().map(|object| object.id.clone()).collect()
    };
    ensure!(ids(&world.upstream().await?) == ids(&before), "nothing is made");
    world.check_invariants().await
}

#[test]
fn every_task_page_is_run() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/tasks");
    let source = include_str!("mod.rs");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let page = path.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(source.contains(&format!("\"{page}\"")), "no test follows {page}");
        assert_ne!(script(&page).unwrap(), "", "{page}");
    }
}
