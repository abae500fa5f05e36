//! References to the other kinds and to keys of Secrets, always within the namespace of the object that holds
//! them.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::rule;

/// A reference by name to an object in the same namespace. There are no references across namespaces: a
/// namespace is the boundary of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
pub struct LocalRef {
    /// Name of the object, in the same namespace.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rule::object_name())]
    pub name: String,
}

/// A reference by name to a Secret in the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
pub struct SecretRef {
    /// Name of the Secret, in the same namespace.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rule::object_name())]
    pub name: String,
}

/// A reference to one key of a Secret in the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
pub struct SecretKeyRef {
    /// Name of the Secret, in the same namespace.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rule::object_name())]
    pub name: String,
    /// Key within the Secret's data, for example `access-token`.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rule::secret_key())]
    pub key: String,
}
