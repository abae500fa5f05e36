//! The finalizer on Secrets in use: a namespace that is deleted with everything in it must not lose the credentials first.
//!
//! A Secret that is being deleted is held only while its namespace is terminating, while an object that uses it is being deleted, or for
//! a short time; a held Secret cannot be created again, so holding it longer would stand in the way of its replacement.

use std::time::Duration;

use kube::ResourceExt;

use super::context::Context;
use crate::api::StripeBaseConnection;
use crate::cluster::Error;
use crate::cluster::claim::is_claimed;
use crate::cluster::secrets::{deletion_time, is_protected};

/// How long a deleted Secret is held for a deletion of its users to show.
pub(super) const HOLD: Duration = Duration::from_secs(30);

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

/// Whether a Secret that the base connection uses is being deleted.
pub(super) async fn any_is_going(cx: &Context, base: &StripeBaseConnection) -> Result<bool, Error> {
    let namespace = base.namespace().unwrap_or_default();
    for name in base.secret_names() {
        let secret = cx.cluster.secret_metadata(&namespace, &name).await?;
        if secret.is_some_and(|secret| secret.metadata.deletion_timestamp.is_some()) {
            return Ok(true);
        }
    }
    Ok(false)
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

/// Releases the Secrets of a base connection that nobody uses any more, or that must not be held longer. Returns when a Secret that is
/// still held has to be looked at again.
pub(super) async fn review(cx: &Context, base: &StripeBaseConnection) -> Result<Option<Duration>, Error> {
    let namespace = base.namespace().unwrap_or_default();
    let mut again = None;
    for name in base.secret_names() {
        let Some(secret) = cx.cluster.secret_metadata(&namespace, &name).await?.filter(is_protected) else {
            continue;
        };
        let users: Vec<StripeBaseConnection> = cx
            .cluster
            .list::<StripeBaseConnection>(&namespace)
            .await?
            .into_iter()
            .filter(|user| is_claimed(user) && user.uses_secret(&name))
            .collect();
        let Some(deleted) = deletion_time(&secret) else {
            if users.is_empty() {
                cx.cluster.unprotect_secret(&secret).await?;
            }
            continue;
        };
        let needed = users.iter().any(|user| user.metadata.deletion_timestamp.is_some())
            || (!users.is_empty() && cx.cluster.namespace_is_terminating(&namespace).await?);
        let age = Duration::try_from(cx.now().duration_since(deleted)).unwrap_or_default();
        if !users.is_empty() && (needed || age < HOLD) {
            again = Some(HOLD.saturating_sub(age).max(Duration::from_secs(1)));
        } else {
            cx.cluster.unprotect_secret(&secret).await?;
        }
    }
    Ok(again)
}
