//! Upstream objects that carry the marker of this cluster and have no custom resource any more.

use std::collections::{BTreeMap, HashSet};

use aep_operator::api::role::Role;
use aep_operator::api::{IngestionFlow, IngestionMapping, StripeBaseConnection, StripeSourceConnection};
use aep_operator::cluster::read::Found;
use aep_operator::controller::adoption;
use aep_operator::controller::managed::Managed;
use aep_operator::controller::site::{self, Site};
use aep_operator::controller::upstream::{self, MARKER_TAG, Object};
use aep_operator::domain::lookup::is_retainable;
use aep_operator::domain::marker::Marker;
use anyhow::Result;
use kube::{Client, ResourceExt};
use serde::Serialize;

use crate::args;
use crate::ask::scope;
use crate::reach::Reach;

/// One upstream object whose owner is gone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Orphan {
    /// The organisation, `…@AdobeOrg`.
    pub organization: String,
    /// The sandbox.
    pub sandbox: String,
    /// What it was to its owner.
    pub role: Role,
    /// Adobe's id.
    pub id: String,
    /// Its name, without the marker.
    pub name: String,
    /// The custom resource that it belonged to: kind, namespace and name.
    pub former_owner: String,
    /// What to do about it.
    pub what_to_do: String,
}

/// The custom resources that live, as far as markers and status name them.
#[derive(Debug, Default)]
struct Living {
    uids: HashSet<String>,
    /// Ids that a status holds.
    ids: HashSet<String>,
    /// Owners whose status names a mapping set; another one with their marker is left over.
    mapped: HashSet<String>,
}

impl Living {
    fn add<K: Managed>(&mut self, found: &Found<K>) {
        self.uids.extend(found.unparsed.iter().filter_map(ResourceExt::uid));
        for object in &found.objects {
            let uid = object.uid().unwrap_or_default();
            let external = object.status().map(|status| K::common(status).external.as_slice());
            for external in external.unwrap_or_default() {
                self.ids.insert(external.id.clone());
                if external.role == Role::MappingSet {
                    self.mapped.insert(uid.clone());
                }
            }
            self.uids.insert(uid);
        }
    }

    fn owns(&self, marker: &Marker, id: &str) -> bool {
        let is_second_set = marker.role == Role::MappingSet && self.mapped.contains(&marker.uid);
        self.ids.contains(id) || self.uids.contains(&marker.uid) && !is_second_set
    }
}

/// Looks for orphans; warnings go to standard error.
pub async fn find(client: Client, args: &args::Orphans) -> Result<Vec<Orphan>> {
    let reach = Reach::new(client.clone(), &args.reach).await?;
    let namespace = scope(&client, &args.view);
    let cluster = &reach.cx.cluster;
    let bases: Found<StripeBaseConnection> = cluster.list_everywhere(namespace).await?;
    for base in &bases.unparsed {
        let (namespace, name) = (base.namespace().unwrap_or_default(), base.name_any());
        anstream::eprintln!(
            "warning: StripeBaseConnection {namespace}/{name} cannot be read, so nothing is seen with its credentials"
        );
    }
    let mut living = Living::default();
    living.add(&bases);
    living.add(&cluster.list_everywhere::<StripeSourceConnection>(namespace).await?);
    living.add(&cluster.list_everywhere::<IngestionMapping>(namespace).await?);
    living.add(&cluster.list_everywhere::<IngestionFlow>(namespace).await?);
    let mut orphans = Vec::new();
    for site in sites(&reach, &client, &bases.objects, args).await? {
        for object in everything(&site).await? {
            let marker = object.marker().filter(|marker| {
                marker.owner.cluster == reach.cx.settings.cluster_id
                    && marker.sandbox == site.sandbox
                    && namespace.is_none_or(|namespace| marker.owner.namespace == namespace)
            });
            let Some(marker) = marker.filter(|marker| !living.owns(marker, object.id())) else { continue };
            orphans.push(orphan(&site, &object, &marker));
        }
    }
    orphans.sort();
    orphans.dedup();
    Ok(orphans)
}

/// One site per organisation, sandbox and client that the base connections name, or that of the Secret that was given.
async fn sites(
    reach: &Reach,
    client: &Client,
    bases: &[StripeBaseConnection],
    args: &args::Orphans,
) -> Result<Vec<Site>> {
    if let (Some(secret), Some(sandbox)) = (&args.credentials_secret, &args.sandbox) {
        let namespace = args.view.namespace.as_deref().unwrap_or_else(|| client.default_namespace());
        return Ok(vec![reach.site_of(namespace, secret, sandbox).await?]);
    }
    anyhow::ensure!(
        !bases.is_empty(),
        "no base connection names credentials here: give --credentials-secret and --sandbox"
    );
    let mut sites = BTreeMap::new();
    for base in bases {
        match site::open(&reach.cx, base).await {
            Ok(site) => {
                sites.insert(site.key(), site);
            }
            Err(obstacle) => anstream::eprintln!(
                "warning: nothing is seen with the credentials of StripeBaseConnection {}/{}: {}",
                base.namespace().unwrap_or_default(),
                base.name_any(),
                obstacle.message
            ),
        }
    }
    anyhow::ensure!(!sites.is_empty(), "no credentials of any base connection can be used");
    Ok(sites.into_values().collect())
}

/// Every object of a sandbox of the kinds that the operator makes.
async fn everything(site: &Site) -> Result<Vec<Object>> {
    use Role::{Connection, FieldGroup, Flow, MappingSet, Schema, SourceConnection, TargetConnection};
    let mut all = Vec::new();
    for role in [Connection, SourceConnection, TargetConnection, Flow, MappingSet, FieldGroup, Schema] {
        all.extend(upstream::list(&site.session, role).await?);
    }
    // Here the marker alone tells whose a dataset was.
    all.extend(site.session.list_tagged_data_sets(MARKER_TAG).await?.into_iter().map(Object::DataSet));
    Ok(all)
}

fn orphan(site: &Site, object: &Object, marker: &Marker) -> Orphan {
    let owner = format!("{} {}/{}", marker.role.owner_kind(), marker.owner.namespace, marker.owner.name);
    Orphan {
        organization: site.organization.clone(),
        sandbox: site.sandbox.clone(),
        role: marker.role,
        id: object.id().to_owned(),
        name: Marker::text_before(object.name()).to_owned(),
        what_to_do: what_to_do(marker.role, &owner),
        former_owner: owner,
    }
}

fn what_to_do(role: Role, owner: &str) -> String {
    let adopt = adoption::field(role);
    if role == Role::MappingSet {
        format!("nothing has to be: it stays, since Data Prep has no DELETE; {adopt} takes it over")
    } else if is_retainable(role) {
        format!("apply {owner} again, which takes it up, or delete it in AEP")
    } else {
        format!("delete it in AEP, or take it over with {adopt}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mapping(id: &str) -> IngestionMapping {
        serde_json::from_value(json!({
            "apiVersion": "ingestion.aep-operator.io/v1alpha1", "kind": "IngestionMapping",
            "metadata": {"name": "charges", "namespace": "shop", "uid": "u-1"},
            "spec": {"sourceConnectionRef": {"name": "charges"}, "targetSchema": {"existing": {"title": "Charges"}}},
            "status": {"external": [{"role": "mapping-set", "id": id, "organization": "o", "sandbox": "dev"}]},
        }))
        .expect("a mapping")
    }

    fn found(mapping: IngestionMapping) -> Found<IngestionMapping> {
        Found { objects: vec![mapping], unparsed: Vec::new() }
    }

    fn marker(uid: &str, role: &str) -> Marker {
        format!("[aep-operator/v1 {uid}/{role}/1 dev c/shop/charges]").parse().expect("a marker")
    }

    #[test]
    fn what_a_living_object_holds_or_may_be_about_to_hold_is_no_orphan() {
        let mut living = Living::default();
        living.add(&found(mapping("set-1")));
        assert!(living.owns(&marker("u-1", "mapping-set"), "set-1"));
        assert!(living.owns(&marker("u-1", "schema"), "made-just-now"), "status may not name it yet");
        assert!(
            living.owns(&marker("u-0", "mapping-set"), "set-1"),
            "taken over, whatever it is marked with"
        );
    }

    #[test]
    fn what_belongs_to_an_object_that_cannot_be_read_is_no_orphan() {
        let unparsed = json!({ "apiVersion": "v", "kind": "K", "metadata": { "uid": "u-2" } });
        let unparsed = vec![serde_json::from_value(unparsed).expect("metadata")];
        let mut living = Living::default();
        living.add(&Found::<IngestionMapping> { objects: Vec::new(), unparsed });
        assert!(living.owns(&marker("u-2", "mapping-set"), "set-1"));
    }

    #[test]
    fn what_a_deleted_object_left_and_a_second_mapping_set_are_orphans() {
        let mut living = Living::default();
        living.add(&found(mapping("set-1")));
        assert!(!living.owns(&marker("u-0", "schema"), "s"));
        assert!(!living.owns(&marker("u-1", "mapping-set"), "set-2"), "another one was recorded");
    }

    #[test]
    fn each_orphan_says_what_to_do() {
        assert!(what_to_do(Role::MappingSet, "x").contains("no DELETE"));
        let dataset = what_to_do(Role::Dataset, "IngestionFlow shop/charges");
        assert!(dataset.contains("apply IngestionFlow shop/charges again"), "{dataset}");
        assert!(what_to_do(Role::Flow, "x").contains("spec.adopt.flowId"));
    }
}
