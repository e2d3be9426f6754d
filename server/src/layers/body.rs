//! Receives the whole request before it is decoded, within a size limit.

use std::{error::Error as StdError, future::poll_fn, iter, net::SocketAddr, pin::pin, task::Poll};

use axum::{body::Body, extract::Request, response::Response};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use shared::error::{Error, GrpcCode};
use tonic::{Status, transport::server::TcpConnectInfo};

use super::reject;
use crate::fair::WaitLimit;

/// The length-prefix of a gRPC message, in bytes.
const PREFIX_BYTES: usize = 5;

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
        Ok(whole) => Ok(Request::from_parts(head, Body::from(whole.to_bytes()))),
        Err(error) if error.is::<LengthLimitError>() => Err(reject(Error::MessageTooLarge)),
        Err(error) => Err(rejection(&*error)),
    }
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
