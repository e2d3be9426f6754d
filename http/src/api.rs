//! The methods of a service and their REST rules, from its descriptors.

use std::collections::HashMap;

use axum::http::{Method, uri::PathAndQuery};
use percent_encoding::percent_decode_str;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, Value};

use crate::openapi;

/// The methods of a set of services, by gRPC path and by REST rule.
pub struct Api {
    pub(crate) pool: DescriptorPool,
    methods: HashMap<String, Call>,
    rules: Vec<Rule>,
}

/// A method, and the path of its gRPC requests.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) method: MethodDescriptor,
    pub(crate) path: PathAndQuery,
}

/// A `google.api.http` rule.
pub(crate) struct Rule {
    pub(crate) verb: Method,
    /// The path as the rule writes it.
    pub(crate) path: String,
    segments: Vec<Segment>,
    /// The part of the path after a colon, or empty (AIP-136).
    custom: String,
    /// The field that the body holds; `*` for the whole message; empty for no body.
    pub(crate) body: String,
    /// The field that the response consists of, or empty.
    pub(crate) response: String,
    pub(crate) call: Call,
}

enum Segment {
    Literal(String),
    /// A variable, by the path of its field.
    Field(String),
}

/// A rule that fits a request, and its variables.
pub(crate) struct Matched<'a> {
    pub(crate) rule: &'a Rule,
    pub(crate) variables: Vec<(String, String)>,
}

impl Api {
    /// Reads encoded descriptor sets, to which it adds the error details.
    ///
    /// # Panics
    /// If a set is not valid, or a rule uses what this crate does not support. Both are compiled
    /// in.
    #[must_use]
    pub fn new(descriptor_sets: &[&[u8]]) -> Self {
        let mut pool = DescriptorPool::new();
        for set in descriptor_sets.iter().chain([&tonic_types::pb::FILE_DESCRIPTOR_SET]) {
            pool.decode_file_descriptor_set(*set).expect("the descriptor sets are compiled in");
        }
        let (mut methods, mut rules) = (HashMap::new(), Vec::new());
        for method in pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
            let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
            let parsed = path.parse().expect("names of methods are ASCII");
            let call = Call { method, path: parsed };
            rules.extend(Rule::of(&pool, &call));
            methods.insert(path, call);
        }
        // A literal takes precedence over a variable.
        rules.sort_by_key(|rule: &Rule| rule.variables().count());
        Self { pool, methods, rules }
    }

    /// The method of this gRPC path.
    pub(crate) fn method(&self, path: &str) -> Option<&Call> {
        self.methods.get(path)
    }

    /// All rules.
    pub(crate) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The description of the REST rules in OpenAPI 3.1, as JSON.
    #[must_use]
    pub fn openapi(&self) -> serde_json::Value {
        openapi::describe(self)
    }

    /// The rule for this request.
    pub(crate) fn find(&self, verb: &Method, path: &str) -> Option<Matched<'_>> {
        // hyper withholds the body of a response to HEAD.
        let verb = if verb == Method::HEAD { &Method::GET } else { verb };
        let mut rules = self.rules.iter().filter(|rule| rule.verb == *verb);
        rules.find_map(|rule| Some(Matched { rule, variables: rule.matches(path)? }))
    }
}

impl Rule {
    fn of(pool: &DescriptorPool, call: &Call) -> Option<Self> {
        let extension = pool.get_extension_by_name("google.api.http")?;
        let options = call.method.options();
        if !options.has_extension(&extension) {
            return None;
        }
        let Value::Message(rule) = options.get_extension(&extension).into_owned() else {
            return None;
        };
        let verbs =
            [Method::GET, Method::PUT, Method::POST, Method::DELETE, Method::PATCH].into_iter();
        let verb_and_path = verbs.map(|verb| (text(&rule, &verb.as_str().to_lowercase()), verb));
        let (path, verb) = { verb_and_path }.find(|(path, _)| !path.is_empty())?;
        let (plain, custom) = path.rsplit_once(':').unwrap_or((&path, ""));
        Some(Self {
            verb,
            segments: plain.split('/').skip(1).map(Segment::new).collect(),
            custom: custom.to_owned(),
            body: text(&rule, "body"),
            response: text(&rule, "response_body"),
            call: call.clone(),
            path,
        })
    }

    /// The paths of the fields that are variables.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Field(field) => Some(&**field),
            Segment::Literal(_) => None,
        })
    }

    /// The variables of a path that fits.
    fn matches(&self, path: &str) -> Option<Vec<(String, String)>> {
        let path = match &*self.custom {
            "" => path,
            custom => path.strip_suffix(custom)?.strip_suffix(':')?,
        };
        let mut variables = Vec::new();
        let mut parts = path.strip_prefix('/')?.split('/');
        for segment in &self.segments {
            match (segment, parts.next()?) {
                (Segment::Literal(literal), part) if literal == part => {}
                (Segment::Field(field), part) if !part.is_empty() && !part.contains(':') => {
                    let decoded = percent_decode_str(part).decode_utf8().ok()?;
                    variables.push((field.clone(), decoded.into_owned()));
                }
                _ => return None,
            }
        }
        parts.next().is_none().then_some(variables)
    }
}

fn text(rule: &DynamicMessage, field: &str) -> String {
    let value = rule.get_field_by_name(field);
    value.and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

impl Segment {
    fn new(template: &str) -> Self {
        match template.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(field) => {
                assert!(!field.contains('='), "patterns of variables are not supported");
                Self::Field(field.to_owned())
            }
            None => Self::Literal(template.to_owned()),
        }
    }
}
