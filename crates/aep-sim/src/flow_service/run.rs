//! Runs as data: what is known of a run in flight, and the document of a run at its start and its end.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::entity::Outcome;
use crate::keys::StripeKey;

/// A run that has started and not ended. It holds all it needs, since its flow may be deleted meanwhile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InFlight {
    /// The run's id.
    pub run_id: String,
    /// The flow's id.
    pub flow_id: String,
    /// The Stripe resource.
    pub resource: String,
    /// The credentials at the start.
    pub key: Option<StripeKey>,
    /// The data set.
    pub dataset_id: String,
    /// The mapping set and its version; `None` when the flow names none.
    pub mapping: Option<(String, u64)>,
    /// The threshold of partial ingestion.
    pub partial_percent: Option<f64>,
    /// The records pulled: created from (none: the beginning) to.
    pub window: (Option<i64>, i64),
    /// When it started.
    pub started_ms: i64,
    /// When it ends; `None` never.
    pub ends_ms: Option<i64>,
    /// What a test dictates.
    pub outcome: Option<Outcome>,
    /// Whether a success moves the flow's cursor; a retry of an older window does not.
    pub moves_cursor: bool,
}

/// How a run ended.
#[derive(Debug, Clone, Default)]
pub struct Result {
    /// Whether it failed, and in which activity.
    pub failed_in: Option<&'static str>,
    /// Code and message at run level.
    pub error: Option<(String, String)>,
    /// Detail codes of the promotion: code, records, message.
    pub details: Vec<(String, u64, String)>,
    /// Records read.
    pub input: u64,
    /// Records written.
    pub output: u64,
    /// Records refused.
    pub failed: u64,
    /// The Catalog batch.
    pub batch_id: Option<String>,
}

/// The fields of a run that has just started.
pub fn started(run: &InFlight, flow_spec: &Value) -> Map<String, Value> {
    let doc = json!({
        "flowId": run.flow_id, "flowSpec": flow_spec, "providerRefId": uuid::Uuid::new_v4().to_string(),
        "state": "inProgress",
        "metrics": {
            "durationSummary": {"startedAtUTC": run.started_ms},
            "statusSummary": {"status": "inProgress"},
        },
        "activities": [],
    });
    fields(doc)
}

/// The fields that a run gets when it ends.
pub fn ended(run: &InFlight, at_ms: i64, result: &Result) -> Map<String, Value> {
    let status = if result.failed_in.is_some() { "failed" } else { "success" };
    let errors = result.error.as_ref().map(|(code, message)| json!([{"code": code, "message": message}]));
    let activity =
        if result.failed_in == Some("copyActivity") { "copyActivity" } else { "promotionActivity" };
    let mut status_summary = json!({"status": status, "activityRefs": [activity]});
    if let Some(errors) = &errors {
        status_summary["errors"] = errors.clone();
    }
    let copied = result.failed_in != Some("copyActivity");
    let output_bytes = if copied { json!(result.output * 700) } else { json!(-1) };
    let doc = json!({
        "state": status,
        "metrics": {
            "durationSummary": {"startedAtUTC": run.started_ms, "completedAtUTC": at_ms},
            "sizeSummary": {"inputBytes": result.input * 900, "outputBytes": output_bytes},
            "recordSummary": record_summary(result),
            "fileSummary": {"inputFileCount": u8::from(copied), "outputFileCount": u8::from(result.output > 0),
                "activityRefs": [activity]},
            "statusSummary": status_summary,
        },
        "activities": activities(run, at_ms, result, errors.as_ref()),
    });
    fields(doc)
}

fn record_summary(result: &Result) -> Value {
    let mut summary = json!({"inputRecordCount": result.input, "outputRecordCount": result.output});
    if result.failed > 0 {
        summary["failedRecordCount"] = json!(result.failed);
    }
    summary
}

fn activities(run: &InFlight, at_ms: i64, result: &Result, errors: Option<&Value>) -> Value {
    let window = json!({"windowStart": run.window.0, "windowEnd": run.window.1});
    let copy_failed = result.failed_in == Some("copyActivity");
    let mut copy = json!({
        "id": "copyActivity", "updatedAtUTC": at_ms,
        "durationSummary": {"startedAtUTC": run.started_ms, "completedAtUTC": at_ms, "extensions": window},
        "recordSummary": {"inputRecordCount": result.input}, "sizeSummary": {}, "fileSummary": {},
        "statusSummary": {"status": if copy_failed { "failed" } else { "success" }},
        "sourceInfo": [{"id": run.flow_id, "type": "SourceConnection"}],
    });
    if copy_failed {
        copy["statusSummary"]["errors"] = errors.cloned().unwrap_or_default();
        return json!([copy]);
    }
    let status = if result.failed_in.is_some() { "failed" } else { "success" };
    let mut promotion = json!({
        "id": "promotionActivity", "updatedAtUTC": at_ms,
        "durationSummary": {"startedAtUTC": run.started_ms, "completedAtUTC": at_ms},
        "recordSummary": record_summary(result), "sizeSummary": {}, "fileSummary": {},
        "statusSummary": {"status": status},
    });
    if let Some(errors) = errors {
        promotion["statusSummary"]["errors"] = errors.clone();
    }
    if !result.details.is_empty() {
        let details = result
            .details
            .iter()
            .map(|(code, count, message)| json!({"code": code, "recordCount": count, "message": message}));
        promotion["statusSummary"]["extensions"] = json!({"errors": details.collect::<Vec<_>>()});
    }
    if let Some(batch) = &result.batch_id {
        let reference = json!({"type": "Batch", "ids": [batch]});
        promotion["targetInfo"] =
            json!([{"id": run.dataset_id, "type": "TargetConnection", "reference": reference}]);
    }
    json!([copy, promotion])
}

fn fields(doc: Value) -> Map<String, Value> {
    match doc {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
