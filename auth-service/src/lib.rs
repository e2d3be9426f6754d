//! auth-service: registers users, verifies their passwords, signs access tokens and publishes the
//! keys that verify them.
//!
//! In reading order:
//! - `config`: every setting
//! - `service`: one function per RPC, `convert` between the wire and the domain, the keys over HTTP
//! - `domain`: types that cannot hold an invalid value, and rules
//! - `hashing`: bcrypt on threads outside the runtime, behind a bounded fair queue
//! - `events`: the security events in the log and in the audit log
//! - `keys`: the signing keys of this process, and the commands that change them
//! - `purge`: purges deleted users and old events
//! - `throttle`: rate limits on logins, password changes and registrations
//! - `store`: the SQL, one file per table
//! - `users`: the commands that change users

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::Request,
    middleware::{self, Next},
};
use proto::auth::v1::{
    self as pb, account_events_service_server::AccountEventsServiceServer,
    admin_service_server::AdminServiceServer, auth_service_server::AuthServiceServer,
};
use proto::grpc::health::v1::health_server::HealthServer;
use shared::{
    db::{self, Pools},
    error::Error,
};
use tandem_http::Http;
use tandem_server::{
    HealthService, Listeners, metrics::Metrics, readiness::Readiness, stack::Stack,
};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

mod config;
mod domain;
mod events;
mod hashing;
mod keys;
mod purge;
mod service;
mod store;
mod throttle;
mod users;

pub use config::{Config, ListenConfig, OpsConfig, RootKeyConfig};
pub use events::Event;
use events::Events;
use keys::SigningKeys;
pub use keys::{KeyCommand, run as run_key_command};
use service::{Auth, account_events::AccountEvents};
pub use users::{UserCommand, ensure_admin, run as run_user_command};

/// The most time at the end for the rows of the audit log that are not written yet.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// The names of the services in protos, reflection and health.
pub const SERVICE_NAMES: [&str; 3] = [
    pb::auth_service_server::SERVICE_NAME,
    pb::admin_service_server::SERVICE_NAME,
    pb::account_events_service_server::SERVICE_NAME,
];

/// Answers calls, probes and metrics on `listeners` until `shutdown` is cancelled. While the
/// database is unavailable, the service is not ready, says so, and retries.
///
/// # Errors
/// Failures that waiting does not resolve: a failed migration, a root key that does not match.
pub async fn run(
    config: Config,
    listeners: Listeners,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let metrics = Metrics::new("auth-service");
    let (workers, tolerance) = (config.server.workers(), config.token.leeway);
    let (pools, probe) = db::connect(&config.database, "auth-service", workers, &[], tolerance);
    metrics.watch_pools(&pools);
    metrics.watch_clock(probe.clock_offset());
    let keys = Arc::new(SigningKeys::new(pools.background.clone(), &config));
    let (readiness, health) = Readiness::new(&SERVICE_NAMES);
    let background = pools.background.clone();
    let queue = config.audit.queue as usize;
    let (events, mut writer) = Events::new(background.clone(), queue, &metrics);
    let account_events = AccountEvents::new(&pools, &config.account_events);
    let auth = Auth::new(pools.clone(), keys.clone(), events, &config, &metrics);
    let services = (auth, account_events, pools);
    let routes = routes(services, keys.clone(), health, &config, &metrics);

    let prepare = async {
        if config.database.migrate_on_start {
            readiness.retry_until_available(|| db::migrate(&config.database)).await?;
        }
        readiness.wait_for(|| probe.check()).await;
        readiness.retry_until_available(|| keys.refresh()).await?;
        let check = || async {
            probe.check().await?;
            keys.check()
        };
        let purging = purge::purge_forever(&background, &config.audit);
        tokio::join!(keys.follow(), readiness.follow(check), purging);
        Ok(())
    };
    let (server, ready) = (&config.server, readiness.clone());
    let serving = tandem_server::run(listeners, routes, server, metrics, ready, prepare, shutdown);
    let ended = tokio::select! {
        ended = serving => ended,
        never = writer.write_forever() => match never {},
    };
    writer.flush(FLUSH_TIMEOUT).await;
    ended
}

/// The routes of a worker: gRPC, and the public keys over HTTP.
fn routes(
    (auth, account_events, pools): (Auth, AccountEvents, Pools),
    keys: Arc<SigningKeys>,
    health: HealthServer<HealthService>,
    config: &Config,
    metrics: &Metrics,
) -> impl Fn(usize) -> Http + Send + Clone + 'static {
    let ListenConfig { max_request_bytes, max_batch_request_bytes, call_timeout, .. } =
        config.listen;
    let (max_bytes, max_batch_bytes) =
        (max_request_bytes as usize, max_batch_request_bytes as usize);
    let max_bytes_of = move |path: &str| {
        let method = path.rsplit('/').next().unwrap_or_default();
        if method.starts_with("Batch") { max_batch_bytes } else { max_bytes }
    };
    let (set, address) = (pb::FILE_DESCRIPTOR_SET, config.listen.address);
    let stack = Stack::new(set, call_timeout, &config.server, address, metrics);
    let lead = config.signing_keys.lead();
    move |worker| {
        let auth = auth.of_worker(worker);
        let grpc = AuthServiceServer::new(auth.clone());
        let account_events =
            AccountEventsServiceServer::new(account_events.of_worker(&pools, worker));
        let grpc = Routes::new(grpc.max_decoding_message_size(max_bytes))
            .add_service(account_events.max_decoding_message_size(max_bytes));
        // tonic has one limit for all methods of a service.
        let admin = AdminServiceServer::new(auth.clone());
        let admin = admin.max_decoding_message_size(max_bytes.max(max_batch_bytes));
        // Without the fallback of `Routes::new`, of which the merged routes have one.
        let admin = stack.service(Routes::from(Router::new()).add_service(admin), max_bytes_of);
        let admin = admin.layer(middleware::from_fn(move |request: Request, next: Next| {
            let auth = auth.clone();
            async move { auth.require_admin_token(request, next).await }
        }));
        let grpc = stack.service(grpc, max_bytes_of).merge(admin);
        let jwks = service::jwks::route(keys.clone(), lead);
        stack.routes(grpc, health.clone(), jwks, max_bytes_of)
    }
}
