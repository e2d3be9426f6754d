//! REST by `google.api.http`: a request's path, query and body are the fields of the message.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use axum::{
    Router,
    body::{Body, Bytes, HttpBody as _},
    http::{Method, StatusCode, header::CONTENT_TYPE, request},
    response::Response,
};
use prost_reflect::{
    DescriptorPool, DynamicMessage, ExtensionDescriptor, FieldDescriptor, Kind, MessageDescriptor,
    MethodDescriptor, Value as Pb,
};
use serde_json::{Map, Value, json as object};
use shared::error::{Error, FieldViolations, respell};
use tonic::Status;

use crate::{
    Protocol,
    api::{Api, Call, Matched},
    call::{self, Outcome},
    failure,
    json::{self, Spelling, Unknown},
};

/// The number of `OUTPUT_ONLY` in `google.api.FieldBehavior`.
const OUTPUT_ONLY: i32 = 3;

/// A request, taken apart.
struct Parts {
    call: Call,
    verb: Method,
    /// The field that the body holds; `*` for the whole message; empty for no body.
    body: String,
    variables: Vec<(String, String)>,
    query: String,
    behavior: Option<ExtensionDescriptor>,
}

/// Answers a request that has this rule.
pub(crate) async fn answer(
    api: &Api,
    grpc: &Router,
    Matched { rule, variables }: Matched<'_>,
    mut head: request::Parts,
    body: Body,
    max_bytes: usize,
) -> Response {
    let call = rule.call.clone();
    let parts = Parts {
        call: call.clone(),
        verb: rule.verb.clone(),
        body: rule.body.clone(),
        variables,
        query: head.uri.query().unwrap_or_default().to_owned(),
        behavior: api.pool.get_extension_by_name("google.api.field_behavior"),
    };
    let is_snake_case = Arc::new(AtomicBool::new(false));
    let noted = is_snake_case.clone();
    let body = call::unary_body(body, max_bytes, move |body| {
        let json = parts.gather(&body, &noted)?;
        json::encode(&parts.call.method.input(), json, Unknown::Reject)
    });
    call::into_grpc(&mut head, call.path, Protocol::Rest);
    let outcome = Outcome::receive(call::send(grpc, head, body).await).await;
    let spelling = Spelling {
        request: call.method.input(),
        body: Some(rule.body.clone()).filter(|body| !matches!(&**body, "" | "*")),
        is_snake_case: is_snake_case.load(Relaxed),
    };
    render(&api.pool, &call.method, &rule.response, outcome, &spelling)
}

/// Whether the request's body, if it has one, is JSON. What another site sends without a CORS
/// preflight is not: a form, or a body without a type.
pub(crate) fn has_json(head: &request::Parts, body: &Body, kind: &str) -> bool {
    let is_absent = || !head.headers.contains_key(CONTENT_TYPE) && body.is_end_stream();
    kind == "application/json" || is_absent()
}

impl Parts {
    /// The JSON of the whole request message.
    fn gather(&self, body: &Bytes, is_snake_case: &AtomicBool) -> Result<Value, FieldViolations> {
        let input = self.call.method.input();
        let body = json::parse(body)?;
        let mut root = match (&*self.body, &body) {
            ("", Value::Object(fields)) if fields.is_empty() => Map::new(),
            ("", _) => return Err(json::violation("body", "must be empty")),
            ("*", Value::Object(fields)) => fields.clone(),
            (_, Value::Object(_)) => Map::from_iter([(self.body.clone(), body.clone())]),
            _ => return Err(json::violation("body", "must be an object")),
        };
        let mut violations = FieldViolations::new();
        for (name, text) in url::form_urlencoded::parse(self.query.as_bytes()) {
            let added = add(&mut root, &input, &name, &text);
            violations.check(&name, added.map_err(Into::into));
        }
        violations.or(Some(()))?;
        let names = body.as_object().into_iter().flat_map(Map::keys);
        let has_mask = root.contains_key("updateMask") || root.contains_key("update_mask");
        let takes_mask = json::field(&input, "update_mask").is_some();
        if self.verb == Method::PATCH && takes_mask && !has_mask {
            let mask = self.mask(&input, names);
            root.insert("updateMask".to_owned(), mask.into());
        }
        is_snake_case.store(json::has_snake_case(&body) || self.query.contains('_'), Relaxed);
        for (path, text) in &self.variables {
            let added = add(&mut root, &input, path, text);
            added.map_err(|rule| json::violation(path, rule))?;
        }
        Ok(root.into())
    }

    /// The mask of what a PATCH names, so that it sets `false` and `""` too. What only the service
    /// sets is not in it, so that a client may send back what it read.
    fn mask<'a>(
        &self,
        input: &MessageDescriptor,
        names: impl Iterator<Item = &'a String>,
    ) -> String {
        let resource = json::field(input, &self.body).map(|field| field.kind());
        let resource = resource.as_ref().and_then(Kind::as_message);
        let is_path = |field: &FieldDescriptor| {
            let path = format!("{}.{}", self.body, field.name());
            self.variables.iter().any(|(variable, _)| *variable == path)
        };
        let is_set = |name: &&String| {
            let field = resource.and_then(|resource| json::field(resource, name));
            field.is_none_or(|field| {
                field.name() != "etag" && !is_path(&field) && !self.is_output_only(&field)
            })
        };
        names.filter(is_set).cloned().collect::<Vec<_>>().join(",")
    }

    fn is_output_only(&self, field: &FieldDescriptor) -> bool {
        let Some(behavior) = &self.behavior else { return false };
        let options = field.options();
        let behaviors = options.get_extension(behavior);
        let behaviors = behaviors.as_list().unwrap_or_default();
        behaviors.contains(&Pb::EnumNumber(OUTPUT_ONLY))
    }
}

/// Adds the field at `path` to an object that describes a message.
fn add(
    object: &mut Map<String, Value>,
    message: &MessageDescriptor,
    path: &str,
    text: &str,
) -> Result<(), &'static str> {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    // A name that is not a field stays in the JSON, whose check rejects it with all others.
    let Some(field) = json::field(message, name) else {
        object.insert(path.to_owned(), text.into());
        return Ok(());
    };
    // Whichever name the body uses.
    let name = if object.contains_key(field.name()) { field.name() } else { field.json_name() };
    match (rest, field.kind()) {
        (Some(rest), Kind::Message(inner)) => {
            let inside = object.entry(name).or_insert_with(|| object!({}));
            add(inside.as_object_mut().ok_or("must be an object")?, &inner, rest, text)
        }
        (Some(_), _) => Err("has no fields"),
        (None, kind) => {
            let value = match (kind, text) {
                (Kind::Bool, "true") => true.into(),
                (Kind::Bool, "false") => false.into(),
                (Kind::Message(inner), _) if inner.package_name() != "google.protobuf" => {
                    return Err("must be given by its fields");
                }
                _ => Value::from(text),
            };
            if field.is_list() {
                let items = object.entry(name).or_insert_with(|| object!([]));
                items.as_array_mut().ok_or("must be a list")?.push(value);
            } else if object.get(name).is_some_and(|given| *given != value) {
                return Err("must be given once");
            } else {
                object.insert(name.to_owned(), value);
            }
            Ok(())
        }
    }
}

fn render(
    pool: &DescriptorPool,
    method: &MethodDescriptor,
    field: &str,
    outcome: Outcome,
    spelling: &Spelling,
) -> Response {
    let Outcome { mut head, message, .. } = outcome;
    let body = message.and_then(|message| {
        let internal = || Status::from(Error::Internal("the response is not valid".into()));
        let message = DynamicMessage::decode(method.output(), message).map_err(|_| internal())?;
        let part = message.get_field_by_name(field);
        let part = part.as_ref().and_then(|part| part.as_message());
        json::decode(part.unwrap_or(&message), true).ok_or_else(internal)
    });
    let response = match body {
        Ok(body) => failure::response(StatusCode::OK, "application/json", body),
        Err(status) => {
            let status = respell(status, |path| spelling.spell(path));
            failure::rest(pool, &status, &mut head.headers)
        }
    };
    finish(head, response)
}

/// The response with the headers and the extensions of the call.
pub(crate) fn finish(head: axum::http::response::Parts, mut response: Response) -> Response {
    for (name, value) in &head.headers {
        if !response.headers().contains_key(name) {
            response.headers_mut().append(name, value.clone());
        }
    }
    *response.extensions_mut() = head.extensions;
    response
}
