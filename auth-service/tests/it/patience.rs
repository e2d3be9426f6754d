//! Peers that do not go on: requests that never end, answers that nobody takes, connections that
//! are over and stay.

use std::time::{Duration, Instant};

use http::{Request, StatusCode};
use test_support::eventually;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::support::App;

const KEY_SET: (&str, &str) = ("tandem.auth.v1.AuthService", "GetJsonWebKeySet");
const SLOW: Duration = Duration::from_secs(10);

/// A connection whose calls a test makes frame by frame, with windows of this size.
async fn connect(app: &App, window: u32) -> h2::client::SendRequest<bytes::Bytes> {
    let stream = TcpStream::connect(app.service.address()).await.expect("it listens");
    let handshake = h2::client::Builder::new().initial_window_size(window).handshake(stream).await;
    let (client, connection) = handshake.expect("it speaks HTTP/2");
    tokio::spawn(connection);
    client.ready().await.expect("it takes calls")
}

/// A call for the keys.
fn request(app: &App) -> Request<()> {
    let uri = format!("{}/{}/{}", app.service.url(), KEY_SET.0, KEY_SET.1);
    let request = Request::post(uri).header("content-type", "application/grpc");
    request.body(()).expect("it is a request")
}

#[tokio::test]
async fn requests_that_never_end_keep_nobody_out_and_count_as_given_up() {
    let app = App::with(&["--server-max-calls", "4"]).await;
    let mut client = connect(&app, 65_535).await;
    let mut open = Vec::new();
    for _ in 0..20 {
        let (answer, mut body) = client.send_request(request(&app), false).unwrap();
        body.send_data(vec![0, 0, 0].into(), false).unwrap();
        open.push((answer, body));
        client = client.ready().await.unwrap();
    }
    let count = async |code| app.service.handled(KEY_SET, code).await;
    // The last four wait, the others have made way for them.
    eventually("there is room for four", async || count("ResourceExhausted").await == 16).await;

    // Nor is somebody refused whose request is still on its way.
    let mut other = connect(&app, 65_535).await;
    let (answer, mut body) = other.send_request(request(&app), false).unwrap();
    eventually("the longest makes way", async || count("ResourceExhausted").await == 17).await;
    body.send_data(vec![0, 0, 0, 0, 0].into(), true).unwrap();
    answer.await.unwrap();
    eventually("it is answered", async || count("OK").await == 1).await;

    drop((open, client));
    eventually("the others have given up", async || count("Canceled").await == 3).await;
}

#[tokio::test]
async fn an_answer_that_nobody_takes_is_given_up() {
    let app = App::with(&["--server-keepalive-timeout-seconds", "1"]).await;
    let mut client = connect(&app, 0).await;
    let (answer, mut body) = client.send_request(request(&app), false).unwrap();
    body.send_data(vec![0, 0, 0, 0, 0].into(), true).unwrap();
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let mut body = answer.into_body();
    let ended = timeout(SLOW, body.data()).await.expect("it is given up");
    assert!(ended.is_some_and(|data| data.is_err()), "it is reset");
    assert_eq!(app.service.handled(KEY_SET, "Canceled").await, 1);
}

#[tokio::test]
async fn answers_that_nobody_takes_keep_nobody_out() {
    let app = App::with(&["--server-max-calls", "4"]).await;
    let mut client = connect(&app, 0).await;
    let mut untaken = Vec::new();
    for _ in 0..20 {
        let (answer, mut body) = client.send_request(request(&app), false).unwrap();
        body.send_data(vec![0, 0, 0, 0, 0].into(), true).unwrap();
        untaken.push(answer.await.unwrap().into_body());
        client = client.ready().await.unwrap();
    }
    app.key_set().await.unwrap();
    let given_up = async || app.service.handled(KEY_SET, "Canceled").await == 16;
    eventually("only four wait for their client", given_up).await;
}

#[tokio::test]
async fn a_client_may_give_up_all_of_its_calls() {
    let app = App::start().await;
    let mut client = connect(&app, 65_535).await;
    for _ in 0..5 {
        for _ in 0..150 {
            let (answer, mut body) = client.send_request(request(&app), false).unwrap();
            body.send_reset(h2::Reason::CANCEL);
            drop(answer);
            client = client.ready().await.expect("the connection is open");
        }
        let (answer, mut body) = client.send_request(request(&app), false).unwrap();
        body.send_data(vec![0, 0, 0, 0, 0].into(), true).unwrap();
        assert_eq!(answer.await.unwrap().status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn streams_without_end_are_as_many_as_calls() {
    let app = App::with(&["--server-max-calls", "4"]).await;
    let mut client = HealthClient::new(app.service.channel());
    let mut streams = Vec::new();
    for _ in 0..6 {
        let mut stream = client.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
        stream.message().await.unwrap().expect("it is told at once");
        streams.push(stream);
    }
    for stream in &mut streams[..2] {
        timeout(SLOW, stream.message()).await.expect("it ends").unwrap_err();
    }
    timeout(Duration::from_millis(200), streams[2].message()).await.expect_err("it goes on");
}

#[tokio::test]
async fn a_connection_that_is_over_ends_even_if_somebody_watches() {
    let ages = ["--server-max-connection-age-seconds", "1", "--server-drain-timeout-seconds", "1"];
    let app = App::with(&ages).await;
    let mut client = HealthClient::new(app.service.channel());
    let mut watch = client.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    watch.message().await.unwrap().expect("it is told at once");
    let ended = timeout(SLOW, watch.message()).await.expect("it ends");
    ended.expect_err("the connection was closed");
}

#[tokio::test]
async fn a_client_of_http_1_that_reads_no_answer_is_closed() {
    let app = App::with(&["--server-keepalive-timeout-seconds", "1"]).await;
    let mut stream = TcpStream::connect(app.service.address()).await.unwrap();
    let requests = "GET /.well-known/jwks.json HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(100);
    let begun = Instant::now();
    while begun.elapsed() < SLOW {
        let writing = stream.write_all(requests.as_bytes());
        if let Ok(Err(_)) = timeout(Duration::from_secs(5), writing).await {
            return;
        }
    }
    panic!("the connection is still open");
}

#[tokio::test]
async fn headers_of_http_1_are_as_large_as_those_of_http_2_may_be() {
    let app = App::start().await;
    for (bytes, status) in [(12 * 1024, "200"), (30 * 1024, "431")] {
        let mut stream = TcpStream::connect(app.service.address()).await.unwrap();
        let head = "GET /.well-known/jwks.json HTTP/1.1\r\nhost: localhost\r\nx-long: ";
        let request = format!("{head}{}\r\n\r\n", "a".repeat(bytes));
        // It may stop reading.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, format!("HTTP/1.1 {status}").as_bytes(), "{bytes}");
    }
}
