//! The field violations of a request, collected so that the caller learns of all at once.

use std::{borrow::Cow, fmt};

use tonic::Status;
use tonic_types::FieldViolation;

use super::Error;

/// The most violations in an error, which must fit into response headers.
const MAX_REPORTED: usize = 10;

/// The rule that a value breaks, in words that follow the field's name: "must not be empty".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub Cow<'static, str>);

impl From<&'static str> for Invalid {
    fn from(rule: &'static str) -> Self {
        Self(Cow::Borrowed(rule))
    }
}

/// Every invalid field of a request.
#[derive(Debug, Default)]
pub struct FieldViolations(Vec<FieldViolation>);

impl FieldViolations {
    /// An empty list, to be filled by [`check`](Self::check).
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of broken rules so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no rule is broken so far.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the parsed value, or adds the rule that `field` breaks. `field` is its path in the
    /// request: `task.title`.
    pub fn check<T>(&mut self, field: &str, parsed: Result<T, Invalid>) -> Option<T> {
        parsed.map_err(|Invalid(rule)| self.0.push(FieldViolation::new(field, rule))).ok()
    }

    /// Returns the parsed nested message, or adds the rules that its fields break. `message` is its
    /// path in the request: `requests[3]`. A rule of the field `""` is one of the message itself;
    /// the message `""` is the one that the caller checks.
    pub fn check_message<T>(&mut self, message: &str, parsed: Result<T, Self>) -> Option<T> {
        let nested = |violation: FieldViolation| FieldViolation {
            field: match (message, violation.field.as_str()) {
                (name, "") | ("", name) => name.to_owned(),
                (message, field) => format!("{message}.{field}"),
            },
            ..violation
        };
        parsed.map_err(|bad| self.0.extend(bad.0.into_iter().map(nested))).ok()
    }

    /// The value, if no rule is broken.
    ///
    /// # Errors
    /// All violations.
    pub fn or<T>(self, value: Option<T>) -> Result<T, Self> {
        value.filter(|_| self.is_empty()).ok_or(self)
    }

    /// The names of the first fields, separated by commas: for the log.
    pub(super) fn names(&self) -> String {
        let names = self.0.iter().take(MAX_REPORTED).map(|violation| violation.field.as_str());
        names.collect::<Vec<_>>().join(",")
    }

    /// The violations for `google.rpc.BadRequest`: the first ones, and the number of the rest.
    pub(super) fn into_details(mut self) -> Vec<FieldViolation> {
        let unreported = self.0.len().saturating_sub(MAX_REPORTED);
        self.0.truncate(MAX_REPORTED);
        if unreported > 0 {
            self.0.push(FieldViolation::new("", format!("and {unreported} more")));
        }
        self.0
    }
}

impl fmt::Display for FieldViolations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, FieldViolation { field, description, .. }) in self.0.iter().enumerate() {
            if i == MAX_REPORTED {
                return write!(f, "; and {} more", self.0.len() - MAX_REPORTED);
            }
            let separator = if i == 0 { "" } else { "; " };
            write!(f, "{separator}{field} {description}")?;
        }
        Ok(())
    }
}

impl From<FieldViolations> for Status {
    fn from(violations: FieldViolations) -> Self {
        Error::InvalidFields(violations).into()
    }
}

impl From<FieldViolations> for Error {
    fn from(violations: FieldViolations) -> Self {
        Self::InvalidFields(violations)
    }
}
