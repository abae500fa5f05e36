//! Traces: the spans of passes, of inventory rounds and of calls to Adobe, sent over OTLP to a collector where one is named.
//!
//! Spans leave the process in batches, from a thread of their own: a collector that is slow, or away, holds nobody up, and what does not
//! fit into the queue is dropped. Fields of spans are what a log line may hold: names, ids and endpoints, never a secret.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tokio::runtime::Handle;
use tracing::{Level, warn};
use tracing_subscriber::filter::Targets;

use crate::aep::{HttpTransport, Transport as _};

/// What the process calls itself in traces.
const SERVICE: &str = "aep-operator";
/// Where a collector takes traces, below its address: the path of OTLP over HTTP.
const PATH: &str = "/v1/traces";
/// How long one batch may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long a process that ends waits for its last spans.
const FLUSH: Duration = Duration::from_secs(1);

/// The way of spans to a collector.
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Begins to send spans to the collector at `endpoint`, over HTTP. Headers and sampling come from OpenTelemetry's own environment
    /// variables (`OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_TRACES_SAMPLER` and its `_ARG`).
    pub fn to(endpoint: &str, transport: HttpTransport) -> Result<Self, ExporterBuildError> {
        let carrier = Carrier { transport: Arc::new(transport), runtime: Handle::current() };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(carrier)
            .with_endpoint(format!("{}{PATH}", endpoint.trim_end_matches('/')))
            .with_timeout(DEADLINE)
            .build()?;
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let resource = Resource::builder().with_service_name(SERVICE).with_attribute(version).build();
        Ok(Self(SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build()))
    }

    /// What makes the spans.
    pub(super) fn tracer(&self) -> SdkTracer {
        self.0.tracer(SERVICE)
    }

    /// Sends what is still waiting.
    pub async fn flush(self) {
        let flushed = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(FLUSH)).await;
        if let Ok(Err(error)) = flushed {
            warn!(%error, "the last spans did not reach the collector");
        }
    }
}

/// The spans that are sent: the operator's own, and the one that kube opens for each pass, which names the object.
pub(super) fn filter() -> Targets {
    Targets::new()
        .with_target("aep_operator", Level::DEBUG)
        .with_target("kube_runtime::controller", Level::INFO)
}

/// Carries batches with the HTTP client that calls Adobe as well, on the process's own runtime.
#[derive(Debug)]
struct Carrier {
    transport: Arc<HttpTransport>,
    runtime: Handle,
}

impl HttpClient for Carrier {
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        let transport = Arc::clone(&self.transport);
        // The exporter's thread has no runtime of its own.
        let sending = self.runtime.spawn(async move {
            tokio::time::timeout(DEADLINE, transport.send(request.map(Vec::from))).await
        });
        Box::pin(async move { Ok(sending.await???.map(Bytes::from)) })
    }
}
