//! Waking single objects from outside their watches: the inventory found that upstream moved.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures::{Stream, StreamExt};
use kube::runtime::reflector::ObjectRef;

use super::managed::Managed;
use super::trigger::Guarded;

type Name = (String, String);

/// One channel for each controller, by kind.
#[derive(Debug, Default)]
pub struct Wake(Mutex<HashMap<String, Vec<UnboundedSender<Name>>>>);

impl Wake {
    /// What wakes one controller of the kind.
    pub(super) fn stream<K: Managed>(&self) -> impl Stream<Item = ObjectRef<Guarded<K>>> + Send + 'static {
        let (sender, receiver): (_, UnboundedReceiver<Name>) = unbounded();
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(K::kind(&()).into_owned())
            .or_default()
            .push(sender);
        receiver.map(|(namespace, name)| ObjectRef::new(&name).within(&namespace))
    }

    /// Wakes an object of the kind.
    pub fn wake<K: Managed>(&self, namespace: &str, name: &str) {
        let senders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for sender in senders.get(K::kind(&()).as_ref()).into_iter().flatten() {
            // A closed channel belongs to a controller that is stopping.
            let _stopping = sender.unbounded_send((namespace.to_owned(), name.to_owned()));
        }
    }
}
