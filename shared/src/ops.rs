//! The operations port: what machines ask of a service that calls nothing of it. Plain HTTP/1.1,
//! for a private network.

use axum::{
    Router,
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse as _,
    routing::get,
};
use tokio::net::TcpListener;

use crate::{error::Error, metrics::Metrics, readiness::Readiness};

/// Answers on `listener` until it is dropped:
/// - `/livez`: that the process runs
/// - `/readyz`: whether calls should come, and if not, why
/// - `/metrics`: the metrics, in Prometheus' text format
pub async fn serve(
    listener: TcpListener,
    metrics: Metrics,
    readiness: Readiness,
) -> Result<(), Error> {
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
    axum::serve(listener, routes).await.map_err(|error| Error::Internal(error.into()))
}
