//! The commands of the program.

use auth_service::{Config, OpsConfig, UserCommand};
use shared::config::MigrateConfig;

/// Registers users, checks their passwords and signs access tokens, over gRPC
///
/// Without a command, runs `serve`. See `auth-service serve --help` for its settings.
#[derive(clap::Parser)]
#[command(version, override_usage = "auth-service [COMMAND] [OPTIONS]")]
pub(crate) struct Program {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Answer calls until SIGTERM or SIGINT
    Serve(Box<Config>),
    /// Apply pending migrations to the database and exit
    Migrate(Box<MigrateConfig>),
    /// Exit with 0 if the service at the operations port is ready for calls, otherwise with 1
    Healthcheck(OpsConfig),
    /// Show or change the signing keys and exit
    #[command(subcommand)]
    Keys(Keys),
    /// Show or change users in the database and exit
    #[command(subcommand)]
    Users(UserCommand),
}

#[derive(clap::Subcommand)]
pub(crate) enum Keys {
    /// List all keys
    List(Box<Config>),
    /// Publish the next key, which signs after AUTH_KEY_LEAD_SECONDS
    Rotate {
        /// Sign with the key as soon as all instances publish it, after twice
        /// AUTH_KEY_REFRESH_MS. Verifiers that do not fetch the key set on an unknown key id
        /// reject its tokens until their next fetch.
        #[arg(long)]
        now: bool,
        #[command(flatten)]
        config: Box<Config>,
    },
    /// Revoke a key: verifiers reject it and every token that it signed
    Revoke {
        /// Id of the key to revoke
        // Key ids are base64url: 1 in 64 begins with a hyphen.
        #[arg(allow_hyphen_values = true)]
        kid: String,
        /// Revoke although the root key opens no key in the database, because the right root key
        /// is lost
        #[arg(long)]
        lost_root_key: bool,
        #[command(flatten)]
        config: Box<Config>,
    },
}
