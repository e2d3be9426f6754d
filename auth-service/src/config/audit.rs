//! The settings of the audit log and of the purge.

use std::time::Duration;

use shared::config::{count, seconds};

/// The audit log, and the purge of its old events and of deleted users.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Audit log")]
pub struct AuditConfig {
    /// Time for which an event stays in the audit log, in seconds. The event is then purged.
    #[arg(
        id = "audit_retention_seconds",
        long = "audit-retention-seconds",
        env = "AUTH_AUDIT_RETENTION_SECONDS",
        default_value = "7776000",
        value_name = "SECONDS",
        value_parser = seconds(1..=315_360_000)
    )]
    pub(crate) retention: Duration,

    /// Maximum number of events that wait to be written to the audit log, about 500 bytes each. At
    /// the limit, further events are only in the log; `tandem_auth_audit_rows_lost_total` counts
    /// them.
    #[arg(
        id = "audit_queue",
        long = "audit-queue",
        env = "AUTH_AUDIT_QUEUE",
        default_value = "10000",
        value_name = "N",
        value_parser = count::<u32>(1..=1_000_000)
    )]
    pub(crate) queue: u32,

    /// Interval between purges of old events and of deleted users, in seconds, with ±10 % jitter.
    #[arg(
        id = "auth_purge_interval_seconds",
        long = "purge-interval-seconds",
        env = "AUTH_PURGE_INTERVAL_SECONDS",
        default_value = "60",
        value_name = "SECONDS",
        value_parser = seconds(1..=86_400)
    )]
    pub(crate) purge_interval: Duration,
}
