//! Serves a connection until it ends, grows old, or the service drains.

use std::{future::pending, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use http::Request;
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpConnectInfo;
use tower::ServiceExt as _;

use super::{
    open::Open,
    stream::{self, Streams},
    tls::Tls,
    watched::Watched,
};
use crate::config::ServerConfig;

/// Streams that the peer may make us reset before the connection is closed.
const MAX_LOCAL_ERROR_RESET_STREAMS: usize = 1024;

/// What the connections of one worker have in common.
pub(super) struct Connections {
    http: Builder<Streams>,
    routes: Router,
    tls: Option<Arc<Tls>>,
    timeouts: Timeouts,
    drain: CancellationToken,
}

/// How long a connection may take for what.
#[derive(Clone, Copy)]
struct Timeouts {
    handshake: Duration,
    age: Duration,
    /// When it does not take what is written to it.
    silence: Duration,
    /// When it is over, and calls are still in flight.
    end: Duration,
}

impl Connections {
    /// Connections that are asked to end when `drain` is cancelled.
    pub(super) fn new(
        config: &ServerConfig,
        streams: Streams,
        routes: Router,
        tls: Option<Arc<Tls>>,
        drain: CancellationToken,
    ) -> Self {
        let timeouts = Timeouts {
            handshake: config.handshake_timeout,
            age: config.max_connection_age,
            silence: config.keepalive_timeout,
            end: config.drain_timeout,
        };
        Self { http: http(config, streams), routes, tls, timeouts, drain }
    }

    /// Serves a connection to its end.
    pub(super) async fn serve(&self, stream: TcpStream, peer: SocketAddr, open: &Arc<Open>) {
        let _ = stream.set_nodelay(true);
        let local_addr = stream.local_addr().ok();
        let info = TcpConnectInfo { local_addr, remote_addr: Some(peer) };
        let Some(tls) = &self.tls else { return self.serve_http(stream, info, peer, open).await };
        match timeout(self.timeouts.handshake, tls.accept(stream)).await {
            Ok(Ok(stream)) => self.serve_http(stream, info, peer, open).await,
            Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS handshake failed"),
            Err(_) => tracing::debug!(%peer, "TLS handshake took too long"),
        }
    }

    async fn serve_http<S>(
        &self,
        stream: S,
        info: TcpConnectInfo,
        peer: SocketAddr,
        open: &Arc<Open>,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (stream, begun) = Watched::of(stream, self.timeouts.silence);
        let open = open.clone();
        let routes = self.routes.clone().map_request(move |mut request: Request<Incoming>| {
            open.call();
            request.extensions_mut().insert(info.clone());
            request.map(Body::new)
        });
        let routes = routes.map_response(move |response| stream::begin(response, peer));
        let serving =
            self.http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
        let mut serving = pin!(serving);
        let is_silent = async {
            match timeout(self.timeouts.handshake, begun).await {
                Ok(_) => pending().await,
                Err(_) => tracing::debug!("a connection did not say what it wants"),
            }
        };
        // Each has an age of its own, so that those which began together do not end so.
        let age = self.timeouts.age.mul_f64(0.9 + 0.2 * fastrand::f64());
        let is_over = async {
            tokio::select! { () = self.drain.cancelled() => {}, () = sleep(age) => {} }
        };
        let served = tokio::select! {
            served = &mut serving => served,
            () = is_silent => Ok(()),
            () = is_over => {
                serving.as_mut().graceful_shutdown();
                timeout(self.timeouts.end, serving).await.unwrap_or_else(|_| {
                    tracing::debug!("a connection that was over did not end: it is closed");
                    Ok(())
                })
            }
        };
        if let Err(error) = served {
            tracing::debug!(error, "a connection broke");
        }
    }
}

/// hyper takes no smaller buffer for a request of HTTP/1.
const MIN_BUFFER_BYTES: usize = 8192;

fn http(config: &ServerConfig, streams: Streams) -> Builder<Streams> {
    let mut http = Builder::new(streams);
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(config.handshake_timeout)
        .max_buf_size(MIN_BUFFER_BYTES.max(config.max_header_list_bytes as usize));
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(config.max_streams_per_connection)
        // Those that a client gives up before we have looked at them: it may give up all.
        .max_pending_accept_reset_streams(config.max_streams_per_connection as usize)
        .max_local_error_reset_streams(MAX_LOCAL_ERROR_RESET_STREAMS)
        .max_header_list_size(config.max_header_list_bytes)
        .keep_alive_interval(config.keepalive_interval)
        .keep_alive_timeout(config.keepalive_timeout);
    http
}
