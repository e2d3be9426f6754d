//! Why a token is rejected, and its mapping to a gRPC status.

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// The `domain` of every `google.rpc.ErrorInfo` that Tandem's services send.
pub const DOMAIN: &str = "tandem";

/// Why a caller is not authenticated. `Display` is for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The call carries no `authorization: Bearer` entry.
    #[error("send an access token as metadata: `authorization: Bearer <access token>`")]
    TokenMissing,
    /// The token fails a check. The field names the part that failed, such as "iss", for the log;
    /// the caller does not see it.
    #[error("the access token is not valid; refresh it or log in again")]
    TokenInvalid(&'static str),
    /// The token passed every other check, and its `exp` has passed.
    #[error("the access token has expired; refresh it or log in again")]
    TokenExpired,
    /// The token may be valid, but the issuer's keys cannot be loaded. Retry.
    #[error("the keys of access tokens cannot be loaded now; try again")]
    KeysUnavailable,
}

impl Error {
    /// The gRPC code: UNAVAILABLE without keys, otherwise UNAUTHENTICATED.
    #[must_use]
    pub fn code(self) -> Code {
        match self {
            Self::TokenMissing | Self::TokenInvalid(_) | Self::TokenExpired => {
                Code::Unauthenticated
            }
            Self::KeysUnavailable => Code::Unavailable,
        }
    }

    /// The `reason` of the `google.rpc.ErrorInfo`, as in `tandem.error.v1.ErrorReason`.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::TokenMissing => "ACCESS_TOKEN_MISSING",
            Self::TokenInvalid(_) => "ACCESS_TOKEN_INVALID",
            Self::TokenExpired => "ACCESS_TOKEN_EXPIRED",
            Self::KeysUnavailable => "KEYS_UNAVAILABLE",
        }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let details = ErrorDetails::with_error_info(error.reason(), DOMAIN, []);
        Self::with_error_details(error.code(), error.to_string(), details)
    }
}
