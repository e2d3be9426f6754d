//! The actor of a change of an account, which the audit log names.

use serde::Serialize;
use shared::ids::UserId;

use super::session::{Caller, Source};

/// The actor of a change.
#[derive(Clone, Debug)]
pub(crate) enum Actor {
    /// A user with the role `admin`, by a call.
    Administrator {
        /// The administrator and the session of the call.
        caller: Caller,
        /// The client of the call.
        source: Source,
    },
    /// An operator with access to the database, by a command.
    #[expect(dead_code, reason = "for the commands on users")]
    Command,
}

/// The columns of `auth.events` that describe the actor.
#[derive(Serialize)]
pub(crate) struct ActorColumns {
    actor: &'static str,
    actor_id: Option<UserId>,
    session_id: Option<shared::ids::SessionId>,
    ip_address: Option<String>,
    user_agent: Option<String>,
}

impl Actor {
    /// The name in the audit log and in the log.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Administrator { .. } => "administrator",
            Self::Command => "command",
        }
    }

    /// The acting user; a command has none.
    pub(crate) fn user_id(&self) -> Option<UserId> {
        match self {
            Self::Administrator { caller, .. } => Some(caller.id),
            Self::Command => None,
        }
    }

    /// The client of the call; a command has none.
    pub(crate) fn source(&self) -> Option<&Source> {
        match self {
            Self::Administrator { source, .. } => Some(source),
            Self::Command => None,
        }
    }

    /// The columns of a row in the audit log.
    pub(crate) fn columns(&self) -> ActorColumns {
        let session_id = match self {
            Self::Administrator { caller, .. } => Some(caller.session_id),
            Self::Command => None,
        };
        let source = self.source();
        ActorColumns {
            actor: self.name(),
            actor_id: self.user_id(),
            session_id,
            ip_address: source.map(|source| source.ip_address.to_string()),
            user_agent: source.map(|source| source.user_agent.clone().into()),
        }
    }
}
