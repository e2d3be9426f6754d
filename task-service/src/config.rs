//! The settings of task-service, in addition to those of both services.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use shared::config::{
    DatabaseConfig, ServerConfig, TelemetryConfig, TokenConfig, bytes, count, http_url,
    milliseconds, pem_file, seconds, socket_address,
};
use url::Url;

mod account_events;

pub use account_events::FollowConfig;

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
    pub follow: FollowConfig,
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
    /// All mistakes that no setting shows alone, for a service that listens at these addresses.
    #[must_use]
    pub fn mistakes(&self) -> Vec<String> {
        tandem_server::tls_mistakes(&self.server.tls, self.listen.address)
    }
}

/// The listener, and the limits of a call.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Listener")]
pub struct ListenConfig {
    /// Address that the service answers calls at.
    #[arg(
        id = "listen_address",
        long = "listen-address",
        env = "TASK_LISTEN_ADDRESS",
        default_value = "127.0.0.1:50052",
        value_name = "IP:PORT",
        value_parser = socket_address
    )]
    pub address: SocketAddr,

    /// The operations port.
    #[command(flatten)]
    pub ops: OpsConfig,

    /// Maximum size of a request message other than a batch, in bytes. Larger requests fail with
    /// RESOURCE_EXHAUSTED.
    #[arg(
        long = "max-request-bytes",
        env = "TASK_MAX_REQUEST_BYTES",
        default_value = "262144",
        value_name = "BYTES",
        value_parser = bytes::<u32>(1024..=4_194_304)
    )]
    pub max_request_bytes: u32,

    /// Maximum size of the request message of a batch, in bytes. Larger requests fail with
    /// RESOURCE_EXHAUSTED.
    #[arg(
        long = "max-batch-request-bytes",
        env = "TASK_MAX_BATCH_REQUEST_BYTES",
        default_value = "4194304",
        value_name = "BYTES",
        value_parser = bytes::<u32>(1024..=4_194_304)
    )]
    pub max_batch_request_bytes: u32,

    /// Maximum time of a call, in seconds. The call then fails with DEADLINE_EXCEEDED. A client can
    /// set a shorter deadline.
    #[arg(
        long = "call-timeout-seconds",
        env = "TASK_CALL_TIMEOUT_SECONDS",
        default_value = "5",
        value_name = "SECONDS",
        value_parser = seconds(1..=300)
    )]
    pub call_timeout: Duration,
}

/// The operations port.
#[derive(Clone, Debug, clap::Args)]
pub struct OpsConfig {
    /// Address of the operations port: the probes `/livez` and `/readyz`, and `/metrics` for
    /// Prometheus, over plain HTTP. Keep it on a private network.
    #[arg(
        id = "ops_listen_address",
        long = "ops-listen-address",
        env = "TASK_OPS_LISTEN_ADDRESS",
        default_value = "127.0.0.1:9052",
        value_name = "IP:PORT",
        value_parser = socket_address
    )]
    pub address: SocketAddr,
}

/// Quota, retention and cache of tasks.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Tasks")]
pub struct TaskConfig {
    /// Maximum number of tasks per user, without deleted tasks. At the limit, new tasks are
    /// rejected with RESOURCE_EXHAUSTED.
    #[arg(
        long = "tasks-per-user",
        env = "TASK_TASKS_PER_USER",
        default_value = "10000",
        value_name = "N",
        value_parser = count::<u32>(1..=1_000_000)
    )]
    pub tasks_per_user: u32,

    /// Maximum number of bytes of a user's tasks, deleted tasks included until they are purged. A
    /// task counts the bytes of its title, description and labels, and 1024. At the limit, new and
    /// longer tasks are rejected with RESOURCE_EXHAUSTED.
    #[arg(
        long = "bytes-per-user",
        env = "TASK_BYTES_PER_USER",
        default_value = "67108864",
        value_name = "BYTES",
        value_parser = bytes::<u64>(1024..=1 << 40)
    )]
    pub bytes_per_user: u64,

    /// Time for which a deleted task can be undeleted, in seconds. The task is then purged.
    #[arg(
        long = "deleted-retention-seconds",
        env = "TASK_DELETED_RETENTION_SECONDS",
        default_value = "2592000",
        value_name = "SECONDS",
        value_parser = seconds(1..=315_360_000)
    )]
    pub deleted_retention: Duration,

    /// Interval between purges of expired rows, in seconds, with ±10 % jitter.
    #[arg(
        long = "purge-interval-seconds",
        env = "TASK_PURGE_INTERVAL_SECONDS",
        default_value = "60",
        value_name = "SECONDS",
        value_parser = seconds(1..=86_400)
    )]
    pub purge_interval: Duration,

    /// Size of the first-page cache, in bytes. Every hit is revalidated against the database;
    /// changes made by hand in SQL appear within a minute. 0 disables the cache.
    #[arg(
        long = "page-cache-bytes",
        env = "TASK_PAGE_CACHE_BYTES",
        default_value = "16777216",
        value_name = "BYTES",
        value_parser = bytes::<u64>(0..=1 << 40)
    )]
    pub page_cache_bytes: u64,
}

/// The token issuer and its key set.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Issuer")]
pub struct IssuerConfig {
    /// URL of the issuer's JSON Web Key Set, whose keys verify access tokens.
    #[arg(
        id = "jwks_url",
        long = "jwks-url",
        env = "TASK_JWKS_URL",
        default_value = "http://127.0.0.1:50051/.well-known/jwks.json",
        value_name = "URL",
        value_parser = http_url
    )]
    pub url: Url,

    /// Path of the client certificate for an issuer that requires one, in PEM.
    #[arg(
        id = "jwks_client_cert_file",
        long = "jwks-client-cert-file",
        env = "TASK_JWKS_CLIENT_CERT_FILE",
        value_name = "FILE",
        value_parser = pem_file,
        requires = "jwks_client_key_file"
    )]
    pub client_cert_file: Option<PathBuf>,

    /// Path of the client certificate's private key, in PEM.
    #[arg(
        id = "jwks_client_key_file",
        long = "jwks-client-key-file",
        env = "TASK_JWKS_CLIENT_KEY_FILE",
        value_name = "FILE",
        value_parser = pem_file,
        requires = "jwks_client_cert_file"
    )]
    pub client_key_file: Option<PathBuf>,

    /// Interval between fetches of the key set, in seconds, with ±10 % jitter.
    #[arg(
        id = "jwks_refresh_seconds",
        long = "jwks-refresh-seconds",
        env = "TASK_JWKS_REFRESH_SECONDS",
        default_value = "300",
        value_name = "SECONDS",
        value_parser = seconds(1..=86_400)
    )]
    pub refresh_interval: Duration,

    /// Minimum interval between fetches because of a token with an unknown key, in seconds.
    #[arg(
        id = "jwks_unknown_kid_seconds",
        long = "jwks-unknown-kid-seconds",
        env = "TASK_JWKS_UNKNOWN_KID_SECONDS",
        default_value = "10",
        value_name = "SECONDS",
        value_parser = seconds(0..=3600)
    )]
    pub unknown_kid_interval: Duration,

    /// Maximum age of the key set while fetches fail, in seconds. Tokens are then rejected with
    /// UNAVAILABLE.
    #[arg(
        id = "jwks_max_age_seconds",
        long = "jwks-max-age-seconds",
        env = "TASK_JWKS_MAX_AGE_SECONDS",
        default_value = "86400",
        value_name = "SECONDS",
        value_parser = seconds(1..=604_800)
    )]
    pub max_age: Duration,

    /// Maximum time of a fetch of the key set, in milliseconds.
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

impl IssuerConfig {
    /// The client certificate and its key, if the issuer requires them.
    pub(crate) fn client_files(&self) -> Option<[PathBuf; 2]> {
        Some([self.client_cert_file.clone()?, self.client_key_file.clone()?])
    }
}
