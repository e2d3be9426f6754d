//! Security events: a line in the log and a row in the audit log each, with a stable name and
//! without secrets.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use clap::ValueEnum as _;
use shared::ids::{SessionId, UserId};
use sqlx::PgPool;
use tandem_server::metrics::{IntCounter, Metrics};
use tokio::sync::mpsc::{self, error::TrySendError};
use uuid::Uuid;

use crate::domain::{
    actor::Actor,
    event::{ActedBy, NewEvent},
    key_schedule::RotationReason,
    session::{Caller, Source},
    user::Username,
};

mod writer;

pub(crate) use writer::Writer;

/// A security event. Alerts depend on the names, so they are stable.
///
/// `ValueEnum` names each variant and keeps its comment, from which `docs/reference/events.md` is
/// generated.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Event {
    /// A user registered. Fields: `user_id`, `username`, `source`
    Registered,
    /// A login succeeded. Fields: `user_id`, `username`, `session_id`, `source`
    LoginSucceeded,
    /// A login failed: unknown username or wrong password. Fields: `user_id` and `username` if the
    /// username exists, `source`
    LoginFailed,
    /// The password of a login was right, and its second factor is missing. Fields: `user_id`,
    /// `source`
    LoginChallenged,
    /// A code or a recovery code was wrong or had been used. Fields: `user_id`, `source`
    SecondFactorFailed,
    /// A recovery code was used up. Fields: `user_id`, `source`
    RecoveryCodeUsed,
    /// A refresh token older than the last replaced one was used: a copy of it exists. The session
    /// was ended. Fields: `user_id`, `username`, `session_id`, `source`
    RefreshTokenReused,
    /// A user logged out. Fields: `user_id`, `session_id`, `source`
    LoggedOut,
    /// A user revoked a session. Fields: `user_id`, `session_id` of the revoked session, `source`
    SessionRevoked,
    /// A user revoked all other sessions. Fields: `user_id`, `source`
    OtherSessionsRevoked,
    /// A user changed the password. Fields: `user_id`, `username`, `session_id`, `source`
    PasswordChanged,
    /// A password change failed: wrong current password. Fields: `user_id`, `username`,
    /// `session_id`, `source`
    PasswordChangeFailed,
    /// A call that requires the current password had a wrong one. Fields: `user_id`, `session_id`,
    /// `source`
    CurrentPasswordWrong,
    /// A password was replaced with a reset token or by a command, which ended all sessions of the
    /// user. Fields: `user_id`, `username` and `source`, or `actor`
    PasswordReset,
    /// A password reset failed: the reset token was malformed, expired, used or void. Fields:
    /// `user_id` if the token is genuine and has not expired, `source`
    PasswordResetFailed,
    /// An administrator created a token that resets a password. Fields: `user_id`, `actor`,
    /// `actor_id`, `source`
    PasswordResetTokenCreated,
    /// A user enabled the second factor. Fields: `user_id`, `session_id`, `source`
    TotpEnabled,
    /// A user disabled the second factor. Fields: `user_id`, `session_id`, `source`
    TotpDisabled,
    /// An administrator or a command disabled the second factor of a user, which ended all sessions
    /// of the user. Fields: `user_id`, `actor`, `actor_id`, `source`
    TotpReset,
    /// A user replaced the recovery codes. Fields: `user_id`, `session_id`, `source`
    RecoveryCodesRegenerated,
    /// An attempt with a password or a code was throttled. Recorded at most once a minute per
    /// username and source. Fields: `user_id` and `username` if an earlier attempt has shown that
    /// the username exists, `source`
    LoginThrottled,
    /// A registration was throttled. Recorded at most once a minute per source. Fields: `source`
    RegisterThrottled,
    /// An administrator or a command created a user. Fields: `user_id`, `actor`, `actor_id`,
    /// `source`
    UserCreated,
    /// A user or an administrator renamed a user. Fields: `user_id`, `actor`, `actor_id`, `source`
    UserRenamed,
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
    /// An administrator ended all sessions of a user. Fields: `user_id`, `actor`, `actor_id`,
    /// `source`
    UserSessionsRevoked,
    /// A signing key was created, or became active before its scheduled time. Logged by the
    /// instance or command that made the change, which also stores the row. Fields: `kid`, `reason`
    /// (`first`, `age`, `command` or `revocation`)
    SigningKeyRotated,
    /// A command revoked a signing key. Fields: `kid`, `reason` (`command`)
    SigningKeyRevoked,
    /// A deleted user was purged: the account no longer exists. In the audit log only. Fields:
    /// `user_id`, `username`
    UserPurged,
}

impl Event {
    pub(crate) fn name(self) -> String {
        self.to_possible_value().expect("no variant is skipped").get_name().to_owned()
    }
}

/// What happened, to which account and from where.
pub(crate) struct Entry<'a> {
    pub(crate) event: Event,
    pub(crate) actor: ActedBy,
    /// The user that the event is about.
    pub(crate) user_id: Option<UserId>,
    /// The name of this user. Never a name that no user has: it may be a misplaced password.
    pub(crate) username: Option<&'a Username>,
    pub(crate) session_id: Option<SessionId>,
    pub(crate) source: &'a Source,
}

impl<'a> Entry<'a> {
    /// An event that a caller without proof of identity caused.
    pub(crate) fn anonymous(event: Event, source: &'a Source) -> Self {
        let actor = ActedBy::User(None);
        Self { event, actor, user_id: None, username: None, session_id: None, source }
    }

    /// An event about a user, who caused it.
    pub(crate) fn of_user(event: Event, user_id: UserId, source: &'a Source) -> Self {
        let (actor, user_id) = (ActedBy::User(Some(user_id)), Some(user_id));
        Self { actor, user_id, ..Self::anonymous(event, source) }
    }

    /// An event about the caller's account and session.
    pub(crate) fn of_caller(event: Event, caller: &Caller, source: &'a Source) -> Self {
        let session_id = Some(caller.session_id);
        Self { session_id, ..Self::of_user(event, caller.id, source) }
    }
}

/// Where events go. A clone is the same.
#[derive(Clone)]
pub(crate) struct Events {
    queue: mpsc::Sender<NewEvent>,
    lost: Lost,
}

/// What counts the rows that are not written.
#[derive(Clone)]
struct Lost {
    queue_full: IntCounter,
    rejected: IntCounter,
    shutdown: IntCounter,
    /// Whether the last row found the queue full.
    is_full: Arc<AtomicBool>,
}

impl Events {
    /// A queue of this many rows, and what writes them to the database.
    pub(crate) fn new(db: PgPool, rows: usize, metrics: &Metrics) -> (Self, Writer) {
        let [queue_full, rejected, shutdown] = metrics.counters(
            (
                "tandem_auth_audit_rows_lost_total",
                "Events that are in the log but not in the audit log.",
            ),
            "reason",
            ["queue_full", "rejected", "shutdown"],
        );
        let lost = Lost { queue_full, rejected, shutdown, is_full: Arc::default() };
        let (queue, rows) = mpsc::channel(rows);
        let waiting = queue.clone();
        metrics.sample(
            ("tandem_auth_audit_rows_waiting", "Rows of the audit log that are not written yet."),
            move || waiting.max_capacity() - waiting.capacity(),
        );
        (Self { queue, lost: lost.clone() }, Writer::new(db, rows, lost))
    }

    /// Logs an event and queues its row. Never waits: if the queue is full, the row is lost.
    pub(crate) fn record(&self, entry: &Entry<'_>) {
        log(entry);
        let Entry { event, actor, user_id, username, session_id, source } = *entry;
        let row = NewEvent {
            id: Uuid::now_v7(),
            event: event.name(),
            user_id,
            username: username.cloned(),
            actor,
            session_id,
            source: source.clone(),
            happened: Instant::now(),
            age: Duration::ZERO,
        };
        match self.queue.try_send(row) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                self.lost.queue_full.inc();
                if !self.lost.is_full.swap(true, Relaxed) {
                    tracing::error!("audit queue full, rows are lost");
                }
            }
            Err(TrySendError::Closed(_)) => self.lost.shutdown.inc(),
        }
    }
}

/// Logs an event without queueing a row: the statement that made the change has stored it.
pub(crate) fn log(entry: &Entry<'_>) {
    tracing::info!(
        target: "tandem::security",
        event = entry.event.name(),
        user_id = entry.user_id.map(tracing::field::display),
        username = entry.username.map(tracing::field::display),
        session_id = entry.session_id.map(tracing::field::display),
        source = %entry.source.ip_address,
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

/// Logs that a key was created, or became active before its scheduled time. The statement that did
/// so has stored the row.
pub(crate) fn log_key_rotated(kid: &str, reason: RotationReason) {
    log_key(Event::SigningKeyRotated, kid, reason.name());
}

/// Logs that the command `keys revoke` revoked a key. Its statement has stored the row.
pub(crate) fn log_key_revoked(kid: &str) {
    log_key(Event::SigningKeyRevoked, kid, RotationReason::Command.name());
}

fn log_key(event: Event, kid: &str, reason: &'static str) {
    let event = event.name();
    tracing::info!(target: "tandem::security", event, kid, reason, "security event");
}
