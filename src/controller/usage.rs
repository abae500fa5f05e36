//! What upstream still uses an object that is about to be deleted: what a deleted child retained keeps what it is built on, and what others
//! made blocks.
//!
//! A list only names what may use the object; what counts is read again, since a list may still show what was just deleted.

use super::managed::Managed;
use super::owners::has;
use super::pass::Pass;
use super::site::Site;
use super::upstream::{self, Object};
use crate::aep::{Filter, model};
use crate::api::condition::Reason;
use crate::api::role::Role;
use crate::api::{IngestionFlow, StripeSourceConnection};
use crate::domain::lookup::Candidate;
use crate::domain::marker::Marker;
use crate::domain::outcome::{Obstacle, some_of};

/// An object that uses another one.
struct User {
    role: Role,
    id: String,
    marker: Option<Marker>,
}

impl std::fmt::Display for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.role, self.id)
    }
}

impl<K: Managed> Pass<'_, K> {
    /// Why an object stays upstream although it was to be deleted; `None` when it may go.
    ///
    /// # Errors
    /// It is blocked while something uses it that is not ours to keep it for.
    pub(super) async fn kept_for(
        &self,
        role: Role,
        id: &str,
        site: &Site,
    ) -> Result<Option<String>, Obstacle> {
        if role == Role::FieldGroup && self.kept.contains(&Role::Schema) {
            return Ok(Some("it is a part of the schema, which stays".to_owned()));
        }
        let (mut retained, mut foreign) = (Vec::new(), Vec::new());
        for user in users(site, role, id).await? {
            match &user.marker {
                Some(marker) if marker.uid == self.uid => {}
                Some(marker) if self.is_of_this_cluster(marker, site) => {
                    if upstream::read(site, user.role, &user.id, None).await?.is_none() {
                        continue;
                    }
                    if self.user_is_owned(&user, marker).await? {
                        return Err(in_use(role, id, &[user]));
                    }
                    retained.push(user.to_string());
                }
                _ => foreign.push(user),
            }
        }
        if !retained.is_empty() {
            let users = some_of(&retained);
            return Ok(Some(format!("it is used by {users}, which was retained")));
        }
        let foreign = flows_among(site, foreign).await?;
        if foreign.is_empty() { Ok(None) } else { Err(in_use(role, id, &foreign)) }
    }

    fn is_of_this_cluster(&self, marker: &Marker, site: &Site) -> bool {
        marker.owner.cluster == self.cx.settings.cluster_id && marker.sandbox == site.sandbox
    }

    async fn user_is_owned(&self, user: &User, marker: &Marker) -> Result<bool, Obstacle> {
        match user.role {
            // A flow that was replaced together with its dataset has left the old one behind.
            Role::Dataset => {
                let names = |flow: &IngestionFlow| has(flow, Role::Dataset, &user.id);
                self.owner_lives_and(marker, names).await
            }
            Role::SourceConnection => self.owner_lives::<StripeSourceConnection>(marker).await,
            _ => self.owner_lives::<IngestionFlow>(marker).await,
        }
    }
}

fn in_use(role: Role, id: &str, users: &[User]) -> Obstacle {
    let users: Vec<String> = users.iter().map(ToString::to_string).collect();
    Obstacle::blocked(
        Reason::InUseUpstream,
        format!(
            "the {role} {id} is still used upstream by {}: delete or change that in AEP, and the deletion goes on by itself; or set deletionPolicy to Retain",
            some_of(&users)
        ),
    )
}

/// What lists show as users of an object.
async fn users(site: &Site, role: Role, id: &str) -> Result<Vec<User>, Obstacle> {
    Ok(match role.present() {
        Role::Connection => search(site, Role::SourceConnection, id).await?,
        Role::SourceConnection => search(site, Role::Flow, id).await?,
        // Adobe forbids to delete a schema that a dataset uses, and does not say how it refuses.
        Role::Schema => {
            let found = site.session.find_data_sets_by_schema(id).await?;
            found.into_iter().map(dataset).collect()
        }
        Role::Dataset => {
            let mut flows = Vec::new();
            for target in upstream::search(site, Role::TargetConnection, id).await? {
                let filter = Filter::all().equal("targetConnectionIds[]", &target.id);
                let found: Vec<model::Flow> = site.session.list(&filter).await?;
                flows.extend(found.into_iter().map(|flow| {
                    let id = flow.meta.id.clone();
                    User { role: Role::Flow, id, marker: Object::Flow(flow).marker() }
                }));
            }
            flows
        }
        _ => Vec::new(),
    })
}

fn dataset(found: model::DataSet) -> User {
    let id = found.id.clone();
    User { role: Role::Dataset, id, marker: Object::DataSet(found).marker() }
}

/// Only a flow is hurt when what it uses goes: a source connection without one is nobody's loss.
async fn flows_among(site: &Site, users: Vec<User>) -> Result<Vec<User>, Obstacle> {
    let mut flows = Vec::new();
    for user in users {
        if user.role == Role::SourceConnection {
            flows.extend(search(site, Role::Flow, &user.id).await?);
        } else {
            flows.push(user);
        }
    }
    Ok(flows)
}

async fn search(site: &Site, role: Role, key: &str) -> Result<Vec<User>, Obstacle> {
    let found = upstream::search(site, role, key).await?;
    Ok(found.into_iter().map(|Candidate { id, marker, .. }| User { role, id, marker }).collect())
}
