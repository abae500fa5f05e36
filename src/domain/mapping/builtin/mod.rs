//! The shipped row sets and the shipped types of the six Stripe resources, as tables.
//!
//! A row set is frozen once released, with all that its rows copy: a change is a new version. Elsewhere a type may be added for a path
//! that has none, but never changed: schemas that customers own were built from it. `docs/builtin-mappings.md` is written from these tables.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;

use crate::api::mapping::{BuiltinName, RowType, XdmType};
use crate::api::source_connection::ResourcePath;

use super::path::{any_index, segments};
use super::row::Row;
use super::shape::Shape;
use super::title::humanised;

mod balance_transactions;
mod charges;
mod customers;
#[cfg(test)]
mod docs;
mod prices;
mod refunds;
mod subscriptions;

/// What stands for the tenant namespace in a destination.
pub const TENANT_PLACEHOLDER: &str = "_{TENANT_ID}";

/// What a shipped field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One value.
    Leaf(XdmType),
    /// A list of values.
    Values(XdmType),
    /// An object; its fields are the entries below `<path>.`.
    Object,
    /// A list of objects; their fields are the entries below `<path>[*].`.
    Records,
}

const TEXT: Kind = Kind::Leaf(XdmType::String);
const LONG: Kind = Kind::Leaf(XdmType::Long);
const NUMBER: Kind = Kind::Leaf(XdmType::Number);
const FLAG: Kind = Kind::Leaf(XdmType::Boolean);
const TEXTS: Kind = Kind::Values(XdmType::String);

/// One field of a Stripe resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShippedField {
    /// Path inside the record, for example `outcome.risk_level`.
    pub path: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether the row set has a row for it.
    pub mapped: bool,
    /// Whether its type stems from Stripe's reference because Adobe's samples show only null or nothing.
    pub pinned: bool,
    /// Whether it holds, or may hold, personal or cardholder data.
    pub personal: bool,
}

/// A field with a row of its own.
const fn row(path: &'static str, kind: Kind) -> ShippedField {
    ShippedField { path, kind, mapped: true, pinned: false, personal: false }
}

/// A field without a row: copied with its parent, or there for rows of the user's own.
const fn typed(path: &'static str, kind: Kind) -> ShippedField {
    ShippedField { path, kind, mapped: false, pinned: false, personal: false }
}

impl ShippedField {
    const fn pinned(self) -> Self {
        Self { pinned: true, ..self }
    }

    const fn personal(self) -> Self {
        Self { personal: true, ..self }
    }
}

/// The name as it is written in a manifest.
pub fn name_of(builtin: BuiltinName) -> &'static str {
    match builtin {
        BuiltinName::ChargesV1 => "charges/v1",
        BuiltinName::SubscriptionsV1 => "subscriptions/v1",
        BuiltinName::RefundsV1 => "refunds/v1",
        BuiltinName::BalanceTransactionsV1 => "balance_transactions/v1",
        BuiltinName::CustomersV1 => "customers/v1",
        BuiltinName::PricesV1 => "prices/v1",
    }
}

/// The resource whose rows a set maps.
pub fn resource_of(builtin: BuiltinName) -> ResourcePath {
    match builtin {
        BuiltinName::ChargesV1 => ResourcePath::Charges,
        BuiltinName::SubscriptionsV1 => ResourcePath::Subscriptions,
        BuiltinName::RefundsV1 => ResourcePath::Refunds,
        BuiltinName::BalanceTransactionsV1 => ResourcePath::BalanceTransactions,
        BuiltinName::CustomersV1 => ResourcePath::Customers,
        BuiltinName::PricesV1 => ResourcePath::Prices,
    }
}

/// Every field of a resource whose type is shipped.
pub fn fields(resource: ResourcePath) -> &'static [ShippedField] {
    match resource {
        ResourcePath::Charges => charges::FIELDS,
        ResourcePath::Subscriptions => subscriptions::FIELDS,
        ResourcePath::Refunds => refunds::FIELDS,
        ResourcePath::BalanceTransactions => balance_transactions::FIELDS,
        ResourcePath::Customers => customers::FIELDS,
        ResourcePath::Prices => prices::FIELDS,
    }
}

/// The sets that are shipped.
const ALL: [BuiltinName; 6] = [
    BuiltinName::ChargesV1,
    BuiltinName::SubscriptionsV1,
    BuiltinName::RefundsV1,
    BuiltinName::BalanceTransactionsV1,
    BuiltinName::CustomersV1,
    BuiltinName::PricesV1,
];

/// Every pass over a mapping needs its rows, and deriving the shapes of a set takes longer than all the rest of a pass.
static ROWS: LazyLock<HashMap<BuiltinName, Vec<Row>>> =
    LazyLock::new(|| ALL.into_iter().map(|builtin| (builtin, derived_rows(builtin))).collect());

/// The rows of a set, in the order of its table.
pub(super) fn builtin_rows(builtin: BuiltinName) -> Vec<Row> {
    ROWS.get(&builtin).cloned().unwrap_or_else(|| derived_rows(builtin))
}

fn derived_rows(builtin: BuiltinName) -> Vec<Row> {
    let resource = resource_of(builtin);
    let mapped = fields(resource).iter().filter(|field| field.mapped);
    mapped.map(|field| shipped_row(resource, field)).collect()
}

fn shipped_row(resource: ResourcePath, field: &ShippedField) -> Row {
    Row {
        source: format!("data.{}", field.path),
        destination: format!("{TENANT_PLACEHOLDER}.{}_data.{}", resource.as_str(), field.path),
        row_type: RowType::Attribute,
        shape: shape_of(resource, field.path),
        title: humanised(&last_name(field.path)),
    }
}

fn last_name(path: &str) -> String {
    segments(path).pop().map(|step| step.name).unwrap_or_default()
}

/// The shipped shape at a destination such as `_{TENANT_ID}.charges_data.amount`, whatever the tenant.
pub(super) fn shape_at_destination(resource: ResourcePath, destination: &str) -> Option<Shape> {
    let (tenant, below) = destination.split_once('.')?;
    let (container, path) = below.split_once('.')?;
    let is_ours = tenant.starts_with('_') && container.strip_suffix("_data") == Some(resource.as_str());
    is_ours.then(|| shape_of(resource, path)).flatten()
}

/// The shipped shape at a source such as `data.amount`.
pub(super) fn shape_at_source(resource: ResourcePath, source: &str) -> Option<Shape> {
    shape_of(resource, source.strip_prefix("data.")?)
}

/// The shipped shape at a path inside the record. An object needs no entry of its own: its fields make it.
fn shape_of(resource: ResourcePath, path: &str) -> Option<Shape> {
    let path = any_index(path);
    let table = fields(resource);
    match table.iter().find(|field| field.path == path).map(|field| field.kind) {
        Some(Kind::Leaf(leaf)) => Some(Shape::Leaf(leaf)),
        Some(Kind::Values(leaf)) => Some(Shape::List(Box::new(Shape::Leaf(leaf)))),
        Some(Kind::Records) => {
            let item = object_below(resource, &format!("{path}[*]."))?;
            Some(Shape::List(Box::new(item)))
        }
        Some(Kind::Object) | None => object_below(resource, &format!("{path}.")),
    }
}

fn object_below(resource: ResourcePath, prefix: &str) -> Option<Shape> {
    let paths = fields(resource).iter().filter_map(|field| field.path.strip_prefix(prefix));
    let children: BTreeSet<String> = paths.map(|path| segments(path)[0].name.clone()).collect();
    let shapes = children.into_iter().filter_map(|child| {
        let shape = shape_of(resource, &format!("{prefix}{child}"))?;
        Some((child, shape))
    });
    let object: BTreeMap<String, Shape> = shapes.collect();
    (!object.is_empty()).then_some(Shape::Object(object))
}

#[cfg(test)]
mod tests;
