//! Load shedding by the hashing queue.

use std::time::{Duration, Instant};

use proto::auth::v1::{self as pb, auth_service_client::AuthServiceClient};
use test_support::{eventually, refusal};
use tokio::{
    task::{JoinHandle, JoinSet},
    time::timeout,
};
use tonic::transport::Channel;

use crate::support::{Answer, App, PASSWORD, credentials, forwarded, overloaded, registration};

/// The hash of [`PASSWORD`] at cost 12, which takes a quarter of a second to verify.
const SLOW_HASH: &str = "$2b$12$u6Jr4y1uxbb/.RUcfeRISeMntyQYmUmLv16KbgRQQbuofbthHxROu";

/// A service with one hashing thread, and a user whose password is slow to verify. On a busy
/// machine that takes seconds, since hashing has the lowest priority.
async fn with_slow_user(flags: &[&str]) -> App {
    let slow = ["--hashing-threads", "1", "--call-timeout-seconds", "60"];
    let app = App::with(&[&slow[..], flags].concat()).await;
    app.register("ada").await;
    app.store_password_hash(SLOW_HASH).await;
    app
}

/// Runs six concurrent logins. Returns the number of successes, the shortest time of a success and
/// the longest time of a rejection.
async fn log_in_six_times(app: &App) -> (usize, Duration, Duration) {
    let mut calls = JoinSet::new();
    for _ in 0..6 {
        let call = app.spawn_log_in("ada");
        calls.spawn(async move {
            let begun = Instant::now();
            let answer = call.await.expect("the call does not panic");
            (answer, begun.elapsed())
        });
    }
    let (mut succeeded, mut success, mut rejection) = (0, Duration::MAX, Duration::ZERO);
    while let Some(call) = calls.join_next().await {
        match call.expect("the task does not panic") {
            (Ok(_), took) => (succeeded, success) = (succeeded + 1, success.min(took)),
            (answer, took) => {
                assert_eq!(refusal(answer), overloaded());
                rejection = rejection.max(took);
            }
        }
    }
    (succeeded, success, rejection)
}

#[tokio::test]
async fn a_login_is_rejected_immediately_while_the_queue_is_full() {
    let app = with_slow_user(&["--hashing-queue", "0"]).await;
    let (succeeded, success, rejection) = log_in_six_times(&app).await;
    assert_eq!(succeeded, 1);
    assert!(rejection < success / 2, "rejected after {rejection:?}, hashed after {success:?}");
    app.log_in("ada").await;
}

#[tokio::test]
async fn every_login_in_the_queue_is_hashed() {
    let app = with_slow_user(&["--hashing-queue", "5"]).await;
    app.store_password_hash(&bcrypt::non_truncating_hash(PASSWORD, 4).unwrap()).await;
    let (succeeded, ..) = log_in_six_times(&app).await;
    assert_eq!(succeeded, 6);
}

/// Logs in as the slow user from `source`, behind a proxy.
async fn log_in_from(
    mut client: AuthServiceClient<Channel>,
    source: &str,
) -> Answer<pb::LoginResponse> {
    client.login(forwarded(source, credentials("ada", PASSWORD))).await
}

#[tokio::test]
async fn a_source_that_floods_the_queue_does_not_block_another() {
    let proxy = ["--trusted-proxies", "127.0.0.0/8"];
    let flags = [proxy, ["--hashing-queue", "7"], ["--hashing-wait-ms", "60000"]].concat();
    let app = with_slow_user(&flags).await;
    let mut flood = JoinSet::new();
    for _ in 0..16 {
        let client = app.client();
        flood.spawn(async move {
            loop {
                let _ = log_in_from(client.clone(), "203.0.113.5").await;
            }
        });
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    for _ in 0..4 {
        log_in_from(app.client(), "203.0.113.6").await.unwrap();
    }
}

#[tokio::test]
async fn a_login_that_waits_too_long_is_rejected() {
    let app = with_slow_user(&["--hashing-wait-ms", "1"]).await;
    let (succeeded, success, rejection) = log_in_six_times(&app).await;
    assert_eq!(succeeded, 1);
    assert!(rejection < success / 2, "rejected after {rejection:?}, hashed after {success:?}");
}

#[tokio::test]
async fn a_rejected_registration_writes_nothing() {
    let app =
        App::with(&["--hashing-threads", "1", "--hashing-queue", "0", "--bcrypt-cost", "12"]).await;
    let client = app.client();
    let [first, second] = ["bob", "cleo"].map(|name| spawn_register(&client, name));
    assert_eq!(refusal(second.await.unwrap()), overloaded());
    first.await.unwrap().unwrap();
    assert_eq!(app.query("select string_agg(username, ' ') from auth.users").await, "bob");
}

#[tokio::test]
async fn other_calls_are_answered_while_passwords_are_hashed() {
    let app = with_slow_user(&[]).await;
    let token = app.new_token("bob").await;
    let mut client = app.client();
    let running = app.spawn_log_in("ada");
    for i in 0..20 {
        client.get_json_web_key_set(pb::GetJsonWebKeySetRequest {}).await.unwrap();
        assert!(!running.is_finished(), "the login ended after {i} other calls");
    }
    app.current_user(&token).await.unwrap();
    assert!(!running.is_finished());
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_caller_that_goes_away_frees_its_place_in_the_queue() {
    let flags = ["--hashing-threads", "1", "--hashing-queue", "1", "--bcrypt-cost", "12"];
    let app = App::with(&flags).await;
    let client = app.client();
    let [running, waiting] = ["bob", "cleo"].map(|name| spawn_register(&client, name));
    assert_eq!(refusal(spawn_register(&client, "dora").await.unwrap()), overloaded());
    waiting.abort();
    eventually("a place is free", async || {
        timeout(Duration::from_millis(50), spawn_register(&client, "dora")).await.is_err()
    })
    .await;
    assert!(!running.is_finished(), "the place became free only after the first hash");
    running.await.unwrap().unwrap();
}

/// Registers a user in the background. Calls over one connection arrive in order.
fn spawn_register(
    client: &AuthServiceClient<Channel>,
    username: &str,
) -> JoinHandle<Answer<pb::RegisterResponse>> {
    let (mut client, request) = (client.clone(), registration(username, PASSWORD));
    tokio::spawn(async move { client.register(request).await })
}
