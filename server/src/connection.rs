//! Serves a connection until it ends, reaches its maximum age, is evicted, or the service drains.

use std::{future::pending, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use shared::{config::ServerConfig, time::jitter};
use tandem_http::Http;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpConnectInfo;
use tower::ServiceExt as _;

use self::timeouts::TimeoutStream;
use crate::{
    response_stream::{self, Streams},
    tls::Tls,
};

mod registry;
mod timeouts;

pub(crate) use registry::{Entry, Registry};

/// The most streams that a peer makes us reset before the connection is closed.
const MAX_LOCAL_ERROR_RESET_STREAMS: usize = 1024;

/// Serves the connections of one worker.
pub(crate) struct Connections {
    http: Builder<Streams>,
    routes: Http,
    tls: Option<Arc<Tls>>,
    timeouts: Timeouts,
    drain: CancellationToken,
}

#[derive(Clone, Copy)]
struct Timeouts {
    handshake: Duration,
    max_age: Duration,
    /// While the peer reads nothing of what is written.
    write: Duration,
    /// From the GOAWAY to the end of the calls in flight.
    close: Duration,
}

impl Connections {
    /// Connections that close gracefully when `drain` is cancelled.
    pub(crate) fn new(
        config: &ServerConfig,
        streams: Streams,
        routes: Http,
        tls: Option<Arc<Tls>>,
        drain: CancellationToken,
    ) -> Self {
        let timeouts = Timeouts {
            handshake: config.handshake_timeout,
            max_age: config.max_connection_age,
            write: config.keepalive_timeout,
            close: config.drain_timeout,
        };
        Self { http: http(config, streams), routes, tls, timeouts, drain }
    }

    /// Serves a connection to its end.
    pub(crate) async fn serve(&self, stream: TcpStream, peer: SocketAddr, entry: &Arc<Entry>) {
        let _ = stream.set_nodelay(true);
        let local_addr = stream.local_addr().ok();
        let info = TcpConnectInfo { local_addr, remote_addr: Some(peer) };
        let Some(tls) = &self.tls else { return self.serve_http(stream, info, peer, entry).await };
        match timeout(self.timeouts.handshake, tls.accept(stream)).await {
            Ok(Ok(stream)) => self.serve_http(stream, info, peer, entry).await,
            Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS handshake failed"),
            Err(_) => tracing::debug!(%peer, "TLS handshake timed out"),
        }
    }

    async fn serve_http<S>(
        &self,
        stream: S,
        info: TcpConnectInfo,
        peer: SocketAddr,
        entry: &Arc<Entry>,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (stream, has_begun) = TimeoutStream::new(stream, self.timeouts.write);
        let entry = entry.clone();
        let routes = self.routes.clone().map_request(move |mut request: Request<Incoming>| {
            entry.touch();
            request.extensions_mut().insert(info.clone());
            request.map(Body::new)
        });
        let routes = routes.map_response(move |response| response_stream::begin(response, peer));
        let serving =
            self.http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
        let mut serving = pin!(serving);
        let is_silent = async {
            match timeout(self.timeouts.handshake, has_begun).await {
                Ok(_) => pending().await,
                Err(_) => tracing::debug!(%peer, "no HTTP preface in time, closing connection"),
            }
        };
        let max_age = jitter(self.timeouts.max_age);
        let must_close = async {
            tokio::select! { () = self.drain.cancelled() => {}, () = sleep(max_age) => {} }
        };
        let served = tokio::select! {
            served = &mut serving => served,
            () = is_silent => Ok(()),
            () = must_close => {
                serving.as_mut().graceful_shutdown();
                timeout(self.timeouts.close, serving).await.unwrap_or_else(|_| {
                    tracing::debug!(%peer, "calls still in flight, closing connection");
                    Ok(())
                })
            }
        };
        if let Err(error) = served {
            tracing::debug!(%peer, error, "connection failed");
        }
    }
}

/// The smallest HTTP/1 buffer that hyper accepts.
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
        // A client may cancel all of its streams before they are accepted.
        .max_pending_accept_reset_streams(config.max_streams_per_connection as usize)
        .max_local_error_reset_streams(MAX_LOCAL_ERROR_RESET_STREAMS)
        .max_header_list_size(config.max_header_list_bytes)
        .keep_alive_interval(config.keepalive_interval)
        .keep_alive_timeout(config.keepalive_timeout);
    http
}
