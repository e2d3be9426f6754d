//! The log: its content, its format, and the secrets that it must not contain.

use std::{collections::VecDeque, time::Duration};

use proto::auth::v1::{
    self as pb, GetCurrentUserRequest, RegisterRequest, admin_service_client::AdminServiceClient,
    auth_service_client::AuthServiceClient, complete_login_request::Factor,
};
use serde_json::Value;
use sqlx::query_scalar;
use test_support::{TestDatabase, eventually, with_token};
use tokio::{net::TcpStream, time::sleep};
use tonic::{Request, client::Grpc, transport::Channel};
use tonic_prost::ProstCodec;

use crate::support::{
    Authenticator, OTHER_ROOT_KEY, PASSWORD, ROOT_KEY, TokenParts, credentials, database,
    registration, run, serve, settings, start,
};

const JSON: (&str, &str) = ("LOG_FORMAT", "json");

#[tokio::test]
async fn no_secret_is_logged_at_any_level() {
    let database = database().await;
    let mut program = serve(&database, &[("RUST_LOG", "trace"), JSON]).await;

    let mut client = AuthServiceClient::new(program.channel().await);
    client.register(registration("ada", PASSWORD)).await.unwrap();
    client.register(registration("ada", PASSWORD)).await.unwrap_err();
    client.register(registration("no such!", "bad-secret")).await.unwrap_err();
    let answer = client.login(credentials("ada", PASSWORD)).await.unwrap().into_inner();
    let token = answer.tokens().unwrap().access_token;
    client.login(credentials("ada", "wrong-secret")).await.unwrap_err();
    client.get_current_user(with_token(&token, GetCurrentUserRequest {})).await.unwrap();
    let bad = format!("{token}bad-signature");
    client.get_current_user(with_token(&bad, GetCurrentUserRequest {})).await.unwrap_err();
    let secrets = second_factor_secrets(&program.channel().await, &database, &token).await;
    let hash = query_scalar("select password_hash from auth.users");
    let hash: String = hash.fetch_one(&database.pool().await).await.unwrap();
    database.execute("drop table auth.users cascade").await;
    client.get_current_user(with_token(&token, GetCurrentUserRequest {})).await.unwrap_err();

    assert_eq!(program.terminate().await, Some(0));
    let log = program.log();
    assert!(log.contains("call failed") && log.contains("\"level\":\"TRACE\""));
    let TokenParts { signature, .. } = TokenParts::of(&token);
    let mut all =
        vec![PASSWORD, "bad-secret", "wrong-secret", "bad-signature", &signature, ROOT_KEY, &hash];
    all.extend(secrets.iter().map(String::as_str));
    for secret in all {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is logged");
    }
}

/// Enables the second factor, logs in with it and resets the password. Returns the secrets of these
/// calls.
async fn second_factor_secrets(
    channel: &Channel,
    database: &TestDatabase,
    token: &str,
) -> Vec<String> {
    let mut client = AuthServiceClient::new(channel.clone());
    let current_password = PASSWORD.to_owned();
    let request = pb::BeginTotpEnrollmentRequest { current_password };
    let begun = client.begin_totp_enrollment(with_token(token, request)).await;
    let begun = begun.expect("the enrolment begins").into_inner();
    let authenticator = Authenticator::new(&begun.secret);
    let step = shared::time::now().timestamp() / 30;
    let confirm = pb::ConfirmTotpRequest { code: authenticator.code(step) };
    let confirmed = client.confirm_totp(with_token(token, confirm)).await;
    let confirmed = confirmed.expect("the code is right").into_inner();
    let answer = client.login(credentials("ada", PASSWORD)).await.expect("the password is right");
    let challenge = answer.into_inner().challenge().expect("a factor is missing").challenge;
    let [used, wrong, ..] = &confirmed.recovery_codes[..] else { panic!("there are ten") };
    for (challenge, code) in [(&challenge, used), (&challenge, used), (&begun.secret, wrong)] {
        let factor = Some(Factor::RecoveryCode(code.clone()));
        let request = pb::CompleteLoginRequest { challenge: challenge.clone(), factor };
        let _ = client.complete_login(request).await;
    }
    let sql = "update auth.users set roles = '{admin}' where username = 'ada'";
    database.execute(sql).await;
    let factor = Some(Factor::RecoveryCode(wrong.clone()));
    let request = pb::CompleteLoginRequest { challenge: challenge.clone(), factor };
    let login = client.complete_login(request).await.expect("the code is unused").into_inner();
    let admin = login.tokens.expect("tokens are returned").access_token;
    let user_id = login.user.expect("a user is returned").id;
    let create = pb::CreatePasswordResetTokenRequest { user_id };
    let mut admins = AdminServiceClient::new(channel.clone());
    let created = admins.create_password_reset_token(with_token(&admin, create)).await;
    let reset_token = created.expect("the token is created").into_inner().reset_token;
    let new_password = PASSWORD.to_owned();
    let request = pb::ResetPasswordRequest { reset_token: reset_token.clone(), new_password };
    client.reset_password(request.clone()).await.expect("the token is unused");
    client.reset_password(request).await.expect_err("the token is used");
    let recovery_codes = [used, wrong].map(|code| code.replace('-', ""));
    let shown = [used.clone(), wrong.clone(), begun.secret, challenge, reset_token];
    shown.into_iter().chain(recovery_codes).collect()
}

#[tokio::test]
async fn a_flood_of_connections_is_logged_once() {
    let database = database().await;
    let mut program = serve(&database, &[("SERVER_MAX_CONNECTIONS", "20")]).await;
    let address = program.address().await;
    let mut flood = VecDeque::new();
    for _ in 0..60 {
        flood.push_back(TcpStream::connect(address).await.unwrap());
        if flood.len() > 20 {
            // Below the limit for a moment.
            flood.pop_front();
            sleep(Duration::from_millis(5)).await;
        }
    }
    program.eventually_logs("SERVER_MAX_CONNECTIONS").await;
    drop(flood);
    let is_over = async || {
        drop(TcpStream::connect(address).await.unwrap());
        program.log().contains("connections below the limit again")
    };
    eventually("the flood is over", is_over).await;
    assert_eq!(program.terminate().await, Some(0));
    let log = program.log();
    for text in ["SERVER_MAX_CONNECTIONS", "connections below the limit again"] {
        assert_eq!(log.matches(text).count(), 1, "{log}");
    }
}

/// The log lines that end calls.
fn calls(log: &str) -> Vec<Value> {
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON lines"));
    lines.filter(|line| line["target"] == "tandem::call").collect()
}

/// The only log line that contains `text`.
fn line_with(log: &str, text: &str) -> Value {
    let line = log.lines().find(|line| line.contains(text)).expect("the line is logged");
    serde_json::from_str(line).expect("the line is JSON")
}

#[tokio::test]
async fn the_name_of_an_unknown_method_is_not_logged() {
    let database = database().await;
    let mut program = serve(&database, &[JSON]).await;
    let made_up = format!("/tandem.auth.v1.AuthService/{}", "MadeUp".repeat(1000));
    let mut grpc = Grpc::new(program.channel().await);
    grpc.ready().await.unwrap();
    let codec = ProstCodec::<GetCurrentUserRequest, GetCurrentUserRequest>::default();
    let path = made_up.parse().unwrap();
    grpc.unary(Request::new(GetCurrentUserRequest {}), path, codec).await.unwrap_err();
    program.terminate().await;
    let log = program.log();
    assert_eq!(calls(&log).last().unwrap()["span"]["method"], "unknown");
    assert!(!log.contains("MadeUp"));
}

#[tokio::test]
async fn each_call_ends_with_one_line_about_the_call_and_its_result() {
    let database = database().await;
    let mut program = serve(&database, &[JSON]).await;

    let mut client = AuthServiceClient::new(program.channel().await);
    let registered = client.register(registration("ada", PASSWORD)).await.unwrap();
    let generated = registered.metadata().get("x-request-id").unwrap();
    let generated = generated.to_str().unwrap().to_owned();
    let user = registered.into_inner().user.unwrap();
    let answer = client.login(credentials("ada", PASSWORD)).await.unwrap().into_inner();
    let token = answer.tokens().unwrap().access_token;
    let mut request = with_token(&token, GetCurrentUserRequest {});
    request.metadata_mut().insert("x-request-id", "from-the-client".parse().unwrap());
    let answer = client.get_current_user(request).await.unwrap();
    assert_eq!(answer.metadata().get("x-request-id").unwrap(), "from-the-client");
    let rejected = client.get_current_user(GetCurrentUserRequest {}).await.unwrap_err();
    assert!(rejected.metadata().contains_key("x-request-id"));

    assert_eq!(program.terminate().await, Some(0));
    let log = program.log();
    let calls = calls(&log);
    let [register, login, current_user, rejected] = calls.as_slice() else { panic!("{log}") };
    for (line, method, code) in [
        (register, "Register", "OK"),
        (login, "Login", "OK"),
        (current_user, "GetCurrentUser", "OK"),
        (rejected, "GetCurrentUser", "Unauthenticated"),
    ] {
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["span"]["method"], format!("/tandem.auth.v1.AuthService/{method}"));
        assert_eq!(line["code"], code);
        assert!(line["duration_ms"].as_f64().unwrap() > 0.0, "{line}");
    }
    assert_eq!(register["span"]["request_id"], generated);
    assert_eq!(current_user["span"]["request_id"], "from-the-client");
    assert_eq!(current_user["span"]["user_id"], user.id);
    assert!(rejected["span"]["user_id"].is_null(), "{rejected}");
    // The other lines of a call carry its request id as well.
    assert_eq!(line_with(&log, "\"registered\"")["span"]["request_id"], generated);
}

#[tokio::test]
async fn the_line_of_an_invalid_request_names_its_fields_and_no_value() {
    let database = database().await;
    let mut program = serve(&database, &[JSON]).await;
    let mut client = AuthServiceClient::new(program.channel().await);
    let request_id = "no-uuid".to_owned();
    let bad = RegisterRequest { request_id, ..registration("no such!", "123") };
    client.register(bad).await.unwrap_err();
    program.terminate().await;
    let log = program.log();
    let [line] = &calls(&log)[..] else { panic!("{log}") };
    assert_eq!(line["span"]["reason"], "INVALID_FIELD");
    assert_eq!(line["span"]["fields"], "username,password,request_id");
    assert!(!log.contains("no such!") && !log.contains("no-uuid"), "{log}");
}

#[tokio::test]
async fn without_the_lines_of_calls_failures_still_carry_the_request_id() {
    let database = database().await;
    let filter = ("RUST_LOG", "warn,tandem_server=info,tandem::call=off");
    let mut program = serve(&database, &[JSON, filter]).await;
    let mut client = AuthServiceClient::new(program.channel().await);
    database.execute("drop table auth.users cascade").await;
    let mut request = Request::new(registration("ada", PASSWORD));
    request.metadata_mut().insert("x-request-id", "from-the-client".parse().unwrap());
    client.register(request).await.unwrap_err();
    program.terminate().await;
    let log = program.log();
    assert_eq!(calls(&log), [Value::Null; 0], "{log}");
    assert_eq!(line_with(&log, "call failed")["span"]["request_id"], "from-the-client");
}

#[tokio::test]
async fn in_the_json_format_each_line_is_an_object() {
    let database = database().await;
    let mut program = serve(&database, &[JSON]).await;
    program.terminate().await;
    for line in program.log().lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        for field in ["timestamp", "level", "target", "message"] {
            assert!(event[field].is_string(), "{field}: {line}");
        }
    }
}

#[tokio::test]
async fn without_a_terminal_the_text_format_has_no_colours() {
    let database = database().await;
    let mut program = serve(&database, &[]).await;
    program.terminate().await;
    assert!(!program.log().contains('\x1b'), "{}", program.log());
}

#[tokio::test]
async fn a_failed_start_is_logged_without_secrets() {
    let database = database().await;
    serve(&database, &[]).await.terminate().await;

    let mut variables = settings(&database);
    variables.push(("AUTH_ROOT_KEY", OTHER_ROOT_KEY));
    let ended = run(&["serve"], &variables).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
    assert!(ended.stderr.contains("AUTH_ROOT_KEY"), "{ended:?}");
    assert!(!ended.stderr.contains(OTHER_ROOT_KEY), "{ended:?}");
}

#[tokio::test]
async fn a_database_outage_is_logged_without_the_password() {
    let url = "postgres://tandem:hunter2@127.0.0.1:1/tandem";
    let variables = [
        ("AUTH_LISTEN_ADDRESS", "127.0.0.1:0"),
        ("AUTH_OPS_LISTEN_ADDRESS", "127.0.0.1:0"),
        ("AUTH_ROOT_KEY", ROOT_KEY),
        ("DATABASE_URL", url),
        ("DATABASE_ACQUIRE_TIMEOUT_MS", "100"),
        ("RUST_LOG", "trace"),
    ];
    let program = start(&variables);
    program.eventually_logs("database unavailable, retrying").await;
    assert!(!program.log().contains("hunter2"), "{}", program.log());
}
