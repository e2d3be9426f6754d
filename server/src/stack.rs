//! The layers of a call, outermost first, and the services behind them.
//!
//! A connection (`connection`) passes each request to what [`Stack::routes`] makes:
//!
//! 1. [`Http`]: translates REST, Connect and gRPC-Web into gRPC; the body only when 6 receives it
//! 2. `observe`: request id, spans, metrics and the call's log line; it sees all that follows
//! 3. [`shared::error::complete`]: tonic's own errors get our codes and reasons
//! 4. `deadline`: the client's or the service's deadline, and an answer for a panic
//!
//! Health and reflection are behind these. The service has more: task-service adds layer 5, and
//! [`Stack::service`] adds 6 and 7.
//!
//! 5. authentication (task-service only): before the body, so that a stranger cannot send one
//! 6. `body`: the whole request within its size limit; incomplete requests are bounded
//! 7. `concurrency`: the bound on calls in flight
//! 8. tonic: decodes the request and calls the handler

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::Response,
};
use proto::grpc::health::v1::health_server::HealthServer;
use shared::{config::ServerConfig, error};
use tandem_http::{Api, Http, Options, Protocol};
use tokio::sync::Semaphore;
use tonic::service::Routes;

use crate::{
    fair::WaitLimit,
    health::HealthService,
    layers::{body, concurrency, deadline, observe},
    metrics::{CallMetrics, Metrics},
    reflection,
    response_stream::ServerStreaming,
};

/// The largest request to health and reflection, in bytes.
const MAX_COMMON_REQUEST_BYTES: usize = 16 * 1024;

/// What the layers of all calls share, whichever worker answers them.
#[derive(Clone)]
pub struct Stack {
    /// Of the services behind the stack, and of the details of errors.
    descriptor_sets: [&'static [u8]; 5],
    api: Arc<Api>,
    config: ServerConfig,
    address: SocketAddr,
    metrics: Arc<CallMetrics>,
    timeout: Duration,
    incomplete: Arc<WaitLimit<SocketAddr>>,
    permits: Arc<Semaphore>,
}

impl Stack {
    /// Every call ends after `timeout` at the latest. At most the configured number of calls of the
    /// service are in flight, and as many more may be incomplete; health and reflection do not
    /// count. `address` is the configured one for calls.
    pub fn new(
        descriptor_set: &'static [u8],
        timeout: Duration,
        config: &ServerConfig,
        address: SocketAddr,
        metrics: &Metrics,
    ) -> Self {
        let descriptor_sets = [
            descriptor_set,
            proto::grpc::health::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
            tonic_types::pb::FILE_DESCRIPTOR_SET,
        ];
        let max_calls = config.max_calls as usize;
        Self {
            descriptor_sets,
            api: Arc::new(Api::new(&descriptor_sets)),
            config: config.clone(),
            address,
            metrics: Arc::new(CallMetrics::new(metrics, &descriptor_sets)),
            timeout,
            incomplete: Arc::new(WaitLimit::new(max_calls)),
            permits: Arc::new(Semaphore::new(max_calls)),
        }
    }

    /// A service behind layers 6 and 7. `max_bytes` is the largest request message of a path.
    pub fn service(
        &self,
        service: Routes,
        max_bytes: impl Fn(&str) -> usize + Clone + Send + Sync + 'static,
    ) -> Router {
        let (incomplete, permits) = (self.incomplete.clone(), self.permits.clone());
        // One function for both: each layer of axum's costs an allocation per call.
        let admit = move |request: Request, next: Next| {
            let (incomplete, permits) = (incomplete.clone(), permits.clone());
            let max_bytes = max_bytes(request.uri().path());
            async move {
                match body::receive(&incomplete, max_bytes, request).await {
                    Ok(request) => concurrency::limit(&permits, request, next).await,
                    Err(rejection) => rejection,
                }
            }
        };
        service.into_axum_router().layer(middleware::from_fn(admit))
    }

    /// All routes behind layers 1 to 4: the service, health, and reflection (v1 and v1alpha).
    /// `pages` are HTTP routes without a gRPC method, behind layer 1. `max_bytes` is the largest
    /// request body of a path in another protocol than gRPC.
    pub fn routes(
        &self,
        service: Router,
        health: HealthServer<HealthService>,
        pages: Router,
        max_bytes: impl Fn(&str) -> usize + Send + Sync + 'static,
    ) -> Http {
        let limit = MAX_COMMON_REQUEST_BYTES;
        let v1 = reflection::v1(&self.descriptor_sets).max_decoding_message_size(limit);
        let grpc = Routes::from(service)
            .add_service(health.max_decoding_message_size(limit))
            .add_service(v1.clone())
            .into_axum_router()
            .route_service(reflection::V1ALPHA, reflection::v1alpha(v1))
            .layer(middleware::from_fn_with_state(Arc::new(self.clone()), call));
        let options = Options {
            api: self.api.clone(),
            json: self.config.http_json,
            docs: self.config.docs.unwrap_or(self.address.ip().is_loopback()),
            origins: self.config.cors_origins.clone().unwrap_or_default(),
            pages,
            max_bytes: Arc::new(move |path: &str| {
                // Of health and reflection.
                if path.starts_with("/grpc.") { limit } else { max_bytes(path) }
            }),
        };
        Http::new(grpc, options)
    }
}

/// Layers 2 to 4, in one function for the same reason.
async fn call(State(stack): State<Arc<Stack>>, request: Request, next: Next) -> Response {
    let protocol = request.extensions().get::<Protocol>().copied();
    let method = stack.metrics.method(request.uri().path(), protocol);
    let is_streaming = method.is_streaming;
    let mut response = observe::call(method, protocol, request, async |request| {
        let next = |request| next.run(request);
        error::complete(deadline::apply(stack.timeout, request, next).await)
    })
    .await;
    if is_streaming {
        response.extensions_mut().insert(ServerStreaming);
    }
    response
}
