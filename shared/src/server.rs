//! The server around a service's routes: limits of the listener, health, reflection, drain.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::Request,
    middleware::{self, Next},
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic_health::pb::{
    HealthCheckRequest,
    health_client::HealthClient,
    health_server::{Health, HealthServer},
};

pub(crate) use self::listener::accept;
pub(crate) use self::waiting_room::WaitingRoom;
use self::{connection::Connections, gate::Places, stream::Streams, tls::Tls, workers::Workers};
use crate::{
    config::{ServerConfig, TlsConfig},
    error::Error,
    metrics::{CallMetrics, Metrics},
    readiness::Readiness,
};

mod call;
mod connection;
mod gate;
mod listener;
mod open;
mod stream;
mod tls;
mod waiting_room;
mod watched;
mod workers;

/// How long `healthcheck` waits for an answer.
const HEALTHCHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// The largest request to health and reflection, in bytes.
const MAX_COMMON_REQUEST_BYTES: usize = 16 * 1024;

/// What all calls of a service share, whichever worker answers them.
#[derive(Clone)]
pub struct Calls {
    descriptor_set: &'static [u8],
    metrics: Arc<CallMetrics>,
    places: Arc<Places>,
    timeout: Duration,
}

impl Calls {
    /// Each call is counted, and ends after `timeout`, or when its client wants; of the service's
    /// own there are at most `max_calls` at once.
    pub fn new(
        descriptor_set: &'static [u8],
        timeout: Duration,
        max_calls: u32,
        metrics: &Metrics,
    ) -> Self {
        let descriptor_sets = [
            descriptor_set,
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ];
        let metrics = Arc::new(CallMetrics::new(metrics, &descriptor_sets));
        let places = Arc::new(Places::new(max_calls));
        Self { descriptor_set, metrics, places, timeout }
    }

    /// A service whose methods see a call when its request is there, of at most as many bytes as
    /// `max_bytes` says for its path.
    pub fn receive(
        &self,
        service: Routes,
        max_bytes: impl Fn(&str) -> usize + Clone + Send + Sync + 'static,
    ) -> Router {
        let places = self.places.clone();
        let receive = move |request: Request, next: Next| {
            let (places, max) = (places.clone(), max_bytes(request.uri().path()));
            async move { gate::receive(&places, max, request, next).await }
        };
        service.into_axum_router().layer(middleware::from_fn(receive))
    }

    /// A service's routes with what every service has and no token is needed for: health and
    /// reflection (v1 and v1alpha).
    pub fn routes(&self, service: Router, health: HealthServer<impl Health>) -> Router {
        let reflection = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(self.descriptor_set)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
        };
        let built_in = "the descriptor sets are compiled in";
        let (v1, v1alpha) = (reflection().build_v1(), reflection().build_v1alpha());
        let limit = MAX_COMMON_REQUEST_BYTES;
        Routes::from(service)
            .add_service(health.max_decoding_message_size(limit))
            .add_service(v1.expect(built_in).max_decoding_message_size(limit))
            .add_service(v1alpha.expect(built_in).max_decoding_message_size(limit))
            .into_axum_router()
            .layer(middleware::from_fn_with_state(Arc::new(self.clone()), gate::pass))
    }
}

/// Every mistake in the TLS of a listener at this address, in words for who sets it: what [`serve`]
/// would fail with.
#[must_use]
pub fn tls_mistakes(config: &TlsConfig, address: SocketAddr) -> Vec<String> {
    Tls::load(config, address).err().unwrap_or_default()
}

/// Answers calls on `listener` until `shutdown` is cancelled, by `config`'s workers, each of which
/// makes `routes` for itself; they get its number. Then drains as `config` says: readiness goes
/// off, later the listener closes and the streams of those who watch end, calls in flight finish,
/// and what is still open at the end is closed.
///
/// # Errors
/// Certificates that cannot be used, and a listener without TLS that other machines can reach,
/// unless `config` allows it.
pub async fn serve(
    listener: TcpListener,
    routes: impl Fn(usize) -> Router + Send + Clone + 'static,
    config: &ServerConfig,
    mut readiness: Readiness,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let address = listener.local_addr().map_err(|error| Error::Internal(error.into()))?;
    let tls = Tls::load(&config.tls, address)
        .map_err(|mistakes| Error::Internal(mistakes.join("; ").into()))?;
    let drain = CancellationToken::new();
    let draining = async {
        shutdown.cancelled().await;
        readiness.set_not_ready().await;
        sleep(config.drain_delay).await;
        readiness.end_watches().await;
        drain.cancel();
        std::future::pending::<()>().await;
    };
    let connections = {
        let streams = Streams::new(config.keepalive_timeout, config.max_calls as usize);
        let (config, tls, drain) = (config.clone(), tls.clone(), drain.clone());
        move |worker| {
            let (streams, tls, drain) = (streams.clone(), tls.clone(), drain.clone());
            Connections::new(&config, streams, routes(worker), tls, drain)
        }
    };
    let workers = Workers::start(config.workers(), connections)
        .map_err(|error| Error::Internal(error.into()))?;
    let following = async {
        match &tls {
            Some(tls) => tls.follow_files().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = listener::run(listener, workers, config, drain.clone()) => {}
        () = draining => {}
        () = following => {}
    }
    Ok(())
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
    let [listener] = listen_all([(address, variable)]).await?;
    Ok(listener)
}

/// Opens ports, each at the address that its variable chooses.
///
/// # Errors
/// As [`listen`], for all that cannot be had at once.
pub async fn listen_all<const N: usize>(
    ports: [(SocketAddr, &str); N],
) -> Result<[TcpListener; N], Error> {
    let (mut open, mut failed) = (Vec::new(), Vec::new());
    for (address, variable) in ports {
        match TcpListener::bind(address).await {
            Ok(listener) => open.push(listener),
            Err(error) => failed.push(format!("{address}: {error} ({variable} chooses another)")),
        }
    }
    open.try_into().map_err(|_| {
        Error::Internal(format!("cannot listen on {}", failed.join(", nor on ")).into())
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
