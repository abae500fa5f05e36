//! The switches: one field per behaviour on which Adobe's documents disagree or are silent.
//!
//! A test reads or patches them through `/_sim/switches`. Defaults are the reading that the documents support best.
//! This file holds data only; what a switch does is written where the behaviour is.

use serde::{Deserialize, Serialize};

/// Which records a run pulls from Stripe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Incremental {
    /// Every run pulls every record.
    FullPull,
    /// Records whose `created` lies between the end of the last successful window and this run's scheduled time.
    #[default]
    CreatedWindow,
    /// Records created within one interval before this run's scheduled time, whatever earlier runs did.
    RunWindow,
}

/// How a connection's secret parameters read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SecretMasking {
    /// The parameter is left out.
    Absent,
    /// The parameter reads `***`.
    #[default]
    Stars,
    /// The parameter reads as text that differs on every read.
    Ciphertext,
}

/// The status of an accepted DELETE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DeleteStatus {
    /// 204, gone at once.
    #[default]
    NoContent,
    /// 202, gone after `delete_lag_ms`.
    Accepted,
}

/// How error 1425 compares the schema of a mapping set with that of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SchemaEquality {
    /// Same `$id` and same major version.
    #[default]
    Major,
    /// Same `$id` and same version text after `version=`.
    Full,
}

/// How much of a resource explore reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ExploreMode {
    /// Every field, typed where the sample has a value.
    #[default]
    Complete,
    /// Some fields are missing, as for an account with few rows.
    Partial,
    /// No fields at all, as for an account without rows.
    Empty,
}

/// What a call without `x-sandbox-name` gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MissingSandbox {
    /// 400 with code 2105.
    #[default]
    Error,
    /// The sandbox `prod`.
    Prod,
}

/// Which version a mapping set answers when the caller names none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MappingSetDefaultVersion {
    /// Version 0, as the `OpenAPI` document says.
    #[default]
    Zero,
    /// The newest version, as a widely used client assumes.
    Latest,
}

/// How a 429 says when to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RetryAfter {
    /// No `Retry-After` header.
    #[default]
    Absent,
    /// Seconds.
    Seconds,
    /// An HTTP date.
    Date,
}

/// The answer of `POST /runs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RunsAnswer {
    /// `{"id", "etag"}`.
    #[default]
    Plain,
    /// `{"items": [{"id", "etag"}]}`.
    Items,
}

/// Request limits of the gateway. Zero means none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Limits {
    /// Platform requests per real second and organisation; more get 429.
    pub requests_per_second: u32,
    /// Platform requests per real minute and organisation; more get 429.
    pub requests_per_minute: u32,
    /// Token requests per real minute and client; more get 429.
    pub tokens_per_minute: u32,
    /// The form of `Retry-After` on a 429.
    pub retry_after: RetryAfter,
    /// The wait that `Retry-After` names.
    pub retry_after_seconds: u32,
}

/// All switches. Times are milliseconds of the virtual clock unless a field says otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent switch")]
pub struct Switches {
    /// Which records a run pulls.
    pub incremental: Incremental,
    /// How secrets read back.
    pub secret_masking: SecretMasking,
    /// The status of an accepted DELETE of connections and flows.
    pub delete_status: DeleteStatus,
    /// How long an object stays readable after a DELETE that was answered with 202.
    pub delete_lag_ms: i64,
    /// How 1425 compares schemas.
    pub schema_equality: SchemaEquality,
    /// Whether PATCH of `/scheduleParams/interval` and `/scheduleParams/backfill` is accepted; otherwise 1455.
    pub interval_patchable: bool,
    /// Whether a second live flow on one source connection is accepted; otherwise 1447.
    pub second_flow_allowed: bool,
    /// Whether names and descriptions are trimmed when stored.
    pub trim_names: bool,
    /// Whether a flow whose access label the caller lacks still stands in lists.
    pub labelled_in_lists: bool,
    /// How long a write stays invisible in lists.
    pub list_lag_ms: i64,
    /// How long a write stays invisible in a GET by id. A PATCH or DELETE sees the object at once.
    pub get_lag_ms: i64,
    /// How long the full form of a schema shows the fields that it had before its last change.
    pub schema_lag_ms: i64,
    /// Whether a second descriptor of one type on one field is accepted; Adobe's documents do not say.
    pub second_descriptor_allowed: bool,
    /// How complete explore is.
    pub explore: ExploreMode,
    /// How long every call takes, in real milliseconds.
    pub latency_ms: u64,
    /// What a call without a sandbox header gets.
    pub missing_sandbox: MissingSandbox,
    /// Request limits of the gateway.
    pub limits: Limits,
    /// How long enabling, disabling and updating take; zero is at once.
    pub transition_ms: i64,
    /// Which mapping set version answers when none is named.
    pub mapping_set_default_version: MappingSetDefaultVersion,
    /// The status that Schema Registry gives to a bad `Accept` header: 400 or 406.
    pub registry_accept_error: u16,
    /// How long a run takes.
    pub run_duration_ms: i64,
    /// Whether the next run of a flow that ran out of window is skipped when no record was found; otherwise an empty run appears.
    pub skip_empty_runs: bool,
    /// How many runs one flow may catch up in one step of the clock; the rest are skipped and journalled.
    pub max_catch_up_runs: u32,
    /// Pages hold at most this many items, whatever `limit` says; zero means no such bound.
    pub page_cap: usize,
    /// An accepted PATCH of a flow fails later: `lastOperation.status.errors` is filled and the change is undone.
    pub fail_patches_later: bool,
    /// Whether an If-Match without quotes is accepted; otherwise 412.
    pub unquoted_if_match: bool,
    /// Whether `POST /connections` verifies the Stripe key at once; otherwise only `/test`, explore and runs notice.
    pub verify_key_on_create: bool,
    /// Whether a flow delete is refused while one of its runs is in flight.
    pub refuse_delete_while_running: bool,
    /// The answer of `POST /runs`.
    pub runs_answer: RunsAnswer,
    /// Whether `subOp` is required on `/action`, as the `OpenAPI` document says.
    pub sub_op_required: bool,
    /// The longest name and description that Flow Service stores; longer ones get 400. Zero means no bound.
    pub max_text: usize,
    /// Life of an access token in seconds.
    pub token_seconds: i64,
    /// Whether any key that starts with `sk_test_` or `rk_test_` is a good Stripe key.
    pub accept_test_keys: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            incremental: Incremental::default(),
            secret_masking: SecretMasking::default(),
            delete_status: DeleteStatus::default(),
            delete_lag_ms: 1_000,
            schema_equality: SchemaEquality::default(),
            interval_patchable: true,
            second_flow_allowed: true,
            trim_names: false,
            labelled_in_lists: false,
            list_lag_ms: 0,
            get_lag_ms: 0,
            schema_lag_ms: 0,
            second_descriptor_allowed: false,
            explore: ExploreMode::default(),
            latency_ms: 0,
            missing_sandbox: MissingSandbox::default(),
            limits: Limits::default(),
            transition_ms: 0,
            mapping_set_default_version: MappingSetDefaultVersion::default(),
            registry_accept_error: 400,
            run_duration_ms: 1_000,
            skip_empty_runs: false,
            max_catch_up_runs: 200,
            page_cap: 0,
            fail_patches_later: false,
            unquoted_if_match: false,
            verify_key_on_create: false,
            refuse_delete_while_running: false,
            runs_answer: RunsAnswer::default(),
            sub_op_required: false,
            max_text: 0,
            token_seconds: 86_399,
            accept_test_keys: true,
        }
    }
}
