//! Builds the ports and runs election, controllers, inventory and server. The only place that knows the order of shutdown.

use std::sync::Arc;
use std::time::Duration;

use ::http::HeaderValue;
use ::http::header::USER_AGENT;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared, join_all};
use kube::{Client, Config};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tracing::{error, info};

use crate::aep::{self, Aep};
use crate::args::RunArgs;
use crate::clock::Clock;
use crate::cluster::lease::{Election, Lost};
use crate::cluster::{self, Cluster};
use crate::controller::{self, Context, Countdown, Scope, Settings};
use crate::http;
use crate::telemetry::health::Phase;
use crate::telemetry::{self, Health, Metrics, Page, Sources, Traces};

/// Why the operator could not run, or does not run any more.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No usable Kubernetes configuration.
    #[error("no connection to Kubernetes: set KUBECONFIG, or run inside a cluster")]
    Kubernetes(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A call to the API server failed.
    #[error("the API server could not be asked")]
    Cluster(#[from] cluster::Error),
    /// CRDs are missing.
    #[error(
        "the API server does not serve {0}: apply the CustomResourceDefinitions first, for example kubectl apply -f crds/"
    )]
    MissingCrds(String),
    /// The cluster cannot be named.
    #[error("the namespace kube-system may not be read, so the cluster has no name: set --cluster-id")]
    NoClusterId,
    /// A lost answer could surface after its look-up.
    #[error(
        "--lookup-grace should be at least as long as --call-deadline: a call that takes its whole deadline may still create something"
    )]
    Grace,
    /// The settings for Adobe do not fit.
    #[error("the settings for Adobe do not fit")]
    Aep(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The server could not start.
    #[error("no server on {0} for health checks and metrics: set --http-addr")]
    Http(std::net::SocketAddr, #[source] std::io::Error),
    /// No way to the collector of traces.
    #[error(
        "no traces can be sent to {0}: set --otlp-endpoint to the address of a collector, for example http://otel-collector:4318"
    )]
    Traces(String, #[source] Box<dyn std::error::Error + Send + Sync>),
    /// Signals cannot be received.
    #[error("SIGTERM cannot be received")]
    Signals(#[source] std::io::Error),
    /// Another process leads, or may.
    #[error("this process leads no more and ends, so that nothing of it outlives its term")]
    Lost(#[from] Lost),
    /// A task that should run for ever does not.
    #[error("{0} ended, which it should not: the process ends with it")]
    Ended(&'static str),
}

/// How long a connection to Adobe, or to a collector, may take to be up.
const CONNECT: Duration = Duration::from_secs(10);
/// How long passes under way may take to finish after a stop signal. With the release of the lease it stays below 25 seconds.
const DRAIN: Duration = Duration::from_secs(20);
/// How long the release of the lease may take.
const RELEASE: Duration = Duration::from_secs(4);

type Stop = Shared<BoxFuture<'static, ()>>;

/// Starts log and traces, and runs until SIGTERM or Ctrl-C. An error is the end of a process that is to be started again.
pub async fn run(args: RunArgs) -> Result<(), Error> {
    // kube and reqwest share one TLS provider; it has to be chosen before either builds a client. A second choice changes nothing.
    let _already_chosen = rustls::crypto::ring::default_provider().install_default();
    let traces = args.otlp_endpoint.as_deref().map(traces).transpose()?;
    telemetry::init(args.log_format, traces.as_ref());
    let result = operate(args).await;
    if let Some(traces) = traces {
        traces.flush().await;
    }
    result
}

fn traces(endpoint: &str) -> Result<Traces, Error> {
    let unusable = |error| Error::Traces(endpoint.to_owned(), error);
    let transport = aep::HttpTransport::new(CONNECT).map_err(|error| unusable(error.into()))?;
    Traces::to(endpoint, transport).map_err(|error| unusable(error.into()))
}

async fn operate(args: RunArgs) -> Result<(), Error> {
    if args.lookup_grace < args.call_deadline {
        return Err(Error::Grace);
    }
    let stop = stop_signal()?;
    let client = client(args.instance.as_deref()).await?;
    let cluster = Cluster::new(client, args.instance.clone()).with_secret_names(&args.secret_names);
    let missing = cluster.missing_crds().await?;
    if !missing.is_empty() {
        return Err(Error::MissingCrds(missing.join(", ")));
    }
    let tenure = Tenure::new(&args, &cluster);
    let cx = Arc::new(context(&args, cluster, tenure.leading_until()).await?);
    let health = Health::new(cx.progress.clone(), args.stuck_after);
    let sources = Sources {
        census: cx.census.clone(),
        progress: cx.progress.clone(),
        leading_until: cx.leading_until.clone(),
        aep: cx.aep.clone(),
        per_flow: args.metrics_per_flow,
    };
    let server = http::serve(args.http_addr, health.clone(), Page::new(&cx.metrics, sources))
        .await
        .map_err(|error| Error::Http(args.http_addr, error))?;
    info!(cluster_id = cx.settings.cluster_id, aep_url = args.endpoints.aep_url, "operator started");
    tokio::select! {
        result = tenure.serve(cx, &args, health, stop) => result,
        result = server => {
            error!(?result, "the server ended");
            Err(Error::Ended("the server for health checks and metrics"))
        }
    }
}

/// A client that says which process it is, for the API server's audit log.
async fn client(instance: Option<&str>) -> Result<Client, Error> {
    let mut config = Config::infer().await.map_err(|error| Error::Kubernetes(Box::new(error)))?;
    let mut agent = concat!("aep-operator/", env!("CARGO_PKG_VERSION")).to_owned();
    agent.extend(instance.map(|instance| format!(" ({instance})")));
    config.headers.extend(HeaderValue::try_from(agent).ok().map(|agent| (USER_AGENT, agent)));
    Client::try_from(config).map_err(|error| Error::Kubernetes(Box::new(error)))
}

/// When this process may work: always, or while it holds the lease.
enum Tenure {
    Sole(watch::Sender<Instant>, watch::Receiver<Instant>),
    Elected(Box<Election>),
}

impl Tenure {
    fn new(args: &RunArgs, cluster: &Cluster) -> Self {
        if !args.leader_elect {
            let (leader, until) = aep::sole_leadership();
            return Self::Sole(leader, until);
        }
        // The name of a pod stays when its container is started again, and the process before must not be taken for this one.
        let instance = args.instance.as_deref().unwrap_or("aep-operator");
        let identity = format!("{instance}_{}", uuid::Uuid::new_v4());
        let namespace = args.lease_namespace.as_deref();
        Self::Elected(Box::new(Election::new(cluster, namespace, &args.lease_name, identity)))
    }

    fn leading_until(&self) -> watch::Receiver<Instant> {
        match self {
            Self::Sole(_, until) => until.clone(),
            Self::Elected(election) => election.leading_until(),
        }
    }

    /// Waits for the lease, works while it is held, and gives it up when the work has ended in order.
    async fn serve(self, cx: Arc<Context>, args: &RunArgs, health: Health, stop: Stop) -> Result<(), Error> {
        let mut election = match self {
            Self::Sole(_leader, _) => return work(cx, args, &health, stop).await,
            Self::Elected(election) => election,
        };
        tokio::select! {
            () = stop.clone() => return Ok(()),
            () = election.acquire(|| health.enter(Phase::Standby)) => {}
        }
        let (ended, end) = watch::channel(false);
        // In a task of its own: a renewal must not wait for anything else.
        let mut keeper = tokio::spawn(async move {
            tokio::select! {
                lost = election.keep() => Err(lost),
                () = is_set(end) => Ok(election),
            }
        });
        let result = tokio::select! {
            result = work(cx, args, &health, stop) => result,
            kept = &mut keeper => {
                return Err(match kept {
                    Ok(Err(lost)) => Error::Lost(lost),
                    Ok(Ok(_)) | Err(_) => Error::Ended("the renewal of the lease"),
                });
            }
        };
        ended.send_replace(true);
        if let Ok(Ok(election)) = keeper.await
            && timeout(RELEASE, election.release()).await.is_err()
        {
            error!("the lease could not be released: the successor waits until it runs out");
        }
        result
    }
}

/// Runs controllers and inventory until a signal, then finishes what is under way.
async fn work(cx: Arc<Context>, args: &RunArgs, health: &Health, stop: Stop) -> Result<(), Error> {
    health.enter(Phase::Listing);
    let (stopping, stopped) = watch::channel(false);
    let scopes = scopes(&args.watch_namespaces);
    let namespaces = scopes.iter().map(|scope| scope.namespace().map(str::to_owned)).collect();
    let listed = Countdown::new(scopes.len() * controller::CONTROLLERS, {
        let health = health.clone();
        move || health.enter(Phase::Leading)
    });
    let controllers = scopes
        .into_iter()
        .map(|scope| controller::run(Arc::clone(&cx), scope, &listed, is_set(stopped.clone())));
    let controllers = join_all(controllers);
    tokio::pin!(controllers);
    tokio::select! {
        () = stop => info!("stopping: passes under way are finished"),
        () = controller::inventory::run(Arc::clone(&cx), namespaces) => return Err(Error::Ended("the inventory")),
        _ = &mut controllers => return Err(Error::Ended("a controller")),
    }
    health.enter(Phase::Stopping);
    stopping.send_replace(true);
    if timeout(DRAIN, controllers).await.is_err() {
        error!("passes under way did not end in time: the next process resumes them from their claims");
    }
    Ok(())
}

async fn is_set(mut flag: watch::Receiver<bool>) {
    // An error means that the sender is gone: the process ends anyway.
    let _ended = flag.wait_for(|set| *set).await;
}

/// Resolves at SIGTERM or Ctrl-C; signals are received from now on.
fn stop_signal() -> Result<Stop, Error> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Signals)?;
    let either = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    Ok(either.boxed().shared())
}

async fn context(
    args: &RunArgs,
    cluster: Cluster,
    leading_until: watch::Receiver<Instant>,
) -> Result<Context, Error> {
    let cluster_id = match &args.cluster_id {
        Some(id) => id.clone(),
        None => cluster.cluster_uid().await?.ok_or(Error::NoClusterId)?,
    };
    let transport = aep::HttpTransport::new(CONNECT).map_err(|error| Error::Aep(Box::new(error)))?;
    let settings = aep::Settings {
        requests_per_second: args.requests_per_second,
        call_deadline: args.call_deadline,
        ..args.endpoints.settings()
    };
    let metrics = Metrics::default();
    let aep = Aep::observed(settings, Arc::new(transport), Arc::new(metrics.clone()))
        .map_err(|error| Error::Aep(Box::new(error)))?;
    let settings = Settings {
        cluster_id,
        drift_interval: args.drift_interval,
        slow_drift_interval: args.slow_drift_interval,
        lookup_grace: args.lookup_grace,
        held_start: args.held_start,
        protect_secrets: args.protect_secrets,
        verify_rotation: args.verify_rotation,
        concurrency: args.concurrency,
    };
    Ok(Context::new(cluster, aep, settings, Clock::system(), metrics, leading_until))
}

fn scopes(namespaces: &[String]) -> Vec<Scope> {
    if namespaces.is_empty() {
        vec![Scope::Cluster]
    } else {
        namespaces.iter().cloned().map(Scope::Namespace).collect()
    }
}
