//! Drives every operation of an OpenAPI description against the service that it describes.

use reqwest::Method;
use serde_json::{Map, Value};

use crate::Wire;

/// A description, as the service publishes it.
pub struct Description(Value);

impl Description {
    /// Fetches `/openapi.json`.
    pub async fn fetch(wire: &Wire) -> Self {
        let response = wire.request(Method::GET, "/openapi.json").send().await;
        let text = response.expect("the service answers").text().await.expect("it is text");
        Self(serde_json::from_str(&text).expect("it is JSON"))
    }

    /// Sends an example of every operation, and checks that its answer is described. Returns the
    /// number of operations.
    pub async fn drive(&self, wire: &Wire, token: &str) -> usize {
        let mut count = 0;
        for (path, verbs) in object(&self.0["paths"]) {
            for (verb, operation) in object(verbs) {
                for token in ["", token] {
                    self.call(wire, path, verb, operation, token).await;
                }
                count += 1;
            }
        }
        count
    }

    async fn call(&self, wire: &Wire, path: &str, verb: &str, operation: &Value, token: &str) {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        let mut url = path.to_owned();
        for parameter in operation["parameters"].as_array().expect("operations have parameters") {
            let name = parameter["name"].as_str().expect("parameters have names");
            url = url.replace(&format!("{{{name}}}"), id);
        }
        let request = wire.request(verb.to_uppercase().parse().expect("it is a verb"), &url);
        let request = if token.is_empty() { request } else { request.bearer_auth(token) };
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        let request = match schema {
            Value::Null => request,
            schema => request
                .header("content-type", "application/json")
                .body(self.example(schema, 0).to_string()),
        };
        let response = request.send().await.expect("the service answers");
        let status = response.status();
        let text = response.text().await.expect("it is text");
        let what = format!("{verb} {url}: {status} {text}");
        assert!(!status.is_server_error(), "{what}");
        let described = &operation["responses"][status.as_str()];
        assert_ne!(described, &Value::Null, "{what}");
        let schema = &described["content"]["application/json"]["schema"];
        let json = serde_json::from_str(&text).expect("a response is JSON");
        self.check(schema, &json, &what);
    }

    fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let name = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
        name.map_or(schema, |name| &self.0["components"]["schemas"][name])
    }

    /// A value with the required fields.
    fn example(&self, schema: &Value, depth: usize) -> Value {
        let schema = self.resolve(schema);
        match schema["type"].as_str() {
            Some("object") => {
                let required = schema["required"].as_array().into_iter().flatten();
                let fields = required.filter_map(Value::as_str).map(|name| {
                    (name.to_owned(), self.example(&schema["properties"][name], depth + 1))
                });
                fields.collect::<Map<_, _>>().into()
            }
            Some("array") if depth < 4 => vec![self.example(&schema["items"], depth + 1)].into(),
            Some("array") => Value::Array(Vec::new()),
            _ if schema["enum"].is_array() => schema["enum"][1].clone(),
            Some("boolean") => false.into(),
            Some("integer" | "number") => 1.into(),
            _ => "quiet-otter-sails-north".into(),
        }
    }

    /// Checks that a value has the described form, and no field that is not described.
    fn check(&self, schema: &Value, value: &Value, what: &str) {
        let schema = self.resolve(schema);
        let is_valid = match schema["type"].as_str() {
            Some("object") => value.is_object(),
            Some("array") => value.is_array(),
            Some("string") => value.is_string(),
            Some("boolean") => value.is_boolean(),
            Some("integer" | "number") => value.is_number(),
            other => panic!("no known type: {other:?}, {what}"),
        };
        assert!(is_valid, "{value} is not {schema}: {what}");
        if let Some(values) = schema["enum"].as_array() {
            assert!(values.contains(value), "{value} is not one of {values:?}: {what}");
        }
        for item in value.as_array().into_iter().flatten() {
            self.check(&schema["items"], item, what);
        }
        // The details of an error have more fields.
        let is_open = schema["properties"]["@type"].is_object();
        for (name, field) in value.as_object().into_iter().flatten() {
            let known = &schema["properties"][name];
            // A map describes all its values at once.
            let property = if known.is_null() { &schema["additionalProperties"] } else { known };
            assert!(is_open || property.is_object(), "{name} is not described: {what}");
            if property.is_object() {
                self.check(property, field, what);
            }
        }
        for name in schema["required"].as_array().into_iter().flatten() {
            let name = name.as_str().expect("names are text");
            assert!(value.get(name).is_some(), "{name} is missing: {what}");
        }
    }
}

fn object(json: &Value) -> &Map<String, Value> {
    json.as_object().expect("it is an object")
}
