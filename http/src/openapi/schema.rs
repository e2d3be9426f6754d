//! JSON Schema of messages.

use std::collections::BTreeMap;

use prost_reflect::{ExtensionDescriptor, FieldDescriptor, Kind, MessageDescriptor, Value as Pb};
use serde_json::{Map, Value, json};

use super::comments::comment;
use crate::json::field;

/// Values of `google.api.FieldBehavior`.
pub(super) const REQUIRED: i32 = 2;
const OUTPUT_ONLY: i32 = 3;

/// The schemas of messages that are referred to.
#[derive(Default)]
pub(super) struct Schemas {
    pub(super) components: BTreeMap<String, Value>,
}

impl Schemas {
    /// A reference to the schema of a message.
    pub(super) fn reference(&mut self, message: &MessageDescriptor) -> Value {
        self.component(message.name(), message, true)
    }

    /// A reference to the schema of a message in which every field is optional.
    pub(super) fn patch(&mut self, message: &MessageDescriptor) -> Value {
        self.component(&format!("{}Patch", message.name()), message, false)
    }

    fn component(&mut self, name: &str, message: &MessageDescriptor, required: bool) -> Value {
        if !self.components.contains_key(name) {
            // First a placeholder, since a message may contain itself.
            self.components.insert(name.to_owned(), Value::Null);
            let mut schema = self.inline(message, |_| true);
            if !required && let Some(object) = schema.as_object_mut() {
                object.remove("required");
            }
            self.components.insert(name.to_owned(), schema);
        }
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }

    /// The schema of a message with the fields that `keep` keeps.
    pub(super) fn inline(
        &mut self,
        message: &MessageDescriptor,
        keep: impl Fn(&FieldDescriptor) -> bool,
    ) -> Value {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for field in message.fields().filter(keep) {
            let mut schema = self.value(&field);
            let about = about(&field);
            if let Some(schema) = schema.as_object_mut() {
                schema.insert("description".to_owned(), about.into());
                if is(&field, OUTPUT_ONLY) {
                    schema.insert("readOnly".to_owned(), true.into());
                }
            }
            if is(&field, REQUIRED) {
                required.push(field.json_name().to_owned());
            }
            properties.insert(field.json_name().to_owned(), schema);
        }
        let about = comment(&message.parent_file(), message.path());
        let mut schema = json!({ "type": "object", "properties": properties });
        if !about.is_empty() {
            schema["description"] = about.into();
        }
        if !required.is_empty() {
            schema["required"] = required.into();
        }
        schema
    }

    /// The schema of a field's value.
    pub(super) fn value(&mut self, field: &FieldDescriptor) -> Value {
        if field.is_map() {
            let Kind::Message(entry) = field.kind() else { unreachable!("a map has entries") };
            let values = self.value(&entry.map_entry_value_field());
            return json!({ "type": "object", "additionalProperties": values });
        }
        let one = match field.kind() {
            Kind::Message(message) => match message.full_name() {
                "google.protobuf.Timestamp" => json!({ "type": "string", "format": "date-time" }),
                "google.protobuf.FieldMask" | "google.protobuf.Duration" => {
                    json!({ "type": "string" })
                }
                _ => self.reference(&message),
            },
            Kind::Enum(values) => {
                let names: Vec<_> = values.values().map(|value| value.name().to_owned()).collect();
                json!({ "type": "string", "enum": names })
            }
            Kind::Bool => json!({ "type": "boolean" }),
            Kind::Float | Kind::Double => json!({ "type": "number" }),
            Kind::String => json!({ "type": "string" }),
            Kind::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 | Kind::Uint32 | Kind::Fixed32 => {
                json!({ "type": "integer", "format": "int32" })
            }
            // ProtoJSON writes 64-bit numbers as text.
            _ => json!({ "type": "string", "format": "int64" }),
        };
        if field.is_list() { json!({ "type": "array", "items": one }) } else { one }
    }
}

/// The comment of a field, without the words that its behaviour says.
pub(super) fn about(field: &FieldDescriptor) -> String {
    let text = comment(&field.parent_message().parent_file(), field.path());
    let words = ["Required. ", "Optional. ", "Output only. "];
    words.iter().find_map(|word| text.strip_prefix(word)).unwrap_or(&text).to_owned()
}

/// The field at this path.
pub(super) fn at(message: &MessageDescriptor, path: &str) -> Option<FieldDescriptor> {
    match path.split_once('.') {
        None => field(message, path),
        Some((name, rest)) => at(field(message, name)?.kind().as_message()?, rest),
    }
}

/// Whether the message is a text in JSON.
pub(super) fn is_text(message: &MessageDescriptor) -> bool {
    message.package_name() == "google.protobuf"
}

/// Whether the field has this behaviour.
pub(super) fn is(field: &FieldDescriptor, behavior: i32) -> bool {
    let pool = field.parent_message().parent_pool().clone();
    let extension = pool.get_extension_by_name("google.api.field_behavior");
    let has = |extension: ExtensionDescriptor| {
        let options = field.options();
        let behaviors = options.get_extension(&extension);
        behaviors.as_list().is_some_and(|all| all.contains(&Pb::EnumNumber(behavior)))
    };
    extension.is_some_and(has)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Api;

    /// Values of `google.api.FieldBehavior`.
    const OPTIONAL: i32 = 1;
    const IDENTIFIER: i32 = 8;

    #[test]
    fn the_comment_of_a_field_and_its_annotation_agree() {
        let sets = [proto::auth::v1::FILE_DESCRIPTOR_SET, proto::task::v1::FILE_DESCRIPTOR_SET];
        for message in Api::new(&sets).pool.all_messages() {
            for field in message.fields().filter(|field| field.full_name().starts_with("tandem.")) {
                let text = comment(&message.parent_file(), field.path());
                for (word, behaviors) in [
                    ("Required", &[REQUIRED][..]),
                    ("Optional", &[OPTIONAL]),
                    ("Output only", &[OUTPUT_ONLY, IDENTIFIER]),
                ] {
                    let is_annotated = behaviors.iter().any(|behavior| is(&field, *behavior));
                    let name = field.full_name();
                    assert!(!text.starts_with(word) || is_annotated, "{name}: {text}");
                }
            }
        }
    }
}
