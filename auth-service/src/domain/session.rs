//! Sessions: logins that refresh tokens continue.

use std::{net::IpAddr, time::Duration};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared::{
    error::Invalid,
    ids::{SessionId, UserId},
};
use uuid::Uuid;

/// The most characters of a user agent that are kept.
const MAX_USER_AGENT: usize = 200;

/// One login, as its owner sees it.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) last_refresh_time: DateTime<Utc>,
    pub(crate) expire_time: DateTime<Utc>,
    pub(crate) user_agent: UserAgent,
    pub(crate) ip_address: String,
}

impl Session {
    /// The place behind it in a list.
    pub(crate) fn cursor(&self) -> Cursor {
        Cursor { create_time: self.create_time, id: self.id.0 }
    }

    /// About how many bytes it takes in an answer.
    pub(crate) fn bytes(&self) -> usize {
        self.user_agent.0.len() + self.ip_address.len()
    }
}

/// The place behind a session in a list, the newest first.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Cursor {
    #[serde(with = "chrono::serde::ts_microseconds")]
    pub(crate) create_time: DateTime<Utc>,
    /// It breaks ties.
    pub(crate) id: Uuid,
}

impl Cursor {
    /// The place before all sessions.
    pub(crate) const START: Self = Self { create_time: DateTime::<Utc>::MAX_UTC, id: Uuid::max() };
}

/// Where a call comes from.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) user_agent: UserAgent,
    pub(crate) ip_address: IpAddr,
}

/// A session that begins now.
pub(crate) struct NewSession {
    pub(crate) id: SessionId,
    pub(crate) user_id: UserId,
    pub(crate) source: Source,
}

impl NewSession {
    /// Of this user, who logs in from there.
    pub(crate) fn begin(user_id: UserId, source: Source) -> Self {
        Self { id: SessionId::generate(), user_id, source }
    }
}

/// A session that was refreshed, or has just begun.
pub(crate) struct Continued {
    pub(crate) user_id: UserId,
    pub(crate) session_id: SessionId,
    /// Of the refresh token that is current now.
    pub(crate) generation: i64,
    pub(crate) expire_time: DateTime<Utc>,
}

/// How long sessions last and how many a user may have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionPolicy {
    /// Without a refresh.
    pub(crate) idle: Duration,
    /// In any case.
    pub(crate) absolute: Duration,
    /// For how long a refresh token that was just replaced gives the same next one again.
    pub(crate) reuse: Duration,
    /// More end those that were not refreshed for the longest time.
    pub(crate) max_per_user: u32,
}

/// What a client calls itself: printable and short, for a person to recognise.
#[derive(Clone, Debug, sqlx::Type)]
#[sqlx(transparent)]
pub(crate) struct UserAgent(String);

impl UserAgent {
    /// Keeps what can be printed of it.
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

/// Reads the id of a session: a lower-case hyphenated UUID.
pub(crate) fn parse_id(text: &str) -> Result<SessionId, Invalid> {
    let id = Uuid::try_parse(text).ok().map(SessionId).filter(|id| id.to_string() == text);
    id.ok_or_else(|| "must be the id of a session: a lower-case UUID with hyphens".into())
}
