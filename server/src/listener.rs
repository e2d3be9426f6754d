//! Opens ports, accepts connections within limits, and hands each to a worker.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use shared::{config::ServerConfig, error::Error};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    connection::Registry,
    workers::{Accepted, Workers},
};

/// The pause after the system refused to accept, such as without free file descriptors.
const BACK_OFF: Duration = Duration::from_millis(100);

/// How long a new connection waits for an evicted one to close.
const EVICTION_TIMEOUT: Duration = Duration::from_secs(1);

/// A service's two ports.
#[derive(Debug)]
pub struct Listeners {
    /// The port for calls.
    pub calls: TcpListener,
    /// The operations port: probes and metrics.
    pub ops: TcpListener,
}

/// Opens ports, each at the address that the named variable sets.
///
/// # Errors
/// Every address that cannot be opened, why, and which variable changes it.
pub async fn listen_all<const N: usize>(
    ports: [(SocketAddr, &str); N],
) -> Result<[TcpListener; N], Error> {
    let (mut open, mut failed) = (Vec::new(), Vec::new());
    for (address, variable) in ports {
        match TcpListener::bind(address).await {
            Ok(listener) => open.push(listener),
            Err(error) => failed.push(format!("{address}: {error} ({variable} sets another)")),
        }
    }
    open.try_into().map_err(|_| {
        Error::Internal(format!("cannot listen on {}", failed.join(", nor on ")).into())
    })
}

/// The address at which this machine reaches a listener: loopback for an unspecified one.
#[must_use]
pub fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        let loopback: IpAddr = match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        };
        address.set_ip(loopback);
    }
    address
}

/// Serves connections to `listener` until `drain` is cancelled. Then it accepts no more, lets calls
/// in flight finish within the drain time-out, and returns when every connection is closed.
pub(crate) async fn run(
    listener: TcpListener,
    mut workers: Workers,
    config: &ServerConfig,
    drain: CancellationToken,
) {
    let limit = config.max_connections as usize;
    let permits = Arc::new(Semaphore::new(limit));
    let mut registry = Registry::default();
    let mut has_warned = false;
    while let Some((stream, peer)) = drain.run_until_cancelled(accept(&listener)).await {
        match permits.available_permits() {
            0 => {
                if !has_warned {
                    tracing::warn!(
                        limit,
                        setting = "SERVER_MAX_CONNECTIONS",
                        "connection limit reached, evicting least recently used"
                    );
                }
                has_warned = true;
                registry.evict();
            }
            // Hysteresis: a flood closes many at a time.
            free if has_warned && free > limit / 10 => {
                tracing::info!(limit, "connections below the limit again");
                has_warned = false;
            }
            _ => {}
        }
        let permit = timeout(EVICTION_TIMEOUT, permits.clone().acquire_owned()).await;
        let Ok(permit) = permit else { continue };
        let permit = permit.expect("the semaphore is never closed");
        // It moves to the worker's runtime.
        if let Ok(stream) = stream.into_std() {
            let entry = registry.add(peer.ip());
            workers.serve(Accepted { stream, peer, entry, permit });
        }
    }
    drop(listener);
    workers.close(config.drain_timeout).await;
}

/// The next connection. If the system refuses, it tries again.
pub(crate) async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    let mut has_logged = false;
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_of_the_peer(&error) => {}
            Err(error) => {
                if !has_logged {
                    tracing::error!(%error, "cannot accept connections");
                    has_logged = true;
                }
                sleep(BACK_OFF).await;
            }
        }
    }
}

/// Whether only the connection to be accepted failed.
fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
