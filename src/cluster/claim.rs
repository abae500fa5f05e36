//! Claim and release: finalizer and intent in one compare-and-set metadata write.
//!
//! # Guarantees
//!
//! - A claim succeeds only on the version that was read. A stale view fails with [`Error::Conflict`], and then nothing was created.
//! - Finalizers and annotations of others stay.
//! - A release removes our finalizer only, and only on the version that was read.

use kube::api::{Patch, PatchParams};
use kube::core::PartialObjectMeta;
use kube::{Resource, ResourceExt};
use serde_json::json;

use super::{Cluster, Error, Kind, within_deadline};
use crate::api::{FIELD_MANAGER, FINALIZER, INTENT};
use crate::domain::intent::Intent;

impl Cluster {
    /// Writes finalizer and intent onto the version of `object` that was read, and updates its metadata to the answer.
    pub async fn claim<K: Kind>(&self, object: &mut K, intent: &Intent) -> Result<(), Error> {
        let mut finalizers = object.finalizers().to_vec();
        if !finalizers.iter().any(|finalizer| finalizer == FINALIZER) {
            finalizers.push(FINALIZER.to_owned());
        }
        let metadata = json!({
            "resourceVersion": object.resource_version(),
            "finalizers": finalizers,
            "annotations": { INTENT: intent.to_annotation() },
        });
        self.patch_metadata_of(object, metadata).await
    }

    /// Removes our finalizer from the version of `object` that was read. An object that is gone already is released.
    pub async fn release<K: Kind>(&self, object: &mut K) -> Result<(), Error> {
        let finalizers: Vec<&String> =
            object.finalizers().iter().filter(|finalizer| *finalizer != FINALIZER).collect();
        let metadata = json!({ "resourceVersion": object.resource_version(), "finalizers": finalizers });
        match self.patch_metadata_of(object, metadata).await {
            Err(Error::NotFound) => Ok(()),
            result => result,
        }
    }

    async fn patch_metadata_of<K: Kind>(
        &self,
        object: &mut K,
        metadata: serde_json::Value,
    ) -> Result<(), Error> {
        let patch = Patch::Merge(json!({ "metadata": metadata }));
        let answer: PartialObjectMeta<K> = within_deadline(self.api_of(object).patch_metadata(
            &object.name_any(),
            &PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() },
            &patch,
        ))
        .await?;
        *object.meta_mut() = answer.metadata;
        Ok(())
    }
}

/// Whether our finalizer stands on the object.
pub fn is_claimed<K: Resource>(object: &K) -> bool {
    object
        .meta()
        .finalizers
        .as_ref()
        .is_some_and(|finalizers| finalizers.iter().any(|finalizer| finalizer == FINALIZER))
}
