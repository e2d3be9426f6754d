//! Accepts connections, within limits, and serves each until it ends, grows old, or the service
//! drains.

use std::{future::pending, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use http::Request;
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::transport::server::TcpConnectInfo;
use tower::ServiceExt as _;

use super::{beginning::Beginning, tls::Tls};
use crate::config::ServerConfig;

/// Streams that the peer may make us reset before the connection is closed.
const MAX_LOCAL_ERROR_RESET_STREAMS: usize = 1024;

/// How long nothing is accepted after the system refused, for want of file descriptors perhaps.
const BACK_OFF: Duration = Duration::from_millis(100);

/// Serves `routes` on `listener` until `drain` is cancelled. Then it accepts no more, lets the
/// calls in flight finish within the drain's time-out, and returns with every connection closed.
pub(super) async fn run(
    listener: TcpListener,
    routes: Router,
    config: &ServerConfig,
    tls: Option<Arc<Tls>>,
    drain: CancellationToken,
) {
    let server = Arc::new(Connections { http: http(config), routes, tls, drain });
    let (connections, abort) = (TaskTracker::new(), CancellationToken::new());
    let places = Arc::new(Semaphore::new(config.max_connections as usize));
    let mut is_full = false;
    while let Some((stream, peer)) = server.drain.run_until_cancelled(accept(&listener)).await {
        let place = places.clone().try_acquire_owned();
        if is_full != place.is_err() {
            is_full = place.is_err();
            tracing::warn!(is_full, limit = config.max_connections, "the limit of connections");
        }
        let Ok(place) = place else { continue };
        let (server, config) = (server.clone(), Timeouts::of(config));
        connections.spawn(abort.clone().run_until_cancelled_owned(async move {
            server.serve(stream, peer, config).await;
            drop(place);
        }));
    }
    drop(listener);
    connections.close();
    if timeout(config.drain_timeout, connections.wait()).await.is_err() {
        let count = connections.len();
        tracing::warn!(count, "connections are still open at the end of the drain: closing them");
        abort.cancel();
        connections.wait().await;
    }
}

/// The next connection, however often the system refuses.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    let mut has_complained = false;
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_of_the_peer(&error) => {}
            Err(error) => {
                if !has_complained {
                    tracing::error!(%error, "cannot accept connections");
                    has_complained = true;
                }
                sleep(BACK_OFF).await;
            }
        }
    }
}

/// Whether only the connection failed that was to be accepted.
fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

fn http(config: &ServerConfig) -> Builder<TokioExecutor> {
    let mut http = Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new()).header_read_timeout(config.handshake_timeout);
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(config.max_streams_per_connection)
        .max_local_error_reset_streams(MAX_LOCAL_ERROR_RESET_STREAMS)
        .max_header_list_size(config.max_header_list_bytes)
        .keep_alive_interval(config.keepalive_interval)
        .keep_alive_timeout(config.keepalive_timeout);
    http
}

/// What all connections have in common.
struct Connections {
    http: Builder<TokioExecutor>,
    routes: Router,
    tls: Option<Arc<Tls>>,
    drain: CancellationToken,
}

/// How long a connection may take for what.
#[derive(Clone, Copy)]
struct Timeouts {
    handshake: Duration,
    age: Duration,
}

impl Timeouts {
    /// Each connection has an age of its own, so that those which began together do not end so.
    fn of(config: &ServerConfig) -> Self {
        let age = config.max_connection_age.mul_f64(0.9 + 0.2 * fastrand::f64());
        Self { handshake: config.handshake_timeout, age }
    }
}

impl Connections {
    /// Serves a connection to its end.
    async fn serve(&self, stream: TcpStream, peer: SocketAddr, timeouts: Timeouts) {
        let _ = stream.set_nodelay(true);
        let local_addr = stream.local_addr().ok();
        let info = TcpConnectInfo { local_addr, remote_addr: Some(peer) };
        let Some(tls) = &self.tls else { return self.serve_http(stream, info, timeouts).await };
        match timeout(timeouts.handshake, tls.accept(stream)).await {
            Ok(Ok(stream)) => self.serve_http(stream, info, timeouts).await,
            Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS handshake failed"),
            Err(_) => tracing::debug!(%peer, "TLS handshake took too long"),
        }
    }

    async fn serve_http<S>(&self, stream: S, info: TcpConnectInfo, timeouts: Timeouts)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (stream, begun) = Beginning::of(stream);
        let routes = self.routes.clone().map_request(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(info.clone());
            request.map(Body::new)
        });
        let serving =
            self.http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
        let mut serving = pin!(serving);
        let is_silent = async {
            match timeout(timeouts.handshake, begun).await {
                Ok(_) => pending().await,
                Err(_) => tracing::debug!("a connection did not say what it wants"),
            }
        };
        let is_over = async {
            tokio::select! { () = self.drain.cancelled() => {}, () = sleep(timeouts.age) => {} }
        };
        let served = tokio::select! {
            served = &mut serving => served,
            () = is_silent => Ok(()),
            () = is_over => {
                serving.as_mut().graceful_shutdown();
                serving.await
            }
        };
        if let Err(error) = served {
            tracing::debug!(error, "a connection broke");
        }
    }
}
