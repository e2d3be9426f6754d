//! Security events: one log line each, with a stable name and without secrets.

use shared::ids::{SessionId, UserId};

use crate::domain::{key_schedule::RotationReason, session::Source};

/// A security event. Its name in the log is stable: alerts depend on it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    Registered,
    LoginSucceeded,
    LoginFailed,
    RefreshTokenReused,
    LoggedOut,
    SessionRevoked,
    OtherSessionsRevoked,
    PasswordChanged,
    PasswordChangeFailed,
    LoginThrottled,
    RegisterThrottled,
}

impl Event {
    fn name(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::LoginSucceeded => "login_succeeded",
            Self::LoginFailed => "login_failed",
            Self::RefreshTokenReused => "refresh_token_reused",
            Self::LoggedOut => "logged_out",
            Self::SessionRevoked => "session_revoked",
            Self::OtherSessionsRevoked => "other_sessions_revoked",
            Self::PasswordChanged => "password_changed",
            Self::PasswordChangeFailed => "password_change_failed",
            Self::LoginThrottled => "login_throttled",
            Self::RegisterThrottled => "register_throttled",
        }
    }
}

/// Logs an event with the user and the session, if known, and the address of the caller.
pub(crate) fn record(
    event: Event,
    user_id: Option<UserId>,
    session_id: Option<SessionId>,
    source: &Source,
) {
    tracing::info!(
        target: "tandem::security",
        event = event.name(),
        user_id = user_id.map(tracing::field::display),
        session_id = session_id.map(tracing::field::display),
        source = %source.ip_address,
        "security event"
    );
}

/// Logs that a key was created, or became active before its scheduled time.
pub(crate) fn record_key_rotated(kid: &str, reason: RotationReason) {
    let reason = match reason {
        RotationReason::First => "first",
        RotationReason::Age => "age",
        RotationReason::Command => "command",
        RotationReason::Revocation => "revocation",
    };
    record_key("signing_key_rotated", kid, reason);
}

/// Logs that the command `keys revoke` revoked a key.
pub(crate) fn record_key_revoked(kid: &str) {
    record_key("signing_key_revoked", kid, "command");
}

fn record_key(event: &'static str, kid: &str, reason: &'static str) {
    tracing::info!(target: "tandem::security", event, kid, reason, "security event");
}
