//! Traces: work for a call belongs to the trace of its caller.

use proto::task::v1::{self as pb, task_service_client::TaskServiceClient};
use shared::ids::UserId;
use test_support::{TestCollector, TestDatabase, TestIssuer, TestKey, eventually};
use tonic::{Code, Request};

use crate::support::{ABSENT_ID, Program};

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

#[tokio::test]
async fn statements_and_key_fetches_belong_to_the_trace_of_their_call() {
    let (collector, database) = (TestCollector::start().await, TestDatabase::create().await);
    let [first, second] = ["first", "second"].map(TestKey::generate);
    let issuer = TestIssuer::start(&[&first]).await;
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ("TASK_JWKS_UNKNOWN_KID_SECONDS", "0"),
    ];
    let program = Program::new(&database, issuer.url(), &variables);
    let _running = program.start();
    program.ready().await;
    eventually("background work is traced", async || collector.has("GET")).await;
    assert!(!issuer.header("traceparent").expect("it was sent").contains(TRACE_ID));

    issuer.publish(&[&first, &second]);
    let mut request = Request::new(pb::GetTaskRequest { task_id: ABSENT_ID.to_owned() });
    let parent = format!("00-{TRACE_ID}-00f067aa0ba902b7-01");
    let bearer = format!("Bearer {}", second.token(UserId::generate()));
    request.metadata_mut().insert("traceparent", parent.parse().unwrap());
    request.metadata_mut().insert("authorization", bearer.parse().unwrap());
    let answer = TaskServiceClient::new(program.channel()).get_task(request).await;
    assert_eq!(answer.unwrap_err().code(), Code::NotFound);
    let sent = issuer.header("traceparent").expect("it was sent");
    assert!(sent.contains(TRACE_ID), "{sent}");
    assert!(!sent.contains("00f067aa0ba902b7"), "{sent}");
    for part in ["tandem.task.v1.TaskService/GetTask", "NOT_FOUND", "task.tasks"] {
        eventually(part, async || collector.has(part)).await;
    }
}
