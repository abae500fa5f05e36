//! Dataflows.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::run::RunStatus;
use super::{MappingSetRef, Meta, SpecRef, State, loose};

/// A dataflow.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Flow {
    /// The common members.
    #[serde(flatten)]
    pub meta: Meta,
    /// What kind of flow it is.
    #[serde(default, deserialize_with = "loose::or_default")]
    pub flow_spec: SpecRef,
    /// Where it reads.
    #[serde(default, deserialize_with = "loose::or_default")]
    pub source_connection_ids: Vec<String>,
    /// Where it writes.
    #[serde(default, deserialize_with = "loose::or_default")]
    pub target_connection_ids: Vec<String>,
    /// When it runs.
    #[serde(default, rename = "scheduleParams", deserialize_with = "loose::or_default")]
    pub schedule: Schedule,
    /// What happens to records on the way; for Stripe only `Mapping`.
    #[serde(default, deserialize_with = "loose::or_default")]
    pub transformations: Vec<Transformation>,
    /// Ingestion options; absent where a flow was made without any. They may hold members that are not known here.
    #[serde(default, deserialize_with = "loose::or_default")]
    pub options: Option<Options>,
    /// Access labels, such as `core/C12`.
    #[serde(default, deserialize_with = "loose::or_default")]
    pub labels: Vec<String>,
    /// The service's last operation on the flow. An accepted change may still fail here.
    #[serde(default, deserialize_with = "loose::or_default")]
    pub last_operation: Option<LastOperation>,
    /// The newest run, in short.
    #[serde(default, rename = "lastRunDetails", deserialize_with = "loose::or_default")]
    pub last_run: Option<LastRun>,
}

impl Flow {
    /// Whether the flow may run. One that is on its way somewhere may.
    pub fn runs(&self) -> bool {
        !matches!(self.meta.state, State::Disabled | State::Disabling | State::Draft)
    }

    /// The position of the `Mapping` transformation, which is what a patch has to name, and what it refers to.
    pub fn mapping(&self) -> Option<(usize, MappingRef)> {
        let is_mapping = |(_, step): &(usize, &Transformation)| step.name.eq_ignore_ascii_case("Mapping");
        let (at, step) = self.transformations.iter().enumerate().find(is_mapping)?;
        Some((
            at,
            MappingRef {
                id: step.params.get("mappingId").and_then(Value::as_str)?.to_owned(),
                version: step.params.get("mappingVersion").and_then(loose::to_number),
            },
        ))
    }
}

/// When a flow runs. Answers carry every member as text; here they are numbers again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Schedule {
    /// Seconds since 1970.
    #[serde(default, deserialize_with = "loose::number")]
    pub start_time: Option<i64>,
    /// The unit of the interval.
    #[serde(default, deserialize_with = "loose::or_default")]
    pub frequency: Option<Frequency>,
    /// Units between runs; absent for `once`.
    #[serde(default, deserialize_with = "loose::number")]
    pub interval: Option<i64>,
    /// Whether the first run takes what lies before the start; absent for `once`.
    #[serde(default, deserialize_with = "loose::flag")]
    pub backfill: Option<bool>,
}

/// The unit of a schedule's interval.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Frequency {
    /// A single run.
    Once,
    /// Minutes; the interval is at least 15.
    Minute,
    /// Hours.
    Hour,
    /// Days.
    Day,
    /// Weeks.
    Week,
    /// A unit unknown to this version.
    Other(String),
}

impl Frequency {
    /// Adobe's spelling.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Once => "once",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Other(text) => text,
        }
    }
}

impl From<String> for Frequency {
    fn from(text: String) -> Self {
        match loose::word(&text).as_str() {
            "once" => Self::Once,
            "minute" => Self::Minute,
            "hour" => Self::Hour,
            "day" => Self::Day,
            "week" => Self::Week,
            _ => Self::Other(text),
        }
    }
}

impl From<Frequency> for String {
    fn from(frequency: Frequency) -> Self {
        frequency.as_str().to_owned()
    }
}

/// One step between source and target.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub struct Transformation {
    /// `Mapping` for a mapping set.
    #[serde(default)]
    pub name: String,
    /// The step's own parameters.
    #[serde(default)]
    pub params: Value,
}

/// The mapping set that a flow uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingRef {
    /// The set's id.
    pub id: String,
    /// The set's version; a new version does nothing until the flow is patched to it.
    pub version: Option<i64>,
}

impl MappingRef {
    /// The `Mapping` transformation with this set, as a POST and a PATCH take it.
    pub fn transformation(set: &MappingSetRef) -> Value {
        serde_json::json!({"name": "Mapping", "params": {"mappingId": set.id, "mappingVersion": set.version}})
    }
}

/// Ingestion options (Adobe: "Partial batch ingestion overview").
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Options {
    /// Whether rejected records are kept with their reasons.
    #[serde(default, deserialize_with = "loose::flag")]
    pub error_diagnostics_enabled: Option<bool>,
    /// The share of bad records in percent that a run may have and still succeed; absent when off.
    #[serde(default, deserialize_with = "loose::fraction")]
    pub partial_ingestion_percent: Option<f64>,
}

/// What the service last did with a flow. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub struct LastOperation {
    /// `create` or `update`.
    #[serde(default, deserialize_with = "loose::text")]
    pub operation: Option<String>,
    /// When it began.
    #[serde(default, deserialize_with = "loose::number")]
    pub started: Option<i64>,
    /// When it last moved.
    #[serde(default, deserialize_with = "loose::number")]
    pub updated: Option<i64>,
    /// Its outcome.
    #[serde(default, deserialize_with = "loose::or_default")]
    pub status: OperationStatus,
}

/// The outcome of an operation.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub struct OperationStatus {
    /// `completed` when it is over.
    #[serde(default, deserialize_with = "loose::text")]
    pub value: Option<String>,
    /// What went wrong after the call had been accepted.
    #[serde(default, deserialize_with = "loose::or_default")]
    pub errors: Vec<OperationError>,
}

impl OperationStatus {
    /// Whether the service says that it is still at it.
    pub fn is_under_way(&self) -> bool {
        let value = self.value.as_deref().map(loose::word).unwrap_or_default();
        ["inprogress", "processing", "started", "running", "queued", "pending", "waiting"]
            .contains(&value.as_str())
    }
}

/// One thing that went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Value")]
pub struct OperationError {
    /// The service's code.
    pub code: Option<String>,
    /// What it says, in one line.
    pub message: String,
}

impl From<Value> for OperationError {
    fn from(value: Value) -> Self {
        let member = |name: &str| value.get(name).and_then(loose::to_text);
        let message =
            member("message").or_else(|| loose::to_text(&value)).unwrap_or_else(|| value.to_string());
        Self { code: member("code"), message: crate::aep::redact::shown(&message) }
    }
}

/// The newest run of a flow, as the flow itself shows it. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct LastRun {
    /// The run's id.
    #[serde(default, deserialize_with = "loose::text")]
    pub id: Option<String>,
    /// How it went.
    #[serde(default, deserialize_with = "loose::or_default")]
    pub state: RunStatus,
    /// When it began.
    #[serde(default, rename = "startedAtUTC", deserialize_with = "loose::number")]
    pub started_at: Option<i64>,
    /// When it ended; absent while it runs.
    #[serde(default, rename = "completedAtUTC", deserialize_with = "loose::number")]
    pub completed_at: Option<i64>,
}

/// A flow to create. It is enabled from the start: `state` in a POST is refused (1410).
#[derive(Debug, Clone, PartialEq)]
pub struct NewFlow {
    /// The name people see.
    pub name: String,
    /// Free text.
    pub description: Option<String>,
    /// What kind of flow it is.
    pub flow_spec: SpecRef,
    /// Where it reads.
    pub source_connection_id: String,
    /// Where it writes.
    pub target_connection_id: String,
    /// How records are mapped; its schema has to be the data set's (1425).
    pub mapping: MappingSetRef,
    /// When it runs.
    pub schedule: NewSchedule,
    /// Ingestion options.
    pub options: Option<Options>,
}

/// A schedule to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSchedule {
    /// Seconds since 1970.
    pub start_time: i64,
    /// The unit of the interval.
    pub frequency: Frequency,
    /// Units between runs; must be absent for `once`.
    pub interval: Option<u32>,
    /// Must be absent for `once`.
    pub backfill: Option<bool>,
}

impl NewFlow {
    pub(in crate::aep) fn body(&self) -> impl Serialize + use<'_> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Body<'a> {
            name: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            description: Option<&'a str>,
            flow_spec: &'a SpecRef,
            source_connection_ids: [&'a str; 1],
            target_connection_ids: [&'a str; 1],
            transformations: [Value; 1],
            schedule_params: Value,
            #[serde(skip_serializing_if = "Option::is_none")]
            options: Option<Value>,
        }
        Body {
            name: &self.name,
            description: self.description.as_deref(),
            flow_spec: &self.flow_spec,
            source_connection_ids: [&self.source_connection_id],
            target_connection_ids: [&self.target_connection_id],
            transformations: [MappingRef::transformation(&self.mapping)],
            schedule_params: self.schedule.body(),
            options: self.options.as_ref().map(Options::body).filter(|options| !options.is_null()),
        }
    }
}

impl NewSchedule {
    fn body(&self) -> Value {
        // The tutorial sends the start as text and the interval as a number.
        let mut body =
            serde_json::json!({"startTime": self.start_time.to_string(), "frequency": self.frequency});
        if let Some(interval) = self.interval {
            body["interval"] = interval.into();
        }
        if let Some(backfill) = self.backfill {
            body["backfill"] = backfill.into();
        }
        body
    }
}

impl Options {
    fn body(&self) -> Value {
        let mut body = Value::Null;
        if let Some(enabled) = self.error_diagnostics_enabled {
            body["errorDiagnosticsEnabled"] = enabled.into();
        }
        if let Some(percent) = self.partial_ingestion_percent {
            body["partialIngestionPercent"] = percent_value(percent);
        }
        body
    }
}

/// Whole percentages are sent as whole numbers, as in Adobe's examples.
fn percent_value(percent: f64) -> Value {
    loose::to_number(&Value::from(percent)).map_or_else(|| percent.into(), Value::from)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_documented_answer_is_read_with_its_numbers_as_text() {
        let flow: Flow = serde_json::from_value(json!({
            "id": "84c64142-1741-4b0b-95a9-65644eba0cf6", "state": "enabled",
            "flowSpec": {"id": "6499120c-0b15-42dc-936e-847ea3c24d72", "version": "1.0"},
            "sourceConnectionIds": ["abbfac4e-202c-4e04-902d-6f73e9041068"],
            "targetConnectionIds": ["69879751-ba43-48df-8cd0-39d2bb76a5b8"],
            "scheduleParams": {"startTime": "1710267858", "frequency": "minute", "interval": "15", "backfill": "true"},
            "transformations": [
                {"name": "Copy", "params": {}},
                {"name": "Mapping", "params": {"mappingId": "f4aad280fdec4770b7e33066945919d8", "mappingVersion": "0"}}
            ],
            "options": {"partialIngestionPercent": "10", "errorDiagnosticsEnabled": "true"},
            "lastOperation": {"started": 1, "updated": 2, "status": {"value": "failed", "errors": [
                {"code": "X-1", "message": "no\nway"}, "plain"
            ]}, "operation": "update"},
            "lastRunDetails": {"id": "r", "state": "SUCCESS", "startedAtUTC": 5, "completedAtUTC": "6"}
        }))
        .expect("the documented flow");
        assert_eq!(flow.schedule.start_time, Some(1_710_267_858));
        assert_eq!(flow.schedule.frequency, Some(Frequency::Minute));
        assert_eq!((flow.schedule.interval, flow.schedule.backfill), (Some(15), Some(true)));
        let (at, mapping) = flow.mapping().expect("a mapping");
        assert_eq!((at, mapping.version), (1, Some(0)));
        assert_eq!(flow.options.expect("options").partial_ingestion_percent, Some(10.0));
        let errors = flow.last_operation.expect("an operation").status.errors;
        assert_eq!(errors[0], OperationError { code: Some("X-1".to_owned()), message: "no way".to_owned() });
        assert_eq!(errors[1].message, "plain");
        assert_eq!(flow.last_run.expect("a run").state, RunStatus::Success);
    }

    #[test]
    fn a_once_flow_is_sent_without_interval_and_backfill() {
        let flow = NewFlow {
            name: "n".to_owned(),
            description: None,
            flow_spec: SpecRef::v1("s"),
            source_connection_id: "a".to_owned(),
            target_connection_id: "b".to_owned(),
            mapping: MappingSetRef { id: "m".to_owned(), version: 3 },
            schedule: NewSchedule {
                start_time: 7,
                frequency: Frequency::Once,
                interval: None,
                backfill: None,
            },
            options: Some(Options { partial_ingestion_percent: Some(5.0), ..Options::default() }),
        };
        let body = serde_json::to_value(flow.body()).expect("JSON");
        assert_eq!(body["scheduleParams"], json!({"startTime": "7", "frequency": "once"}));
        assert_eq!(body["transformations"][0]["params"], json!({"mappingId": "m", "mappingVersion": 3}));
        assert_eq!(body["options"], json!({"partialIngestionPercent": 5}));
        assert!(body.get("state").is_none() && body.get("description").is_none());
    }
}
