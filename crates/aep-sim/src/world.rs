//! Everything that the simulator remembers, and the one place that knows which sandbox a call works on.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::config::{Config, Organisation};
use crate::faults::Faults;
use crate::flow_service::engine::Engine;
use crate::flow_service::entity::Kind;
use crate::flow_service::store::Store;
use crate::ims::Ims;
use crate::journal::Journal;
use crate::keys::Keys;
use crate::lake::Lake;
use crate::marker::{Index, Marker};
use crate::switches::Switches;

/// One sandbox.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Space {
    /// Its id; a reset gives a new one.
    pub id: String,
    /// `active`, `resetting`, …
    pub state: String,
    /// Whether callers have lost the role that lets them see anything.
    pub role_lost: bool,
    /// The objects of Flow Service.
    pub store: Store,
    /// Schema Registry, Catalog, Data Prep and the rows.
    pub lake: Lake,
}

impl Space {
    /// The ids of everything in it, in the form of the marker index.
    fn ids(&self) -> Vec<String> {
        let own = Kind::ALL.into_iter().flat_map(|kind| self.store.all(kind)).map(|entity| entity.id.clone());
        let lake = self.lake.inventory();
        let lake = lake.as_array().into_iter().flatten().filter_map(|object| object["id"].as_str());
        own.chain(lake.map(crate::track::plain)).collect()
    }

    /// An empty sandbox.
    pub fn new(id: String) -> Self {
        Self { id, state: "active".to_owned(), role_lost: false, store: Store::default(), lake: Lake::new() }
    }
}

/// What is kept in a state file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    /// How far the virtual clock is ahead.
    pub offset_ms: i64,
    /// The switches.
    pub switches: Switches,
    /// Sandboxes by organisation and name.
    pub spaces: BTreeMap<String, BTreeMap<String, Space>>,
    /// Tokens.
    pub ims: Ims,
    /// Stripe keys and accounts.
    pub keys: Keys,
    /// Markers of live objects.
    pub markers: Index,
    /// The last number of the journal.
    pub last_seq: u64,
}

/// All of the simulator's memory.
#[derive(Debug, Clone)]
pub struct World {
    /// Who exists.
    pub config: Config,
    /// What a state file keeps.
    pub state: State,
    /// The journal.
    pub journal: Journal,
    /// Planned faults.
    pub faults: Faults,
    /// Times of recent requests by organisation and of recent token requests by client, for the limits.
    pub recent: BTreeMap<String, VecDeque<i64>>,
    /// Counts engine events.
    pub events: u64,
    /// Counts changes, so that a saver knows whether there is something to save.
    pub changes: u64,
}

impl World {
    /// A fresh one.
    pub fn new(config: Config, real_ms: i64) -> Self {
        let state = State::new(&config, real_ms);
        Self::with_state(config, state)
    }

    /// One that goes on from a saved state. Sandboxes that are new in the configuration are added.
    pub fn with_state(config: Config, mut state: State) -> Self {
        state.add_spaces(&config);
        let journal = Journal::new(config.journal_capacity, state.last_seq);
        Self {
            config,
            state,
            journal,
            faults: Faults::default(),
            recent: BTreeMap::new(),
            events: 0,
            changes: 0,
        }
    }

    /// Back to the beginning; journal numbers go on.
    pub fn reset(&mut self, real_ms: i64) {
        let journal = Journal::new(self.config.journal_capacity, self.journal.last_seq());
        let changes = self.changes + 1;
        *self = Self { journal, changes, ..Self::new(self.config.clone(), real_ms) };
    }

    /// The virtual time at a real one.
    pub fn virtual_ms(&self, real_ms: i64) -> i64 {
        real_ms.saturating_add(self.state.offset_ms)
    }

    /// An organisation.
    pub fn organisation(&self, org: &str) -> Option<&Organisation> {
        self.config.organisations.iter().find(|organisation| organisation.org_id == org)
    }

    /// A sandbox.
    pub fn space(&mut self, org: &str, sandbox: &str) -> Option<&mut Space> {
        self.state.spaces.get_mut(org)?.get_mut(sandbox)
    }

    /// Lets time pass in all sandboxes.
    pub fn advance(&mut self, real_ms: i64) {
        let now_ms = self.virtual_ms(real_ms);
        let State { spaces, keys, switches, .. } = &mut self.state;
        let mut skipped = Vec::new();
        for space in spaces.values_mut().flat_map(BTreeMap::values_mut) {
            let Space { store, lake, .. } = space;
            let (events, left_out) = Engine { store, lake, keys, switches }.advance(now_ms);
            self.changes += events;
            self.events += events;
            skipped.extend(left_out);
        }
        for skip in skipped {
            let body = json!({"flowId": skip.flow_id, "runs": skip.runs, "fromMs": skip.from_ms});
            self.journal.event("runsSkipped", now_ms, real_ms, body);
        }
    }

    /// Notes which markers an object carries; no markers when it is gone.
    pub fn mark(&mut self, org: &str, id: &str, markers: &BTreeSet<Marker>, seq: u64, now_ms: i64) {
        self.state.markers.set(org, id, markers, seq, now_ms);
    }

    /// Notes that an object is gone.
    pub fn unmark(&mut self, org: &str, id: &str, seq: u64, now_ms: i64) {
        self.state.markers.set(org, id, &BTreeSet::new(), seq, now_ms);
    }

    /// A new and empty sandbox; nothing happens if there is one of that name.
    pub fn create_space(&mut self, org: &str, sandbox: &str) {
        if let Some(spaces) = self.state.spaces.get_mut(org) {
            spaces.entry(sandbox.to_owned()).or_insert_with(|| Space::new(uuid::Uuid::new_v4().to_string()));
        }
    }

    /// Empties a sandbox and gives it another id, as Adobe's reset does. `false` when there is no such sandbox.
    pub fn reset_space(&mut self, org: &str, sandbox: &str, now_ms: i64) -> bool {
        let Some(space) = self.space(org, sandbox) else { return false };
        let ids = space.ids();
        *space = Space::new(uuid::Uuid::new_v4().to_string());
        let seq = self.journal.last_seq();
        for id in ids {
            self.unmark(org, &id, seq, now_ms);
        }
        true
    }

    /// Where an object of Flow Service is: organisation, sandbox and kind.
    pub fn find(&self, id: &str) -> Option<(String, String, Kind)> {
        for (org, spaces) in &self.state.spaces {
            for (name, space) in spaces {
                let kind = Kind::ALL.into_iter().find(|kind| space.store.get(*kind, id).is_some());
                if let Some(kind) = kind {
                    return Some((org.clone(), name.clone(), kind));
                }
            }
        }
        None
    }

    /// Where an object of Schema Registry, Catalog or Data Prep is: organisation and sandbox.
    pub fn find_in_lake(&self, id: &str) -> Option<(String, String)> {
        let has = |space: &Space| {
            let found = space.lake.inventory();
            found.as_array().is_some_and(|objects| objects.iter().any(|object| object["id"] == id))
        };
        let mut spaces = self
            .state
            .spaces
            .iter()
            .flat_map(|(org, spaces)| spaces.iter().map(move |(name, space)| (org, name, space)));
        spaces.find(|(_, _, space)| has(space)).map(|(org, name, _)| (org.clone(), name.clone()))
    }

    /// The state as it is saved.
    pub fn saved(&self) -> State {
        State { last_seq: self.journal.last_seq(), ..self.state.clone() }
    }
}

impl State {
    fn new(config: &Config, real_ms: i64) -> Self {
        let mut state = Self {
            offset_ms: 0,
            switches: config.switches.clone(),
            spaces: BTreeMap::new(),
            ims: Ims::default(),
            keys: Keys::new(config, real_ms),
            markers: Index::default(),
            last_seq: 0,
        };
        state.add_spaces(config);
        state
    }

    fn add_spaces(&mut self, config: &Config) {
        for organisation in &config.organisations {
            let spaces = self.spaces.entry(organisation.org_id.clone()).or_default();
            for sandbox in &organisation.sandboxes {
                let id =
                    sandbox.id.clone().unwrap_or_else(|| sandbox_id(&organisation.org_id, &sandbox.name));
                spaces.entry(sandbox.name.clone()).or_insert_with(|| Space::new(id));
            }
        }
    }
}

/// An id that stays the same from start to start.
fn sandbox_id(org: &str, name: &str) -> String {
    let digest = crate::secret::digest(&format!("{org}/{name}"));
    let bytes = u128::from_str_radix(&digest, 16).unwrap_or_default().to_be_bytes();
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}
