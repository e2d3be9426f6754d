//! Streams of Connect: messages in envelopes, in both directions, and the status in the last one.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    error::Error as StdError,
    sync::{Arc, atomic::AtomicBool},
};

use axum::{
    Router,
    body::{Body, BodyDataStream, Bytes},
    http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE, request},
    response::Response,
};
use bytes::{Buf as _, BytesMut};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http_body::Frame;
use http_body_util::BodyStream;
use serde::Serialize;
use shared::error::{Error, GrpcCode};
use tonic::Status;

use crate::{
    api::{Api, Call},
    call::{self, PREFIX_BYTES},
    connect::Codec,
    failure, json, rest,
};

/// The flag of the envelope that ends a response.
const END: u8 = 2;

type BoxError = Box<dyn StdError + Send + Sync>;

/// The last envelope of a response.
#[derive(Serialize)]
struct EndStream<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<failure::Connect<'a>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, Vec<String>>,
}

/// Messages that arrive in pieces, each behind a flag and its length.
#[derive(Default)]
struct Envelopes(BytesMut);

impl Envelopes {
    /// The next message, if all of it has arrived. gRPC's own frames are such envelopes, too.
    fn next(&mut self, max_bytes: usize) -> Result<Option<Bytes>, Status> {
        let Some((&[flag, a, b, c, d], _)) = self.0.split_first_chunk::<PREFIX_BYTES>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if flag != 0 {
            return Err(json::violation("body", "must have uncompressed envelopes").into());
        }
        if length > max_bytes {
            return Err(Error::MessageTooLarge.into());
        }
        if self.0.len() < PREFIX_BYTES + length {
            return Ok(None);
        }
        self.0.advance(PREFIX_BYTES);
        Ok(Some(self.0.split_to(length).freeze()))
    }
}

/// Answers a streaming call.
pub(crate) async fn answer(
    api: &Arc<Api>,
    grpc: &Router,
    call: Call,
    codec: Codec,
    (head, body): (request::Parts, Body),
    max_bytes: usize,
) -> Response {
    let input = call.method.input();
    let requests = messages(body.into_data_stream(), max_bytes).map(move |message| {
        let message = codec.request(&input, message?, &AtomicBool::new(false));
        Ok::<_, BoxError>(call::frame(&message.map_err(Status::from)?)?)
    });
    let response = call::send(grpc, head, Body::from_stream(requests)).await;
    let (mut head, body) = response.into_parts();
    let status = call::take_status(&mut head.headers);
    let responses = Responses {
        api: api.clone(),
        call,
        codec,
        frames: BodyStream::new(body),
        arrived: Envelopes::default(),
        early: status,
        has_ended: false,
    };
    let body = stream::unfold(responses, async |mut responses| {
        Some((Ok::<_, Infallible>(responses.next().await?), responses))
    });
    let mut response = Response::new(Body::from_stream(body));
    *response.status_mut() = StatusCode::OK;
    let kind = match codec {
        Codec::Json => "application/connect+json",
        Codec::Proto => "application/connect+proto",
    };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    rest::finish(head, response)
}

/// The messages of a request.
fn messages(
    pieces: BodyDataStream,
    max_bytes: usize,
) -> impl stream::Stream<Item = Result<Bytes, BoxError>> {
    let state = (pieces, Envelopes::default());
    stream::try_unfold(state, move |(mut pieces, mut arrived)| async move {
        loop {
            if let Some(message) = arrived.next(max_bytes)? {
                return Ok(Some((message, (pieces, arrived))));
            }
            match pieces.try_next().await? {
                Some(piece) => arrived.0.extend_from_slice(&piece),
                None if arrived.0.is_empty() => return Ok(None),
                None => {
                    let cut = json::violation("body", "must end with a whole envelope");
                    return Err(Status::from(cut).into());
                }
            }
        }
    })
}

/// A response on its way to the client.
struct Responses {
    api: Arc<Api>,
    call: Call,
    codec: Codec,
    frames: BodyStream<Body>,
    arrived: Envelopes,
    /// The status of a call that failed before its first message.
    early: Option<Status>,
    has_ended: bool,
}

impl Responses {
    /// The next envelope; none after the last.
    async fn next(&mut self) -> Option<Bytes> {
        if self.has_ended {
            return None;
        }
        if let Some(status) = self.early.take() {
            return Some(self.end(&status, &HeaderMap::new()));
        }
        loop {
            match self.arrived.next(usize::MAX) {
                Ok(Some(message)) => {
                    let message = self.codec.response(&self.call.method.output(), message);
                    return Some(match message {
                        Ok(message) => envelope(0, &message),
                        Err(status) => self.end(&status, &HeaderMap::new()),
                    });
                }
                Ok(None) => {}
                Err(status) => return Some(self.end(&status, &HeaderMap::new())),
            }
            let frame = self.frames.next().await.and_then(Result::ok);
            match frame.map(Frame::into_data) {
                Some(Ok(data)) => self.arrived.0.extend_from_slice(&data),
                Some(Err(trailers)) => {
                    let mut trailers = trailers.into_trailers().unwrap_or_default();
                    let status = call::take_status(&mut trailers);
                    let status = status.unwrap_or_else(|| lost().into());
                    return Some(self.end(&status, &trailers));
                }
                None => return Some(self.end(&lost().into(), &HeaderMap::new())),
            }
        }
    }

    fn end(&mut self, status: &Status, trailers: &HeaderMap) -> Bytes {
        self.has_ended = true;
        let is_ok = GrpcCode::from(status).is_ok();
        let error = (!is_ok).then(|| failure::connect_error(&self.api.pool, status));
        let mut metadata: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in trailers {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            metadata.entry(name.to_string()).or_default().push(value);
        }
        envelope(END, &failure::to_json(&EndStream { error, metadata }))
    }
}

fn lost() -> Error {
    Error::Internal("the response has no status".into())
}

fn envelope(flag: u8, message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&[flag][..], &length.to_be_bytes(), message].concat().into()
}
