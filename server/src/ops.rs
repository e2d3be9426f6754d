//! The operations port: probes and metrics over plain HTTP/1.1, for a private network.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    http::{StatusCode, header::CONTENT_TYPE},
    middleware,
    response::IntoResponse as _,
    routing::get,
};
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tandem_http::host;
use tokio::{
    io::{self, AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::{fair::WaitLimit, listener::accept, metrics::Metrics, readiness::Readiness};

/// How long `healthcheck` waits for an answer.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);
/// The most connections. At the limit, a new one evicts the oldest of the address with the most.
const MAX_CONNECTIONS: usize = 64;
/// The longest duration of a connection: one request and its response.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(5);

/// Answers on `listener` until it is dropped:
/// - `/livez`: 200 while the process runs
/// - `/readyz`: 200 if the service is ready for calls; otherwise 503 and the reason
/// - `/metrics`: the metrics, in Prometheus' text format
pub async fn serve(listener: TcpListener, metrics: Metrics, readiness: Readiness) -> ! {
    let ready = move || async move {
        match readiness.check() {
            Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
            Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
        }
    };
    let metrics = move || async move {
        ([(CONTENT_TYPE, prometheus::TEXT_FORMAT)], metrics.render()).into_response()
    };
    let routes = Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .layer(middleware::from_fn(host::require_one));
    let limit = Arc::new(WaitLimit::new(MAX_CONNECTIONS));
    loop {
        let (stream, peer) = accept(&listener).await;
        let serving = http1::Builder::new()
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes.clone()));
        let limit = limit.clone();
        // The client sees a failure as well as the log would show it.
        tokio::spawn(
            async move { limit.wait(peer.ip(), timeout(CONNECTION_TIMEOUT, serving)).await },
        );
    }
}

/// Requests `/readyz` at `address`. The error is what the service lacks.
pub(crate) async fn ask_readiness(address: SocketAddr) -> Result<(), String> {
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n").await?;
        let mut answer = String::new();
        // Our own response is shorter.
        stream.take(4096).read_to_string(&mut answer).await?;
        Ok::<_, io::Error>(answer)
    };
    let answer = timeout(ASK_TIMEOUT, ask).await.map_err(|_| "no response in time")?;
    let answer = answer.map_err(|error| error.to_string())?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("the response is not HTTP")?;
    let is_ready = head.split(' ').nth(1) == Some("200");
    is_ready.then_some(()).ok_or_else(|| body.trim().to_owned())
}
