//! The settings of auth-service, in addition to those of both services.

use std::{net::SocketAddr, thread, time::Duration};

use shared::config::{
    self, AccountEventsConfig, DatabaseConfig, ServerConfig, TelemetryConfig, TokenConfig, bytes,
    count, milliseconds, seconds, socket_address,
};

use crate::domain::key_schedule::KeyPolicy;

mod accounts;
mod audit;
mod root_key;
mod second_factor;
mod sessions;
mod signing_keys;
mod throttle;

pub(crate) use accounts::AccountConfig;
pub(crate) use audit::AuditConfig;
pub use root_key::RootKeyConfig;
pub(crate) use second_factor::SecondFactorConfig;
pub(crate) use sessions::SessionConfig;
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
    pub accounts: AccountConfig,
    #[command(flatten)]
    pub second_factor: SecondFactorConfig,
    #[command(flatten)]
    pub signing_keys: SigningKeyConfig,
    #[command(flatten)]
    pub audit: AuditConfig,
    #[command(flatten)]
    pub account_events: AccountEventsConfig,
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
        let mut mistakes = self.signing_keys.contradictions(&self.key_policy());
        mistakes.extend(tandem_server::tls_mistakes(&self.server.tls, self.listen.address));
        mistakes
    }

    /// Checks the settings that the commands `keys` use.
    ///
    /// # Errors
    /// All contradictions between the settings of the signing keys.
    pub fn check(&self) -> Result<(), clap::Error> {
        config::reject(self.signing_keys.contradictions(&self.key_policy()))
    }

    pub(crate) fn key_policy(&self) -> KeyPolicy {
        self.signing_keys.policy(self.login.access_token_lifetime, self.token.leeway)
    }
}

/// The listener, and the limits of a call.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Listener")]
pub struct ListenConfig {
    /// Address that the service answers calls at, over gRPC and HTTP.
    #[arg(
        id = "listen_address",
        long = "listen-address",
        env = "AUTH_LISTEN_ADDRESS",
        default_value = "127.0.0.1:50051",
        value_name = "IP:PORT",
        value_parser = socket_address
    )]
    pub address: SocketAddr,

    /// The operations port.
    #[command(flatten)]
    pub ops: OpsConfig,

    /// Maximum size of a request message, in bytes. Larger requests fail with
    /// RESOURCE_EXHAUSTED.
    #[arg(
        long = "max-request-bytes",
        env = "AUTH_MAX_REQUEST_BYTES",
        default_value = "16384",
        value_name = "BYTES",
        value_parser = bytes::<u32>(1024..=4_194_304)
    )]
    pub max_request_bytes: u32,

    /// Maximum size of the request message of a batch method, in bytes. Larger requests fail with
    /// RESOURCE_EXHAUSTED. 1 MiB holds a batch of 1,000 users with a hash, an id and some roles
    /// each.
    #[arg(
        long = "max-batch-request-bytes",
        env = "AUTH_MAX_BATCH_REQUEST_BYTES",
        default_value = "1048576",
        value_name = "BYTES",
        value_parser = bytes::<u32>(1024..=4_194_304)
    )]
    pub max_batch_request_bytes: u32,

    /// Maximum time of a call, in seconds. The call then fails with DEADLINE_EXCEEDED. A client can
    /// set a shorter deadline.
    #[arg(
        long = "call-timeout-seconds",
        env = "AUTH_CALL_TIMEOUT_SECONDS",
        default_value = "10",
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
        env = "AUTH_OPS_LISTEN_ADDRESS",
        default_value = "127.0.0.1:9051",
        value_name = "IP:PORT",
        value_parser = socket_address
    )]
    pub address: SocketAddr,
}

/// The cost of a password hash.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(next_help_heading = "Login")]
pub struct BcryptConfig {
    /// bcrypt cost of new password hashes, 4 to 15. Each step doubles the time.
    #[arg(
        id = "bcrypt_cost",
        long = "bcrypt-cost",
        env = "AUTH_BCRYPT_COST",
        default_value = "12",
        value_name = "COST",
        value_parser = count::<u32>(4..=15)
    )]
    pub cost: u32,
}

/// Password hashing and access tokens.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Login")]
pub struct LoginConfig {
    /// Lifetime of an access token, in seconds, at most 900.
    #[arg(
        long = "access-token-lifetime-seconds",
        env = "AUTH_ACCESS_TOKEN_LIFETIME_SECONDS",
        default_value = "600",
        value_name = "SECONDS",
        value_parser = seconds(1..=shared::auth::MAX_LIFETIME.as_secs())
    )]
    pub access_token_lifetime: Duration,

    /// The cost of a password hash.
    #[command(flatten)]
    pub bcrypt: BcryptConfig,

    /// Number of threads that hash passwords, at the lowest priority. Defaults to the number of
    /// cores minus 1, at least 1.
    #[arg(
        long = "hashing-threads",
        env = "AUTH_HASHING_THREADS",
        value_name = "N",
        value_parser = count::<u16>(1..=256)
    )]
    hashing_threads: Option<u16>,

    /// Maximum number of calls that wait for a hashing thread. At the limit, further logins and
    /// registrations fail at once with RESOURCE_EXHAUSTED.
    #[arg(
        long = "hashing-queue",
        env = "AUTH_HASHING_QUEUE",
        default_value = "32",
        value_name = "N",
        value_parser = count::<u16>(0..=10_000)
    )]
    pub hashing_queue: u16,

    /// Maximum time that a call waits for a hashing thread, in milliseconds. The call then fails
    /// with RESOURCE_EXHAUSTED.
    #[arg(
        long = "hashing-wait-ms",
        env = "AUTH_HASHING_WAIT_MS",
        default_value = "2000",
        value_name = "MS",
        value_parser = milliseconds(1..=60_000)
    )]
    pub hashing_wait: Duration,
}

impl LoginConfig {
    /// The number of threads that hash passwords.
    pub(crate) fn hashing_threads(&self) -> usize {
        self.hashing_threads.map_or_else(
            || thread::available_parallelism().map_or(1, |cores| (cores.get() - 1).max(1)),
            usize::from,
        )
    }
}
