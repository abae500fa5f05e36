//! Several sandboxes and organisations under one operator: each chain lives in its own, what befalls one touches no other, and manifests
//! move from one sandbox to another with one line changed.

use std::collections::{BTreeMap, BTreeSet};

use aep_sim::Config;
use aep_sim::config::Organisation;
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::support::World;
use crate::support::objects::{self, ORGANIZATION, chain, with};
use crate::support::world::{KINDS, Settings, condition};

pub(super) const OTHER: &str = "0123456789ABCDEF01234567@AdobeOrg";

/// Organisation and sandbox.
type Place = (String, String);

/// Where the objects of each custom resource live, by the name of their owner, and the roles that they play.
async fn places(world: &World) -> Result<BTreeMap<String, BTreeMap<Place, BTreeSet<String>>>> {
    let inventory = world.sim.inventory().await?;
    let mut places: BTreeMap<String, BTreeMap<Place, BTreeSet<String>>> = BTreeMap::new();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for object in inventory["objects"].as_array().context("an inventory has objects")? {
        for marker in object["markers"].as_array().into_iter().flatten() {
            let owner = text(&marker["owner"]);
            let owner =
                owner.split_once('/').context("a marker names cluster, namespace and name")?.1.to_owned();
            let place = (text(&object["org"]), text(&object["sandbox"]));
            let role = text(&marker["role"]);
            let is_new =
                places.entry(owner.clone()).or_default().entry(place).or_default().insert(role.clone());
            ensure!(is_new, "{owner} has two of {role}");
        }
    }
    Ok(places)
}

fn lines(objects: &[Value]) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for object in objects {
        lines.extend(serde_saphyr::to_string(object)?.lines().map(str::to_owned));
    }
    Ok(lines)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_manifests_serve_another_sandbox_with_one_line_changed() -> Result<()> {
    let settings = Settings { also: Some("prod".to_owned()), ..Settings::default() };
    let mut world = World::start_with("promote", settings).await?;
    let manifests = |sandbox: &str| -> Vec<Value> {
        let [base, source, mapping, flow] = chain("c", "charges");
        let secrets = [objects::platform_secret(), objects::stripe_secret()];
        secrets.into_iter().chain([with(base, "/sandbox", json!(sandbox)), source, mapping, flow]).collect()
    };
    let (dev, prod) = (lines(&manifests("dev"))?, lines(&manifests("prod"))?);
    let changed = dev.iter().zip(&prod).filter(|(dev, prod)| dev != prod).count();
    assert_eq!((dev.len(), changed), (prod.len(), 1));

    world.apply_all(&manifests("dev")).await?;
    world.wait_all_ready(4).await?;
    let first = world.namespace.clone();
    world.namespace = format!("{first}-prod");
    world.apply_all(&manifests("prod")).await?;
    world.wait_all_ready(4).await?;

    let places = places(&world).await?;
    let here = |sandbox: &str| (ORGANIZATION.to_owned(), sandbox.to_owned());
    let in_dev = places.get(&format!("{first}/c")).context("objects of the first chain")?;
    let in_prod = places.get(&format!("{first}-prod/c")).context("objects of the second chain")?;
    assert_eq!(in_dev.keys().collect::<Vec<_>>(), [&here("dev")]);
    assert_eq!(in_prod.keys().collect::<Vec<_>>(), [&here("prod")]);
    assert_eq!(in_dev[&here("dev")], in_prod[&here("prod")], "the same roles, each once");
    world.check_invariants().await
}

/// A world with a second organisation, and three chains: `dev` and `prod` in the first, `other` in the second.
pub(super) async fn three_places() -> Result<World> {
    let mut second = Organisation::new(OTHER, "othertenant", "other-client", "other-secret");
    second.stripe.clone_from(&Organisation::default().stripe);
    let config = Config { organisations: vec![Organisation::default(), second], ..Config::default() };
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), serde_json::to_vec(&config)?)?;
    let simulator = vec!["--config".to_owned(), file.path().to_string_lossy().into_owned()];
    let world = World::start_with("tenants", Settings { simulator, ..Settings::default() }).await?;
    let secret = [("client-id", "other-client"), ("client-secret", "other-secret"), ("org-id", OTHER)];
    world.apply(&objects::secret("other-credentials", &secret)).await?;
    world.apply_all(&chain("dev", "charges")).await?;
    let [base, rest @ ..] = chain("prod", "charges");
    world.apply(&with(base, "/sandbox", json!("prod"))).await?;
    world.apply_all(&rest).await?;
    let [base, rest @ ..] = chain("other", "charges");
    world.apply(&with(base, "/platformCredentialsSecretRef/name", json!("other-credentials"))).await?;
    world.apply_all(&rest).await?;
    world.wait_all_ready(12).await?;
    Ok(world)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_befalls_one_sandbox_or_organisation_touches_no_other() -> Result<()> {
    let world = three_places().await?;
    let expected = [("dev", ORGANIZATION, "dev"), ("prod", ORGANIZATION, "prod"), ("other", OTHER, "dev")];
    let places = places(&world).await?;
    for (name, organization, sandbox) in expected {
        let of_chain =
            places.get(&format!("{}/{name}", world.namespace)).context("the objects of a chain")?;
        let place = (organization.to_owned(), sandbox.to_owned());
        assert_eq!(of_chain.keys().collect::<Vec<_>>(), [&place], "{name} lives in its own place only");
        assert_eq!(of_chain[&place].len(), 8, "{name}: {of_chain:?}");
    }

    world.sim.post(&format!("sandboxes/{ORGANIZATION}/prod"), &json!({ "roleLost": true })).await?;
    let revoked = json!({ "clientId": "other-client", "secrets": [], "revokeTokens": true });
    world.sim.post("ims", &revoked).await?;
    world.wait_condition("IngestionFlow", "prod", "InventorySuspect", "True", "InventorySuspect").await?;
    let rename = json!({ "spec": { "displayName": "renamed" } });
    world.merge("StripeBaseConnection", "other", &rename).await?;
    world
        .wait_condition("StripeBaseConnection", "other", "Ready", "False", "PlatformCredentialsRefused")
        .await?;

    let since = world.last_call().await?;
    world.merge("IngestionFlow", "dev", &rename).await?;
    world.wait_ready("IngestionFlow", "dev").await?;
    assert_eq!(world.count(since, "PATCH /flows/{id}").await?, 1, "the healthy sandbox is served as ever");
    for kind in KINDS {
        let object = world.get(kind, "dev").await?.context("the object exists")?;
        for abnormal in ["Stalled", "Reconciling", "InventorySuspect"] {
            ensure!(condition(&object, abnormal).is_none(), "{kind} dev: {abnormal}");
        }
    }

    world.sim.post(&format!("sandboxes/{ORGANIZATION}/prod"), &json!({ "roleLost": false })).await?;
    world.sim.post("ims", &json!({ "clientId": "other-client", "secrets": ["other-secret"] })).await?;
    world.wait_all_ready(12).await?;
    world
        .until("the suspicion to end", async || {
            let flow = world.get("IngestionFlow", "prod").await?.unwrap_or_default();
            Ok(condition(&flow, "InventorySuspect").is_none().then_some(()))
        })
        .await?;
    world.check_invariants().await
}
