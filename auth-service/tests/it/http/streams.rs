//! Streams: the health service's Watch by gRPC-Web and Connect.

use reqwest::{Method, Response};
use serde_json::{Value, json};
use test_support::Wire;

use super::wire;
use crate::support::App;

const WATCH: &str = "/grpc.health.v1.Health/Watch";

fn envelope(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("it is short");
    [&[0], &length.to_be_bytes()[..], message].concat()
}

async fn watch(wire: &Wire, kind: &str, body: Vec<u8>) -> Response {
    let request = wire.request(Method::POST, WATCH).header("content-type", kind).body(body);
    let response = request.send().await.expect("the service answers");
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], kind);
    response
}

/// Reads this many bytes.
async fn read(response: &mut Response, length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < length {
        bytes.extend(
            response.chunk().await.expect("the stream is intact").expect("the stream goes on"),
        );
    }
    bytes
}

#[tokio::test]
async fn a_stream_by_connect_sends_envelopes_and_its_status_last() {
    let app = App::start().await;
    let wire = wire(&app);
    let serving = envelope(br#"{"status":"SERVING"}"#);
    let mut json = watch(&wire, "application/connect+json", envelope(b"{}")).await;
    assert_eq!(read(&mut json, serving.len()).await, serving);
    let mut proto = watch(&wire, "application/connect+proto", envelope(b"")).await;
    assert_eq!(read(&mut proto, 7).await, envelope(&[8, 1]));
    let (stopped, rest) = tokio::join!(app.stop(), json.text());
    stopped.unwrap();
    let rest = rest.unwrap();
    let (_, end) = rest.split_once('\u{2}').expect("the last envelope has the flag 2");
    assert!(serde_json::from_str::<Value>(&end[4..]).is_ok(), "{end:?}");
}

#[tokio::test]
async fn a_stream_by_grpc_web_sends_frames() {
    let app = App::start().await;
    let mut web = watch(&wire(&app), "application/grpc-web+proto", envelope(b"")).await;
    assert_eq!(read(&mut web, 7).await, envelope(&[8, 1]));
}

#[tokio::test]
async fn a_request_that_is_no_envelope_ends_the_stream_with_an_error() {
    let app = App::start().await;
    let wire = wire(&app);
    for body in [b"{}".to_vec(), envelope(b"{"), envelope(b"[]"), vec![1, 0, 0, 0, 0], Vec::new()] {
        let response = watch(&wire, "application/connect+json", body.clone()).await;
        let bytes = response.bytes().await.unwrap();
        assert_eq!(bytes[0], 2, "{body:?}: {bytes:?}");
        let end: Value = serde_json::from_slice(&bytes[5..]).unwrap();
        assert_ne!(end["error"]["code"], json!(null), "{body:?}");
    }
}

#[tokio::test]
async fn a_method_is_called_only_in_the_way_of_its_kind() {
    let app = App::start().await;
    let wire = wire(&app);
    for (path, kind) in
        [(WATCH, "application/json"), ("/grpc.health.v1.Health/Check", "application/connect+json")]
    {
        let request = wire.request(Method::POST, path).header("content-type", kind);
        assert_eq!(request.body("{}").send().await.unwrap().status(), 415, "{path}");
    }
}
