//! The one error of both services and its mapping to a gRPC status; no other file names a code.

use std::{collections::HashMap, error::Error as StdError, fmt::Write as _, time::Duration};

use proto::error::v1::ErrorReason;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

mod database;
mod fields;
mod framework;
mod outcome;

pub use fields::{FieldViolations, Invalid};
pub(crate) use framework::complete;
pub(crate) use outcome::Outcome;

/// The `domain` of every `google.rpc.ErrorInfo` that leaves the services.
pub const DOMAIN: &str = "tandem";

/// The answer of an RPC.
pub type RpcResult<T> = Result<tonic::Response<T>, Status>;

type Source = Box<dyn StdError + Send + Sync>;

/// Why a call failed. `Display` is for the caller, `source()` is for the log.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each is documented on its ErrorReason in the protos")]
pub enum Error {
    #[error("{0}")]
    InvalidFields(FieldViolations),
    #[error("the page token is not valid here; start again from the first page")]
    PageTokenInvalid,
    #[error("send an access token as metadata: `authorization: Bearer <access token>`")]
    AccessTokenMissing,
    /// What was wrong with it is for the log: a part of the token, such as "iss".
    #[error("the access token is not valid; refresh it or log in again")]
    AccessTokenInvalid(&'static str),
    #[error("the access token has expired; refresh it or log in again")]
    AccessTokenExpired,
    #[error("unknown username or wrong password")]
    CredentialsInvalid,
    #[error("the refresh token is not valid; log in again")]
    RefreshTokenInvalid,
    #[error("the session has expired; log in again")]
    RefreshTokenExpired,
    #[error("the refresh token was used before; the session was ended, log in again")]
    RefreshTokenReused,
    #[error("no such session")]
    SessionNotFound,
    #[error("no such task")]
    TaskNotFound,
    #[error("the task is deleted; undelete it first")]
    TaskDeleted,
    #[error("the task is not deleted")]
    TaskNotDeleted,
    #[error("the task has changed since; read it, and try again with the etag that it has now")]
    EtagMismatch { etag: String },
    #[error("a user may have {limit} tasks; delete some")]
    TaskQuotaExceeded { limit: u32 },
    #[error("this username is taken; choose another")]
    UsernameTaken,
    #[error("the request id was used for another request; make up a new one")]
    RequestIdReused,
    #[error("another call is changing the same thing; try again")]
    Conflict(#[source] Source),
    #[error("too many attempts; wait before the next one")]
    TooManyAttempts { wait: Duration },
    #[error("too much work has arrived; try again later")]
    Overloaded,
    #[error("the request message is too large")]
    MessageTooLarge,
    #[error("the work took too long; whether it was done is unknown")]
    DeadlineExceeded(#[source] Source),
    #[error("the database cannot be reached; try again")]
    DatabaseUnavailable(#[source] Source),
    #[error("the keys of access tokens cannot be loaded now; try again")]
    KeysUnavailable,
    #[error("the service has no such method")]
    MethodNotFound,
    #[error("internal error")]
    Internal(#[source] Source),
    /// What is wrong with one item of a batch; `field` is its path in the request.
    #[error("{field}: {error}")]
    InBatch { field: String, error: Box<Error> },
}

impl Error {
    fn code(&self) -> Code {
        match self {
            Self::InvalidFields(_) | Self::PageTokenInvalid => Code::InvalidArgument,
            Self::AccessTokenMissing
            | Self::AccessTokenInvalid(_)
            | Self::AccessTokenExpired
            | Self::CredentialsInvalid
            | Self::RefreshTokenInvalid
            | Self::RefreshTokenExpired
            | Self::RefreshTokenReused => Code::Unauthenticated,
            Self::SessionNotFound | Self::TaskNotFound => Code::NotFound,
            Self::TaskDeleted | Self::TaskNotDeleted => Code::FailedPrecondition,
            Self::UsernameTaken | Self::RequestIdReused => Code::AlreadyExists,
            Self::Conflict(_) | Self::EtagMismatch { .. } => Code::Aborted,
            Self::TooManyAttempts { .. }
            | Self::Overloaded
            | Self::MessageTooLarge
            | Self::TaskQuotaExceeded { .. } => Code::ResourceExhausted,
            Self::DeadlineExceeded(_) => Code::DeadlineExceeded,
            Self::DatabaseUnavailable(_) | Self::KeysUnavailable => Code::Unavailable,
            Self::MethodNotFound => Code::Unimplemented,
            Self::Internal(_) => Code::Internal,
            Self::InBatch { error, .. } => error.code(),
        }
    }

    fn reason(&self) -> ErrorReason {
        match self {
            Self::InvalidFields(_) => ErrorReason::InvalidField,
            Self::PageTokenInvalid => ErrorReason::PageTokenInvalid,
            Self::AccessTokenMissing => ErrorReason::AccessTokenMissing,
            Self::AccessTokenInvalid(_) => ErrorReason::AccessTokenInvalid,
            Self::AccessTokenExpired => ErrorReason::AccessTokenExpired,
            Self::CredentialsInvalid => ErrorReason::CredentialsInvalid,
            Self::RefreshTokenInvalid => ErrorReason::RefreshTokenInvalid,
            Self::RefreshTokenExpired => ErrorReason::RefreshTokenExpired,
            Self::RefreshTokenReused => ErrorReason::RefreshTokenReused,
            Self::SessionNotFound => ErrorReason::SessionNotFound,
            Self::TaskNotFound => ErrorReason::TaskNotFound,
            Self::TaskDeleted => ErrorReason::TaskDeleted,
            Self::TaskNotDeleted => ErrorReason::TaskNotDeleted,
            Self::EtagMismatch { .. } => ErrorReason::EtagMismatch,
            Self::TaskQuotaExceeded { .. } => ErrorReason::TaskQuotaExceeded,
            Self::UsernameTaken => ErrorReason::UsernameTaken,
            Self::RequestIdReused => ErrorReason::RequestIdReused,
            Self::Conflict(_) => ErrorReason::Conflict,
            Self::TooManyAttempts { .. } => ErrorReason::TooManyAttempts,
            Self::Overloaded => ErrorReason::Overloaded,
            Self::MessageTooLarge => ErrorReason::MessageTooLarge,
            Self::DeadlineExceeded(_) => ErrorReason::DeadlineExceeded,
            Self::DatabaseUnavailable(_) => ErrorReason::DatabaseUnavailable,
            Self::KeysUnavailable => ErrorReason::KeysUnavailable,
            Self::MethodNotFound => ErrorReason::MethodNotFound,
            Self::Internal(_) => ErrorReason::Internal,
            Self::InBatch { error, .. } => error.reason(),
        }
    }

    /// What a program may want to know beside the reason.
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

    /// How long a client should wait before it tries the same call again, where that can help.
    fn retry_delay(&self) -> Option<Duration> {
        match self {
            Self::TooManyAttempts { wait } => Some(*wait),
            Self::Overloaded | Self::DatabaseUnavailable(_) | Self::KeysUnavailable => {
                Some(Duration::from_secs(1))
            }
            _ => None,
        }
    }

    /// All that lies behind the error, outermost first: for the log and for who starts a service,
    /// never for a caller.
    #[must_use]
    pub fn causes(&self) -> String {
        let mut text = String::new();
        let mut cause = self.source();
        while let Some(error) = cause {
            // sqlx's own words add a line, which is one of PostgreSQL's source.
            let database = error.downcast_ref::<sqlx::Error>().and_then(|e| e.as_database_error());
            let next = database.map_or_else(|| error.to_string(), |e| e.message().to_owned());
            // Some errors repeat in their own words what lies behind them.
            if !text.ends_with(&next) {
                let separator = if text.is_empty() { "" } else { ": " };
                let _ = write!(text, "{separator}{next}");
            }
            cause = error.source().filter(|_| database.is_none());
        }
        text
    }

    /// Tells the log of a failure that is ours, not the caller's, or hard to understand.
    fn log(&self) {
        match self {
            Self::Internal(_) => tracing::error!(cause = self.causes(), "call failed"),
            Self::DatabaseUnavailable(_) | Self::DeadlineExceeded(_) | Self::Conflict(_) => {
                tracing::warn!(
                    reason = reason_name(self.reason()),
                    cause = self.causes(),
                    "call failed"
                );
            }
            // In the call's own line: a flood of bad tokens shall not write two for each.
            Self::AccessTokenInvalid(fault) => {
                tracing::Span::current().record("token_fault", *fault);
            }
            _ => {}
        }
    }
}

impl From<Error> for Status {
    /// Logs what is ours to know and keeps it from the caller.
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
            Error::TaskQuotaExceeded { .. } => {
                details.add_quota_failure_violation("tasks", message.clone());
            }
            _ => {}
        }
        Self::with_error_details(code, message, details)
    }
}

/// The reason as it stands in `ErrorInfo`: without the prefix that the enum's values have.
fn reason_name(reason: ErrorReason) -> &'static str {
    reason.as_str_name().trim_start_matches("ERROR_REASON_")
}
