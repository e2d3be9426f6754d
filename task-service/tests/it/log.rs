//! The log, when nobody reads it.

use std::{process::Stdio, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use proto::task::v1::{self as pb, task_service_client::TaskServiceClient};
use test_support::{TestDatabase, TestIssuer, TestKey};
use tokio::time::timeout;
use tonic::Code;

use crate::support::Program;

/// More lines than a pipe holds and more than may wait: each call causes several.
const CALLS: usize = 2_000;

#[tokio::test]
async fn a_log_that_nobody_reads_holds_up_neither_calls_nor_the_end() {
    let database = TestDatabase::create().await;
    let issuer = TestIssuer::start(&[&TestKey::generate("first")]).await;
    let program = Program::new(
        &database,
        issuer.url(),
        &[("RUST_LOG", "trace"), ("SERVER_DRAIN_DELAY_SECONDS", "0")],
    );
    let mut child = program.start_with_log(Stdio::piped());
    program.ready().await;
    let mut client = TaskServiceClient::new(program.channel());
    let calls = async {
        for _ in 0..CALLS {
            let answer = client.get_task(pb::GetTaskRequest::default()).await;
            assert_eq!(answer.unwrap_err().code(), Code::Unauthenticated);
        }
    };
    timeout(Duration::from_secs(20), calls).await.expect("calls are answered");
    let pid = Pid::from_raw(child.id().unwrap().try_into().unwrap());
    kill(pid, Signal::SIGTERM).unwrap();
    let ended = timeout(Duration::from_secs(10), child.wait()).await.expect("it ends");
    assert_eq!(ended.unwrap().code(), Some(0));
}
