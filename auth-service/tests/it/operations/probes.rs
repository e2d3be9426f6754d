//! The liveness and readiness probes of the operations port.

use std::{
    net::TcpListener,
    sync::Arc,
    time::{Duration, Instant},
};

use test_support::{TestDatabase, eventually};
use tokio::{io::AsyncReadExt as _, time::timeout};

use crate::support::{App, database, empty_database, run, settings};

#[tokio::test]
async fn a_ready_service_is_alive_and_ready() {
    let app = App::start().await;
    assert_eq!(app.service.ops("/livez").await, (200, "alive\n".into()));
    assert_eq!(app.service.ops("/readyz").await, (200, "ready\n".into()));
    assert_eq!(app.service.ops("/nothing").await.0, 404);
}

#[tokio::test]
async fn during_a_database_outage_a_service_is_alive_and_reports_why_it_is_not_ready() {
    let app = App::with_own_server(&[]).await;
    app.database.halt();
    app.service.eventually_says("the database cannot be reached").await;
    assert_eq!(app.service.ops("/livez").await.0, 200);
    app.database.resume();
    let ready = async || app.service.ops("/readyz").await.0 == 200;
    eventually("/readyz reports readiness", ready).await;
}

#[tokio::test]
async fn a_service_that_starts_before_its_database_reports_why_it_is_not_ready() {
    let database = Arc::new(TestDatabase::create_on_own_server().await);
    database.halt();
    let app = App::launch(&database, &[]).await;
    app.service.eventually_says("the database cannot be reached").await;
}

#[tokio::test]
async fn a_service_on_an_old_schema_reports_that_migrate_must_run() {
    let database = empty_database().await;
    let app = App::launch(&database, &["--database-migrate-on-start", "false"]).await;
    app.service.eventually_says("the database schema is too old: run `migrate`").await;
}

#[tokio::test]
async fn a_draining_service_reports_it_and_still_exports_metrics() {
    let app = App::with(&["--server-drain-delay-seconds", "2"]).await;
    let (ops, url) = (app.service.ops_address(), format!("http://{}", app.service.ops_address()));
    let stopping = tokio::spawn(app.stop());
    eventually("/readyz reports the drain", async || {
        let answer = reqwest::get(format!("{url}/readyz")).await.unwrap();
        answer.status() == 503 && answer.text().await.unwrap() == "draining\n"
    })
    .await;
    assert_eq!(reqwest::get(format!("{url}/livez")).await.unwrap().status(), 200);
    assert_eq!(reqwest::get(format!("{url}/metrics")).await.unwrap().status(), 200);
    stopping.await.unwrap().unwrap();
    assert!(tokio::net::TcpStream::connect(ops).await.is_err(), "the service has ended");
}

#[tokio::test]
async fn silent_connections_do_not_block_probes() {
    let app = App::start().await;
    let address = app.service.ops_address();
    let mut silent = Vec::new();
    for _ in 0..70 {
        silent.push(tokio::net::TcpStream::connect(address).await.unwrap());
    }
    let begun = Instant::now();
    assert_eq!(app.service.ops("/livez").await.0, 200);
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    for mut stream in [silent.remove(0), silent.remove(68)] {
        let ended = timeout(Duration::from_secs(10), stream.read(&mut [0])).await;
        assert_eq!(ended.expect("the connection is closed").unwrap(), 0);
    }
}

#[tokio::test]
async fn an_operations_port_in_use_is_named_with_its_variable() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let database = database().await;
    let mut variables = settings(&database);
    variables.push(("AUTH_OPS_LISTEN_ADDRESS", &address));
    let ended = run(&["serve"], &variables).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    for part in [address.as_str(), "AUTH_OPS_LISTEN_ADDRESS"] {
        assert!(ended.stderr.contains(part), "{ended:?}");
    }
}
