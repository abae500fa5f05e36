//! One line per finished pass: the only place where results of reconciles are logged.

use kube::runtime::controller::{Action, Error};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;
use tracing::{debug, error, info, warn};

use super::managed::Managed;
use super::trigger::Guarded;
use crate::domain::outcome::{Class, Obstacle};
use crate::telemetry::metrics::{Happening, Metrics};

/// What a controller's output stream yields.
pub(super) type Outcome<K> = Result<(ObjectRef<Guarded<K>>, Action), Error<Obstacle, watcher::Error>>;

/// Logs one result of the controller's output stream, and counts what no pass could count.
pub(super) fn report<K: Managed>(result: &Outcome<K>, metrics: &Metrics) {
    let kind = K::kind(&());
    match result {
        Ok((object, _)) => debug!(%kind, %object, "reconciled"),
        Err(Error::ReconcilerFailed(obstacle, object)) => log_obstacle(&kind, &object.to_string(), obstacle),
        // The object vanished between the queue and the pass.
        Err(Error::ObjectNotFound(object)) => debug!(%kind, %object, "gone"),
        Err(error) => {
            metrics.count(Happening::WatchFailed, &kind);
            warn!(%kind, %error, "watch");
        }
    }
}

fn log_obstacle(kind: &str, object: &str, obstacle: &Obstacle) {
    let (class, reason, message) = (obstacle.class.as_str(), obstacle.reason.as_str(), &obstacle.message);
    match obstacle.class {
        Class::Blocked | Class::Limited | Class::Conflict => debug!(kind, object, class, reason, message),
        Class::Invalid | Class::Gone => info!(kind, object, class, reason, message),
        Class::Denied | Class::Unavailable | Class::Ambiguous => warn!(kind, object, class, reason, message),
        Class::Bug => error!(kind, object, class, reason, message),
    }
}
