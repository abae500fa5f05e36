//! `IngestionMapping`: rows from the source to an XDM schema.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::policy::{DeletionPolicy, DriftPolicy};
use super::reference::LocalRef;
use super::rule::{self, rule};
use super::status::CommonStatus;

/// Which fields of the source go where in an XDM schema.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "ingestion.aep-operator.io",
    version = "v1alpha1",
    kind = "IngestionMapping",
    doc = "Rows from a Stripe resource to an XDM schema: a Data Prep mapping set and, if managed, the schema itself.",
    singular = "ingestionmapping",
    plural = "ingestionmappings",
    shortname = "imap",
    category = "aep",
    namespaced,
    status = "IngestionMappingStatus",
    derive = "PartialEq",
    validation = rule::adopt_fits("mapping-set", "mappingSetId"),
    validation = existing_schema_is_kept(),
    selectable = ".spec.sourceConnectionRef.name"
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule(
    "has(self.builtin) || (has(self.mappings) && size(self.mappings) > 0)",
    "a mapping needs rows: give builtin, for example {name: charges/v1}, or at least one entry of mappings",
))]
pub struct IngestionMappingSpec {
    /// Name of the mapping set in Data Prep, which stands before the operator's marker there. One line, at
    /// most 200 characters. Absent: `<namespace>/<name>` of this object. A change is applied in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    #[x_kube(validation = rule::one_line(), validation = rule::no_marker())]
    pub display_name: Option<String>,
    /// Free text of at most 1,000 characters: the description of the managed schema and field group, before
    /// the operator's ownership marker. A change is applied in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000))]
    #[x_kube(validation = rule::no_marker())]
    pub description: Option<String>,
    /// The `StripeSourceConnection` whose records the rows read, in the same namespace. Immutable. It gives
    /// the sandbox, the credentials and the explored source fields.
    #[x_kube(validation = rule::immutable("sourceConnectionRef"))]
    pub source_connection_ref: LocalRef,
    /// The XDM schema that the rows write to: exactly one of `existing` and `managed`. Which one is
    /// immutable.
    pub target_schema: TargetSchema,
    /// Rows that are shipped with the operator and frozen per version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub builtin: Option<Builtin>,
    /// Own rows, at most 2,000, one per destination. They are added to the shipped rows; a row with the
    /// destination of a shipped one takes its place. Above some 1,500 rows use `kubectl apply --server-side`,
    /// since the annotation of the client-side apply is then too long.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2000))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["destination"]))]
    pub mappings: Vec<MappingRow>,
    /// Take over an existing mapping set instead of creating one. The operator stops after reading it and
    /// lists every difference in `status.pending`, until that is approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopt: Option<AdoptMappingSet>,
    /// What happens upstream when this object is deleted. Data Prep has no deletion of mapping sets, so the
    /// set stays in any case and is named in an event; a managed schema has a policy of its own. `Retain`
    /// here wins over `Delete` there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// What happens when the mapping set was changed by someone else: `Correct` writes a new version with the
    /// rows of this object, `Report` only says so in the condition Synced.
    #[serde(default)]
    pub drift_policy: DriftPolicy,
}

/// The pick of an existing schema stays with what the mapping set was created for. Before that a wrong title
/// can be put right, and afterwards a title may still give way to the `$id` it stood for.
fn existing_schema_is_kept() -> kube::core::Rule {
    rule(
        "!has(self.spec.targetSchema.existing) || !has(oldSelf.spec.targetSchema.existing) \
         || self.spec.targetSchema.existing == oldSelf.spec.targetSchema.existing \
         || !has(oldSelf.status) || !has(oldSelf.status.external) \
         || !oldSelf.status.external.exists(e, e.role == 'mapping-set') \
         || (has(self.spec.targetSchema.existing.id) && has(oldSelf.status.schemaId) \
             && self.spec.targetSchema.existing.id == oldSelf.status.schemaId)",
        "targetSchema.existing is immutable once the mapping set exists: keep it (or name the same schema \
         by its id), or create another IngestionMapping",
    )
    .field_path(".spec.targetSchema.existing")
}

/// The XDM schema that the rows write to: exactly one of `existing` and `managed`. Which one is immutable.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rule::exactly_one("existing", "managed"),
    validation = rule::choice_is_kept("targetSchema", "existing", "managed")
)]
pub struct TargetSchema {
    /// A schema that exists and is only read. It may not change any more once the mapping set exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub existing: Option<ExistingSchema>,
    /// A schema that the operator builds from the rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed: Option<ManagedSchema>,
}

/// A schema that exists and is only read, named by exactly one of title and id. It may not change any more
/// once the mapping set exists.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::exactly_one("title", "id"))]
pub struct ExistingSchema {
    /// The exact title. None or more than one schema of that title is a condition, never a guess.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub title: Option<String>,
    /// The `$id`, for example `https://ns.adobe.com/mytenant/schemas/0c2ac0a7e1b5…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = rule::registry_id("id", "schemas"))]
    pub id: Option<String>,
}

/// A schema that the operator builds from the rows: a field group `<title> fields` and a schema of the class.
/// Missing fields are added, never removed or changed in type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rule(
        "!has(self.profile) || !self.profile || (has(self.identities) && self.identities.exists(i, \
         has(i.primary) && i.primary))",
        "profile needs a primary identity: mark one entry of identities with primary: true, or set \
         profile: false",
    ),
    validation = rule(
        "!has(oldSelf.profile) || !oldSelf.profile || (has(self.profile) && self.profile)",
        "profile cannot be switched off again: Adobe keeps a schema in the union for ever, so set profile: \
         true",
    ),
    validation = rule(
        "!has(self.identities) || self.identities.filter(i, has(i.primary) && i.primary).size() <= 1",
        "at most one identity can be primary: remove primary: true from the others",
    )
)]
pub struct ManagedSchema {
    /// Title of the schema, unique among all resources of Schema Registry in the sandbox; the field group is
    /// called `<title> fields`. One line, at most 200 characters. Immutable.
    #[schemars(length(min = 1, max = 200))]
    #[x_kube(
        validation = rule::one_line(),
        validation = rule::no_marker(),
        validation = rule::immutable("targetSchema.managed.title")
    )]
    pub title: String,
    /// `$id` of the class, for example `https://ns.adobe.com/xdm/context/profile`. Immutable. The class
    /// `https://ns.adobe.com/xdm/context/experienceevent` needs rows for `_id` and `timestamp`.
    #[serde(rename = "class")]
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(
        validation = rule(
            "self.matches('^https://ns[.]adobe[.]com/[A-Za-z0-9_-]+(/[A-Za-z0-9_.-]+)+$')",
            "class must be the $id of a class, for example https://ns.adobe.com/xdm/context/profile",
        ),
        validation = rule::immutable("targetSchema.managed.class")
    )]
    pub class_id: String,
    /// Fields that identify a person or a thing, at most 20, one per destination. Identities that somebody else
    /// gave the schema are left alone; one that stands in the way is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["destination"]))]
    pub identities: Vec<Identity>,
    /// Whether the schema takes part in Real-Time Customer Profile. `true` is one-way (Adobe never takes a
    /// schema out of the union again) and needs a primary identity.
    #[serde(default)]
    pub profile: bool,
    /// What happens to the schema and the field group when this object is deleted. A schema holds the shape
    /// of customer data, so `Delete` must be asked for, and is never done while a dataset uses the schema or
    /// it is in the union.
    #[serde(default = "retain")]
    pub deletion_policy: DeletionPolicy,
    /// Take over an existing schema and field group instead of creating them. The operator stops after
    /// reading them and lists every difference in `status.pending`, until that is approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopt: Option<AdoptSchema>,
}

fn retain() -> DeletionPolicy {
    DeletionPolicy::Retain
}

/// An identity field of a managed schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// Destination of the row whose field is an identity, written as in the row, for example
    /// `_{TENANT_ID}.customers_data.email`.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = rule::xdm_path(), validation = rule::tenant_placeholder())]
    pub destination: String,
    /// Code (not the name) of the identity namespace, for example `Email`.
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = rule(
        "self.matches('^[A-Za-z0-9_-]+$')",
        "namespace must be the code of an identity namespace, for example Email: letters, digits, '_' and \
         '-'",
    ))]
    pub namespace: String,
    /// Whether it is the primary identity of the schema. Absent: no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary: Option<bool>,
}

/// Take over an existing schema and field group instead of creating them. The operator stops after reading
/// them and lists every difference in `status.pending`, until that is approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdoptSchema {
    /// `$id` of the schema, `https://ns.adobe.com/TENANT/schemas/ID`.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = rule::registry_id("schemaId", "schemas"))]
    pub schema_id: String,
    /// `$id` of the field group, `https://ns.adobe.com/TENANT/mixins/ID`.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = rule::registry_id("fieldGroupId", "mixins"))]
    pub field_group_id: String,
}

/// Rows that are shipped with the operator and frozen per version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Builtin {
    /// Name and version of the rows, `<resourcePath>/v1`; it must fit the source. `charges/v1` are the 36
    /// rows of Adobe's tutorial.
    pub name: BuiltinName,
    /// Destinations of shipped rows to leave out, at most 200, written as in the shipped rows, for example
    /// `_{TENANT_ID}.charges_data.receipt_url`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200), inner(length(min = 1, max = 512)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    #[x_kube(validation = rule(
        "self.all(d, d.startsWith('_{TENANT_ID}.'))",
        "each entry of exclude must be the destination of a shipped row, which starts with _{TENANT_ID}.",
    ))]
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

/// One row. Optional members have no CRD default: a default inside a list item differs for ever under
/// server-side apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rule(
        "size(self.source) <= 1024 || (has(self.type) && self.type == 'Expression')",
        "source is longer than 1,024 characters, which only a row of type Expression may be (up to 4,096): \
         shorten it",
    ),
    validation = rule(
        "!self.source.contains('(') || self.source.contains('${') || (has(self.type) && self.type == \
         'Expression')",
        "source looks like an expression: add type: Expression to the row, or write a plain path such as \
         data.id",
    )
)]
pub struct MappingRow {
    /// What is read: a path below the record such as `data.id` (at most 1,024 characters), or with `type:
    /// Expression` an expression of Data Prep such as `concat(data.currency, data.status)` (at most 4,096).
    #[schemars(length(min = 1, max = 4096))]
    pub source: String,
    /// Where it goes: a dotted XDM path, at most 512 characters. `_{TENANT_ID}` as the first part stands for
    /// the tenant namespace of the organisation, so that the same row works everywhere:
    /// `_{TENANT_ID}.charges_data.id`.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = rule::xdm_path(), validation = rule::tenant_placeholder())]
    pub destination: String,
    /// `Attribute` copies a path, `Expression` computes. Absent: `Attribute`.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub row_type: Option<RowType>,
    /// Type of the destination in a managed schema: `String`, `Long`, `Integer`, `Number`, `Boolean`, `Date`
    /// or `DateTime`. Absent: the type that is shipped for the source path; a managed row with neither is
    /// refused.
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

/// Take over an existing mapping set instead of creating one. The operator stops after reading it and lists
/// every difference in `status.pending`, until that is approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdoptMappingSet {
    /// Id of the mapping set to take over, 32 hex digits.
    #[schemars(length(min = 32, max = 32))]
    #[x_kube(validation = rule::mapping_set_id())]
    pub mapping_set_id: String,
}

/// What the operator knows of an [`IngestionMapping`].
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
    #[schemars(length(max = 512))]
    pub schema_id: Option<String>,
    /// Version of the target schema that the rows were validated against, for example `1.3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub schema_version: Option<String>,
    /// `true` once the managed schema takes part in Real-Time Customer Profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<bool>,
    /// The Stripe resource that the rows read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_path: Option<super::source_connection::ResourcePath>,
    /// Tenant id of the organisation, without underscore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub tenant: Option<String>,
    /// Number of rows, shipped and own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<i64>,
    /// The first 20 rows that failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub failures: Vec<RowFailure>,
}

/// A row that did not pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RowFailure {
    /// The row's source.
    #[schemars(length(max = 4096))]
    pub source: String,
    /// The row's destination.
    #[schemars(length(max = 1024))]
    pub destination: String,
    /// Why it failed, and what to change.
    #[schemars(length(max = 4096))]
    pub reason: String,
}
