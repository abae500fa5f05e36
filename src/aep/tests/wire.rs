//! The HTTP transport against a plain socket: what counts as sent, what is never followed, and how much is read.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

fn transport() -> HttpTransport {
    // Another test of this process may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    HttpTransport::new(Duration::from_secs(5)).expect("a client")
}

/// A server that reads one request, answers with these bytes and closes. Returns its base URL.
async fn server(answer: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        loop {
            let Ok((mut stream, _)) = listener.accept().await else { return };
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer).await;
            let _ = stream.write_all(&answer).await;
            let _ = stream.shutdown().await;
        }
    });
    format!("http://{address}")
}

async fn send(url: &str, cap: BodyCap) -> Result<Response<Vec<u8>>, TransportError> {
    let request = Request::post(url).extension(cap).body(b"{}".to_vec()).expect("a request");
    transport().send(request).await
}

fn answer(status: &str, length: usize, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nlocation: http://127.0.0.1:1/\r\n\r\n{body}")
        .into_bytes()
}

#[tokio::test]
async fn a_refused_connection_is_certainly_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let error =
        send(&format!("http://{address}/x?secret=canary"), BodyCap::OBJECT).await.expect_err("refused");
    assert!(error.is_certainly_not_sent(), "{error}");
    assert!(!error.to_string().contains("canary"), "{error}");
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_certainly_not_sent() {
    let error = send("http://nowhere.invalid/", BodyCap::OBJECT).await.expect_err("unknown");
    assert!(error.is_certainly_not_sent(), "{error}");
}

#[tokio::test]
async fn a_connection_lost_after_sending_may_have_been_executed() {
    for bytes in [Vec::new(), b"HTTP/1.1 20".to_vec(), answer("201 Created", 100, "half")] {
        let url = server(bytes).await;
        let error = send(&url, BodyCap::OBJECT).await.expect_err("lost");
        assert!(!error.is_certainly_not_sent(), "{error}");
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let url = server(answer("302 Found", 0, "")).await;
    assert_eq!(send(&url, BodyCap::OBJECT).await.expect("an answer").status(), 302);
}

#[tokio::test]
async fn a_success_beyond_the_cap_fails_and_an_error_is_cut() {
    let url = server(answer("200 OK", 20, "01234567890123456789")).await;
    assert_eq!(send(&url, BodyCap(20)).await.expect("fits").body().len(), 20);
    let error = send(&url, BodyCap(19)).await.expect_err("too long");
    assert!(!error.is_certainly_not_sent());
    let url = server(answer("500 Internal Server Error", 20, "01234567890123456789")).await;
    assert_eq!(send(&url, BodyCap(8)).await.expect("an answer").body(), b"01234567");
}
