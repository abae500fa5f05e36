//! The finalizer on Secrets in use: a namespace that is deleted with everything in it must not lose the credentials first.
//!
//! A Secret that is being deleted is held only while its namespace is terminating, while an object that uses it is being deleted, or for
//! a short time; a held Secret cannot be created again, so holding it longer would stand in the way of its replacement.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use kube::core::PartialObjectMeta;

use super::context::Context;
use crate::api::StripeBaseConnection;
use crate::cluster::Error;
use crate::cluster::claim::is_claimed;
use crate::cluster::read::Found;
use crate::cluster::secrets::deletion_time;

/// How long a deleted Secret is held for a deletion of its users to show.
const HOLD: Duration = Duration::from_secs(30);
/// How soon a Secret is looked at again that is held for a deletion under way.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

impl StripeBaseConnection {
    /// Names of the Secrets that the object uses.
    pub(super) fn secret_names(&self) -> Vec<String> {
        let mut names = vec![
            self.spec.platform_credentials_secret_ref.name.clone(),
            self.spec.stripe_credentials_secret_ref.name.clone(),
        ];
        names.dedup();
        names
    }

    /// Whether the object uses a Secret.
    pub(super) fn uses_secret(&self, name: &str) -> bool {
        self.secret_names().iter().any(|used| used == name)
    }
}

/// Protects the Secrets of a base connection.
pub(super) async fn protect(cx: &Context, base: &StripeBaseConnection) -> Result<(), Error> {
    if cx.settings.protect_secrets {
        for name in base.secret_names() {
            cx.cluster.protect_secret(&base.namespace().unwrap_or_default(), &name).await?;
        }
    }
    Ok(())
}

/// Releases the Secrets of the namespace that nobody uses any more, or that must not be held longer. `leaving` is a base connection whose
/// own use no longer counts. Returns when a Secret that is still held has to be looked at again.
pub(super) async fn review(
    cx: &Context,
    namespace: &str,
    leaving: Option<&StripeBaseConnection>,
) -> Result<Option<Duration>, Error> {
    let secrets = cx.cluster.protected_secrets(Some(namespace)).await?;
    if secrets.is_empty() {
        return Ok(None);
    }
    let leaving = leaving.and_then(ResourceExt::uid);
    let mut bases: Found<StripeBaseConnection> = cx.cluster.list(namespace).await?;
    bases.objects.retain(|base| is_claimed(base) && (leaving.is_none() || base.uid() != leaving));
    bases.unparsed.retain(is_claimed);
    let mut again: Option<Duration> = None;
    for secret in secrets {
        let name = secret.name_any();
        let parsed = bases.objects.iter().filter(|base| base.uses_secret(&name));
        let mut users: Vec<_> = parsed.map(|base| &base.metadata).collect();
        // One that does not parse may use what nobody else does.
        if users.is_empty() {
            users.extend(bases.unparsed.iter().map(|base| &base.metadata));
        }
        match held_for(cx, namespace, &secret, &users).await? {
            Some(rest) => again = Some(again.map_or(rest, |again| again.min(rest))),
            None if users.is_empty() || deletion_time(&secret).is_some() => {
                cx.cluster.unprotect_secret(&secret).await?;
            }
            None => {}
        }
    }
    Ok(again)
}

/// Reviews every namespace that has protected Secrets: what a crash between a release and its review has left.
pub(super) async fn sweep(cx: &Context, namespace: Option<&str>) -> Result<(), Error> {
    let secrets = cx.cluster.protected_secrets(namespace).await?;
    let namespaces: BTreeSet<String> = secrets.iter().filter_map(ResourceExt::namespace).collect();
    for namespace in namespaces {
        review(cx, &namespace, None).await?;
    }
    Ok(())
}

/// How much longer a Secret that is being deleted is held; `None` when it is not, or not any more.
async fn held_for(
    cx: &Context,
    namespace: &str,
    secret: &PartialObjectMeta<Secret>,
    users: &[&ObjectMeta],
) -> Result<Option<Duration>, Error> {
    let Some(deleted) = deletion_time(secret) else { return Ok(None) };
    if users.is_empty() {
        return Ok(None);
    }
    let age = Duration::try_from(cx.now().duration_since(deleted)).unwrap_or_default();
    let needed = users.iter().any(|user| user.deletion_timestamp.is_some())
        || cx.cluster.namespace_is_terminating(namespace).await?;
    let rest = HOLD.saturating_sub(age);
    Ok(match (needed, rest.is_zero()) {
        (true, _) => Some(rest.max(LOOK_AGAIN)),
        (false, false) => Some(rest),
        (false, true) => None,
    })
}
