//! A call to the gRPC router: the request's body on its way in, the response on its way out.

use std::error::Error as StdError;

use axum::{
    Router,
    body::{Body, Bytes},
    extract::Request,
    http::{
        HeaderMap, HeaderValue, Method,
        header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TE},
        request, response,
        uri::{PathAndQuery, Uri},
    },
    response::Response,
};
use futures_util::stream;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use shared::error::{Error, FieldViolations, GrpcCode};
use tonic::Status;
use tower::Service as _;

use crate::Protocol;

/// The length-prefix of a gRPC message, in bytes: a flag and the length.
pub(crate) const PREFIX_BYTES: usize = 5;

/// Headers of gRPC and of the encoding of its body, which mean nothing in another protocol.
const ENCODING: [&str; 5] =
    ["content-length", "content-type", "grpc-accept-encoding", "grpc-encoding", "trailer"];

type BoxError = Box<dyn StdError + Send + Sync>;

/// The body of a gRPC request with one message, translated from all of `body`, which has at most
/// `max_bytes`. It is read and translated only when the router reads it.
pub(crate) fn unary_body(
    body: Body,
    max_bytes: usize,
    translate: impl FnOnce(Bytes) -> Result<Bytes, FieldViolations> + Send + 'static,
) -> Body {
    Body::from_stream(stream::once(async move {
        let whole = Limited::new(body, max_bytes).collect().await.map_err(|error| {
            let is_long = error.is::<LengthLimitError>();
            if is_long { Status::from(Error::MessageTooLarge).into() } else { error }
        })?;
        let message = translate(whole.to_bytes()).map_err(Status::from)?;
        Ok::<_, BoxError>(frame(&message)?)
    }))
}

/// A message with its length-prefix.
pub(crate) fn frame(message: &[u8]) -> Result<Bytes, Status> {
    let length = u32::try_from(message.len()).map_err(|_| Error::MessageTooLarge)?;
    let mut frame = Vec::with_capacity(PREFIX_BYTES + message.len());
    frame.push(0);
    frame.extend(length.to_be_bytes());
    frame.extend(message);
    Ok(frame.into())
}

/// Makes the head of a request that of a gRPC request to the method at `path`.
pub(crate) fn into_grpc(head: &mut request::Parts, path: PathAndQuery, protocol: Protocol) {
    head.method = Method::POST;
    head.uri = Uri::from(path);
    for name in [CONTENT_LENGTH, CONTENT_ENCODING, ACCEPT_ENCODING] {
        head.headers.remove(name);
    }
    head.headers.remove("grpc-accept-encoding");
    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    head.headers.insert(TE, HeaderValue::from_static("trailers"));
    head.extensions.insert(protocol);
}

/// Calls the router.
pub(crate) async fn send(grpc: &Router, head: request::Parts, body: Body) -> Response {
    let Ok(response) = grpc.clone().call(Request::from_parts(head, body)).await;
    response
}

/// The end of a unary call.
pub(crate) struct Outcome {
    /// The response's headers, without those of gRPC.
    pub(crate) head: response::Parts,
    pub(crate) trailers: HeaderMap,
    pub(crate) message: Result<Bytes, Status>,
}

impl Outcome {
    /// Receives a gRPC response with one message.
    pub(crate) async fn receive(response: Response) -> Self {
        let (mut head, body) = response.into_parts();
        let received = body.collect().await.map(|whole| {
            let trailers = whole.trailers().cloned().unwrap_or_default();
            (trailers, whole.to_bytes())
        });
        let (mut trailers, bytes) = received.unwrap_or_default();
        let status = take_status(&mut head.headers).or_else(|| take_status(&mut trailers));
        let message = match status {
            Some(status) if GrpcCode::from(&status).is_ok() => unframe(&bytes),
            Some(status) => Err(status),
            None => Err(Error::Internal("the response has no status".into()).into()),
        };
        for name in ENCODING {
            head.headers.remove(name);
        }
        Self { head, trailers, message }
    }
}

/// The status in headers or trailers, which it is removed from.
pub(crate) fn take_status(headers: &mut HeaderMap) -> Option<Status> {
    let status = Status::from_header_map(headers)?;
    for name in [Status::GRPC_STATUS, Status::GRPC_MESSAGE, Status::GRPC_STATUS_DETAILS] {
        headers.remove(name);
    }
    Some(status)
}

/// The message in this frame.
fn unframe(frame: &Bytes) -> Result<Bytes, Status> {
    match frame.split_at_checked(PREFIX_BYTES) {
        Some(([0, ..], _)) => Ok(frame.slice(PREFIX_BYTES..)),
        _ => Err(Error::Internal("the response has no message".into()).into()),
    }
}
