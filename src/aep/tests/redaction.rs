//! No secret leaves in an error or a log, whatever the server echoes.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tracing_subscriber::fmt::MakeWriter;

use super::*;

fn forms() -> Vec<String> {
    let mut forms = Vec::new();
    for secret in [CLIENT_SECRET, STRIPE_KEY, "canary-token-abcdefghijklmnop"] {
        let hex = secret.bytes().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        forms.extend([
            secret.to_owned(),
            STANDARD.encode(secret),
            encode::component(secret),
            hex,
            Value::from(secret).to_string(),
            secret[..16].to_owned(),
        ]);
    }
    forms
}

fn assert_clean(text: &str) {
    let lower = text.to_lowercase();
    for form in forms() {
        let head = form[..form.len().min(16)].to_lowercase();
        assert!(!lower.contains(&head), "{head} leaks in: {text}");
    }
}

fn echoes() -> Vec<Reply> {
    let all = forms().join(" | ");
    vec![
        Reply::json(400, &json!({"errorMessage": all, "errorDetails": all})),
        Reply::json(
            400,
            &json!({"type": format!("x/FLOW-1413-{CLIENT_SECRET}"), "report": {"request-id": CLIENT_SECRET}}),
        ),
        Reply::json(401, &json!({"error_code": CLIENT_SECRET, "message": all})),
        Reply::raw(500, all.clone()),
        Reply::raw(502, format!("<html><title>{all}</title></html>")),
        Reply::raw(400, "{}").with("x-request-id", CLIENT_SECRET),
        // serde names what it found instead of what it wanted.
        Reply::json(200, &json!({"items": STRIPE_KEY, "id": {}})),
        Reply::json(200, &json!(CLIENT_SECRET)),
    ]
}

#[tokio::test(start_paused = true)]
async fn errors_are_free_of_every_form_of_every_secret() {
    for reply in echoes() {
        let token = || Reply::token("canary-token-abcdefghijklmnop");
        let fake = Fake::answering([reply]).tokens([token(), token()]);
        let session = session(&fake);
        for error in [create(&session).await.expect_err("refused"), patch(&session).await] {
            assert_clean(&format!("{error} {error:?} {:?} {:?}", error.code(), error.request_id()));
        }
    }
}

async fn patch(session: &Session) -> Error {
    let patch = Patch::new().access_token(SecretString::from(STRIPE_KEY));
    let etag = Etag::new(ETAG).expect("a tag");
    session.patch::<model::Connection>(ID, &etag, &patch).await.expect_err("refused")
}

#[tokio::test(start_paused = true)]
async fn a_refused_credential_is_not_repeated() {
    let all = forms().join(" ");
    for reply in [
        Reply::json(400, &json!({"error": "invalid_client", "error_description": all})),
        Reply::json(400, &json!({"error": CLIENT_SECRET})),
        Reply::raw(500, all.clone()),
    ] {
        let fake = Fake::answering([Reply::written()]).tokens([reply]);
        let error = create(&session(&fake)).await.expect_err("no token");
        let head = &CLIENT_SECRET[..16];
        assert!(!format!("{error} {error:?} {:?}", error.code()).contains(head), "{error}");
    }
}

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("log").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test(start_paused = true)]
async fn logs_at_trace_level_tell_each_call_and_no_secret() {
    let captured = Captured::default();
    // With a single subscriber, a log statement first reached by another test's thread would be cached as switched off.
    let _second = tracing::Dispatch::new(tracing_subscriber::fmt().with_writer(std::io::sink).finish());
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
        .with_writer(captured.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    for reply in echoes() {
        let token = || Reply::token("canary-token-abcdefghijklmnop");
        let fake = Fake::answering([reply]).tokens([token(), token()]);
        let session = session(&fake);
        create(&session).await.expect_err("refused");
        patch(&session).await;
    }
    let log = String::from_utf8(captured.0.lock().expect("log").clone()).expect("text");
    assert_clean(&log);
    assert!(
        log.contains("method=PATCH")
            && log.contains("endpoint=/data/foundation/flowservice/connections/{id}")
    );
    assert!(log.contains("duration_ms=") && log.contains("request_id="));
    assert!(!log.contains(ID), "logs name endpoints, not objects");
}
