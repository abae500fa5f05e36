//! The last runs of many flows in few reads. A run that succeeded tells all that status holds of it; after any other the reconcile reads the
//! flow's runs itself, to count the failures in a row.

use std::collections::HashMap;

use kube::ResourceExt;

use crate::aep::Lane;
use crate::aep::model::RunStatus;
use crate::api::IngestionFlow;
use crate::controller::context::Context;
use crate::controller::site::Site;
use crate::controller::upstream::Object;
use crate::domain::outcome::Obstacle;

/// From so many on they are read together.
const MANY: usize = 2;

/// Reads the last runs that the flows, by the UID of their owners, show and no status holds, and keeps them for the reconciles.
pub(super) async fn hand_over<'o>(
    cx: &Context,
    site: &Site,
    owners: &[IngestionFlow],
    moved: impl Iterator<Item = (&'o str, &'o Object)>,
) -> Result<(), Obstacle> {
    let held: HashMap<String, &str> = owners.iter().filter_map(held_run).collect();
    let mut wanted: HashMap<String, String> = HashMap::new();
    for (uid, object) in moved {
        if let Some(run) = succeeded(object).filter(|run| held.get(uid) != Some(run)) {
            wanted.insert(run.to_owned(), uid.to_owned());
        }
    }
    if wanted.len() < MANY {
        return Ok(());
    }
    let ids: Vec<&str> = wanted.keys().map(String::as_str).collect();
    for run in site.session.on(Lane::Runs).runs_by_id(&ids).await? {
        if let Some(uid) = wanted.get(&run.meta.id).filter(|_| run.status == RunStatus::Success) {
            cx.memory.show_run(uid, run);
        }
    }
    Ok(())
}

fn held_run(flow: &IngestionFlow) -> Option<(String, &str)> {
    Some((flow.uid()?, flow.status.as_ref()?.last_run.as_ref()?.id.as_str()))
}

fn succeeded(object: &Object) -> Option<&str> {
    let Object::Flow(flow) = object else { return None };
    flow.last_run.as_ref().filter(|run| run.state == RunStatus::Success)?.id.as_deref()
}
