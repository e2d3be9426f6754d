//! REST, Connect and gRPC-Web in front of a gRPC service, on the same port.
//!
//! [`Http`] stands around the router of a service. A gRPC request passes after a comparison of one
//! header. Any other request is translated into the gRPC request that the router already answers,
//! so no check is skipped or written twice. The body is translated while the router receives it:
//! authentication, admission, deadline and metrics see the call as they see a gRPC call.
//!
//! In reading order:
//! - `api`: the methods and their `google.api.http` rules, from the descriptors
//! - `front`: which protocol a request speaks
//! - `rest`, `connect`, `stream`: each protocol
//! - `call`: a request body on its way in, a response on its way out
//! - `json`: ProtoJSON, and which fields are not valid
//! - `openapi`, `docs`: the description of REST, and a page to read and try it
//! - `failure`: an error as AIP-193 and as Connect spell it

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    Router,
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, header::CONTENT_TYPE},
    response::Response,
};
use futures_util::future::{BoxFuture, Either};
use shared::config::Origins;
use tower::Service;
use tower_http::cors::Cors;

mod api;
mod call;
mod connect;
mod cors;
mod docs;
mod failure;
mod front;
pub mod host;
mod json;
mod openapi;
mod rest;
mod stream;

pub use api::Api;
use front::Front;

/// The protocol of a call that is not gRPC: an extension of the request that the router sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// REST, by the method's `google.api.http` rule.
    Rest,
    /// Connect, with JSON or binary messages.
    Connect,
    /// gRPC-Web, as bytes or text.
    GrpcWeb,
}

impl Protocol {
    /// All protocols.
    pub const ALL: [Self; 3] = [Self::Rest, Self::Connect, Self::GrpcWeb];

    /// The name in logs and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rest => "rest",
            Self::Connect => "connect",
            Self::GrpcWeb => "grpc_web",
        }
    }
}

/// What is served beside gRPC.
pub struct Options {
    /// The methods and their rules.
    pub api: Arc<Api>,
    /// Whether REST and Connect are on. gRPC-Web always is.
    pub json: bool,
    /// The sites whose pages may read responses.
    pub origins: Origins,
    /// Whether the page `/docs` is served.
    pub docs: bool,
    /// HTTP routes without a gRPC method.
    pub pages: Router,
    /// The longest body of a path, in bytes, in any protocol.
    pub max_bytes: Arc<dyn Fn(&str) -> usize + Send + Sync>,
}

/// A router of gRPC methods, and what is served beside it.
#[derive(Clone)]
pub struct Http {
    grpc: Router,
    others: Arc<Cors<Front>>,
}

impl Http {
    /// Serves the methods of `grpc`, which must answer every request that it gets as gRPC does.
    #[must_use]
    pub fn new(grpc: Router, options: Options) -> Self {
        let cors = cors::layer(options.origins.clone());
        let front = Front::new(grpc.clone(), options);
        Self { grpc, others: Arc::new(tower::Layer::layer(&cors, front)) }
    }
}

type Answer = Result<Response, Infallible>;

impl Service<Request> for Http {
    type Response = Response;
    type Error = Infallible;
    type Future = Either<<Router as Service<Request>>::Future, BoxFuture<'static, Answer>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        if request.method() == Method::POST && is_grpc(request.headers()) {
            return Either::Left(self.grpc.call(request));
        }
        let mut others = (*self.others).clone();
        Either::Right(Box::pin(async move { others.call(request).await }))
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let format = content_type.and_then(|text| text.strip_prefix(b"application/grpc"));
    format.is_some_and(|format| matches!(format.first(), None | Some(b'+' | b';')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_is_recognized_by_its_content_type() {
        for (content_type, expected) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc;charset=utf-8", true),
            ("application/grpc-web", false),
            ("application/json", false),
            ("text/plain", false),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, content_type.parse().unwrap())]);
            assert_eq!(is_grpc(&headers), expected, "{content_type}");
        }
        assert!(!is_grpc(&HeaderMap::new()));
    }
}
