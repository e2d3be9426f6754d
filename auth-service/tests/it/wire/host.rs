//! The `Host` header of HTTP requests, sent over raw sockets: HTTP clients send it correctly.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::App;

/// Sends a GET and returns the HTTP status.
async fn get(address: SocketAddr, path: &str, version: &str, hosts: &[&str]) -> u16 {
    let hosts: Vec<_> = hosts.iter().map(|host| format!("Host: {host}\r\n")).collect();
    let hosts = hosts.concat();
    let request = format!("GET {path} HTTP/{version}\r\n{hosts}Connection: close\r\n\r\n");
    let mut stream = TcpStream::connect(address).await.expect("the service listens");
    stream.write_all(request.as_bytes()).await.expect("the request is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("the answer is text");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.unwrap_or_else(|| panic!("no status in {answer:?}"))
}

#[tokio::test]
async fn an_http_request_that_does_not_name_exactly_one_host_is_rejected() {
    let app = App::start().await;
    for (address, path) in [
        (app.service.address(), "/.well-known/jwks.json"),
        (app.service.ops_address(), "/readyz"),
        (app.service.ops_address(), "/metrics"),
    ] {
        for (version, hosts, expected) in [
            ("1.1", &["a"][..], 200),
            ("1.1", &[], 400),
            ("1.1", &["a", "b"], 400),
            ("1.1", &["a", "a"], 400),
            ("1.0", &[], 200),
            ("1.0", &["a", "b"], 400),
        ] {
            let status = get(address, path, version, hosts).await;
            assert_eq!(status, expected, "{path}, HTTP/{version}, {hosts:?}");
        }
    }
}
