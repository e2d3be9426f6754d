//! The settings of the administration of accounts.

use std::time::Duration;

use shared::config::seconds;

/// Retention of deleted users.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Accounts")]
pub struct AccountConfig {
    /// Time for which a deleted user can be undeleted, in seconds. The user is then purged.
    #[arg(
        long = "deleted-user-retention-seconds",
        env = "AUTH_DELETED_USER_RETENTION_SECONDS",
        default_value = "2592000",
        value_name = "SECONDS",
        value_parser = seconds(1..=315_360_000)
    )]
    pub deleted_user_retention: Duration,
}
