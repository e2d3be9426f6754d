//! The error type of both services and its mapping to a gRPC status. Beside the verifier's error,
//! no other file names a code.

use std::{collections::HashMap, error::Error as StdError, fmt::Write as _, time::Duration};

use ::tonic::{Code, Response, Status};
use proto::error::v1::ErrorReason;
use tandem_verifier::Error as TokenError;
use tonic_types::{ErrorDetails, StatusExt as _};

mod code;
mod database;
mod fields;
mod reason;
mod spelling;
mod tonic;

pub use self::tonic::complete;
pub use code::GrpcCode;
pub use fields::{FieldViolations, Invalid};
pub use spelling::respell;

pub use tandem_verifier::DOMAIN;

/// The result of an RPC handler.
pub type RpcResult<T> = Result<Response<T>, Status>;

type Source = Box<dyn StdError + Send + Sync>;

/// Why a call failed. `Display` is for the caller, `source()` for the log.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each is documented on its ErrorReason in the protos")]
pub enum Error {
    #[error("{0}")]
    InvalidFields(FieldViolations),
    #[error(
        "the page token is not valid for this caller, filter and order; start from the first page"
    )]
    PageTokenInvalid,
    /// No valid access token, or no keys to verify it.
    #[error(transparent)]
    AccessToken(#[from] tandem_verifier::Error),
    #[error("unknown username or wrong password")]
    CredentialsInvalid,
    #[error("the current password is wrong")]
    CurrentPasswordWrong,
    #[error("the challenge is not valid or has expired; log in again")]
    LoginChallengeInvalid,
    #[error("the code is wrong or was used before; wait for the next code")]
    SecondFactorWrong { field: &'static str },
    #[error("the reset token is not valid or has expired; request a new one")]
    ResetTokenInvalid,
    #[error("the second factor is enabled; disable it first")]
    TotpEnabled,
    #[error("the second factor is not enabled")]
    TotpNotEnabled,
    #[error("no enrolment has begun; call BeginTotpEnrollment first")]
    TotpNotBegun,
    #[error("the refresh token is not valid; log in again")]
    RefreshTokenInvalid,
    #[error("the session has expired; log in again")]
    RefreshTokenExpired,
    #[error("the refresh token was used before; the session has been revoked, log in again")]
    RefreshTokenReused,
    #[error("no such session")]
    SessionNotFound,
    #[error("no such task")]
    TaskNotFound,
    #[error("the task is deleted; undelete it first")]
    TaskDeleted,
    #[error("the task is not deleted")]
    TaskNotDeleted,
    #[error("this call requires the role admin")]
    AdminRequired,
    #[error("no such user")]
    UserNotFound,
    #[error("the user is deleted; undelete it first")]
    UserDeleted,
    #[error("the user is not deleted")]
    UserNotDeleted,
    #[error("the user is the last enabled administrator; give another user the role admin first")]
    LastAdministrator,
    #[error("another user has this id")]
    UserIdTaken,
    #[error("it has changed; read it again and retry with its current etag")]
    EtagMismatch { etag: String },
    #[error("a user can have at most {limit} tasks; delete some")]
    TaskQuotaExceeded { limit: u32 },
    #[error(
        "the tasks of a user can have at most {limit} bytes, deleted tasks included until they \
         are purged; shorten some"
    )]
    StorageQuotaExceeded { limit: u64 },
    #[error("this username is taken; choose another")]
    UsernameTaken,
    #[error("the request id was used for another request; generate a new one")]
    RequestIdReused,
    #[error("a concurrent call changed the same data; try again")]
    Conflict(#[source] Source),
    #[error("too many attempts; wait before the next attempt")]
    TooManyAttempts { wait: Duration },
    #[error("the service is overloaded; try again later")]
    Overloaded,
    #[error("the request or its response is too large; send a smaller request")]
    MessageTooLarge,
    #[error("deadline exceeded; the change may or may not have been applied")]
    DeadlineExceeded(#[source] Source),
    #[error("the database is unavailable; try again")]
    DatabaseUnavailable(#[source] Source),
    #[error("the database is read-only now; try again")]
    DatabaseReadOnly(#[source] Source),
    #[error("the secret of this service is missing or wrong")]
    ServiceSecretInvalid,
    #[error("the account events are off; set ACCOUNT_EVENTS_SECRET of auth-service")]
    AccountEventsOff,
    #[error("the service has no such method")]
    MethodNotFound,
    #[error("internal error")]
    Internal(#[source] Source),
    /// The error of one item of a batch; `field` is the item's path in the request.
    #[error("{field}: {error}")]
    InBatch { field: String, error: Box<Error> },
}

impl Error {
    fn code(&self) -> Code {
        match self {
            Self::InvalidFields(_)
            | Self::PageTokenInvalid
            | Self::CurrentPasswordWrong
            | Self::SecondFactorWrong { .. } => Code::InvalidArgument,
            Self::AccessToken(error) => error.code(),
            Self::CredentialsInvalid
            | Self::LoginChallengeInvalid
            | Self::ResetTokenInvalid
            | Self::RefreshTokenInvalid
            | Self::RefreshTokenExpired
            | Self::RefreshTokenReused
            | Self::ServiceSecretInvalid => Code::Unauthenticated,
            Self::AdminRequired => Code::PermissionDenied,
            Self::SessionNotFound | Self::TaskNotFound | Self::UserNotFound => Code::NotFound,
            Self::TaskDeleted
            | Self::TaskNotDeleted
            | Self::UserDeleted
            | Self::UserNotDeleted
            | Self::LastAdministrator
            | Self::TotpEnabled
            | Self::TotpNotEnabled
            | Self::TotpNotBegun
            | Self::AccountEventsOff => Code::FailedPrecondition,
            Self::UsernameTaken | Self::UserIdTaken | Self::RequestIdReused => Code::AlreadyExists,
            Self::Conflict(_) | Self::EtagMismatch { .. } => Code::Aborted,
            Self::TooManyAttempts { .. }
            | Self::Overloaded
            | Self::MessageTooLarge
            | Self::TaskQuotaExceeded { .. }
            | Self::StorageQuotaExceeded { .. } => Code::ResourceExhausted,
            Self::DeadlineExceeded(_) => Code::DeadlineExceeded,
            Self::DatabaseUnavailable(_) | Self::DatabaseReadOnly(_) => Code::Unavailable,
            Self::MethodNotFound => Code::Unimplemented,
            Self::Internal(_) => Code::Internal,
            Self::InBatch { error, .. } => error.code(),
        }
    }

    /// The `metadata` of the `google.rpc.ErrorInfo`.
    fn metadata(&self) -> HashMap<String, String> {
        match self {
            Self::EtagMismatch { etag } => [("etag".to_owned(), etag.clone())].into(),
            Self::InBatch { field, error } => {
                let mut metadata = error.metadata();
                metadata.insert("field".to_owned(), field.clone());
                metadata
            }
            _ => HashMap::new(),
        }
    }

    /// The delay before a retry, if a retry can succeed.
    fn retry_delay(&self) -> Option<Duration> {
        match self {
            Self::TooManyAttempts { wait } => Some(*wait),
            Self::Overloaded
            | Self::DatabaseUnavailable(_)
            | Self::DatabaseReadOnly(_)
            | Self::AccessToken(TokenError::KeysUnavailable) => Some(Duration::from_secs(1)),
            _ => None,
        }
    }

    /// Everything behind the error, outermost first: for the log and the operator, never for a
    /// caller.
    #[must_use]
    pub fn causes(&self) -> String {
        let mut text = String::new();
        let mut cause = self.source();
        while let Some(error) = cause {
            // sqlx's own text adds a line number of PostgreSQL's source.
            let database = error.downcast_ref::<sqlx::Error>().and_then(|e| e.as_database_error());
            let next = database.map_or_else(|| error.to_string(), |e| e.message().to_owned());
            // Some errors repeat what lies behind them.
            if !text.ends_with(&next) {
                let separator = if text.is_empty() { "" } else { ": " };
                let _ = write!(text, "{separator}{next}");
            }
            cause = error.source().filter(|_| database.is_none());
        }
        text
    }

    /// Records the reason in the call's log line. A failure of the service has a line of its own.
    fn log(&self) {
        let reason = reason_name(self.reason());
        tracing::Span::current().record("reason", reason);
        match self {
            Self::Internal(_) => tracing::error!(cause = self.causes(), "call failed"),
            Self::DatabaseUnavailable(_)
            | Self::DatabaseReadOnly(_)
            | Self::DeadlineExceeded(_)
            | Self::Conflict(_) => {
                tracing::warn!(cause = self.causes(), "call failed");
            }
            // Without the values, which may be secret.
            Self::InvalidFields(violations) => {
                tracing::Span::current().record("fields", violations.names());
            }
            // In the call's own line, so that a flood of bad tokens does not double the log.
            Self::AccessToken(TokenError::TokenInvalid(fault)) => {
                tracing::Span::current().record("token_fault", *fault);
            }
            _ => {}
        }
    }
}

impl From<Error> for Status {
    /// Logs the cause and withholds it from the caller.
    fn from(error: Error) -> Self {
        error.log();
        let reason = reason_name(error.reason());
        let mut details = ErrorDetails::with_error_info(reason, DOMAIN, error.metadata());
        if let Some(delay) = error.retry_delay() {
            details.set_retry_info(Some(delay));
        }
        let (code, message) = (error.code(), error.to_string());
        match error {
            Error::InvalidFields(violations) => {
                details.set_bad_request(violations.into_details());
            }
            Error::CurrentPasswordWrong => {
                details.add_bad_request_violation("current_password", "is not your password");
            }
            Error::SecondFactorWrong { field } => {
                details.add_bad_request_violation(field, "is wrong or was used before");
            }
            Error::TaskQuotaExceeded { .. } => {
                details.add_quota_failure_violation("tasks", message.clone());
            }
            Error::StorageQuotaExceeded { .. } => {
                details.add_quota_failure_violation("bytes", message.clone());
            }
            _ => {}
        }
        Self::with_error_details(code, message, details)
    }
}

/// The reason without the prefix of the enum's values, as in `ErrorInfo`.
fn reason_name(reason: ErrorReason) -> &'static str {
    reason.as_str_name().trim_start_matches("ERROR_REASON_")
}
