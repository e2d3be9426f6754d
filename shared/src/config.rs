//! Settings from flags and environment variables, a flag over its variable. The settings that only
//! one service has stand in that service's `config.rs`.

use std::{net::SocketAddr, ops::RangeInclusive, time::Duration};

use clap::builder::{RangedU64ValueParser, TypedValueParser};
use tandem_verifier::VerifierConfig;
use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use url::Url;

mod command_line;
mod database_url;
mod file;
mod server;

pub use command_line::{CommandLine, ConfigError, Task};
pub use database_url::DatabasePlace;
pub use file::{pem_file, read_pem, read_value};
pub use server::{ServerConfig, TlsConfig};

/// The database and how it is used.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Database")]
pub struct DatabaseConfig {
    /// Where the database is.
    #[command(flatten)]
    pub place: DatabasePlace,

    /// The most connections for calls, shared out among the workers, each of which has one at
    /// least. Two more are for what goes on beside the calls.
    #[arg(
        long = "database-max-connections",
        env = "DATABASE_MAX_CONNECTIONS",
        default_value = "10",
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=1000)
    )]
    pub max_connections: u32,

    /// How long a call waits for a free connection before it fails as UNAVAILABLE.
    #[arg(
        long = "database-acquire-timeout-ms",
        env = "DATABASE_ACQUIRE_TIMEOUT_MS",
        default_value = "2000",
        value_name = "MS",
        value_parser = milliseconds(1..=60_000)
    )]
    pub acquire_timeout: Duration,

    /// When an unused connection is closed.
    #[arg(
        long = "database-idle-timeout-seconds",
        env = "DATABASE_IDLE_TIMEOUT_SECONDS",
        default_value = "600",
        value_name = "SECONDS",
        value_parser = seconds(1..=86_400)
    )]
    pub idle_timeout: Duration,

    /// When a connection is replaced.
    #[arg(
        long = "database-max-lifetime-seconds",
        env = "DATABASE_MAX_LIFETIME_SECONDS",
        default_value = "1800",
        value_name = "SECONDS",
        value_parser = seconds(1..=86_400)
    )]
    pub max_lifetime: Duration,

    /// PostgreSQL stops a statement that runs longer.
    #[arg(
        long = "database-statement-timeout-ms",
        env = "DATABASE_STATEMENT_TIMEOUT_MS",
        default_value = "3000",
        value_name = "MS",
        value_parser = milliseconds(1..=600_000)
    )]
    pub statement_timeout: Duration,

    /// PostgreSQL stops a statement that waits longer for a lock.
    #[arg(
        long = "database-lock-timeout-ms",
        env = "DATABASE_LOCK_TIMEOUT_MS",
        default_value = "1000",
        value_name = "MS",
        value_parser = milliseconds(1..=600_000)
    )]
    pub lock_timeout: Duration,

    /// PostgreSQL ends a session that leaves a transaction open for longer.
    #[arg(
        long = "database-idle-in-transaction-timeout-ms",
        env = "DATABASE_IDLE_IN_TRANSACTION_TIMEOUT_MS",
        default_value = "5000",
        value_name = "MS",
        value_parser = milliseconds(1..=600_000)
    )]
    pub idle_in_transaction_timeout: Duration,

    /// Whether `serve` brings the database to the newest schema when it starts. Any number of
    /// instances may do so at once. Where it is off, run `migrate` first.
    #[arg(
        long = "database-migrate-on-start",
        env = "DATABASE_MIGRATE_ON_START",
        default_value = "true",
        value_name = "BOOL",
        action = clap::ArgAction::Set
    )]
    pub migrate_on_start: bool,
}

/// What makes an access token good. Both services must agree on it.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Access tokens")]
pub struct TokenConfig {
    /// The `iss` claim: who signs access tokens.
    #[arg(
        long = "token-issuer",
        env = "TOKEN_ISSUER",
        default_value = "http://127.0.0.1:50051",
        value_name = "URL",
        value_parser = name
    )]
    pub issuer: String,

    /// The `aud` claim: whom access tokens are meant for.
    #[arg(
        long = "token-audience",
        env = "TOKEN_AUDIENCE",
        default_value = "tandem",
        value_name = "NAME",
        value_parser = name
    )]
    pub audience: String,

    /// How far the clocks of issuer and verifier may differ.
    #[arg(
        long = "token-leeway-seconds",
        env = "TOKEN_LEEWAY_SECONDS",
        default_value = "30",
        value_name = "SECONDS",
        value_parser = seconds(0..=300)
    )]
    pub leeway: Duration,
}

impl From<&TokenConfig> for VerifierConfig {
    fn from(config: &TokenConfig) -> Self {
        let TokenConfig { issuer, audience, leeway } = config.clone();
        Self { issuer, audience, leeway }
    }
}

/// The log, and the traces.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Telemetry")]
pub struct TelemetryConfig {
    /// The form of the log's lines, on standard error.
    #[arg(
        long = "log-format",
        env = "LOG_FORMAT",
        default_value = "text",
        value_name = "FORMAT",
        value_enum
    )]
    pub log_format: LogFormat,

    /// What is logged: a level, or `target=level` directives separated by commas.
    #[arg(
        long = "log-filter",
        env = "RUST_LOG",
        default_value = "info,sqlx=warn",
        value_name = "FILTER",
        value_parser = log_filter
    )]
    pub log_filter: String,

    /// Where traces are sent, over OTLP and gRPC, without TLS: `http://host:4317`. Off without it.
    /// The other `OTEL_*` variables of the SDK count, too.
    #[arg(
        long = "otlp-endpoint",
        env = "OTEL_EXPORTER_OTLP_ENDPOINT",
        value_name = "URL",
        value_parser = otlp_endpoint
    )]
    pub otlp_endpoint: Option<Url>,

    /// What the traces call the program, if not by its name.
    #[arg(long = "otel-service-name", env = "OTEL_SERVICE_NAME", value_name = "NAME")]
    pub otel_service_name: Option<String>,
}

/// The form of the log's lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// What `migrate` needs.
#[derive(Clone, Debug, clap::Args)]
#[expect(missing_docs, reason = "each is documented on its type")]
pub struct MigrateConfig {
    #[command(flatten)]
    pub database: DatabaseConfig,
    #[command(flatten)]
    pub telemetry: TelemetryConfig,
}

/// Parses a whole number of seconds.
pub fn seconds(range: RangeInclusive<u64>) -> impl TypedValueParser<Value = Duration> {
    RangedU64ValueParser::<u64>::new().range(range).map(Duration::from_secs)
}

/// Parses a whole number of milliseconds.
pub fn milliseconds(range: RangeInclusive<u64>) -> impl TypedValueParser<Value = Duration> {
    RangedU64ValueParser::<u64>::new().range(range).map(Duration::from_millis)
}

/// Parses an address to listen on.
pub fn socket_address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "expected IP:PORT, such as 127.0.0.1:50051 or [::1]:50051")
}

/// Parses the URL of something that is reached by HTTP.
pub fn http_url(text: &str) -> Result<Url, &'static str> {
    let url = text.parse().ok().filter(|url: &Url| matches!(url.scheme(), "http" | "https"));
    url.ok_or("expected http://host:port/path or https://host/path")
}

fn otlp_endpoint(text: &str) -> Result<Url, &'static str> {
    // The exporter is built without TLS, and would send nothing to https.
    let url = http_url(text).ok().filter(|url| url.scheme() == "http");
    url.ok_or("expected http://host:port; a collector beyond TLS needs one in between")
}

/// Parses what tokens name somebody by.
fn name(text: &str) -> Result<String, &'static str> {
    if text.trim().is_empty() || text.contains(char::is_control) {
        return Err("expected visible characters, and no control characters");
    }
    Ok(text.to_owned())
}

fn log_filter(text: &str) -> Result<String, String> {
    EnvFilter::builder().parse(text).map_err(|error| error.to_string())?;
    // A misspelt level would be taken for a target, and nothing else be logged.
    let is_level = |part: &str| part.parse::<LevelFilter>().is_ok();
    if text.split(',').any(|part| !part.contains(['=', '[']) && !is_level(part)) {
        return Err("expected off, error, warn, info, debug or trace, or target=level".into());
    }
    Ok(text.to_owned())
}
