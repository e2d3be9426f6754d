//! Rate limits on logins, password changes and registrations.

use std::time::{Duration, Instant};

use proto::auth::v1::{self as pb, auth_service_client::AuthServiceClient};
use proto::grpc::health::v1::{HealthCheckRequest, health_client::HealthClient};
use test_support::{Refusal, bearer, eventually, refusal};
use tokio::{task::JoinSet, time::sleep};
use tonic::{Code, transport::Channel};
use tonic_types::StatusExt as _;

use crate::support::{
    Answer, App, PASSWORD, credentials, credentials_invalid, current_password_wrong, database,
    forwarded, overloaded, registration, serve, too_many_attempts,
};

/// The default limits; the harness sets higher ones.
const LIMITS: [&str; 4] = ["--login-attempts-per-source", "20", "--login-attempts-per-name", "5"];
/// Trusts the address of the tests as a proxy.
const PROXY: [&str; 2] = ["--trusted-proxies", "127.0.0.0/8"];

/// The retry delay of a rejected call.
fn retry_delay<T: std::fmt::Debug>(answer: Answer<T>) -> Duration {
    let status = answer.expect_err("the call must be rejected");
    let details = status.get_error_details();
    details.retry_info().and_then(|info| info.retry_delay).expect("a retry delay is present")
}

impl App {
    async fn log_in_from(
        &self,
        source: &str,
        name: &str,
        password: &str,
    ) -> Answer<pb::LoginResponse> {
        self.client().login(forwarded(source, credentials(name, password))).await
    }

    async fn register_from(&self, source: &str, name: &str) -> Answer<pb::RegisterResponse> {
        self.client().register(forwarded(source, registration(name, PASSWORD))).await
    }
}

#[tokio::test]
async fn after_five_wrong_passwords_the_name_is_throttled_at_this_source_only() {
    let app = App::with(&[&LIMITS[..], &PROXY].concat()).await;
    app.register("ada").await;
    for _ in 0..5 {
        let answer = app.log_in_from("192.0.2.1", "ada", "wrong-password").await;
        assert_eq!(refusal(answer), credentials_invalid());
    }
    let answer = app.log_in_from("192.0.2.1", "ADA", PASSWORD).await;
    assert_eq!(refusal(answer), too_many_attempts(), "even with the right password");
    app.log_in_from("192.0.2.2", "ada", PASSWORD).await.expect("another source is not throttled");
    app.register("bob").await;
    app.log_in_from("192.0.2.1", "bob", PASSWORD).await.expect("another name is not throttled");

    let delay = retry_delay(app.log_in_from("192.0.2.1", "ada", PASSWORD).await);
    assert!(delay <= Duration::from_secs(1), "{delay:?}");
    sleep(delay).await;
    app.log_in_from("192.0.2.1", "ada", PASSWORD).await.expect("the delay has passed");
    for _ in 0..5 {
        let answer = app.log_in_from("192.0.2.1", "ada", "wrong-password").await;
        assert_eq!(refusal(answer), credentials_invalid(), "a login clears the count");
    }
}

#[tokio::test]
async fn unknown_names_are_throttled_like_known_ones() {
    let app = App::with(&LIMITS).await;
    app.register("ada").await;
    for name in ["ada", "bob"] {
        let mut answers = Vec::new();
        for _ in 0..6 {
            answers.push(refusal(app.try_log_in(name, "wrong-password").await));
        }
        assert_eq!(answers[4], credentials_invalid(), "{name}");
        assert_eq!(answers[5], too_many_attempts(), "{name}");
    }
}

#[tokio::test]
async fn a_malformed_name_is_no_attempt() {
    let app = App::with(&LIMITS).await;
    app.register("ada").await;
    for _ in 0..25 {
        let answer = app.try_log_in(" ada", PASSWORD).await;
        assert_eq!(refusal(answer), Refusal::invalid(&["username"]));
    }
    app.log_in("ada").await;
}

#[tokio::test]
async fn after_twenty_wrong_passwords_the_source_is_throttled_for_every_name() {
    let app = App::with(&[&LIMITS[..], &PROXY].concat()).await;
    app.register("mallory").await;
    let mut names = (0..).map(|i| format!("user-{i}"));
    let mut guess = async |source: &str| {
        let name = names.next().expect("the names are endless");
        refusal(app.log_in_from(source, &name, "wrong-password").await)
    };
    for i in 0..20 {
        // One /64 is one source.
        assert_eq!(guess(&format!("2001:db8::{i:x}")).await, credentials_invalid(), "{i}");
        // A login to the attacker's own account does not clear the guesses at others.
        let own = app.log_in_from("2001:db8::1", "mallory", PASSWORD).await;
        assert_eq!(own.is_ok(), i < 19, "{i}");
    }
    assert_eq!(guess("2001:db8::ffff").await, too_many_attempts());
    let delay = retry_delay(app.log_in_from("2001:db8::1", "someone", PASSWORD).await);
    assert!(Duration::from_secs(5) < delay && delay <= Duration::from_secs(10), "{delay:?}");
    assert_eq!(guess("2001:db8:0:1::1").await, credentials_invalid(), "another source");
}

#[tokio::test]
async fn concurrent_guesses_do_not_exceed_the_limit() {
    let app = App::with(&[&LIMITS[..], &["--hashing-queue", "100"]].concat()).await;
    app.register("ada").await;
    let mut calls = JoinSet::new();
    for _ in 0..50 {
        let mut client = app.client();
        calls.spawn(async move { client.login(credentials("ada", "wrong-password")).await });
    }
    let answers = calls.join_all().await;
    let hashed = answers.into_iter().map(refusal).filter(|error| *error == credentials_invalid());
    assert_eq!(hashed.count(), 5);
}

#[tokio::test]
async fn attempts_without_a_hash_do_not_count() {
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
    app.service.eventually_ready().await;
    app.log_in("ada").await;
}

#[tokio::test]
async fn new_passwords_that_are_rejected_count_as_attempts() {
    let app = App::with(&[PROXY[0], PROXY[1], "--login-attempts-per-source", "3"]).await;
    let choose = async |source, name: &str, password: &str| {
        app.client().register(forwarded(source, registration(name, password))).await
    };
    for _ in 0..3 {
        let error = refusal(choose("203.0.113.5", "ada", "password").await);
        assert_eq!(error.code, Code::InvalidArgument, "{error:?}");
    }
    assert_eq!(refusal(choose("203.0.113.5", "ada", PASSWORD).await), too_many_attempts());
    for number in 0..4 {
        let answer = choose("203.0.113.6", &format!("user-{number}"), PASSWORD).await;
        answer.expect("accepted passwords do not count");
    }

    let login = app.log_in_from("203.0.113.7", "user-0", PASSWORD).await.unwrap().into_inner();
    let token = login.tokens().unwrap().access_token;
    let change = async || {
        let (current_password, new_password) = (PASSWORD.to_owned(), "password".to_owned());
        let request = pb::ChangePasswordRequest { current_password, new_password };
        let mut request = forwarded("203.0.113.7", request);
        request.metadata_mut().insert("authorization", bearer(&token).parse().unwrap());
        refusal(app.client().change_password(request).await)
    };
    for _ in 0..3 {
        assert_eq!(change().await.code, Code::InvalidArgument);
    }
    assert_eq!(change().await, too_many_attempts());
}

#[tokio::test]
async fn guesses_with_a_stolen_token_are_throttled() {
    let app = App::with(&LIMITS).await;
    let login = app.new_login("ada").await;
    let guess = async || login.change_password("wrong-password", "loud-walrus-dives-south").await;
    for _ in 0..5 {
        assert_eq!(refusal(guess().await), current_password_wrong(), "each counts once");
    }
    assert_eq!(refusal(guess().await), too_many_attempts());
    app.log_in("ada").await;
    login.refresh().await.expect("the session continues");
}

#[tokio::test]
async fn headers_that_disagree_do_not_lift_the_limit_behind_a_proxy_on_this_machine() {
    let app = App::with(&PROXY).await;
    let register = async |n: usize| {
        let name = format!("user-{n}");
        let mut request = forwarded("203.0.113.9", registration(&name, PASSWORD));
        // The client's own header, which the proxy passes on.
        request.metadata_mut().insert("forwarded", "for=198.51.100.7".parse().unwrap());
        app.client().register(request).await
    };
    for n in 0..5 {
        register(n).await.unwrap();
    }
    assert_eq!(refusal(register(5).await), too_many_attempts());
}

#[tokio::test]
async fn a_source_can_register_five_users_and_the_loopback_address_any_number() {
    let app = App::with(&PROXY).await;
    for i in 0..5 {
        app.register_from("192.0.2.1", &format!("user-{i}")).await.unwrap();
    }
    let answer = app.register_from("192.0.2.1", "one-more").await;
    assert_eq!(refusal(answer), too_many_attempts());
    let delay = retry_delay(app.register_from("192.0.2.1", "one-more").await);
    assert!(Duration::from_mins(11) < delay && delay <= Duration::from_mins(12), "{delay:?}");
    app.register_from("192.0.2.2", "one-more").await.expect("another source");
    for i in 5..12 {
        app.register(&format!("user-{i}")).await;
    }
}

#[tokio::test]
async fn a_registration_with_an_invalid_username_does_not_count() {
    let app = App::with(&PROXY).await;
    for _ in 0..8 {
        let answer = app.register_from("192.0.2.1", "no such!").await;
        assert_eq!(refusal(answer), Refusal::invalid(&["username"]));
    }
    app.register_from("192.0.2.1", "ada").await.unwrap();
}

#[tokio::test]
async fn the_forwarded_address_of_an_untrusted_peer_is_ignored() {
    let app = App::with(&LIMITS).await;
    for i in 0..6 {
        let answer = app.log_in_from(&format!("192.0.2.{i}"), "ada", "wrong-password").await;
        let expected = if i < 5 { credentials_invalid() } else { too_many_attempts() };
        assert_eq!(refusal(answer), expected);
    }
}

#[tokio::test]
async fn a_session_shows_the_address_of_the_client_behind_the_proxy() {
    let app = App::with(&PROXY).await;
    app.register("ada").await;
    app.log_in_from("6.6.6.6, 192.0.2.1", "ada", PASSWORD).await.unwrap();
    assert_eq!(app.query("select ip_address from auth.sessions").await, "192.0.2.1");
}

#[tokio::test]
async fn a_throttled_name_is_logged_once() {
    let database = database().await;
    let program = serve(&database, &[]).await;
    let mut client = AuthServiceClient::new(program.channel().await);
    for _ in 0..30 {
        client.login(credentials("ada", "wrong-password")).await.unwrap_err();
    }
    program.eventually_logs("login_throttled").await;
    assert_eq!(program.log().matches("login_throttled").count(), 1);
    assert_eq!(program.log().matches("login_failed").count(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_calls_stay_fast_during_a_flood_of_logins() {
    // Each login has its own source, so that the hashing queue sheds the load, not the throttle.
    let app =
        App::with(&[&PROXY[..], &["--bcrypt-cost", "10", "--hashing-threads", "1"]].concat()).await;
    let login = app.new_login("ada").await;
    let mut flood = JoinSet::new();
    for connection in 0..8_u32 {
        let client = app.client();
        for i in 0..125 {
            let source = format!("192.0.{connection}.{i}");
            flood.spawn(keep_logging_in(client.clone(), source));
        }
    }
    let mut health = HealthClient::new(app.service.channel());
    let is_full =
        async || refusal(app.try_log_in("unknown", "wrong-password").await) == overloaded();
    eventually("the queue is full", is_full).await;
    let mut times = Vec::new();
    for _ in 0..11 {
        let begun = Instant::now();
        login.refresh().await.unwrap();
        app.current_user(&login.tokens.access_token).await.unwrap();
        app.key_set().await.unwrap();
        health.check(HealthCheckRequest::default()).await.unwrap();
        times.push(begun.elapsed());
    }
    // The median, since other tests share the machine.
    times.sort();
    assert!(times[5] < Duration::from_millis(500), "four calls took {times:?}");
    flood.shutdown().await;
}

async fn keep_logging_in(mut client: AuthServiceClient<Channel>, source: String) {
    loop {
        let _ = client.login(forwarded(&source, credentials("unknown", "wrong-password"))).await;
        sleep(Duration::from_millis(500)).await;
    }
}
