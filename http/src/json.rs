//! ProtoJSON: requests into messages, messages into responses, and the names of fields between.

use std::borrow::Cow;

use axum::body::Bytes;
use prost::Message as _;
use prost_reflect::{
    DeserializeOptions, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, SerializeOptions,
};
use serde_json::{Map, Value, json};
use shared::error::{FieldViolations, Invalid};

/// The most commas in a JSON text: several times those of the largest batch. A value takes far more
/// memory than its two bytes.
const MAX_SEPARATORS: usize = 20_000;

/// Whether fields that the message does not have are rejected.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unknown {
    Reject,
    Ignore,
}

impl Unknown {
    fn options(self) -> DeserializeOptions {
        DeserializeOptions::new().deny_unknown_fields(self == Self::Reject)
    }
}

/// Reads a JSON text. An empty one is an empty object.
pub(crate) fn parse(text: &[u8]) -> Result<Value, FieldViolations> {
    if text.is_empty() {
        return Ok(json!({}));
    }
    if separators(text) > MAX_SEPARATORS {
        return Err(violation("body", "must have fewer values"));
    }
    let parsed = serde_json::from_slice(text);
    parsed.map_err(|_| violation("body", "must be valid JSON in UTF-8"))
}

/// The number of commas between values.
fn separators(text: &[u8]) -> usize {
    let (mut is_text, mut is_escaped, mut count) = (false, false, 0);
    for &byte in text {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_text,
            b'"' => is_text = !is_text,
            b',' if !is_text => count += 1,
            _ => {}
        }
    }
    count
}

/// A single violation.
pub(crate) fn violation(field: &str, rule: &'static str) -> FieldViolations {
    let mut violations = FieldViolations::new();
    violations.check::<()>(field, Err(rule.into()));
    violations
}

/// The encoded message that this JSON describes; otherwise every field that is not valid.
pub(crate) fn encode(
    message: &MessageDescriptor,
    mut json: Value,
    unknown: Unknown,
) -> Result<Bytes, FieldViolations> {
    normalize(message, &mut json);
    match DynamicMessage::deserialize_with_options(message.clone(), &json, &unknown.options()) {
        Ok(message) => Ok(message.encode_to_vec().into()),
        Err(_) => Err(violations(message, &json, unknown)),
    }
}

/// Writes field masks as ProtoJSON requires, also those written as objects or in snake case.
fn normalize(message: &MessageDescriptor, json: &mut Value) {
    let Value::Object(object) = json else { return };
    for (name, value) in object {
        let Some(Kind::Message(message)) = field(message, name).map(|field| field.kind()) else {
            continue;
        };
        if message.full_name() == "google.protobuf.FieldMask" {
            normalize_mask(value);
        } else if let Value::Array(items) = value {
            for item in items {
                normalize(&message, item);
            }
        } else {
            normalize(&message, value);
        }
    }
}

fn normalize_mask(mask: &mut Value) {
    if let Some(Value::Array(paths)) = mask.get("paths") {
        let paths: Option<Vec<_>> = paths.iter().map(Value::as_str).collect();
        if let Some(paths) = paths {
            *mask = paths.join(",").into();
        }
    }
    if let Value::String(paths) = mask {
        *paths = camel_case(paths);
    }
}

/// The JSON name of a field, or of each in a list, as the protobuf compiler makes it.
fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

/// The field of this name in camelCase or snake_case.
pub(crate) fn field(message: &MessageDescriptor, name: &str) -> Option<FieldDescriptor> {
    message.get_field_by_json_name(name).or_else(|| message.get_field_by_name(name))
}

/// Every field that is not valid.
fn violations(message: &MessageDescriptor, json: &Value, unknown: Unknown) -> FieldViolations {
    let mut violations = FieldViolations::new();
    collect(message, json, unknown, "", &mut violations);
    if violations.is_empty() {
        return violation("body", "must be a message of this method in ProtoJSON");
    }
    violations
}

fn collect(
    message: &MessageDescriptor,
    json: &Value,
    unknown: Unknown,
    path: &str,
    violations: &mut FieldViolations,
) {
    let Value::Object(object) = json else {
        return reject(
            violations,
            if path.is_empty() { "body" } else { path },
            "must be an object",
        );
    };
    for (name, value) in object {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match field(message, name) {
            Some(field) if !is_valid(message, name, value, unknown) => {
                collect_field(&field, value, unknown, &path, violations);
            }
            None if unknown == Unknown::Reject => {
                reject(violations, &path, "is not a field of this request");
            }
            _ => {}
        }
    }
}

fn collect_field(
    field: &FieldDescriptor,
    value: &Value,
    unknown: Unknown,
    path: &str,
    violations: &mut FieldViolations,
) {
    match (field.kind(), value) {
        (Kind::Message(message), Value::Array(items))
            if field.is_list() && !is_well_known(&message) =>
        {
            for (index, item) in items.iter().enumerate() {
                collect(&message, item, unknown, &format!("{path}[{index}]"), violations);
            }
        }
        (Kind::Message(message), Value::Object(_))
            if !field.is_list() && !is_well_known(&message) =>
        {
            let before = violations.len();
            collect(&message, value, unknown, path, violations);
            // Each of its fields is valid by itself.
            if violations.len() == before {
                reject(violations, path, "must have one field of each choice");
            }
        }
        _ => reject(violations, path, rule(field)),
    }
}

fn reject(violations: &mut FieldViolations, path: &str, rule: impl Into<Cow<'static, str>>) {
    violations.check::<()>(path, Err(Invalid(rule.into())));
}

/// Whether the message with this field alone is valid.
fn is_valid(message: &MessageDescriptor, name: &str, value: &Value, unknown: Unknown) -> bool {
    let alone = Value::from(Map::from_iter([(name.to_owned(), value.clone())]));
    DynamicMessage::deserialize_with_options(message.clone(), &alone, &unknown.options()).is_ok()
}

fn is_well_known(message: &MessageDescriptor) -> bool {
    message.package_name() == "google.protobuf"
}

/// What a value of the field must be.
fn rule(field: &FieldDescriptor) -> String {
    let one = match field.kind() {
        Kind::Bool => "true or false",
        Kind::String => "a string",
        Kind::Bytes => "a string in base64",
        Kind::Float | Kind::Double => "a number",
        Kind::Enum(values) => {
            let values: Vec<_> = values.values().map(|value| value.name().to_owned()).collect();
            let each = if field.is_list() { "a list, each item " } else { "" };
            return format!("must be {each}one of {}", values.join(", "));
        }
        Kind::Message(message) => match message.full_name() {
            "google.protobuf.Timestamp" => "a time such as \"2026-01-31T12:00:00Z\"",
            "google.protobuf.Duration" => "a duration in seconds, such as \"1.5s\"",
            "google.protobuf.FieldMask" => "names of fields, such as \"isComplete,title\"",
            _ => "an object",
        },
        _ => "a whole number in range",
    };
    if field.is_list() {
        format!("must be a list, each item {one}")
    } else {
        format!("must be {one}")
    }
}

/// The JSON of a message. `with_defaults` writes fields that have their default value.
pub(crate) fn decode(message: &DynamicMessage, with_defaults: bool) -> Option<Vec<u8>> {
    let options = SerializeOptions::new().skip_default_fields(!with_defaults);
    let mut json = serde_json::Serializer::new(Vec::new());
    message.serialize_with_options(&mut json, &options).ok()?;
    Some(json.into_inner())
}

/// How a client spells the names of fields, so that errors name them in the same way.
#[derive(Clone)]
pub(crate) struct Spelling {
    pub(crate) request: MessageDescriptor,
    /// The field that the body holds: the client does not name it.
    pub(crate) body: Option<String>,
    pub(crate) is_snake_case: bool,
}

impl Spelling {
    /// The client's path for this path of fields of the request.
    pub(crate) fn spell(&self, path: &str) -> String {
        let mut message = Some(self.request.clone());
        let names = path.split('.').map(|segment| {
            let (name, index) = segment.find('[').map_or((segment, ""), |at| segment.split_at(at));
            let found = message.as_ref().and_then(|message| field(message, name));
            message = found.as_ref().and_then(|field| field.kind().as_message().cloned());
            match found {
                Some(field) if !self.is_snake_case => format!("{}{index}", field.json_name()),
                _ => segment.to_owned(),
            }
        });
        let path = names.collect::<Vec<_>>().join(".");
        let body = self.body.as_ref().and_then(|body| path.strip_prefix(body)?.strip_prefix('.'));
        body.unwrap_or(&path).to_owned()
    }
}

/// Whether an object names any field in snake case.
pub(crate) fn has_snake_case(json: &Value) -> bool {
    match json {
        Value::Object(object) => {
            object.iter().any(|(name, value)| name.contains('_') || has_snake_case(value))
        }
        Value::Array(items) => items.iter().any(has_snake_case),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
