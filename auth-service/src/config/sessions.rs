//! The settings of sessions.

use std::time::Duration;

use shared::config::{count, seconds};

use crate::domain::session::SessionPolicy;

/// Lifetime and number of sessions.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Sessions")]
pub struct SessionConfig {
    /// Time after which a session ends unless it is refreshed, in seconds.
    #[arg(
        long = "session-idle-seconds",
        env = "AUTH_SESSION_IDLE_SECONDS",
        default_value = "604800",
        value_name = "SECONDS",
        value_parser = seconds(1..=31_536_000)
    )]
    idle: Duration,

    /// Maximum age of a session, in seconds, however often it is refreshed.
    #[arg(
        long = "session-absolute-seconds",
        env = "AUTH_SESSION_ABSOLUTE_SECONDS",
        default_value = "2592000",
        value_name = "SECONDS",
        value_parser = seconds(1..=315_360_000)
    )]
    absolute: Duration,

    /// Reuse interval of a refresh token, in seconds. During it, a replaced token returns the same
    /// successor, so that retries and parallel tabs agree. Later, it returns a newer token. A token
    /// older than the last replaced one ends the session.
    #[arg(
        long = "session-reuse-window-seconds",
        env = "AUTH_SESSION_REUSE_WINDOW_SECONDS",
        default_value = "30",
        value_name = "SECONDS",
        value_parser = seconds(0..=3600)
    )]
    reuse: Duration,

    /// Maximum number of sessions per user. At the limit, a login ends the least recently refreshed
    /// session.
    #[arg(
        long = "sessions-per-user",
        env = "AUTH_SESSIONS_PER_USER",
        default_value = "50",
        value_name = "N",
        value_parser = count::<u32>(1..=1000)
    )]
    max_per_user: u32,
}

impl SessionConfig {
    pub(crate) fn policy(&self) -> SessionPolicy {
        let Self { idle, absolute, reuse, max_per_user } = *self;
        SessionPolicy { idle, absolute, reuse, max_per_user }
    }
}
