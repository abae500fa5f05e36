//! The inventory: list pages instead of one GET per object tell what moved upstream, and only what moved is woken.
//!
//! One pass per organisation, sandbox and credential. An object whose etag is the one seen last costs nothing; one that moved, ran or
//! is gone is looked at by its own reconcile.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use tracing::{debug, warn};

use super::context::Context;
use super::guardrail::Guardrail;
use super::managed::Managed;
use super::secrets;
use super::site::{self, Site};
use crate::aep::{Entity, Filter, Lane, model, spec};
use crate::api::role::Role;
use crate::api::{IngestionFlow, StripeBaseConnection, StripeSourceConnection};
use crate::domain::outcome::Obstacle;
use crate::domain::retry;

/// How long one round may take: each call in it has its deadline, and a large sandbox has many pages.
const LONGEST_ROUND: Duration = Duration::from_mins(30);

/// A custom resource that owns an upstream object.
#[derive(Debug, Clone)]
struct Owned {
    uid: String,
    namespace: String,
    name: String,
    etag: Option<String>,
}

/// What a list page shows of an object: two of them differ when it moved.
type Seen = HashMap<String, String>;

/// Secrets are reviewed in every such pass: it only makes up for what a crash has left.
const SWEEP_EVERY: usize = 12;

/// Passes every `drift_interval`, for ever.
pub async fn run(cx: Arc<Context>, namespaces: Vec<Option<String>>) {
    let mut seen = Seen::new();
    let mut guardrail = Guardrail::default();
    for count in 0_usize.. {
        cx.progress.expect("the inventory", cx.settings.drift_interval.saturating_mul(2) + LONGEST_ROUND);
        tokio::time::sleep(retry::spread(cx.settings.drift_interval, rand::random())).await;
        for namespace in &namespaces {
            if count % SWEEP_EVERY == 0
                && let Err(error) = secrets::sweep(&cx, namespace.as_deref()).await
            {
                debug!(%error, "Secrets not reviewed");
            }
            if let Err(obstacle) = pass(&cx, namespace.as_deref(), &mut seen).await {
                warn!(reason = obstacle.reason.as_str(), message = obstacle.message, "inventory pass");
            }
        }
        if let Err(error) = guardrail.review(&cx, &namespaces).await {
            debug!(%error, "schedules not reviewed");
        }
    }
}

async fn pass(cx: &Context, namespace: Option<&str>, seen: &mut Seen) -> Result<(), Obstacle> {
    let bases: Vec<StripeBaseConnection> = cx.cluster.list_everywhere(namespace).await?;
    let sources: Vec<StripeSourceConnection> = cx.cluster.list_everywhere(namespace).await?;
    let flows: Vec<IngestionFlow> = cx.cluster.list_everywhere(namespace).await?;
    for site in sites(cx, &bases).await {
        let compared = async {
            compare::<model::Connection, _>(cx, &site, Role::Connection, &bases, seen).await?;
            compare::<model::SourceConnection, _>(cx, &site, Role::SourceConnection, &sources, seen).await?;
            compare::<model::TargetConnection, _>(cx, &site, Role::TargetConnection, &flows, seen).await?;
            compare::<model::Flow, _>(cx, &site, Role::Flow, &flows, seen).await
        };
        // One sandbox that fails must not keep the others from being looked at.
        if let Err(obstacle) = compared.await {
            let (organization, sandbox) = (&site.organization, &site.sandbox);
            warn!(
                organization,
                sandbox,
                reason = obstacle.reason.as_str(),
                message = obstacle.message,
                "inventory"
            );
        }
    }
    Ok(())
}

/// One site per organisation, sandbox and client: whichever base can be reached speaks for all that share its credentials.
async fn sites(cx: &Context, bases: &[StripeBaseConnection]) -> Vec<Site> {
    let mut sites = BTreeMap::new();
    for base in bases.iter().filter(|base| base.metadata.deletion_timestamp.is_none()) {
        match site::open(cx, base).await {
            Ok(site) => {
                let key = (site.organization.clone(), site.sandbox.clone(), site.client_id().to_owned());
                sites.entry(key).or_insert(site);
            }
            Err(obstacle) => debug!(
                base = base.name_any(),
                reason = obstacle.reason.as_str(),
                "no inventory for this base"
            ),
        }
    }
    sites.into_values().collect()
}

/// Compares one collection with what was seen last and wakes the owners of what moved or is gone.
async fn compare<E: Listed, K: Managed>(
    cx: &Context,
    site: &Site,
    role: Role,
    owners: &[K],
    seen: &mut Seen,
) -> Result<(), Obstacle> {
    let owned = owned_by(site, role, owners);
    if owned.is_empty() {
        return Ok(());
    }
    let filter = Filter::all().equal(E::SPEC_PATH, E::SPEC);
    let items: Vec<E> = site.session.on(Lane::Drift).list(&filter).await?;
    let listed: HashMap<String, String> = items.iter().map(|item| (item.id(), item.fingerprint())).collect();
    for (id, owner) in owned {
        // At first sight the etag that status holds is what the operator wrote or accepted last.
        let before = seen.get(&id).cloned().or_else(|| owner.etag.clone());
        let now = listed.get(&id).cloned();
        if now != before {
            cx.memory.ask_for_check(&owner.uid);
            cx.wake.wake::<K>(&owner.namespace, &owner.name);
        }
        match now {
            Some(fingerprint) => seen.insert(id, fingerprint),
            None => seen.remove(&id),
        };
    }
    Ok(())
}

fn owned_by<K: Managed>(site: &Site, role: Role, owners: &[K]) -> Vec<(String, Owned)> {
    let owned = |owner: &K| {
        let external = K::common(owner.status()?).external.iter().find(|external| external.role == role)?;
        let is_here = external.organization == site.organization && external.sandbox == site.sandbox;
        is_here.then(|| {
            let owned = Owned {
                uid: owner.uid().unwrap_or_default(),
                namespace: owner.namespace().unwrap_or_default(),
                name: owner.name_any(),
                etag: external.etag.clone(),
            };
            (external.id.clone(), owned)
        })
    };
    owners.iter().filter(|owner| owner.meta().deletion_timestamp.is_none()).filter_map(owned).collect()
}

/// An entity as the inventory lists it: filtered to our specs, since a real sandbox is shared.
trait Listed: Entity {
    const SPEC_PATH: &'static str;
    const SPEC: &'static str;

    fn id(&self) -> String {
        self.meta().id.clone()
    }

    /// Every write of an entity, the service's own included, changes its etag.
    fn fingerprint(&self) -> String {
        self.meta().etag.as_ref().map(|etag| etag.as_str().to_owned()).unwrap_or_default()
    }
}

impl Listed for model::Connection {
    const SPEC_PATH: &'static str = "connectionSpec.id";
    const SPEC: &'static str = spec::STRIPE_CONNECTION_SPEC;
}

impl Listed for model::SourceConnection {
    const SPEC_PATH: &'static str = "connectionSpec.id";
    const SPEC: &'static str = spec::STRIPE_CONNECTION_SPEC;
}

impl Listed for model::TargetConnection {
    const SPEC_PATH: &'static str = "connectionSpec.id";
    const SPEC: &'static str = spec::DATA_LAKE_CONNECTION_SPEC;
}

impl Listed for model::Flow {
    const SPEC_PATH: &'static str = "flowSpec.id";
    const SPEC: &'static str = spec::REST_FLOW_SPEC;
}
