//! Decides which protocol a request speaks.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    Router,
    extract::Request,
    http::{
        HeaderValue, Method,
        header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
    },
    response::Response,
};
use futures_util::future::BoxFuture;
use tonic_web::{GrpcWebLayer, GrpcWebService};
use tower::{Layer as _, Service};

use crate::{Options, Protocol, connect, docs, failure, host, rest};

/// Answers every request that is not gRPC.
#[derive(Clone)]
pub(crate) struct Front(Arc<Inner>);

struct Inner {
    grpc: Router,
    web: GrpcWebService<Router>,
    options: Options,
}

/// The content types of gRPC-Web.
const GRPC_WEB: [&str; 4] = [
    "application/grpc-web",
    "application/grpc-web+proto",
    "application/grpc-web-text",
    "application/grpc-web-text+proto",
];

impl Front {
    pub(crate) fn new(grpc: Router, mut options: Options) -> Self {
        let api = options.api.clone();
        if options.json {
            options.pages = docs::add_to(options.pages, &api, options.docs);
        }
        let not_found = move || async move { failure::not_found(&api.pool) };
        options.pages = options.pages.fallback(not_found);
        let web = GrpcWebLayer::new().layer(grpc.clone());
        Self(Arc::new(Inner { grpc, web, options }))
    }
}

impl Service<Request> for Front {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let inner = self.0.clone();
        Box::pin(async move { inner.answer(request).await })
    }
}

impl Inner {
    async fn answer(&self, request: Request) -> Result<Response, Infallible> {
        if !host::is_one(&request) {
            return Ok(host::rejection());
        }
        let Options { api, json, pages, max_bytes, .. } = &self.options;
        let encoding = request.headers().get(CONTENT_ENCODING);
        if encoding.is_some_and(|encoding| encoding != "identity") {
            let rule = ("content-encoding", "must be absent: requests need no compression");
            return Ok(failure::unsupported(&api.pool, rule));
        }
        let path = request.uri().path();
        let kind = content_type(&request);
        let max_bytes = |path: &str| max_bytes(path);
        if let Some(call) = api.method(path) {
            if request.method() != Method::POST {
                return Ok(failure::not_allowed(&api.pool));
            }
            if GRPC_WEB.contains(&&*kind) {
                return self.grpc_web(request, kind).await;
            }
            let codec = connect::Codec::new(&kind, call).filter(|_| *json);
            let Some(codec) = codec else {
                let rule = "must be application/grpc, application/grpc-web, application/json or \
                            application/proto; application/connect+json or \
                            application/connect+proto for streams";
                return Ok(failure::unsupported(&api.pool, ("content-type", rule)));
            };
            let (call, max_bytes) = (call.clone(), max_bytes(path));
            let answer = connect::answer(api, &self.grpc, call, codec, request, max_bytes).await;
            return Ok(private(answer));
        }
        let found = if *json { api.find(request.method(), path) } else { None };
        let Some(matched) = found else {
            return pages.clone().call(request).await;
        };
        let max_bytes = max_bytes(matched.rule.call.path.path());
        let (head, body) = request.into_parts();
        if !matched.rule.body.is_empty() && !rest::has_json(&head, &body, &kind) {
            return Ok(failure::unsupported(
                &api.pool,
                ("content-type", "must be application/json"),
            ));
        }
        Ok(private(rest::answer(api, &self.grpc, matched, head, body, max_bytes).await))
    }

    async fn grpc_web(&self, mut request: Request, kind: String) -> Result<Response, Infallible> {
        request.extensions_mut().insert(Protocol::GrpcWeb);
        // Without parameters, which tonic-web does not know.
        let kind = HeaderValue::try_from(kind).expect("it is a known type");
        request.headers_mut().insert(CONTENT_TYPE, kind);
        let response = self.web.clone().call(request).await?;
        Ok(response.map(axum::body::Body::new))
    }
}

/// The media type of the request's body, in lower case and without parameters.
fn content_type(request: &Request) -> String {
    let value = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

/// Data of a caller: no cache keeps it, and no browser takes it for anything but its type.
fn private(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
