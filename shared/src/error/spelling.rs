//! Names the fields of an error as a client spells them.

use tonic::Status;
use tonic_types::StatusExt as _;

/// The same status, in which `spell` has replaced every path of fields.
pub fn respell(status: Status, spell: impl Fn(&str) -> String) -> Status {
    let mut details = status.get_error_details();
    let mut message = status.message().to_owned();
    let violations = details.bad_request().map(|bad| bad.field_violations.clone());
    if let Some(mut violations) = violations {
        for violation in &mut violations {
            violation.field = spell(&violation.field);
        }
        let words = violations.iter().map(|v| format!("{} {}", v.field, v.description));
        message = words.collect::<Vec<_>>().join("; ").replace(";  ", "; ");
        details.set_bad_request(violations);
    }
    let info = details.error_info().cloned();
    let field = info.as_ref().and_then(|info| info.metadata.get("field"));
    if let (Some(mut info), Some(field)) = (info.clone(), field) {
        if let Some(rest) = message.strip_prefix(field.as_str()) {
            message = format!("{}{rest}", spell(field));
        }
        info.metadata.insert("field".to_owned(), spell(field));
        details.set_error_info(info.reason, info.domain, info.metadata);
    } else if details.bad_request().is_none() {
        return status;
    }
    Status::with_error_details_and_metadata(
        status.code(),
        message,
        details,
        status.metadata().clone(),
    )
}
