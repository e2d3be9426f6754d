//! The settings of the account events that this service follows.

use std::time::Duration;

use shared::config::{AccountEventsConfig, http_url, seconds};
use url::Url;

/// Where the account events are and how they are followed.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Account events")]
pub struct FollowConfig {
    /// The secret for auth-service.
    #[command(flatten)]
    pub secret: AccountEventsConfig,

    /// URL of auth-service, whose account events tell that a user was purged. Defaults to the
    /// origin of TASK_JWKS_URL. The settings of its client certificate apply.
    #[arg(
        id = "account_events_url",
        long = "account-events-url",
        env = "TASK_ACCOUNT_EVENTS_URL",
        value_name = "URL",
        value_parser = http_url
    )]
    pub url: Option<Url>,

    /// Interval between two polls for new account events, in seconds, with ±10 % jitter.
    #[arg(
        id = "account_events_interval_seconds",
        long = "account-events-interval-seconds",
        env = "TASK_ACCOUNT_EVENTS_INTERVAL_SECONDS",
        default_value = "60",
        value_name = "SECONDS",
        value_parser = seconds(1..=86_400)
    )]
    pub interval: Duration,
}
