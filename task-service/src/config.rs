//! The settings of task-service beside those that both services have.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use shared::config::{
    CommandLine, ConfigError, DatabaseConfig, ServerConfig, TelemetryConfig, TokenConfig, http_url,
    milliseconds, pem_file, seconds, socket_address,
};
use tandem_server::program;
use url::Url;

/// All settings of task-service.
#[derive(Clone, Debug, clap::Args)]
#[expect(missing_docs, reason = "each is documented on its type")]
pub struct Config {
    #[command(flatten)]
    pub listen: ListenConfig,
    #[command(flatten)]
    pub task: TaskConfig,
    #[command(flatten)]
    pub issuer: IssuerConfig,
    #[command(flatten)]
    pub token: TokenConfig,
    #[command(flatten)]
    pub database: DatabaseConfig,
    #[command(flatten)]
    pub server: ServerConfig,
    #[command(flatten)]
    pub telemetry: TelemetryConfig,
}

impl Config {
    /// All settings, for a service that listens where they say; or every mistake in them.
    pub fn to_serve(command_line: &CommandLine) -> Result<Self, ConfigError> {
        let address = command_line.settings().map(|listen: ListenConfig| listen.address);
        program::to_serve(command_line.settings(), command_line, address.ok())
    }
}

/// Where the service is.
#[derive(Clone, Debug, clap::Args)]
pub struct ListenConfig {
    /// Where calls are answered.
    #[arg(
        id = "listen_address",
        long = "listen-address",
        env = "TASK_LISTEN_ADDRESS",
        default_value = "127.0.0.1:50052",
        value_name = "IP:PORT",
        value_parser = socket_address
    )]
    pub address: SocketAddr,

    /// Where the probes `/livez` and `/readyz` and Prometheus' `/metrics` are answered, in plain
    /// HTTP. Keep it on a private network.
    #[arg(
        id = "ops_listen_address",
        long = "ops-listen-address",
        env = "TASK_OPS_LISTEN_ADDRESS",
        default_value = "127.0.0.1:9052",
        value_name = "IP:PORT",
        value_parser = socket_address
    )]
    pub ops_address: SocketAddr,

    /// The largest request message, in bytes, but for batches.
    #[arg(
        long = "max-request-bytes",
        env = "TASK_MAX_REQUEST_BYTES",
        default_value = "262144",
        value_name = "BYTES",
        value_parser = clap::value_parser!(u32).range(1024..=4_194_304)
    )]
    pub max_request_bytes: u32,

    /// The largest request message of a batch, in bytes.
    #[arg(
        long = "max-batch-request-bytes",
        env = "TASK_MAX_BATCH_REQUEST_BYTES",
        default_value = "4194304",
        value_name = "BYTES",
        value_parser = clap::value_parser!(u32).range(1024..=4_194_304)
    )]
    pub max_batch_request_bytes: u32,

    /// How long a call may take; a client may want its answer earlier.
    #[arg(
        long = "call-timeout-seconds",
        env = "TASK_CALL_TIMEOUT_SECONDS",
        default_value = "5",
        value_name = "SECONDS",
        value_parser = seconds(1..=300)
    )]
    pub call_timeout: Duration,
}

/// What a user may keep, and for how long what was deleted is kept.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Tasks")]
pub struct TaskConfig {
    /// How many tasks a user may have; deleted ones do not count.
    #[arg(
        long = "tasks-per-user",
        env = "TASK_TASKS_PER_USER",
        default_value = "10000",
        value_name = "NUMBER",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    pub quota: u32,

    /// For how long a deleted task can be undeleted before it is purged.
    #[arg(
        long = "deleted-retention-seconds",
        env = "TASK_DELETED_RETENTION_SECONDS",
        default_value = "2592000",
        value_name = "SECONDS",
        value_parser = seconds(1..=315_360_000)
    )]
    pub deleted_retention: Duration,

    /// How often what has expired is looked for and removed, give or take a tenth.
    #[arg(
        long = "purge-interval-seconds",
        env = "TASK_PURGE_INTERVAL_SECONDS",
        default_value = "60",
        value_name = "SECONDS",
        value_parser = seconds(1..=86_400)
    )]
    pub purge_interval: Duration,

    /// How many bytes of memory may hold first pages of lists as they were last read. Each is told
    /// again only if the database says that nothing has changed. With 0 all are read anew.
    #[arg(
        long = "page-cache-bytes",
        env = "TASK_PAGE_CACHE_BYTES",
        default_value = "16777216",
        value_name = "BYTES",
        value_parser = clap::value_parser!(u64).range(0..=1 << 40)
    )]
    pub page_cache_bytes: u64,
}

/// Whose tokens are accepted, and how fresh the issuer's keys are kept.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Issuer")]
pub struct IssuerConfig {
    /// Where the issuer publishes the keys that verify its tokens, as a JSON Web Key Set.
    #[arg(
        id = "jwks_url",
        long = "jwks-url",
        env = "TASK_JWKS_URL",
        default_value = "http://127.0.0.1:50051/.well-known/jwks.json",
        value_name = "URL",
        value_parser = http_url
    )]
    pub url: Url,

    /// A file with the certificate, in PEM, that the issuer is shown if it asks for one.
    #[arg(
        id = "jwks_client_cert_file",
        long = "jwks-client-cert-file",
        env = "TASK_JWKS_CLIENT_CERT_FILE",
        value_name = "FILE",
        value_parser = pem_file,
        requires = "jwks_client_key_file"
    )]
    pub client_cert_file: Option<PathBuf>,

    /// A file with that certificate's private key, in PEM.
    #[arg(
        id = "jwks_client_key_file",
        long = "jwks-client-key-file",
        env = "TASK_JWKS_CLIENT_KEY_FILE",
        value_name = "FILE",
        value_parser = pem_file,
        requires = "jwks_client_cert_file"
    )]
    pub client_key_file: Option<PathBuf>,

    /// How often the keys are fetched, give or take a tenth.
    #[arg(
        id = "jwks_refresh_seconds",
        long = "jwks-refresh-seconds",
        env = "TASK_JWKS_REFRESH_SECONDS",
        default_value = "300",
        value_name = "SECONDS",
        value_parser = seconds(1..=86_400)
    )]
    pub refresh_interval: Duration,

    /// How often a token that names an unknown key may have them fetched again.
    #[arg(
        id = "jwks_unknown_kid_seconds",
        long = "jwks-unknown-kid-seconds",
        env = "TASK_JWKS_UNKNOWN_KID_SECONDS",
        default_value = "10",
        value_name = "SECONDS",
        value_parser = seconds(0..=3600)
    )]
    pub unknown_kid_interval: Duration,

    /// How long the last keys are trusted while no others can be had.
    #[arg(
        id = "jwks_max_age_seconds",
        long = "jwks-max-age-seconds",
        env = "TASK_JWKS_MAX_AGE_SECONDS",
        default_value = "86400",
        value_name = "SECONDS",
        value_parser = seconds(1..=604_800)
    )]
    pub max_age: Duration,

    /// How long a fetch may take.
    #[arg(
        id = "jwks_timeout_ms",
        long = "jwks-timeout-ms",
        env = "TASK_JWKS_TIMEOUT_MS",
        default_value = "2000",
        value_name = "MS",
        value_parser = milliseconds(1..=60_000)
    )]
    pub timeout: Duration,
}
