//! task-service: keeps each person's tasks, private to their owner.
//!
//! In reading order:
//! - `config`: every setting
//! - `service`: one function per RPC, `convert` between the wire and the domain
//! - `domain`: types that cannot hold an invalid value, and pure rules
//! - `coalesce`: batches concurrent calls into one statement
//! - `admission`: limits the statements that are not coalesced
//! - `store`: the SQL, one file per table
//! - `issuer`: the key set of the tokens' issuer, with metrics and traces
//! - `purge`: deletes expired rows
//! - `follow`: deletes what purged users owned
//! - `refold`: refolds stored texts

use std::sync::Arc;

use axum::{
    Router,
    extract::Request,
    middleware::{self, Next},
};
use proto::grpc::health::v1::health_server::HealthServer;
use proto::task::v1::{self as pb, encoded::task_service_server::TaskServiceServer};
use shared::{
    db::{self, Pools},
    error::Error,
};
use tandem_http::Http;
use tandem_server::{
    HealthService, Listeners, metrics::Metrics, readiness::Readiness, stack::Stack,
};
use tandem_verifier::{JwksClient, Verifier, interceptor};
use tokio_util::sync::CancellationToken;
use tonic::{
    Status,
    service::{Routes, interceptor::InterceptedService},
};

mod admission;
mod coalesce;
mod config;
mod domain;
mod follow;
mod issuer;
mod purge;
mod refold;
mod service;
mod store;

use admission::Rejected;
pub use config::{Config, FollowConfig, ListenConfig, OpsConfig, TaskConfig};
use follow::Follower;
use service::{FirstPageCache, Tasks};
use store::page_token_keys;

/// The name of the service in protos, reflection and health.
pub const SERVICE_NAME: &str = pb::task_service_server::SERVICE_NAME;

/// Answers calls, probes and metrics on `listeners` until `shutdown` is cancelled. While the
/// database or the issuer is unavailable, the service is not ready, says so, and retries.
///
/// # Errors
/// Failures that waiting does not resolve, such as a failed migration.
pub async fn run(
    config: Config,
    listeners: Listeners,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let metrics = Metrics::new("task-service");
    let (workers, tolerance) = (config.server.workers(), config.token.leeway);
    let planning = &store::PLANNING;
    let (pools, probe) =
        db::connect(&config.database, "task-service", workers, planning, tolerance);
    metrics.watch_pools(&pools);
    metrics.watch_clock(probe.clock_offset());
    let issuer = Arc::new(issuer::client(&config.issuer, &metrics));
    let (readiness, health) = Readiness::new(&[SERVICE_NAME]);
    let background = pools.background.clone();
    let follower = Follower::new(background.clone(), &config, &metrics);
    let routes = routes(pools, issuer.clone(), health, &config, &metrics);

    let prepare = async {
        if config.database.migrate_on_start {
            readiness.retry_until_available(|| db::migrate(&config.database)).await?;
        }
        issuer.refresh().await;
        let keys = issuer.keys();
        let check = || async {
            probe.check().await?;
            let fetched = keys.load().is_some();
            fetched.then_some(()).ok_or_else(|| "the issuer's keys cannot be fetched".into())
        };
        let follow = async {
            readiness.wait_for(|| probe.check()).await;
            // Without the privilege to read, the service would never be ready: it ends instead.
            readiness.retry_until_available(|| page_token_keys::find(&background)).await?;
            readiness.follow(check).await;
            Ok(())
        };
        let beside = async {
            let purging = purge::purge_forever(&background, config.task.purge_interval);
            let refolding = refold::refold_forever(&background, config.task.purge_interval);
            let following = async {
                if let Some(follower) = &follower {
                    follower.follow_forever().await;
                }
            };
            tokio::join!(issuer.refresh_forever(), purging, refolding, following);
            Ok(())
        };
        tokio::try_join!(follow, beside).map(drop)
    };
    let (server, ready) = (&config.server, readiness.clone());
    tandem_server::run(listeners, routes, server, metrics, ready, prepare, shutdown).await
}

/// The routes of a worker: the service behind its interceptor, and what needs no token.
fn routes(
    pools: Pools,
    issuer: Arc<JwksClient>,
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
    let verifier = Arc::new(Verifier::new(issuer.keys(), (&config.token).into()));
    let (config, writers) = (config.clone(), Arc::default());
    let cache = Arc::new(FirstPageCache::new(config.task.page_cache_bytes, metrics));
    let rejected = Rejected::new(metrics);
    move |worker| {
        let db = pools.of_worker(worker);
        let tasks = Tasks::new(db, rejected.clone(), &writers, &cache, &config);
        // tonic has one limit for all methods.
        let max = max_bytes.max(max_batch_bytes);
        let grpc = TaskServiceServer::new(tasks).max_decoding_message_size(max);
        let grpc = InterceptedService::new(grpc, interceptor(verifier.clone()));
        let (issuer, verifier) = (issuer.clone(), verifier.clone());
        let authenticate = middleware::from_fn(move |mut request: Request, next: Next| {
            let (issuer, verifier) = (issuer.clone(), verifier.clone());
            async move {
                match issuer.authenticate(&verifier, request.headers()).await {
                    Ok(caller) => {
                        request.extensions_mut().insert(caller);
                        next.run(request).await
                    }
                    Err(error) => Status::from(Error::from(error)).into_http(),
                }
            }
        });
        let grpc = stack.service(Routes::new(grpc), max_bytes_of).layer(authenticate);
        stack.routes(grpc, health.clone(), Router::new(), max_bytes_of)
    }
}
