//! Whether a service may be called, checked again and again and told by the health service.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tonic_health::{
    ServingStatus,
    pb::health_server::{Health, HealthServer},
    server::{HealthReporter, health_reporter},
};

/// How often readiness is checked while it holds, and while it does not.
const INTERVAL: Duration = Duration::from_secs(1);
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// What the health service (`grpc.health.v1`) says of a service, under its name and under "".
#[derive(Clone)]
pub struct Readiness {
    reporter: HealthReporter,
    service: &'static str,
    state: Arc<Mutex<State>>,
}

/// Why calls should not come, if they should not.
type State = Result<(), Arc<str>>;

impl Readiness {
    /// Not ready until [`follow`](Self::follow) finds otherwise.
    pub async fn new(service: &'static str) -> (Self, HealthServer<impl Health>) {
        let (reporter, server) = health_reporter();
        let state = Arc::new(Mutex::new(Err("starting".into())));
        let readiness = Self { reporter, service, state };
        readiness.set(ServingStatus::NotServing).await;
        (readiness, server)
    }

    /// Waits until `check` finds nothing missing, which does not make the service ready yet. What
    /// is missing goes to the log.
    pub async fn wait_for<F>(&self, check: impl Fn() -> F)
    where
        F: Future<Output = State>,
    {
        while let Err(reason) = check().await {
            self.note(Err(reason));
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
    }

    /// Why calls should not come, if they should not, in the words of the log.
    pub(crate) fn check(&self) -> State {
        self.lock().clone()
    }

    /// Follows `check` until it is dropped. `check` says what is missing, in words for the log,
    /// which gets a line at each change.
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
                self.set(status).await;
            }
            tokio::time::sleep(interval).await;
        }
    }

    /// Says that no more calls should come.
    pub(crate) async fn set_not_ready(&self) {
        tracing::info!(service = self.service, "draining; a second signal ends it at once");
        *self.lock() = Err("draining".into());
        self.set(ServingStatus::NotServing).await;
    }

    /// Ends the streams of those who watch: they would keep their connections open.
    pub(crate) async fn end_watches(&mut self) {
        for name in ["", self.service] {
            self.reporter.clear_service_status(name).await;
        }
    }

    /// Whether this is news; then the log gets a line.
    pub(crate) fn note(&self, now: State) -> bool {
        let mut state = self.lock();
        let is_news = *state != now;
        if is_news {
            match &now {
                Ok(()) => tracing::info!(service = self.service, "ready"),
                Err(reason) => tracing::warn!(service = self.service, %reason, "not ready"),
            }
            *state = now;
        }
        is_news
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding it")
    }

    async fn set(&self, status: ServingStatus) {
        for name in ["", self.service] {
            self.reporter.set_service_status(name, status).await;
        }
    }
}
