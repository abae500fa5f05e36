//! A collector of traces: takes OTLP over HTTP and keeps what it got.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

type Bodies = Arc<Mutex<Vec<Bytes>>>;

/// A running collector; it is gone when it is dropped.
pub struct Collector {
    /// What `--otlp-endpoint` names.
    pub endpoint: String,
    bodies: Bodies,
    server: JoinHandle<()>,
}

/// A span as the collector got it.
#[derive(Debug, Clone)]
pub struct Span {
    /// The name.
    pub name: String,
    /// Attributes, as text.
    pub attributes: HashMap<String, String>,
    id: Vec<u8>,
    parent: Vec<u8>,
}

impl Collector {
    /// Starts on a free port.
    pub async fn start() -> Result<Self> {
        let bodies = Bodies::default();
        let keep = async |State(bodies): State<Bodies>, body: Bytes| {
            bodies.lock().unwrap_or_else(PoisonError::into_inner).push(body);
        };
        let router = Router::new().route("/v1/traces", post(keep)).with_state(Arc::clone(&bodies));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let server = tokio::spawn(async move {
            let _ended = axum::serve(listener, router).await;
        });
        Ok(Self { endpoint, bodies, server })
    }

    /// Everything that came, as it came.
    pub fn text(&self) -> String {
        let bodies = self.bodies.lock().unwrap_or_else(PoisonError::into_inner);
        bodies.iter().map(|body| String::from_utf8_lossy(body).into_owned()).collect()
    }

    /// All spans that have come.
    pub fn spans(&self) -> Result<Vec<Span>> {
        let bodies = self.bodies.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut spans = Vec::new();
        for body in bodies {
            let request = ExportTraceServiceRequest::decode(body).context("a body of OTLP")?;
            let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
            spans.extend(scopes.flat_map(|scope| scope.spans).map(|span| {
                Span {
                    name: span.name,
                    attributes: span
                        .attributes
                        .into_iter()
                        .filter_map(|attribute| Some((attribute.key, text(attribute.value?.value?))))
                        .collect(),
                    id: span.span_id,
                    parent: span.parent_span_id,
                }
            }));
        }
        Ok(spans)
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Span {
    /// The span in which this one was opened.
    pub fn parent<'s>(&self, spans: &'s [Self]) -> Option<&'s Self> {
        spans.iter().find(|span| span.id == self.parent)
    }
}

fn text(value: Value) -> String {
    match value {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}
