//! Cluster and Adobe as the operator reaches them, by its own code. Reads of Adobe go through; a write is noted and refused, whatever
//! the code above tries.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aep_operator::aep::{self, Aep, HttpTransport, Transport, TransportError};
use aep_operator::api::reference::{SecretKeyRef, SecretRef};
use aep_operator::api::{StripeBaseConnection, StripeBaseConnectionSpec};
use aep_operator::args::Endpoints;
use aep_operator::clock::Clock;
use aep_operator::cluster::Cluster;
use aep_operator::controller::context::{Context, Settings};
use aep_operator::controller::site::{self, Site};
use aep_operator::telemetry::Metrics;
use anyhow::{Context as _, Result};
use futures::future::BoxFuture;
use http::{Method, Request, Response};
use kube::Client;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::args;

/// How long a connection to Adobe may take to be up.
const CONNECT: Duration = Duration::from_secs(10);

/// What reconciling code of the operator needs, without the power to write upstream.
pub struct Reach {
    /// What reconciles share.
    pub cx: Arc<Context>,
    /// The way to Adobe.
    pub upstream: Arc<ReadOnly>,
    _leader: watch::Sender<Instant>,
}

impl Reach {
    /// Reaches Adobe as the arguments say, and the cluster through `client`.
    pub async fn new(client: Client, args: &args::Reach) -> Result<Self> {
        let cluster_id = match &args.cluster_id {
            Some(id) => id.clone(),
            None => Cluster::new(client.clone(), None).cluster_uid().await?.context(
                "the namespace kube-system may not be read: give --cluster-id, as the operator has it",
            )?,
        };
        Self::as_cluster(client, &args.endpoints, cluster_id)
    }

    /// The same for what compares no markers: the name of the cluster is not asked for.
    pub fn anonymous(client: Client, endpoints: &Endpoints) -> Result<Self> {
        Self::as_cluster(client, endpoints, String::new())
    }

    fn as_cluster(client: Client, endpoints: &Endpoints, cluster_id: String) -> Result<Self> {
        let upstream = Arc::new(ReadOnly { http: HttpTransport::new(CONNECT)?, refused: Mutex::default() });
        let transport: Arc<dyn Transport> = Arc::clone(&upstream) as _;
        let aep = Aep::new(endpoints.settings(), transport)?;
        let (leader, leading_until) = aep::sole_leadership();
        let (cluster, settings) = (Cluster::new(client, None), settings(cluster_id));
        let cx = Context::new(cluster, aep, settings, Clock::system(), Metrics::default(), leading_until);
        Ok(Self { cx: Arc::new(cx), upstream, _leader: leader })
    }

    /// The site of platform credentials that no base connection names.
    pub async fn site_of(&self, namespace: &str, secret: &str, sandbox: &str) -> Result<Site> {
        // A base connection that is in no cluster: the operator's own way from a Secret to a session.
        let spec = StripeBaseConnectionSpec {
            display_name: None,
            description: None,
            sandbox: sandbox.to_owned(),
            platform_credentials_secret_ref: SecretRef { name: secret.to_owned() },
            stripe_credentials_secret_ref: SecretKeyRef { name: String::new(), key: String::new() },
            adopt: None,
            deletion_policy: None,
            drift_policy: aep_operator::api::policy::DriftPolicy::default(),
        };
        let mut base = StripeBaseConnection::new("credentials", spec);
        base.metadata.namespace = Some(namespace.to_owned());
        Ok(site::open(&self.cx, &base).await?)
    }
}

/// The operator's settings, as far as they matter to a pass that writes nothing.
fn settings(cluster_id: String) -> Settings {
    Settings {
        cluster_id,
        drift_interval: Duration::from_mins(5),
        slow_drift_interval: Duration::from_hours(1),
        lookup_grace: Duration::from_mins(2),
        held_start: Duration::from_hours(24),
        // Secrets are none of a plan's business.
        protect_secrets: false,
        verify_rotation: true,
        concurrency: 1,
    }
}

/// A write that was not sent. It holds no body: that of a connection has a credential in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The method.
    pub method: String,
    /// The path at Adobe's gateway.
    pub path: String,
}

/// HTTP to Adobe for reads, and nothing for writes.
pub struct ReadOnly {
    http: HttpTransport,
    refused: Mutex<Vec<Refused>>,
}

impl ReadOnly {
    /// The writes that were tried since they were last taken.
    pub fn take_refused(&self) -> Vec<Refused> {
        std::mem::take(&mut *self.refused.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Transport for ReadOnly {
    fn send(&self, request: Request<Vec<u8>>) -> BoxFuture<'_, Result<Response<Vec<u8>>, TransportError>> {
        if is_read(request.method(), request.uri().path()) {
            return self.http.send(request);
        }
        let refused = Refused { method: request.method().to_string(), path: request.uri().path().to_owned() };
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).push(refused);
        Box::pin(std::future::ready(Err(TransportError::not_sent("nothing is written from here"))))
    }
}

/// Calls that change nothing: all GETs, and the POSTs that only ask.
fn is_read(method: &Method, path: &str) -> bool {
    const QUESTIONS: [&str; 3] = ["/ims/token/v3", "/mappingSets/validate", "/mappingSets/preview"];
    method == Method::GET || method == Method::POST && QUESTIONS.iter().any(|end| path.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_calls_that_change_nothing_are_let_through() {
        let sets = "/data/foundation/conversion/mappingSets";
        assert!(is_read(&Method::GET, sets));
        assert!(is_read(&Method::POST, "/ims/token/v3"));
        assert!(is_read(&Method::POST, &format!("{sets}/validate")));
        assert!(!is_read(&Method::POST, sets));
        for method in [Method::PUT, Method::PATCH, Method::DELETE] {
            assert!(!is_read(&method, &format!("{sets}/validate")), "{method}");
        }
    }
}
