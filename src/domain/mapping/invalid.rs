//! Why rows are refused: one typed problem per cause, each of which says what to do.

use std::fmt;

/// Rows that cannot be used; holds every problem found, in a stable order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidRows {
    problems: Vec<Problem>,
}

/// How many problems the message spells out.
const SHOWN: usize = 3;

impl InvalidRows {
    /// `Err` if there is any problem, else `Ok` with the value.
    pub(super) fn unless_none<T>(value: T, problems: Vec<Problem>) -> Result<T, Self> {
        if problems.is_empty() { Ok(value) } else { Err(Self { problems }) }
    }

    /// Every problem.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl From<Problem> for InvalidRows {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}

impl fmt::Display for InvalidRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, problem) in self.problems.iter().take(SHOWN).enumerate() {
            let separator = if position == 0 { "" } else { "; " };
            write!(f, "{separator}{problem}")?;
        }
        match self.problems.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl std::error::Error for InvalidRows {}

/// One reason why rows are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Shipped rows of another resource.
    #[error("builtin {builtin} does not fit resourcePath {resource}: use {resource}/v1")]
    BuiltinOfAnotherResource {
        /// The name given.
        builtin: &'static str,
        /// The resource of the source connection.
        resource: &'static str,
    },
    /// An `exclude` that matches no shipped row.
    #[error("exclude {destination} matches no row of {builtin}: correct or remove it")]
    ExcludeMatchesNothing {
        /// The entry of `exclude`.
        destination: String,
        /// The shipped rows.
        builtin: &'static str,
    },
    /// An `exclude` below an object that is still copied whole.
    #[error(
        "exclude {destination} keeps nothing out, since the row {parent} copies the whole object: exclude that row too and add rows for the fields you want"
    )]
    ExcludeWithoutEffect {
        /// The entry of `exclude`.
        destination: String,
        /// The row that copies the whole object.
        parent: String,
    },
    /// Nothing to map.
    #[error("no row is left: give mappings, or exclude less")]
    NoRows,
    /// A placeholder other than `_{TENANT_ID}` at the start.
    #[error(
        "destination {destination}: unknown placeholder {placeholder}; only a leading _{{TENANT_ID}} is filled in"
    )]
    UnknownPlaceholder {
        /// The row's destination.
        destination: String,
        /// What stands there.
        placeholder: String,
    },
    /// Two rows that become one.
    #[error("rows {first} and {second} both write {destination} once the tenant is filled in: remove one")]
    SameDestination {
        /// Destination of the first row as given.
        first: String,
        /// Destination of the second row as given.
        second: String,
        /// What both become.
        destination: String,
    },
    /// A managed schema holds custom fields below the tenant only.
    #[error(
        "destination {destination} is not below _{{TENANT_ID}}, where a managed schema keeps its fields: move it there, or use targetSchema.existing"
    )]
    OutsideTenant {
        /// The row's destination.
        destination: String,
    },
    /// No type for a field of a managed schema.
    #[error("row {source_path} -> {destination} has no type: give xdmType, or map the fields below it")]
    NoType {
        /// The row's source.
        source_path: String,
        /// The row's destination.
        destination: String,
    },
    /// A name that XDM refuses.
    #[error(
        "destination {destination}: field name \"{name}\" is refused by XDM (letters, digits, - and _, no leading _)"
    )]
    FieldName {
        /// The row's destination.
        destination: String,
        /// The refused part.
        name: String,
    },
    /// Two rows that need different types of one field.
    #[error(
        "{path} would be {first_type} by row {first} and {second_type} by row {second}: change xdmType or destination of one"
    )]
    TypeConflict {
        /// The field.
        path: String,
        /// Destination of the first row.
        first: String,
        /// What it needs.
        first_type: String,
        /// Destination of the second row.
        second: String,
        /// What it needs.
        second_type: String,
    },
    /// A field that the class requires.
    #[error("class {class} requires a row for {field}: add one")]
    ClassFieldMissing {
        /// `$id` of the class.
        class: String,
        /// The required field.
        field: &'static str,
    },
    /// An identity on a field that no row fills with text.
    #[error("identity {destination} needs a row that fills it with a string: {found}")]
    IdentityField {
        /// The identity's destination.
        destination: String,
        /// What is there instead.
        found: String,
    },
    /// Two identities on one field.
    #[error("two identities stand on {destination} once the tenant is filled in: remove one")]
    SameIdentity {
        /// What both become.
        destination: String,
    },
    /// Profile needs to know whose record it is.
    #[error("profile: true needs a primary identity: mark one entry of identities with primary: true")]
    NoPrimaryIdentity,
}

impl Problem {
    /// Whether it is about identities and not about rows.
    pub fn is_about_identities(&self) -> bool {
        matches!(self, Self::IdentityField { .. } | Self::SameIdentity { .. } | Self::NoPrimaryIdentity)
    }
}
