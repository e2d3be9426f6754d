//! A service in this process, on a real socket.

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

/// The longest wait for an expected event.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

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
        let ops = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = calls.local_addr().expect("the listener is bound");
        let ops_address = ops.local_addr().expect("the listener is bound");
        let shutdown = CancellationToken::new();
        let ended = tokio::spawn(run(Listeners { calls, ops }, shutdown.clone()));
        Self { address, ops_address, shutdown: shutdown.drop_guard(), ended }
    }

    /// Waits until the service is ready for calls.
    pub async fn ready(self) -> Self {
        self.eventually_ready().await;
        self
    }

    /// Whether the service is ready for calls.
    pub async fn is_ready(&self) -> bool {
        tandem_server::is_ready(self.address).await
    }

    /// Waits until the service is ready for calls.
    pub async fn eventually_ready(&self) {
        eventually("the service is ready", async || self.is_ready().await).await;
    }

    /// Waits until the service is not ready for calls.
    pub async fn eventually_not_ready(&self) {
        eventually("the service is not ready", async || !self.is_ready().await).await;
    }

    /// The address for calls.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of the operations port.
    #[must_use]
    pub fn ops_address(&self) -> SocketAddr {
        self.ops_address
    }

    /// The URL for calls.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A connection, which opens on first use and reopens when it breaks.
    #[must_use]
    pub fn channel(&self) -> Channel {
        channel(self.address)
    }

    /// Shuts the service down and waits for its end.
    pub async fn stop(self) -> Result<(), Error> {
        let Self { shutdown, ended, .. } = self;
        drop(shutdown);
        joined(ended).await
    }

    /// Waits for the service to end by itself.
    pub async fn ended(self) -> Result<(), Error> {
        joined(self.ended).await
    }
}

async fn joined(ended: JoinHandle<Result<(), Error>>) -> Result<(), Error> {
    let ended = timeout(PATIENCE, ended).await.expect("the service ends in time");
    ended.expect("the service does not panic")
}

/// A connection, which opens on first use and reopens when it breaks.
pub(crate) fn channel(address: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}"));
    endpoint.expect("an address is a URL").connect_lazy()
}

/// Waits until `holds` returns true, and fails the test after the longest wait.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("timed out waiting until {what}"));
}
