//! Upstream objects with our marker whose custom resource does not exist: told once, and left alone.

use std::collections::{HashMap, HashSet};

use tracing::warn;

use super::fleet::Fleet;
use crate::controller::context::Context;
use crate::controller::site::Site;
use crate::controller::upstream::Object;
use crate::domain::marker::Marker;
use crate::telemetry::metrics::Happening;

/// What the passes found. An object counts when two passes in a row show it: lists may lag behind a deletion.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    /// Shown by this pass, by id.
    now: HashMap<String, Marker>,
    /// Shown by the pass before.
    before: HashSet<String>,
    told: HashSet<String>,
}

/// An upstream object that no status names: its id and its marker.
pub(super) type Unnamed = (String, Marker);

/// Those of some objects that carry a marker of their sandbox.
pub(super) fn unnamed(site: &Site, objects: impl Iterator<Item = Object>) -> impl Iterator<Item = Unnamed> {
    objects.filter_map(|object| {
        let marker = object.marker().filter(|marker| marker.sandbox == site.sandbox)?;
        Some((object.id().to_owned(), marker))
    })
}

impl Orphans {
    /// Notes objects that no status names.
    pub(super) fn consider(&mut self, unnamed: Vec<Unnamed>) {
        self.now.extend(unnamed);
    }

    /// Ends a pass: tells of each orphan once.
    pub(super) fn review(&mut self, cx: &Context, fleet: &Fleet, namespaces: &[Option<String>]) {
        let living = fleet.uids();
        let is_watched = |namespace: &str| {
            namespaces.iter().any(|watched| watched.as_deref().is_none_or(|own| own == namespace))
        };
        let is_orphan = |marker: &Marker| {
            marker.owner.cluster == cx.settings.cluster_id
                && is_watched(&marker.owner.namespace)
                && !living.contains(&marker.uid)
        };
        self.now.retain(|_, marker| is_orphan(marker));
        for (id, marker) in self.now.iter().filter(|(id, _)| self.before.contains(*id)) {
            if self.told.insert(id.clone()) {
                cx.metrics.count(Happening::OrphanFound, marker.role.owner_kind());
                warn!(
                    id,
                    role = %marker.role,
                    owner = %marker.owner,
                    "an upstream object carries the marker of a custom resource that does not exist: delete it in AEP, or take it over with adopt"
                );
            }
        }
        self.told.retain(|id| self.now.contains_key(id));
        self.before = std::mem::take(&mut self.now).into_keys().collect();
    }
}
