//! What every reconcile needs: the two ports, the settings, the clock and the memory of this process.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;

use super::inventory::Brake;
use super::known::Known;
use super::memory::Memory;
use super::rotation::Trials;
use super::seats::Seats;
use super::wake::Wake;
use crate::aep::Aep;
use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::domain::marker::Owner;
use crate::telemetry::{Census, Metrics, Progress};

/// Settings of the controllers.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Names this cluster in markers.
    pub cluster_id: String,
    /// Period of the inventory pass over Flow Service, and of the recheck of stalled objects.
    pub drift_interval: Duration,
    /// Period of the inventory pass over mapping sets, schemas and datasets.
    pub slow_drift_interval: Duration,
    /// How long a lost answer may still surface upstream, beyond the deadline of a call.
    pub lookup_grace: Duration,
    /// How far ahead a flow that must not run yet is started.
    pub held_start: Duration,
    /// Whether Secrets in use get a finalizer.
    pub protect_secrets: bool,
    /// Whether a changed Stripe key is tried on a connection of its own first.
    pub verify_rotation: bool,
    /// Concurrent reconciles per kind, for one organisation.
    pub concurrency: u16,
}

/// What every reconcile needs.
pub struct Context {
    /// The API server.
    pub cluster: Cluster,
    /// Adobe.
    pub aep: Aep,
    /// Settings.
    pub settings: Settings,
    /// Memory of this process.
    pub memory: Memory,
    /// Facts about organisations and sandboxes that do not change while the process lives.
    pub known: Known,
    /// Verdicts on new keys.
    pub trials: Trials,
    /// Places for passes.
    pub seats: Arc<Seats>,
    /// Wakes single objects.
    pub wake: Wake,
    /// What the inventory says of each sandbox as a whole.
    pub brake: Brake,
    /// The time.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Metrics,
    /// Passes and loops under way.
    pub progress: Progress,
    /// The objects as the watches hold them.
    pub census: Census,
    /// Until when this process may write; its owner moves the moment ahead as long as it leads.
    pub leading_until: watch::Receiver<Instant>,
}

impl Context {
    /// The context of a process that has seen nothing yet.
    pub fn new(
        cluster: Cluster,
        aep: Aep,
        settings: Settings,
        clock: Clock,
        metrics: Metrics,
        leading_until: watch::Receiver<Instant>,
    ) -> Self {
        Self {
            cluster,
            aep,
            seats: Seats::new(settings.concurrency),
            settings,
            memory: Memory::default(),
            known: Known::default(),
            trials: Trials::default(),
            wake: Wake::default(),
            brake: Brake::default(),
            clock,
            metrics,
            progress: Progress::default(),
            census: Census::default(),
            leading_until,
        }
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The owner part of markers.
    pub fn owner(&self, namespace: &str, name: &str) -> Owner {
        Owner {
            cluster: self.settings.cluster_id.clone(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }
}
