//! Health (`grpc.health.v1`), which needs no token.

use proto::grpc::health::v1::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use task_service::SERVICE_NAME;
use test_support::{TestDatabase, TestIssuer, eventually};
use tonic::{Code, codegen::http::StatusCode};

use crate::support::{App, run};

fn request(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.into() }
}

#[tokio::test]
async fn a_ready_service_serves_under_its_name_and_the_empty_name() {
    let app = App::start().await;
    let mut health = HealthClient::new(app.service.channel());
    for name in ["", SERVICE_NAME] {
        let answer = health.check(request(name)).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{name:?}");
    }
}

#[tokio::test]
async fn a_service_without_keys_is_not_serving() {
    let (database, issuer) = (TestDatabase::create().await, TestIssuer::start(&[]).await);
    issuer.answer(StatusCode::SERVICE_UNAVAILABLE, "");
    let service = run(&database, issuer.url(), &[]).await;
    eventually("it has tried to fetch the keys", async || issuer.fetches() > 0).await;
    let mut health = HealthClient::new(service.channel());
    for name in ["", SERVICE_NAME] {
        let answer = health.check(request(name)).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::NotServing, "{name:?}");
    }
}

#[tokio::test]
async fn other_services_are_unknown() {
    let app = App::start().await;
    let mut health = HealthClient::new(app.service.channel());
    let status = health.check(request("tandem.auth.v1.AuthService")).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
}

#[tokio::test]
async fn an_open_watch_does_not_delay_the_shutdown() {
    let app = App::start().await;
    let mut health = HealthClient::new(app.service.channel());
    let mut watch = health.watch(request("")).await.unwrap().into_inner();
    let first = watch.message().await.unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::Serving);
    app.service.stop().await.unwrap();
}
