//! What an apply of manifests would make the operator do, told by the operator's own code.
//!
//! Each manifest becomes what the API server says that it would be (a dry run). The operator's reconcile then runs on it, with a cluster
//! that holds what is planned ([`overlay`]) and a way to Adobe that refuses writes ([`Reach`]): its first refused write is certain. What
//! follows is told by [`domain::plan`](aep_operator::domain::plan) from what is upstream now ([`follow`]).

mod dry_run;
mod follow;
mod overlay;

use std::sync::Arc;

use aep_operator::api::PAUSED;
use aep_operator::api::condition::{ConditionType, Reason, find};
use aep_operator::api::role::Role;
use aep_operator::api::status::{CommonStatus, Pending};
use aep_operator::controller::managed::Managed;
use aep_operator::controller::reconcile;
use aep_operator::domain::outcome::{Class, Obstacle};
use anyhow::{Result, bail, ensure};
use kube::{Client, ResourceExt};
use serde::Serialize;
use serde_json::Value;

use self::dry_run::{DryRun, Planned, dry_run};
use self::overlay::Overlay;
use crate::args;
use crate::manifest::{self, Manifest};
use crate::reach::{Reach, Refused};

/// What would become of one custom resource.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectPlan {
    /// Its kind.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// How the operator's pass would end.
    pub outcome: Outcome,
    /// The calls to Adobe that would change something, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<Call>,
    /// The action that would wait for approval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
    /// What else is to be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// How the operator's pass over an object would end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Outcome {
    /// Upstream is as the manifest says.
    NoChange,
    /// Calls are sent.
    Changes,
    /// It waits for another object first.
    Waits,
    /// It waits for a person.
    NeedsApproval,
    /// The API server or the operator refuses it.
    Refused,
}

impl Outcome {
    /// The words of a table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoChange => "no change",
            Self::Changes => "changes",
            Self::Waits => "waits",
            Self::NeedsApproval => "needs approval",
            Self::Refused => "refused",
        }
    }
}

/// One call to Adobe that would change something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// `create`, `patch`, `put`, `delete`, or `action` for a flow that is enabled or disabled.
    pub action: &'static str,
    /// What the upstream object is to the custom resource.
    pub role: Role,
    /// Adobe's id, for one that exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The request, where the operator's code was seen to send it; the others follow as far as can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// The fields that differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<String>,
}

/// Plans all manifests. References come first, so that those that do not exist yet are seen by what refers to them.
pub async fn plan(client: Client, args: &args::Plan) -> Result<Vec<ObjectPlan>> {
    let namespace = args.namespace.as_deref().unwrap_or_else(|| client.default_namespace()).to_owned();
    let overlay = Overlay::default();
    let reach = Reach::new(overlay.client(client.clone()), &args.reach).await?;
    let planner = Planner { client, namespace, reach, overlay };
    let manifests = manifest::read(&args.filename)?;
    ensure!(!manifests.is_empty(), "there is no object of the operator's kinds in what was given");
    let mut plans = Vec::new();
    for manifest in manifests {
        plans.push(match &manifest {
            Manifest::Base(object, raw) => planner.object(&**object, raw).await?,
            Manifest::Source(object, raw) => planner.object(&**object, raw).await?,
            Manifest::Mapping(object, raw) => planner.object(&**object, raw).await?,
            Manifest::Flow(object, raw) => planner.object(&**object, raw).await?,
        });
    }
    Ok(plans)
}

struct Planner {
    /// The cluster as it is.
    client: Client,
    /// Of manifests that name none.
    namespace: String,
    /// The cluster as it would be, and Adobe.
    reach: Reach,
    overlay: Overlay,
}

impl Planner {
    async fn object<K: Managed>(&self, object: &K, manifest: &Value) -> Result<ObjectPlan> {
        let planned = match dry_run(&self.client, &self.namespace, object, manifest).await? {
            DryRun::Accepted(planned) => planned,
            DryRun::Refused { namespace, name, why } => {
                let note = Some(format!("the API server refuses it: {why}"));
                let kind = K::kind(&()).into_owned();
                let (outcome, calls) = (Outcome::Refused, Vec::new());
                return Ok(ObjectPlan { kind, namespace, name, outcome, calls, pending: None, note });
            }
        };
        self.overlay.put(&planned.path, &planned.raw);
        let told = Box::pin(self.tell(&planned)).await;
        if planned.exists {
            // What refers to an object that exists sees the present one: it keeps its ids whatever becomes of it.
            self.overlay.take(&planned.path);
        } else {
            self.overlay.put(&planned.path, &planned.raw);
        }
        told
    }

    async fn tell<K: Managed>(&self, planned: &Planned<K>) -> Result<ObjectPlan> {
        let object = &planned.object;
        let mut plan = ObjectPlan {
            kind: K::kind(&()).into_owned(),
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
            outcome: Outcome::NoChange,
            calls: Vec::new(),
            pending: None,
            note: None,
        };
        if let Some(why) = hands_off(object) {
            plan.note = Some(why.to_owned());
            return Ok(plan);
        }
        let cx = &self.reach.cx;
        // Upstream is looked at even where nothing of spec changes.
        cx.memory.ask_for_check(&object.uid().unwrap_or_default());
        let result = reconcile(object.clone(), Arc::clone(cx)).await;
        let refused = self.reach.upstream.take_refused();
        let after: K = match self.overlay.take(&planned.path) {
            Some(raw) => serde_json::from_value(raw)?,
            None => object.clone(),
        };
        let common = after.status().map(K::common).cloned().unwrap_or_default();
        match result {
            Ok(_) => plan.note = reported_drift(&common),
            Err(obstacle) => self.obstructed(&mut plan, object, obstacle, &refused).await?,
        }
        Ok(plan)
    }

    /// The end of a pass that could not finish, as each does that writes.
    async fn obstructed<K: Managed>(
        &self,
        plan: &mut ObjectPlan,
        object: &K,
        obstacle: Obstacle,
        refused: &[Refused],
    ) -> Result<()> {
        if let Some(pending) = obstacle.pending {
            plan.outcome = Outcome::NeedsApproval;
            plan.pending = Some(*pending);
            return Ok(());
        }
        if !refused.is_empty() {
            plan.outcome = Outcome::Changes;
            plan.calls = self.calls(object, refused).await;
            plan.note = self.next_version(object, &plan.calls).await;
            return Ok(());
        }
        plan.outcome = match obstacle.class {
            Class::Blocked | Class::Ambiguous => Outcome::Waits,
            Class::Unavailable if is_under_way(obstacle.reason) => Outcome::Waits,
            Class::Invalid | Class::Denied | Class::Gone | Class::Bug => Outcome::Refused,
            // Nothing is known then, and another try may tell.
            Class::Limited | Class::Unavailable | Class::Conflict => {
                bail!("{} {}/{} cannot be planned: {obstacle}", plan.kind, plan.namespace, plan.name)
            }
        };
        if plan.outcome == Outcome::Waits {
            plan.calls = follow::creations(object);
        }
        plan.note = Some(obstacle.message);
        Ok(())
    }

    /// What a new version of a mapping set means: nothing, before flows are patched to it.
    async fn next_version<K: Managed>(&self, object: &K, calls: &[Call]) -> Option<String> {
        if !calls.iter().any(|call| call.action == "put") {
            return None;
        }
        let flows = object.dependents(&self.reach.cx).await.ok()?;
        (!flows.is_empty()).then(|| format!("patched to the new version after that: {}", flows.join(", ")))
    }

    /// The refused writes, then what follows them.
    async fn calls<K: Managed>(&self, object: &K, refused: &[Refused]) -> Vec<Call> {
        let following = follow::following(&self.reach.cx, object).await;
        // What refused the first write may have made the reads around it pointless; the write itself is certain.
        let following = following.unwrap_or_else(|_: Obstacle| follow::creations(object));
        follow::joined(refused, following)
    }
}

/// The differences that `driftPolicy: Report` leaves as they are.
fn reported_drift(common: &CommonStatus) -> Option<String> {
    let synced = find(&common.conditions, ConditionType::Synced)?;
    (synced.reason == Reason::DriftReported.as_str()).then(|| synced.message.clone())
}

/// Whether something upstream has to end first, by itself.
fn is_under_way(reason: Reason) -> bool {
    matches!(reason, Reason::Progressing | Reason::UpstreamBusy)
}

/// Why the operator would not touch the object.
fn hands_off<K: Managed>(object: &K) -> Option<&'static str> {
    if object.meta().deletion_timestamp.is_some() {
        return Some("it is being deleted, so that a change of its spec has no effect");
    }
    let is_paused = object.annotations().get(PAUSED).is_some_and(|value| value == "true");
    is_paused.then_some("it is paused: nothing is sent before kubectl aep resume")
}
