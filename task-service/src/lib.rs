//! task-service: keeps each person's tasks, private to their owner.
//!
//! In reading order:
//! - `config`: every setting
//! - `service`: one function per RPC, `convert` between the wire and the domain
//! - `domain`: types that cannot hold a wrong value, and rules
//! - `coalesce`: batches concurrent calls into one statement
//! - `store`: the SQL, one file per table
//! - `issuer`: the keys that verify the callers' tokens, fetched from whoever signs them
//! - `purge`: deletes expired rows

use std::sync::Arc;

use axum::{
    Router,
    extract::Request,
    middleware::{self, Next},
};
use proto::task::v1::{self as pb, encoded::task_service_server::TaskServiceServer};
use shared::{
    auth::{self, Verifier},
    db::{self, Pools},
    error::Error,
    metrics::Metrics,
    ops,
    readiness::Readiness,
    server::{self, Calls, Listeners},
};
use tokio_util::sync::CancellationToken;
use tonic::{
    Status,
    service::{Routes, interceptor::InterceptedService},
};
use tonic_health::pb::health_server::{Health, HealthServer};

mod coalesce;
mod config;
mod domain;
mod issuer;
mod purge;
mod service;
mod store;

pub use config::{Config, ListenConfig, TaskConfig};
use issuer::Issuer;
use service::{FirstPageCache, Tasks};
use store::page_token_keys;

/// The name of the service in protos, reflection and health.
pub const SERVICE_NAME: &str = pb::task_service_server::SERVICE_NAME;

/// Answers calls, probes and metrics on `listeners` until `shutdown` is cancelled. While the
/// database or the issuer is away it is not ready, says so, and tries again.
///
/// # Errors
/// What cannot be mended by waiting: a migration that fails.
pub async fn run(
    config: Config,
    listeners: Listeners,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let metrics = Metrics::new("task-service");
    let workers = config.server.workers();
    let (pools, probe) = db::connect(&config.database, "task-service", workers, &store::PLANNING);
    metrics.watch_pools(&pools);
    let issuer = Arc::new(Issuer::new(&config.issuer, &metrics));
    let verifier = Arc::new(Verifier::new(issuer.keys(), &config.token));
    let (readiness, health) = Readiness::new(SERVICE_NAME).await;
    let background = pools.background.clone();
    let routes = routes(pools, &issuer, verifier, health, &config, &metrics);

    // Not during the drain: it would say that the service is ready again.
    let prepare = shutdown.clone().run_until_cancelled_owned(async {
        if config.database.migrate_on_start {
            db::retry_until_available(&readiness, || db::migrate(&config.database)).await?;
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
            // One that may not read would never become ready: it ends, and says why.
            db::retry_until_available(&readiness, || page_token_keys::find(&background)).await?;
            readiness.follow(check).await;
            Ok(())
        };
        let beside = async {
            let purging = purge::purge_forever(&background, config.task.purge_interval);
            tokio::join!(issuer.refresh_forever(), purging);
            Ok(())
        };
        tokio::try_join!(follow, beside).map(drop)
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

/// The service behind its interceptor, every call of which needs a token, and what needs none: for
/// the worker of a number.
fn routes(
    pools: Pools,
    issuer: &Arc<Issuer>,
    verifier: Arc<Verifier>,
    health: HealthServer<impl Health>,
    config: &Config,
    metrics: &Metrics,
) -> impl Fn(usize) -> Router + Send + Clone + 'static {
    let ListenConfig { max_request_bytes, max_batch_request_bytes, call_timeout, .. } =
        config.listen;
    let (max_bytes, max_batch_bytes) =
        (max_request_bytes as usize, max_batch_request_bytes as usize);
    let max_bytes_of = move |path: &str| {
        let method = path.rsplit('/').next().unwrap_or_default();
        if method.starts_with("Batch") { max_batch_bytes } else { max_bytes }
    };
    let max_calls = config.server.max_calls;
    let calls = Calls::new(pb::FILE_DESCRIPTOR_SET, call_timeout, max_calls, metrics);
    let (config, issuer, writers) = (config.clone(), issuer.clone(), Arc::default());
    let cache = Arc::new(FirstPageCache::new(config.task.page_cache_bytes, metrics));
    move |worker| {
        let tasks = Tasks::new(pools.calls[worker].clone(), &writers, &cache, &config);
        // tonic knows one limit for all.
        let max = max_bytes.max(max_batch_bytes);
        let grpc = TaskServiceServer::new(tasks).max_decoding_message_size(max);
        let grpc = InterceptedService::new(grpc, auth::interceptor(verifier.clone()));
        let (issuer, verifier) = (issuer.clone(), verifier.clone());
        let admit = middleware::from_fn(move |mut request: Request, next: Next| {
            let (issuer, verifier) = (issuer.clone(), verifier.clone());
            async move {
                match issuer.caller(&verifier, request.headers()).await {
                    Ok(caller) => {
                        request.extensions_mut().insert(caller);
                        next.run(request).await
                    }
                    Err(error) => Status::from(error).into_http(),
                }
            }
        });
        let grpc = calls.receive(Routes::new(grpc), max_bytes_of).layer(admit);
        calls.routes(grpc, health.clone())
    }
}
