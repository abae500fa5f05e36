//! Live reads of objects of our kinds, of namespaces and of our CRDs. Never from a watch store.

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DynamicObject, ListParams};
use kube::core::{ApiResource, DeserializeGuard, PartialObjectMeta, PartialObjectMetaExt};
use kube::{Api, ResourceExt};

use super::{Cluster, Error, Kind, within_deadline};
use crate::api::status::bounded;
use crate::api::{GROUP, all_crds};

/// Most characters of what a parser says: it may repeat a value in full.
pub const MAX_WHY: usize = 300;

/// What is to be done about upstream objects while our CRDs change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrdState {
    /// The kind is served and stays.
    Serving,
    /// The CRD is being deleted: upstream objects are kept.
    Terminating,
    /// It could not be told.
    Unknown,
}

/// The objects of a list. One that does not parse keeps nobody from the others.
#[derive(Debug)]
pub struct Found<K: Kind> {
    /// Those that parse.
    pub objects: Vec<K>,
    /// What is known of the others.
    pub unparsed: Vec<PartialObjectMeta<K>>,
}

impl<K: Kind> Found<K> {
    /// All objects, where what one of them says may not be missed.
    pub fn all(self) -> Result<Vec<K>, Error> {
        match self.unparsed.first() {
            Some(unparsed) => Err(Error::Unparsed(format!("{} cannot be read", describe(unparsed)))),
            None => Ok(self.objects),
        }
    }
}

impl<K: Kind> FromIterator<DeserializeGuard<K>> for Found<K> {
    fn from_iter<I: IntoIterator<Item = DeserializeGuard<K>>>(listed: I) -> Self {
        let mut found = Self { objects: Vec::new(), unparsed: Vec::new() };
        for DeserializeGuard(object) in listed {
            match object {
                Ok(object) => found.objects.push(object),
                Err(invalid) => found.unparsed.push(invalid.metadata.into_response_partial()),
            }
        }
        found
    }
}

impl Cluster {
    /// The object by name, or `None`.
    pub async fn get_opt<K: Kind>(&self, namespace: &str, name: &str) -> Result<Option<K>, Error> {
        let api: Api<DeserializeGuard<K>> = self.api_in(Some(namespace));
        match within_deadline(api.get_opt(name)).await? {
            None => Ok(None),
            Some(DeserializeGuard(Ok(object))) => Ok(Some(object)),
            Some(DeserializeGuard(Err(invalid))) => {
                let why = bounded(&invalid.error, MAX_WHY);
                Err(Error::Unparsed(format!("{} {name} cannot be read: {why}", K::kind(&()))))
            }
        }
    }

    /// All objects of a kind in a namespace for which `field` (a selectable field) has the value.
    pub async fn list_by_field<K: Kind>(
        &self,
        namespace: &str,
        field: &str,
        value: &str,
    ) -> Result<Found<K>, Error> {
        let params = ListParams::default().fields(&format!("{field}={value}"));
        self.list_some(Some(namespace), &params).await
    }

    /// All objects of a kind, in one namespace or in all.
    pub async fn list_everywhere<K: Kind>(&self, namespace: Option<&str>) -> Result<Found<K>, Error> {
        self.list_some(namespace, &ListParams::default()).await
    }

    /// All objects of a kind in a namespace.
    pub async fn list<K: Kind>(&self, namespace: &str) -> Result<Found<K>, Error> {
        self.list_some(Some(namespace), &ListParams::default()).await
    }

    async fn list_some<K: Kind>(
        &self,
        namespace: Option<&str>,
        params: &ListParams,
    ) -> Result<Found<K>, Error> {
        let api: Api<DeserializeGuard<K>> = self.api_in(namespace);
        Ok(within_deadline(api.list(params)).await?.into_iter().collect())
    }

    /// An object as it stands, whether or not it parses.
    pub async fn get_raw<K: Kind>(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<DynamicObject>, Error> {
        within_deadline(self.raw_api::<K>(namespace).get_opt(name)).await
    }

    pub(super) fn raw_api<K: Kind>(&self, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, &ApiResource::erase::<K>(&()))
    }

    /// The UID of the namespace `kube-system`, which names a cluster; `None` where it may not be read.
    pub async fn cluster_uid(&self) -> Result<Option<String>, Error> {
        match within_deadline(self.namespaces().get_metadata_opt("kube-system")).await {
            Ok(namespace) => Ok(namespace.and_then(|namespace| namespace.metadata.uid)),
            Err(Error::Denied(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether the namespace is being deleted; `false` where it may not be read.
    pub async fn namespace_is_terminating(&self, name: &str) -> Result<bool, Error> {
        match within_deadline(self.namespaces().get_metadata_opt(name)).await {
            Ok(Some(namespace)) => Ok(namespace.metadata.deletion_timestamp.is_some()),
            Ok(None) => Ok(true),
            Err(Error::Denied(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn namespaces(&self) -> Api<Namespace> {
        Api::all(self.client.clone())
    }

    /// Whether the CRD of the kind is going away. Where CRDs may not be read, discovery tells: a kind whose CRD is terminating is
    /// served without the verb `create`.
    pub async fn crd_state<K: Kind>(&self) -> CrdState {
        let crds: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        match within_deadline(crds.get_metadata_opt(&format!("{}.{GROUP}", K::plural(&())))).await {
            Ok(Some(crd)) if crd.metadata.deletion_timestamp.is_some() => CrdState::Terminating,
            Ok(Some(_)) => CrdState::Serving,
            Ok(None) => CrdState::Terminating,
            Err(Error::Denied(_)) => self.crd_state_by_discovery::<K>().await,
            Err(_) => CrdState::Unknown,
        }
    }

    async fn crd_state_by_discovery<K: Kind>(&self) -> CrdState {
        let version = K::api_version(&());
        let Ok(resources) = within_deadline(self.client.list_api_group_resources(&version)).await else {
            return CrdState::Unknown;
        };
        match resources
            .resources
            .iter()
            .find(|resource| resource.kind == K::kind(&()) && !resource.name.contains('/'))
        {
            Some(resource) if resource.verbs.iter().any(|verb| verb == "create") => CrdState::Serving,
            Some(_) => CrdState::Terminating,
            None => CrdState::Unknown,
        }
    }

    /// Names of our CRDs that the API server does not serve.
    pub async fn missing_crds(&self) -> Result<Vec<String>, Error> {
        let Some(first) = all_crds().into_iter().next() else { return Ok(Vec::new()) };
        let version = first
            .spec
            .versions
            .first()
            .map_or_else(String::new, |version| format!("{GROUP}/{}", version.name));
        let served = match within_deadline(self.client.list_api_group_resources(&version)).await {
            Ok(list) => list.resources,
            Err(Error::NotFound) => Vec::new(),
            Err(error) => return Err(error),
        };
        let is_served = |plural: &str| served.iter().any(|resource| resource.name == plural);
        Ok(all_crds()
            .into_iter()
            .filter(|crd| !is_served(&crd.spec.names.plural))
            .map(|crd| crd.metadata.name.unwrap_or_default())
            .collect())
    }
}

/// The kind and name of an object, for messages.
pub fn describe<K: Kind>(object: &K) -> String {
    format!("{} {}", K::kind(&()), object.name_any())
}
