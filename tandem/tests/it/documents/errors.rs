//! `docs/reference/errors.md`, from the comments of the proto and the statuses of `shared::Error`.

use std::{collections::BTreeMap, time::Duration};

use prost::Message as _;
use prost_types::{FileDescriptorProto, FileDescriptorSet};
use shared::error::{Error, FieldViolations, GrpcCode, Invalid};
use tandem_verifier::Error as TokenError;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::{check, code, page, table};

const INTRODUCTION: &str = "\
Every failed call carries a `google.rpc.ErrorInfo` with the domain `tandem` and one of these
reasons. Decide by the reason: messages can change. An error with `RetryInfo` is retryable after
its delay. Statuses of the health and reflection services have no reason. The column HTTP is the
status over REST; Connect has 429 for `MESSAGE_TOO_LARGE`. See
[Errors and retries](../guide/errors-and-retries.md).";

/// The path of an enum's value in a file descriptor: field 5 (enum) 0, field 2 (value).
const VALUE_PATH: [i32; 3] = [5, 0, 2];
const PREFIX: &str = "ERROR_REASON_";

#[test]
fn the_page_of_errors_is_up_to_date() {
    let mut statuses: BTreeMap<_, _> = errors().into_iter().map(with_reason).collect();
    let rows = reasons().into_iter().map(|(reason, comment)| {
        let status = statuses.remove(&reason).unwrap_or_else(|| panic!("no example of {reason}"));
        let name = code_name(status.code());
        let meaning = comment.trim_start_matches(&format!("{name}. ")).to_owned();
        [code(&reason), name, http(&reason, &status), details(&status), meaning]
    });
    let head = ["reason", "code", "HTTP", "details", "meaning"];
    let table = table(head, rows.collect::<Vec<_>>());
    check("docs/reference/errors.md", &page("Errors", INTRODUCTION, &table));
}

/// An error of each reason.
fn errors() -> Vec<Error> {
    let source = || Box::from("a cause");
    let mut fields = FieldViolations::new();
    let _: Option<()> = fields.check("task.title", Err(Invalid::from("must not be empty")));
    vec![
        Error::InvalidFields(fields),
        Error::PageTokenInvalid,
        TokenError::TokenMissing.into(),
        TokenError::TokenInvalid("iss").into(),
        TokenError::TokenExpired.into(),
        Error::CredentialsInvalid,
        Error::CurrentPasswordWrong,
        Error::LoginChallengeInvalid,
        Error::SecondFactorWrong { field: "code" },
        Error::ResetTokenInvalid,
        Error::TotpEnabled,
        Error::TotpNotEnabled,
        Error::TotpNotBegun,
        Error::RefreshTokenInvalid,
        Error::RefreshTokenExpired,
        Error::RefreshTokenReused,
        Error::SessionNotFound,
        Error::TaskNotFound,
        Error::TaskDeleted,
        Error::TaskNotDeleted,
        Error::AdminRequired,
        Error::UserNotFound,
        Error::UserDeleted,
        Error::UserNotDeleted,
        Error::LastAdministrator,
        Error::UserIdTaken,
        Error::EtagMismatch { etag: "\"1\"".to_owned() },
        Error::TaskQuotaExceeded { limit: 1 },
        Error::UsernameTaken,
        Error::RequestIdReused,
        Error::StorageQuotaExceeded { limit: 1 },
        Error::Conflict(source()),
        Error::TooManyAttempts { wait: Duration::from_secs(1) },
        Error::Overloaded,
        Error::MessageTooLarge,
        Error::DeadlineExceeded(source()),
        Error::DatabaseUnavailable(source()),
        TokenError::KeysUnavailable.into(),
        Error::ServiceSecretInvalid,
        Error::AccountEventsOff,
        Error::MethodNotFound,
        Error::Internal(source()),
    ]
}

fn with_reason(error: Error) -> (String, Status) {
    let status = Status::from(error);
    let info = status.get_details_error_info().expect("every error has a reason");
    (info.reason, status)
}

/// The HTTP status over REST.
fn http(reason: &str, status: &Status) -> String {
    match reason {
        "MESSAGE_TOO_LARGE" => "413".to_owned(),
        "METHOD_NOT_FOUND" => "404".to_owned(),
        _ => GrpcCode::from(status).http_status().as_str().to_owned(),
    }
}

/// The details besides the reason.
fn details(status: &Status) -> String {
    let all = status.get_error_details();
    let metadata =
        all.error_info().map(|info| info.metadata.keys().map(|key| format!("metadata `{key}`")));
    let messages = [
        ("BadRequest", all.bad_request().is_some()),
        ("QuotaFailure", all.quota_failure().is_some()),
        ("RetryInfo", all.retry_info().is_some()),
    ];
    let messages = messages.into_iter().filter(|(_, is_there)| *is_there);
    let messages = messages.map(|(name, _)| code(name));
    metadata.into_iter().flatten().chain(messages).collect::<Vec<_>>().join(", ")
}

/// The code as the specification of gRPC spells it.
fn code_name(code: Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

/// The reasons in the order of the proto, with their comments.
fn reasons() -> Vec<(String, String)> {
    let set = FileDescriptorSet::decode(proto::task::v1::FILE_DESCRIPTOR_SET)
        .expect("the descriptor set is compiled in");
    let mut files = set.file.into_iter();
    let file = files.find(|file| file.package() == "tandem.error.v1").expect("it has the reasons");
    let values = file.enum_type[0].value.iter().zip(0..).skip(1);
    values
        .map(|(value, place)| {
            let reason = value.name().trim_start_matches(PREFIX).to_owned();
            (reason, comment(&file, place))
        })
        .collect()
}

fn comment(file: &FileDescriptorProto, place: i32) -> String {
    let info = file.source_code_info.as_ref().expect("the set has comments");
    let is_its = |path: &[i32]| path.split_last() == Some((&place, &VALUE_PATH[..]));
    let location = info.location.iter().find(|location| is_its(&location.path));
    let words = location.expect("every reason has a comment").leading_comments();
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}
