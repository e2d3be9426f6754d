//! A service on a port of its own, in this process, over real sockets.

use std::{fmt::Debug, net::SocketAddr, time::Duration};

use shared::error::Error;
use tandem_server::Listeners;
use tokio::{
    net::TcpListener,
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::transport::{Channel, Endpoint};

/// The longest that a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A service that runs until this is dropped.
#[derive(Debug)]
pub struct Service {
    address: SocketAddr,
    ops_address: SocketAddr,
    shutdown: DropGuard,
    ended: JoinHandle<Result<(), Error>>,
}

impl Service {
    /// Runs a service on a free port of the loopback interface.
    pub async fn start<F>(run: impl FnOnce(Listeners, CancellationToken) -> F) -> Self
    where
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        Self::start_at(([127, 0, 0, 1], 0).into(), run).await
    }

    /// Runs a service at this address, for a test that restarts it.
    pub async fn start_at<F>(
        address: SocketAddr,
        run: impl FnOnce(Listeners, CancellationToken) -> F,
    ) -> Self
    where
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let calls = TcpListener::bind(address).await.expect("the port is free");
        let ops = TcpListener::bind("127.0.0.1:0").await.expect("some port is free");
        let address = calls.local_addr().expect("it is bound");
        let ops_address = ops.local_addr().expect("it is bound");
        let shutdown = CancellationToken::new();
        let ended = tokio::spawn(run(Listeners { calls, ops }, shutdown.clone()));
        Self { address, ops_address, shutdown: shutdown.drop_guard(), ended }
    }

    /// Waits until the service is ready for calls.
    pub async fn ready(self) -> Self {
        eventually("the service is ready", async || tandem_server::is_ready(self.address).await)
            .await;
        self
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it answers probes and metrics.
    #[must_use]
    pub fn ops_address(&self) -> SocketAddr {
        self.ops_address
    }

    /// `http://` and where it listens.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A connection, which is made when it is first used and made again when it breaks.
    #[must_use]
    pub fn channel(&self) -> Channel {
        Endpoint::from_shared(self.url()).expect("an address is a URL").connect_lazy()
    }

    /// Asks the service to end, and waits for it.
    pub async fn stop(self) -> Result<(), Error> {
        drop(self.shutdown);
        timeout(PATIENCE, self.ended).await.expect("it ends in time").expect("it does not panic")
    }

    /// Waits for it to end by itself.
    pub async fn ended(self) -> Result<(), Error> {
        timeout(PATIENCE, self.ended).await.expect("it ends in time").expect("it does not panic")
    }
}

/// Waits until something holds that must come to hold soon, and fails the test if it does not.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("waited in vain: {what}"));
}
