//! What a flow is doing, and how it is stopped and started: the part of a replacement that watches and switches flows.

use std::time::Duration;

use super::loss::refuse_hidden;
use super::managed::Managed;
use super::pass::Pass;
use super::site::Site;
use super::upstream::Object;
use crate::aep::{ErrorKind, FlowAction, model};
use crate::api::condition::Reason;
use crate::api::policy::DriftPolicy;
use crate::api::role::Role;
use crate::domain::outcome::{Class, Obstacle};
use crate::domain::plan::Standing;
use crate::domain::replacement::Activity;

/// Runs asked for to see whether one is in flight.
const RUNS: u8 = 20;
/// How long a run may be in flight before somebody has to see to it.
const PATIENCE: jiff::SignedDuration = jiff::SignedDuration::from_hours(1);
/// Time between two looks at a run in flight.
const LOOK: Duration = Duration::from_secs(10);
/// Time between two looks at a flow that is changing its state.
const BLINK: Duration = Duration::from_secs(2);

impl<K: Managed> Pass<'_, K> {
    /// What the flow of a role is doing, as far as this pass has seen.
    pub(super) fn activity(&self, role: Role) -> Activity {
        if !self.external.contains_key(&role) {
            return Activity::Gone;
        }
        self.replacing.activity.get(&role).map_or(Activity::Unknown, |(activity, _)| *activity)
    }

    /// While the old flow waits to be replaced, it still runs, or does not, as spec says: somebody may want it to stop.
    pub(super) async fn look_after(&mut self, site: &Site) -> Result<(), Obstacle> {
        let Some(Object::Flow(flow)) = self.objects.get(&Role::Flow) else { return Ok(()) };
        let wanted = self.object.runs();
        let holds = flow.schedule.start_time.is_some_and(|start| start > self.now().as_second());
        let may_start = self.object.drift_policy() == DriftPolicy::Correct && !holds;
        if flow.meta.state.is_transitional() || flow.runs() == wanted || (wanted && !may_start) {
            return Ok(());
        }
        let action = if wanted { FlowAction::Enable } else { FlowAction::Disable };
        self.switch(Role::Flow, action, site).await?;
        self.inspect(Role::Flow, site).await
    }

    /// Sees what a flow is doing. A 404 is no proof that it is gone: an access label may hide a flow that runs.
    pub(super) async fn inspect(&mut self, role: Role, site: &Site) -> Result<(), Obstacle> {
        let Some(id) = self.external.get(&role).map(|object| object.id.clone()) else { return Ok(()) };
        let Some(flow) = site.session.get::<model::Flow>(&id).await? else {
            refuse_hidden(site, role, &id, &self.object.upstream_name(Role::Flow)).await?;
            if role == Role::Flow {
                self.standings.insert(role, Standing::Gone(id));
            } else {
                self.external.remove(&role);
            }
            return Ok(());
        };
        let activity = if flow.meta.state.is_transitional() {
            (Activity::Changing, Some(flow.meta.state.as_str().to_owned()))
        } else if flow.runs() {
            (Activity::Enabled, None)
        } else {
            match in_flight(site, &flow).await? {
                Some(run) => (Activity::Draining, Some(run)),
                None => (Activity::Quiet, None),
            }
        };
        let object = Object::Flow(flow);
        self.looked = true;
        self.replacing.activity.insert(role, activity);
        self.external.insert(role, object.external(role, site));
        self.objects.insert(role, object);
        Ok(())
    }

    /// Enables or disables a flow. One that is in another state than expected is seen at the next look.
    pub(super) async fn switch(
        &mut self,
        role: Role,
        action: FlowAction,
        site: &Site,
    ) -> Result<(), Obstacle> {
        let Some(id) = self.external.get(&role).map(|object| object.id.clone()) else { return Ok(()) };
        self.replacing.activity.remove(&role);
        self.looked = true;
        self.cx.memory.note_written(&self.uid, role.present());
        let result = site.session.action(&self.write_gate(), &id, action).await;
        match result {
            Err(error)
                if error.kind() == ErrorKind::Refused && matches!(error.code_number(), Some(1421 | 1422)) =>
            {
                Ok(())
            }
            result => result.map(|_| ()).map_err(Obstacle::from),
        }
    }

    /// What is waited for, and after some time what to do about it.
    pub(super) fn draining(&self, role: Role) -> Obstacle {
        let (activity, detail) =
            self.replacing.activity.get(&role).cloned().unwrap_or((Activity::Unknown, None));
        let id = self.external.get(&role).map(|object| object.id.as_str()).unwrap_or_default();
        let detail = detail.unwrap_or_default();
        if activity == Activity::Changing {
            let message = format!("the flow {id} is {detail} upstream");
            return Obstacle::new(Class::Unavailable, Reason::UpstreamBusy, message).after(BLINK);
        }
        let message = format!(
            "the flow {id} is stopped and its run {detail} is still in flight; the replacement goes on when it has ended: wait, stop the run in the Platform UI, or put the former sourceConnectionRef back"
        );
        let waited = self.record_of().map(|record| self.now().duration_since(record.began));
        if waited.is_some_and(|waited| waited > PATIENCE) {
            return Obstacle::invalid(Reason::WaitingForRunToEnd, message).after(LOOK * 6);
        }
        Obstacle::blocked(Reason::WaitingForRunToEnd, message).after(LOOK)
    }
}

/// The id of a run of the flow that is in flight. The flow itself tells of its newest run, which a list may show later.
async fn in_flight(site: &Site, flow: &model::Flow) -> Result<Option<String>, Obstacle> {
    let runs = site.session.runs(&flow.meta.id, RUNS).await?;
    let listed = runs.iter().find(|run| !run.status.is_final()).map(|run| run.meta.id.clone());
    let newest = flow.last_run.as_ref().filter(|run| !run.state.is_final() && !run.state.as_str().is_empty());
    let unlisted = newest.map(|run| run.id.clone().unwrap_or_default());
    Ok(listed.or_else(|| unlisted.filter(|id| !runs.iter().any(|run| run.meta.id == *id))))
}
