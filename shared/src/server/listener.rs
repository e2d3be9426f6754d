//! Accepts connections, within limits, and hands each to a worker.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    open::OpenConnections,
    workers::{Accepted, Workers},
};
use crate::config::ServerConfig;

/// How long nothing is accepted after the system refused, for want of file descriptors perhaps.
const BACK_OFF: Duration = Duration::from_millis(100);

/// How long another connection may take to close.
const MAKE_WAY: Duration = Duration::from_secs(1);

/// Serves connections to `listener` until `drain` is cancelled. Then it accepts no more, lets the
/// calls in flight finish within the drain's time-out, and returns with every connection closed.
pub(super) async fn run(
    listener: TcpListener,
    mut workers: Workers,
    config: &ServerConfig,
    drain: CancellationToken,
) {
    let limit = config.max_connections as usize;
    let places = Arc::new(Semaphore::new(limit));
    let mut open = OpenConnections::default();
    let mut has_warned = false;
    while let Some((stream, peer)) = drain.run_until_cancelled(accept(&listener)).await {
        match places.available_permits() {
            0 => {
                if !has_warned {
                    tracing::warn!(
                        limit,
                        "as many connections as may be (SERVER_MAX_CONNECTIONS): the least used \
                         ones make way for others"
                    );
                }
                has_warned = true;
                open.make_way();
            }
            // A flood ends many at a time: it is over when a tenth is free.
            free if has_warned && free > limit / 10 => {
                tracing::info!(limit, "there is room for connections again");
                has_warned = false;
            }
            _ => {}
        }
        let Ok(place) = timeout(MAKE_WAY, places.clone().acquire_owned()).await else { continue };
        let place = place.expect("the semaphore is never closed");
        // It leaves the runtime that accepted it.
        if let Ok(stream) = stream.into_std() {
            let open = open.add(peer.ip());
            workers.serve(Accepted { stream, peer, open, place });
        }
    }
    drop(listener);
    workers.close(config.drain_timeout).await;
}

/// The next connection, however often the system refuses.
pub(crate) async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
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
