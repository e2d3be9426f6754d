//! How often somebody may try to log in, to change a password and to register.

use std::time::{Duration, Instant};

use proto::auth::v1::{self as pb, auth_service_client::AuthServiceClient};
use test_support::{Refusal, eventually, refusal};
use tokio::{task::JoinSet, time::sleep};
use tonic::{Code, Request, Status, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_types::StatusExt as _;

use crate::support::{Answer, App, PASSWORD, Program, database, settings};

/// The limits that a service has by default; the harness sets generous ones.
const LIMITS: [&str; 4] = ["--login-attempts-per-source", "20", "--login-attempts-per-name", "5"];
/// The tests' own address is a proxy that says whom it calls for.
const PROXY: [&str; 2] = ["--trusted-proxies", "127.0.0.0/8"];

fn credentials_invalid() -> Refusal {
    Refusal::new(Code::Unauthenticated, "CREDENTIALS_INVALID")
}

fn too_many_attempts() -> Refusal {
    Refusal::retryable(Code::ResourceExhausted, "TOO_MANY_ATTEMPTS")
}

/// How long the caller is told to wait.
fn wait<T: std::fmt::Debug>(answer: Answer<T>) -> Duration {
    let status = answer.expect_err("the call must be refused");
    let details = status.get_error_details();
    details.retry_info().and_then(|info| info.retry_delay).expect("it says when to try again")
}

/// A request that comes from there, as a proxy says.
fn from<T>(source: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let source = source.parse().expect("an address is ASCII");
    request.metadata_mut().insert("x-forwarded-for", source);
    request
}

fn credentials(username: &str, password: &str) -> pb::LoginRequest {
    pb::LoginRequest { username: username.into(), password: password.into() }
}

impl App {
    async fn log_in_from(
        &self,
        source: &str,
        name: &str,
        password: &str,
    ) -> Answer<pb::LoginResponse> {
        self.client().login(from(source, credentials(name, password))).await
    }

    async fn register_from(&self, source: &str, name: &str) -> Answer<pb::RegisterResponse> {
        let request = pb::RegisterRequest {
            username: name.into(),
            password: PASSWORD.into(),
            ..Default::default()
        };
        self.client().register(from(source, request)).await
    }
}

#[tokio::test]
async fn after_five_wrong_passwords_the_name_has_to_wait_at_this_source_and_no_other() {
    let app = App::with(&[&LIMITS[..], &PROXY].concat()).await;
    app.register("ada").await;
    for _ in 0..5 {
        let answer = app.log_in_from("192.0.2.1", "ada", "wrong-password").await;
        assert_eq!(refusal(answer), credentials_invalid());
    }
    let answer = app.log_in_from("192.0.2.1", "ADA", PASSWORD).await;
    assert_eq!(refusal(answer), too_many_attempts(), "also the right one");
    app.log_in_from("192.0.2.2", "ada", PASSWORD).await.expect("she is not locked out");
    app.register("bob").await;
    app.log_in_from("192.0.2.1", "bob", PASSWORD).await.expect("another name");

    let told = wait(app.log_in_from("192.0.2.1", "ada", PASSWORD).await);
    assert!(told <= Duration::from_secs(1), "{told:?}");
    sleep(told).await;
    app.log_in_from("192.0.2.1", "ada", PASSWORD).await.expect("she has waited");
    for _ in 0..5 {
        let answer = app.log_in_from("192.0.2.1", "ada", "wrong-password").await;
        assert_eq!(refusal(answer), credentials_invalid(), "a success has cleared the count");
    }
}

#[tokio::test]
async fn names_that_nobody_has_or_can_have_are_throttled_alike() {
    let app = App::with(&LIMITS).await;
    let overlong = "x".repeat(5000);
    app.register("ada").await;
    for name in ["ada", "bob", &overlong] {
        let mut answers = Vec::new();
        for _ in 0..6 {
            answers.push(refusal(app.try_log_in(name, "wrong-password").await));
        }
        assert_eq!(answers[4], credentials_invalid(), "{name}");
        assert_eq!(answers[5], too_many_attempts(), "{name}");
    }
}

#[tokio::test]
async fn after_twenty_wrong_passwords_the_source_has_to_wait_whatever_the_name() {
    let app = App::with(&[&LIMITS[..], &PROXY].concat()).await;
    app.register("mallory").await;
    let mut names = (0..).map(|i| format!("user-{i}"));
    let mut guess = async |source: &str| {
        let name = names.next().expect("there are more");
        refusal(app.log_in_from(source, &name, "wrong-password").await)
    };
    for i in 0..20 {
        // One /64 is one source.
        assert_eq!(guess(&format!("2001:db8::{i:x}")).await, credentials_invalid(), "{i}");
        // Their own account does not clear what they have guessed at others.
        let own = app.log_in_from("2001:db8::1", "mallory", PASSWORD).await;
        assert_eq!(own.is_ok(), i < 19, "{i}");
    }
    assert_eq!(guess("2001:db8::ffff").await, too_many_attempts());
    let answer = app.log_in_from("2001:db8::1", "someone", PASSWORD).await;
    let told = wait(answer);
    assert!(Duration::from_secs(5) < told && told <= Duration::from_secs(10), "{told:?}");
    assert_eq!(guess("2001:db8:0:1::1").await, credentials_invalid(), "another source");
}

#[tokio::test]
async fn guesses_at_once_are_hashed_no_more_often_than_guesses_in_turn() {
    let app = App::with(&[&LIMITS[..], &["--hashing-queue", "100"]].concat()).await;
    app.register("ada").await;
    let mut calls = JoinSet::new();
    for _ in 0..50 {
        let mut client = app.client();
        calls.spawn(async move { client.login(credentials("ada", "wrong-password")).await });
    }
    let answers = calls.join_all().await;
    let hashed =
        answers.into_iter().map(refusal).filter(|refused| *refused == credentials_invalid());
    assert_eq!(hashed.count(), 5);
}

#[tokio::test]
async fn attempts_that_were_never_hashed_do_not_count() {
    let app =
        App::with_own_server(&[&LIMITS[..], &["--database-acquire-timeout-ms", "50"]].concat())
            .await;
    app.register("ada").await;
    app.database.halt();
    for _ in 0..8 {
        let answer = app.try_log_in("ada", PASSWORD).await;
        assert_eq!(answer.unwrap_err().code(), Code::Unavailable);
    }
    app.database.resume();
    app.eventually_ready().await;
    app.log_in("ada").await;
}

#[tokio::test]
async fn passwords_that_are_not_accepted_count_for_who_chooses_them() {
    let app = App::with(&[PROXY[0], PROXY[1], "--login-attempts-per-source", "3"]).await;
    let choose = async |source, name: &str, password: &str| {
        let (username, password) = (name.to_owned(), password.to_owned());
        let request = pb::RegisterRequest { username, password, ..Default::default() };
        app.client().register(from(source, request)).await
    };
    for _ in 0..3 {
        let refused = refusal(choose("203.0.113.5", "ada", "password").await);
        assert_eq!(refused.code, Code::InvalidArgument, "{refused:?}");
    }
    assert_eq!(refusal(choose("203.0.113.5", "ada", PASSWORD).await), too_many_attempts());
    for number in 0..4 {
        choose("203.0.113.6", &format!("user-{number}"), PASSWORD).await.expect("good ones pass");
    }

    let login = app.log_in_from("203.0.113.7", "user-0", PASSWORD).await.unwrap().into_inner();
    let token = login.tokens.unwrap().access_token;
    let change = async || {
        let (current_password, new_password) = (PASSWORD.to_owned(), "password".to_owned());
        let request = pb::ChangePasswordRequest { current_password, new_password };
        let mut request = from("203.0.113.7", request);
        let bearer = format!("Bearer {token}").parse().unwrap();
        request.metadata_mut().insert("authorization", bearer);
        refusal(app.client().change_password(request).await)
    };
    for _ in 0..3 {
        assert_eq!(change().await.code, Code::InvalidArgument);
    }
    assert_eq!(change().await, too_many_attempts());
}

#[tokio::test]
async fn who_has_a_stolen_token_may_guess_the_password_no_more_often() {
    let app = App::with(&LIMITS).await;
    let login = app.new_login("ada").await;
    let guess = async || login.change_password("wrong-password", "loud-walrus-dives-south").await;
    for _ in 0..5 {
        assert_eq!(refusal(guess().await), credentials_invalid());
    }
    assert_eq!(refusal(guess().await), too_many_attempts());
    app.log_in("ada").await;
    login.refresh().await.expect("the session goes on");
}

#[tokio::test]
async fn a_source_registers_five_at_once_and_this_machine_as_many_as_it_likes() {
    let app = App::with(&PROXY).await;
    for i in 0..5 {
        app.register_from("192.0.2.1", &format!("user-{i}")).await.unwrap();
    }
    let answer = app.register_from("192.0.2.1", "one-more").await;
    assert_eq!(refusal(answer), too_many_attempts());
    let told = wait(app.register_from("192.0.2.1", "one-more").await);
    assert!(Duration::from_mins(11) < told && told <= Duration::from_mins(12), "{told:?}");
    app.register_from("192.0.2.2", "one-more").await.expect("another source");
    for i in 5..12 {
        app.register(&format!("user-{i}")).await;
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_registration_may_be_mended() {
    let app = App::with(&PROXY).await;
    for _ in 0..8 {
        let answer = app.register_from("192.0.2.1", "no such!").await;
        assert_eq!(refusal(answer), Refusal::invalid(&["username"]));
    }
    app.register_from("192.0.2.1", "ada").await.unwrap();
}

#[tokio::test]
async fn only_a_trusted_proxy_is_believed() {
    let app = App::with(&LIMITS).await;
    for i in 0..6 {
        let answer = app.log_in_from(&format!("192.0.2.{i}"), "ada", "wrong-password").await;
        let expected = if i < 5 { credentials_invalid() } else { too_many_attempts() };
        assert_eq!(refusal(answer), expected);
    }
}

#[tokio::test]
async fn a_session_shows_the_client_s_address_and_not_the_proxy_s() {
    let app = App::with(&PROXY).await;
    app.register("ada").await;
    app.log_in_from("6.6.6.6, 192.0.2.1", "ada", PASSWORD).await.unwrap();
    assert_eq!(app.query("select ip_address from auth.sessions").await, "192.0.2.1");
}

#[tokio::test]
async fn who_is_throttled_again_and_again_is_logged_once() {
    let database = database().await;
    let program = Program::start(&settings(&database));
    program.eventually_ready().await;
    let url = format!("http://{}", program.address().await);
    let mut client = AuthServiceClient::connect(url).await.unwrap();
    for _ in 0..30 {
        client.login(credentials("ada", "wrong-password")).await.unwrap_err();
    }
    program.eventually_logs("login_throttled").await;
    assert_eq!(program.log().matches("login_throttled").count(), 1);
    assert_eq!(program.log().matches("login_failed").count(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn during_a_flood_of_logins_all_else_stays_quick() {
    // Each from a source of its own, so that the hashing is what gives way.
    let app =
        App::with(&[&PROXY[..], &["--bcrypt-cost", "10", "--hashing-threads", "1"]].concat()).await;
    let login = app.new_login("ada").await;
    let mut flood = JoinSet::new();
    for connection in 0..8_u32 {
        let client = app.client();
        for i in 0..125 {
            let source = format!("192.0.{connection}.{i}");
            flood.spawn(log_in_again_and_again(client.clone(), source));
        }
    }
    let mut health = HealthClient::new(app.service.channel());
    let busy =
        async || refusal_of(app.try_log_in("nobody", "wrong-password").await.err()) == "OVERLOADED";
    eventually("the queue is full", busy).await;
    let mut times = Vec::new();
    for _ in 0..11 {
        let begun = Instant::now();
        login.refresh().await.unwrap();
        app.current_user(&login.tokens.access_token).await.unwrap();
        app.key_set().await.unwrap();
        health.check(HealthCheckRequest::default()).await.unwrap();
        times.push(begun.elapsed());
    }
    // The median: other tests share the machine.
    times.sort();
    assert!(times[5] < Duration::from_millis(500), "four calls took {times:?}");
    flood.shutdown().await;
}

fn refusal_of(status: Option<Status>) -> String {
    let details = status.map(|status| status.get_error_details());
    let info = details.and_then(|details| details.error_info().cloned());
    info.map_or_else(String::new, |info| info.reason)
}

async fn log_in_again_and_again(mut client: AuthServiceClient<Channel>, source: String) {
    loop {
        let _ = client.login(from(&source, credentials("nobody", "wrong-password"))).await;
        sleep(Duration::from_millis(500)).await;
    }
}
