//! Requests that reach no handler: too large, not protobuf, not gRPC, or to an unknown method.

use prost::Message as _;
use reqwest::{Method, StatusCode};
use test_support::{Refusal, refusal};
use tonic::{Code, Response, Status, client::Grpc, codegen::http::uri::PathAndQuery};
use tonic_prost::ProstCodec;

use crate::support::{App, PASSWORD, registration};

const REGISTER: &str = "/tandem.auth.v1.AuthService/Register";

/// Sends these bytes as the body of a call, and returns its error.
async fn post(app: &App, body: &[u8]) -> Refusal {
    let client = reqwest::Client::builder().http2_prior_knowledge().no_proxy().build();
    let url = format!("{}{REGISTER}", app.service.url());
    let request = client.expect("the client is valid").post(url).body(body.to_vec());
    let request = request.header("content-type", "application/grpc").header("te", "trailers");
    let response = request.send().await.expect("the service answers");
    let status = Status::from_header_map(response.headers()).expect("the answer has a gRPC status");
    refusal(Err::<Response<()>, _>(status))
}

/// A message in a gRPC frame.
fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("the message is short");
    [&[0], &length.to_be_bytes()[..], message].concat()
}

/// A message with this text as field 1.
fn field_1(text: &[u8]) -> Vec<u8> {
    let length = u8::try_from(text.len()).ok().filter(|length| *length < 128);
    [&[0x0a, length.expect("the text is short")], text].concat()
}

fn too_large() -> Refusal {
    Refusal::new(Code::ResourceExhausted, "MESSAGE_TOO_LARGE")
}

#[tokio::test]
async fn a_message_over_16_kib_is_too_large() {
    let app = App::start().await;
    let answer = app.try_register(&"a".repeat(16 * 1024), PASSWORD).await;
    assert_eq!(refusal(answer), too_large());
    let answer = app.try_log_in("ada", &"a".repeat(100_000)).await;
    assert_eq!(refusal(answer), too_large());
}

#[tokio::test]
async fn a_message_of_16_kib_is_validated() {
    let app = App::start().await;
    let name = "a".repeat(16 * 1024 - PASSWORD.len() - 2 - 4);
    let answer = app.try_register(&name, PASSWORD).await;
    assert_eq!(refusal(answer), Refusal::invalid(&["username"]));
}

#[tokio::test]
async fn the_message_limit_is_configurable() {
    let app = App::with(&["--max-request-bytes", "1024"]).await;
    let answer = app.try_register(&"a".repeat(1024), PASSWORD).await;
    assert_eq!(refusal(answer), too_large());
}

#[tokio::test]
async fn a_message_with_a_huge_declared_length_is_rejected_before_it_arrives() {
    let app = App::start().await;
    assert_eq!(post(&app, &[0, 0xff, 0xff, 0xff, 0xff]).await, too_large());
}

#[tokio::test]
async fn a_malformed_message_is_an_invalid_argument() {
    let app = App::start().await;
    for (what, body) in [
        ("not protobuf", frame(b"GET / HTTP/1.1")),
        ("a number for a text", frame(&[0x08, 0x01])),
        ("a field that ends early", frame(&[0x0a, 0x7f, b'a'])),
        ("a frame that ends early", vec![0, 0, 0, 0, 9, 1]),
        ("a frame of an unknown kind", vec![7, 0, 0, 0, 0]),
        ("no frame", vec![]),
    ] {
        assert_eq!(post(&app, &body).await, Refusal::invalid(&["request"]), "{what}");
    }
}

#[tokio::test]
async fn a_text_that_is_not_utf8_is_named() {
    let app = App::start().await;
    for text in [&b"\xff\xfe"[..], b"ada\x80", b"half an emoji: \xed\xa0\xbd", b"\xf0\x9f\x94"] {
        let answer = post(&app, &frame(&field_1(text))).await;
        assert_eq!(answer, Refusal::invalid(&["username"]), "{text:?}");
    }
}

#[tokio::test]
async fn an_unknown_field_is_ignored() {
    let app = App::start().await;
    let body = frame(&[field_1(b"ada"), vec![0x98, 0x06, 0x01]].concat());
    assert_eq!(post(&app, &body).await, Refusal::invalid(&["password"]));
}

#[tokio::test]
async fn a_request_that_is_not_grpc_reaches_no_method() {
    let app = App::start().await;
    let frame = frame(&registration("ada", PASSWORD).encode_to_vec());
    for (method, content_type, status) in [
        (Method::POST, "text/plain", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (Method::POST, "application/x-www-form-urlencoded", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (Method::POST, "application/json", StatusCode::BAD_REQUEST),
        (Method::GET, "application/grpc", StatusCode::METHOD_NOT_ALLOWED),
        (Method::PUT, "application/grpc", StatusCode::METHOD_NOT_ALLOWED),
    ] {
        let request = reqwest::Client::new()
            .request(method.clone(), app.service.url() + REGISTER)
            .header("content-type", content_type)
            .body(frame.clone());
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status, "{method} {content_type}");
    }
    assert_eq!(app.users().await, "0");
}

#[tokio::test]
async fn an_unknown_method_is_not_found() {
    let app = App::start().await;
    for path in [
        "/tandem.auth.v1.AuthService/Unregister",
        "/tandem.auth.v1.AuthService/register",
        "/tandem.auth.v9.AuthService/Register",
        "/nothing",
    ] {
        let mut grpc = Grpc::new(app.service.channel());
        grpc.ready().await.unwrap();
        let codec = ProstCodec::<(), ()>::default();
        let path = PathAndQuery::from_static(path);
        let answer = grpc.unary(tonic::Request::new(()), path, codec).await;
        assert_eq!(refusal(answer), Refusal::new(Code::Unimplemented, "METHOD_NOT_FOUND"));
    }
}
