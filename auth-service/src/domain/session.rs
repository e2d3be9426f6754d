//! Sessions: one per login, extended by refresh tokens.

use std::{net::IpAddr, time::Duration};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared::ids::{SessionId, UserId};
use uuid::Uuid;

use super::{role::Roles, user::Username};

/// The longest user agent that is stored, in characters.
const MAX_USER_AGENT: usize = 200;

/// The user and the session that an access token names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub(crate) id: UserId,
    pub(crate) session_id: SessionId,
}

/// A session, as shown to its user.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) last_refresh_time: DateTime<Utc>,
    pub(crate) expire_time: DateTime<Utc>,
    pub(crate) user_agent: UserAgent,
    pub(crate) ip_address: String,
    /// How the user logged in (RFC 8176).
    pub(crate) amr: Vec<String>,
}

impl Session {
    /// The position after this session in a list.
    pub(crate) fn cursor(&self) -> Cursor {
        Cursor { create_time: self.create_time, id: self.id.0 }
    }

    /// The approximate size of the session in a response, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.user_agent.0.len() + self.ip_address.len()
    }
}

/// A position in a list of sessions, newest first.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Cursor {
    #[serde(with = "chrono::serde::ts_microseconds")]
    pub(crate) create_time: DateTime<Utc>,
    /// Breaks ties.
    pub(crate) id: Uuid,
}

impl Cursor {
    /// The position before all sessions.
    pub(crate) const START: Self = Self { create_time: DateTime::<Utc>::MAX_UTC, id: Uuid::max() };
}

/// The client of a call.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) user_agent: UserAgent,
    pub(crate) ip_address: IpAddr,
    /// Whether it runs on this machine and no proxy is in between.
    pub(crate) is_local: bool,
}

/// The authentication methods of a login with a password (RFC 8176).
pub(crate) const PASSWORD_AMR: &[&str] = &["pwd"];
/// The authentication methods of a login with a password and a second factor.
pub(crate) const SECOND_FACTOR_AMR: &[&str] = &["pwd", "otp", "mfa"];

/// A session to insert.
pub(crate) struct NewSession {
    pub(crate) id: SessionId,
    pub(crate) user_id: UserId,
    pub(crate) source: Source,
}

impl NewSession {
    /// A session of `user_id`, begun by a login from `source`.
    pub(crate) fn begin(user_id: UserId, source: Source) -> Self {
        Self { id: SessionId::generate(), user_id, source }
    }
}

/// A session that has just begun or was just refreshed: the input for its next tokens.
pub(crate) struct ActiveSession {
    pub(crate) user_id: UserId,
    pub(crate) session_id: SessionId,
    /// For the claim of its access tokens.
    pub(crate) roles: Roles,
    /// The generation of the current refresh token.
    pub(crate) generation: i64,
    pub(crate) expire_time: DateTime<Utc>,
    /// When the user logged in, by the database's clock.
    pub(crate) auth_time: DateTime<Utc>,
    /// How the user logged in (RFC 8176).
    pub(crate) amr: Vec<String>,
}

/// What a refresh token led to.
pub(crate) enum Refreshed {
    Active(ActiveSession),
    /// A copy of the token was used. The session of this user has ended.
    Reused {
        user_id: UserId,
        username: Username,
    },
}

/// The limits of sessions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionPolicy {
    /// The longest time without a refresh.
    pub(crate) idle: Duration,
    /// The longest time since the login.
    pub(crate) absolute: Duration,
    /// The reuse window: how long a replaced refresh token still yields its successor.
    pub(crate) reuse: Duration,
    /// At the limit, a login ends the least recently refreshed session.
    pub(crate) max_per_user: u32,
}

/// The client's user agent: printable and short, for the user to recognise.
#[derive(Clone, Debug, sqlx::Type)]
#[sqlx(transparent)]
pub(crate) struct UserAgent(String);

impl UserAgent {
    /// Keeps the printable ASCII characters.
    pub(crate) fn printable(text: &str) -> Self {
        let printable = text.chars().filter(|c| *c == ' ' || c.is_ascii_graphic());
        Self(printable.take(MAX_USER_AGENT).collect())
    }
}

impl From<UserAgent> for String {
    fn from(UserAgent(text): UserAgent) -> Self {
        text
    }
}
