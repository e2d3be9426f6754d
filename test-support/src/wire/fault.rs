//! Errors in any protocol.

use serde_json::Value;
use shared::error::GrpcCode;
use tonic::Status;
use tonic_types::StatusExt as _;

/// The error of a rejected call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The code as gRPC spells it.
    pub code: String,
    /// The reason of the `ErrorInfo`.
    pub reason: String,
    /// The fields that `BadRequest` names, in order.
    pub fields: Vec<String>,
}

impl Fault {
    pub(super) fn of(status: &Status) -> Self {
        let details = status.get_error_details();
        let reason = details.error_info().map(|info| info.reason.clone()).unwrap_or_default();
        let violations = details.bad_request().map(|bad| bad.field_violations.clone());
        let fields = violations.unwrap_or_default().into_iter().map(|violation| violation.field);
        Self { code: GrpcCode::from(status).status(), reason, fields: fields.collect() }
    }

    /// The error in a body of REST or Connect.
    #[must_use]
    pub fn of_json(json: &Value) -> Self {
        let error = json.get("error").unwrap_or(json);
        let code = error.get("status").or_else(|| error.get("code")).and_then(Value::as_str);
        let mut fault = Self {
            code: code.expect("an error has a code").to_uppercase(),
            reason: String::new(),
            fields: Vec::new(),
        };
        for detail in error["details"].as_array().into_iter().flatten() {
            let detail = detail.get("debug").unwrap_or(detail);
            if let Some(reason) = detail["reason"].as_str() {
                reason.clone_into(&mut fault.reason);
            }
            for violation in detail["fieldViolations"].as_array().into_iter().flatten() {
                fault.fields.push(violation["field"].as_str().unwrap_or_default().to_owned());
            }
        }
        fault
    }
}
