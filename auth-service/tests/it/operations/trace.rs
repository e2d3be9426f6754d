//! Traces: each call is a span of its caller's trace, exported to the configured collector.

use std::time::Duration;

use proto::auth::v1::auth_service_client::AuthServiceClient;
use test_support::{Program, TestCollector, eventually};
use tokio::time::timeout;
use tonic::{Request, metadata::MetadataValue};

use crate::support::{OTHER_ROOT_KEY, PASSWORD, credentials, database, run, serve, settings};

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// Logs in with an unknown name, as a part of the trace.
async fn log_in(program: &Program) {
    let mut request = Request::new(credentials("unknown", PASSWORD));
    let parent = format!("00-{TRACE_ID}-00f067aa0ba902b7-01");
    let parent = MetadataValue::try_from(parent).expect("the header is ASCII");
    request.metadata_mut().insert("traceparent", parent);
    let mut client = AuthServiceClient::new(program.channel().await);
    client.login(request).await.expect_err("the name is unknown");
}

#[tokio::test]
async fn a_call_is_a_span_of_its_callers_trace_with_its_statements() {
    let (collector, database) = (TestCollector::start().await, database().await);
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()),
        ("OTEL_SERVICE_NAME", "identity"),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
    ];
    let mut program = serve(&database, &variables).await;
    log_in(&program).await;
    let trace_id = u128::from_str_radix(TRACE_ID, 16).unwrap().to_be_bytes();
    eventually("the span is exported", async || collector.has(trace_id)).await;
    for part in [
        "identity",
        "tandem.auth.v1.AuthService/Login",
        "rpc.response.status_code",
        "UNAUTHENTICATED",
        "from auth.users",
    ] {
        assert!(collector.has(part), "{part} is not exported");
    }
    assert!(!collector.has(PASSWORD));
    program.eventually_logs(&format!("trace_id=\"{TRACE_ID}\"")).await;
    assert_eq!(program.terminate().await, Some(0));
}

#[tokio::test]
async fn an_unreachable_collector_delays_neither_calls_nor_shutdown() {
    let database = database().await;
    let collector = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1");
    let mut program = serve(&database, &[collector]).await;
    log_in(&program).await;
    program.eventually_logs("export failed").await;
    let ending = timeout(Duration::from_secs(8), program.terminate()).await;
    assert_eq!(ending.expect("the program ends in time"), Some(0));
}

#[tokio::test]
async fn with_a_collector_the_log_still_explains_a_failed_start() {
    let (collector, database) = (TestCollector::start().await, database().await);
    serve(&database, &[]).await.terminate().await;
    let mut variables = settings(&database);
    variables.push(("AUTH_ROOT_KEY", OTHER_ROOT_KEY));
    variables.push(("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()));
    let ended = run(&["serve"], &variables).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("AUTH_ROOT_KEY"), "{ended:?}");
}

#[tokio::test]
async fn without_a_collector_the_log_has_the_callers_trace_id_and_the_reason() {
    let database = database().await;
    let program = serve(&database, &[]).await;
    log_in(&program).await;
    program.eventually_logs("call ended").await;
    for part in [format!("trace_id=\"{TRACE_ID}\""), "reason=\"CREDENTIALS_INVALID\"".to_owned()] {
        assert!(program.log().contains(&part), "{part}: {}", program.log());
    }
    assert!(!program.log().contains("rpc.service"), "{}", program.log());
}
