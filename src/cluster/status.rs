//! Status writes: the whole status by server-side apply, as compare-and-set on the version that was read.

use std::fmt::Debug;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Cluster, Error, Kind, within_deadline};
use crate::api::STATUS_FIELD_MANAGER;

impl Cluster {
    /// Replaces the status of the version of `object` that was read. Members that are absent from `status` and were ours before are
    /// removed. The caller compares first: an equal status should not be written. Returns the object as it stands now.
    pub async fn write_status<K: Kind>(&self, object: &K, status: &impl Serialize) -> Result<K, Error> {
        apply::<K, K>(&self.api_of(object), object.meta(), status).await
    }

    /// The same for an object that does not parse.
    pub async fn write_raw_status<K: Kind>(
        &self,
        object: &DynamicObject,
        status: &Value,
    ) -> Result<(), Error> {
        let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
        apply::<K, _>(&self.raw_api::<K>(namespace), &object.metadata, status).await?;
        Ok(())
    }
}

async fn apply<K: Kind, T: Clone + Debug + DeserializeOwned>(
    api: &Api<T>,
    meta: &ObjectMeta,
    status: &impl Serialize,
) -> Result<T, Error> {
    let patch = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        "metadata": { "name": meta.name, "resourceVersion": meta.resource_version },
        "status": status,
    });
    let params = PatchParams::apply(STATUS_FIELD_MANAGER).force();
    let name = meta.name.as_deref().unwrap_or_default();
    within_deadline(api.patch_status(name, &params, &Patch::Apply(patch))).await
}
