//! Connect: a method by its gRPC path, with JSON or binary messages.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use axum::{
    Router,
    body::Bytes,
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, request},
    response::Response,
};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use shared::error::{Error, FieldViolations, respell};
use tonic::Status;

use crate::{
    Protocol,
    api::{Api, Call},
    call::{self, Outcome},
    failure,
    json::{self, Spelling, Unknown},
    rest, stream,
};

/// How messages are encoded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    Json,
    Proto,
}

impl Codec {
    /// The codec of this content type, if the method can be called with it.
    pub(crate) fn new(content_type: &str, call: &Call) -> Option<Self> {
        let is_stream = call.method.is_client_streaming() || call.method.is_server_streaming();
        match (content_type, is_stream) {
            ("application/json", false) | ("application/connect+json", true) => Some(Self::Json),
            ("application/proto", false) | ("application/connect+proto", true) => Some(Self::Proto),
            _ => None,
        }
    }

    /// The encoded message that a client has sent.
    pub(crate) fn request(
        self,
        message: &MessageDescriptor,
        bytes: Bytes,
        is_snake_case: &AtomicBool,
    ) -> Result<Bytes, FieldViolations> {
        match self {
            Self::Proto => Ok(bytes),
            Self::Json => {
                let json = json::parse(&bytes)?;
                is_snake_case.fetch_or(json::has_snake_case(&json), Relaxed);
                json::encode(message, json, Unknown::Ignore)
            }
        }
    }

    /// An encoded message as the client reads it.
    pub(crate) fn response(
        self,
        message: &MessageDescriptor,
        bytes: Bytes,
    ) -> Result<Vec<u8>, Status> {
        match self {
            Self::Proto => Ok(bytes.into()),
            Self::Json => {
                let message = DynamicMessage::decode(message.clone(), bytes).ok();
                let json = message.and_then(|message| json::decode(&message, false));
                json.ok_or_else(|| Error::Internal("the response is not valid".into()).into())
            }
        }
    }
}

/// Answers a call of any kind.
pub(crate) async fn answer(
    api: &Arc<Api>,
    grpc: &Router,
    call: Call,
    codec: Codec,
    request: Request,
    max_bytes: usize,
) -> Response {
    let (mut head, body) = request.into_parts();
    if let Err(violations) = read_headers(&mut head) {
        let mut headers = HeaderMap::new();
        return failure::connect(&api.pool, &violations.into(), &mut headers);
    }
    call::into_grpc(&mut head, call.path.clone(), Protocol::Connect);
    if call.method.is_client_streaming() || call.method.is_server_streaming() {
        return stream::answer(api, grpc, call, codec, (head, body), max_bytes).await;
    }
    let is_snake_case = Arc::new(AtomicBool::new(false));
    let (input, noted) = (call.method.input(), is_snake_case.clone());
    let body = call::unary_body(body, max_bytes, move |body| codec.request(&input, body, &noted));
    let outcome = Outcome::receive(call::send(grpc, head, body).await).await;
    let input = call.method.input();
    let spelling =
        Spelling { request: input, body: None, is_snake_case: is_snake_case.load(Relaxed) };
    render(&api.pool, &call, codec, outcome, &spelling)
}

/// Checks the version of the protocol, and makes its time-out that of gRPC.
fn read_headers(head: &mut request::Parts) -> Result<(), FieldViolations> {
    if head.headers.get("connect-protocol-version").is_some_and(|version| version != "1") {
        return Err(json::violation("connect-protocol-version", "must be 1"));
    }
    let Some(timeout) = head.headers.remove("connect-timeout-ms") else { return Ok(()) };
    let digits = timeout.to_str().ok().filter(|text| {
        (1..=10).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    });
    let rule = "must be milliseconds, at most 10 digits";
    let digits = digits.ok_or_else(|| json::violation("connect-timeout-ms", rule))?;
    // gRPC accepts 8 digits. What is longer is beyond the service's own limit in seconds, too.
    let timeout = match digits.len() {
        ..=8 => format!("{digits}m"),
        longer => format!("{}S", &digits[..longer - 3]),
    };
    let timeout = HeaderValue::try_from(timeout);
    head.headers.insert("grpc-timeout", timeout.expect("digits are ASCII"));
    Ok(())
}

fn render(
    pool: &DescriptorPool,
    call: &Call,
    codec: Codec,
    outcome: Outcome,
    spelling: &Spelling,
) -> Response {
    let Outcome { mut head, trailers, message } = outcome;
    for (name, value) in &trailers {
        let name = HeaderName::try_from(format!("trailer-{name}"));
        head.headers.append(name.expect("a prefix keeps it a name"), value.clone());
    }
    let kind = match codec {
        Codec::Json => "application/json",
        Codec::Proto => "application/proto",
    };
    let body = message.and_then(|message| codec.response(&call.method.output(), message));
    let response = match (body, codec) {
        (Ok(body), _) => failure::response(StatusCode::OK, kind, body),
        (Err(status), Codec::Proto) => failure::connect(pool, &status, &mut head.headers),
        (Err(status), Codec::Json) => {
            let status = respell(status, |path| spelling.spell(path));
            failure::connect(pool, &status, &mut head.headers)
        }
    };
    rest::finish(head, response)
}
