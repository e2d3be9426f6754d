//! The operations port: readiness with its reason, and metrics.

use proto::task::v1 as pb;
use test_support::{TestDatabase, TestIssuer, TestKey, eventually};
use tonic::codegen::http::StatusCode;

use crate::support::{ABSENT_ID, App, run};

const SERVICE: &str = "tandem.task.v1.TaskService";

#[tokio::test]
async fn a_service_is_not_ready_while_its_issuer_is_down() {
    let key = TestKey::generate("first");
    let (database, issuer) = (TestDatabase::create().await, TestIssuer::start(&[&key]).await);
    issuer.answer(StatusCode::SERVICE_UNAVAILABLE, "");
    let service = run(&database, issuer.url(), &[]).await;
    service.eventually_says("the issuer's keys cannot be fetched").await;
    assert_eq!(service.ops("/livez").await, (200, "alive\n".into()));
    assert_eq!(service.count("tandem_task_key_set_keys").await, 0);
    let fetched = "tandem_task_key_set_fetched_timestamp_seconds";
    assert_eq!(service.count(fetched).await, 0);
    let failed = "tandem_task_key_set_fetches_total{result=\"failed\"}";
    assert!(service.count(failed).await >= 1);

    issuer.publish(&[&key]);
    let service = service.ready().await;
    assert_eq!(service.ops("/readyz").await, (200, "ready\n".into()));
    assert_eq!(service.count("tandem_task_key_set_keys").await, 1);
    assert!(service.count(fetched).await > 1_000_000_000);
    let succeeded = "tandem_task_key_set_fetches_total{result=\"succeeded\"}";
    assert!(service.count(succeeded).await >= 1);
}

#[tokio::test]
async fn calls_are_counted_including_unauthenticated_ones() {
    let app = App::start().await;
    let [alice] = app.users();
    alice.create("x").await;
    alice.try_get(ABSENT_ID).await.unwrap_err();
    let mut anonymous = app.client("no token");
    anonymous.list_tasks(pb::ListTasksRequest::default()).await.unwrap_err();
    for (method, code) in
        [("CreateTask", "OK"), ("GetTask", "NotFound"), ("ListTasks", "Unauthenticated")]
    {
        let counted = async || app.service.handled((SERVICE, method), code).await == 1;
        eventually(&format!("{method} with {code} is counted"), counted).await;
    }
    for method in ["UpdateTask", "BatchDeleteTasks", "UndeleteTask"] {
        assert_eq!(app.service.handled((SERVICE, method), "OK").await, 0, "{method}");
    }
}

#[tokio::test]
async fn services_in_one_process_have_separate_metrics() {
    let app = App::start().await;
    let other = app.replica().await;
    let [alice] = app.users();
    alice.create("x").await;
    let count = async |service: &test_support::Service| {
        service.handled((SERVICE, "CreateTask"), "OK").await
    };
    eventually("it is counted", async || count(&app.service).await == 1).await;
    assert_eq!(count(&other).await, 0);
}
