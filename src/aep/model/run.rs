//! Runs of a flow, flattened from Adobe's nested metrics to what health needs.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Meta, loose};

/// How a run went. Adobe's documents show several vocabularies; case, hyphens and underscores do not matter.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(from = "String")]
pub enum RunStatus {
    /// Ended well; single records may still have failed.
    Success,
    /// Ended with part of the data.
    Partial,
    /// Ended badly.
    Failed,
    /// Under way.
    InProgress,
    /// Not begun.
    Queued,
    /// Not given.
    #[default]
    Absent,
    /// A status unknown to this version, as received.
    Other(String),
}

impl RunStatus {
    /// Whether the run may still write data. An absent or unknown status counts as under way.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Success | Self::Partial | Self::Failed)
    }

    /// A lower case word for status and metrics.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Success => "success",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::InProgress => "inProgress",
            Self::Queued => "queued",
            Self::Absent => "",
            Self::Other(text) => text,
        }
    }
}

impl From<String> for RunStatus {
    fn from(text: String) -> Self {
        match loose::word(&text).as_str() {
            "success" | "completed" | "succeeded" => Self::Success,
            "partialsuccess" | "partialfailure" => Self::Partial,
            "failed" | "failure" | "aborted" | "cancelled" | "canceled" => Self::Failed,
            "inprogress" | "processing" | "started" | "running" => Self::InProgress,
            "queued" | "waiting" | "scheduled" | "pending" => Self::Queued,
            "" => Self::Absent,
            _ => Self::Other(crate::aep::redact::shown(&text)),
        }
    }
}

/// One run of a flow. Times are milliseconds since 1970. Every count may be missing: a run under way or failed shows few.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(from = "WireRun")]
pub struct Run {
    /// The common members; name and description stay empty.
    pub meta: Meta,
    /// The flow it belongs to.
    pub flow_id: Option<String>,
    /// How it went.
    pub status: RunStatus,
    /// When it began.
    pub started_at: Option<i64>,
    /// When it ended; absent while it runs, and after some failures.
    pub completed_at: Option<i64>,
    /// Start and end of the window of data it took, where the service says so.
    pub window: Option<(i64, i64)>,
    /// Records by outcome.
    pub records: Records,
    /// Bytes read; absent when unknown.
    pub bytes_in: Option<i64>,
    /// Bytes written; absent when unknown.
    pub bytes_out: Option<i64>,
    /// What went wrong, without repetitions. A successful run may have some.
    pub errors: Vec<RunError>,
}

impl Run {
    /// Up to when the run certainly took all data, in milliseconds: the end of its window, or else its start.
    pub fn taken_until(&self) -> Option<i64> {
        self.window.map(|(_, end)| end).or(self.started_at)
    }
}

/// Records of a run by outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct Records {
    /// Read from the source.
    #[serde(rename = "inputRecordCount", deserialize_with = "loose::number")]
    pub input: Option<i64>,
    /// Written to the data set.
    #[serde(rename = "outputRecordCount", deserialize_with = "loose::number")]
    pub output: Option<i64>,
    /// Rejected. Above zero also in a successful run, below the partial ingestion threshold.
    #[serde(rename = "failedRecordCount", deserialize_with = "loose::number")]
    pub failed: Option<i64>,
    /// Skipped.
    #[serde(rename = "skippedRecordCount", deserialize_with = "loose::number")]
    pub skipped: Option<i64>,
}

/// One error of a run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RunError {
    /// Adobe's code, such as `CONNECTOR-2001-500` or `MAPPER-3700-400`.
    pub code: String,
    /// What it says, in one line.
    pub message: String,
    /// How many records it concerns, where the service says so.
    pub records: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireRun {
    #[serde(flatten)]
    meta: Meta,
    #[serde(default, deserialize_with = "loose::text")]
    flow_id: Option<String>,
    // One of Adobe's documents spells the tag so.
    #[serde(default, rename = "eTag", deserialize_with = "super::etag")]
    other_etag: Option<crate::aep::Etag>,
    #[serde(default, deserialize_with = "loose::or_default")]
    metrics: Metrics,
    #[serde(default, alias = "activites", deserialize_with = "loose::or_default")]
    activities: Vec<Activity>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Metrics {
    #[serde(rename = "durationSummary", deserialize_with = "loose::or_default")]
    duration: Duration,
    #[serde(rename = "sizeSummary", deserialize_with = "loose::or_default")]
    size: Size,
    #[serde(rename = "recordSummary", deserialize_with = "loose::or_default")]
    records: Records,
    #[serde(rename = "statusSummary", deserialize_with = "loose::or_default")]
    status: StatusSummary,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Activity {
    #[serde(deserialize_with = "loose::or_default")]
    duration_summary: Duration,
    #[serde(deserialize_with = "loose::or_default")]
    status_summary: StatusSummary,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Duration {
    #[serde(rename = "startedAtUTC", deserialize_with = "loose::number")]
    started: Option<i64>,
    #[serde(rename = "completedAtUTC", deserialize_with = "loose::number")]
    completed: Option<i64>,
    #[serde(deserialize_with = "loose::or_default")]
    extensions: Map<String, Value>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Size {
    #[serde(deserialize_with = "loose::number")]
    input_bytes: Option<i64>,
    #[serde(deserialize_with = "loose::number")]
    output_bytes: Option<i64>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct StatusSummary {
    #[serde(deserialize_with = "loose::or_default")]
    status: RunStatus,
    #[serde(deserialize_with = "loose::or_default")]
    errors: Vec<Value>,
    #[serde(deserialize_with = "loose::or_default")]
    extensions: Map<String, Value>,
}

impl StatusSummary {
    fn all_errors(&self) -> impl Iterator<Item = &Value> {
        self.errors
            .iter()
            .chain(self.extensions.get("errors").and_then(Value::as_array).into_iter().flatten())
    }
}

/// More errors of one run than anybody reads.
const MOST_ERRORS: usize = 20;

impl From<WireRun> for Run {
    fn from(wire: WireRun) -> Self {
        let mut meta = wire.meta;
        meta.etag = meta.etag.or(wire.other_etag);
        let metrics = wire.metrics;
        let status = match metrics.status.status.clone() {
            // Some answers carry the status as `state` only.
            RunStatus::Absent => RunStatus::from(meta.state.as_str().to_owned()),
            status => status,
        };
        let summaries =
            std::iter::once(&metrics.status).chain(wire.activities.iter().map(|a| &a.status_summary));
        let mut errors: Vec<RunError> = Vec::new();
        for error in summaries.flat_map(StatusSummary::all_errors).filter_map(run_error) {
            if errors.len() < MOST_ERRORS && !errors.contains(&error) {
                errors.push(error);
            }
        }
        // A size of -1 stands for "unknown".
        let known = |bytes: Option<i64>| bytes.filter(|bytes| *bytes >= 0);
        Self {
            flow_id: wire.flow_id,
            status,
            started_at: metrics.duration.started,
            completed_at: metrics.duration.completed,
            window: std::iter::once(&metrics.duration)
                .chain(wire.activities.iter().map(|activity| &activity.duration_summary))
                .find_map(window),
            records: metrics.records,
            bytes_in: known(metrics.size.input_bytes),
            bytes_out: known(metrics.size.output_bytes),
            errors,
            meta,
        }
    }
}

fn window(duration: &Duration) -> Option<(i64, i64)> {
    let end = |name: &str| duration.extensions.get(name).and_then(loose::to_number);
    end("windowStart").zip(end("windowEnd"))
}

fn run_error(value: &Value) -> Option<RunError> {
    let member =
        |name: &str| value.get(name).and_then(loose::to_text).map(|text| crate::aep::redact::shown(&text));
    let (code, message) = (member("code"), member("message"));
    (code.is_some() || message.is_some()).then(|| RunError {
        code: code.unwrap_or_default(),
        message: message.unwrap_or_default(),
        records: value.get("recordCount").and_then(loose::to_number),
    })
}

/// A run to create, of a flow scheduled `once` (Adobe: "On-demand ingestion"). Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRun {
    /// The flow.
    pub flow_id: String,
    /// When to begin.
    pub start_time: Option<i64>,
    /// Start and end of the window of data to take.
    pub window: Option<(i64, i64)>,
}

impl NewRun {
    pub(in crate::aep) fn body(&self) -> Value {
        let mut params = Map::new();
        let window = self.window.map_or([None, None], |(start, end)| [Some(start), Some(end)]);
        for (name, seconds) in
            [("startTime", self.start_time), ("windowStartTime", window[0]), ("windowEndTime", window[1])]
        {
            if let Some(seconds) = seconds {
                params.insert(name.to_owned(), seconds.to_string().into());
            }
        }
        serde_json::json!({"flowId": self.flow_id, "params": params})
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(value: Value) -> Run {
        serde_json::from_value(value).expect("a run")
    }

    #[test]
    fn a_success_with_a_failed_record_shows_both() {
        let run = run(json!({
            "id": "9830305a-985f-47d0-b030-5a985fd7d004", "flowId": "f", "createdAt": 1, "etag": "\"e\"",
            "metrics": {
                "durationSummary": {"startedAtUTC": 10, "completedAtUTC": 20},
                "sizeSummary": {"inputBytes": 24012, "outputBytes": -1},
                "recordSummary": {"inputRecordCount": 100, "outputRecordCount": 99, "failedRecordCount": 1},
                "statusSummary": {"status": "success", "errors": [{"code": "CONNECTOR-2001-500", "message": "at promotion"}]}
            },
            "activities": [
                {"id": "copyActivity", "durationSummary": {"extensions": {"windowStart": 5, "windowEnd": 9}}},
                {"id": "promotionActivity", "statusSummary": {"status": "success",
                    "errors": [{"code": "CONNECTOR-2001-500", "message": "at promotion"}],
                    "extensions": {"errors": [{"code": "MAPPER-3700-400", "recordCount": 1, "message": "Transform"}]}}}
            ]
        }));
        assert_eq!(run.status, RunStatus::Success);
        assert_eq!(run.records.failed, Some(1));
        assert_eq!((run.bytes_in, run.bytes_out), (Some(24012), None));
        assert_eq!(run.window, Some((5, 9)));
        let codes: Vec<_> = run.errors.iter().map(|error| error.code.as_str()).collect();
        assert_eq!(codes, ["CONNECTOR-2001-500", "MAPPER-3700-400"]);
        assert_eq!(run.errors[1].records, Some(1));
    }

    #[test]
    fn runs_without_summaries_are_read() {
        let bare = run(
            json!({"id": "9830305a-985f-47d0-b030-5a985fd7d004", "metrics": {"statusSummary": {}}, "eTag": "\"e\""}),
        );
        assert_eq!(bare.status, RunStatus::Absent);
        assert!(!bare.status.is_final() && bare.meta.etag.is_some());
        assert_eq!(run(json!({"id": "x", "state": "inProgress"})).status, RunStatus::InProgress);
        assert_eq!(run(json!({"metrics": null, "activites": {}})), Run::default());
    }

    #[test]
    fn every_vocabulary_of_run_statuses_is_known() {
        for (text, status) in [
            ("Success", RunStatus::Success),
            ("COMPLETED", RunStatus::Success),
            ("PARTIAL_SUCCESS", RunStatus::Partial),
            ("Failed", RunStatus::Failed),
            ("IN_PROGRESS", RunStatus::InProgress),
            ("Processing", RunStatus::InProgress),
            ("QUEUED", RunStatus::Queued),
            ("Waiting", RunStatus::Queued),
        ] {
            assert_eq!(RunStatus::from(text.to_owned()), status, "{text}");
        }
        assert!(!RunStatus::from("dreaming".to_owned()).is_final());
    }
}
