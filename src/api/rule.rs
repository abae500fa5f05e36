//! The CEL rules that more than one field needs, each with a message that says what to change.
//!
//! Rules only: which field carries which rule stands at the field. A rule that reads an optional field uses
//! `has()`, because the API server fails every update of the object, status included, when a rule reads a
//! field that is not there.

use kube::core::Rule;

/// A rule with its message.
pub(super) fn rule(expression: impl Into<String>, message: impl Into<String>) -> Rule {
    let message: String = message.into();
    Rule::new(expression).message(message.as_str())
}

/// A required field that keeps the value it was created with.
pub(super) fn immutable(field: &str) -> Rule {
    rule(
        "self == oldSelf",
        format!("{field} is immutable: keep it as it was, or create another object under a new name"),
    )
}

/// Exactly one of two optional members of `self`.
pub(super) fn exactly_one(first: &str, second: &str) -> Rule {
    rule(
        format!("has(self.{first}) != has(self.{second})"),
        format!(
            "exactly one of {first} and {second} must be given: add the one you mean, or remove the other"
        ),
    )
}

/// The choice between two optional members of `self` is made once.
pub(super) fn choice_is_kept(what: &str, first: &str, second: &str) -> Rule {
    rule(
        format!("has(self.{first}) == has(oldSelf.{first}) && has(self.{second}) == has(oldSelf.{second})"),
        format!(
            "the choice between {what}.{first} and {what}.{second} is immutable: keep it, or create \
             another object under a new name"
        ),
    )
}

/// An object that exists upstream is not exchanged by naming another one. Judged only when `adopt` changes: a rule that could refuse a
/// status or a finalizer would keep the object for ever.
pub(super) fn adopt_fits(role: &str, id: &str) -> Rule {
    rule(
        format!(
            "!has(self.spec.adopt) || (has(oldSelf.spec.adopt) && self.spec.adopt == oldSelf.spec.adopt) \
             || !has(oldSelf.status) || !has(oldSelf.status.external) \
             || oldSelf.status.external.all(e, e.role != '{role}' || e.id == self.spec.adopt.{id})"
        ),
        format!(
            "adopt.{id} names another object than the one that status.external shows: name that one, remove \
             adopt, or take the other one over with another object"
        ),
    )
    .field_path(".spec.adopt")
}

/// Text that must not look like the ownership marker.
pub(super) fn no_marker() -> Rule {
    rule(
        "!self.contains('[aep-operator/')",
        "the text must not contain \"[aep-operator/\", which is kept for the operator's own ownership \
         marker: remove it",
    )
}

/// A name that Adobe shows on one line and may trim.
pub(super) fn one_line() -> Rule {
    rule(
        "self.matches('^[^\\\\s](.*[^\\\\s])?$')",
        "the text must be one line without white space at its ends: remove line breaks and outer spaces",
    )
}

/// The name of a Kubernetes object.
pub(super) fn object_name() -> Rule {
    rule(
        "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",
        "the name must be that of an object in the same namespace: lower-case letters, digits, '-' and \
         '.', without a namespace before it",
    )
}

/// A key of a Secret.
pub(super) fn secret_key() -> Rule {
    rule(
        "self.matches('^[-._a-zA-Z0-9]+$')",
        "the key must be a key of the Secret's data: letters, digits, '-', '_' and '.'",
    )
}

/// The name of a sandbox.
pub(super) fn sandbox_name() -> Rule {
    rule(
        "self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?$')",
        "sandbox must be the sandbox's name, not its title: lower-case letters, digits and inner hyphens, \
         for example prod",
    )
}

/// An id of Flow Service.
pub(super) fn uuid() -> Rule {
    rule(
        "self.matches('^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$')",
        "the id must be the UUID that Flow Service shows, for example 4cb0c374-d3bb-4557-b139-5712880adc55",
    )
}

/// An id of Data Prep.
pub(super) fn mapping_set_id() -> Rule {
    rule(
        "self.matches('^[0-9a-f]{32}$')",
        "mappingSetId must be the 32 lower-case hex digits that Data Prep shows, without hyphens",
    )
}

/// An id of Catalog.
pub(super) fn dataset_id() -> Rule {
    rule("self.matches('^[0-9a-f]{24}$')", "the id must be the 24 lower-case hex digits that Catalog shows")
}

/// The `$id` of a resource of Schema Registry, below one of the given collections.
pub(super) fn registry_id(what: &str, collection: &str) -> Rule {
    rule(
        format!("self.matches('^https://ns[.]adobe[.]com/[A-Za-z0-9_-]+/{collection}/[A-Za-z0-9_.-]+$')"),
        format!(
            "{what} must be the full $id, https://ns.adobe.com/TENANT/{collection}/ID, not the meta:altId \
             or the title"
        ),
    )
}

/// A destination of a row: a dotted XDM path.
pub(super) fn xdm_path() -> Rule {
    rule(
        "self.matches('^[^.\\\\s]+([.][^.\\\\s]+)*$')",
        "the destination must be a dotted XDM path without white space or empty parts, for example \
         _{TENANT_ID}.charges_data.id",
    )
}

/// The only placeholder in a destination, and its only place.
pub(super) fn tenant_placeholder() -> Rule {
    rule(
        "!self.matches('(^|[^$])[{]') || (self.startsWith('_{TENANT_ID}.') && \
         !self.substring(2).matches('[^$][{]'))",
        "the only placeholder is _{TENANT_ID}, and only as the first part of the destination: write \
         _{TENANT_ID} where Adobe's tutorial writes _{ORG_ID}",
    )
}
