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
use crate::controller::adoption::{Named, lines};
use crate::controller::context::Context;
use crate::controller::managed::{Change, External, Finding, Managed, Post, Report, Shape};
use crate::controller::site::{self, Site};
use crate::controller::upstream::{self, Object};
use crate::controller::{described, secrets};
use crate::domain::drift::Drift;
use crate::domain::outcome::{Class, Obstacle};

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
    platform_client: String,
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

    fn unserved(&self) -> Option<&'static str> {
        None
    }

    fn adopts(&self, role: Role, _: &BTreeMap<Role, Object>) -> Option<Named> {
        adoption::named(role, self.spec.adopt.as_ref().map(|adopt| &adopt.connection_id))
    }

    fn upstream_name(&self, _: Role) -> String {
        display_name(self, self.spec.display_name.as_deref())
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
        let sources: Vec<StripeSourceConnection> =
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
        Ok(Desired {
            name: self.upstream_name(Role::Connection),
            description: self.spec.description.clone(),
            credentials_hash: upstream::secret_hash(
                &self.uid().unwrap_or_default(),
                refs.stripe_key.expose_secret(),
            ),
            platform_client: refs.site.client_id().to_owned(),
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
        drift.field(
            "stripeCredentialsSecretRef",
            shape.desired.credentials_hash.as_str(),
            applied.unwrap_or("unknown"),
        )
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
            name: shape.desired.name.clone(),
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
        if change.drift.has("stripeCredentialsSecretRef") {
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
        report.status.credentials_hash = Some(shape.desired.credentials_hash.clone());
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
        let reference = &self.spec.stripe_credentials_secret_ref;
        let message = format!(
            "spec.stripeCredentialsSecretRef: Stripe refuses the key in {} of Secret {}: put a valid secret key there",
            reference.key, reference.name
        );
        report.conditions.push(Finding::new(
            ConditionType::CredentialsValid,
            Some(false),
            Reason::StripeCredentialsRefused,
            message.clone(),
        ));
        Err(Obstacle::new(Class::Denied, Reason::StripeCredentialsRefused, message))
    }
}
