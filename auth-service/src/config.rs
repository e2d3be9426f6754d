//! The settings of auth-service beside those that both services have.

use std::{net::SocketAddr, thread, time::Duration};

use shared::config::{
    CommandLine, ConfigError, DatabaseConfig, ServerConfig, TelemetryConfig, TokenConfig,
    milliseconds, seconds, socket_address,
};
use tandem_server::program;

use crate::domain::{
    key_schedule::KeyPolicy,
    root_key::{RootKey, RootKeyFile},
    session::SessionPolicy,
};

mod signing_keys;
mod throttle;

pub(crate) use signing_keys::SigningKeyConfig;
pub(crate) use throttle::ThrottleConfig;

/// All settings of auth-service.
#[derive(Clone, Debug, clap::Args)]
#[expect(missing_docs, reason = "each is documented on its type")]
pub struct Config {
    #[command(flatten)]
    pub listen: ListenConfig,
    #[command(flatten)]
    pub root_key: RootKeyConfig,
    #[command(flatten)]
    pub login: LoginConfig,
    #[command(flatten)]
    pub throttle: ThrottleConfig,
    #[command(flatten)]
    pub session: SessionConfig,
    #[command(flatten)]
    pub signing_keys: SigningKeyConfig,
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
        let config = command_line.settings().and_then(Self::check);
        let address = command_line.settings().map(|listen: ListenConfig| listen.address);
        program::to_serve(config, command_line, address.ok())
    }

    /// The settings as they are, unless some contradict each other.
    pub fn check(self) -> Result<Self, ConfigError> {
        let mistakes = self.signing_keys.contradictions(&self.key_policy());
        if mistakes.is_empty() { Ok(self) } else { Err(ConfigError::Mistakes(mistakes)) }
    }

    pub(crate) fn key_policy(&self) -> KeyPolicy {
        self.signing_keys.policy(self.login.access_token_lifetime, self.token.leeway)
    }
}

/// Where the service is.
#[derive(Clone, Debug, clap::Args)]
pub struct ListenConfig {
    /// Where calls are answered, for gRPC and for HTTP.
    #[arg(
        id = "listen_address",
        long = "listen-address",
        env = "AUTH_LISTEN_ADDRESS",
        default_value = "127.0.0.1:50051",
        value_name = "IP:PORT",
        value_parser = socket_address
    )]
    pub address: SocketAddr,

    /// Where the probes `/livez` and `/readyz` and Prometheus' `/metrics` are answered, in plain
    /// HTTP. Keep it on a private network.
    #[arg(
        id = "ops_listen_address",
        long = "ops-listen-address",
        env = "AUTH_OPS_LISTEN_ADDRESS",
        default_value = "127.0.0.1:9051",
        value_name = "IP:PORT",
        value_parser = socket_address
    )]
    pub ops_address: SocketAddr,

    /// The largest request message, in bytes.
    #[arg(
        long = "max-request-bytes",
        env = "AUTH_MAX_REQUEST_BYTES",
        default_value = "16384",
        value_name = "BYTES",
        value_parser = clap::value_parser!(u32).range(1024..=4_194_304)
    )]
    pub max_request_bytes: u32,

    /// How long a call may take; a client may want its answer earlier.
    #[arg(
        long = "call-timeout-seconds",
        env = "AUTH_CALL_TIMEOUT_SECONDS",
        default_value = "10",
        value_name = "SECONDS",
        value_parser = seconds(1..=300)
    )]
    pub call_timeout: Duration,
}

/// The secret that every other one is derived from: 32 bytes that are never stored in the database.
/// Make one with `openssl rand -base64 32`; without it no stored signing key can be used again.
#[derive(Clone, Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub struct RootKeyConfig {
    /// The root key: 32 random bytes in base64, as `openssl rand -base64 32` makes them. It opens
    /// the signing keys in the database and is never stored there. Either this or the file is
    /// required.
    #[arg(long = "root-key", env = "AUTH_ROOT_KEY", hide_env_values = true, value_name = "BASE64")]
    root_key: Option<RootKey>,

    /// A file that holds the root key.
    #[arg(long = "root-key-file", env = "AUTH_ROOT_KEY_FILE", value_name = "PATH")]
    root_key_file: Option<RootKeyFile>,
}

impl RootKeyConfig {
    /// The root key, wherever it came from.
    pub(crate) fn get(&self) -> &RootKey {
        let from_file = self.root_key_file.as_ref().map(|RootKeyFile(key)| key);
        self.root_key.as_ref().or(from_file).expect("the argument group requires one of the two")
    }
}

/// How passwords are checked and what a login gives.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Login")]
pub struct LoginConfig {
    /// How long an access token is good: 900 seconds at most.
    #[arg(
        long = "access-token-lifetime-seconds",
        env = "AUTH_ACCESS_TOKEN_LIFETIME_SECONDS",
        default_value = "600",
        value_name = "SECONDS",
        value_parser = seconds(1..=shared::auth::MAX_LIFETIME.as_secs())
    )]
    pub access_token_lifetime: Duration,

    /// The cost of new password hashes, 4 to 15: each step doubles the time.
    #[arg(
        long = "bcrypt-cost",
        env = "AUTH_BCRYPT_COST",
        default_value = "12",
        value_name = "COST",
        value_parser = clap::value_parser!(u32).range(4..=15)
    )]
    pub bcrypt_cost: u32,

    /// Passwords hashed at once [default: the number of cores less one, at least 1].
    #[arg(
        long = "hashing-threads",
        env = "AUTH_HASHING_THREADS",
        value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..=256)
    )]
    hashing_threads: Option<u16>,

    /// Logins and registrations that may wait to be hashed; more are refused at once as
    /// RESOURCE_EXHAUSTED.
    #[arg(
        long = "hashing-queue",
        env = "AUTH_HASHING_QUEUE",
        default_value = "32",
        value_name = "N",
        value_parser = clap::value_parser!(u16).range(0..=10_000)
    )]
    pub hashing_queue: u16,

    /// How long they may wait before they are refused as RESOURCE_EXHAUSTED.
    #[arg(
        long = "hashing-wait-ms",
        env = "AUTH_HASHING_WAIT_MS",
        default_value = "2000",
        value_name = "MS",
        value_parser = milliseconds(1..=60_000)
    )]
    pub hashing_wait: Duration,
}

/// How long a login lasts.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Sessions")]
pub struct SessionConfig {
    /// When a session ends that is not refreshed.
    #[arg(
        long = "session-idle-seconds",
        env = "AUTH_SESSION_IDLE_SECONDS",
        default_value = "604800",
        value_name = "SECONDS",
        value_parser = seconds(1..=31_536_000)
    )]
    idle: Duration,

    /// When a session ends in any case.
    #[arg(
        long = "session-absolute-seconds",
        env = "AUTH_SESSION_ABSOLUTE_SECONDS",
        default_value = "2592000",
        value_name = "SECONDS",
        value_parser = seconds(1..=315_360_000)
    )]
    absolute: Duration,

    /// For how long a refresh token that was just replaced gives the same next one again, so that
    /// retries and several tabs agree.
    #[arg(
        long = "session-reuse-window-seconds",
        env = "AUTH_SESSION_REUSE_WINDOW_SECONDS",
        default_value = "30",
        value_name = "SECONDS",
        value_parser = seconds(0..=3600)
    )]
    reuse: Duration,

    /// How many sessions a user may have; one more ends the one that was not refreshed for the
    /// longest time.
    #[arg(
        long = "sessions-per-user",
        env = "AUTH_SESSIONS_PER_USER",
        default_value = "50",
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=1000)
    )]
    max_per_user: u32,
}

impl SessionConfig {
    pub(crate) fn policy(&self) -> SessionPolicy {
        let Self { idle, absolute, reuse, max_per_user } = *self;
        SessionPolicy { idle, absolute, reuse, max_per_user }
    }
}

impl LoginConfig {
    /// How many passwords are hashed at once.
    pub(crate) fn hashing_threads(&self) -> usize {
        self.hashing_threads.map_or_else(
            || thread::available_parallelism().map_or(1, |cores| (cores.get() - 1).max(1)),
            usize::from,
        )
    }
}
