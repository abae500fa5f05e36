//! References to the other kinds and to keys of Secrets, always within the namespace of the object that holds them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A reference by name to an object of one of our kinds in the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct LocalRef {
    /// Name of the object.
    pub name: String,
}

/// A reference by name to a Secret in the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct SecretRef {
    /// Name of the Secret.
    pub name: String,
}

/// A reference to one key of a Secret in the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct SecretKeyRef {
    /// Name of the Secret.
    pub name: String,
    /// Key within the Secret's data.
    pub key: String,
}
