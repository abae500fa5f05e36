//! One world: an API server, a simulator, and processes of the operator that come and go. There are no watches: a round gives every
//! object to the reconciler, as the watches would sooner or later, and the clock moves only when a round changed nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aep_operator::aep::{self, Aep};
use aep_operator::api::{
    APPROVE, IngestionFlow, IngestionMapping, StripeBaseConnection, StripeSourceConnection,
};
use aep_operator::clock::{self, Clock};
use aep_operator::cluster::Cluster;
use aep_operator::controller::inventory::Inventory;
use aep_operator::controller::managed::Managed;
use aep_operator::controller::{Context, Settings, reconcile};
use aep_operator::domain::outcome::Obstacle;
use aep_operator::telemetry::Metrics;
use aep_sim::{Config, Sim};
use jiff::Timestamp;
use kube::runtime::controller::Action;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

pub mod seen;

use super::apiserver::ApiServer;
use super::ports::{Wire, client};
use super::tape::{Plan, Tape};
use crate::support::objects;

/// The four kinds, in the order of their references.
pub const KINDS: [&str; 4] =
    ["StripeBaseConnection", "StripeSourceConnection", "IngestionMapping", "IngestionFlow"];
/// How long a lost answer may surface, in these tests.
pub const GRACE: Duration = Duration::from_secs(90);
/// Rounds until a world has to be settled.
const ROUNDS: usize = 80;

/// A world.
pub struct World {
    /// The API server.
    pub api: ApiServer,
    /// Adobe.
    pub sim: Sim,
    clock: Clock,
    trace: Arc<Mutex<Vec<String>>>,
    approvals: Option<Mutex<BTreeMap<String, Vec<String>>>>,
}

/// One process of the operator.
pub struct Process {
    /// What its reconciles share.
    pub cx: Arc<Context>,
    /// Its exchanges.
    pub tape: Tape,
    _leader: watch::Sender<Instant>,
}

/// How one pass ended.
#[derive(Debug)]
pub enum Pass {
    /// The object does not exist.
    Absent,
    /// It returned.
    Ended(Result<Action, Obstacle>),
    /// The process died in it.
    Died,
}

/// How a run of rounds ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Every object is Ready, or gone.
    Settled,
    /// The process died.
    Died,
}

/// In which order a round takes the objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Parents first.
    ParentsFirst,
    /// Children first.
    ChildrenFirst,
    /// Another order in every round.
    Random(u64),
}

impl World {
    /// A world with the two Secrets and nothing else.
    pub fn new() -> Self {
        Self::configured(Config::default())
    }

    /// The same, with another Adobe.
    pub fn configured(config: Config) -> Self {
        let world = Self {
            api: ApiServer::new(),
            sim: Sim::new(config),
            clock: paused_clock(),
            trace: Arc::default(),
            approvals: None,
        };
        world.api.apply(&objects::platform_secret());
        world.api.apply(&objects::stripe_secret());
        world
    }

    /// A world with the objects of a user.
    pub fn with(objects: &[Value]) -> Self {
        let world = Self::new();
        objects.iter().for_each(|object| world.api.apply(object));
        world
    }

    /// A world in which everything is Ready, and the process that made it so.
    pub async fn settled(objects: &[Value]) -> (Self, Process) {
        let world = Self::with(objects);
        let process = world.blank_process("p", Plan::Live);
        world.settle(&process).await;
        (world, process)
    }

    /// The same, seen by an inventory.
    pub async fn kept(objects: &[Value]) -> (Self, Process, Inventory) {
        let (world, process) = Self::settled(objects).await;
        let mut inventory = Inventory::new(vec![None]);
        assert_eq!(world.keep(&process, &mut inventory).await, Ok(End::Settled), "{:#?}", world.trace());
        (world, process, inventory)
    }

    /// The same world with a user who approves whatever waits for approval.
    #[must_use]
    pub fn approving(self) -> Self {
        Self { approvals: Some(Mutex::default()), ..self }
    }

    /// The digests that the user approved, by kind, in their order.
    pub fn approvals(&self) -> BTreeMap<String, Vec<String>> {
        let approvals = self.approvals.as_ref();
        approvals.map(|of| of.lock().unwrap_or_else(PoisonError::into_inner).clone()).unwrap_or_default()
    }

    /// The user approves what waits.
    pub fn approve(&self) {
        let Some(approvals) = &self.approvals else { return };
        for object in KINDS.iter().flat_map(|kind| self.api.list(kind)) {
            let (kind, name) = (text(&object, "/kind"), text(&object, "/metadata/name"));
            let digest = text(&object, "/status/pending/digest");
            let approved = text(&object, &format!("/metadata/annotations/{}", APPROVE.replace('/', "~1")));
            if digest.is_empty() || digest == approved {
                continue;
            }
            self.api.edit_metadata(&kind, &name, &json!({ "annotations": { APPROVE: digest } }));
            let mut approvals = approvals.lock().unwrap_or_else(PoisonError::into_inner);
            approvals.entry(format!("{kind} {name}")).or_default().push(digest);
        }
    }

    /// A new process, which first lists what exists.
    pub fn process(&self, label: &'static str, plan: Plan) -> Process {
        let process = self.blank_process(label, plan);
        for kind in KINDS {
            for object in self.api.list(kind) {
                process.cx.memory.note_listed(object["metadata"]["uid"].as_str().unwrap_or_default());
            }
        }
        process
    }

    /// A process that meets every object by an event.
    pub fn blank_process(&self, label: &'static str, plan: Plan) -> Process {
        self.paced_process(label, plan, 1_000_000.0)
    }

    /// A process that meets every object by an event, and keeps to so many requests per second and organisation.
    pub fn paced_process(&self, label: &'static str, plan: Plan, requests_per_second: f64) -> Process {
        let tape = Tape::new(label, plan, Arc::clone(&self.trace));
        let wire = Arc::new(Wire::new(self.sim.clone(), tape.clone()));
        let (leader, leading_until) = aep::sole_leadership();
        let cluster = Cluster::new(client(self.api.clone(), tape.clone()), Some(label.to_owned()));
        let aep = Aep::new(aep_settings(requests_per_second), wire).expect("the settings should be valid");
        let settings = Settings {
            cluster_id: "test-cluster".to_owned(),
            drift_interval: Duration::from_mins(5),
            slow_drift_interval: Duration::from_mins(10),
            lookup_grace: GRACE,
            held_start: Duration::from_hours(24),
            protect_secrets: true,
            verify_rotation: true,
            concurrency: 8,
        };
        let cx = Context::new(cluster, aep, settings, self.clock.clone(), Metrics::default(), leading_until);
        Process { cx: Arc::new(cx), tape, _leader: leader }
    }

    /// One pass over an object as it stands.
    pub async fn pass(&self, process: &Process, kind: &str, name: &str) -> Pass {
        match self.api.get(kind, name) {
            Some(object) => pass_over(process, kind, object).await,
            None => Pass::Absent,
        }
    }

    /// Rounds until all objects are Ready or gone, which has to come about.
    pub async fn settle(&self, process: &Process) {
        if let Err(problem) = self.try_settle(process).await {
            panic!("{problem}");
        }
    }

    /// The same; anything else is told with all that was exchanged.
    pub async fn try_settle(&self, process: &Process) -> Result<(), String> {
        match self.run(process, Order::ParentsFirst).await {
            Ok(End::Settled) => Ok(()),
            other => Err(format!("{other:?}\n{}", self.trace().join("\n"))),
        }
    }

    /// Rounds until all objects are Ready or gone, or the process dies.
    pub async fn run(&self, process: &Process, order: Order) -> Result<End, String> {
        self.run_with(process, order, None).await
    }

    /// The same, while a request of a former process is still on its way: it is executed when nothing else moves.
    pub async fn run_after(&self, process: &Process, former: &Process, order: Order) -> Result<End, String> {
        self.run_with(process, order, Some(&former.tape)).await
    }

    async fn run_with(&self, process: &Process, order: Order, former: Option<&Tape>) -> Result<End, String> {
        let mut last = BTreeMap::new();
        for round in 0..ROUNDS {
            let before = self.fingerprint();
            for (kind, name) in self.order(order, round) {
                match self.pass(process, kind, &name).await {
                    Pass::Died => return Ok(End::Died),
                    Pass::Ended(Err(obstacle)) => last.insert(format!("{kind} {name}"), Some(obstacle)),
                    Pass::Ended(Ok(_)) | Pass::Absent => last.insert(format!("{kind} {name}"), None),
                };
            }
            self.approve();
            if self.fingerprint() != before {
                continue;
            }
            if self.is_settled() {
                return Ok(End::Settled);
            }
            if let Some(request) = former.and_then(Tape::take_on_its_way) {
                request.await;
                continue;
            }
            let obstacles = last.values().flatten();
            let wait = obstacles.filter_map(|obstacle| obstacle.retry_after).min();
            tokio::time::advance(wait.unwrap_or(Duration::from_secs(5))).await;
        }
        Err(format!("not settled after {ROUNDS} rounds: {last:#?}"))
    }

    /// Inventory rounds, an interval apart, each followed by passes over everything, until three in a row, a slow one among them, changed
    /// nothing.
    pub async fn keep(&self, process: &Process, inventory: &mut Inventory) -> Result<End, String> {
        self.keep_only(&KINDS, process, inventory).await
    }

    /// The same with passes over some kinds, where the others have nothing to do.
    pub async fn keep_only(
        &self,
        kinds: &[&str],
        process: &Process,
        inventory: &mut Inventory,
    ) -> Result<End, String> {
        let mut still = 0;
        let mut last = BTreeMap::new();
        for round in 0..ROUNDS {
            let before = (self.api.version(), self.applied_writes());
            tokio::select! {
                biased;
                () = process.tape.died() => return Ok(End::Died),
                () = inventory.round(&process.cx) => {}
            }
            let objects = self.order(Order::ParentsFirst, round);
            for (kind, name) in objects.into_iter().filter(|(kind, _)| kinds.contains(kind)) {
                let outcome = match self.pass(process, kind, &name).await {
                    Pass::Died => return Ok(End::Died),
                    Pass::Ended(Err(obstacle)) => Some(obstacle.to_string()),
                    Pass::Ended(Ok(_)) | Pass::Absent => None,
                };
                last.insert(format!("{kind} {name}"), outcome);
            }
            self.approve();
            still = if (self.api.version(), self.applied_writes()) == before { still + 1 } else { 0 };
            if still == 3 {
                return Ok(End::Settled);
            }
            self.wait(process.cx.settings.drift_interval).await;
        }
        Err(format!("not settled after {ROUNDS} rounds: {last:#?}"))
    }

    fn order(&self, order: Order, round: usize) -> Vec<(&'static str, String)> {
        let mut objects = Vec::new();
        for kind in KINDS {
            for object in self.api.list(kind) {
                objects.push((kind, object["metadata"]["name"].as_str().unwrap_or_default().to_owned()));
            }
        }
        match order {
            Order::ParentsFirst => {}
            Order::ChildrenFirst => objects.reverse(),
            Order::Random(seed) => objects.shuffle(&mut StdRng::seed_from_u64(seed ^ (round as u64) << 32)),
        }
        objects
    }

    /// What changes whenever a pass wrote to either side.
    fn fingerprint(&self) -> (u64, usize) {
        (self.api.version(), self.upstream_writes().len())
    }

    fn is_settled(&self) -> bool {
        KINDS.iter().flat_map(|kind| self.api.list(kind)).all(|object| is_ready(&object))
    }

    /// The time, which is the operator's and Adobe's.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Lets time pass.
    pub async fn wait(&self, time: Duration) {
        tokio::time::advance(time).await;
    }

    /// Everything that was exchanged, by all processes.
    pub fn trace(&self) -> Vec<String> {
        self.trace.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A client of Adobe that leaves no trace.
    pub fn aep(&self) -> Aep {
        let tape = Tape::new("somebody", Plan::Live, Arc::default());
        Aep::new(aep_settings(1_000_000.0), Arc::new(Wire::new(self.sim.clone(), tape)))
            .expect("the settings should be valid")
    }
}

fn aep_settings(requests_per_second: f64) -> aep::Settings {
    aep::Settings {
        aep_url: "http://aep.test".to_owned(),
        ims_url: "http://ims.test".to_owned(),
        allow_http: true,
        requests_per_second,
        ..aep::Settings::default()
    }
}

/// One pass over an object as given, which may be an old version of it.
pub async fn pass_over(process: &Process, kind: &str, object: Value) -> Pass {
    match kind {
        "StripeBaseConnection" => typed::<StripeBaseConnection>(process, object).await,
        "StripeSourceConnection" => typed::<StripeSourceConnection>(process, object).await,
        "IngestionMapping" => typed::<IngestionMapping>(process, object).await,
        _ => typed::<IngestionFlow>(process, object).await,
    }
}

async fn typed<K: Managed>(process: &Process, object: Value) -> Pass {
    let object: K = serde_json::from_value(object).expect("a stored object should parse");
    tokio::select! {
        biased;
        () = process.tape.died() => Pass::Died,
        result = reconcile(object, Arc::clone(&process.cx)) => Pass::Ended(result),
    }
}

/// Whether an object is Ready for its present generation.
pub fn is_ready(object: &Value) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    let ready = conditions
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
    ready && object["status"]["observedGeneration"] == object["metadata"]["generation"]
}

/// A clock that stands still unless the runtime's moves.
fn paused_clock() -> Clock {
    let (start, base) = (Instant::now(), clock::now());
    Clock::from_fn(move || base + start.elapsed())
}

/// A text in a value.
pub fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}
