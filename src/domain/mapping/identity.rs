//! Identities of a managed schema: which descriptors have to be made, and which have to go.
//!
//! A descriptor has neither a marker nor an etag. What identifies one is its natural key: schema, field and namespace, and whether it is
//! the primary one. What another client made is never touched; it may only stand in the way.

use std::fmt;

use serde::Serialize;
use serde_json::{Value, json};

use crate::api::mapping::Identity;

use super::field_group::identity_path;
use super::row::filled_destination;

/// One identity, as its descriptor spells it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct IdentityField {
    /// Path of the field, `/_acme/customers_data/email`.
    pub property: String,
    /// Code of the namespace.
    pub namespace: String,
    /// Whether it is the primary identity of the schema.
    pub primary: bool,
}

impl fmt::Display for IdentityField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let primary = if self.primary { ", primary" } else { "" };
        write!(f, "{} ({}{primary})", self.property, self.namespace)
    }
}

/// A descriptor upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedIdentity {
    /// Its `@id`.
    pub id: String,
    /// What it says.
    pub field: IdentityField,
    /// Whether our client made it.
    pub is_ours: bool,
}

/// What brings the descriptors to what spec asks for. Deletions come first: a field has one identity, a schema one primary.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdentityChanges {
    /// Ids of descriptors to delete.
    pub delete: Vec<String>,
    /// Identities to make.
    pub create: Vec<IdentityField>,
}

impl IdentityChanges {
    /// Nothing has to be done.
    pub fn is_empty(&self) -> bool {
        self.delete.is_empty() && self.create.is_empty()
    }
}

/// Why the identities cannot be brought to what spec asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityConflict {
    /// A descriptor that another client made.
    #[error(
        "the descriptor {id} of another client already makes {field} an identity, which stands in the way of {wanted}: delete it in AEP, or ask for the identity as it is there"
    )]
    OfAnotherClient {
        /// Its `@id`.
        id: String,
        /// What it says.
        field: String,
        /// What spec asks for.
        wanted: String,
    },
    /// The primary identity of a schema in the union can never be exchanged.
    #[error(
        "{field} is the primary identity of a schema that takes part in Profile, and Adobe keeps it for ever: ask for it again"
    )]
    PrimaryStays {
        /// The primary identity.
        field: String,
    },
}

/// The identities that spec asks for, in the order of their fields. Entries whose placeholder is wrong are left out: `check_identities`
/// names them.
pub fn identity_fields(identities: &[Identity], tenant: &str) -> Vec<IdentityField> {
    let field = |identity: &Identity| {
        Some(IdentityField {
            property: identity_path(&filled_destination(&identity.destination, tenant).ok()?),
            namespace: identity.namespace.clone(),
            primary: identity.primary.unwrap_or_default(),
        })
    };
    let mut fields: Vec<IdentityField> = identities.iter().filter_map(field).collect();
    fields.sort_unstable();
    fields
}

/// Compares what spec asks for with the descriptors of the schema.
///
/// # Errors
/// What stands in the way and may not be removed.
pub fn identity_changes(
    wanted: &[IdentityField],
    observed: &[ObservedIdentity],
    is_in_union: bool,
) -> Result<IdentityChanges, IdentityConflict> {
    let mut missing = wanted.to_vec();
    let mut changes = IdentityChanges::default();
    for descriptor in observed {
        if let Some(at) = missing.iter().position(|field| *field == descriptor.field) {
            missing.remove(at);
        } else if descriptor.is_ours {
            if descriptor.field.primary && is_in_union && !wanted.contains(&descriptor.field) {
                return Err(IdentityConflict::PrimaryStays { field: descriptor.field.to_string() });
            }
            changes.delete.push(descriptor.id.clone());
        } else if let Some(wanted) = wanted.iter().find(|wanted| excludes(&descriptor.field, wanted)) {
            return Err(IdentityConflict::OfAnotherClient {
                id: descriptor.id.clone(),
                field: descriptor.field.to_string(),
                wanted: wanted.to_string(),
            });
        }
    }
    changes.create = missing;
    Ok(changes)
}

/// Whether the two cannot stand beside each other.
fn excludes(one: &IdentityField, other: &IdentityField) -> bool {
    one != other && (one.property == other.property || (one.primary && other.primary))
}

/// The body that creates a descriptor.
pub fn identity_body(schema_id: &str, field: &IdentityField) -> Value {
    json!({
        "@type": "xdm:descriptorIdentity",
        "xdm:sourceSchema": schema_id,
        "xdm:sourceVersion": 1,
        "xdm:sourceProperty": field.property,
        "xdm:namespace": field.namespace,
        "xdm:property": "xdm:code",
        "xdm:isPrimary": field.primary,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, namespace: &str, primary: bool) -> IdentityField {
        IdentityField { property: format!("/_acme/c/{name}"), namespace: namespace.into(), primary }
    }

    fn descriptor(id: &str, field: IdentityField, is_ours: bool) -> ObservedIdentity {
        ObservedIdentity { id: id.into(), field, is_ours }
    }

    #[test]
    fn a_destination_becomes_the_path_of_its_descriptor() {
        let identity = Identity {
            destination: "_{TENANT_ID}.c.email".into(),
            namespace: "Email".into(),
            primary: Some(true),
        };
        assert_eq!(identity_fields(&[identity], "acme"), [field("email", "Email", true)]);
    }

    #[test]
    fn what_stands_is_neither_made_nor_deleted() {
        let wanted = [field("email", "Email", true), field("id", "CRMID", false)];
        let observed = [descriptor("1", wanted[0].clone(), true)];
        let changes = identity_changes(&wanted, &observed, true).unwrap();
        assert_eq!(changes, IdentityChanges { delete: vec![], create: vec![wanted[1].clone()] });
        let observed = [observed[0].clone(), descriptor("2", wanted[1].clone(), false)];
        assert!(identity_changes(&wanted, &observed, false).unwrap().is_empty(), "whoever made it");
    }

    #[test]
    fn our_descriptor_that_spec_no_longer_asks_for_goes_and_a_second_one_too() {
        let wanted = [field("email", "Email", false)];
        let observed = [
            descriptor("1", wanted[0].clone(), true),
            descriptor("2", wanted[0].clone(), true),
            descriptor("3", field("id", "CRMID", true), true),
        ];
        assert_eq!(identity_changes(&wanted, &observed, false).unwrap().delete, ["2", "3"]);
    }

    #[test]
    fn an_exchanged_namespace_is_a_deletion_and_a_creation() {
        let observed = [descriptor("1", field("email", "Email", true), true)];
        let changes = identity_changes(&[field("email", "CRMID", true)], &observed, false).unwrap();
        assert_eq!((changes.delete.len(), changes.create.len()), (1, 1));
    }

    #[test]
    fn the_primary_identity_of_a_schema_in_the_union_stays() {
        let primary = descriptor("1", field("email", "Email", true), true);
        for wanted in [vec![], vec![field("id", "CRMID", true)], vec![field("email", "Email", false)]] {
            let refused = identity_changes(&wanted, std::slice::from_ref(&primary), true).unwrap_err();
            assert!(refused.to_string().contains("/_acme/c/email (Email, primary)"), "{refused}");
        }
        let (wanted, other) = ([primary.field.clone()], descriptor("2", field("id", "CRMID", false), true));
        let changes = identity_changes(&wanted, &[primary, other], true).unwrap();
        assert_eq!(changes.delete, ["2"], "another identity may go");
    }

    #[test]
    fn a_descriptor_of_another_client_is_left_alone_and_named_when_it_stands_in_the_way() {
        let theirs = [descriptor("1", field("phone", "Phone", false), false)];
        let wanted = [field("email", "Email", true)];
        assert_eq!(identity_changes(&wanted, &theirs, false).unwrap().create, wanted);
        for field in [field("email", "Phone", false), field("phone", "Phone", true)] {
            let refused = identity_changes(&wanted, &[descriptor("1", field, false)], false).unwrap_err();
            assert!(matches!(refused, IdentityConflict::OfAnotherClient { .. }), "{refused}");
        }
    }
}
