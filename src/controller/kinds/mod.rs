//! What each kind says for itself: references, desired state, drift, and the calls that create and patch. Only conversions and calls to
//! the ports; decisions are in `domain`.

mod adoption;
mod base;
mod flow;
mod flow_checks;
mod flow_dataset;
mod flow_loss;
mod flow_replace;
mod flow_start;
mod flow_update;
mod history;
mod mapping;
mod mapping_checks;
mod mapping_schema;
mod mapping_set;
mod mapping_update;
mod on_demand;
mod parent;
mod runs;
mod source;

/// Implements what every kind answers alike from its spec and status.
macro_rules! common_fields {
    ($status:ty) => {
        type Status = $status;

        fn status(&self) -> Option<&Self::Status> {
            self.status.as_ref()
        }

        fn common(status: &Self::Status) -> &$crate::api::status::CommonStatus {
            &status.common
        }

        fn common_mut(status: &mut Self::Status) -> &mut $crate::api::status::CommonStatus {
            &mut status.common
        }

        fn drift_policy(&self) -> $crate::api::policy::DriftPolicy {
            self.spec.drift_policy
        }

        fn deletion_policy(&self) -> Option<$crate::api::policy::DeletionPolicy> {
            self.spec.deletion_policy
        }

        fn unsaid(&self) -> $crate::controller::managed::Unsaid {
            $crate::controller::managed::Unsaid {
                name: self.spec.display_name.is_none(),
                description: self.spec.description.is_none(),
            }
        }
    };
}
pub(crate) use common_fields;

use kube::ResourceExt;

/// The name of an upstream object: spec's, or namespace and name.
pub(super) fn display_name(object: &impl ResourceExt, display_name: Option<&str>) -> String {
    match display_name {
        Some(name) => name.to_owned(),
        None => format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any()),
    }
}
