//! Rows, XDM and preflight: everything about an `IngestionMapping` that can be decided without a call.
//!
//! The way through: [`rows`] merges shipped and own rows, [`fill_tenant`] makes destinations concrete, [`field_group_definition`]
//! and [`growth`] say what a managed schema needs, [`preflight`] checks the rows against the schema upstream, [`unseen_sources`]
//! against what explore saw, [`identity_changes`] against its descriptors, and [`row_drift`] against the mapping set upstream. Nothing here reads a cluster, a service or a clock.

pub mod builtin;
mod drift;
mod explore;
mod field_group;
mod growth;
mod identity;
mod invalid;
mod path;
mod preflight;
mod row;
mod shape;
mod title;

pub use drift::{RowDrift, UpstreamKind, UpstreamRow, row_drift, row_lines};
pub use explore::{EXPLORED_PATHS, explored_fields, unseen_sources};
pub use field_group::{
    check_class, check_identities, field_group_body, field_group_definition, identity_path, schema_body,
};
pub use growth::{Addition, BreakingChange, growth};
pub use identity::{
    IdentityChanges, IdentityConflict, IdentityField, ObservedIdentity, identity_body, identity_changes,
    identity_fields,
};
pub use invalid::{InvalidRows, Problem};
pub use preflight::{Misfit, leaf_type, preflight};
pub use row::{Row, fill_tenant, rows};
pub use shape::Shape;
pub use title::humanised;
