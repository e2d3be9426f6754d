//! The reason of each error, for programs.

use proto::error::v1::ErrorReason;
use tandem_verifier::Error as TokenError;

use super::Error;

impl Error {
    pub(super) fn reason(&self) -> ErrorReason {
        match self {
            Self::InvalidFields(_) => ErrorReason::InvalidField,
            Self::PageTokenInvalid => ErrorReason::PageTokenInvalid,
            Self::AccessToken(TokenError::TokenMissing) => ErrorReason::AccessTokenMissing,
            Self::AccessToken(TokenError::TokenInvalid(_)) => ErrorReason::AccessTokenInvalid,
            Self::AccessToken(TokenError::TokenExpired) => ErrorReason::AccessTokenExpired,
            Self::AccessToken(TokenError::KeysUnavailable) => ErrorReason::KeysUnavailable,
            Self::CredentialsInvalid => ErrorReason::CredentialsInvalid,
            Self::CurrentPasswordWrong => ErrorReason::CurrentPasswordWrong,
            Self::LoginChallengeInvalid => ErrorReason::LoginChallengeInvalid,
            Self::SecondFactorWrong { .. } => ErrorReason::SecondFactorWrong,
            Self::ResetTokenInvalid => ErrorReason::ResetTokenInvalid,
            Self::TotpEnabled => ErrorReason::TotpEnabled,
            Self::TotpNotEnabled => ErrorReason::TotpNotEnabled,
            Self::TotpNotBegun => ErrorReason::TotpNotBegun,
            Self::RefreshTokenInvalid => ErrorReason::RefreshTokenInvalid,
            Self::RefreshTokenExpired => ErrorReason::RefreshTokenExpired,
            Self::RefreshTokenReused => ErrorReason::RefreshTokenReused,
            Self::SessionNotFound => ErrorReason::SessionNotFound,
            Self::TaskNotFound => ErrorReason::TaskNotFound,
            Self::TaskDeleted => ErrorReason::TaskDeleted,
            Self::TaskNotDeleted => ErrorReason::TaskNotDeleted,
            Self::AdminRequired => ErrorReason::AdminRequired,
            Self::UserNotFound => ErrorReason::UserNotFound,
            Self::UserDeleted => ErrorReason::UserDeleted,
            Self::UserNotDeleted => ErrorReason::UserNotDeleted,
            Self::LastAdministrator => ErrorReason::LastAdministrator,
            Self::UserIdTaken => ErrorReason::UserIdTaken,
            Self::EtagMismatch { .. } => ErrorReason::EtagMismatch,
            Self::TaskQuotaExceeded { .. } => ErrorReason::TaskQuotaExceeded,
            Self::StorageQuotaExceeded { .. } => ErrorReason::StorageQuotaExceeded,
            Self::UsernameTaken => ErrorReason::UsernameTaken,
            Self::RequestIdReused => ErrorReason::RequestIdReused,
            Self::Conflict(_) => ErrorReason::Conflict,
            Self::TooManyAttempts { .. } => ErrorReason::TooManyAttempts,
            Self::Overloaded => ErrorReason::Overloaded,
            Self::MessageTooLarge => ErrorReason::MessageTooLarge,
            Self::DeadlineExceeded(_) => ErrorReason::DeadlineExceeded,
            Self::DatabaseUnavailable(_) | Self::DatabaseReadOnly(_) => {
                ErrorReason::DatabaseUnavailable
            }
            Self::ServiceSecretInvalid => ErrorReason::ServiceSecretInvalid,
            Self::AccountEventsOff => ErrorReason::AccountEventsOff,
            Self::MethodNotFound => ErrorReason::MethodNotFound,
            Self::Internal(_) => ErrorReason::Internal,
            Self::InBatch { error, .. } => error.reason(),
        }
    }
}
