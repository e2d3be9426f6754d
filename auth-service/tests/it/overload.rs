//! More passwords than can be hashed in time.

use std::time::{Duration, Instant};

use proto::auth::v1::{self as pb, auth_service_client::AuthServiceClient};
use test_support::{Refusal, eventually, refusal};
use tokio::{
    task::{JoinHandle, JoinSet},
    time::timeout,
};
use tonic::{Code, Request, transport::Channel};

use crate::support::{Answer, App, PASSWORD};

/// Of [`PASSWORD`], at cost 12: a quarter of a second.
const SLOW_HASH: &str = "$2b$12$u6Jr4y1uxbb/.RUcfeRISeMntyQYmUmLv16KbgRQQbuofbthHxROu";

fn overloaded() -> Refusal {
    Refusal::retryable(Code::ResourceExhausted, "OVERLOADED")
}

/// A service that hashes one password at once, and a user whose password takes long to verify.
async fn with_slow_user(flags: &[&str]) -> App {
    let app = App::with(&[&["--hashing-threads", "1"], flags].concat()).await;
    app.register("ada").await;
    app.store_password_hash(SLOW_HASH).await;
    app
}

/// How many of six logins at once succeed, and how long those took and the refused ones did.
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
    let (mut succeeded, mut success, mut refused) = (0, Duration::MAX, Duration::ZERO);
    while let Some(call) = calls.join_next().await {
        match call.expect("the task does not panic") {
            (Ok(_), took) => (succeeded, success) = (succeeded + 1, success.min(took)),
            (answer, took) => {
                assert_eq!(refusal(answer), overloaded());
                refused = refused.max(took);
            }
        }
    }
    (succeeded, success, refused)
}

#[tokio::test]
async fn what_cannot_be_hashed_or_wait_is_refused_at_once() {
    let app = with_slow_user(&["--hashing-queue", "0"]).await;
    let (succeeded, success, refused) = log_in_six_times(&app).await;
    assert_eq!(succeeded, 1);
    assert!(refused < success / 2, "refused after {refused:?}, hashed after {success:?}");
    app.log_in("ada").await;
}

#[tokio::test]
async fn what_has_a_place_in_the_queue_is_hashed_in_turn() {
    let app = with_slow_user(&["--hashing-queue", "5"]).await;
    app.store_password_hash(&bcrypt::non_truncating_hash(PASSWORD, 4).unwrap()).await;
    let (succeeded, ..) = log_in_six_times(&app).await;
    assert_eq!(succeeded, 6);
}

/// Logs in as the slow user, from there as a proxy says.
async fn log_in_from(
    mut client: AuthServiceClient<Channel>,
    source: &str,
) -> Answer<pb::LoginResponse> {
    let (username, password) = ("ada".to_owned(), PASSWORD.to_owned());
    let mut request = Request::new(pb::LoginRequest { username, password });
    let source = source.parse().expect("an address is ASCII");
    request.metadata_mut().insert("x-forwarded-for", source);
    client.login(request).await
}

#[tokio::test]
async fn one_source_keeps_no_other_out() {
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
async fn what_waits_too_long_is_refused() {
    let app = with_slow_user(&["--hashing-wait-ms", "1"]).await;
    let (succeeded, success, refused) = log_in_six_times(&app).await;
    assert_eq!(succeeded, 1);
    assert!(refused < success / 2, "refused after {refused:?}, hashed after {success:?}");
}

#[tokio::test]
async fn a_registration_that_is_refused_leaves_nothing_behind() {
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
        assert!(!running.is_finished(), "the keys came {i} times");
    }
    app.current_user(&token).await.unwrap();
    assert!(!running.is_finished());
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_its_place_to_another() {
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
    assert!(!running.is_finished(), "the place was free only when the first was hashed");
    running.await.unwrap().unwrap();
}

/// Begins to register somebody. What is begun over one connection arrives in order.
fn spawn_register(
    client: &AuthServiceClient<Channel>,
    username: &str,
) -> JoinHandle<Answer<pb::RegisterResponse>> {
    let request = pb::RegisterRequest {
        username: username.into(),
        password: PASSWORD.into(),
        ..Default::default()
    };
    let mut client = client.clone();
    tokio::spawn(async move { client.register(request).await })
}
