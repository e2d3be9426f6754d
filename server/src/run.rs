//! A service's life: it listens, prepares, answers calls, drains and ends.

use shared::{config::ServerConfig, error::Error};
use tandem_http::Http;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use crate::{
    connection::Connections,
    listener::{self, Listeners},
    metrics::Metrics,
    ops,
    readiness::Readiness,
    response_stream::Streams,
    tls::Tls,
    workers::Workers,
};

/// Answers calls, probes and metrics on `listeners` until `shutdown` is cancelled.
///
/// Each of the configured workers calls `routes` with its number. Meanwhile `prepare` makes the
/// service ready, and keeps it so; it ends with the drain, which it could otherwise report as
/// ready.
///
/// # Errors
/// A failure of `prepare`; certificates that cannot be used; a listener without TLS that other
/// machines can reach, unless the configuration allows it.
pub async fn run(
    listeners: Listeners,
    routes: impl Fn(usize) -> Http + Send + Clone + 'static,
    config: &ServerConfig,
    metrics: Metrics,
    readiness: Readiness,
    prepare: impl Future<Output = Result<(), Error>>,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let prepare = shutdown.clone().run_until_cancelled_owned(prepare);
    let answering_ops = ops::serve(listeners.ops, metrics, readiness.clone());
    let serving = serve(listeners.calls, routes, config, readiness, shutdown);
    tokio::select! {
        ended = serving => ended,
        Some(Err(fatal)) = prepare => Err(fatal),
        never = answering_ops => never,
    }
}

/// Answers calls on `listener` until `shutdown` is cancelled, then drains: readiness goes off;
/// after the drain delay the listener closes and health watches end; calls in flight may finish
/// within the drain time-out; what is still open then is closed.
async fn serve(
    listener: TcpListener,
    routes: impl Fn(usize) -> Http + Send + Clone + 'static,
    config: &ServerConfig,
    readiness: Readiness,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let internal = |error: std::io::Error| Error::Internal(error.into());
    let address = listener.local_addr().map_err(internal)?;
    let tls = Tls::load(&config.tls, address)
        .map_err(|mistakes| Error::Internal(mistakes.join("; ").into()))?;
    let drain = CancellationToken::new();
    let draining = async {
        shutdown.cancelled().await;
        readiness.set_draining();
        sleep(config.drain_delay).await;
        readiness.end_watches();
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
    let workers = Workers::start(config.workers(), connections).map_err(internal)?;
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
