//! Lets time pass: ends transitions, starts runs that are due, ends runs.
//!
//! Events happen in the order of their times, however late the engine is called, so a clock that jumps gives the same
//! history as one that creeps.

use serde_json::{Value, json};

use super::action;
use super::entity::{Entity, Kind, Outcome, RunResult, Transition, TransitionEnd};
use super::flow;
use super::run::{self, InFlight};
use super::schedule::Schedule;
use super::store::Store;
use crate::keys::Keys;
use crate::lake::{IngestRequest, Lake};
use crate::switches::{Incremental, Switches};
use crate::wire::Caller;

/// What the engine works with.
pub struct Engine<'a> {
    /// The objects of one sandbox.
    pub store: &'a mut Store,
    /// The data lake of that sandbox.
    pub lake: &'a mut Lake,
    /// Stripe keys and accounts.
    pub keys: &'a Keys,
    /// The switches.
    pub switches: &'a Switches,
}

/// Something that the journal must tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The flow.
    pub flow_id: String,
    /// How many scheduled runs were left out.
    pub runs: i64,
    /// When the first of them was due.
    pub from_ms: i64,
}

impl Engine<'_> {
    /// Brings everything up to a moment. Gives how many events that took, and what had to be left out.
    pub fn advance(&mut self, now_ms: i64) -> (u64, Vec<Skipped>) {
        self.store.keep_ms = self.switches.list_lag_ms.max(self.switches.get_lag_ms);
        let mut skipped = Vec::new();
        let mut events = 0;
        while let Some((at_ms, kind, id)) = self.store.due(now_ms) {
            events += 1;
            if kind == Kind::Run {
                self.end_run(&id, at_ms);
                continue;
            }
            let ends = self.store.get(kind, &id).and_then(|entity| entity.transition.as_ref());
            if ends.is_some_and(|transition| transition.until_ms <= at_ms) {
                self.end_transition(kind, &id, at_ms);
            } else {
                skipped.extend(self.start_due_run(&id, at_ms, now_ms));
            }
        }
        self.store.forget_past(now_ms);
        (events, skipped)
    }

    fn end_transition(&mut self, kind: Kind, id: &str, at_ms: i64) {
        let Some(mut entity) = self.store.copy(kind, id) else { return };
        let Some(Transition { outcome, .. }) = entity.transition.take() else { return };
        match outcome {
            TransitionEnd::Gone => return self.store.remove(kind, id, at_ms),
            TransitionEnd::State(Some(state)) if kind == Kind::Flow => {
                action::settle(&mut entity, &state, at_ms);
            }
            TransitionEnd::State(state) => entity.set_state(state.as_deref()),
            TransitionEnd::Undone(doc) => undo(&mut entity, *doc),
        }
        if let Some(operation) = entity.doc.get_mut("lastOperation") {
            operation["updated"] = json!(at_ms);
            operation["percentCompleted"] = json!(100.0);
            if operation["status"]["value"] == "inProgress" {
                operation["status"]["value"] = json!("completed");
            }
        }
        self.store.write(entity, at_ms);
    }

    fn start_due_run(&mut self, id: &str, at_ms: i64, now_ms: i64) -> Option<Skipped> {
        let mut flow = self.store.copy(Kind::Flow, id)?;
        let schedule = Schedule::parse(flow.doc.get("scheduleParams")).ok()?;
        let enabled = matches!(flow.state(), Some("enabled" | "updating"));
        let plan = flow.plan.as_mut()?;
        if plan.next_ms != Some(at_ms) {
            return None;
        }
        if !enabled {
            self.store.amend(Kind::Flow, id, |flow| set_next(flow, None));
            return None;
        }
        if let Some(next_ms) = self.blocked_until(plan.running.as_deref(), &schedule, at_ms) {
            self.store.amend(Kind::Flow, id, |flow| set_next(flow, Some(next_ms)));
            return None;
        }
        if let Some(skipped) = self.too_many(id, &schedule, at_ms, now_ms) {
            let resumes_ms = at_ms + skipped.runs * schedule.period_ms.unwrap_or(0);
            self.store.amend(Kind::Flow, id, |flow| set_next(flow, schedule.next_run(resumes_ms - 1)));
            return Some(skipped);
        }
        let from_ms = self.window_start(plan.cursor_ms, plan.started, &schedule, at_ms);
        plan.next_ms = schedule.next_run(at_ms);
        if self.switches.skip_empty_runs && !self.has_records(&flow, (from_ms, at_ms)) {
            let next_ms = schedule.next_run(at_ms);
            self.store.amend(Kind::Flow, id, |flow| set_next(flow, next_ms));
            return None;
        }
        start(self.store, self.switches, flow, at_ms, (from_ms, at_ms));
        None
    }

    /// When a flow whose last run is still in flight may run again.
    fn blocked_until(&self, running: Option<&str>, schedule: &Schedule, at_ms: i64) -> Option<i64> {
        let run = self.store.running(running?)?;
        let ends_ms = run.ends_ms.map(|ends_ms| ends_ms.max(at_ms + 1));
        ends_ms.or_else(|| schedule.next_run(at_ms)).or(Some(at_ms + 1_000))
    }

    fn too_many(&self, id: &str, schedule: &Schedule, at_ms: i64, now_ms: i64) -> Option<Skipped> {
        let period_ms = schedule.period_ms?;
        let due = (now_ms - at_ms) / period_ms + 1;
        let runs = due - i64::from(self.switches.max_catch_up_runs.max(1));
        (runs > 0).then(|| Skipped { flow_id: id.to_owned(), runs, from_ms: at_ms })
    }

    fn window_start(
        &self,
        cursor_ms: Option<i64>,
        started: u64,
        schedule: &Schedule,
        at_ms: i64,
    ) -> Option<i64> {
        let beginning = if schedule.backfill { None } else { Some(schedule.start_ms) };
        match self.switches.incremental {
            Incremental::FullPull => None,
            Incremental::CreatedWindow => cursor_ms.or(beginning),
            Incremental::RunWindow if started == 0 => beginning,
            Incremental::RunWindow => schedule.period_ms.map(|period_ms| at_ms - period_ms),
        }
    }

    fn has_records(&self, flow: &Entity, window: (Option<i64>, i64)) -> bool {
        let Some(plan) = &flow.plan else { return false };
        let base = self.store.get(Kind::Connection, &plan.base_id);
        let key = base.and_then(|base| base.key.as_ref());
        // Credentials that fail must show as a failed run.
        key.and_then(|key| self.keys.account(key, self.switches))
            .is_none_or(|account| !account.records(&plan.resource, window.0, window.1).is_empty())
    }

    fn end_run(&mut self, run_id: &str, at_ms: i64) {
        let Some(in_flight) = self.store.end(run_id) else { return };
        let result = self.result(&in_flight, at_ms);
        if let Some(mut run) = self.store.copy(Kind::Run, run_id) {
            run.doc.extend(run::ended(&in_flight, at_ms, &result));
            self.store.write(run, at_ms);
        }
        let Some(mut flow) = self.store.copy(Kind::Flow, &in_flight.flow_id) else { return };
        let state = if result.failed_in.is_some() { "failed" } else { "success" };
        let details = json!({"id": run_id, "state": state,
            "startedAtUTC": in_flight.started_ms, "completedAtUTC": at_ms});
        flow.doc.insert("lastRunDetails".to_owned(), details);
        if let Some(plan) = &mut flow.plan {
            plan.running = plan.running.take().filter(|running| running != run_id);
            if result.failed_in.is_none() && in_flight.moves_cursor {
                plan.cursor_ms = plan.cursor_ms.max(Some(in_flight.window.1));
            }
        }
        self.store.write(flow, at_ms);
    }

    fn result(&mut self, run: &InFlight, at_ms: i64) -> run::Result {
        let dictated = run.outcome.as_ref().map_or(RunResult::Natural, |outcome| outcome.result);
        if dictated == RunResult::CopyFailure {
            return failure(run, "copyActivity", "Error occurred at copy activity.");
        }
        let account = run.key.as_ref().and_then(|key| self.keys.account(key, self.switches));
        let Some(account) = account else {
            return failure(run, "copyActivity", "The source refused the credentials.");
        };
        let mut records = account.records(&run.resource, run.window.0, run.window.1);
        let total = records.len() as u64;
        if dictated == RunResult::PromotionFailure {
            return run::Result { input: total, ..failure(run, "promotionActivity", PROMOTION) };
        }
        let refused = if dictated == RunResult::FailedRecords { keep_three_in_four(&mut records) } else { 0 };
        let result = self.ingest(run, &records, at_ms);
        if refused == 0 {
            return result;
        }
        let (code, message) = named(run, "CONNECTOR-2001-500", PROMOTION);
        let detail = ("INGEST-1212-400".to_owned(), refused, "Records do not fit the schema.".to_owned());
        let failed = result.failed + refused;
        run::Result { input: total, failed, error: Some((code, message)), details: vec![detail], ..result }
    }

    fn ingest(&mut self, run: &InFlight, records: &[Value], at_ms: i64) -> run::Result {
        let Some((mapping_id, mapping_version)) = &run.mapping else {
            return failure(run, "promotionActivity", "The flow has no mapping.");
        };
        if self.lake.dataset_schema(&run.dataset_id).is_none() {
            return failure(run, "promotionActivity", "The data set does not exist.");
        }
        if self.lake.mapping_set(mapping_id, *mapping_version).is_none() {
            return failure(run, "promotionActivity", "The mapping set does not exist.");
        }
        if records.is_empty() {
            return run::Result::default();
        }
        let outcome = self.lake.ingest(&IngestRequest {
            dataset_id: &run.dataset_id,
            mapping_id,
            mapping_version: *mapping_version,
            records,
            partial_ingestion_percent: run.partial_percent,
            now_ms: at_ms,
        });
        let failed = outcome.failed_run || outcome.failed > 0;
        let details = outcome.errors.into_iter().map(|error| (error.code, error.count, error.message));
        run::Result {
            failed_in: outcome.failed_run.then_some("promotionActivity"),
            error: failed.then(|| named(run, "CONNECTOR-2001-500", PROMOTION)),
            details: details.collect(),
            input: outcome.input,
            output: outcome.output,
            failed: outcome.failed,
            batch_id: Some(outcome.batch_id),
        }
    }
}

const PROMOTION: &str = "Error occurred at promotion activity.";

fn keep_three_in_four(records: &mut Vec<Value>) -> u64 {
    let before = records.len();
    let mut index = 0;
    records.retain(|_| {
        index += 1;
        index % 4 != 1
    });
    (before - records.len()) as u64
}

fn failure(run: &InFlight, activity: &'static str, message: &str) -> run::Result {
    let code = if activity == "copyActivity" { "CONNECTOR-1001-500" } else { "CONNECTOR-2001-500" };
    run::Result {
        failed_in: Some(activity),
        error: Some(named(run, code, message)),
        ..run::Result::default()
    }
}

/// The code and message that a test dictates, or the usual ones.
fn named(run: &InFlight, code: &str, message: &str) -> (String, String) {
    let outcome = run.outcome.as_ref();
    let code = outcome.and_then(|outcome| outcome.code.clone()).unwrap_or_else(|| code.to_owned());
    let message = outcome.and_then(|outcome| outcome.message.clone()).unwrap_or_else(|| message.to_owned());
    (code, message)
}

fn set_next(flow: &mut Entity, next_ms: Option<i64>) {
    if let Some(plan) = &mut flow.plan {
        plan.next_ms = next_ms;
    }
}

fn undo(entity: &mut Entity, before: serde_json::Map<String, Value>) {
    let operation = entity.doc.get("lastOperation").cloned();
    let last_run = entity.doc.get("lastRunDetails").cloned();
    entity.doc = before;
    if let Some(mut operation) = operation {
        let errors =
            json!([{"code": "FLOW-1102-500", "message": "The provider could not apply the update."}]);
        operation["status"] = json!({"value": "failed", "errors": errors});
        entity.doc.insert("lastOperation".to_owned(), operation);
    }
    if let Some(last_run) = last_run {
        entity.doc.insert("lastRunDetails".to_owned(), last_run);
    }
    let schedule = Schedule::parse(entity.doc.get("scheduleParams")).ok();
    if let (Some(plan), Some(schedule)) = (entity.plan.as_mut(), schedule)
        && plan.started > 0
    {
        plan.next_ms = plan.next_ms.and_then(|next_ms| schedule.next_run(next_ms - 1));
    }
}

/// Starts a run of a flow, which is written: its etag moves. Gives the run's id.
pub fn start(
    store: &mut Store,
    switches: &Switches,
    mut flow: Entity,
    at_ms: i64,
    window: (Option<i64>, i64),
) -> String {
    let flow_spec = flow.doc.get("flowSpec").cloned().unwrap_or_default();
    let percent = flow.doc.get("options").and_then(|options| options["partialIngestionPercent"].as_f64());
    let mapping = flow::mapping(&flow.doc);
    let caller = provider(&flow);
    let mut plan = flow.plan.take().unwrap_or_default();
    let outcome = next_outcome(&mut plan.outcomes);
    let duration_ms =
        outcome.as_ref().and_then(|outcome| outcome.duration_ms).unwrap_or(switches.run_duration_ms);
    let stuck = outcome.as_ref().is_some_and(|outcome| outcome.result == RunResult::Stuck);
    let mut run = Entity::new(Kind::Run, &caller, at_ms, serde_json::Map::new());
    let in_flight = InFlight {
        run_id: run.id.clone(),
        flow_id: flow.id.clone(),
        resource: plan.resource.clone(),
        key: store.get(Kind::Connection, &plan.base_id).and_then(|base| base.key.clone()),
        dataset_id: plan.dataset_id.clone(),
        mapping,
        partial_percent: percent,
        window,
        started_ms: at_ms,
        ends_ms: (!stuck).then_some(at_ms + duration_ms.max(0)),
        outcome,
        moves_cursor: window.1 >= plan.cursor_ms.unwrap_or(i64::MIN),
    };
    run.doc.extend(run::started(&in_flight, &flow_spec));
    let run_id = run.id.clone();
    let details = json!({"id": run_id, "state": "inProgress", "startedAtUTC": at_ms});
    flow.doc.insert("lastRunDetails".to_owned(), details);
    plan.started += 1;
    plan.running = Some(run_id.clone());
    flow.plan = Some(plan);
    store.write(run, at_ms);
    store.write(flow, at_ms);
    store.start(in_flight);
    run_id
}

fn next_outcome(outcomes: &mut Vec<Outcome>) -> Option<Outcome> {
    let first = outcomes.first_mut()?;
    let outcome = first.clone();
    first.runs = first.runs.saturating_sub(1);
    if first.runs == 0 {
        outcomes.remove(0);
    }
    Some(outcome)
}

/// Runs are made by the service, in the sandbox of their flow.
fn provider(flow: &Entity) -> Caller {
    Caller {
        org: flow.text("imsOrgId").to_owned(),
        tenant: String::new(),
        sandbox: flow.text("sandboxName").to_owned(),
        sandbox_id: flow.text("sandboxId").to_owned(),
        client_id: "aep-flow-service".to_owned(),
        user: "System".to_owned(),
    }
}
