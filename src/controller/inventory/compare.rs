//! List pages against the custom resources. What moved goes to the reconcile of its owner together with the list item, so that nothing is
//! read twice. Nobody is woken before a whole shelf was read: only then it is known whether what is missing can be believed to be.

use std::collections::{HashMap, HashSet};

use tokio::time::Instant;

use super::brake::{Place, Shelf};
use super::fleet::{Fleet, Known, Places, known};
use super::identities;
use super::orphans::{Unnamed, unnamed};
use super::runs;
use super::sight::{Seen, Sight};
use crate::aep::Lane;
use crate::api::role::Role;
use crate::api::{IngestionFlow, IngestionMapping, StripeBaseConnection, StripeSourceConnection};
use crate::controller::context::Context;
use crate::controller::managed::Managed;
use crate::controller::memory::Shown;
use crate::controller::site::Site;
use crate::controller::upstream::{self, Object};
use crate::domain::outcome::Obstacle;

/// What the lists showed of the objects of one role.
struct Found {
    role: Role,
    moved: Vec<(Known, Object, Sight)>,
    missing: Vec<Known>,
    known: usize,
}

/// One look at one site.
pub(super) struct Look<'a> {
    pub(super) cx: &'a Context,
    pub(super) site: &'a Site,
    pub(super) fleet: &'a Fleet,
    pub(super) places: &'a Places,
    /// When the round began.
    pub(super) round: Instant,
    pub(super) seen: &'a mut Seen,
    /// Marked objects that no status names.
    pub(super) unnamed: &'a mut Vec<Unnamed>,
}

impl Look<'_> {
    /// Connections, source and target connections, flows.
    pub(super) async fn at_flow_service(&mut self) -> Result<(), Obstacle> {
        let (began, fleet) = (Instant::now(), self.fleet);
        let bases = self.compare(Role::Connection, &fleet.bases).await?;
        let sources = self.compare(Role::SourceConnection, &fleet.sources).await?;
        let targets = self.compare(Role::TargetConnection, &fleet.flows).await?;
        let flows = self.compare(Role::Flow, &fleet.flows).await?;
        self.note(Shelf::Flows, began, &[&bases, &sources, &targets, &flows]);
        let moved = flows.moved.iter().map(|(owner, object, _)| (owner.uid.as_str(), object));
        let runs = runs::hand_over(self.cx, self.site, &fleet.flows, moved).await;
        self.hand_over::<StripeBaseConnection>(bases, began);
        self.hand_over::<StripeSourceConnection>(sources, began);
        self.hand_over::<IngestionFlow>(targets, began);
        self.hand_over::<IngestionFlow>(flows, began);
        // Whoever is woken reads the runs itself where they could not be read together.
        runs
    }

    /// Field groups, schemas, mapping sets and datasets.
    pub(super) async fn at_lake(&mut self) -> Result<(), Obstacle> {
        let (began, fleet) = (Instant::now(), self.fleet);
        let groups = self.compare(Role::FieldGroup, &fleet.mappings).await?;
        let schemas = self.compare(Role::Schema, &fleet.mappings).await?;
        let sets = self.compare(Role::MappingSet, &fleet.mappings).await?;
        let data_sets = self.compare(Role::Dataset, &fleet.flows).await?;
        self.note(Shelf::Lake, began, &[&groups, &schemas, &sets, &data_sets]);
        self.review_identities(&schemas).await?;
        self.hand_over::<IngestionMapping>(groups, began);
        self.hand_over::<IngestionMapping>(schemas, began);
        self.hand_over::<IngestionMapping>(sets, began);
        self.hand_over::<IngestionFlow>(data_sets, began);
        Ok(())
    }

    /// Identities that others removed. A descriptor stands beside its schema, whose version it does not move, so one list of all of them
    /// tells which of those that spec asks for are missing. Without identities in spec nothing is asked.
    async fn review_identities(&self, schemas: &Found) -> Result<(), Obstacle> {
        let began = Instant::now();
        let missing: HashSet<&str> = schemas.missing.iter().map(|schema| schema.id.as_str()).collect();
        let mut asked_for = Vec::new();
        for mapping in &self.fleet.mappings {
            let Some(wanted) = identities::wanted(mapping) else { continue };
            let schemas =
                known(self.site, self.places, Role::Schema, std::slice::from_ref(mapping)).into_iter();
            let there = schemas.filter(|schema| !missing.contains(schema.id.as_str()));
            asked_for.extend(there.map(|schema| (wanted.clone(), schema)));
        }
        if asked_for.is_empty() {
            return Ok(());
        }
        let found = self.site.session.on(Lane::Drift).list_identities().await?;
        for (wanted, schema) in asked_for {
            if !identities::stand(&wanted, &schema.id, &found)
                && self.cx.memory.show(&schema.uid, Role::Schema, Shown::Moved, began)
            {
                self.cx.wake.wake::<IngestionMapping>(&schema.namespace, &schema.name);
            }
        }
        Ok(())
    }

    async fn compare<K: Managed>(&mut self, role: Role, owners: &[K]) -> Result<Found, Obstacle> {
        let owned = known(self.site, self.places, role, owners);
        let mut found = Found { role, moved: Vec::new(), missing: Vec::new(), known: owned.len() };
        if owned.is_empty() {
            return Ok(found);
        }
        let items = upstream::list(&self.site.session.on(Lane::Drift), role).await?;
        let mut items: HashMap<String, Object> =
            items.into_iter().map(|item| (item.id().to_owned(), item)).collect();
        for owner in owned {
            let Some(item) = items.remove(&owner.id) else {
                found.missing.push(owner);
                continue;
            };
            let sight = Sight::of(&item);
            if sight.is_news(self.seen.get(&owner.id), &owner) {
                found.moved.push((owner, item, sight));
            } else {
                self.seen.insert(owner.id, sight);
            }
        }
        self.unnamed.extend(unnamed(self.site, items.into_values()));
        Ok(found)
    }

    fn note(&self, at: Shelf, began: Instant, found: &[&Found]) {
        let known = found.iter().map(|found| found.known).sum();
        let missing = found.iter().map(|found| found.missing.len()).sum();
        self.cx.brake.note(Place::of(self.site, at), (self.round, began), known, missing);
    }

    /// Wakes the owners. What was listed before the operator's own last write tells nothing and is looked at in the next round.
    fn hand_over<K: Managed>(&mut self, found: Found, began: Instant) {
        for (owner, object, sight) in found.moved {
            if self.cx.memory.show(&owner.uid, found.role, shown(object), began) {
                self.seen.insert(owner.id, sight);
                self.cx.wake.wake::<K>(&owner.namespace, &owner.name);
            }
        }
        for owner in found.missing {
            self.seen.remove(&owner.id);
            if self.cx.memory.show(&owner.uid, found.role, Shown::Missing(owner.id), began) {
                self.cx.wake.wake::<K>(&owner.namespace, &owner.name);
            }
        }
    }
}

/// Of mapping sets and schemas a list may leave out rows and fields, so they are read again.
fn shown(object: Object) -> Shown {
    match object {
        Object::MappingSet(_) | Object::Resource(_) => Shown::Moved,
        object => Shown::There(Box::new(object)),
    }
}
