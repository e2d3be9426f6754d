//! Clients over HTTP/1.1 that send slowly, too much, or several requests at once.

use std::time::Duration;

use test_support::eventually;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::support::App;

const LOGIN: (&str, &str) = ("tandem.auth.v1.AuthService", "Login");
const SLOW: Duration = Duration::from_secs(10);

/// A connection that has sent this text.
async fn send(app: &App, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(app.service.address()).await.expect("the service listens");
    stream.write_all(text.as_bytes()).await.expect("the text is sent");
    stream
}

/// All that the service sends until it closes the connection.
async fn read(mut stream: TcpStream) -> String {
    let mut text = String::new();
    let reading = stream.read_to_string(&mut text);
    timeout(SLOW, reading).await.expect("the connection closes").expect("it is text");
    text
}

fn login(body: &str, length: usize) -> String {
    format!(
        "POST /v1/sessions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn json_bodies_that_never_end_are_evicted_as_those_of_grpc_are() {
    let app = App::with(&["--server-max-calls", "4"]).await;
    let mut open = Vec::new();
    for path in ["/v1/sessions", "/tandem.auth.v1.AuthService/Login"] {
        for _ in 0..10 {
            open.push(send(&app, &login("{", 100).replace("/v1/sessions", path)).await);
        }
    }
    let count = async |code| app.service.handled(LOGIN, code).await;
    eventually("16 requests are evicted", async || count("ResourceExhausted").await == 16).await;
    // The service still answers others.
    let answer =
        read(send(&app, "GET /v1/keys HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await);
    assert!(answer.await.starts_with("HTTP/1.1 200 "));
    drop(open);
    eventually("the others are cancelled", async || count("Canceled").await == 4).await;
}

#[tokio::test]
async fn a_slow_json_body_ends_at_the_deadline_of_a_call() {
    let app = App::with(&["--call-timeout-seconds", "1"]).await;
    let mut stream = send(&app, &login("{", 100)).await;
    let mut answer = vec![0; 24];
    timeout(SLOW, stream.read_exact(&mut answer)).await.expect("in time").expect("an answer");
    assert_eq!(answer, b"HTTP/1.1 504 Gateway Tim");
}

#[tokio::test]
async fn a_json_body_that_is_cut_off_counts_as_cancelled() {
    let app = App::start().await;
    drop(send(&app, &login("{", 100)).await);
    let count = async || app.service.handled(LOGIN, "Canceled").await;
    eventually("the call is cancelled", async || count().await == 1).await;
}

#[tokio::test]
async fn headers_without_an_end_are_rejected() {
    let app = App::start().await;
    let header = format!("x: {}\r\n", "y".repeat(1000));
    let mut stream = send(&app, "GET /v1/keys HTTP/1.1\r\nhost: a\r\n").await;
    for _ in 0..100 {
        if stream.write_all(header.as_bytes()).await.is_err() {
            break;
        }
    }
    let mut answer = vec![0; 12];
    // The connection may already be reset.
    if timeout(SLOW, stream.read_exact(&mut answer)).await.expect("in time").is_ok() {
        assert_eq!(answer, b"HTTP/1.1 431");
    }
    let stream = send(&app, "GET /v1/keys HTTP/1.1\r\nhost: a\r\nx: ").await;
    assert_eq!(read(stream).await, "", "closed after the handshake time-out");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let app = App::start().await;
    let get = |path: &str, end: &str| format!("GET {path} HTTP/1.1\r\nhost: a\r\n{end}\r\n");
    let all = get("/v1/keys", "") + &login("{}", 2) + &get("/nothing", "connection: close\r\n");
    let answers = read(send(&app, &all).await).await;
    let statuses: Vec<_> = answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["200", "400", "404"]);
}

#[tokio::test]
async fn idle_keep_alive_connections_stay_within_the_limit() {
    let app = App::with(&["--server-max-connections", "8"]).await;
    let mut idle = Vec::new();
    for _ in 0..40 {
        let mut stream = send(&app, "GET /v1/keys HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let mut answer = vec![0; 12];
        timeout(SLOW, stream.read_exact(&mut answer)).await.expect("in time").expect("answered");
        assert_eq!(answer, b"HTTP/1.1 200");
        idle.push(stream);
    }
}
