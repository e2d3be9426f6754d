//! Limits on connections (number, silence, age) and on concurrent calls.

use std::{
    error::Error as _,
    io,
    process::Stdio,
    time::{Duration, Instant},
};

use proto::auth::v1::{self as pb, auth_service_client::AuthServiceClient};
use test_support::{Refusal, eventually, refusal};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    time::{sleep, timeout},
};
use tonic::Code;

use crate::support::{App, database, overloaded, settings};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

async fn connect(app: &App) -> TcpStream {
    TcpStream::connect(app.service.address()).await.expect("the service listens")
}

/// Waits until the server closes this connection, and returns the time that took.
async fn closed(mut stream: TcpStream) -> Duration {
    let begun = Instant::now();
    let reading = async { while stream.read(&mut [0; 1024]).await.unwrap_or(0) > 0 {} };
    timeout(Duration::from_secs(10), reading).await.expect("the connection is closed");
    begun.elapsed()
}

#[tokio::test]
async fn at_the_limit_a_new_connection_evicts_the_least_recently_used_one() {
    let app = App::with(&["--server-max-connections", "3"]).await;
    let mut client = AuthServiceClient::new(app.service.channel());
    client.get_json_web_key_set(pb::GetJsonWebKeySetRequest {}).await.unwrap();
    let mut idle = Vec::new();
    for _ in 0..10 {
        idle.push(connect(&app).await);
    }
    let is_open = |stream: &TcpStream| {
        let read = stream.try_read(&mut [0; 1]);
        matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    };
    let open = || idle.iter().filter(|stream| is_open(stream)).count();
    eventually("two idle connections are open", async || open() == 2).await;
    assert!(is_open(&idle[8]) && is_open(&idle[9]), "the newest connections stay open");
    client.get_json_web_key_set(pb::GetJsonWebKeySetRequest {}).await.unwrap();
    assert_eq!(open(), 2, "the connection in use was not evicted");
}

#[tokio::test]
async fn a_connection_without_progress_is_closed() {
    let flags = ["--server-handshake-timeout-seconds", "1"];
    let keepalive = ["--server-keepalive-interval-seconds", "1"];
    let timeout = ["--server-keepalive-timeout-seconds", "1"];
    let app = App::with(&[flags, keepalive, timeout].concat()).await;
    let beginnings: [&[u8]; 5] = [b"", b"P", b"GET / HT", PREFACE, &PREFACE[..10]];
    let waiting = beginnings.map(|beginning| {
        let stream = connect(&app);
        async move {
            let mut stream = stream.await;
            stream.write_all(beginning).await.unwrap();
            let text = String::from_utf8_lossy(beginning);
            assert!(closed(stream).await < Duration::from_secs(5), "{text:?}");
        }
    });
    futures_util::future::join_all(waiting).await;
    assert!(app.key_set().await.is_ok());
}

#[tokio::test]
async fn a_connection_closes_at_its_maximum_age_without_failing_calls() {
    let app = App::with(&["--server-max-connection-age-seconds", "1"]).await;
    let mut http1 = connect(&app).await;
    let request = b"GET /.well-known/jwks.json HTTP/1.1\r\nhost: localhost\r\n\r\n";
    http1.write_all(request).await.unwrap();
    let mut client = app.client();
    let begun = Instant::now();
    let mut calls = 0;
    while begun.elapsed() < Duration::from_millis(2500) {
        let request = pb::GetJsonWebKeySetRequest {};
        match client.get_json_web_key_set(request).await {
            Ok(_) => calls += 1,
            // The connection closed before the call was sent. tonic does not resend such a call.
            Err(status) => assert!(status.source().is_some(), "a sent call failed: {status}"),
        }
        sleep(Duration::from_millis(1)).await;
    }
    assert!(calls > 100, "{calls}");
    assert!(closed(http1).await < Duration::from_secs(1));
}

#[tokio::test]
async fn calls_above_the_limit_are_rejected_immediately_except_health_checks() {
    let flags = ["--server-max-calls", "2", "--database-lock-timeout-ms", "60000"];
    let app = App::with(&flags).await;
    let mut lock = app.lock_users().await;
    let calls = [app.spawn_register("ada"), app.spawn_register("grace")];
    lock.eventually_blocks(2).await;
    for _ in 0..20 {
        let begun = Instant::now();
        assert_eq!(refusal(app.key_set().await), overloaded());
        assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
    }
    assert!(app.service.is_ready().await);
    lock.release().await;
    for call in calls {
        call.await.unwrap().unwrap();
    }
    app.key_set().await.unwrap();
}

#[tokio::test]
async fn a_panic_fails_only_its_own_call() {
    let app = App::start().await;
    let (ada, grace) = (app.new_token("ada").await, app.new_token("grace").await);
    // The service never writes this value, and sqlx panics when it reads it.
    app.database
        .execute("update auth.users set create_time = 'infinity' where username = 'ada'")
        .await;
    for _ in 0..3 {
        let (of_ada, of_grace) = tokio::join!(app.current_user(&ada), app.current_user(&grace));
        assert_eq!(refusal(of_ada), Refusal::new(Code::Internal, "INTERNAL"));
        assert_eq!(of_grace.unwrap().into_inner().user.unwrap().username, "grace");
    }
}

/// The CPU time of a process.
fn cpu_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs");
    let fields: Vec<_> = stat.rsplit(") ").next().expect("fields follow").split(' ').collect();
    let ticks = |field: usize| fields[field].parse::<u64>().expect("the field is a number");
    ticks(11) + ticks(12)
}

#[tokio::test]
async fn without_file_descriptors_the_listener_waits_without_spinning() {
    let database = database().await;
    let mut service = tokio::process::Command::new("sh")
        .args(["-c", r#"ulimit -n 40; exec "$0""#, env!("CARGO_BIN_EXE_auth-service")])
        .env_clear()
        .envs(settings(&database))
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the shell starts");
    let pid = service.id().expect("the service runs");
    let mut log = BufReader::new(service.stderr.take().expect("stderr is piped")).lines();
    let (mut address, mut is_ready) = (None, false);
    while !is_ready {
        let line = log.next_line().await.unwrap().expect("the service runs");
        let found = line.split(" address=").nth(1).and_then(|text| text.split(' ').next());
        address = address.or(found.map(|text| text.parse().expect("the field is an address")));
        is_ready = line.contains(" ready ");
    }
    let address: std::net::SocketAddr = address.expect("the address was logged");
    let mut open = Vec::new();
    for _ in 0..60 {
        open.push(TcpStream::connect(address).await.unwrap());
    }
    loop {
        let line = log.next_line().await.unwrap().expect("the service runs");
        if line.contains("cannot accept connections") {
            break;
        }
    }
    let before = cpu_ticks(pid);
    sleep(Duration::from_millis(500)).await;
    // A tick is 10 ms.
    let spent = cpu_ticks(pid) - before;
    assert!(spent < 20, "{spent} ticks in half a second");
    drop(open);
    eventually("the service is ready", async || tandem_server::is_ready(address).await).await;
}

/// An HTTP/2 frame (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("the payload is short").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

#[tokio::test]
async fn a_flood_of_resets_closes_its_connection_and_delays_no_other() {
    const HEADERS: u8 = 1;
    const RST_STREAM: u8 = 3;
    const SETTINGS: u8 = 4;
    let app = App::start().await;
    // `:method POST` and `:scheme http` as indexed fields, then `:path` and `:authority` as
    // literals with indexed names.
    let path = "/tandem.auth.v1.AuthService/GetJsonWebKeySet";
    let path_length = u8::try_from(path.len()).unwrap();
    let headers = [&[0x83, 0x86, 0x04, path_length], path.as_bytes(), b"\x01\x01a"].concat();
    let mut flood = connect(&app).await;
    flood.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await.unwrap();
    let flooding = async {
        for stream in (1..20_001).step_by(2) {
            // END_HEADERS without END_STREAM: the call waits for its message. Then CANCEL.
            let call = frame(HEADERS, 4, stream, &headers);
            let reset = frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes());
            if flood.write_all(&[call, reset].concat()).await.is_err() {
                return;
            }
        }
        assert!(closed(flood).await < Duration::from_secs(2), "the connection stays open");
    };
    let calling = async {
        let mut slowest = Duration::ZERO;
        for _ in 0..50 {
            let begun = Instant::now();
            app.key_set().await.expect("other connections are answered");
            slowest = slowest.max(begun.elapsed());
        }
        slowest
    };
    let ((), slowest) = tokio::join!(flooding, calling);
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
}
