//! Whether a service is ready for calls: checked periodically, reported by the health service.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use proto::grpc::health::v1::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
    health_server::HealthServer,
};
use shared::{db, error::Error};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use crate::health::HealthService;

/// The interval between checks of a service that is ready.
const INTERVAL: Duration = Duration::from_secs(1);
/// The interval between checks of a service that is not ready.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// The pause before an unavailable database is tried again.
const DATABASE_RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// One log line reports this many failed attempts.
const ATTEMPTS_PER_LINE: u32 = 10;
/// The time-out of [`is_ready`].
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// The status of a program in the health service (`grpc.health.v1`), under the names of its
/// services and under "". The log names the first.
#[derive(Clone)]
pub struct Readiness {
    status: watch::Sender<Option<ServingStatus>>,
    service: &'static str,
    state: Arc<Mutex<State>>,
}

/// Ready, or the reason why not.
type State = Result<(), Arc<str>>;

impl Readiness {
    /// Not ready until [`follow`](Self::follow) finds otherwise.
    #[must_use]
    pub fn new<const N: usize>(
        services: &'static [&'static str; N],
    ) -> (Self, HealthServer<HealthService>) {
        const { assert!(N > 0, "a program has a service") };
        let (status, following) = watch::channel(Some(ServingStatus::NotServing));
        let state = Arc::new(Mutex::new(Err("starting".into())));
        let health = HealthServer::new(HealthService::new(services, following));
        (Self { status, service: services[0], state }, health)
    }

    /// Waits until `check` succeeds, and logs what it lacks. The service is not ready yet then.
    pub async fn wait_for<F>(&self, check: impl Fn() -> F)
    where
        F: Future<Output = State>,
    {
        while let Err(reason) = check().await {
            self.note(Err(reason));
            sleep(RETRY_INTERVAL).await;
        }
    }

    /// Ready, or the reason why not, as logged.
    pub(crate) fn check(&self) -> State {
        self.lock().clone()
    }

    /// Follows `check` until the future is dropped, and logs each change.
    pub async fn follow<F>(&self, check: impl Fn() -> F)
    where
        F: Future<Output = State>,
    {
        loop {
            let now = check().await;
            let (status, interval) = match now {
                Ok(()) => (ServingStatus::Serving, INTERVAL),
                Err(_) => (ServingStatus::NotServing, RETRY_INTERVAL),
            };
            if self.note(now) {
                self.status.send_replace(Some(status));
            }
            sleep(interval).await;
        }
    }

    /// Makes the service not ready, at the start of a drain.
    pub(crate) fn set_draining(&self) {
        tracing::info!(service = self.service, "draining; a second signal ends the process");
        *self.lock() = Err("draining".into());
        self.status.send_replace(Some(ServingStatus::NotServing));
    }

    /// Ends all health watches, which would keep their connections open.
    pub(crate) fn end_watches(&self) {
        self.status.send_replace(None);
    }

    /// Makes an attempt that needs the database, every second while the database is unavailable.
    ///
    /// # Errors
    /// Any other failure of the attempt.
    pub async fn retry_until_available<T, F>(&self, attempt: impl Fn() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let mut attempts = 0_u32;
        loop {
            match attempt().await {
                Err(error @ (Error::DatabaseUnavailable(_) | Error::DatabaseReadOnly(_))) => {
                    if attempts.is_multiple_of(ATTEMPTS_PER_LINE) {
                        let cause = error.causes();
                        tracing::warn!(cause, "database unavailable, retrying; check DATABASE_URL");
                    }
                    attempts = attempts.wrapping_add(1);
                    self.note(Err(db::UNREACHABLE.into()));
                    sleep(DATABASE_RETRY_INTERVAL).await;
                }
                result => return result,
            }
        }
    }

    /// Sets the state, logs a change, and returns whether there was one.
    fn note(&self, now: State) -> bool {
        let mut state = self.lock();
        let has_changed = *state != now;
        if has_changed {
            match &now {
                Ok(()) => tracing::info!(service = self.service, "ready"),
                Err(reason) => tracing::warn!(service = self.service, %reason, "not ready"),
            }
            *state = now;
        }
        has_changed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of the lock panics")
    }
}

/// Whether the health service at `address` reports ready within two seconds.
pub async fn is_ready(address: SocketAddr) -> bool {
    let check = async {
        let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}")).ok()?;
        let mut client = HealthClient::new(endpoint.connect().await.ok()?);
        let response = client.check(HealthCheckRequest::default()).await.ok()?.into_inner();
        Some(response.status() == ServingStatus::Serving)
    };
    matches!(timeout(CHECK_TIMEOUT, check).await, Ok(Some(true)))
}
