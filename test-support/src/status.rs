//! The error of a rejected call, in a form that reads well in an assertion.

use std::{collections::HashMap, fmt::Debug};

use shared::error::DOMAIN;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// The error of a rejected call.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status code.
    pub code: Code,
    /// The reason of the one `ErrorInfo`.
    pub reason: String,
    /// The fields that `BadRequest` names, in order.
    pub fields: Vec<String>,
    /// Whether a `RetryInfo` is present.
    pub can_retry: bool,
    /// The metadata of the `ErrorInfo`.
    pub metadata: HashMap<String, String>,
}

impl Refusal {
    /// An error with a code and a reason only.
    #[must_use]
    pub fn new(code: Code, reason: &str) -> Self {
        Self {
            code,
            reason: reason.to_owned(),
            fields: Vec::new(),
            can_retry: false,
            metadata: HashMap::new(),
        }
    }

    /// An error with a `RetryInfo`.
    #[must_use]
    pub fn retryable(code: Code, reason: &str) -> Self {
        Self { can_retry: true, ..Self::new(code, reason) }
    }

    /// Adds metadata to the `ErrorInfo`.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.metadata.insert(key.to_owned(), value.to_owned());
        self
    }

    /// INVALID_ARGUMENT for these fields.
    #[must_use]
    pub fn invalid(fields: &[&str]) -> Self {
        let fields = fields.iter().map(ToString::to_string).collect();
        Self { fields, ..Self::new(Code::InvalidArgument, "INVALID_FIELD") }
    }
}

/// The error of a call, after checking the parts that every error must have.
pub fn refusal<T: Debug>(answer: Result<T, Status>) -> Refusal {
    let status = answer.expect_err("the call must be rejected");
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"));
    assert_eq!(info.domain, DOMAIN);
    assert!(!status.message().is_empty(), "the message is empty: {status:?}");
    assert!(
        status.message().len() + status.details().len() < 4096,
        "message and details are too large: {status:?}"
    );
    let fields = details.bad_request().map_or_else(Vec::new, |bad| {
        bad.field_violations.iter().map(|violation| violation.field.clone()).collect()
    });
    Refusal {
        code: status.code(),
        reason: info.reason.clone(),
        fields,
        can_retry: details.retry_info().is_some(),
        metadata: info.metadata.clone(),
    }
}
