//! The health service (`grpc.health.v1`). `tonic-health` has no List, and ends the watch of an
//! unknown service.

use futures_util::{
    StreamExt as _,
    future::ready,
    stream::{self, BoxStream},
};
use proto::grpc::health::v1::{
    HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
    health_check_response::ServingStatus, health_server::Health,
};
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;
use tonic::{Request, Response, Status};

/// Reports one status of all services of a program, under the name of each and under "".
#[derive(Clone)]
pub struct HealthService {
    services: &'static [&'static str],
    /// None ends all watches.
    status: watch::Receiver<Option<ServingStatus>>,
}

impl HealthService {
    /// Reports what `status` holds.
    pub(crate) fn new(
        services: &'static [&'static str],
        status: watch::Receiver<Option<ServingStatus>>,
    ) -> Self {
        Self { services, status }
    }

    fn has(&self, name: &str) -> bool {
        name.is_empty() || self.services.contains(&name)
    }

    fn now(&self) -> HealthCheckResponse {
        response(self.status.borrow().unwrap_or(ServingStatus::NotServing))
    }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

#[tonic::async_trait]
impl Health for HealthService {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        if self.has(&request.get_ref().service) {
            Ok(Response::new(self.now()))
        } else {
            Err(Status::not_found("the server has no such service"))
        }
    }

    async fn list(
        &self,
        _: Request<HealthListRequest>,
    ) -> Result<Response<HealthListResponse>, Status> {
        let names = [""].into_iter().chain(self.services.iter().copied());
        let statuses = names.map(|name| (name.to_owned(), self.now())).collect();
        Ok(Response::new(HealthListResponse { statuses }))
    }

    type WatchStream = BoxStream<'static, Result<HealthCheckResponse, Status>>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let until_end = WatchStream::new(self.status.clone())
            .take_while(|status| ready(status.is_some()))
            .filter_map(ready);
        if self.has(&request.get_ref().service) {
            return Ok(Response::new(until_end.map(response).map(Ok).boxed()));
        }
        // The names of services do not change, so that this status never does.
        let unknown = stream::once(ready(Ok(response(ServingStatus::ServiceUnknown))));
        Ok(Response::new(unknown.chain(until_end.filter_map(|_| ready(None))).boxed()))
    }
}
