//! The four controllers: their triggers and the loop that runs them.

use std::sync::Arc;

use futures::FutureExt;
use futures::StreamExt;
use futures::future::BoxFuture;
use kube::Resource;
use kube::core::DeserializeGuard;
use kube::runtime::Controller;
use kube::runtime::controller::{Action, Config};
use tokio::time::Instant;

use super::context::Context;
use super::managed::Managed;
use super::trigger::{Countdown, Guarded, Scope, controller, on_dependent, on_parent, on_secret};
use super::{driver, record, report, unparsed};
use crate::api::{IngestionFlow, IngestionMapping, StripeBaseConnection, StripeSourceConnection};
use crate::domain::outcome::Obstacle;

/// How many controllers one scope has.
pub const CONTROLLERS: usize = 4;

/// Runs the four controllers until `stop` resolves; each then finishes the passes it is in. `listed` counts those that have
/// seen every object that exists.
pub async fn run(
    cx: Arc<Context>,
    scope: Scope,
    listed: &Countdown,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let stop = stop.shared();
    let bases = controller::<StripeBaseConnection>(&cx, &scope, listed);
    let bases = on_secret(bases, &cx, &scope, StripeBaseConnection::uses_secret);
    let bases = on_dependent::<_, StripeSourceConnection>(bases, &cx, &scope);

    let sources = controller::<StripeSourceConnection>(&cx, &scope, listed);
    let sources = on_parent::<_, StripeBaseConnection>(sources, &cx, &scope, |source, name| {
        source.spec.base_connection_ref.name == name
    });
    let sources = on_dependent::<_, IngestionMapping>(sources, &cx, &scope);
    let sources = on_dependent::<_, IngestionFlow>(sources, &cx, &scope);

    let mappings = controller::<IngestionMapping>(&cx, &scope, listed);
    let mappings = on_parent::<_, StripeSourceConnection>(mappings, &cx, &scope, |mapping, name| {
        mapping.spec.source_connection_ref.name == name
    });
    let mappings = on_dependent::<_, IngestionFlow>(mappings, &cx, &scope);

    let flows = controller::<IngestionFlow>(&cx, &scope, listed);
    let flows = on_parent::<_, StripeSourceConnection>(flows, &cx, &scope, |flow, name| {
        flow.spec.source_connection_ref.name == name
    });
    let flows =
        on_parent::<_, IngestionMapping>(flows, &cx, &scope, |flow, name| flow.spec.mapping_ref.name == name);

    // The end of one controller is the end of all: the process is started again rather than run with a part of them.
    let ended = futures::future::select_all([
        drive(bases, &cx, stop.clone()).boxed(),
        drive(sources, &cx, stop.clone()).boxed(),
        drive(mappings, &cx, stop.clone()).boxed(),
        drive(flows, &cx, stop.clone()).boxed(),
    ]);
    let ((), _, rest) = ended.await;
    if stop.now_or_never().is_some() {
        futures::future::join_all(rest).await;
    }
}

async fn drive<K: Managed>(
    controller: Controller<Guarded<K>>,
    cx: &Arc<Context>,
    stop: impl Future<Output = ()> + Send + Sync + 'static,
) {
    controller
        // Twice the places that one organisation may have, so that there is room beside it.
        .with_config(Config::default().concurrency(cx.settings.concurrency.saturating_mul(2)))
        .graceful_shutdown_on(stop)
        .run(reconcile_guarded::<K>, error_policy::<K>, Arc::clone(cx))
        .for_each(|result| async move { report::report(&result, &cx.metrics) })
        .await;
}

/// A pass over an object that may not parse; a panic in it is a defect of this one object's pass and stops nobody else.
async fn reconcile_guarded<K: Managed>(
    object: Arc<Guarded<K>>,
    cx: Arc<Context>,
) -> Result<Action, Obstacle> {
    let (kind, since) = (K::kind(&()), Instant::now());
    let _under_way = cx.progress.begin(&kind);
    let result = pass_over(object, Arc::clone(&cx)).await;
    cx.metrics.reconciled(&kind, result.as_ref().map(drop), since.elapsed());
    result
}

async fn pass_over<K: Managed>(object: Arc<Guarded<K>>, cx: Arc<Context>) -> Result<Action, Obstacle> {
    let DeserializeGuard(parsed) = object.as_ref();
    let object = match parsed {
        Ok(object) => object.clone(),
        Err(invalid) => return unparsed::refuse::<K>(&cx, &invalid.metadata).await,
    };
    let pass: BoxFuture<'_, _> = driver::reconcile(object.clone(), Arc::clone(&cx)).boxed();
    match std::panic::AssertUnwindSafe(pass).catch_unwind().await {
        Ok(result) => result,
        Err(_) => {
            driver::record_defect(object, &cx, Obstacle::bug("the pass over this object panicked")).await
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the signature is kube's")]
fn error_policy<K: Managed>(object: Arc<Guarded<K>>, obstacle: &Obstacle, cx: Arc<Context>) -> Action {
    let failures = cx.memory.failures(object.meta().uid.as_deref().unwrap_or_default());
    Action::requeue(record::next_look(obstacle, failures, cx.settings.drift_interval))
}
