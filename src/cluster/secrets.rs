//! Secrets: live reads of single keys into types that cannot be printed, and the finalizer that protects a Secret in use.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ListParams, Patch, PatchParams};
use kube::core::PartialObjectMeta;
use kube::{Resource, ResourceExt};
use secrecy::SecretString;
use serde_json::json;

use super::{Cluster, Error, within_deadline};
use crate::api::{FIELD_MANAGER, SECRET_FINALIZER};

/// The data of one Secret, for as long as it takes to build a request from it.
pub struct SecretData {
    name: String,
    data: BTreeMap<String, ByteString>,
    going: bool,
}

/// Why a key cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyProblem {
    /// The Secret has no such key.
    Missing,
    /// The value is empty.
    Empty,
    /// The value is not UTF-8 text, or holds control characters.
    NotText,
    /// The value is longer than any credential.
    TooLong,
}

impl KeyProblem {
    /// The problem as the end of a sentence about a key.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "is missing",
            Self::Empty => "is empty",
            Self::NotText => "is not plain text",
            Self::TooLong => "is longer than 16 KiB",
        }
    }
}

/// Longest value that is taken for a credential, in bytes.
const LIMIT: usize = 16 * 1024;

impl SecretData {
    /// Name of the Secret.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the Secret is being deleted.
    pub fn is_going(&self) -> bool {
        self.going
    }

    /// The value of a key, without surrounding white space.
    pub fn value(&self, key: &str) -> Result<SecretString, KeyProblem> {
        let bytes = &self.data.get(key).ok_or(KeyProblem::Missing)?.0;
        if bytes.len() > LIMIT {
            return Err(KeyProblem::TooLong);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| KeyProblem::NotText)?.trim();
        if text.is_empty() {
            Err(KeyProblem::Empty)
        } else if text.chars().any(char::is_control) {
            Err(KeyProblem::NotText)
        } else {
            Ok(SecretString::from(text))
        }
    }
}

impl Cluster {
    /// Whether the operator may use Secrets of this name.
    pub fn may_use_secret(&self, name: &str) -> bool {
        self.secret_names.is_empty() || self.secret_names.iter().any(|allowed| allowed == name)
    }

    /// The field selectors that together select every Secret that may be used. One name each: only such a list or watch is allowed by
    /// a role that is limited to names.
    pub fn secret_selectors(&self) -> Vec<Option<String>> {
        if self.secret_names.is_empty() {
            return vec![None];
        }
        self.secret_names.iter().map(|name| Some(format!("metadata.name={name}"))).collect()
    }

    /// Reads one Secret.
    pub async fn secret(&self, namespace: &str, name: &str) -> Result<Option<SecretData>, Error> {
        let secret = within_deadline(self.api::<Secret>(namespace).get_opt(name)).await?;
        Ok(secret.map(|secret| SecretData {
            name: name.to_owned(),
            going: secret.metadata.deletion_timestamp.is_some(),
            data: secret.data.unwrap_or_default(),
        }))
    }

    /// Metadata of one Secret.
    pub async fn secret_metadata(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<PartialObjectMeta<Secret>>, Error> {
        within_deadline(self.api::<Secret>(namespace).get_metadata_opt(name)).await
    }

    /// Puts our finalizer on a Secret that has none yet and is not being deleted. Written only when it is missing.
    pub async fn protect_secret(&self, namespace: &str, name: &str) -> Result<(), Error> {
        let Some(secret) = self.secret_metadata(namespace, name).await? else { return Ok(()) };
        if is_protected(&secret) || secret.metadata.deletion_timestamp.is_some() {
            return Ok(());
        }
        let mut finalizers = secret.finalizers().to_vec();
        finalizers.push(SECRET_FINALIZER.to_owned());
        self.write_secret_finalizers(&secret, &finalizers).await
    }

    /// Metadata of the Secrets that carry our finalizer, in one namespace or in all.
    pub async fn protected_secrets(
        &self,
        namespace: Option<&str>,
    ) -> Result<Vec<PartialObjectMeta<Secret>>, Error> {
        let api = self.api_in::<Secret>(namespace);
        let mut protected = Vec::new();
        for field_selector in self.secret_selectors() {
            let params = ListParams { field_selector, ..ListParams::default() };
            let list = within_deadline(api.list_metadata(&params)).await?;
            protected.extend(list.items.into_iter().filter(is_protected));
        }
        Ok(protected)
    }

    /// Removes our finalizer from a Secret.
    pub async fn unprotect_secret(&self, secret: &PartialObjectMeta<Secret>) -> Result<(), Error> {
        let finalizers: Vec<String> =
            secret.finalizers().iter().filter(|finalizer| *finalizer != SECRET_FINALIZER).cloned().collect();
        self.write_secret_finalizers(secret, &finalizers).await
    }

    async fn write_secret_finalizers(
        &self,
        secret: &PartialObjectMeta<Secret>,
        finalizers: &[String],
    ) -> Result<(), Error> {
        let patch =
            json!({ "metadata": { "resourceVersion": secret.resource_version(), "finalizers": finalizers } });
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let api = self.api::<Secret>(&secret.namespace().unwrap_or_default());
        match within_deadline(api.patch_metadata(&secret.name_any(), &params, &Patch::Merge(patch))).await {
            Ok(_) | Err(Error::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Whether our finalizer stands on the Secret.
pub fn is_protected(secret: &PartialObjectMeta<Secret>) -> bool {
    secret.finalizers().iter().any(|finalizer| finalizer == SECRET_FINALIZER)
}

/// When the deletion of the object was asked for.
pub fn deletion_time<K: Resource>(object: &K) -> Option<Timestamp> {
    object.meta().deletion_timestamp.as_ref().map(|time| time.0)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn data(value: &[u8]) -> SecretData {
        SecretData {
            name: "s".into(),
            going: false,
            data: BTreeMap::from([("k".to_owned(), ByteString(value.to_vec()))]),
        }
    }

    #[test]
    fn a_value_loses_the_newline_that_editors_add() {
        assert_eq!(data(b"sk_test_1\n").value("k").unwrap().expose_secret(), "sk_test_1");
    }

    #[test]
    fn values_that_cannot_be_credentials_are_refused_by_name() {
        let problem = |value: &[u8]| data(value).value("k").map(|_| ()).unwrap_err();
        assert_eq!(problem(b" \n"), KeyProblem::Empty);
        assert_eq!(problem(&[0xff, 0xfe]), KeyProblem::NotText);
        assert_eq!(problem(b"a\nb"), KeyProblem::NotText);
        assert_eq!(problem(&vec![b'a'; LIMIT + 1]), KeyProblem::TooLong);
        assert_eq!(data(b"x").value("other").map(|_| ()).unwrap_err(), KeyProblem::Missing);
    }
}
