//! Receives the whole request before it is decoded, within a size limit.

use std::{error::Error as StdError, future::poll_fn, iter, net::SocketAddr, pin::pin, task::Poll};

use axum::{body::Body, extract::Request, response::Response};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use prost::encoding::{DecodeContext, decode_key, skip_field};
use shared::error::{Error, GrpcCode};
use tonic::{Status, transport::server::TcpConnectInfo};

use super::reject;
use crate::fair::WaitLimit;

/// The length-prefix of a gRPC message, in bytes.
const PREFIX_BYTES: usize = 5;

/// The most fields of a request message, not counting those of the messages in it.
const MAX_FIELDS: usize = 10_000;

/// The request with its whole body, of one message of at most `max_bytes`; otherwise the response
/// that rejects it.
///
/// Incomplete requests are bounded; when full, the connection with the most loses its oldest.
pub(crate) async fn receive(
    incomplete: &WaitLimit<SocketAddr>,
    max_bytes: usize,
    request: Request,
) -> Result<Request, Response> {
    let peer = peer(&request);
    let (head, body) = request.into_parts();
    let mut arriving = pin!(Limited::new(body, PREFIX_BYTES + max_bytes).collect());
    // Most bodies are already there, and enter no queue.
    let arrived = match poll_fn(|cx| Poll::Ready(arriving.as_mut().poll(cx))).await {
        Poll::Ready(arrived) => arrived,
        Poll::Pending => match incomplete.wait(peer, arriving).await {
            Some(arrived) => arrived,
            None => return Err(reject(Error::Overloaded)),
        },
    };
    match arrived {
        Ok(whole) => {
            let whole = whole.to_bytes();
            if has_too_many_fields(whole.get(PREFIX_BYTES..).unwrap_or_default()) {
                return Err(reject(Error::MessageTooLarge));
            }
            Ok(Request::from_parts(head, Body::from(whole)))
        }
        Err(error) if error.is::<LengthLimitError>() => Err(reject(Error::MessageTooLarge)),
        Err(error) => Err(rejection(&*error)),
    }
}

/// Whether the message has more than [`MAX_FIELDS`], where each item of a list is one. Two bytes of
/// an empty item would become hundreds when they are decoded. A malformed message is left to tonic.
fn has_too_many_fields(mut message: &[u8]) -> bool {
    for _ in 0..=MAX_FIELDS {
        let Ok((tag, wire_type)) = decode_key(&mut message) else { return false };
        if skip_field(wire_type, tag, &mut message, DecodeContext::default()).is_err() {
            return false;
        }
    }
    true
}

/// The status with which a translated body is rejected. Otherwise the client went away.
fn rejection(error: &(dyn StdError + 'static)) -> Response {
    let mut causes = iter::successors(Some(error), |&error| error.source());
    match causes.find_map(|error| error.downcast_ref::<Status>()) {
        Some(status) => status.clone().into_http(),
        None => GrpcCode::CANCELLED.into_response(),
    }
}

/// The client's end of the connection.
fn peer(request: &Request) -> SocketAddr {
    let info = request.extensions().get::<TcpConnectInfo>();
    info.and_then(|info| info.remote_addr).expect("every connection adds its address")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_a_message_are_bounded() {
        // Empty messages in a list with the number 1.
        assert!(!has_too_many_fields(&[0x0a, 0].repeat(MAX_FIELDS)));
        assert!(has_too_many_fields(&[0x0a, 0].repeat(MAX_FIELDS + 1)));
        for few in [&[][..], &[0x0a], &[0x0a, 3, 0x0a, 0], &[0xff; 20], &[0x0a, 2, 0x0a, 0]] {
            assert!(!has_too_many_fields(few), "{few:?}");
        }
    }
}
