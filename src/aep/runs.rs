//! Runs of flows.

use super::Session;
use super::budget::{Lane, Permit};
use super::call::{Call, Endpoint};
use super::error::{Error, Operation};
use super::flow_service::{BASE, Created, created};
use super::gate::Gate;
use super::listing::{Filter, Page};
use super::model::{NewRun, Run};

/// The most that one page holds.
const MOST: usize = 100;

impl Session {
    /// The newest runs of a flow, newest first, at most `limit` and at most 100: `GET /runs?property=flowId==…` (Adobe: "Monitor
    /// dataflows"). A flow that never ran has none, and so has an unknown flow.
    ///
    /// # Errors
    /// Those of a read. A run of another flow is `Malformed`.
    pub async fn runs(&self, flow_id: &str, limit: u8) -> Result<Vec<Run>, Error> {
        let filter = Filter::all().equal("flowId", flow_id).newest_first();
        let limit = limit.clamp(1, 100).to_string();
        let call = Call::read(Operation::new("list", "runs"), Endpoint::new(BASE).then("runs"), Lane::Runs)
            .query(&filter.query(&limit, None))
            .large();
        let answer = self.send(call).await?;
        let mut runs = answer.json::<Page<Run>>()?.items;
        for run in &runs {
            self.check(&answer, &run.meta)?;
            if run.flow_id.as_deref().is_some_and(|id| !id.eq_ignore_ascii_case(flow_id)) {
                return Err(answer.not_understood("the answer holds a run of another flow"));
            }
        }
        runs.sort_by_key(|run| std::cmp::Reverse(run.meta.created_at.or(run.started_at)));
        Ok(runs)
    }

    /// Runs by their ids, as many as exist: `GET /runs?property=id==…,…`.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn runs_by_id(&self, ids: &[&str]) -> Result<Vec<Run>, Error> {
        let mut runs = Vec::new();
        for ids in ids.chunks(MOST) {
            let (filter, limit) = (Filter::all().any_of("id", ids), MOST.to_string());
            let call =
                Call::read(Operation::new("list", "runs"), Endpoint::new(BASE).then("runs"), Lane::Runs)
                    .query(&filter.query(&limit, None))
                    .large();
            let answer = self.send(call).await?;
            let page = answer.json::<Page<Run>>()?.items;
            page.iter().try_for_each(|run| self.check(&answer, &run.meta))?;
            runs.extend(page);
        }
        Ok(runs)
    }

    /// Starts a run of a flow scheduled `once`: `POST /runs`. Other flows refuse it.
    ///
    /// # Errors
    /// `Ambiguous` when the run may have been started; look at the flow's runs before starting another.
    pub async fn create_run(&self, permit: Permit, gate: &Gate, new: &NewRun) -> Result<Created, Error> {
        let call =
            Call::create(Operation::new("create", "runs"), Endpoint::new(BASE).then("runs"), permit, gate);
        created(&self.send(call.json(&new.body())?).await?)
    }
}
