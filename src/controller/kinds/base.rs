//! `StripeBaseConnection`: one Flow Service connection, and its own test.

use std::collections::BTreeMap;

use kube::ResourceExt;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::parent::holding;
use super::{adoption, common_fields, display_name};
use crate::aep::{model, spec};
use crate::api::condition::{ConditionType, Reason};
use crate::api::role::Role;
use crate::api::status::ExternalObject;
use crate::api::{StripeBaseConnection, StripeBaseConnectionStatus, StripeSourceConnection};
use crate::cluster::read::Found;
use crate::controller::adoption::{Named, lines};
use crate::controller::context::Context;
use crate::controller::hash;
use crate::controller::managed::{Change, External, Finding, Managed, Post, Report, Shape};
use crate::controller::rotation::Trial;
use crate::controller::site::{self, Site};
use crate::controller::upstream::{self, Object};
use crate::controller::{described, secrets};
use crate::domain::drift::Drift;
use crate::domain::outcome::{Class, Obstacle};

/// The field that holds the Stripe key.
const KEY_FIELD: &str = "stripeCredentialsSecretRef";

/// What a base connection refers to.
pub struct Refs {
    site: Site,
    stripe_key: SecretString,
    secret_is_going: bool,
}

/// What a base connection should be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Desired {
    name: String,
    description: Option<String>,
    credentials_hash: String,
    platform_hash: String,
}

impl Managed for StripeBaseConnection {
    common_fields!(StripeBaseConnectionStatus);
    type Refs = Refs;
    type Desired = Desired;

    fn roles(&self) -> Vec<Role> {
        vec![Role::Connection]
    }

    fn keeps(&self, _: Role) -> bool {
        false
    }

    fn adopts(&self, role: Role, _: &BTreeMap<Role, Object>) -> Option<Named> {
        adoption::named(role, self.spec.adopt.as_ref().map(|adopt| &adopt.connection_id))
    }

    fn upstream_name(&self, role: Role) -> String {
        let name = display_name(self, self.spec.display_name.as_deref());
        if role == Role::Probe { format!("{name} (trial of a new key)") } else { name }
    }

    async fn resolve(&self, cx: &Context) -> Result<Refs, Obstacle> {
        let site = site::open(cx, self).await?;
        let (stripe_key, is_going) = site::stripe_key(cx, self).await?;
        let secret_is_going = is_going || site.secret_is_going;
        Ok(Refs { site, stripe_key, secret_is_going })
    }

    async fn reach(&self, cx: &Context) -> Result<Site, Obstacle> {
        site::open(cx, self).await
    }

    async fn dependents(&self, cx: &Context) -> Result<Vec<String>, Obstacle> {
        let namespace = self.namespace().unwrap_or_default();
        let sources: Found<StripeSourceConnection> =
            cx.cluster.list_by_field(&namespace, "spec.baseConnectionRef.name", &self.name_any()).await?;
        Ok(holding(sources).collect())
    }

    async fn after_release(&self, cx: &Context) -> Result<(), Obstacle> {
        secrets::review(cx, &self.namespace().unwrap_or_default(), None).await?;
        Ok(())
    }

    async fn before_release(&self, cx: &Context) -> Result<(), Obstacle> {
        secrets::review(cx, &self.namespace().unwrap_or_default(), Some(self)).await?;
        Ok(())
    }

    fn site(refs: &Refs) -> &Site {
        &refs.site
    }

    fn desired(&self, refs: &Refs) -> Result<Desired, Obstacle> {
        let uid = self.uid().unwrap_or_default();
        Ok(Desired {
            name: self.upstream_name(Role::Connection),
            description: self.spec.description.clone(),
            credentials_hash: hash::of_secret(&uid, refs.stripe_key.expose_secret()),
            platform_hash: hash::of_secret(&uid, refs.site.session.fingerprint()),
        })
    }

    fn key(&self, _: Role, _: Option<&Refs>, _: &External) -> Option<String> {
        Some(spec::STRIPE_CONNECTION_SPEC.to_owned())
    }

    fn drift(&self, shape: &Shape<'_, Self>, role: Role, object: &Object) -> Drift {
        let drift =
            described::drift(shape, role, object, &shape.desired.name, shape.desired.description.as_deref());
        if shape.patched.contains(&role) {
            return drift;
        }
        // Adobe masks the key in its answers, so only the hash of what was sent last can tell. An object that was found again after
        // a lost answer was created with the key of that time, which may not be this one.
        let applied = self.status.as_ref().and_then(|status| status.credentials_hash.as_deref());
        drift.field(KEY_FIELD, shape.desired.credentials_hash.as_str(), applied.unwrap_or("unknown"))
    }

    /// A key is tried only in the place of another one, ours or that of whoever made the connection: a first one has nothing to stop.
    fn trial(&self, cx: &Context, shape: &Shape<'_, Self>, drift: &Drift) -> Option<Trial> {
        let had_ours = self.status.as_ref().is_some_and(|status| status.credentials_hash.is_some());
        let replaces = had_ours || shape.is_adopted(Role::Connection);
        (cx.settings.verify_rotation && replaces && drift.has(KEY_FIELD)).then(|| Trial {
            field: KEY_FIELD,
            key: cx.trials.key(shape.site(), shape.refs.stripe_key.expose_secret()),
            refusal: self.refused_key("; until then the former key stays in use"),
        })
    }

    fn finding(obstacle: &Obstacle) -> Option<Finding> {
        let is_about_credentials = matches!(
            obstacle.reason,
            Reason::StripeCredentialsRefused
                | Reason::PlatformCredentialsRefused
                | Reason::OrganizationChanged
        );
        is_about_credentials.then(|| {
            Finding::new(ConditionType::CredentialsValid, Some(false), obstacle.reason, &obstacle.message)
        })
    }

    fn refuse_unfit(&self, shape: &Shape<'_, Self>, role: Role, object: &Object) -> Result<(), Obstacle> {
        adoption::unfit_connection(shape, role, object)
    }

    fn differences(&self, shape: &Shape<'_, Self>, role: Role, object: &Object) -> Vec<String> {
        let description = shape.desired.description.as_deref();
        let mut lines = lines(&described::drift(shape, role, object, &shape.desired.name, description));
        // Adobe masks the key in its answers, so nobody can tell whether it is the same.
        lines.push("stripeCredentialsSecretRef: unknown upstream, will be replaced".to_owned());
        lines
    }

    async fn create(
        &self,
        cx: &Context,
        shape: &Shape<'_, Self>,
        role: Role,
        post: Post<'_>,
    ) -> Result<ExternalObject, Obstacle> {
        // Before the first write upstream: from here on the credentials are needed to undo it.
        secrets::protect(cx, self).await?;
        let new = model::NewConnection {
            name: self.upstream_name(role),
            description: Some(shape.marker(role).describe(shape.desired.description.as_deref())),
            connection_spec: model::SpecRef::v1(spec::STRIPE_CONNECTION_SPEC),
            auth_spec_name: spec::STRIPE_AUTH_SPEC_NAME.to_owned(),
            access_token: shape.refs.stripe_key.clone(),
        };
        let created = shape.site().session.create::<model::Connection>(post.permit, post.gate, &new).await?;
        Ok(upstream::created(shape.site(), role, created))
    }

    async fn update(
        &self,
        _: &Context,
        shape: &Shape<'_, Self>,
        change: Change<'_>,
    ) -> Result<ExternalObject, Obstacle> {
        let mut patch =
            described::patch(shape, &change, &shape.desired.name, shape.desired.description.as_deref());
        if change.drift.has(KEY_FIELD) {
            patch = patch.access_token(shape.refs.stripe_key.clone());
        }
        described::send::<model::Connection, _>(shape, &change, patch).await
    }

    async fn settle(
        &self,
        cx: &Context,
        shape: &Shape<'_, Self>,
        looked: bool,
        report: &mut Report<Self::Status>,
    ) -> Result<(), Obstacle> {
        let applied = report.status.credentials_hash.replace(shape.desired.credentials_hash.clone());
        if applied.is_some() && applied != report.status.credentials_hash {
            let reference = &self.spec.stripe_credentials_secret_ref;
            let note =
                format!("the connection has the key in {} of Secret {}", reference.key, reference.name);
            report.events.push((Reason::CredentialsRotated, note));
        }
        if looked || shape.refs.secret_is_going {
            secrets::protect(cx, self).await?;
            report.recheck = secrets::review(cx, &self.namespace().unwrap_or_default(), None).await?;
        }
        if !looked {
            return Ok(());
        }
        let id = shape.id(Role::Connection)?;
        if shape.site().session.test_connection(id).await? {
            report.conditions.push(Finding::new(
                ConditionType::CredentialsValid,
                Some(true),
                Reason::CredentialsAccepted,
                "AEP accepted the platform credentials, and the connection's own test passed",
            ));
            return Ok(());
        }
        Err(self.refused_key(""))
    }
}

impl StripeBaseConnection {
    fn refused_key(&self, consequence: &str) -> Obstacle {
        let reference = &self.spec.stripe_credentials_secret_ref;
        let message = format!(
            "spec.stripeCredentialsSecretRef: Stripe refuses the key in {} of Secret {}: put a valid secret key there{consequence}",
            reference.key, reference.name
        );
        Obstacle::new(Class::Denied, Reason::StripeCredentialsRefused, message)
    }
}
