//! Where a custom resource lives upstream: an organisation, a sandbox, and a session with its credentials.

use kube::ResourceExt;
use secrecy::{ExposeSecret, SecretString};

use super::context::Context;
use crate::aep::{Credentials, Session};
use crate::api::StripeBaseConnection;
use crate::api::condition::Reason;
use crate::api::role::Role;
use crate::cluster::secrets::SecretData;
use crate::domain::outcome::{Class, Obstacle};

/// Where a custom resource lives upstream.
#[derive(Clone)]
pub struct Site {
    /// A session in the sandbox.
    pub session: Session,
    /// The organisation, `…@AdobeOrg`.
    pub organization: String,
    /// The sandbox name.
    pub sandbox: String,
    /// The sandbox id, where it may be read.
    pub sandbox_id: Option<String>,
    /// The Secret with the platform credentials is being deleted.
    pub secret_is_going: bool,
}

/// What tells sites apart: the organisation, the sandbox and the client id.
pub type Key = (String, String, String);

impl Site {
    /// The client id that our objects are created with.
    pub fn client_id(&self) -> &str {
        self.session.client_id()
    }

    /// What tells it from others.
    pub fn key(&self) -> Key {
        (self.organization.clone(), self.sandbox.clone(), self.client_id().to_owned())
    }
}

/// Opens the site of a base connection: its platform Secret, read live, and its sandbox. The organisation must be the one in which the
/// base's objects already exist.
pub async fn open(cx: &Context, base: &StripeBaseConnection) -> Result<Site, Obstacle> {
    identified(cx, unidentified(cx, base).await?).await
}

/// The same without the id of the sandbox: Adobe is not asked.
pub async fn unidentified(cx: &Context, base: &StripeBaseConnection) -> Result<Site, Obstacle> {
    let namespace = base.namespace().unwrap_or_default();
    let name = &base.spec.platform_credentials_secret_ref.name;
    let field = "spec.platformCredentialsSecretRef";
    let secret = read_secret(cx, &namespace, name, field).await?;
    let credentials = Credentials {
        client_id: plain(&secret, "client-id", field)?,
        client_secret: value(&secret, "client-secret", field)?,
        org_id: plain(&secret, "org-id", field)?,
        scopes: secret.value("scopes").ok().map(|scopes| scopes.expose_secret().to_owned()),
    };
    refuse_another_organization(base, &credentials.org_id, name)?;
    Ok(Site {
        session: cx.aep.session(&credentials, &base.spec.sandbox),
        organization: credentials.org_id,
        sandbox: base.spec.sandbox.clone(),
        sandbox_id: None,
        secret_is_going: secret.is_going(),
    })
}

/// The site with the id of its sandbox, asked for once. A credential that may not read sandboxes goes on without it.
pub async fn identified(cx: &Context, site: Site) -> Result<Site, Obstacle> {
    let key = (site.organization.clone(), site.sandbox.clone());
    let ask = sandbox_id(&site.session, &site.organization, &site.sandbox);
    let sandbox_id = cx.known.sandboxes.get_or_ask(key, ask).await?;
    Ok(Site { sandbox_id, ..site })
}

/// The Stripe key of a base connection, and whether its Secret is being deleted.
pub async fn stripe_key(cx: &Context, base: &StripeBaseConnection) -> Result<(SecretString, bool), Obstacle> {
    let reference = &base.spec.stripe_credentials_secret_ref;
    let field = "spec.stripeCredentialsSecretRef";
    let secret = read_secret(cx, &base.namespace().unwrap_or_default(), &reference.name, field).await?;
    Ok((value(&secret, &reference.key, field)?, secret.is_going()))
}

async fn read_secret(cx: &Context, namespace: &str, name: &str, field: &str) -> Result<SecretData, Obstacle> {
    if !cx.cluster.may_use_secret(name) {
        return Err(Obstacle::new(
            Class::Denied,
            Reason::SecretNotAllowed,
            format!(
                "{field}: the operator may use Secrets of certain names only, and {name} is none of them: add it to secrets.names of the Helm chart (--secret-names), or put the credentials into a Secret of an allowed name"
            ),
        ));
    }
    cx.cluster.secret(namespace, name).await?.ok_or_else(|| {
        Obstacle::blocked(
            Reason::SecretMissing,
            format!("{field}: Secret {name} does not exist in namespace {namespace}: create it"),
        )
    })
}

fn value(secret: &SecretData, key: &str, field: &str) -> Result<SecretString, Obstacle> {
    secret.value(key).map_err(|problem| {
        let reason = if problem == crate::cluster::secrets::KeyProblem::Missing {
            Reason::SecretKeyMissing
        } else {
            Reason::SecretInvalid
        };
        Obstacle::blocked(
            reason,
            format!(
                "{field}: key {key} of Secret {} {}: correct the Secret",
                secret.name(),
                problem.as_str()
            ),
        )
    })
}

/// A value that is no secret, such as an organisation id.
fn plain(secret: &SecretData, key: &str, field: &str) -> Result<String, Obstacle> {
    Ok(value(secret, key, field)?.expose_secret().to_owned())
}

fn refuse_another_organization(
    base: &StripeBaseConnection,
    org_id: &str,
    secret: &str,
) -> Result<(), Obstacle> {
    let existing = base
        .status
        .as_ref()
        .and_then(|status| status.common.external.iter().find(|external| external.role == Role::Connection));
    match existing {
        Some(existing) if existing.organization != org_id => Err(Obstacle::new(
            Class::Denied,
            Reason::OrganizationChanged,
            format!(
                "Secret {secret} now names organisation {org_id}, but the connection {} lives in {}: put the former org-id back, or make a new StripeBaseConnection",
                existing.id, existing.organization
            ),
        )),
        _ => Ok(()),
    }
}

/// Asks again whether the sandbox is active, and the one in which an object was made.
pub async fn confirm(cx: &Context, site: &Site, recorded: Option<&str>) -> Result<(), Obstacle> {
    let now = sandbox_id(&site.session, &site.organization, &site.sandbox).await?;
    if now.is_some() {
        cx.known.sandboxes.note((site.organization.clone(), site.sandbox.clone()), now.clone());
    }
    match (recorded, now) {
        (Some(recorded), Some(now)) if recorded != now => Err(Obstacle::invalid(
            Reason::SandboxReset,
            format!(
                "sandbox {} is not the one in which this object's upstream objects were made: its id was {recorded} and is {now}. It was reset, or made anew; nothing is made again there by itself: set deletionPolicy to Retain, delete this object and apply it again",
                site.sandbox
            ),
        )),
        _ => Ok(()),
    }
}

/// The id of an active sandbox; `None` where it may not be read.
async fn sandbox_id(session: &Session, organization: &str, name: &str) -> Result<Option<String>, Obstacle> {
    match session.get_sandbox().await {
        Ok(Some(sandbox)) if sandbox.is_active() => Ok(sandbox.id),
        Ok(Some(sandbox)) => {
            let state = sandbox.state.unwrap_or_default();
            Err(Obstacle::blocked(
                Reason::SandboxNotActive,
                format!("spec.sandbox: sandbox {name} is {state}, not active"),
            ))
        }
        Ok(None) => Err(sandbox_not_found(organization, name)),
        Err(error) if error.is_sandbox_missing() => Err(sandbox_not_found(organization, name)),
        Err(error) if error.kind() == crate::aep::ErrorKind::Denied => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn sandbox_not_found(organization: &str, name: &str) -> Obstacle {
    let message = format!(
        "spec.sandbox: organisation {organization} has no sandbox {name}, or the platform credentials may not use it: create it, or grant the API credential a role in it"
    );
    Obstacle::invalid(Reason::SandboxNotFound, message)
}
