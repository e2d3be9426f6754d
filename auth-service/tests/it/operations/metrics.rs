//! Metrics.

use proto::grpc::health::v1::{HealthCheckRequest, health_client::HealthClient};
use test_support::eventually;
use tonic::{Request, metadata::MetadataValue};

use crate::support::{App, PASSWORD, registration};

const SERVICE: &str = "tandem.auth.v1.AuthService";
const CODES: [&str; 17] = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];

impl App {
    async fn handled(&self, method: &str, code: &str) -> u64 {
        self.service.handled((SERVICE, method), code).await
    }

    /// Waits, because an answer reaches the client a moment before the call is counted.
    async fn eventually_handled(&self, method: &str, code: &str, count: u64) {
        let what = format!("{count} calls of {method} ended with {code}");
        let holds = async || self.handled(method, code).await >= count;
        eventually(&what, holds).await;
        assert_eq!(self.handled(method, code).await, count, "{method} {code}");
    }
}

#[tokio::test]
async fn every_method_and_code_is_exported_before_the_first_call() {
    let app = App::start().await;
    let (status, metrics) = app.service.ops("/metrics").await;
    assert_eq!(status, 200);
    for method in [
        "Register",
        "Login",
        "RefreshToken",
        "Logout",
        "ChangePassword",
        "ListSessions",
        "RevokeSession",
        "RevokeOtherSessions",
        "GetCurrentUser",
        "GetJsonWebKeySet",
        "ListEvents",
    ] {
        let labels = format!(
            "{{grpc_method=\"{method}\",grpc_service=\"{SERVICE}\",grpc_type=\"unary\"}} 0\n"
        );
        for name in ["grpc_server_started_total", "grpc_server_handling_seconds_count"] {
            assert!(metrics.contains(&format!("{name}{labels}")), "{method}\n{metrics}");
        }
        for code in CODES {
            assert_eq!(app.handled(method, code).await, 0, "{method} {code}");
        }
    }
    for method in ["Watch", "ServerReflectionInfo"] {
        assert!(metrics.contains(&format!("grpc_method=\"{method}\"")), "{method}\n{metrics}");
    }
    assert!(metrics.contains("grpc_type=\"bidi_stream\""), "{metrics}");
}

#[tokio::test]
async fn calls_are_counted_by_their_code() {
    let app = App::start().await;
    app.register("ada").await;
    let token = app.log_in("ada").await;
    app.try_log_in("ada", "wrong-password").await.unwrap_err();
    app.try_log_in("", "").await.unwrap_err();
    app.try_register("ada", PASSWORD).await.unwrap_err();
    app.current_user(&token).await.unwrap();
    app.current_user("no token").await.unwrap_err();
    app.database.execute("alter table auth.users rename to gone").await;
    app.current_user(&token).await.unwrap_err();
    for (method, code) in [
        ("Register", "OK"),
        ("Register", "AlreadyExists"),
        ("Login", "OK"),
        ("Login", "Unauthenticated"),
        ("Login", "InvalidArgument"),
        ("GetCurrentUser", "OK"),
        ("GetCurrentUser", "Unauthenticated"),
        ("GetCurrentUser", "Internal"),
    ] {
        app.eventually_handled(method, code, 1).await;
    }
    let labels =
        format!("{{grpc_method=\"Login\",grpc_service=\"{SERVICE}\",grpc_type=\"unary\"}}");
    for name in ["grpc_server_started_total", "grpc_server_handling_seconds_count"] {
        assert_eq!(app.service.count(&format!("{name}{labels}")).await, 3, "{name}");
    }
    let seconds = format!("grpc_server_handling_seconds_sum{labels}");
    assert!(app.service.metric(&seconds).await.parse::<f64>().unwrap() > 0.001);
}

#[tokio::test]
async fn a_call_that_the_framework_rejects_is_counted_with_its_code() {
    let app = App::start().await;
    app.try_register(&"x".repeat(20_000), PASSWORD).await.unwrap_err();
    app.eventually_handled("Register", "ResourceExhausted", 1).await;
}

#[tokio::test]
async fn unknown_methods_share_one_label() {
    let app = App::start().await;
    for name in ["/a.A/B", "/c.C/D", "/tandem.auth.v1.AuthService/Destroy"] {
        let request = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
        let request = request.post(app.service.url() + name);
        request.header("content-type", "application/grpc").send().await.unwrap();
    }
    let handled = async || app.service.handled(("unknown", "unknown"), "Unimplemented").await;
    eventually("the calls are counted", async || handled().await == 3).await;
    assert!(!app.service.ops("/metrics").await.1.contains("Destroy"));
}

#[tokio::test]
async fn cancelled_calls_and_calls_past_their_deadline_are_counted() {
    let app = App::with(&["--database-lock-timeout-ms", "60000"]).await;
    let mut lock = app.lock_users().await;
    let call = app.spawn_register("bob");
    lock.eventually_blocks(1).await;
    call.abort();
    app.eventually_handled("Register", "Canceled", 1).await;

    let mut request = Request::new(registration("ada", PASSWORD));
    // Set by hand, so that the client does not enforce the deadline itself.
    request.metadata_mut().insert("grpc-timeout", MetadataValue::from_static("300m"));
    app.client().register(request).await.unwrap_err();
    app.eventually_handled("Register", "DeadlineExceeded", 1).await;
    lock.release().await;
}

#[tokio::test]
async fn a_stream_is_counted_when_it_ends() {
    let app = App::start().await;
    let watch = ("grpc.health.v1.Health", "Watch");
    let mut client = HealthClient::new(app.service.channel());
    let mut stream = client.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    stream.message().await.unwrap().unwrap();
    assert_eq!(app.service.handled(watch, "Canceled").await, 0, "the stream is open");
    drop(stream);
    let ended = async || app.service.handled(watch, "Canceled").await == 1;
    eventually("the stream is counted", ended).await;
}

#[tokio::test]
async fn logins_that_the_queue_or_a_throttle_rejects_are_counted() {
    let queue = ["--hashing-threads", "1", "--hashing-queue", "0"];
    let other = ["--database-lock-timeout-ms", "60000", "--login-attempts-per-name", "1"];
    let app = App::with(&[queue, other].concat()).await;
    app.register("ada").await;
    let mut lock = app.lock_users().await;
    // The call is admitted before it waits for the database.
    let first = app.spawn_log_in("ada");
    lock.eventually_blocks(1).await;
    assert_eq!(app.service.count("tandem_auth_hashing_admitted").await, 1);
    assert_eq!(app.service.count("tandem_auth_hashing_running").await, 0);
    app.try_log_in("bob", PASSWORD).await.unwrap_err();
    let full = "tandem_auth_hashing_refused_total{reason=\"queue_full\"}";
    assert_eq!(app.service.count(full).await, 1);
    lock.release().await;
    first.await.unwrap().unwrap();

    app.try_log_in("ada", "wrong-password").await.unwrap_err();
    app.try_log_in("ada", "wrong-password").await.unwrap_err();
    let throttled = "tandem_auth_throttle_refused_total{kind=\"login_name\"}";
    assert_eq!(app.service.count(throttled).await, 1);
}

#[tokio::test]
async fn the_pool_and_the_process_are_exported() {
    let app = App::with(&["--database-max-connections", "7"]).await;
    app.register("ada").await;
    assert_eq!(app.service.count("tandem_db_pool_max_connections").await, 7);
    assert!(app.service.count("tandem_db_pool_connections").await >= 1);
    assert!(app.service.count("tandem_db_pool_idle_connections").await <= 7);
    let version = env!("CARGO_PKG_VERSION");
    let build = format!("tandem_build_info{{service=\"auth-service\",version=\"{version}\"}}");
    assert_eq!(app.service.count(&build).await, 1);
    if cfg!(target_os = "linux") {
        // In whole seconds, so it can be 0.
        app.service.count("process_cpu_seconds_total").await;
        for name in
            ["process_open_fds", "process_resident_memory_bytes", "process_start_time_seconds"]
        {
            assert!(app.service.metric(name).await.parse::<f64>().unwrap() > 0.0, "{name}");
        }
    }
}
