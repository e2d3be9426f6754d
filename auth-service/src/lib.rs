//! auth-service: registers users, verifies their passwords, signs access tokens and publishes the
//! keys that verify them.
//!
//! In reading order:
//! - `config`: every setting
//! - `service`: one function per RPC, `convert` between the wire and the domain, the keys over HTTP
//! - `domain`: types that cannot hold an invalid value, and rules
//! - `hashing`: bcrypt on threads outside the runtime, behind a bounded fair queue
//! - `events`: the security events in the log
//! - `keys`: the signing keys of this process, and the commands that change them
//! - `throttle`: rate limits on logins, password changes and registrations
//! - `store`: the SQL, one file per table

use std::sync::Arc;

use axum::Router;
use proto::auth::v1::{self as pb, auth_service_server::AuthServiceServer};
use shared::{
    db,
    error::Error,
    metrics::Metrics,
    ops,
    readiness::Readiness,
    server::{self, Calls, Listeners},
};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic_health::pb::health_server::{Health, HealthServer};

mod config;
mod domain;
mod events;
mod hashing;
mod keys;
mod service;
mod store;
mod throttle;

pub use config::{Config, ListenConfig};
use keys::SigningKeys;
pub use keys::{KeyCommand, run as run_key_command};
use service::Auth;

/// The name of the service in protos, reflection and health.
pub const SERVICE_NAME: &str = pb::auth_service_server::SERVICE_NAME;

/// Answers calls, probes and metrics on `listeners` until `shutdown` is cancelled. While the
/// database is away it is not ready, says so, and tries again.
///
/// # Errors
/// What cannot be mended by waiting: a migration that fails, a root key that does not fit.
pub async fn run(
    config: Config,
    listeners: Listeners,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let metrics = Metrics::new("auth-service");
    let (pools, probe) =
        db::connect(&config.database, "auth-service", config.server.workers(), &[]);
    metrics.watch_pools(&pools);
    let keys = Arc::new(SigningKeys::new(pools.background.clone(), &config));
    let (readiness, health) = Readiness::new(SERVICE_NAME).await;
    let auth = Auth::new(pools, keys.clone(), &config, &metrics);
    let routes = routes(auth, keys.clone(), health, &config, &metrics);

    // Not during the drain: it would say that the service is ready again.
    let prepare = shutdown.clone().run_until_cancelled_owned(async {
        if config.database.migrate_on_start {
            db::retry_until_available(&readiness, || db::migrate(&config.database)).await?;
        }
        readiness.wait_for(|| probe.check()).await;
        db::retry_until_available(&readiness, || keys.refresh()).await?;
        let check = || async {
            probe.check().await?;
            keys.check()
        };
        tokio::join!(keys.follow(), readiness.follow(check));
        Ok(())
    });
    let answering_ops = ops::serve(listeners.ops, metrics, readiness.clone());
    let (calls, limits) = (listeners.calls, &config.server);
    let serving = server::serve(calls, routes, limits, readiness.clone(), shutdown);
    tokio::select! {
        ended = serving => ended,
        Some(Err(fatal)) = prepare => Err(fatal),
        never = answering_ops => never,
    }
}

/// gRPC, and the public keys over HTTP: for the worker of a number.
fn routes(
    auth: Auth,
    keys: Arc<SigningKeys>,
    health: HealthServer<impl Health>,
    config: &Config,
    metrics: &Metrics,
) -> impl Fn(usize) -> Router + Send + Clone + 'static {
    let ListenConfig { max_request_bytes, call_timeout, .. } = config.listen;
    let max_calls = config.server.max_calls;
    let calls = Calls::new(pb::FILE_DESCRIPTOR_SET, call_timeout, max_calls, metrics);
    let lead = config.signing_keys.lead();
    move |worker| {
        let max_bytes = max_request_bytes as usize;
        let grpc = AuthServiceServer::new(auth.of_worker(worker));
        let grpc = Routes::new(grpc.max_decoding_message_size(max_bytes));
        let grpc = calls.routes(calls.receive(grpc, move |_| max_bytes), health.clone());
        service::jwks::add_to(grpc, keys.clone(), lead)
    }
}
