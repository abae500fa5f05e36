//! The same client over real sockets: keep-alive, cut connections and deadlines on the wire.

use aep_operator::aep::model::RunStatus;
use aep_operator::aep::{ErrorKind, HttpTransport};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::*;

/// A simulator behind a port, and a client of it.
struct Served {
    world: World,
    _stop: oneshot::Sender<()>,
}

async fn served() -> Served {
    // Another test of this process may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let sim = Sim::new(Config::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let server = sim.clone();
    tokio::spawn(async move {
        let shutdown = async {
            let _ = stopped.await;
        };
        server.serve(listener, shutdown).await
    });
    let settings = Settings {
        aep_url: url.clone(),
        ims_url: url,
        allow_http: true,
        call_deadline: Duration::from_secs(4),
        ..settings()
    };
    let transport = HttpTransport::new(Duration::from_secs(2)).unwrap();
    let aep = Aep::new(settings, Arc::new(transport)).unwrap();
    let session = aep.session(&credentials(), "dev");
    let (leader, until) = sole_leadership();
    let gate = Gate::new(Instant::now() + Duration::from_hours(1), until);
    Served { world: World { sim, aep, session, gate, _leader: leader }, _stop: stop }
}

#[tokio::test]
async fn a_chain_is_made_over_the_wire() {
    let Served { world, _stop } = served().await;
    let chain = world.chain().await;
    let flow = world.try_flow(&chain.flow).await.unwrap();
    world.sim.advance(Duration::from_mins(1));
    let runs = world.session.runs(&flow.id, 10).await.unwrap();
    assert_eq!(runs.first().map(|run| run.status.clone()), Some(RunStatus::Success));
}

#[derive(Clone, Default)]
struct Captured(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_whole_http_stack_logs_no_secret_at_trace_level() {
    let captured = Captured::default();
    let writer = captured.clone();
    // With a single subscriber, a log statement first reached by another test's thread would be cached as switched off.
    let _second = tracing::Dispatch::new(tracing_subscriber::fmt().with_writer(std::io::sink).finish());
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let Served { world, _stop } = served().await;
    let mut new = new_base();
    new.access_token = SecretString::from("sk_test_canary_0123456789abcdef");
    let base = world.try_base(&new).await.unwrap();
    world.session.get::<Connection>(&base.id).await.unwrap();
    let log = String::from_utf8_lossy(&captured.0.lock().unwrap()).into_owned();
    assert!(
        log.contains("hyper") && log.contains("aep_call"),
        "the log should hold both the stack's and our lines"
    );
    for secret in ["sim-client-secret", "sk_test_canary", "Bearer "] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

#[tokio::test]
async fn a_connection_cut_on_the_wire_is_ambiguous_for_a_write_and_retried_for_a_read() {
    let Served { world, _stop } = served().await;
    for (action, made) in [("dropBeforeCommit", 0), ("dropAfterCommit", 1), ("dropMidBody", 2)] {
        world.fault("POST", "/connections", &json!(1), &json!(action));
        let error = world.try_base(&new_base()).await.unwrap_err();
        assert!(error.is_ambiguous(), "{action}: {error}");
        assert_eq!(world.count("connections"), made, "{action}");
    }
    assert_eq!(world.calls("POST", "/connections"), 3, "the HTTP stack must not repeat a write either");
    let base = world.base().await;
    for action in ["dropBeforeCommit", "dropMidBody"] {
        world.fault("GET", "/connections/{id}", &json!(1), &json!(action));
        assert!(world.session.get::<Connection>(&base.id).await.unwrap().is_some(), "{action}");
    }
}

#[tokio::test]
async fn a_server_that_never_answers_meets_the_deadline() {
    let Served { world, _stop } = served().await;
    world.base().await;
    world.fault("POST", "/connections", &json!(1), &json!("hangAfterCommit"));
    let error = world.try_base(&new_base()).await.unwrap_err();
    assert!(error.is_ambiguous(), "{error}");
    assert_eq!(world.count("connections"), 2);
}

#[tokio::test]
async fn a_server_that_is_not_there_executes_nothing() {
    let Served { world, _stop } = served().await;
    world.base().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let settings = Settings { aep_url: url, ..world.aep.settings().clone() };
    let aep = Aep::new(settings, Arc::new(HttpTransport::new(Duration::from_secs(2)).unwrap())).unwrap();
    let session = aep.session(&credentials(), "dev");
    let permit = session.permits(1).await.unwrap().pop().unwrap();
    let error = session.create::<Connection>(permit, &world.gate, &new_base()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
}
