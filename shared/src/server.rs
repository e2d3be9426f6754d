//! The server around a service's routes: limits of the listener, health, reflection, drain.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, middleware};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tonic::{
    service::Routes,
    transport::{Server, server::TcpIncoming},
};
use tonic_health::pb::{
    HealthCheckRequest,
    health_client::HealthClient,
    health_server::{Health, HealthServer},
};
use tower::util::MapResponseLayer;

use crate::{
    config::ServerConfig,
    error,
    error::Error,
    metrics::{CallMetrics, Metrics},
    readiness::Readiness,
};

mod call;
mod gate;

/// How long `healthcheck` waits for an answer.
const HEALTHCHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// Streams that the peer may make us reset before the connection is closed; tonic sets no limit.
const MAX_LOCAL_ERROR_RESET_STREAMS: usize = 1024;

/// The largest request to health and reflection, in bytes.
const MAX_COMMON_REQUEST_BYTES: usize = 16 * 1024;

/// A service's gRPC routes with what every service has and no token is needed for: health and
/// reflection (v1 and v1alpha). Each call ends after `call_timeout`, or when its client wants, and
/// is counted.
pub fn grpc_routes(
    service: Routes,
    health: HealthServer<impl Health>,
    descriptor_set: &'static [u8],
    call_timeout: Duration,
    metrics: &Metrics,
) -> Router {
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(descriptor_set)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
    };
    let built_in = "the descriptor sets are compiled in";
    let (v1, v1alpha) = (reflection().build_v1(), reflection().build_v1alpha());
    let calls = CallMetrics::new(
        metrics,
        &[
            descriptor_set,
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ],
    );
    let limit = MAX_COMMON_REQUEST_BYTES;
    service
        .add_service(health.max_decoding_message_size(limit))
        .add_service(v1.expect(built_in).max_decoding_message_size(limit))
        .add_service(v1alpha.expect(built_in).max_decoding_message_size(limit))
        .into_axum_router()
        .layer(middleware::from_fn_with_state(call_timeout, gate::deadline))
        .layer(MapResponseLayer::new(error::complete))
        // Outside all that gives a call its code.
        .layer(middleware::from_fn_with_state(Arc::new(calls), call::observe))
        .layer(middleware::from_fn(gate::only_grpc))
}

/// Answers calls on `listener` until `shutdown` is cancelled; then drains as `config` says, and
/// returns even if a client holds on to its connection.
pub async fn serve(
    listener: TcpListener,
    routes: Router,
    config: &ServerConfig,
    readiness: Readiness,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let drained = drain(readiness, config.drain_delay, shutdown.clone());
    let serving = Server::builder()
        .accept_http1(true)
        .max_concurrent_streams(config.max_streams_per_connection)
        .http2_max_local_error_reset_streams(Some(MAX_LOCAL_ERROR_RESET_STREAMS))
        .http2_max_header_list_size(config.max_header_list_bytes)
        .http2_keepalive_interval(Some(config.keepalive_interval))
        .http2_keepalive_timeout(Some(config.keepalive_timeout))
        .add_routes(routes.into())
        .serve_with_incoming_shutdown(
            TcpIncoming::from(listener).with_nodelay(Some(true)),
            drained,
        );
    let too_late = async {
        shutdown.cancelled().await;
        sleep(config.drain_delay + config.drain_timeout).await;
    };
    tokio::select! {
        served = serving => served.map_err(|error| Error::Internal(error.into())),
        () = too_late => {
            tracing::warn!("connections are still open at the end of the drain: closing them");
            Ok(())
        }
    }
}

/// Returns when the listener should close.
async fn drain(mut readiness: Readiness, delay: Duration, shutdown: CancellationToken) {
    shutdown.cancelled().await;
    readiness.set_not_ready().await;
    sleep(delay).await;
    readiness.end_watches().await;
}

/// A service's two ports.
#[derive(Debug)]
pub struct Listeners {
    /// Where calls are answered.
    pub calls: TcpListener,
    /// Where probes and metrics are answered.
    pub ops: TcpListener,
}

/// Opens one of a service's ports.
///
/// # Errors
/// Says which address cannot be had, why, and which variable chooses another.
pub async fn listen(address: SocketAddr, variable: &str) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|error| {
        Error::Internal(
            format!("cannot listen on {address}: {error}; {variable} chooses another").into(),
        )
    })
}

/// A token that SIGTERM or SIGINT cancels. A second signal ends the process at once.
pub fn shutdown_on_signal() -> CancellationToken {
    let listen = |kind| signal(kind).expect("signals can be handled in a runtime with I/O");
    let mut terminate = listen(SignalKind::terminate());
    let mut interrupt = listen(SignalKind::interrupt());
    let shutdown = CancellationToken::new();
    let cancel = shutdown.clone();
    tokio::spawn(async move {
        let mut next = async || {
            tokio::select! { _ = terminate.recv() => 143, _ = interrupt.recv() => 130 }
        };
        next().await;
        cancel.cancel();
        std::process::exit(next().await);
    });
    shutdown
}

/// Asks the service at `address` whether it is ready, as `healthcheck` does.
pub async fn is_ready(address: SocketAddr) -> bool {
    let ask = async {
        let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}")).ok()?;
        let mut client = HealthClient::new(endpoint.connect().await.ok()?);
        let answer = client.check(HealthCheckRequest::default()).await.ok()?.into_inner();
        Some(answer.status() == tonic_health::pb::health_check_response::ServingStatus::Serving)
    };
    matches!(tokio::time::timeout(HEALTHCHECK_TIMEOUT, ask).await, Ok(Some(true)))
}

/// The address at which this machine reaches a listener: an unspecified one means loopback.
#[must_use]
pub fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        let loopback: std::net::IpAddr = match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        };
        address.set_ip(loopback);
    }
    address
}
