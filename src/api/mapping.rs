//! `IngestionMapping`: rows from the source to an XDM schema.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::policy::{DeletionPolicy, DriftPolicy};
use super::reference::LocalRef;
use super::status::CommonStatus;

/// Rows from the source to an XDM schema.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "ingestion.aep-operator.io",
    version = "v1alpha1",
    kind = "IngestionMapping",
    shortname = "imap",
    category = "aep",
    namespaced,
    status = "IngestionMappingStatus",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct IngestionMappingSpec {
    /// Data Prep "name" before the marker. Default: `<namespace>/<name>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Gives sandbox, credentials and the explored source schema. Immutable.
    pub source_connection_ref: LocalRef,
    /// The XDM schema: exactly one of `existing` and `managed`.
    pub target_schema: TargetSchema,
    /// Shipped rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub builtin: Option<Builtin>,
    /// Own rows, added to the shipped ones or overriding them by destination.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mappings: Vec<MappingRow>,
    /// Take over an existing mapping set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopt: Option<AdoptMappingSet>,
    /// Default: `Delete` for what the operator created, `Retain` for what was adopted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// What to do about drift.
    #[serde(default)]
    pub drift_policy: DriftPolicy,
}

/// The target schema; exactly one member.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetSchema {
    /// A schema that exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub existing: Option<ExistingSchema>,
    /// A schema that the operator builds from the rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed: Option<ManagedSchema>,
}

/// Names an existing schema by exactly one of title and id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExistingSchema {
    /// The exact title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The `$id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// A field group `<title> fields` and a schema, built from the rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManagedSchema {
    /// Title of the schema. Immutable.
    pub title: String,
    /// `$id` of the class. Immutable.
    #[serde(rename = "class")]
    pub class_id: String,
    /// Identity fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identities: Vec<Identity>,
    /// Enable for Real-Time Customer Profile; one-way.
    #[serde(default)]
    pub profile: bool,
    /// Default `Retain`.
    #[serde(default = "retain")]
    pub deletion_policy: DeletionPolicy,
    /// Take over an existing schema and field group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopt: Option<AdoptSchema>,
}

fn retain() -> DeletionPolicy {
    DeletionPolicy::Retain
}

/// An identity field of a managed schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// Destination path of the field.
    pub destination: String,
    /// Identity namespace code, for example `Email`.
    pub namespace: String,
    /// Whether it is the primary identity. Absent: no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary: Option<bool>,
}

/// Names an existing schema and field group to take over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdoptSchema {
    /// `$id` of the schema.
    pub schema_id: String,
    /// `$id` of the field group.
    pub field_group_id: String,
}

/// Shipped rows by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Builtin {
    /// Name and version, for example `charges/v1`.
    pub name: BuiltinName,
    /// Destinations to leave out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
}

/// Names of the shipped row sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum BuiltinName {
    /// The 36 rows of Adobe's tutorial.
    #[serde(rename = "charges/v1")]
    ChargesV1,
    /// Subscriptions.
    #[serde(rename = "subscriptions/v1")]
    SubscriptionsV1,
    /// Refunds.
    #[serde(rename = "refunds/v1")]
    RefundsV1,
    /// Balance transactions.
    #[serde(rename = "balance_transactions/v1")]
    BalanceTransactionsV1,
    /// Customers.
    #[serde(rename = "customers/v1")]
    CustomersV1,
    /// Prices.
    #[serde(rename = "prices/v1")]
    PricesV1,
}

/// One row. Optional members have no CRD default: a default inside a list item differs for ever under server-side apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MappingRow {
    /// A source path such as `data.id`, or an expression.
    pub source: String,
    /// XDM path; `_{TENANT_ID}` stands for the tenant namespace.
    pub destination: String,
    /// Absent: `Attribute`.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub row_type: Option<RowType>,
    /// XDM type of the destination in a managed schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xdm_type: Option<XdmType>,
}

/// How a row's source is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub enum RowType {
    /// A path that is copied.
    #[default]
    Attribute,
    /// A calculated field in Data Prep's expression language.
    Expression,
}

/// XDM field types that a managed schema can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum XdmType {
    /// Text.
    String,
    /// A 64-bit integer within ±(2^53-1).
    Long,
    /// A 32-bit integer.
    Integer,
    /// A double.
    Number,
    /// true or false.
    Boolean,
    /// RFC 3339 date.
    Date,
    /// RFC 3339 date and time.
    DateTime,
}

/// Names an existing mapping set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdoptMappingSet {
    /// Id of the mapping set, 32 hex digits.
    pub mapping_set_id: String,
}

/// Status of an [`IngestionMapping`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IngestionMappingStatus {
    /// What all kinds share.
    #[serde(flatten)]
    pub common: CommonStatus,
    /// Version of the mapping set that flows should use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping_set_version: Option<i64>,
    /// `$id` of the target schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_id: Option<String>,
    /// Version of the target schema that the rows were validated against, for example `1.3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_version: Option<String>,
    /// The Stripe resource that the rows read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_path: Option<super::source_connection::ResourcePath>,
    /// Tenant id without underscore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Number of rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<i64>,
    /// The first 20 rows that failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<RowFailure>,
}

/// A row that did not pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RowFailure {
    /// The row's source.
    pub source: String,
    /// The row's destination.
    pub destination: String,
    /// Why it failed.
    pub reason: String,
}
