//! Status writes: the whole status by server-side apply, as compare-and-set on the version that was read.

use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde::Serialize;
use serde_json::json;

use super::{Cluster, Error, Kind, within_deadline};
use crate::api::STATUS_FIELD_MANAGER;

impl Cluster {
    /// Replaces the status of the version of `object` that was read. Members that are absent from `status` and were ours before are
    /// removed. The caller compares first: an equal status should not be written. Returns the object as it stands now.
    pub async fn write_status<K: Kind>(&self, object: &K, status: &impl Serialize) -> Result<K, Error> {
        let patch = json!({
            "apiVersion": K::api_version(&()),
            "kind": K::kind(&()),
            "metadata": { "name": object.name_any(), "resourceVersion": object.resource_version() },
            "status": status,
        });
        let params = PatchParams::apply(STATUS_FIELD_MANAGER).force();
        within_deadline(self.api_of(object).patch_status(&object.name_any(), &params, &Patch::Apply(patch)))
            .await
    }
}
