//! What wakes a reconcile: the object itself, the objects it refers to, and the objects that refer to it while it waits to go.
//!
//! Triggers follow the references: a change of a parent wakes its children; only a dependent that is going wakes its parent. Every
//! call to kube's unstable runtime streams is in this file.

use std::any::Any;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::TryStreamExt;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Secret;
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{Controller, PredicateConfig, WatchStreamExt};
use kube::{Api, Client, Resource, ResourceExt};

use super::context::Context;
use super::managed::Managed;
use crate::api::{APPROVE, INTENT, IngestionFlow, PAUSED, RUN_REQUESTED_AT, SYNC_REQUESTED_AT};
use crate::cluster::Kind;
use crate::cluster::claim::is_claimed;
use crate::telemetry::census::{self, Sighted};

/// A custom resource as it is watched: one that does not parse is kept apart and stops nobody else.
pub(super) type Guarded<K> = DeserializeGuard<K>;

/// Where the watches look.
#[derive(Debug, Clone)]
pub enum Scope {
    /// All namespaces.
    Cluster,
    /// One namespace.
    Namespace(String),
}

impl Scope {
    /// The namespace, if it is one.
    pub fn namespace(&self) -> Option<&str> {
        match self {
            Self::Cluster => None,
            Self::Namespace(namespace) => Some(namespace),
        }
    }

    fn api<K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>>(&self, client: &Client) -> Api<K> {
        match self {
            Self::Cluster => Api::all(client.clone()),
            Self::Namespace(namespace) => Api::namespaced(client.clone(), namespace),
        }
    }
}

/// Does something once, when it has been counted down. (A store's own readiness wakes only the last of several that wait for it.)
#[derive(Clone)]
pub struct Countdown(Arc<(AtomicUsize, Box<dyn Fn() + Send + Sync>)>);

impl Countdown {
    /// Calls `done` at the last of `count` counts.
    pub fn new(count: usize, done: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new((AtomicUsize::new(count), Box::new(done))))
    }

    fn count(&self) {
        if self.0.0.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.1();
        }
    }
}

/// A controller whose main stream wakes only for what [`wakes`] names. Objects that come with a list and not with an event are noted:
/// another process may have worked on them.
pub(super) fn controller<K: Managed>(
    cx: &Arc<Context>,
    scope: &Scope,
    listed: &Countdown,
) -> Controller<Guarded<K>> {
    let api: Api<Guarded<K>> = scope.api(cx.cluster.client());
    let (reader, writer) = reflector::store();
    cx.census.add(counted(reader.clone()));
    let noting = Arc::clone(cx);
    let mut first = Some(listed.clone());
    let stream = watcher::watcher(api, watcher::Config::default())
        .inspect_ok(move |event| match event {
            Event::InitApply(object) => {
                noting.memory.note_listed(object.meta().uid.as_deref().unwrap_or_default());
            }
            Event::Delete(object) => noting.memory.forget(object.meta().uid.as_deref().unwrap_or_default()),
            Event::InitDone => first.take().into_iter().for_each(|listed: Countdown| listed.count()),
            Event::Init | Event::Apply(_) => {}
        })
        .default_backoff()
        .modify(|object| object.meta_mut().managed_fields = None)
        .reflect(writer)
        .applied_objects()
        .predicate_filter(|object: &Guarded<K>| Some(wakes(object)), PredicateConfig::default());
    Controller::for_stream(stream, reader).reconcile_on(cx.wake.stream::<K>())
}

/// The objects of a store, as the census counts them.
fn counted<K: Managed>(store: Store<Guarded<K>>) -> census::Store {
    let kind = K::kind(&());
    Box::new(move |see| {
        for object in store.state() {
            let meta = object.meta();
            let parsed = object.0.as_ref().ok();
            see(Sighted {
                kind: &kind,
                namespace: meta.namespace.as_deref().unwrap_or_default(),
                name: meta.name.as_deref().unwrap_or_default(),
                deleting: meta.deletion_timestamp.is_some(),
                unparsed: parsed.is_none(),
                status: parsed.and_then(K::status).map(K::common),
                flow: parsed
                    .and_then(|object| (object as &dyn Any).downcast_ref::<IngestionFlow>())
                    .and_then(|flow| flow.status.as_ref()),
            });
        }
    })
}

/// What of an object wakes its reconcile: spec (generation moves with it, and with the deletion timestamp), our command annotations, and
/// the loss of finalizer or intent while there are upstream objects. Our own claim and status writes do not: a pass woken by the claim
/// would meet the object before its ids are recorded.
fn wakes<K: Managed>(object: &Guarded<K>) -> u64 {
    let mut hasher = DefaultHasher::new();
    let meta = object.meta();
    (meta.uid.as_deref(), meta.generation, meta.deletion_timestamp.is_some()).hash(&mut hasher);
    for name in [PAUSED, SYNC_REQUESTED_AT, RUN_REQUESTED_AT, APPROVE] {
        object.annotations().get(name).hash(&mut hasher);
    }
    let has_ids = object
        .0
        .as_ref()
        .ok()
        .and_then(K::status)
        .is_some_and(|status| !K::common(status).external.is_empty());
    (has_ids && !(is_claimed(object) && object.annotations().contains_key(INTENT))).hash(&mut hasher);
    hasher.finish()
}

/// Wakes the objects of `K` that `refers` to a changed object of `P`; only metadata of `P` is watched.
pub(super) fn on_parent<K: Managed, P: Kind>(
    controller: Controller<Guarded<K>>,
    cx: &Arc<Context>,
    scope: &Scope,
    refers: impl Fn(&K, &str) -> bool + Send + Sync + 'static,
) -> Controller<Guarded<K>> {
    on_selected::<K, P>(controller, cx, scope, watcher::Config::default(), refers)
}

fn on_selected<K: Managed, P: Kind>(
    controller: Controller<Guarded<K>>,
    cx: &Arc<Context>,
    scope: &Scope,
    selected: watcher::Config,
    refers: impl Fn(&K, &str) -> bool + Send + Sync + 'static,
) -> Controller<Guarded<K>> {
    let store = controller.store();
    let api: Api<PartialObjectMeta<P>> = scope.api(cx.cluster.client());
    controller.watches(api, selected, move |parent| {
        let (namespace, name) = (parent.namespace(), parent.name_any());
        matching(&store, |object| {
            object.namespace() == namespace && object.0.as_ref().is_ok_and(|object| refers(object, &name))
        })
    })
}

/// Wakes the objects of `K` that wait to go, or to let go of what they outlived, when a dependent of kind `D` in their namespace is going.
pub(super) fn on_dependent<K: Managed, D: Kind>(
    controller: Controller<Guarded<K>>,
    cx: &Arc<Context>,
    scope: &Scope,
) -> Controller<Guarded<K>> {
    let store = controller.store();
    let api: Api<PartialObjectMeta<D>> = scope.api(cx.cluster.client());
    controller.watches(api, watcher::Config::default(), move |dependent| {
        // A flow that was replaced lets go of its former source without going itself.
        let replaced = |intent: &String| intent.contains("\"replacement\"");
        let going = dependent.metadata.deletion_timestamp.is_some()
            || dependent.annotations().get(INTENT).is_some_and(replaced);
        let namespace = dependent.namespace();
        matching(&store, |object| going && object.namespace() == namespace && is_waiting(object))
    })
}

/// Whether the object is being deleted, or has something to delete once nothing uses it.
fn is_waiting<K: Managed>(object: &Guarded<K>) -> bool {
    let status = object.0.as_ref().ok().and_then(K::status);
    let external = status.map(|status| K::common(status).external.as_slice()).unwrap_or_default();
    object.meta().deletion_timestamp.is_some() || external.iter().any(|object| object.role.is_former())
}

/// Wakes the objects of `K` that use a changed Secret; only metadata is watched, so no Secret's bytes are ever held. Where only Secrets
/// of some names may be seen, each name has its own watch.
pub(super) fn on_secret<K: Managed>(
    controller: Controller<Guarded<K>>,
    cx: &Arc<Context>,
    scope: &Scope,
    uses: impl Fn(&K, &str) -> bool + Copy + Send + Sync + 'static,
) -> Controller<Guarded<K>> {
    cx.cluster.secret_selectors().into_iter().fold(controller, |controller, field_selector| {
        let selected = watcher::Config { field_selector, ..watcher::Config::default() };
        on_selected::<K, Secret>(controller, cx, scope, selected, uses)
    })
}

fn matching<K: Managed>(
    store: &Store<Guarded<K>>,
    wanted: impl Fn(&Guarded<K>) -> bool,
) -> Vec<ObjectRef<Guarded<K>>> {
    store
        .state()
        .iter()
        .filter(|object| wanted(object))
        .map(|object| ObjectRef::from_obj(object.as_ref()))
        .collect()
}
