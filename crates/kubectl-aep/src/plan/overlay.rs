//! The cluster as it would be after an apply: planned objects in the place of the present ones, everything else as it is. Writes reach
//! planned objects only, here in memory; any other write is refused.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{Method, Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

/// Planned objects by their path at the API server. Clones share them.
#[derive(Clone, Default)]
pub struct Overlay(Arc<Mutex<BTreeMap<String, Value>>>);

impl Overlay {
    /// A client of the cluster as it would be.
    pub fn client(&self, real: Client) -> Client {
        let overlay = self.clone();
        let namespace = real.default_namespace().to_owned();
        let service = tower::service_fn(move |request: Request<Body>| {
            let (overlay, real) = (overlay.clone(), real.clone());
            async move { overlay.answer(&real, request).await }
        });
        Client::new(service, namespace)
    }

    fn objects(&self) -> MutexGuard<'_, BTreeMap<String, Value>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an object into the plan.
    pub fn put(&self, path: &str, object: &Value) {
        self.objects().insert(path.to_owned(), object.clone());
    }

    /// Takes an object out of the plan, as it stands now.
    pub fn take(&self, path: &str) -> Option<Value> {
        self.objects().remove(path)
    }

    async fn answer(&self, real: &Client, request: Request<Body>) -> kube::Result<Response<Body>> {
        let path = request.uri().path().to_owned();
        if request.method() == Method::GET {
            let planned = self.objects().get(&path).cloned();
            return match planned {
                Some(object) => answer(StatusCode::OK, &object),
                None => real.send(request).await,
            };
        }
        let body = request.into_body().collect_bytes().await?;
        let change = serde_json::from_slice(&body).unwrap_or_default();
        match self.write(&path, change) {
            Some(object) => answer(StatusCode::OK, &object),
            None => answer(
                StatusCode::FORBIDDEN,
                &json!({
                    "apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": "Forbidden", "code": 403,
                    "message": "a plan writes nothing to the cluster",
                }),
            ),
        }
    }

    /// Merges metadata, or replaces the status: the two writes of a pass to its own object.
    fn write(&self, path: &str, mut change: Value) -> Option<Value> {
        let mut objects = self.objects();
        if let Some(object) = path.strip_suffix("/status").and_then(|path| objects.get_mut(path)) {
            object["status"] = change["status"].take();
            return Some(object.clone());
        }
        let object = objects.get_mut(path)?;
        change["metadata"].as_object_mut()?.remove("resourceVersion");
        json_patch::merge(object, &change);
        Some(object.clone())
    }
}

fn answer(status: StatusCode, body: &Value) -> kube::Result<Response<Body>> {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Body::from(body.to_string().into_bytes()))
        .map_err(kube::Error::HttpError)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "/apis/g/v1/namespaces/shop/flows/charges";

    fn overlay() -> Overlay {
        let overlay = Overlay::default();
        overlay
            .put(PATH, &json!({"metadata": {"name": "charges", "resourceVersion": "7"}, "spec": {"a": 1}}));
        overlay
    }

    #[test]
    fn a_claim_stands_on_the_planned_object_and_leaves_its_version() {
        let overlay = overlay();
        let claim = json!({"metadata": {"resourceVersion": "6", "finalizers": ["f"]}});
        let object = overlay.write(PATH, claim).expect("written");
        let expected = json!({"metadata": {"name": "charges", "resourceVersion": "7", "finalizers": ["f"]}, "spec": {"a": 1}});
        assert_eq!(object, expected);
        assert_eq!(overlay.take(PATH), Some(expected));
    }

    #[test]
    fn a_status_is_replaced_and_nothing_else_of_the_object() {
        let overlay = overlay();
        let written = overlay.write(&format!("{PATH}/status"), json!({"spec": {}, "status": {"b": 2}}));
        let written = written.expect("written");
        assert_eq!((&written["spec"], &written["status"]), (&json!({"a": 1}), &json!({"b": 2})));
    }

    #[test]
    fn what_is_not_planned_is_not_written() {
        assert_eq!(overlay().write("/api/v1/namespaces/shop/secrets/stripe", json!({"metadata": {}})), None);
    }
}
