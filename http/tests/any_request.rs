//! Any request gets an answer: the layer does not panic, and does not blame the service.

use std::sync::{Arc, LazyLock};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use proptest::prelude::*;
use shared::config::Origins;
use tandem_http::{Api, Http, Options, Protocol};
use tonic::Status;
use tower::ServiceExt as _;

const METHODS: [&str; 4] = ["CreateTask", "UpdateTask", "ListTasks", "BatchUpdateTasks"];

/// Answers as gRPC does: an empty message, or the error of the body.
async fn answer(request: Request) -> Response {
    // tonic checks the frames of gRPC-Web; those of the others are the layer's own.
    let is_translated = request.extensions().get() != Some(&Protocol::GrpcWeb);
    let body = to_bytes(request.into_body(), usize::MAX).await;
    let mut error: Option<&(dyn std::error::Error + 'static)> = None;
    if let Err(failed) = &body {
        error = Some(failed);
    }
    while let Some(cause) = error {
        if let Some(status) = cause.downcast_ref::<Status>() {
            return status.clone().into_http();
        }
        error = cause.source();
    }
    let mut frames = body.expect("a body fails with a status");
    while is_translated && !frames.is_empty() {
        assert_eq!(frames[0], 0);
        let length = u32::from_be_bytes(frames[1..5].try_into().expect("four bytes"));
        frames = frames.slice(5 + length as usize..);
    }
    let trailers = HeaderMap::from_iter([(Status::GRPC_STATUS, "0".parse().expect("it is ASCII"))]);
    let empty = http_body_util::Full::from(&[0_u8; 5][..]);
    Response::new(Body::new(http_body_util::BodyExt::with_trailers(empty, async {
        Some(Ok(trailers))
    })))
}

static HTTP: LazyLock<Http> = LazyLock::new(|| {
    let options = Options {
        api: Arc::new(Api::new(&[proto::task::v1::FILE_DESCRIPTOR_SET])),
        json: true,
        docs: true,
        origins: Origins::default(),
        pages: Router::new(),
        max_bytes: Arc::new(|_| 4096),
    };
    Http::new(Router::new().fallback(answer), options)
});

fn path() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(&METHODS[..]).prop_map(|m| format!("/tandem.task.v1.TaskService/{m}")),
        "/v1/tasks(:[a-zA-Z]{0,12}|/[a-z0-9%:]{0,8})?(:undelete)?",
        "/[!-~]{0,20}",
    ]
}

fn query() -> impl Strategy<Value = String> {
    let name = "(filter\\.)?(isComplete|labels|priorities|text|dueBefore|pageSize|updateMask|task)";
    let value = "[a-z0-9A-Z%+.-]{0,10}";
    prop::collection::vec((name, value), 0..4).prop_map(|pairs| {
        let pairs = pairs.iter().map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join("&")
    })
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("\"2026-01-01T00:00:00Z\"".to_owned()),
        any::<i32>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| format!("{number:?}")),
        ".{0,5}".prop_map(|text| format!("{text:?}")),
    ];
    let name = "(task|tasks|requests|title|isComplete|is_complete|labels|due|date|moment|time|year\
                |updateMask|paths|filter|priority|etag|id)";
    let json = leaf.prop_recursive(4, 32, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|v| format!("[{}]", v.join(","))),
            prop::collection::vec((name, inner), 0..4).prop_map(|fields| {
                let fields = fields.iter().map(|(name, value)| format!("\"{name}\":{value}"));
                format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
            }),
        ]
    });
    prop_oneof![
        4 => json.prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..40),
        1 => Just(vec![b' '; 5000]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_request_gets_an_answer(
        verb in prop::sample::select(&["GET", "POST", "PATCH", "DELETE", "PUT", "OPTIONS"][..]),
        path in path(),
        query in query(),
        kind in prop::sample::select(&[
            "application/json", "application/proto", "application/connect+json",
            "application/connect+proto", "application/grpc-web", "text/plain", "",
        ][..]),
        body in body(),
        timeout in prop::option::of("[0-9]{1,12}"),
    ) {
        let uri = format!("{path}?{query}");
        let mut request = Request::builder().method(verb).uri(uri).header("host", "a");
        if !kind.is_empty() {
            request = request.header("content-type", kind);
        }
        if let Some(timeout) = timeout {
            request = request.header("connect-timeout-ms", timeout);
        }
        // Some generated paths are not paths.
        let Ok(request) = request.body(Body::from(body)) else { return Ok(()) };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (status, length) = runtime.block_on(async {
            let response = HTTP.clone().oneshot(request).await.unwrap();
            let status = response.status();
            (status, to_bytes(response.into_body(), usize::MAX).await.unwrap().len())
        });
        prop_assert!(!status.is_server_error(), "{status}");
        prop_assert!(status == StatusCode::OK || length > 0);
    }
}
