//! The custom resources as one pass finds them, and the upstream objects that their statuses name.

use std::collections::{BTreeMap, HashSet};

use kube::ResourceExt;
use tracing::debug;

use crate::api::role::Role;
use crate::api::{IngestionFlow, IngestionMapping, StripeBaseConnection, StripeSourceConnection};
use crate::cluster::Error;
use crate::controller::context::Context;
use crate::controller::managed::Managed;
use crate::controller::site::{self, Site};

/// All custom resources that this installation looks after.
#[derive(Debug, Default)]
pub struct Fleet {
    /// Base connections.
    pub bases: Vec<StripeBaseConnection>,
    /// Source connections.
    pub sources: Vec<StripeSourceConnection>,
    /// Mappings.
    pub mappings: Vec<IngestionMapping>,
    /// Flows.
    pub flows: Vec<IngestionFlow>,
}

/// A custom resource that owns an upstream object.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// Adobe's id of the object.
    pub(super) id: String,
    /// The etag, or the version, that status holds.
    pub(super) etag: Option<String>,
    /// UID of the custom resource.
    pub(super) uid: String,
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Fleet {
    /// Reads all four kinds, in some namespaces or in all (`None`).
    pub async fn read(cx: &Context, namespaces: &[Option<String>]) -> Result<Self, Error> {
        let mut fleet = Self::default();
        for namespace in namespaces.iter().map(Option::as_deref) {
            fleet.bases.extend(cx.cluster.list_everywhere(namespace).await?);
            fleet.sources.extend(cx.cluster.list_everywhere(namespace).await?);
            fleet.mappings.extend(cx.cluster.list_everywhere(namespace).await?);
            fleet.flows.extend(cx.cluster.list_everywhere(namespace).await?);
        }
        Ok(fleet)
    }

    /// One site per organisation, sandbox and client: whichever base can be reached speaks for all that share its credentials.
    pub(super) async fn sites(&self, cx: &Context) -> Vec<Site> {
        let mut sites = BTreeMap::new();
        for base in self.bases.iter().filter(|base| base.metadata.deletion_timestamp.is_none()) {
            match site::open(cx, base).await {
                Ok(site) => {
                    sites.entry(site.key()).or_insert(site);
                }
                Err(obstacle) => {
                    debug!(
                        base = base.name_any(),
                        reason = obstacle.reason.as_str(),
                        "no inventory for this base"
                    );
                }
            }
        }
        sites.into_values().collect()
    }

    /// UIDs of all custom resources, those under deletion included.
    pub(super) fn uids(&self) -> HashSet<String> {
        let all = (self.bases.iter().map(ResourceExt::uid))
            .chain(self.sources.iter().map(ResourceExt::uid))
            .chain(self.mappings.iter().map(ResourceExt::uid))
            .chain(self.flows.iter().map(ResourceExt::uid));
        all.flatten().collect()
    }
}

/// The objects of a role that living custom resources own at a site.
pub(super) fn known<K: Managed>(site: &Site, role: Role, owners: &[K]) -> Vec<Known> {
    let known = |owner: &K| {
        let external = K::common(owner.status()?).external.iter().find(|external| external.role == role)?;
        let is_here = external.organization == site.organization && external.sandbox == site.sandbox;
        is_here.then(|| Known {
            id: external.id.clone(),
            etag: external.etag.clone(),
            uid: owner.uid().unwrap_or_default(),
            namespace: owner.namespace().unwrap_or_default(),
            name: owner.name_any(),
        })
    };
    owners.iter().filter(|owner| owner.meta().deletion_timestamp.is_none()).filter_map(known).collect()
}
