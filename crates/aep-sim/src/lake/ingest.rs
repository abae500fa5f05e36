//! A batch on its way into a data set: map, fit to the schema, decide by the threshold, count.
//!
//! Rows are counted per Stripe object, so that a doubled or missing payment can be seen and not only a doubled flow.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Lake;
use super::catalog::Batch;
use super::data_prep::Mapper;
use super::types::{IngestError, IngestOutcome, IngestRequest};
use super::xdm;

/// A transformation failed; the row was nulled.
const MAPPER: &str = "MAPPER-3700-400";
/// A record does not fit its schema.
const MISFIT: &str = "INGEST-1212-400";
/// Data set, mapping set or schema are gone.
const BROKEN: &str = "INGEST-1500-400";

/// How often each object was written, per data set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rows(BTreeMap<String, BTreeMap<String, u64>>);

impl Rows {
    pub(super) fn to_json(&self) -> Value {
        json!(self.0)
    }

    /// Forgets the rows of data sets that no longer exist.
    pub(super) fn keep(&mut self, exists: impl Fn(&str) -> bool) {
        self.0.retain(|dataset, _| exists(dataset));
    }

    fn count(&mut self, dataset: &str, ids: &[String]) {
        let rows = self.0.entry(dataset.to_owned()).or_default();
        for id in ids {
            *rows.entry(id.clone()).or_default() += 1;
        }
    }
}

/// Causes in the order of their first occurrence.
#[derive(Default)]
struct Causes(Vec<IngestError>);

impl Causes {
    fn add(&mut self, code: &str, message: impl FnOnce() -> String) {
        match self.0.iter_mut().find(|cause| cause.code == code) {
            Some(cause) => cause.count += 1,
            None => self.0.push(IngestError { code: code.to_owned(), count: 1, message: message() }),
        }
    }
}

pub(super) fn run(lake: &mut Lake, request: &IngestRequest<'_>) -> IngestOutcome {
    let input = as_count(request.records.len());
    let mut causes = Causes::default();
    let accepted = map(lake, request, &mut causes);
    let (accepted, failed_run) = match accepted {
        Some(accepted) => {
            let failed = input - as_count(accepted.len());
            let failed_run = exceeds(failed, input, request.partial_ingestion_percent);
            (accepted, failed_run)
        }
        None => (Vec::new(), true),
    };
    let failed = input - as_count(accepted.len());
    let output = if failed_run { 0 } else { as_count(accepted.len()) };
    if !failed_run {
        lake.rows.count(request.dataset_id, &accepted);
    }
    let batch_id = lake.catalog.add_batch(&Batch {
        dataset: request.dataset_id,
        success: !failed_run,
        records: output,
        failed,
        errors: causes
            .0
            .iter()
            .map(|cause| json!({"code": cause.code, "description": cause.message}))
            .collect(),
        now_ms: request.now_ms,
    });
    IngestOutcome { input, output, failed, errors: causes.0, batch_id, failed_run }
}

/// The Stripe ids of records that fit; `None` when there is nothing to fit them to.
fn map(lake: &Lake, request: &IngestRequest<'_>, causes: &mut Causes) -> Option<Vec<String>> {
    let draft = lake.mapping_sets.version(request.mapping_id, request.mapping_version);
    let schema =
        lake.catalog.schema_ref(request.dataset_id).and_then(|schema| lake.registry.full_schema(&schema.id));
    let (Some(draft), Some(schema)) = (draft, schema) else {
        causes.add(BROKEN, || "The data set, its schema or the mapping set does not exist.".to_owned());
        return None;
    };
    let mapper = Mapper::new(draft, request.now_ms);
    let field = schema.as_field();
    let mut accepted = Vec::new();
    for record in request.records {
        let (target, errors) = mapper.apply(&json!({"data": record}));
        for error in errors {
            causes.add(MAPPER, || {
                format!(
                    "Mapper Transform Error: {} -> {}: {}",
                    error.source, error.destination, error.exception
                )
            });
        }
        match xdm::fit(&target, &field) {
            Ok(_) => accepted.push(record.get("id").and_then(Value::as_str).unwrap_or_default().to_owned()),
            Err(misfit) => {
                causes.add(MISFIT, || format!("The field {} does not fit: {}", misfit.path, misfit.reason));
            }
        }
    }
    Some(accepted)
}

/// Without partial ingestion one failed record fails the batch.
fn exceeds(failed: u64, input: u64, percent: Option<f64>) -> bool {
    if failed == 0 {
        return false;
    }
    let share = 100.0 * as_float(failed) / as_float(input.max(1));
    percent.is_none_or(|percent| share > percent)
}

fn as_count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn as_float(count: u64) -> f64 {
    u32::try_from(count).map_or_else(|_| f64::from(u32::MAX), f64::from)
}
