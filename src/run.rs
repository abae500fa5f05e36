//! Builds the ports and runs the controllers, the inventory and the health server. The only place that knows the order of shutdown.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use kube::Client;
use tokio::sync::watch;
use tracing::{error, info};

use crate::aep::{self, Aep};
use crate::args::RunArgs;
use crate::clock::Clock;
use crate::cluster::{self, Cluster};
use crate::controller::context::Known;
use crate::controller::memory::Memory;
use crate::controller::wake::Wake;
use crate::controller::{self, Context, Countdown, Scope, Settings};
use crate::telemetry;

/// Why the operator could not run.
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
    /// The health server could not start.
    #[error("no server on {0} for health checks and metrics: set --http-addr")]
    Http(std::net::SocketAddr, #[source] std::io::Error),
}

/// How long a connection to Adobe may take to be up.
const CONNECT: Duration = Duration::from_secs(10);
/// How long passes under way may take to finish after a stop signal.
const DRAIN: Duration = Duration::from_secs(25);

/// Runs until SIGTERM or Ctrl-C.
pub async fn run(args: RunArgs) -> Result<(), Error> {
    if args.lookup_grace < args.call_deadline {
        return Err(Error::Grace);
    }
    // kube and reqwest share one TLS provider; it has to be chosen before either builds a client. A second choice changes nothing.
    let _already_chosen = rustls::crypto::ring::default_provider().install_default();
    let client = Client::try_default().await.map_err(|error| Error::Kubernetes(Box::new(error)))?;
    let cluster = Cluster::new(client, args.instance.clone());
    let missing = cluster.missing_crds().await?;
    if !missing.is_empty() {
        return Err(Error::MissingCrds(missing.join(", ")));
    }
    let health = telemetry::Health::default();
    let server = telemetry::serve(args.http_addr, health.clone())
        .await
        .map_err(|error| Error::Http(args.http_addr, error))?;
    // A single process is the leader as long as it lives; the send gate closes when the sender is gone.
    let (_leading, leader) = watch::channel(true);
    let cx = Arc::new(context(&args, cluster, leader).await?);
    info!(cluster_id = cx.settings.cluster_id, aep_url = args.aep_url, "operator started");

    let (stop, stopped) = watch::channel(false);
    let scopes = scopes(&args.watch_namespaces);
    let namespaces = scopes.iter().map(|scope| scope.namespace().map(str::to_owned)).collect();
    let listed = Countdown::new(scopes.len() * controller::CONTROLLERS, {
        let health = health.clone();
        move || health.set_ready(true)
    });
    let controllers = scopes
        .into_iter()
        .map(|scope| controller::run(Arc::clone(&cx), scope, &listed, is_set(stopped.clone())));
    let controllers = join_all(controllers);
    tokio::pin!(controllers);
    tokio::select! {
        () = telemetry::stop_signal() => info!("stopping: passes under way are finished"),
        () = controller::inventory::run(Arc::clone(&cx), namespaces) => {}
        result = server => error!(?result, "the health server ended"),
        _ = &mut controllers => error!("the controllers ended"),
    }
    health.set_ready(false);
    stop.send_replace(true);
    if tokio::time::timeout(DRAIN, controllers).await.is_err() {
        error!("passes under way did not end in time: the next process resumes them from their claims");
    }
    Ok(())
}

async fn is_set(mut flag: watch::Receiver<bool>) {
    // An error means that the sender is gone: the process ends anyway.
    let _ended = flag.wait_for(|set| *set).await;
}

async fn context(args: &RunArgs, cluster: Cluster, leader: watch::Receiver<bool>) -> Result<Context, Error> {
    let cluster_id = match &args.cluster_id {
        Some(id) => id.clone(),
        None => cluster.cluster_uid().await?.ok_or(Error::NoClusterId)?,
    };
    let transport = aep::HttpTransport::new(CONNECT).map_err(|error| Error::Aep(Box::new(error)))?;
    let settings = aep::Settings {
        aep_url: args.aep_url.clone(),
        ims_url: args.ims_url.clone(),
        allow_http: args.allow_http,
        requests_per_second: args.requests_per_second,
        call_deadline: args.call_deadline,
        ..aep::Settings::default()
    };
    let aep = Aep::new(settings, Arc::new(transport)).map_err(|error| Error::Aep(Box::new(error)))?;
    Ok(Context {
        cluster,
        aep,
        settings: Settings {
            cluster_id,
            drift_interval: args.drift_interval,
            lookup_grace: args.lookup_grace,
            held_start: args.held_start,
            protect_secrets: args.protect_secrets,
            concurrency: args.concurrency,
        },
        memory: Memory::default(),
        known: Known::default(),
        wake: Wake::default(),
        clock: Clock::system(),
        leader,
    })
}

fn scopes(namespaces: &[String]) -> Vec<Scope> {
    if namespaces.is_empty() {
        vec![Scope::Cluster]
    } else {
        namespaces.iter().cloned().map(Scope::Namespace).collect()
    }
}
