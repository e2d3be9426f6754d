//! The health service (`grpc.health.v1`), which needs no token.

use std::{collections::BTreeMap, time::Duration};

use proto::grpc::health::v1::{
    HealthCheckRequest, HealthListRequest, health_check_response::ServingStatus,
    health_client::HealthClient,
};
use tokio::time::timeout;
use tonic::Code;

use crate::support::App;

const NAMES: [&str; 4] = [
    "",
    "tandem.auth.v1.AccountEventsService",
    "tandem.auth.v1.AdminService",
    "tandem.auth.v1.AuthService",
];

#[tokio::test]
async fn a_ready_program_is_serving_under_the_names_of_its_services_and_the_empty_name() {
    let app = App::start().await;
    let mut client = HealthClient::new(app.service.channel());
    for name in NAMES {
        let request = HealthCheckRequest { service: name.into() };
        let answer = client.check(request).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{name:?}");
    }
}

#[tokio::test]
async fn an_unknown_service_is_not_found() {
    let app = App::start().await;
    let mut client = HealthClient::new(app.service.channel());
    for name in ["tandem.task.v1.TaskService", "x"] {
        let request = HealthCheckRequest { service: name.into() };
        let status = client.check(request).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound, "{name}");
    }
}

#[tokio::test]
async fn a_list_has_the_status_of_each_service_and_of_the_server() {
    let app = App::start().await;
    let mut client = HealthClient::new(app.service.channel());
    let answer = client.list(HealthListRequest {}).await.unwrap().into_inner();
    let statuses: BTreeMap<_, _> =
        answer.statuses.iter().map(|(name, health)| (name.as_str(), health.status())).collect();
    let serving = NAMES.map(|name| (name, ServingStatus::Serving));
    assert_eq!(statuses, serving.into());
}

#[tokio::test]
async fn a_watch_reports_the_status_and_its_changes() {
    let app = App::with_own_server(&[]).await;
    let mut client = HealthClient::new(app.service.channel());
    let mut watch = client.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    let mut next = async || watch.message().await.unwrap().unwrap().status();
    assert_eq!(next().await, ServingStatus::Serving);
    app.database.halt();
    assert_eq!(next().await, ServingStatus::NotServing);
    app.database.resume();
    assert_eq!(next().await, ServingStatus::Serving);
}

#[tokio::test]
async fn a_watch_of_an_unknown_service_says_so_and_lasts_until_the_drain() {
    let app = App::start().await;
    let mut client = HealthClient::new(app.service.channel());
    let request = HealthCheckRequest { service: "tandem.task.v1.TaskService".into() };
    let mut watch = client.watch(request).await.unwrap().into_inner();
    let first = watch.message().await.unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::ServiceUnknown);
    let waiting = timeout(Duration::from_millis(500), watch.message()).await;
    assert!(waiting.is_err(), "{waiting:?}");
    app.stop().await.unwrap();
    assert_eq!(watch.message().await.ok().flatten(), None);
}
