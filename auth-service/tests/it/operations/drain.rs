//! Graceful shutdown.

use std::time::{Duration, Instant};

use proto::grpc::health::v1::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use test_support::eventually;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::App;

/// Longer than a test: a service that ends in time did not wait for the drain timeout.
const LONG_DRAIN: [&str; 2] = ["--server-drain-timeout-seconds", "300"];
const LONG_LOCK_TIMEOUT: [&str; 2] = ["--database-lock-timeout-ms", "60000"];

#[tokio::test]
async fn during_the_drain_a_call_in_flight_finishes_and_no_connection_is_accepted() {
    let app = App::with(&[LONG_DRAIN, LONG_LOCK_TIMEOUT].concat()).await;
    let mut lock = app.lock_users().await;
    let (call, address) = (app.spawn_register("ada"), app.service.address());
    lock.eventually_blocks(1).await;

    let stopping = tokio::spawn(app.stop());
    let closed = async || TcpStream::connect(address).await.is_err();
    eventually("the listener is closed", closed).await;
    assert!(!stopping.is_finished(), "a call is in flight");
    lock.release().await;
    assert_eq!(call.await.unwrap().unwrap().into_inner().user.unwrap().username, "ada");
    stopping.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_call_that_does_not_finish_delays_shutdown_until_the_drain_timeout() {
    let flags = [LONG_LOCK_TIMEOUT.as_slice(), &["--server-drain-timeout-seconds", "1"]].concat();
    let app = App::with(&flags).await;
    let mut lock = app.lock_users().await;
    let call = app.spawn_register("ada");
    lock.eventually_blocks(1).await;
    let begun = Instant::now();
    app.stop().await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    drop(call.await.unwrap().expect_err("the service ended before it answered"));
}

#[tokio::test]
async fn open_watches_and_idle_connections_do_not_delay_shutdown() {
    let app = App::with(&LONG_DRAIN).await;
    let mut watches = Vec::new();
    for service in ["", "tandem.auth.v1.AuthService"] {
        let mut client = HealthClient::new(app.service.channel());
        let request = HealthCheckRequest { service: service.into() };
        let mut watch = client.watch(request).await.unwrap().into_inner();
        watch.message().await.unwrap().unwrap();
        watches.push(watch);
    }
    let mut idle_http2 = app.client();
    let request = proto::auth::v1::GetJsonWebKeySetRequest {};
    idle_http2.get_json_web_key_set(request).await.unwrap();
    let mut idle_http1 = TcpStream::connect(app.service.address()).await.unwrap();
    let request = b"GET /.well-known/jwks.json HTTP/1.1\r\nhost: localhost\r\n\r\n";
    idle_http1.write_all(request).await.unwrap();
    assert!(idle_http1.read(&mut [0; 4096]).await.unwrap() > 0);
    app.stop().await.unwrap();
}

#[tokio::test]
async fn a_silent_connection_delays_shutdown_only_until_the_drain_timeout() {
    let app = App::with(&["--server-drain-timeout-seconds", "1"]).await;
    let mut silent = TcpStream::connect(app.service.address()).await.unwrap();
    app.key_set().await.unwrap(); // The silent connection was accepted before this one.
    let begun = Instant::now();
    app.stop().await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert_eq!(silent.read(&mut [0; 1]).await.unwrap_or(0), 0, "the connection is closed");
}

#[tokio::test]
async fn calls_are_answered_during_the_drain_delay() {
    let app = App::with(&["--server-drain-delay-seconds", "1"]).await;
    let (mut client, mut health) = (app.client(), HealthClient::new(app.service.channel()));
    let mut watch = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    let stopping = tokio::spawn(app.stop());
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    let request = proto::auth::v1::GetJsonWebKeySetRequest {};
    client.get_json_web_key_set(request).await.unwrap();
    let status = health.check(HealthCheckRequest::default()).await.unwrap().into_inner().status();
    assert_eq!(status, ServingStatus::NotServing);
    stopping.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_service_shuts_down_during_a_database_outage() {
    let app = App::with_own_server(&LONG_DRAIN).await;
    app.database.halt();
    app.service.eventually_not_ready().await;
    app.stop().await.unwrap();
}
