//! Error answers of the Schema Registry: one constructor per refusal, so that every code stands in one place.
//!
//! Codes 1006 to 1017, 1021, 1413, 1521 and 1528 are Adobe's. Adobe documents the following refusals without a code; the
//! numbers are this simulator's and start at 1590, so that nobody takes them for Adobe's:
//! 1590 payload, 1591 field rules, 1592 reference, 1593 breaking change, 1594 still in use, 1595 immutable tag,
//! 1596 descriptor, 1597 query, 1598 read-only container, 1599 patch.

use serde_json::json;

use super::Kind;
use crate::lake::ids;
use crate::wire::Reply;

/// Why a request is refused; becomes an answer by [`Refusal::reply`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    status: u16,
    code: String,
    title: &'static str,
    detail: String,
}

impl Refusal {
    fn new(status: u16, number: u16, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code: format!("XDM-{number}-{status}"), title, detail: detail.into() }
    }

    /// The body has the wrong form or lacks a member.
    pub(crate) fn payload(detail: impl Into<String>) -> Self {
        Self::new(400, 1590, "Payload validation error", detail)
    }

    /// A field has a name or type that XDM does not allow.
    pub(crate) fn field(detail: impl Into<String>) -> Self {
        Self::new(400, 1591, "Field validation error", detail)
    }

    /// A `$ref` leads nowhere or to the wrong kind of resource.
    pub(crate) fn reference(detail: impl Into<String>) -> Self {
        Self::new(400, 1592, "Reference validation error", detail)
    }

    /// The change would break data sets or Profile.
    pub(crate) fn breaking(schema: &str, what: &str) -> Self {
        let detail =
            format!("Breaking change: {what}. Schema {schema} is used by a data set or enabled for Profile.");
        Self::new(400, 1593, "Schema evolution error", detail)
    }

    /// Something else still uses the resource.
    pub(crate) fn in_use(id: &str, by: &str) -> Self {
        Self::new(
            400,
            1594,
            "Resource in use",
            format!("Resource {id} cannot be deleted, it is used by {by}."),
        )
    }

    /// An immutable tag would disappear.
    pub(crate) fn immutable_tag(tag: &str) -> Self {
        Self::new(400, 1595, "Immutable tag error", format!("Immutable tag {tag} cannot be removed."))
    }

    /// A descriptor breaks one of its rules.
    pub(crate) fn descriptor(detail: impl Into<String>) -> Self {
        Self::new(400, 1596, "Descriptor validation error", detail)
    }

    /// A descriptor that must stay.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(403, 1596, "Forbidden", detail)
    }

    /// A query parameter is wrong.
    pub(crate) fn query(detail: impl Into<String>) -> Self {
        Self::new(400, 1597, "Query validation error", detail)
    }

    /// A write outside the tenant container, or a method that does not exist.
    pub(crate) fn method(detail: impl Into<String>) -> Self {
        Self::new(405, 1598, "Method not allowed", detail)
    }

    /// A JSON Patch that cannot be applied.
    pub(crate) fn patch(detail: impl Into<String>) -> Self {
        Self::new(400, 1599, "Patch error", detail)
    }

    /// Custom fields outside the tenant namespace.
    pub(crate) fn namespace(tenant: &str, found: &str) -> Self {
        let detail = format!(
            "A custom field is defined under an invalid namespace ({found}). All custom fields must be defined under a \
             top-level field named _{tenant}."
        );
        Self::new(400, 1021, "Namespace validation error", detail)
    }

    /// Another resource has that title.
    pub(crate) fn title_taken(id: &str) -> Self {
        let detail =
            format!("Object titles must be unique. An object {id} already exists with the same title");
        Self::new(400, 1521, "Title not unique", detail)
    }

    /// The same path has another type in another schema.
    pub(crate) fn type_conflict(path: &str, schema: &str, types: (&str, &str)) -> Self {
        let detail = format!(
            "Cannot merge incompatible data types. The path {path} has already been defined in schema (id={schema}) \
             using a different data type. Types: {}, {}",
            types.0, types.1
        );
        Self::new(400, 1413, "Merge Schema Error", detail)
    }

    /// Profile wants an identity first.
    pub(crate) fn union_identity() -> Self {
        let detail = "To participate in a union, a schema must include an identityMap fieldgroup or a primary identity \
                      descriptor.";
        Self::new(400, 1528, "Union descriptor validation error", detail)
    }

    /// No such resource.
    pub(crate) fn not_found(id: &str, version: u64) -> Self {
        let detail = format!("Requested resource {id} with version {version} is not found");
        Self::new(404, 1012, "Resource Not Found", detail)
    }

    /// No such path.
    pub(crate) fn no_such_path() -> Self {
        Self::new(404, 1010, "Resource not found", "The requested path does not exist.")
    }

    /// The Accept header is wrong for a list.
    pub(crate) fn accept_list(found: &str) -> Self {
        let want = "application/vnd.adobe.{xed|xdm}+json";
        Self::new(400, 1006, "Accept header invalid", accept_text(found, want))
    }

    /// The Accept header is wrong for a look-up.
    pub(crate) fn accept_lookup(found: &str) -> Self {
        let want = "application/vnd.adobe.{xed|xdm}+json; version=1 (Version should be specified)";
        Self::new(400, 1007, "Accept header invalid", accept_text(found, want))
    }

    /// The Accept header is wrong for a list of descriptors.
    pub(crate) fn accept_descriptor_list(found: &str) -> Self {
        Self::new(400, 1008, "Accept header invalid", accept_text(found, "application/vnd.adobe.xdm-id+json"))
    }

    /// The Accept header is wrong for one descriptor.
    pub(crate) fn accept_descriptor_lookup(found: &str) -> Self {
        Self::new(400, 1009, "Accept header invalid", accept_text(found, "application/vnd.adobe.xdm+json"))
    }

    /// The older answer to a wrong Accept header.
    pub(crate) fn not_acceptable(found: &str) -> Self {
        let detail = accept_text(found, "application/vnd.adobe.{xed|xdm}+json");
        Self { status: 406, code: String::new(), title: "NotAcceptableError", detail }
    }

    /// The answer in the service's envelope.
    pub(crate) fn reply(&self, now_ms: i64) -> Reply {
        if self.code.is_empty() {
            let body = json!({"type": "/placeholder/type/uri", "status": self.status, "title": self.title, "detail": self.detail});
            return Reply::json(self.status, body);
        }
        let body = json!({
            "type": format!("http://ns.adobe.com/aep/errors/{}", self.code),
            "title": self.title,
            "status": self.status,
            "report": {
                "registryRequestId": ids::uuid(),
                "timestamp": ids::report_time(now_ms),
                "detailed-message": self.detail,
                "sub-errors": [],
            },
            "detail": self.detail,
        });
        Reply::json(self.status, body)
    }
}

fn accept_text(found: &str, want: &str) -> String {
    format!("The supplied Accept header is not valid: {found} - A valid Accept value should look like {want}")
}

/// How a refusal names a kind of resource.
pub(crate) fn noun(kind: Kind) -> &'static str {
    match kind {
        Kind::Schemas => "schema",
        Kind::Mixins => "field group",
        Kind::Classes => "class",
        Kind::Datatypes => "data type",
        Kind::Behaviors => "behavior",
    }
}
