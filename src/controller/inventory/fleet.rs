//! The custom resources as one pass finds them, and the upstream objects that their statuses name.

use std::collections::{BTreeMap, HashMap, HashSet};

use kube::ResourceExt;
use tracing::debug;

use crate::api::role::Role;
use crate::api::{IngestionFlow, IngestionMapping, StripeBaseConnection, StripeSourceConnection};
use crate::cluster::read::Found;
use crate::cluster::{Error, Kind};
use crate::controller::context::Context;
use crate::controller::managed::Managed;
use crate::controller::site::{self, Key, Site};

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
    /// UIDs of those that do not parse.
    unparsed: HashSet<String>,
}

/// A namespace, and a name in it.
type Name = (String, String);

/// Which site looks after which custom resource, by UID: that of its base connection.
pub(super) type Places = HashMap<String, Key>;

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
            part(cx.cluster.list_everywhere(namespace).await?, &mut fleet.bases, &mut fleet.unparsed);
            part(cx.cluster.list_everywhere(namespace).await?, &mut fleet.sources, &mut fleet.unparsed);
            part(cx.cluster.list_everywhere(namespace).await?, &mut fleet.mappings, &mut fleet.unparsed);
            part(cx.cluster.list_everywhere(namespace).await?, &mut fleet.flows, &mut fleet.unparsed);
        }
        Ok(fleet)
    }

    /// One site per organisation, sandbox and client, and which custom resources live there. Adobe is not asked.
    pub(super) async fn sites(&self, cx: &Context) -> (Vec<Site>, Places) {
        let (mut sites, mut of_bases) = (BTreeMap::new(), HashMap::new());
        for base in &self.bases {
            match site::unidentified(cx, base).await {
                Ok(site) => {
                    of_bases.insert(name_of(base), site.key());
                    if base.metadata.deletion_timestamp.is_none() {
                        sites.entry(site.key()).or_insert(site);
                    }
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
        (sites.into_values().collect(), self.places(&of_bases))
    }

    fn places(&self, of_bases: &HashMap<Name, Key>) -> Places {
        let of_base = |name: &Name| of_bases.get(name).cloned();
        let of_sources: HashMap<Name, Key> = self
            .sources
            .iter()
            .filter_map(|source| {
                Some((name_of(source), of_base(&beside(source, &source.spec.base_connection_ref.name))?))
            })
            .collect();
        let of_source = |name: Name| of_sources.get(&name).cloned();
        let bases = self.bases.iter().map(|base| (base.uid(), of_base(&name_of(base))));
        let sources = self.sources.iter().map(|source| (source.uid(), of_source(name_of(source))));
        let mappings = self.mappings.iter().map(|mapping| {
            (mapping.uid(), of_source(beside(mapping, &mapping.spec.source_connection_ref.name)))
        });
        let flows = self
            .flows
            .iter()
            .map(|flow| (flow.uid(), of_source(beside(flow, &flow.spec.source_connection_ref.name))));
        bases
            .chain(sources)
            .chain(mappings)
            .chain(flows)
            .filter_map(|(uid, key)| Some((uid?, key?)))
            .collect()
    }

    /// UIDs of all custom resources, those under deletion included.
    pub(super) fn uids(&self) -> HashSet<String> {
        let all = (self.bases.iter().map(ResourceExt::uid))
            .chain(self.sources.iter().map(ResourceExt::uid))
            .chain(self.mappings.iter().map(ResourceExt::uid))
            .chain(self.flows.iter().map(ResourceExt::uid));
        all.flatten().chain(self.unparsed.iter().cloned()).collect()
    }
}

/// Those that can be looked after, and the others, of which it is known that they live.
fn part<K: Kind>(found: Found<K>, parsed: &mut Vec<K>, unparsed: &mut HashSet<String>) {
    parsed.extend(found.objects);
    unparsed.extend(found.unparsed.iter().filter_map(ResourceExt::uid));
}

fn name_of(object: &impl ResourceExt) -> Name {
    beside(object, &object.name_any())
}

/// A name in the namespace of an object.
fn beside(object: &impl ResourceExt, name: &str) -> Name {
    (object.namespace().unwrap_or_default(), name.to_owned())
}

/// The objects of a role that living custom resources own at a site.
pub(super) fn known<K: Managed>(site: &Site, places: &Places, role: Role, owners: &[K]) -> Vec<Known> {
    let here = site.key();
    let known = |owner: &K| {
        let external = K::common(owner.status()?).external.iter().find(|external| external.role == role)?;
        let uid = owner.meta().uid.as_ref()?;
        let is_here = external.organization == site.organization
            && external.sandbox == site.sandbox
            && places.get(uid) == Some(&here);
        is_here.then(|| Known {
            id: external.id.clone(),
            etag: external.etag.clone(),
            uid: uid.clone(),
            namespace: owner.namespace().unwrap_or_default(),
            name: owner.name_any(),
        })
    };
    owners.iter().filter(|owner| owner.meta().deletion_timestamp.is_none()).filter_map(known).collect()
}
