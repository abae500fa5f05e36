//! The server of the process: `/healthz`, `/readyz` and `/metrics`. It answers whoever can reach it and shows nothing secret.

use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header::CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tracing::info;

use crate::telemetry::{Health, Page, metrics};

/// Binds the address. The future that is returned serves, and ends only with a failure.
pub async fn serve(
    address: SocketAddr,
    health: Health,
    page: Page,
) -> io::Result<impl Future<Output = io::Result<()>>> {
    let listener = TcpListener::bind(address).await?;
    info!(address = %listener.local_addr()?, "health and metrics");
    let probes =
        Router::new().route("/healthz", get(healthz)).route("/readyz", get(readyz)).with_state(health);
    let router = probes.merge(Router::new().route("/metrics", get(show)).with_state(page));
    Ok(async move { axum::serve(listener, router).await })
}

async fn healthz(State(health): State<Health>) -> (StatusCode, String) {
    match health.alive() {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

async fn readyz(State(health): State<Health>) -> (StatusCode, String) {
    match health.ready() {
        Ok(what) => (StatusCode::OK, format!("{what}\n")),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

async fn show(State(page): State<Page>) -> impl IntoResponse {
    match page.text() {
        Ok(text) => (StatusCode::OK, [(CONTENT_TYPE, metrics::CONTENT_TYPE)], text),
        Err(_) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            [(CONTENT_TYPE, "text/plain")],
            "the metrics cannot be written\n".to_owned(),
        ),
    }
}
