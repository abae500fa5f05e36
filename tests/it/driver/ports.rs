//! The two ports of a process, without a network: kube's client over the API server in memory, and the operator's transport over the
//! simulator. Each request is one exchange on the tape; events are left out, since nothing depends on them.

use aep_operator::aep::{Transport, TransportError};
use aep_sim::{Dropped, Sim};
use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::Full;
use kube::Client;
use kube::client::Body;
use serde_json::Value;

use super::apiserver::{Answer, ApiServer, NAMESPACE, Request};
use super::tape::Tape;

/// A client of the API server.
pub fn client(api: ApiServer, tape: Tape) -> Client {
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let (api, tape) = (api.clone(), tape.clone());
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect_bytes().await?;
            let name = format!("{} {}", parts.method, short(parts.uri.path()));
            let is_event = parts.uri.path().starts_with("/apis/events.k8s.io");
            let execute: BoxFuture<'static, Answer> = Box::pin(async move { answer(&api, &parts, &body) });
            let (status, body) = if is_event { execute.await } else { tape.exchange(name, execute).await };
            let body = Full::new(Bytes::from(body.to_string()));
            http::Response::builder()
                .status(status)
                .header("content-type", "application/json")
                .body(body)
                .map_err(kube::Error::HttpError)
        }
    });
    Client::new(service, NAMESPACE)
}

fn answer(api: &ApiServer, parts: &http::request::Parts, body: &Bytes) -> Answer {
    let accept = parts.headers.get("accept").and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let query: Vec<(String, String)> = parts
        .uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.replace("%3D", "=").replace('+', " ")))
        .collect();
    api.handle(&Request {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: &query,
        metadata_only: accept.contains("PartialObjectMetadata"),
        body: serde_json::from_slice(body).unwrap_or(Value::Null),
    })
}

/// The operator's wire to the simulator.
pub struct Wire {
    sim: Sim,
    tape: Tape,
}

impl Wire {
    /// A wire of one process.
    pub fn new(sim: Sim, tape: Tape) -> Self {
        Self { sim, tape }
    }
}

impl Transport for Wire {
    fn send(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> BoxFuture<'_, Result<http::Response<Vec<u8>>, TransportError>> {
        let name = format!("{} {}", request.method(), short(request.uri().path()));
        let sim = self.sim.clone();
        let execute = Box::pin(async move {
            sim.handle(request).await.map_err(|dropped| match dropped {
                Dropped::BeforeAnswer => TransportError::no_answer("the connection was closed"),
                Dropped::MidBody(_) => {
                    TransportError::no_answer("the connection was closed within the answer")
                }
            })
        });
        Box::pin(self.tape.exchange(name, execute))
    }
}

/// A path as a trace shows it: without group, namespace and ids.
fn short(path: &str) -> String {
    let path = path
        .replace("/data/foundation", "")
        .replace(&format!("/namespaces/{NAMESPACE}"), "")
        .replace("/apis/ingestion.aep-operator.io/v1alpha1", "");
    let is_id = |part: &str| part.len() >= 24 && part.chars().filter(char::is_ascii_digit).count() >= 3;
    let parts: Vec<&str> = path.split('/').map(|part| if is_id(part) { "{id}" } else { part }).collect();
    parts.join("/")
}
