//! What the API server says that a manifest would be: with defaults, checked by every rule, and with nothing written.

use aep_operator::controller::managed::Managed;
use anyhow::{Context as _, Result};
use kube::api::{DynamicObject, PostParams};
use kube::core::ApiResource;
use kube::{Api, Client, ResourceExt};
use serde_json::Value;

/// The API server's word on a manifest.
pub enum DryRun<K> {
    /// The object as it would be.
    Accepted(Box<Planned<K>>),
    /// A rule, or a right that is missing.
    Refused {
        /// The object's namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// What the API server says.
        why: String,
    },
}

/// An object as it would be after an apply.
pub struct Planned<K> {
    /// Its path at the API server.
    pub path: String,
    /// The object.
    pub object: K,
    /// The same, as JSON.
    pub raw: Value,
    /// Whether it is there already.
    pub exists: bool,
}

/// Asks what `manifest`, which was read as `object`, would be in `namespace`, unless it names one itself.
pub async fn dry_run<K: Managed>(
    client: &Client,
    namespace: &str,
    object: &K,
    manifest: &Value,
) -> Result<DryRun<K>> {
    let (namespace, name) = (object.namespace().unwrap_or_else(|| namespace.to_owned()), object.name_any());
    let api: Api<DynamicObject> =
        Api::namespaced_with(client.clone(), &namespace, &ApiResource::erase::<K>(&()));
    let living =
        api.get_opt(&name).await.with_context(|| format!("reading {} {namespace}/{name}", K::kind(&())))?;
    let exists = living.is_some();
    let params = PostParams { dry_run: true, field_manager: None };
    let answer = match living {
        Some(living) => api.replace(&name, &params, &applied(living, manifest)?).await,
        None => api.create(&params, &serde_json::from_value(manifest.clone())?).await,
    };
    match answer {
        Ok(accepted) => {
            let raw = serde_json::to_value(accepted)?;
            let path = format!("{}/{name}", K::url_path(&(), Some(&namespace)));
            let object = K::deserialize(&raw)?;
            Ok(DryRun::Accepted(Box::new(Planned { path, object, raw, exists })))
        }
        Err(kube::Error::Api(status)) if (400..500).contains(&status.code) => {
            Ok(DryRun::Refused { namespace, name, why: status.message.clone() })
        }
        Err(error) => {
            Err(error).with_context(|| format!("asking what {} {namespace}/{name} would be", K::kind(&())))
        }
    }
}

/// The living object with the manifest's spec, labels and annotations; what others wrote beside them stays.
fn applied(mut living: DynamicObject, manifest: &Value) -> Result<DynamicObject> {
    let metadata: DynamicObject = serde_json::from_value(manifest.clone())?;
    living.annotations_mut().extend(metadata.metadata.annotations.unwrap_or_default());
    living.labels_mut().extend(metadata.metadata.labels.unwrap_or_default());
    living.data["spec"] = manifest["spec"].clone();
    Ok(living)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_apply_replaces_spec_and_adds_to_what_others_wrote() {
        let living = json!({
            "apiVersion": "g/v1", "kind": "Flow",
            "metadata": {"name": "charges", "resourceVersion": "7", "annotations": {"intent": "i", "a": "old"}},
            "spec": {"enabled": true, "accessLabels": ["core/C1"]}, "status": {"observedGeneration": 1},
        });
        let manifest = json!({
            "apiVersion": "g/v1", "kind": "Flow",
            "metadata": {"name": "charges", "annotations": {"a": "new"}}, "spec": {"enabled": false},
        });
        let living = serde_json::from_value(living).expect("an object");
        let applied = serde_json::to_value(applied(living, &manifest).expect("an object")).expect("JSON");
        assert_eq!(applied["spec"], json!({"enabled": false}));
        assert_eq!(applied["metadata"]["annotations"], json!({"intent": "i", "a": "new"}));
        assert_eq!(
            (&applied["metadata"]["resourceVersion"], &applied["status"]["observedGeneration"]),
            (&json!("7"), &json!(1))
        );
    }
}
