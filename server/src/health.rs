//! The health service (`grpc.health.v1`), by `tonic-health` except where that differs from the
//! protocol.

use std::future::ready;

use futures_util::{StreamExt, stream, stream::BoxStream};
use tonic::{Request, Response, Status};
use tonic_health::{
    pb::{
        HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus,
        health_server::Health,
    },
    server::HealthService,
};

/// Keeps the watch of an unknown service open, which `tonic-health` ends with NOT_FOUND. The names
/// of services do not change, so that its status never does. It ends with the watches of "".
pub(crate) struct Watchable(pub(crate) HealthService);

#[tonic::async_trait]
impl Health for Watchable {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        self.0.check(request).await
    }

    type WatchStream = BoxStream<'static, Result<HealthCheckResponse, Status>>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        if let Ok(watch) = self.0.watch(request).await {
            return Ok(watch.map(StreamExt::boxed));
        }
        let whole = self.0.watch(Request::new(HealthCheckRequest::default())).await?.into_inner();
        let status = ServingStatus::ServiceUnknown.into();
        let unknown = stream::once(ready(Ok(HealthCheckResponse { status })));
        let until_end = whole.filter_map(|_| ready(None));
        Ok(Response::new(unknown.chain(until_end).boxed()))
    }
}
