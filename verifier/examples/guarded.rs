//! A gRPC service that trusts Tandem's access tokens: `cargo run -p tandem-verifier --example
//! guarded`. It serves the health service, behind the interceptor, on 127.0.0.1:50060.

use std::{error::Error, sync::Arc};

use tandem_verifier::{Caller, JwksClient, JwksConfig, Verifier, VerifierConfig, interceptor};
use tonic::{
    Request, Response, Status, service::interceptor::InterceptedService, transport::Server,
};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse,
    health_server::{Health, HealthServer},
};

/// Stands for your own service: only authenticated callers reach it.
struct Guarded;

#[tonic::async_trait]
impl Health for Guarded {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let caller = Caller::of(&request)?;
        tracing::info!(user = %caller.id, "called");
        Ok(Response::new(HealthCheckResponse { status: 1 }))
    }

    type WatchStream = tokio_stream::Empty<Result<HealthCheckResponse, Status>>;

    async fn watch(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("this example has no watch"))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let jwks_url = "http://127.0.0.1:50051/.well-known/jwks.json".parse()?;
    let jwks = Arc::new(JwksClient::new(JwksConfig::new(jwks_url)));
    jwks.refresh().await;
    let verifier = Arc::new(Verifier::new(jwks.keys(), VerifierConfig::default()));
    tokio::spawn(async move { jwks.refresh_forever().await });

    let guarded = InterceptedService::new(HealthServer::new(Guarded), interceptor(verifier));
    Server::builder().add_service(guarded).serve("127.0.0.1:50060".parse()?).await?;
    Ok(())
}
