//! Traces: each call is a span of its caller's trace, sent where the operator says.

use std::time::Duration;

use proto::auth::v1::{self as pb, auth_service_client::AuthServiceClient};
use test_support::{TestCollector, eventually};
use tonic::{Request, metadata::MetadataValue, transport::Endpoint};

use crate::support::{OTHER_ROOT_KEY, PASSWORD, Program, database, run, settings};

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// Logs in with a name that nobody has, as a part of the trace.
async fn log_in(program: &Program) {
    let url = format!("http://{}", program.address().await);
    let channel = Endpoint::from_shared(url).expect("it is a URL").connect_lazy();
    let (username, password) = ("nobody".to_owned(), PASSWORD.to_owned());
    let mut request = Request::new(pb::LoginRequest { username, password });
    let parent = format!("00-{TRACE_ID}-00f067aa0ba902b7-01");
    let parent = MetadataValue::try_from(parent).expect("it is ASCII");
    request.metadata_mut().insert("traceparent", parent);
    AuthServiceClient::new(channel).login(request).await.expect_err("nobody has this name");
}

#[tokio::test]
async fn a_call_is_a_span_of_its_callers_trace_with_the_statements_that_it_sent() {
    let collector = TestCollector::start().await;
    let database = database().await;
    let mut variables = settings(&database);
    variables.extend([
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()),
        ("OTEL_SERVICE_NAME", "identity"),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
    ]);
    let mut program = Program::start(&variables);
    program.eventually_ready().await;
    log_in(&program).await;
    let trace_id = u128::from_str_radix(TRACE_ID, 16).unwrap().to_be_bytes();
    eventually("the span has come", async || collector.has(trace_id)).await;
    for part in [
        "identity",
        "tandem.auth.v1.AuthService/Login",
        "rpc.response.status_code",
        "UNAUTHENTICATED",
        "from auth.users",
    ] {
        assert!(collector.has(part), "no {part} was sent");
    }
    assert!(!collector.has(PASSWORD));
    program.eventually_logs(&format!("trace_id=\"{TRACE_ID}\"")).await;
    assert_eq!(program.terminate().await, Some(0));
}

#[tokio::test]
async fn a_collector_that_is_away_holds_nothing_up() {
    let database = database().await;
    let mut variables = settings(&database);
    variables.push(("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"));
    let mut program = Program::start(&variables);
    program.eventually_ready().await;
    log_in(&program).await;
    program.eventually_logs("export failed").await;
    let ending = tokio::time::timeout(Duration::from_secs(8), program.terminate());
    assert_eq!(ending.await.expect("it ends in time"), Some(0));
}

#[tokio::test]
async fn where_traces_are_sent_the_log_is_as_complete_as_elsewhere() {
    let collector = TestCollector::start().await;
    let database = database().await;
    let mut program = Program::start(&settings(&database));
    program.eventually_ready().await;
    program.terminate().await;
    let mut variables = settings(&database);
    variables.push(("AUTH_ROOT_KEY", OTHER_ROOT_KEY));
    variables.push(("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()));
    let ended = run(&["serve"], &variables).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("AUTH_ROOT_KEY"), "{ended:?}");
}

#[tokio::test]
async fn without_a_collector_the_log_knows_of_no_trace() {
    let database = database().await;
    let program = Program::start(&settings(&database));
    program.eventually_ready().await;
    log_in(&program).await;
    program.eventually_logs("call ended").await;
    assert!(!program.log().contains("trace_id"), "{}", program.log());
    assert!(!program.log().contains("rpc.service"), "{}", program.log());
}
