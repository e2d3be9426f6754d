//! Calls of a service by any of its protocols. A request and its response are ProtoJSON in all of
//! them, so that a test states a call once.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use prost_reflect::{
    DescriptorPool, DynamicMessage, MethodDescriptor, Value as Pb, prost::Message,
};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tonic::Status;

use crate::bearer;

mod fault;

pub use fault::Fault;

/// A protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Via {
    Grpc,
    GrpcWeb,
    ConnectProto,
    ConnectJson,
    Rest,
}

impl Via {
    /// All protocols; gRPC first.
    pub const ALL: [Self; 5] =
        [Self::Grpc, Self::GrpcWeb, Self::ConnectProto, Self::ConnectJson, Self::Rest];
}

/// A client of a service.
pub struct Wire {
    url: String,
    pool: DescriptorPool,
    http1: Client,
    http2: Client,
}

impl Wire {
    /// A client of the service at this URL, whose descriptors are encoded in `descriptor_set`.
    #[must_use]
    pub fn new(url: String, descriptor_set: &[u8]) -> Self {
        let pool = DescriptorPool::decode(descriptor_set).expect("the descriptors are compiled in");
        let client = Client::builder().no_proxy();
        let http1 = client.build().expect("the client is valid");
        let client = Client::builder().no_proxy().http2_prior_knowledge();
        Self { url, pool, http1, http2: client.build().expect("the client is valid") }
    }

    /// The names of all methods that have a REST rule. If an earlier service has a method of the
    /// same name, the name of the service precedes: `AdminService.ListEvents`.
    #[must_use]
    pub fn methods(&self) -> Vec<String> {
        let mut names = Vec::new();
        for method in self.all_methods().filter(|method| self.has_rule(method)) {
            let name = method.name().to_owned();
            let is_taken = names.contains(&name);
            names.push(if is_taken { qualified(&method) } else { name });
        }
        names
    }

    /// A plain HTTP request.
    pub fn request(&self, verb: Method, path: &str) -> RequestBuilder {
        self.http1.request(verb, format!("{}{path}", self.url))
    }

    /// Calls a method with this token, unless it is empty.
    ///
    /// # Errors
    /// The service's.
    pub async fn call(
        &self,
        via: Via,
        method: &str,
        token: &str,
        request: &Value,
    ) -> Result<Value, Fault> {
        let method = self.method(method);
        let message = || encode(&method, request);
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        let http1 = || self.request(Method::POST, &path);
        let request = match via {
            Via::Grpc => self.http2.post(format!("{}{path}", self.url)).body(frame(&message())),
            Via::GrpcWeb => http1().body(frame(&message())),
            Via::ConnectProto => http1().body(message()),
            Via::ConnectJson => http1().body(request.to_string()),
            Via::Rest => self.rest(&method, request),
        };
        let kind = match via {
            Via::Grpc => "application/grpc",
            Via::GrpcWeb => "application/grpc-web+proto",
            Via::ConnectProto => "application/proto",
            Via::ConnectJson | Via::Rest => "application/json",
        };
        let mut request = request.header("content-type", kind).header("te", "trailers");
        if !token.is_empty() {
            request = request.header("authorization", bearer(token));
        }
        let response = request.send().await.expect("the service answers");
        match via {
            Via::Grpc | Via::GrpcWeb => self.framed(&method, response).await,
            _ => self.unframed(via, &method, response).await,
        }
    }

    /// The name of a field of the request in errors of this protocol.
    #[must_use]
    pub fn spell(&self, via: Via, method: &str, field: &str) -> String {
        let body = match via {
            Via::Rest => text(&self.rule(&self.method(method)), "body"),
            _ => String::new(),
        };
        let field = field.strip_prefix(&format!("{body}.")).unwrap_or(field);
        match via {
            Via::ConnectJson | Via::Rest => camel_case(field),
            _ => field.to_owned(),
        }
    }

    fn all_methods(&self) -> impl Iterator<Item = MethodDescriptor> {
        self.pool.services().flat_map(|service| service.methods().collect::<Vec<_>>())
    }

    /// The first method with this name, or the one with this qualified name.
    fn method(&self, name: &str) -> MethodDescriptor {
        let is_named =
            |method: &MethodDescriptor| method.name() == name || qualified(method) == name;
        self.all_methods().find(is_named).expect("the method exists")
    }

    fn has_rule(&self, method: &MethodDescriptor) -> bool {
        let http = self.pool.get_extension_by_name("google.api.http").expect("it is imported");
        method.options().has_extension(&http)
    }

    fn rule(&self, method: &MethodDescriptor) -> DynamicMessage {
        let http = self.pool.get_extension_by_name("google.api.http").expect("it is imported");
        match method.options().get_extension(&http).into_owned() {
            Pb::Message(rule) => rule,
            other => panic!("not a rule: {other:?}"),
        }
    }

    fn rest(&self, method: &MethodDescriptor, request: &Value) -> RequestBuilder {
        let rule = self.rule(method);
        let mut rest = request.clone();
        let verbs = ["get", "post", "patch", "delete"].map(|verb| (verb, text(&rule, verb)));
        let (verb, template) =
            verbs.into_iter().find(|(_, path)| !path.is_empty()).expect("a verb");
        let mut path = template.clone();
        if let Some((_, variable)) = template.split_once('{') {
            let (variable, _) = variable.split_once('}').expect("a brace is closed");
            let value = take(&mut rest, &camel_case(variable)).expect("the test has an id");
            let value = value.as_str().expect("ids are text").to_owned();
            let value = utf8_percent_encode(&value, NON_ALPHANUMERIC).to_string();
            path = path.replace(&format!("{{{variable}}}"), &value);
        }
        let body = match &*text(&rule, "body") {
            "" => None,
            "*" => Some(std::mem::replace(&mut rest, json!({}))),
            field => Some(take(&mut rest, field).unwrap_or_else(|| json!({}))),
        };
        let mut url = url::Url::parse(&self.url).expect("it is a URL");
        url.set_path(&path);
        let mut query = Vec::new();
        flatten("", &rest, &mut query);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let verb = verb.to_uppercase().parse().expect("it is a method");
        let request = self.http1.request(verb, url);
        match body {
            Some(body) => request.body(body.to_string()),
            None => request,
        }
    }

    /// The result of gRPC and gRPC-Web, whose failures have no body.
    async fn framed(&self, method: &MethodDescriptor, response: Response) -> Result<Value, Fault> {
        if let Some(status) = Status::from_header_map(response.headers())
            && status.code() != tonic::Code::Ok
        {
            return Err(Fault::of(&status));
        }
        let bytes = response.bytes().await.expect("the response arrives");
        let length = bytes[1..5].try_into().expect("a length has four bytes");
        let length = u32::from_be_bytes(length) as usize;
        let message = DynamicMessage::decode(method.output(), &bytes[5..5 + length]);
        Ok(canonical(&message.expect("the response is a message")))
    }

    async fn unframed(
        &self,
        via: Via,
        method: &MethodDescriptor,
        response: Response,
    ) -> Result<Value, Fault> {
        let is_ok = response.status().is_success();
        let bytes = response.bytes().await.expect("the response arrives");
        if is_ok && via == Via::ConnectProto {
            let message = DynamicMessage::decode(method.output(), bytes);
            return Ok(canonical(&message.expect("the response is a message")));
        }
        let text_of = || String::from_utf8_lossy(&bytes).into_owned();
        let mut json: Value =
            serde_json::from_slice(&bytes).unwrap_or_else(|_| panic!("{}", text_of()));
        if !is_ok {
            return Err(Fault::of_json(&json));
        }
        let field = text(&self.rule(method), "response_body");
        if via == Via::Rest && !field.is_empty() {
            json = json!({ field: json });
        }
        let message = DynamicMessage::deserialize(method.output(), &json);
        Ok(canonical(&message.expect("the response is ProtoJSON")))
    }
}

/// The name of a method after that of its service.
fn qualified(method: &MethodDescriptor) -> String {
    format!("{}.{}", method.parent_service().name(), method.name())
}

fn encode(method: &MethodDescriptor, request: &Value) -> Vec<u8> {
    let message = DynamicMessage::deserialize(method.input(), request);
    message.expect("the test's request is valid").encode_to_vec()
}

fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("the message is short");
    [&[0], &length.to_be_bytes()[..], message].concat()
}

fn canonical(message: &DynamicMessage) -> Value {
    serde_json::to_value(message).expect("a message is ProtoJSON")
}

fn text(rule: &DynamicMessage, field: &str) -> String {
    let value = rule.get_field_by_name(field).expect("a rule has this field");
    value.as_str().expect("it is text").to_owned()
}

fn take(json: &mut Value, path: &str) -> Option<Value> {
    match path.split_once('.') {
        Some((name, rest)) => take(json.get_mut(name)?, rest),
        None => json.as_object_mut()?.remove(path),
    }
}

fn flatten(prefix: &str, json: &Value, query: &mut Vec<(String, String)>) {
    match json {
        Value::Array(items) => {
            for item in items {
                flatten(prefix, item, query);
            }
        }
        Value::String(text) => query.push((prefix.to_owned(), text.clone())),
        Value::Object(fields) => {
            for (name, value) in fields {
                let dot = if prefix.is_empty() { "" } else { "." };
                flatten(&format!("{prefix}{dot}{name}"), value, query);
            }
        }
        other => query.push((prefix.to_owned(), other.to_string())),
    }
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |camel, word| {
        let (head, tail) = word.split_at(1);
        camel + &head.to_uppercase() + tail
    })
}
