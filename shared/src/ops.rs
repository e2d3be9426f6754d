//! The operations port: what machines ask of a service that calls nothing of it. Plain HTTP/1.1,
//! for a private network.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse as _,
    routing::get,
};
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{
    io::{self, AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::{
    metrics::Metrics,
    readiness::Readiness,
    server::{WaitingRoom, accept},
};

/// How long `healthcheck` waits for an answer.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);
/// How many connections there may be. One more closes another.
const MAX_CONNECTIONS: usize = 64;
/// How long a connection may take for its request and the answer.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(5);

/// Answers on `listener` until it is dropped:
/// - `/livez`: that the process runs
/// - `/readyz`: whether calls should come, and if not, why
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
        .route("/metrics", get(metrics));
    let room = Arc::new(WaitingRoom::new(MAX_CONNECTIONS));
    loop {
        let (stream, peer) = accept(&listener).await;
        let serving = http1::Builder::new()
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes.clone()));
        let room = room.clone();
        tokio::spawn(async move {
            // Whoever asks sees for himself what went wrong.
            room.wait(peer.ip(), timeout(CONNECTION_TIMEOUT, serving)).await
        });
    }
}

/// Asks `/readyz` at `address`; what is missing is the error.
pub(crate) async fn ask_readiness(address: SocketAddr) -> Result<(), String> {
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n").await?;
        let mut answer = String::new();
        // More than that is no answer of ours.
        stream.take(4096).read_to_string(&mut answer).await?;
        Ok::<_, io::Error>(answer)
    };
    let answer = timeout(ASK_TIMEOUT, ask).await.map_err(|_| "no answer in time")?;
    let answer = answer.map_err(|error| error.to_string())?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer in HTTP")?;
    let is_ready = head.split(' ').nth(1) == Some("200");
    is_ready.then_some(()).ok_or_else(|| body.trim().to_owned())
}
