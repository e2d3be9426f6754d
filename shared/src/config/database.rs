//! The settings of the database connections.

use std::time::Duration;

use super::{DatabasePlace, count, milliseconds, seconds};

/// The database and its connections.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Database")]
pub struct DatabaseConfig {
    /// Where the database is.
    #[command(flatten)]
    pub place: DatabasePlace,

    /// Maximum number of database connections for calls, divided among the workers. Each worker
    /// has at least one. Two more connections serve background work and readiness checks.
    #[arg(
        long = "database-max-connections",
        env = "DATABASE_MAX_CONNECTIONS",
        default_value = "10",
        value_name = "N",
        value_parser = count::<u32>(1..=1000)
    )]
    pub max_connections: u32,

    /// Maximum time a call waits for a free connection, in milliseconds. The call then fails with
    /// RESOURCE_EXHAUSTED (task-service) or UNAVAILABLE (auth-service).
    #[arg(
        long = "database-acquire-timeout-ms",
        env = "DATABASE_ACQUIRE_TIMEOUT_MS",
        default_value = "2000",
        value_name = "MS",
        value_parser = milliseconds(1..=60_000)
    )]
    pub acquire_timeout: Duration,

    /// Time after which an idle connection is closed, in seconds.
    #[arg(
        long = "database-idle-timeout-seconds",
        env = "DATABASE_IDLE_TIMEOUT_SECONDS",
        default_value = "600",
        value_name = "SECONDS",
        value_parser = seconds(1..=86_400)
    )]
    pub idle_timeout: Duration,

    /// Age at which a connection is replaced, in seconds.
    #[arg(
        long = "database-max-lifetime-seconds",
        env = "DATABASE_MAX_LIFETIME_SECONDS",
        default_value = "1800",
        value_name = "SECONDS",
        value_parser = seconds(1..=86_400)
    )]
    pub max_lifetime: Duration,

    /// Maximum run time of a statement, in milliseconds. PostgreSQL then cancels the statement and
    /// the call fails with DEADLINE_EXCEEDED.
    #[arg(
        long = "database-statement-timeout-ms",
        env = "DATABASE_STATEMENT_TIMEOUT_MS",
        default_value = "3000",
        value_name = "MS",
        value_parser = milliseconds(1..=600_000)
    )]
    pub statement_timeout: Duration,

    /// Maximum time a statement waits for a lock, in milliseconds. PostgreSQL then cancels the
    /// statement and the call fails with ABORTED.
    #[arg(
        long = "database-lock-timeout-ms",
        env = "DATABASE_LOCK_TIMEOUT_MS",
        default_value = "1000",
        value_name = "MS",
        value_parser = milliseconds(1..=600_000)
    )]
    pub lock_timeout: Duration,

    /// Maximum time a transaction stays open without a statement, in milliseconds. PostgreSQL then
    /// closes the connection.
    #[arg(
        long = "database-idle-in-transaction-timeout-ms",
        env = "DATABASE_IDLE_IN_TRANSACTION_TIMEOUT_MS",
        default_value = "5000",
        value_name = "MS",
        value_parser = milliseconds(1..=600_000)
    )]
    pub idle_in_transaction_timeout: Duration,

    /// Whether `serve` applies pending migrations at start. Any number of instances can start at
    /// once. If `false`, run `migrate` before the first start of a new version.
    #[arg(
        long = "database-migrate-on-start",
        env = "DATABASE_MIGRATE_ON_START",
        default_value = "true",
        value_name = "BOOL",
        action = clap::ArgAction::Set
    )]
    pub migrate_on_start: bool,
}
