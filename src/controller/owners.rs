//! Who owns an upstream object: the marker's owner if it lives, and whoever has recorded or claimed it.

use std::collections::BTreeMap;

use kube::ResourceExt;

use super::adoption::refused;
use super::managed::Managed;
use super::pass::{Pass, read_intent};
use super::site::Site;
use super::upstream::Object;
use crate::api::role::Role;
use crate::cluster::{self, Kind};
use crate::domain::adoption::{Owner, owner};
use crate::domain::marker::Marker;
use crate::domain::outcome::Obstacle;

impl<K: Managed> Pass<'_, K> {
    /// A marker of an owner that lives is respected.
    pub(super) async fn refuse_owned(
        &self,
        object: &Object,
        role: Role,
        field: &str,
        site: &Site,
    ) -> Result<(), Obstacle> {
        let id = object.external(role, site).id;
        match owner(object.marker(), &self.marker(role, &site.sandbox)) {
            Owner::Nobody => Ok(()),
            Owner::Stranger(Marker { owner, .. }) => Err(refused(
                field,
                format!(
                    "the {role} {id} carries the marker of {}/{} in cluster {}: delete that object there with deletionPolicy Retain; when it is gone, remove the marker, [aep-operator…], from the {role} in AEP",
                    owner.namespace, owner.name, owner.cluster
                ),
            )),
            Owner::Neighbour(marker) => match self.living_owner(&marker).await? {
                Some(owner) => Err(refused(field, taken(role, &id, &owner))),
                None => Ok(()),
            },
        }
    }

    /// The object of this cluster that a marker names, if it lives or nobody can tell.
    async fn living_owner(&self, marker: &Marker) -> Result<Option<String>, Obstacle> {
        let named = || format!("{} {}/{}", K::kind(&()), marker.owner.namespace, marker.owner.name);
        Ok(self.owner_lives::<K>(marker).await?.then(named))
    }

    /// Whether the custom resource of that kind that a marker names still exists. One that may not be read may exist.
    pub(super) async fn owner_lives<O: Kind>(&self, marker: &Marker) -> Result<bool, Obstacle> {
        self.owner_lives_and(marker, |_: &O| true).await
    }

    /// The same for one of which something more holds.
    pub(super) async fn owner_lives_and<O: Kind>(
        &self,
        marker: &Marker,
        holds: impl Fn(&O) -> bool,
    ) -> Result<bool, Obstacle> {
        match self.cx.cluster.get_opt::<O>(&marker.owner.namespace, &marker.owner.name).await {
            Ok(found) => {
                Ok(found.is_some_and(|found| found.uid().as_deref() == Some(&marker.uid) && holds(&found)))
            }
            Err(cluster::Error::Denied(_) | cluster::Error::Unparsed(_)) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// Another living object that has an upstream object, or has claimed to take it over.
    pub(super) async fn rival(&self, role: Role, id: &str) -> Result<Option<String>, Obstacle> {
        let all = match self.cx.cluster.list_everywhere::<K>(None).await {
            Err(cluster::Error::Denied(_)) => self.cx.cluster.list::<K>(&self.namespace()).await?,
            all => all?,
        };
        let mut others = all.objects.iter().filter(|other| other.uid().as_deref() != Some(&self.uid));
        if let Some(rival) = others.find(|other| has(*other, role, id) || claims(*other, role, id)) {
            return Ok(Some(named::<K>(rival)));
        }
        // What the spec of one that does not parse says is not known: its claim counts.
        let unparsed = all.unparsed.iter().find(|other| claimed(*other, role).as_deref() == Some(id));
        Ok(unparsed.map(named::<K>))
    }
}

/// What a refusal says of an object that has an owner.
pub(super) fn taken(role: Role, id: &str, owner: &str) -> String {
    format!(
        "the {role} {id} belongs to {owner}: delete that object with deletionPolicy Retain first, or name another {role}"
    )
}

fn named<K: Kind>(object: &impl ResourceExt) -> String {
    format!("{} {}/{}", K::kind(&()), object.namespace().unwrap_or_default(), object.name_any())
}

/// Whether status names an upstream object in that role.
pub(super) fn has<K: Managed>(object: &K, role: Role, id: &str) -> bool {
    let external = object.status().map(|status| K::common(status).external.as_slice()).unwrap_or_default();
    external.iter().any(|external| external.role == role && external.id == id)
}

/// A claim counts for as long as spec stands by it.
fn claims<K: Managed>(object: &K, role: Role, id: &str) -> bool {
    claimed(object, role).as_deref() == Some(id)
        && object.adopts(role, &BTreeMap::new()).is_some_and(|named| named.id.eq_ignore_ascii_case(id))
}

/// The id that the claim of an object takes over in a role.
fn claimed(object: &impl ResourceExt, role: Role) -> Option<String> {
    read_intent(object)?.adopted(role).map(str::to_owned)
}
