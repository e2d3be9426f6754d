//! Slow peers: requests that never end, answers that are not read, connections that stay open.

use std::time::{Duration, Instant};

use http::{Request, StatusCode};
use proto::grpc::health::v1::{HealthCheckRequest, health_client::HealthClient};
use test_support::eventually;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::{sleep, timeout},
};

use crate::support::App;

const KEY_SET: (&str, &str) = ("tandem.auth.v1.AuthService", "GetJsonWebKeySet");
const SLOW: Duration = Duration::from_secs(10);

/// An HTTP/2 connection with flow-control windows of this size.
async fn connect(app: &App, window: u32) -> h2::client::SendRequest<bytes::Bytes> {
    let stream = TcpStream::connect(app.service.address()).await.expect("the service listens");
    let handshake = h2::client::Builder::new().initial_window_size(window).handshake(stream).await;
    let (client, connection) = handshake.expect("the service speaks HTTP/2");
    tokio::spawn(connection);
    client.ready().await.expect("the connection accepts calls")
}

/// A GetJsonWebKeySet call.
fn request(app: &App) -> Request<()> {
    let uri = format!("{}/{}/{}", app.service.url(), KEY_SET.0, KEY_SET.1);
    let request = Request::post(uri).header("content-type", "application/grpc");
    request.body(()).expect("the request is valid")
}

#[tokio::test]
async fn requests_that_never_end_are_evicted_and_do_not_block_others() {
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
    // The last four stay, the others are evicted.
    eventually("16 requests are evicted", async || count("ResourceExhausted").await == 16).await;

    // A request that is still arriving is not rejected either.
    let mut other = connect(&app, 65_535).await;
    let (answer, mut body) = other.send_request(request(&app), false).unwrap();
    eventually("the oldest is evicted", async || count("ResourceExhausted").await == 17).await;
    body.send_data(vec![0, 0, 0, 0, 0].into(), true).unwrap();
    answer.await.unwrap();
    eventually("the call is answered", async || count("OK").await == 1).await;

    drop((open, client));
    eventually("the others are cancelled", async || count("Canceled").await == 3).await;
}

#[tokio::test]
async fn an_answer_that_the_client_does_not_read_is_dropped() {
    let app = App::with(&["--server-keepalive-timeout-seconds", "1"]).await;
    let mut client = connect(&app, 0).await;
    let (answer, mut body) = client.send_request(request(&app), false).unwrap();
    body.send_data(vec![0, 0, 0, 0, 0].into(), true).unwrap();
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let mut body = answer.into_body();
    let ended = timeout(SLOW, body.data()).await.expect("the stream ends");
    assert!(ended.is_some_and(|data| data.is_err()), "the stream is reset");
    assert_eq!(app.service.handled(KEY_SET, "Canceled").await, 1);
}

#[tokio::test]
async fn answers_that_clients_do_not_read_do_not_block_others() {
    let app = App::with(&["--server-max-calls", "4"]).await;
    let mut client = connect(&app, 0).await;
    let mut unread = Vec::new();
    for _ in 0..20 {
        let (answer, mut body) = client.send_request(request(&app), false).unwrap();
        body.send_data(vec![0, 0, 0, 0, 0].into(), true).unwrap();
        unread.push(answer.await.unwrap().into_body());
        client = client.ready().await.unwrap();
    }
    app.key_set().await.unwrap();
    let dropped = async || app.service.handled(KEY_SET, "Canceled").await == 16;
    eventually("all but four answers are dropped", dropped).await;
}

#[tokio::test]
async fn a_client_can_cancel_all_of_its_calls() {
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
async fn endless_streams_are_limited_like_calls() {
    let app = App::with(&["--server-max-calls", "4"]).await;
    let mut client = HealthClient::new(app.service.channel());
    let mut streams = Vec::new();
    for _ in 0..6 {
        let mut stream = client.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
        stream.message().await.unwrap().expect("the status is sent immediately");
        streams.push(stream);
    }
    for stream in &mut streams[..2] {
        timeout(SLOW, stream.message()).await.expect("the stream ends").unwrap_err();
    }
    let third = timeout(Duration::from_millis(200), streams[2].message()).await;
    third.expect_err("the stream stays open");
}

#[tokio::test]
async fn a_connection_closes_at_its_maximum_age_even_with_an_open_watch() {
    let ages = ["--server-max-connection-age-seconds", "1", "--server-drain-timeout-seconds", "1"];
    let app = App::with(&ages).await;
    let mut client = HealthClient::new(app.service.channel());
    let mut watch = client.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    watch.message().await.unwrap().expect("the status is sent immediately");
    let ended = timeout(SLOW, watch.message()).await.expect("the watch ends");
    ended.expect_err("the connection was closed");
}

#[tokio::test]
async fn an_http_1_connection_whose_client_reads_no_answers_is_closed() {
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
async fn http_1_headers_have_the_limit_of_http_2_headers() {
    let app = App::start().await;
    for (bytes, status) in [(12 * 1024, "200"), (30 * 1024, "431")] {
        let mut stream = TcpStream::connect(app.service.address()).await.unwrap();
        let head = "GET /.well-known/jwks.json HTTP/1.1\r\nhost: localhost\r\nx-long: ";
        let request = format!("{head}{}\r\n\r\n", "a".repeat(bytes));
        // The server can stop reading before the end.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, format!("HTTP/1.1 {status}").as_bytes(), "{bytes}");
    }
}

#[tokio::test]
async fn an_http_1_connection_whose_client_reads_a_response_slowly_is_closed() {
    let app = App::with(&["--server-keepalive-timeout-seconds", "1"]).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let address = app.service.address();
    let mut stream = socket.connect(address).await.unwrap();
    // More than the buffers of both ends hold.
    let requests = "GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(100);
    stream.write_all(requests.as_bytes()).await.unwrap();
    let begun = Instant::now();
    let mut read = 0;
    let mut bytes = [0; 2048];
    let reading = async {
        while let Ok(count @ 1..) = stream.read(&mut bytes).await {
            read += count;
            if begun.elapsed() < SLOW / 2 {
                sleep(Duration::from_millis(50)).await;
            }
        }
    };
    timeout(SLOW, reading).await.expect("the connection is closed");
    let whole = 100 * include_str!("../../../../docs/reference/openapi-auth.json").len();
    assert!(read < whole, "all {read} bytes were sent");
}
