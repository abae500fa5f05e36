//! The simulator over HTTP: a router, and a listener whose connections can be cut in the middle.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::extract::{Request, State};
use axum::http::Response;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use crate::sim::{Dropped, Sim};

/// Longer bodies are refused.
const BODY_LIMIT: usize = 32 * 1024 * 1024;
/// How often time passes without a request.
const TICK: Duration = Duration::from_millis(100);
/// How long the start of a broken answer gets to reach the client.
const FLUSH: Duration = Duration::from_millis(20);
/// How long requests in flight may take after the signal to stop.
const DRAIN: Duration = Duration::from_secs(2);

impl Sim {
    /// A router for a server of one's own. There, a broken connection shows as a broken body.
    pub fn router(&self) -> Router {
        Router::new().fallback(handle).with_state(self.clone())
    }

    /// Serves until `shutdown` completes.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(
        &self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let (stop, mut stopped) = tokio::sync::watch::channel(false);
        let mut signal = stopped.clone();
        let service = self.router().into_make_service_with_connect_info::<Cut>();
        let serving = axum::serve(CutListener(listener), service).with_graceful_shutdown(async move {
            let _closed = signal.wait_for(|stop| *stop).await;
        });
        let sim = self.clone();
        let ticker = async move {
            let mut interval = tokio::time::interval(TICK);
            interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                interval.tick().await;
                sim.tick();
            }
        };
        let deadline = async move {
            shutdown.await;
            stop.send_replace(true);
            // A hanging request must not keep the process alive.
            tokio::time::sleep(DRAIN).await;
        };
        tokio::select! {
            served = serving => served,
            () = deadline => { let _closed = stopped.wait_for(|stop| *stop).await; Ok(()) }
            () = ticker => Ok(()),
        }
    }
}

async fn handle(State(sim): State<Sim>, request: Request) -> Response<Body> {
    let cut = request.extensions().get::<ConnectInfo<Cut>>().map(|info| info.0.clone());
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_LIMIT).await else {
        return status(413);
    };
    let request = axum::http::Request::from_parts(parts, body.to_vec());
    match sim.handle(request).await {
        Ok(response) => response.map(Body::from),
        Err(dropped) => broken(dropped, cut),
    }
}

fn status(code: u16) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    if let Ok(code) = axum::http::StatusCode::from_u16(code) {
        *response.status_mut() = code;
    }
    response
}

/// Breaks the connection.
fn broken(dropped: Dropped, cut: Option<Cut>) -> Response<Body> {
    let (head, start) = match dropped {
        Dropped::BeforeAnswer => {
            if let Some(cut) = cut {
                cut.now();
            }
            (Response::new(()), Vec::new())
        }
        Dropped::MidBody(response) => {
            let (parts, body) = response.into_parts();
            let half = body[..body.len() / 2].to_vec();
            (Response::from_parts(parts, ()), half)
        }
    };
    let start = futures::stream::once(async { Ok(start) });
    let end = futures::stream::once(async {
        // Time for the start to be sent; an error that is ready at once would swallow it.
        tokio::time::sleep(FLUSH).await;
        Err(io::Error::from(io::ErrorKind::ConnectionReset))
    });
    head.map(|()| Body::from_stream(futures::StreamExt::chain(start, end)))
}

/// The switch by which a connection is cut.
#[derive(Debug, Clone)]
struct Cut(Arc<AtomicBool>);

impl Cut {
    fn now(&self) {
        self.0.store(true, Ordering::Release);
    }
}

struct CutListener(TcpListener);

impl Listener for CutListener {
    type Io = CutStream;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, addr) = Listener::accept(&mut self.0).await;
        // Answers are small; waiting to fill a packet would only slow clients down.
        let _unsupported = stream.set_nodelay(true);
        (CutStream { stream, cut: Cut(Arc::default()) }, addr)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        TcpListener::local_addr(&self.0)
    }
}

impl Connected<IncomingStream<'_, CutListener>> for Cut {
    fn connect_info(stream: IncomingStream<'_, CutListener>) -> Self {
        stream.io().cut.clone()
    }
}

/// A connection that fails on every use once it is cut.
struct CutStream {
    stream: TcpStream,
    cut: Cut,
}

impl CutStream {
    fn check(&self) -> io::Result<()> {
        if self.cut.0.load(Ordering::Acquire) { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

impl AsyncRead for CutStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.check() {
            Ok(()) => Pin::new(&mut self.stream).poll_read(cx, buf),
            Err(cut) => Poll::Ready(Err(cut)),
        }
    }
}

impl AsyncWrite for CutStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.check() {
            Ok(()) => Pin::new(&mut self.stream).poll_write(cx, buf),
            Err(cut) => Poll::Ready(Err(cut)),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
