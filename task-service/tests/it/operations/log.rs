//! The log: the fault of a rejected token, and a log that is not read.

use std::time::Duration;

use proto::task::v1::{self as pb, task_service_client::TaskServiceClient};
use serde_json::{Value, json};
use shared::ids::UserId;
use test_support::{TestDatabase, TestIssuer, TestKey, claims};
use tokio::time::timeout;
use tonic::{Code, Request};

use crate::support::Program;

/// Enough calls to fill the pipe and the log's buffer: each causes several lines.
const CALLS: usize = 2_000;

#[tokio::test]
async fn a_log_that_is_not_read_blocks_neither_calls_nor_the_shutdown() {
    let database = TestDatabase::create().await;
    let issuer = TestIssuer::start(&[&TestKey::generate("first")]).await;
    let program = Program::new(
        &database,
        issuer.url(),
        &[("RUST_LOG", "trace"), ("SERVER_DRAIN_DELAY_SECONDS", "0")],
    );
    let mut running = program.start_unread();
    program.ready().await;
    let mut client = TaskServiceClient::new(program.channel());
    let calls = async {
        for _ in 0..CALLS {
            let answer = client.get_task(pb::GetTaskRequest::default()).await;
            assert_eq!(answer.unwrap_err().code(), Code::Unauthenticated);
        }
    };
    timeout(Duration::from_secs(20), calls).await.expect("calls are answered");
    let ended = timeout(Duration::from_secs(10), running.terminate()).await;
    assert_eq!(ended.expect("the program ends in time"), Some(0));
}

#[tokio::test]
async fn the_log_line_of_a_call_names_the_fault_of_its_token() {
    let (database, key) = (TestDatabase::create().await, TestKey::generate("first"));
    let issuer = TestIssuer::start(&[&key]).await;
    let quick = [("RUST_LOG", "info"), ("SERVER_DRAIN_DELAY_SECONDS", "0")];
    let program = Program::new(&database, issuer.url(), &quick);
    let mut running = program.start();
    program.ready().await;
    let user = UserId::generate();
    let with = |claim: &str, value: Value| {
        let mut changed = claims(user);
        changed[claim] = value;
        key.sign(&key.header(), &changed)
    };
    let mut header = key.header();
    header["typ"] = json!("JWT");
    let tokens = [
        ("iss", with("iss", json!("https://auth.example"))),
        ("aud", with("aud", json!("others"))),
        ("nbf", with("nbf", json!(4_000_000_000_i64))),
        ("lifetime", with("exp", json!(4_000_000_000_i64))),
        ("sub", with("sub", json!("no UUID"))),
        ("exp", with("exp", json!("soon"))),
        ("typ", key.sign(&header, &claims(user))),
        ("kid", TestKey::generate("second").token(user)),
        ("signature", TestKey::generate("first").token(user)),
    ];
    let mut client = TaskServiceClient::new(program.channel());
    for (fault, token) in &tokens {
        let mut request = Request::new(pb::GetTaskRequest::default());
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        let refused = client.get_task(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated, "{fault}");
    }
    running.terminate().await;
    let log = running.log();
    for (fault, token) in &tokens {
        assert!(log.contains(&format!("token_fault=\"{fault}\"")), "{fault}: {log}");
        assert!(!log.contains(token), "{fault}: {log}");
    }
}
