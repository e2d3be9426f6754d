//! An error as the body of an HTTP response: AIP-193 for REST, and Connect's own form.

use axum::{
    body::Body,
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
    },
    response::Response,
};
use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde::Serialize;
use serde_json::Value;
use shared::error::{Error, GrpcCode};
use tonic::Status;
use tonic_types::{StatusExt as _, pb};

use crate::json;

/// An error response of REST (AIP-193).
#[derive(Serialize)]
struct Rest<'a> {
    error: RestError<'a>,
}

#[derive(Serialize)]
struct RestError<'a> {
    code: u16,
    status: String,
    message: &'a str,
    details: Vec<Value>,
}

/// An error of Connect.
#[derive(Serialize)]
pub(crate) struct Connect<'a> {
    code: String,
    message: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<ConnectDetail>,
}

#[derive(Serialize)]
struct ConnectDetail {
    #[serde(rename = "type")]
    kind: String,
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    debug: Option<Value>,
}

/// The response of REST for a failed call.
pub(crate) fn rest(pool: &DescriptorPool, status: &Status, headers: &mut HeaderMap) -> Response {
    let code = GrpcCode::from(status);
    let reason = status.get_details_error_info().map(|info| info.reason);
    let http = match reason.as_deref() {
        Some("MESSAGE_TOO_LARGE") => StatusCode::PAYLOAD_TOO_LARGE,
        _ => code.http_status(),
    };
    add_headers(http, status, headers);
    rest_as(pool, http, code.status(), status)
}

fn rest_as(pool: &DescriptorPool, http: StatusCode, name: String, status: &Status) -> Response {
    let details = details(status).into_iter().filter_map(|any| {
        let mut detail = debug(pool, &any)?;
        detail.as_object_mut()?.insert("@type".to_owned(), any.type_url.into());
        Some(detail)
    });
    let details = details.collect();
    let error = RestError { code: http.as_u16(), status: name, message: status.message(), details };
    response(http, "application/json", to_json(&Rest { error }))
}

/// The response for a path that no rule has.
pub(crate) fn not_found(pool: &DescriptorPool) -> Response {
    let status = Status::from(Error::MethodNotFound);
    rest_as(pool, StatusCode::NOT_FOUND, "NOT_FOUND".to_owned(), &status)
}

/// The response for a method of gRPC that is requested by another verb than POST.
pub(crate) fn not_allowed(pool: &DescriptorPool) -> Response {
    let status = Status::from(Error::MethodNotFound);
    let name = GrpcCode::from(&status).status();
    let mut response = rest_as(pool, StatusCode::METHOD_NOT_ALLOWED, name, &status);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    response
}

/// The response for a body in a format that the method does not accept.
pub(crate) fn unsupported(pool: &DescriptorPool, (header, rule): (&str, &'static str)) -> Response {
    let status = Status::from(json::violation(header, rule));
    let name = GrpcCode::from(&status).status();
    rest_as(pool, StatusCode::UNSUPPORTED_MEDIA_TYPE, name, &status)
}

/// The response of Connect for a failed unary call.
pub(crate) fn connect(pool: &DescriptorPool, status: &Status, headers: &mut HeaderMap) -> Response {
    let http = GrpcCode::from(status).http_status();
    add_headers(http, status, headers);
    response(http, "application/json", to_json(&connect_error(pool, status)))
}

/// The error of a failed call of Connect.
pub(crate) fn connect_error<'a>(pool: &DescriptorPool, status: &'a Status) -> Connect<'a> {
    let details = details(status).into_iter().map(|any| ConnectDetail {
        kind: any.type_url.rsplit('/').next().unwrap_or_default().to_owned(),
        value: BASE64_STANDARD_NO_PAD.encode(&any.value),
        debug: debug(pool, &any),
    });
    let code = GrpcCode::from(status).connect();
    Connect { code, message: status.message(), details: details.collect() }
}

fn add_headers(http: StatusCode, status: &Status, headers: &mut HeaderMap) {
    let delay = status.get_details_retry_info().and_then(|retry| retry.retry_delay);
    if let Some(delay) = delay {
        let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if http == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
}

fn details(status: &Status) -> Vec<prost_types::Any> {
    pb::Status::decode(status.details()).unwrap_or_default().details
}

/// The detail as JSON, if its type is known.
fn debug(pool: &DescriptorPool, any: &prost_types::Any) -> Option<Value> {
    let message = pool.get_message_by_name(any.type_url.rsplit('/').next()?)?;
    let detail = DynamicMessage::decode(message, &*any.value).ok()?;
    serde_json::to_value(detail).ok()
}

pub(crate) fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("errors have text keys")
}

/// A response with this body.
pub(crate) fn response(http: StatusCode, kind: &'static str, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = http;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
