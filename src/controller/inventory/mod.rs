//! The inventory: list pages instead of one GET per object tell what moved upstream, and only what moved is woken.
//!
//! ```text
//!  every --drift-interval        Flow Service   connections, source and target connections, flows
//!  every --slow-drift-interval   the lake       field groups, schemas, identities, mapping sets, datasets
//!
//!  Fleet (custom resources) + list pages ──┬─ as seen last ............. nothing
//!                                          ├─ moved .................... the list item goes to the reconcile of its owner
//!                                          ├─ missing .................. its owner looks; the brake says how much is missing
//!                                          └─ ours without an owner .... told once
//! ```
//!
//! One pass per organisation, sandbox and credential. A run moves a flow's etag and the details of its last run; only the latter are a
//! reason to look.

mod brake;
mod compare;
mod fleet;
mod identities;
mod orphans;
mod runs;
mod sight;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::Instant;
use tracing::{Instrument as _, debug, info_span, warn};

pub use self::brake::{Brake, Place, Shelf, Verdict};
use self::compare::Look;
pub use self::fleet::Fleet;
use self::fleet::Places;
use self::orphans::{Orphans, Unnamed};
use self::sight::Seen;
use super::context::Context;
use super::guardrail::Guardrail;
use super::secrets;
use super::site::{self, Key, Site};
use crate::domain::outcome::Obstacle;
use crate::domain::retry;

/// How long one round may take: each call in it has its deadline, and a large sandbox has many pages.
const LONGEST_ROUND: Duration = Duration::from_mins(30);
/// A site that no round has looked at for so many is forgotten: a day, at five minutes each.
const FORGOTTEN_AFTER: usize = 288;
/// Secrets are reviewed once in so many rounds: it only makes up for what a crash has left.
const SWEEP_EVERY: usize = 12;

/// Rounds every `drift_interval`, for ever.
pub async fn run(cx: Arc<Context>, namespaces: Vec<Option<String>>) {
    let mut inventory = Inventory::new(namespaces);
    loop {
        cx.progress.expect("the inventory", cx.settings.drift_interval.saturating_mul(2) + LONGEST_ROUND);
        tokio::time::sleep(retry::spread(cx.settings.drift_interval, rand::random())).await;
        inventory.round(&cx).instrument(info_span!("inventory round")).await;
    }
}

/// What the rounds so far have shown.
pub struct Inventory {
    namespaces: Vec<Option<String>>,
    rounds: usize,
    kept: HashMap<Key, Kept>,
    orphans: Orphans,
    guardrail: Guardrail,
}

/// What they have shown of one site.
#[derive(Default)]
struct Kept {
    seen: Seen,
    /// When the lake was looked at last, from end to end.
    last_slow: Option<Instant>,
    /// The last round that looked at it.
    round: usize,
}

/// What one round looks at.
struct Round<'a> {
    cx: &'a Context,
    fleet: &'a Fleet,
    places: &'a Places,
    began: Instant,
}

impl Inventory {
    /// An inventory of some namespaces, or of all (`None`).
    pub fn new(namespaces: Vec<Option<String>>) -> Self {
        Self {
            namespaces,
            rounds: 0,
            kept: HashMap::new(),
            orphans: Orphans::default(),
            guardrail: Guardrail::default(),
        }
    }

    /// One round over everything, all organisations at the same time. What fails is told and tried again in the next.
    pub async fn round(&mut self, cx: &Context) {
        if self.rounds.is_multiple_of(SWEEP_EVERY) {
            self.review_secrets(cx).await;
        }
        self.rounds += 1;
        let fleet = match Fleet::read(cx, &self.namespaces).await {
            Ok(fleet) => fleet,
            Err(error) => return warn!(%error, "no inventory: the custom resources could not be read"),
        };
        let (sites, places) = fleet.sites(cx).await;
        let mut of_organizations: BTreeMap<String, Vec<(Site, Kept)>> = BTreeMap::new();
        for site in sites {
            let kept = self.kept.remove(&site.key()).unwrap_or_default();
            of_organizations.entry(site.organization.clone()).or_default().push((site, kept));
        }
        // A site may be out of reach for some rounds; what was seen there still holds.
        self.kept.retain(|_, kept| self.rounds - kept.round < FORGOTTEN_AFTER);
        let round = Round { cx, fleet: &fleet, places: &places, began: Instant::now() };
        let looks = of_organizations.into_values().map(|sites| round.look_at(sites));
        for (key, kept, unnamed) in join_all(looks).await.into_iter().flatten() {
            self.kept.insert(key, Kept { round: self.rounds, ..kept });
            self.orphans.consider(unnamed);
        }
        self.orphans.review(cx, &fleet, &self.namespaces);
        self.guardrail.review(cx, &fleet).await;
    }

    async fn review_secrets(&self, cx: &Context) {
        for namespace in &self.namespaces {
            if let Err(error) = secrets::sweep(cx, namespace.as_deref()).await {
                debug!(%error, "Secrets not reviewed");
            }
        }
    }
}

impl Round<'_> {
    /// The sites of one organisation, one after the other.
    async fn look_at(&self, sites: Vec<(Site, Kept)>) -> Vec<(Key, Kept, Vec<Unnamed>)> {
        let mut seen = Vec::new();
        for (site, mut kept) in sites {
            let (key, mut unnamed) = (site.key(), Vec::new());
            match site::identified(self.cx, site.clone()).await {
                Ok(site) => self.look(&site, &mut kept, &mut unnamed).await,
                Err(obstacle) => tell(&site, &obstacle),
            }
            seen.push((key, kept, unnamed));
        }
        seen
    }

    async fn look(&self, site: &Site, kept: &mut Kept, unnamed: &mut Vec<Unnamed>) {
        let Self { cx, fleet, places, began } = *self;
        let is_slow = kept.last_slow.is_none_or(|last| last.elapsed() >= cx.settings.slow_drift_interval);
        let mut look = Look { cx, site, fleet, places, round: began, seen: &mut kept.seen, unnamed };
        // One shelf that fails must not keep the other from being looked at.
        if let Err(obstacle) = look.at_flow_service().await {
            tell(site, &obstacle);
        }
        if is_slow {
            match look.at_lake().await {
                Ok(()) => kept.last_slow = Some(began),
                Err(obstacle) => tell(site, &obstacle),
            }
        }
    }
}

fn tell(site: &Site, obstacle: &Obstacle) {
    let (organization, sandbox) = (&site.organization, &site.sandbox);
    warn!(organization, sandbox, reason = obstacle.reason.as_str(), message = obstacle.message, "inventory");
}
