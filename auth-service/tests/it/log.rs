//! The log: what stands in it, and what never does.

use std::{collections::VecDeque, time::Duration};

use proto::auth::v1::{
    GetCurrentUserRequest, LoginRequest, RegisterRequest, auth_service_client::AuthServiceClient,
};
use serde_json::Value;
use test_support::eventually;
use tokio::{net::TcpStream, time::sleep};
use tonic::Request;

use crate::support::{
    OTHER_ROOT_KEY, PASSWORD, Program, ROOT_KEY, TokenParts, database, run, settings, with_token,
};

#[tokio::test]
async fn no_secret_is_logged_even_when_all_else_is() {
    let database = database().await;
    let mut variables = settings(&database);
    variables.extend([("RUST_LOG", "trace"), ("LOG_FORMAT", "json")]);
    let mut program = Program::start(&variables);
    program.eventually_ready().await;

    let url = format!("http://{}", program.address().await);
    let mut client = AuthServiceClient::connect(url).await.unwrap();
    let request =
        RegisterRequest { username: "ada".into(), password: PASSWORD.into(), ..Default::default() };
    client.register(request.clone()).await.unwrap();
    client.register(request).await.unwrap_err();
    let bad = RegisterRequest {
        username: "no such!".into(),
        password: "bad-secret".into(),
        ..Default::default()
    };
    client.register(bad).await.unwrap_err();
    let request = LoginRequest { username: "ada".into(), password: PASSWORD.into() };
    let answer = client.login(request).await.unwrap().into_inner();
    let token = answer.tokens.unwrap().access_token;
    let wrong = LoginRequest { username: "ada".into(), password: "wrong-secret".into() };
    client.login(wrong).await.unwrap_err();
    client.get_current_user(with_token(&token, GetCurrentUserRequest {})).await.unwrap();
    let bad = format!("{token}bad-signature");
    client.get_current_user(with_token(&bad, GetCurrentUserRequest {})).await.unwrap_err();
    let pool = database.pool().await;
    let hash: String =
        sqlx::query_scalar("select password_hash from auth.users").fetch_one(&pool).await.unwrap();
    database.execute("drop table auth.users cascade").await;
    client.get_current_user(with_token(&token, GetCurrentUserRequest {})).await.unwrap_err();

    assert_eq!(program.terminate().await, Some(0));
    program.eventually_logs("auth-service has ended").await;
    let log = program.log();
    assert!(log.contains("call failed") && log.contains("\"level\":\"TRACE\""));
    let TokenParts { signature, .. } = TokenParts::of(&token);
    for secret in
        [PASSWORD, "bad-secret", "wrong-secret", "bad-signature", &signature, ROOT_KEY, &hash]
    {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is logged");
    }
}

#[tokio::test]
async fn a_flood_of_connections_is_told_once() {
    let database = database().await;
    let mut variables = settings(&database);
    variables.push(("SERVER_MAX_CONNECTIONS", "20"));
    let mut program = Program::start(&variables);
    program.eventually_ready().await;
    let address = program.address().await;
    let mut flood = VecDeque::new();
    for _ in 0..60 {
        flood.push_back(TcpStream::connect(address).await.unwrap());
        if flood.len() > 20 {
            // There is room for one in between.
            flood.pop_front();
            sleep(Duration::from_millis(5)).await;
        }
    }
    program.eventually_logs("SERVER_MAX_CONNECTIONS").await;
    drop(flood);
    let calm = async || {
        drop(TcpStream::connect(address).await.unwrap());
        program.log().contains("room for connections again")
    };
    eventually("it is over", calm).await;
    assert_eq!(program.terminate().await, Some(0));
    program.eventually_logs("auth-service has ended").await;
    let log = program.log();
    for text in ["SERVER_MAX_CONNECTIONS", "room for connections again"] {
        assert_eq!(log.matches(text).count(), 1, "{log}");
    }
}

/// The lines of the log that end calls.
fn calls(log: &str) -> Vec<Value> {
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).expect("it is JSON"));
    lines.filter(|line| line["target"] == "tandem::call").collect()
}

#[tokio::test]
async fn a_method_that_there_is_not_has_no_name_in_the_log() {
    let database = database().await;
    let mut variables = settings(&database);
    variables.push(("LOG_FORMAT", "json"));
    let mut program = Program::start(&variables);
    program.eventually_ready().await;
    let url = format!("http://{}", program.address().await);
    let made_up = format!("/tandem.auth.v1.AuthService/{}", "MadeUp".repeat(1000));
    let channel = tonic::transport::Endpoint::from_shared(url).unwrap().connect().await.unwrap();
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<GetCurrentUserRequest, GetCurrentUserRequest>::default();
    let path = made_up.parse().unwrap();
    grpc.unary(Request::new(GetCurrentUserRequest {}), path, codec).await.unwrap_err();
    program.terminate().await;
    let log = program.log();
    let calls = calls(&log);
    assert_eq!(calls.last().unwrap()["span"]["method"], "unknown");
    assert!(!log.contains("MadeUp"));
}

#[tokio::test]
async fn each_call_ends_in_one_line_that_says_what_it_was_and_what_came_of_it() {
    let database = database().await;
    let mut variables = settings(&database);
    variables.push(("LOG_FORMAT", "json"));
    let mut program = Program::start(&variables);
    program.eventually_ready().await;

    let url = format!("http://{}", program.address().await);
    let mut client = AuthServiceClient::connect(url).await.unwrap();
    let request =
        RegisterRequest { username: "ada".into(), password: PASSWORD.into(), ..Default::default() };
    let registered = client.register(request).await.unwrap();
    let made_up = registered.metadata().get("x-request-id").unwrap().to_str().unwrap().to_owned();
    let user = registered.into_inner().user.unwrap();
    let request = LoginRequest { username: "ada".into(), password: PASSWORD.into() };
    let token = client.login(request).await.unwrap().into_inner().tokens.unwrap().access_token;
    let mut request = with_token(&token, GetCurrentUserRequest {});
    request.metadata_mut().insert("x-request-id", "from-the-client".parse().unwrap());
    let answer = client.get_current_user(request).await.unwrap();
    assert_eq!(answer.metadata().get("x-request-id").unwrap(), "from-the-client");
    let refused = client.get_current_user(GetCurrentUserRequest {}).await.unwrap_err();
    assert!(refused.metadata().contains_key("x-request-id"));

    assert_eq!(program.terminate().await, Some(0));
    program.eventually_logs("auth-service has ended").await;
    let log = program.log();
    let calls = calls(&log);
    let [register, login, current_user, refused] = calls.as_slice() else { panic!("{log}") };
    for (line, method, code) in [
        (register, "Register", "OK"),
        (login, "Login", "OK"),
        (current_user, "GetCurrentUser", "OK"),
        (refused, "GetCurrentUser", "Unauthenticated"),
    ] {
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["span"]["method"], format!("/tandem.auth.v1.AuthService/{method}"));
        assert_eq!(line["code"], code);
        assert!(line["duration_ms"].as_f64().unwrap() > 0.0, "{line}");
    }
    assert_eq!(register["span"]["request_id"], made_up);
    assert_eq!(current_user["span"]["request_id"], "from-the-client");
    assert_eq!(current_user["span"]["user_id"], user.id);
    assert!(refused["span"]["user_id"].is_null(), "{refused}");
    // The other lines of a call carry its id as well.
    let event = log.lines().find(|line| line.contains("\"registered\"")).unwrap();
    let event: Value = serde_json::from_str(event).unwrap();
    assert_eq!(event["span"]["request_id"], made_up);
}

#[tokio::test]
async fn the_lines_of_calls_can_be_switched_off_and_failures_still_carry_the_request_id() {
    let database = database().await;
    let mut variables = settings(&database);
    let filter = "warn,auth_service=info,tandem::call=off";
    variables.extend([("LOG_FORMAT", "json"), ("RUST_LOG", filter)]);
    let mut program = Program::start(&variables);
    program.eventually_ready().await;
    let url = format!("http://{}", program.address().await);
    let mut client = AuthServiceClient::connect(url).await.unwrap();
    database.execute("drop table auth.users cascade").await;
    let mut request = Request::new(RegisterRequest {
        username: "ada".into(),
        password: PASSWORD.into(),
        ..Default::default()
    });
    request.metadata_mut().insert("x-request-id", "from-the-client".parse().unwrap());
    client.register(request).await.unwrap_err();
    program.terminate().await;
    program.eventually_logs("auth-service has ended").await;
    assert_eq!(calls(&program.log()), [Value::Null; 0], "{}", program.log());
    let log = program.log();
    let failure = log.lines().find(|line| line.contains("call failed")).unwrap();
    let failure: Value = serde_json::from_str(failure).unwrap();
    assert_eq!(failure["span"]["request_id"], "from-the-client");
}

#[tokio::test]
async fn each_line_is_a_json_object_where_that_is_the_format() {
    let database = database().await;
    let mut variables = settings(&database);
    variables.push(("LOG_FORMAT", "json"));
    let mut program = Program::start(&variables);
    program.eventually_ready().await;
    program.terminate().await;
    program.eventually_logs("auth-service has ended").await;
    for line in program.log().lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        for field in ["timestamp", "level", "target", "message"] {
            assert!(event[field].is_string(), "{field}: {line}");
        }
    }
}

#[tokio::test]
async fn text_that_no_terminal_shows_has_no_colours() {
    let database = database().await;
    let mut program = Program::start(&settings(&database));
    program.eventually_ready().await;
    program.terminate().await;
    assert!(!program.log().contains('\x1b'), "{}", program.log());
}

#[tokio::test]
async fn why_a_service_does_not_start_is_logged_without_its_secrets() {
    let database = database().await;
    let mut program = Program::start(&settings(&database));
    program.eventually_ready().await;
    program.terminate().await;

    let mut variables = settings(&database);
    variables.push(("AUTH_ROOT_KEY", OTHER_ROOT_KEY));
    let ended = run(&["serve"], &variables).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
    assert!(ended.stderr.contains("AUTH_ROOT_KEY"), "{ended:?}");
    assert!(!ended.stderr.contains(OTHER_ROOT_KEY), "{ended:?}");
}

#[tokio::test]
async fn a_database_that_is_away_is_logged_without_its_password() {
    let url = "postgres://tandem:hunter2@127.0.0.1:1/tandem";
    let variables = [
        ("AUTH_LISTEN_ADDRESS", "127.0.0.1:0"),
        ("AUTH_OPS_LISTEN_ADDRESS", "127.0.0.1:0"),
        ("AUTH_ROOT_KEY", ROOT_KEY),
        ("DATABASE_URL", url),
        ("DATABASE_ACQUIRE_TIMEOUT_MS", "100"),
        ("RUST_LOG", "trace"),
    ];
    let program = Program::start(&variables);
    program.eventually_logs("the database is away").await;
    assert!(!program.log().contains("hunter2"), "{}", program.log());
}
