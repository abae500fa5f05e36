//! Kubernetes I/O. Knows nothing of Adobe.
//!
//! [`claim`] writes finalizer and intent as one compare-and-set, [`status`] writes status only when it differs, [`read`] reads live,
//! [`lease`] makes one of several processes the leader, [`secrets`] turns Secret bytes into types that cannot be printed, [`events`] publishes transitions.

pub mod claim;
pub mod error;
pub mod events;
pub mod lease;
pub mod read;
pub mod secrets;
pub mod status;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::NamespaceResourceScope;
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use error::Error;

/// Deadline of one call to the API server.
const DEADLINE: Duration = Duration::from_secs(30);

/// A namespaced kind: the one place for the bounds.
pub trait Kind:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + Serialize
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
}

impl<K> Kind for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned
        + Send
        + Sync
        + 'static
{
}

/// The API server, with a deadline on every call.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    events: events::Publisher,
    secret_names: Arc<[String]>,
}

impl Cluster {
    /// Uses the client; `instance` names this process in events.
    pub fn new(client: Client, instance: Option<String>) -> Self {
        let events = events::Publisher::new(client.clone(), instance);
        Self { events, client, secret_names: Arc::from([]) }
    }

    /// Keeps to the Secrets of these names, in rights that allow no others. No names: all Secrets.
    #[must_use]
    pub fn with_secret_names(mut self, names: &[String]) -> Self {
        self.secret_names = Arc::from(names);
        self
    }

    /// The underlying client, for watches.
    pub fn client(&self) -> &Client {
        &self.client
    }

    fn api<K: Kind>(&self, namespace: &str) -> Api<K> {
        Api::namespaced(self.client.clone(), namespace)
    }

    fn api_in<K>(&self, namespace: Option<&str>) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        let client = self.client.clone();
        match namespace {
            Some(namespace) => Api::namespaced(client, namespace),
            None => Api::all(client),
        }
    }

    fn api_of<K: Kind>(&self, object: &K) -> Api<K> {
        self.api(&object.namespace().unwrap_or_default())
    }
}

/// A call with the deadline; an overrun is [`Error::Unavailable`].
async fn within_deadline<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, Error> {
    match tokio::time::timeout(DEADLINE, call).await {
        Ok(result) => result.map_err(Error::from),
        Err(_) => Err(Error::Deadline),
    }
}
