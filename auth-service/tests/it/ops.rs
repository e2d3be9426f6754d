//! The operations port: whether the service lives, and whether calls should come.

use std::{
    net::TcpListener,
    sync::Arc,
    time::{Duration, Instant},
};

use test_support::{TestDatabase, eventually};
use tokio::{io::AsyncReadExt as _, time::timeout};

use crate::support::{App, database, run, settings};

#[tokio::test]
async fn a_service_that_is_ready_says_so() {
    let app = App::start().await;
    assert_eq!(app.service.ops("/livez").await, (200, "alive\n".into()));
    assert_eq!(app.service.ops("/readyz").await, (200, "ready\n".into()));
    assert_eq!(app.service.ops("/nothing").await.0, 404);
}

#[tokio::test]
async fn a_service_whose_database_is_away_lives_and_says_what_is_missing() {
    let app = App::with_own_server(&[]).await;
    app.database.halt();
    app.service.eventually_says("the database cannot be reached").await;
    assert_eq!(app.service.ops("/livez").await.0, 200);
    app.database.resume();
    let ready = async || app.service.ops("/readyz").await.0 == 200;
    eventually("/readyz says that it is ready", ready).await;
}

#[tokio::test]
async fn a_service_that_starts_before_its_database_says_what_it_waits_for() {
    let database = Arc::new(TestDatabase::create_on_own_server().await);
    database.halt();
    let app = App::launch(&database, &[]).await;
    app.service.eventually_says("the database cannot be reached").await;
}

#[tokio::test]
async fn a_service_whose_schema_is_too_old_says_so() {
    let database = crate::support::empty_database().await;
    let app = App::launch(&database, &["--database-migrate-on-start", "false"]).await;
    app.service.eventually_says("the database schema is too old: run `migrate`").await;
}

#[tokio::test]
async fn a_service_that_ends_says_that_it_drains_and_is_still_measured() {
    let app = App::with(&["--server-drain-delay-seconds", "2"]).await;
    let (ops, url) = (app.service.ops_address(), format!("http://{}", app.service.ops_address()));
    let stopping = tokio::spawn(app.stop());
    eventually("/readyz says that it drains", async || {
        let answer = reqwest::get(format!("{url}/readyz")).await.unwrap();
        answer.status() == 503 && answer.text().await.unwrap() == "draining\n"
    })
    .await;
    assert_eq!(reqwest::get(format!("{url}/livez")).await.unwrap().status(), 200);
    assert_eq!(reqwest::get(format!("{url}/metrics")).await.unwrap().status(), 200);
    stopping.await.unwrap().unwrap();
    assert!(tokio::net::TcpStream::connect(ops).await.is_err(), "it has ended");
}

#[tokio::test]
async fn connections_that_ask_nothing_keep_nobody_out() {
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
        assert_eq!(ended.expect("it is closed").unwrap(), 0);
    }
}

#[tokio::test]
async fn an_operations_port_that_is_in_use_is_named_with_its_variable() {
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
