//! Security events: one log line each, with a stable name and without secrets.

use clap::ValueEnum as _;
use shared::ids::{SessionId, UserId};

use crate::domain::{actor::Actor, key_schedule::RotationReason, session::Source};

/// A security event. Alerts depend on the names in the log, so they are stable.
///
/// `ValueEnum` names each variant and keeps its comment, from which `docs/reference/events.md` is
/// generated.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Event {
    /// A user registered. Fields: `user_id`, `source`
    Registered,
    /// A login succeeded. Fields: `user_id`, `session_id`, `source`
    LoginSucceeded,
    /// A login failed: unknown username or wrong password. Fields: `user_id` if the username
    /// exists, `source`
    LoginFailed,
    /// The password of a login was right, and its second factor is missing. Fields: `user_id`,
    /// `source`
    LoginChallenged,
    /// A code or a recovery code was wrong or had been used. Fields: `user_id`, `source`
    SecondFactorFailed,
    /// A recovery code was used up. Fields: `user_id`, `source`
    RecoveryCodeUsed,
    /// A refresh token older than the last replaced one was used: a copy of it exists. The session
    /// was ended. Fields: `session_id`, `source`
    RefreshTokenReused,
    /// A user logged out. Fields: `user_id`, `session_id`, `source`
    LoggedOut,
    /// A user revoked a session. Fields: `user_id`, `session_id` of the revoked session, `source`
    SessionRevoked,
    /// A user revoked all other sessions. Fields: `user_id`, `source`
    OtherSessionsRevoked,
    /// A user changed the password. Fields: `user_id`, `session_id`, `source`
    PasswordChanged,
    /// A password change failed: wrong current password. Fields: `user_id`, `session_id`, `source`
    PasswordChangeFailed,
    /// A call that requires the current password had a wrong one. Fields: `user_id`, `session_id`,
    /// `source`
    CurrentPasswordWrong,
    /// A password was replaced with a reset token; all sessions were ended. Fields: `user_id`,
    /// `source`
    PasswordReset,
    /// A password reset failed: the reset token was malformed, expired, used or void. Fields:
    /// `user_id` if the token is genuine, `source`
    PasswordResetFailed,
    /// An administrator created a token that resets a password. Fields: `user_id`, `actor`,
    /// `actor_id`, `source`
    PasswordResetTokenCreated,
    /// A user enabled the second factor. Fields: `user_id`, `session_id`, `source`
    TotpEnabled,
    /// A user disabled the second factor. Fields: `user_id`, `session_id`, `source`
    TotpDisabled,
    /// An administrator disabled the second factor of a user, which ended all sessions of the user.
    /// Fields: `user_id`, `actor`, `actor_id`, `source`
    TotpReset,
    /// A user replaced the recovery codes. Fields: `user_id`, `session_id`, `source`
    RecoveryCodesRegenerated,
    /// An attempt with a password or a code was throttled. Logged at most once a minute per
    /// username and source. Fields: `user_id` if the caller is authenticated, `source`
    LoginThrottled,
    /// A registration was throttled. Logged at most once a minute per source. Fields: `source`
    RegisterThrottled,
    /// An administrator or a command created a user. Fields: `user_id`, `actor`, `actor_id`,
    /// `source`
    UserCreated,
    /// A user, an administrator or a command renamed a user. Fields: `user_id`, `actor`,
    /// `actor_id`, `source`
    UserUpdated,
    /// An administrator or a command changed the roles of a user, which ended all sessions of the
    /// user. Fields: `user_id`, `actor`, `actor_id`, `source`
    UserRolesChanged,
    /// An administrator or a command disabled a user, which ended all sessions of the user. Fields:
    /// `user_id`, `actor`, `actor_id`, `source`
    UserDisabled,
    /// An administrator or a command enabled a disabled user. Fields: `user_id`, `actor`,
    /// `actor_id`, `source`
    UserEnabled,
    /// A user, an administrator or a command deleted a user, which ended all sessions of the user.
    /// Fields: `user_id`, `actor`, `actor_id`, `source`
    UserDeleted,
    /// An administrator or a command restored a deleted user. Fields: `user_id`, `actor`,
    /// `actor_id`, `source`
    UserUndeleted,
    /// An administrator or a command ended all sessions of a user. Fields: `user_id`, `actor`,
    /// `actor_id`, `source`
    UserSessionsRevoked,
    /// A signing key was created, or became active before its scheduled time. Logged by the
    /// instance or command that made the change. Fields: `kid`, `reason` (`first`, `age`,
    /// `command` or `revocation`)
    SigningKeyRotated,
    /// A command revoked a signing key. Fields: `kid`, `reason` (`command`)
    SigningKeyRevoked,
}

impl Event {
    pub(crate) fn name(self) -> String {
        self.to_possible_value().expect("no variant is skipped").get_name().to_owned()
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

/// Logs a change of a user by an administrator or a command. The statement that makes the change
/// writes its row of the audit log.
pub(crate) fn log_change(event: &str, user_id: UserId, actor: &Actor) {
    tracing::info!(
        target: "tandem::security",
        event,
        user_id = %user_id,
        actor = actor.name(),
        actor_id = actor.user_id().map(tracing::field::display),
        source = actor.source().map(|source| tracing::field::display(source.ip_address)),
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
    record_key(Event::SigningKeyRotated, kid, reason);
}

/// Logs that the command `keys revoke` revoked a key.
pub(crate) fn record_key_revoked(kid: &str) {
    record_key(Event::SigningKeyRevoked, kid, "command");
}

fn record_key(event: Event, kid: &str, reason: &'static str) {
    let event = event.name();
    tracing::info!(target: "tandem::security", event, kid, reason, "security event");
}
