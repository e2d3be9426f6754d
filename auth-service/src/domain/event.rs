//! Rows of the audit log: the event, the account, the actor and the client.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared::ids::{SessionId, UserId};
use uuid::Uuid;

use super::{session::Source, user::Username};

/// The actor of an event. Changes by administrators are recorded by their own statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ActedBy {
    /// A caller; without an id unless the caller is authenticated.
    User(Option<UserId>),
    /// An operator's command.
    Command,
    /// The service itself.
    Service,
}

impl ActedBy {
    /// The value of the column `actor`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Command => "command",
            Self::Service => "service",
        }
    }

    /// The user who acted.
    pub(crate) fn id(self) -> Option<UserId> {
        match self {
            Self::User(id) => id,
            Self::Command | Self::Service => None,
        }
    }
}

/// A row to insert.
#[derive(Clone, Debug)]
pub(crate) struct NewEvent {
    pub(crate) id: Uuid,
    /// The name in `docs/reference/events.md`.
    pub(crate) event: String,
    pub(crate) user_id: Option<UserId>,
    pub(crate) username: Option<Username>,
    pub(crate) actor: ActedBy,
    pub(crate) session_id: Option<SessionId>,
    pub(crate) source: Source,
    pub(crate) happened: Instant,
    /// How long ago it happened, for the database's clock.
    pub(crate) age: Duration,
}

/// A stored row.
#[derive(Clone, Debug)]
pub(crate) struct StoredEvent {
    pub(crate) id: Uuid,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) event: String,
    pub(crate) user_id: Option<Uuid>,
    pub(crate) username: Option<String>,
    pub(crate) actor: String,
    pub(crate) actor_id: Option<Uuid>,
    pub(crate) session_id: Option<Uuid>,
    pub(crate) ip_address: Option<String>,
    pub(crate) user_agent: Option<String>,
    pub(crate) details: BTreeMap<String, String>,
}

impl StoredEvent {
    /// The position after this event in a list.
    pub(crate) fn cursor(&self) -> EventCursor {
        EventCursor { create_time: self.create_time, id: self.id }
    }

    /// The approximate size of the event in a response, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let texts = [&self.username, &self.ip_address, &self.user_agent].into_iter().flatten();
        let details = self.details.iter().flat_map(|(name, value)| [name, value]);
        256 + self.event.len() + texts.chain(details).map(String::len).sum::<usize>()
    }
}

/// A position in a list of events, newest first.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct EventCursor {
    #[serde(with = "chrono::serde::ts_microseconds")]
    pub(crate) create_time: DateTime<Utc>,
    /// Breaks ties.
    pub(crate) id: Uuid,
}

impl EventCursor {
    /// The position before all events.
    pub(crate) const START: Self = Self { create_time: DateTime::<Utc>::MAX_UTC, id: Uuid::max() };
}

/// Which events to list; an absent value allows all.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct EventFilter {
    pub(crate) user_id: Option<UserId>,
    pub(crate) actor_id: Option<UserId>,
    /// Any of these names; empty allows all.
    pub(crate) events: Vec<String>,
    /// At or after.
    pub(crate) from: Option<DateTime<Utc>>,
    /// Before.
    pub(crate) until: Option<DateTime<Utc>>,
}
