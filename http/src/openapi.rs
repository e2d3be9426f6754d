//! The OpenAPI 3.1 description of the REST rules, from the descriptors and their comments.

use std::collections::BTreeMap;

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor, ServiceDescriptor};
use serde_json::{Map, Value, json};
use shared::error::GrpcCode;

use crate::api::{Api, Rule};

mod comments;
mod schema;

use comments::{Reasons, comment, first_sentence, paragraph};
use schema::Schemas;

/// Errors that any call can have, beside those its comment lists.
const COMMON: [&str; 6] = [
    "INVALID_FIELD",
    "OVERLOADED",
    "MESSAGE_TOO_LARGE",
    "DEADLINE_EXCEEDED",
    "DATABASE_UNAVAILABLE",
    "INTERNAL",
];
/// Errors that a call with a token can have.
const WITH_TOKEN: [&str; 4] =
    ["ACCESS_TOKEN_MISSING", "ACCESS_TOKEN_INVALID", "ACCESS_TOKEN_EXPIRED", "KEYS_UNAVAILABLE"];

/// The description of all rules.
pub(crate) fn describe(api: &Api) -> Value {
    let mut schemas = Schemas::default();
    let reasons = Reasons::new(&api.pool);
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    let mut services: Vec<ServiceDescriptor> = Vec::new();
    for rule in api.rules() {
        let service = rule.call.method.parent_service();
        if !services.contains(service) {
            services.push(service.clone());
        }
        let operation = operation(rule, &services[0], &mut schemas, &reasons);
        let verb = rule.verb.as_str().to_lowercase();
        paths.entry(&rule.path).or_default().insert(verb, operation);
    }
    let name = services.first().map_or("", ServiceDescriptor::name);
    let about = |service: &ServiceDescriptor| comment(&service.parent_file(), service.path());
    let tags = services
        .iter()
        .map(|service| json!({ "name": service.name(), "description": about(service) }));
    let mut components = schemas.components;
    components.insert("Error".to_owned(), error());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": name,
            "version": "v1",
            "description": services.first().map(about).unwrap_or_default(),
        },
        "tags": tags.collect::<Vec<_>>(),
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "accessToken": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" },
            },
        },
    })
}

fn operation(
    rule: &Rule,
    first: &ServiceDescriptor,
    schemas: &mut Schemas,
    reasons: &Reasons,
) -> Value {
    let method = &rule.call.method;
    let text = comment(&method.parent_file(), method.path());
    let needs_token = !text.contains("Requires no");
    let service = method.parent_service();
    // Two services can have methods of the same name.
    let id = if service == first {
        method.name().to_owned()
    } else {
        format!("{}_{}", service.name(), method.name())
    };
    let mut operation = json!({
        "operationId": id,
        "tags": [service.name()],
        "summary": first_sentence(&text),
        "description": text,
        "parameters": parameters(rule, schemas),
        "responses": responses(rule, &text, needs_token, schemas, reasons),
        "security": if needs_token { json!([{ "accessToken": [] }]) } else { json!([]) },
    });
    if let Some(body) = body(rule, schemas) {
        let content = json!({ "application/json": { "schema": body } });
        operation["requestBody"] = json!({ "required": true, "content": content });
    }
    operation
}

/// The schema of the body: the whole request, or one of its fields.
fn body(rule: &Rule, schemas: &mut Schemas) -> Option<Value> {
    let input = rule.call.method.input();
    match &*rule.body {
        "" => None,
        "*" if rule.variables().next().is_some() => {
            let variables: Vec<_> = rule.variables().collect();
            Some(schemas.inline(&input, |field| !variables.contains(&field.name())))
        }
        "*" => Some(schemas.reference(&input)),
        name => {
            let field = input.get_field_by_name(name)?;
            let Kind::Message(message) = field.kind() else { return None };
            let is_patch = rule.verb == axum::http::Method::PATCH;
            Some(if is_patch { schemas.patch(&message) } else { schemas.reference(&message) })
        }
    }
}

/// The fields of the request in the path and in the query.
fn parameters(rule: &Rule, schemas: &mut Schemas) -> Vec<Value> {
    let input = rule.call.method.input();
    let mut parameters: Vec<_> = rule
        .variables()
        .map(|path| {
            let field = schema::at(&input, path);
            let about = field.as_ref().map(schema::about).unwrap_or_default();
            json!({
                "name": path, "in": "path", "required": true, "schema": { "type": "string" },
                "description": about,
            })
        })
        .collect();
    if rule.body != "*" {
        let variables: Vec<_> = rule.variables().collect();
        let fields = input.fields().filter(|field| field.name() != rule.body);
        for field in fields.filter(|field| !variables.contains(&field.name())) {
            query(&field, "", schemas, &mut parameters);
        }
    }
    parameters
}

fn query(
    field: &FieldDescriptor,
    prefix: &str,
    schemas: &mut Schemas,
    parameters: &mut Vec<Value>,
) {
    let name = format!("{prefix}{}", field.json_name());
    match field.kind() {
        Kind::Message(message) if !schema::is_text(&message) => {
            for inner in message.fields() {
                query(&inner, &format!("{name}."), schemas, parameters);
            }
        }
        _ => parameters.push(json!({
            "name": name,
            "in": "query",
            "required": schema::is(field, schema::REQUIRED),
            "schema": schemas.value(field),
            "description": schema::about(field),
        })),
    }
}

fn responses(
    rule: &Rule,
    text: &str,
    needs_token: bool,
    schemas: &mut Schemas,
    reasons: &Reasons,
) -> Value {
    let output = rule.call.method.output();
    let part = output.get_field_by_name(&rule.response).map(|field| field.kind());
    let message: MessageDescriptor = match part {
        Some(Kind::Message(part)) => part,
        _ => output,
    };
    let schema = schemas.reference(&message);
    let mut responses = Map::new();
    let content = |schema| json!({ "application/json": { "schema": schema } });
    let about = first_sentence(&comment(&message.parent_file(), message.path()));
    responses.insert("200".to_owned(), json!({ "description": about, "content": content(schema) }));
    let listed = paragraph(text, "Errors:");
    let token = WITH_TOKEN.iter().filter(|_| needs_token).copied();
    let all = COMMON.into_iter().chain(token).map(str::to_owned).chain(reasons.of(&listed));
    let mut by_status: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for reason in all {
        let Some((code, about)) = reasons.get(&reason) else { continue };
        let status = match &*reason {
            "MESSAGE_TOO_LARGE" => "413".to_owned(),
            _ => http_status(code),
        };
        let line = format!("- `{reason}`: {about}");
        let lines = by_status.entry(status).or_default();
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    for (status, lines) in by_status {
        let schema = json!({ "$ref": "#/components/schemas/Error" });
        let response = json!({ "description": lines.join("\n"), "content": content(schema) });
        responses.insert(status, response);
    }
    responses.into()
}

fn http_status(code: &str) -> String {
    let code = GrpcCode::all().into_iter().find(|known| known.status() == code);
    code.map_or_else(|| "500".to_owned(), |code| code.http_status().as_str().to_owned())
}

/// An error of REST (AIP-193).
fn error() -> Value {
    json!({
        "type": "object",
        "description": "An error (AIP-193). Decide by the `reason` in its details.",
        "required": ["error"],
        "properties": { "error": {
            "type": "object",
            "required": ["code", "status", "message", "details"],
            "properties": {
                "code": { "type": "integer", "description": "The HTTP status." },
                "status": { "type": "string", "description": "The code of gRPC." },
                "message": { "type": "string", "description": "For people; it can change." },
                "details": { "type": "array", "items": {
                    "type": "object",
                    "required": ["@type"],
                    "properties": {
                        "@type": { "type": "string" },
                        "reason": { "type": "string" },
                        "domain": { "type": "string" },
                    },
                } },
            },
        } },
    })
}
