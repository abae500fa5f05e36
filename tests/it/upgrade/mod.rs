//! From each released version to this one: stored objects stay valid, their intents and statuses are read, and nothing happens upstream.
//!
//! A folder `v<version>` holds what that release left: its CRDs, its custom resources as the API server stored them, and the simulator's
//! state. [`freeze`] makes the folder of a new release.

mod freeze;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use aep_operator::api::{GROUP, INTENT};
use aep_operator::domain::intent::Intent;
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use testbed::{ControlPlane, Options, Simulator, SimulatorOptions};

use crate::support::World;
use crate::support::install::{create_namespace, install, present_crds};
use crate::support::objects;
use crate::support::operators::start_operator;
use crate::support::world::{KINDS, Settings, external_id, is_ready};

/// The namespace of all frozen objects; it stands in their markers.
const NAMESPACE: &str = "upgrade";
const CRDS: &str = "crds";
const OBJECTS: &str = "objects.json";
const UPSTREAM: &str = "upstream.json";

fn folder() -> PathBuf {
    testbed::binaries::workspace_root().join("tests/it/upgrade")
}

/// The folders of all releases.
fn releases() -> Result<Vec<PathBuf>> {
    let mut releases = Vec::new();
    for entry in std::fs::read_dir(folder())? {
        let path = entry?.path();
        if path.is_dir() {
            releases.push(path);
        }
    }
    releases.sort();
    Ok(releases)
}

fn read(path: &Path) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Ok(serde_json::from_str(&text)?)
}

/// Settings under which markers are the same on every control plane.
fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.operator.extend(["--cluster-id", NAMESPACE].map(str::to_owned));
    settings
}

/// The namespace and the Secrets that all objects use, on a control plane of its own.
async fn prepared(crds: &Path) -> Result<(&'static ControlPlane, PathBuf)> {
    let plane: &'static ControlPlane = Box::leak(Box::new(ControlPlane::start(Options::default()).await?));
    let kubeconfig = install(plane, crds).await?;
    create_namespace(&plane.client().await?, NAMESPACE).await?;
    Ok((plane, kubeconfig))
}

/// A world on such a control plane, whose simulator goes on from a state.
async fn world(plane: &'static ControlPlane, kubeconfig: &Path, state: &Path) -> Result<World> {
    let sim = Simulator::start(SimulatorOptions {
        state_file: Some(state.to_owned()),
        ..SimulatorOptions::default()
    })
    .await?;
    let operator = start_operator(kubeconfig, &sim, &settings(), "aep-operator", NAMESPACE, NAMESPACE)?;
    World::around(plane, NAMESPACE, sim, operator).await
}

async fn store(plane: &ControlPlane, objects: &[Value]) -> Result<()> {
    for object in objects {
        let kind = object["kind"].as_str().unwrap_or_default().to_lowercase();
        plane.store((&format!("{kind}s"), GROUP), object).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_release_left_is_read_and_nothing_is_made_or_changed_by_the_upgrade() -> Result<()> {
    let releases = releases()?;
    ensure!(!releases.is_empty(), "there is no release to upgrade from");
    for release in releases {
        upgrade_from(&release).await.with_context(|| format!("from {}", release.display()))?;
    }
    Ok(())
}

async fn upgrade_from(release: &Path) -> Result<()> {
    let objects = read(&release.join(OBJECTS))?;
    intents_are_read(&objects)?;
    let (plane, kubeconfig) = prepared(&release.join(CRDS)).await?;
    let scratch = tempfile::tempdir()?;
    let state = scratch.path().join(UPSTREAM);
    std::fs::copy(release.join(UPSTREAM), &state)?;
    secrets(plane).await?;
    store(plane, &objects).await?;
    let crds = present_crds().to_string_lossy().into_owned();
    plane.run_kubectl(["apply", "--server-side", "-f", &crds]).await?;
    plane.run_kubectl(["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]).await?;
    specs_stay_valid(plane, &objects, scratch.path()).await?;

    let mut world = world(plane, &kubeconfig, &state).await?;
    nothing_happens(&world, &objects).await?;
    world.operator.process().kill()?;
    let mut unfinished = objects.clone();
    for object in &mut unfinished {
        object.as_object_mut().map(|object| object.remove("status"));
    }
    store(plane, &unfinished).await?;
    world.operator.process().restart()?;
    what_was_under_way_is_resumed(&world, &objects).await?;
    what_was_taken_over_can_be_changed_and_deleted(&world).await?;
    world.check_invariants().await
}

/// Each member that the old version wrote is known to this one.
fn intents_are_read(objects: &[Value]) -> Result<()> {
    for object in objects {
        let metadata = &object["metadata"];
        let annotation = metadata["annotations"][INTENT].as_str().context("an intent")?;
        let intent = Intent::read(Some(annotation), metadata["uid"].as_str().unwrap_or_default());
        let intent = intent.with_context(|| format!("the intent of {} is not read", object["kind"]))?;
        let (old, new): (Value, Value) =
            (serde_json::from_str(annotation)?, serde_json::from_str(&intent.to_annotation())?);
        ensure!(old == new, "the intent of {}: {old} is read as {new}", object["kind"]);
    }
    Ok(())
}

/// Both exist before the operator does, as after a real upgrade.
async fn secrets(plane: &ControlPlane) -> Result<()> {
    let folder = tempfile::tempdir()?;
    for (name, secret) in [("platform", objects::platform_secret()), ("stripe", objects::stripe_secret())] {
        let file = folder.path().join(name).with_extension("json");
        std::fs::write(&file, secret.to_string())?;
        plane.run_kubectl(["create", "--namespace", NAMESPACE, "-f", &file.to_string_lossy()]).await?;
    }
    Ok(())
}

/// The present rules accept the old specs, also for objects that are created anew.
async fn specs_stay_valid(plane: &ControlPlane, objects: &[Value], scratch: &Path) -> Result<()> {
    for object in objects {
        let (kind, name) = (&object["kind"], object["metadata"]["name"].as_str().unwrap_or_default());
        let anew = json!({ "apiVersion": object["apiVersion"], "kind": kind, "spec": object["spec"],
            "metadata": { "name": format!("{name}-anew"), "namespace": NAMESPACE } });
        let file = scratch.join("anew.json");
        std::fs::write(&file, anew.to_string())?;
        plane.run_kubectl(["create", "--dry-run=server", "-f", &file.to_string_lossy()]).await?;
        let old = format!("{}/{name}", kind.as_str().unwrap_or_default());
        plane
            .run_kubectl(["annotate", "--namespace", NAMESPACE, "--dry-run=server", &old, "upgraded=yes"])
            .await?;
    }
    Ok(())
}

/// Ids by kind and role.
fn ids(objects: &[Value]) -> BTreeMap<(String, String), String> {
    let mut ids = BTreeMap::new();
    for object in objects {
        for external in object["status"]["external"].as_array().into_iter().flatten() {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            ids.insert((text(&object["kind"]), text(&external["role"])), text(&external["id"]));
        }
    }
    ids
}

async fn present(world: &World) -> Result<Vec<Value>> {
    let mut objects = Vec::new();
    for kind in KINDS {
        objects.extend(world.list(kind).await?);
    }
    Ok(objects)
}

/// Calls that write, tokens and validation apart.
async fn writes(world: &World) -> Result<Vec<String>> {
    let reads = ["/ims/token/v3", "/mappingSets/validate"];
    let calls = world.calls(0).await?.into_iter();
    let writes = calls.filter(|call| call.method != "GET" && !reads.contains(&call.endpoint.as_str()));
    Ok(writes.map(|call| call.line).collect())
}

async fn nothing_happens(world: &World, objects: &[Value]) -> Result<()> {
    let before = world.operator_writes()?;
    world.inventory_passes(2).await?;
    let now = present(world).await?;
    ensure!(now.len() == objects.len() && now.iter().all(is_ready), "{}", world.describe().await);
    ensure!(ids(&now) == ids(objects), "the same objects upstream");
    ensure!(writes(world).await?.is_empty(), "written upstream: {:?}", writes(world).await?);
    // The Secrets are new on this control plane, and are held from now on.
    let ours = world.operator_writes()?;
    let on_ours: Vec<&String> = ours.iter().filter(|write| !write.contains(" secrets/")).collect();
    ensure!(on_ours.is_empty(), "written here: {on_ours:?}, and before: {before:?}");
    Ok(())
}

/// The old process died after its claims, or after its POSTs, and before it could write a status.
async fn what_was_under_way_is_resumed(world: &World, objects: &[Value]) -> Result<()> {
    world
        .until("all objects to be Ready again", async || {
            let now = present(world).await?;
            Ok((now.len() == objects.len() && now.iter().all(is_ready)).then_some(()))
        })
        .await?;
    ensure!(ids(&present(world).await?) == ids(objects), "the same objects upstream");
    let made: Vec<String> =
        writes(world).await?.into_iter().filter(|line| line.starts_with("POST")).collect();
    ensure!(made.is_empty(), "made upstream: {made:?}");
    Ok(())
}

async fn what_was_taken_over_can_be_changed_and_deleted(world: &World) -> Result<()> {
    let flow = KINDS[3];
    world.merge(flow, freeze::NAME, &json!({ "spec": { "displayName": "After the upgrade" } })).await?;
    let id = external_id(&world.get(flow, freeze::NAME).await?.context("the flow")?, "flow")?;
    world
        .until("the new name upstream", async || {
            Ok((world.document(&id).await?["name"] == "After the upgrade").then_some(()))
        })
        .await?;
    world.delete_everything().await?;
    let left = world.upstream().await?.into_iter().filter(|object| object.owner.is_some());
    let left: Vec<String> = left.map(|object| object.kind).collect();
    let kept = ["mappingSets", "schemas", "fieldgroups", "dataSets"];
    ensure!(left.iter().all(|kind| kept.contains(&kind.as_str())), "left upstream: {left:?}");
    Ok(())
}
