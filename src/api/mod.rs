//! What users write and read: the four kinds, their status, conditions and annotations. Data only.
//!
//! Nothing here decides anything: rules are CEL in the CRDs, decisions are in `domain`.

pub mod base_connection;
mod columns;
pub mod condition;
mod crd;
pub mod flow;
pub mod mapping;
pub mod policy;
mod reason;
pub mod reference;
pub mod role;
mod rule;
mod schedule;
pub mod source_connection;
pub mod status;

pub use base_connection::{StripeBaseConnection, StripeBaseConnectionSpec, StripeBaseConnectionStatus};
pub use crd::all_crds;
pub use flow::{IngestionFlow, IngestionFlowSpec, IngestionFlowStatus};
pub use mapping::{IngestionMapping, IngestionMappingSpec, IngestionMappingStatus};
pub use source_connection::{
    StripeSourceConnection, StripeSourceConnectionSpec, StripeSourceConnectionStatus,
};

/// The four kinds, in the order of their references.
pub const KINDS: [&str; 4] =
    ["StripeBaseConnection", "StripeSourceConnection", "IngestionMapping", "IngestionFlow"];
/// The API group of the four kinds.
pub const GROUP: &str = "ingestion.aep-operator.io";
/// The finalizer on our four kinds.
pub const FINALIZER: &str = "ingestion.aep-operator.io/upstream";
/// The finalizer on Secrets that our objects use.
pub const SECRET_FINALIZER: &str = "ingestion.aep-operator.io/in-use";
/// Annotation: `"true"` makes the operator keep its hands off.
pub const PAUSED: &str = "ingestion.aep-operator.io/paused";
/// Annotation: a token that asks for a check now; echoed in `status.lastHandledSync`.
pub const SYNC_REQUESTED_AT: &str = "ingestion.aep-operator.io/sync-requested-at";
/// Annotation: a token that asks for one run of a `once` flow.
pub const RUN_REQUESTED_AT: &str = "ingestion.aep-operator.io/run-requested-at";
/// Annotation: the digest of `status.pending` that is approved.
pub const APPROVE: &str = "ingestion.aep-operator.io/approve";
/// Annotation, written by the operator: the intent to create.
pub const INTENT: &str = "ingestion.aep-operator.io/intent";
/// Field manager of metadata writes.
pub const FIELD_MANAGER: &str = "aep-operator";
/// Field manager of status writes.
pub const STATUS_FIELD_MANAGER: &str = "aep-operator-status";
