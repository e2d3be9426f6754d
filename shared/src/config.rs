//! Settings from flags and environment variables. A flag takes precedence over its variable. The
//! settings of a single service are in that service's `config.rs`.

use std::time::Duration;

use tandem_verifier::VerifierConfig;
use url::Url;

mod account_events;
mod command_line;
mod database;
mod database_url;
mod file;
mod origins;
mod server;
mod values;

pub use account_events::{AccountEventsConfig, ServiceSecret};
pub use command_line::{from_variables, optional, parse, parse_program, reject, settings};
pub use database::DatabaseConfig;
pub use database_url::DatabasePlace;
pub use file::{pem_file, read_pem, read_value};
pub use origins::Origins;
pub use server::{ServerConfig, TlsConfig};
pub use values::{bytes, count, http_url, milliseconds, seconds, socket_address};

/// What makes an access token valid.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Access tokens")]
pub struct TokenConfig {
    /// The `iss` claim of access tokens. Both services need the same value.
    #[arg(
        long = "token-issuer",
        env = "TOKEN_ISSUER",
        default_value = "http://127.0.0.1:50051",
        value_name = "URL",
        value_parser = values::name
    )]
    pub issuer: String,

    /// The `aud` claim of access tokens. Both services need the same value.
    #[arg(
        long = "token-audience",
        env = "TOKEN_AUDIENCE",
        default_value = "tandem",
        value_name = "NAME",
        value_parser = values::name
    )]
    pub audience: String,

    /// Clock difference allowed between issuer and verifier, in seconds. Both services need the
    /// same value.
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

/// Logs and traces.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Telemetry")]
pub struct TelemetryConfig {
    /// Format of the log on standard error.
    #[arg(
        long = "log-format",
        env = "LOG_FORMAT",
        default_value = "text",
        value_name = "FORMAT",
        value_enum
    )]
    pub log_format: LogFormat,

    /// Log filter: a level, or `target=level` directives separated by commas.
    #[arg(
        long = "log-filter",
        env = "RUST_LOG",
        default_value = "info,sqlx=warn",
        value_name = "FILTER",
        value_parser = values::log_filter
    )]
    pub log_filter: String,

    /// OTLP endpoint that receives traces over gRPC, without TLS: `http://host:4317`. If absent,
    /// no traces are exported. The other `OTEL_*` variables of the SDK apply too.
    #[arg(
        long = "otlp-endpoint",
        env = "OTEL_EXPORTER_OTLP_ENDPOINT",
        value_name = "URL",
        value_parser = values::otlp_endpoint
    )]
    pub otlp_endpoint: Option<Url>,

    /// Service name in traces. Defaults to the name of the program.
    #[arg(long = "otel-service-name", env = "OTEL_SERVICE_NAME", value_name = "NAME")]
    pub otel_service_name: Option<String>,
}

/// The format of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Text for a terminal
    Text,
    /// One JSON object per line
    Json,
}

/// The settings of `migrate`.
#[derive(Clone, Debug, clap::Args)]
#[expect(missing_docs, reason = "each is documented on its type")]
pub struct MigrateConfig {
    #[command(flatten)]
    pub database: DatabaseConfig,
    #[command(flatten)]
    pub telemetry: TelemetryConfig,
}
