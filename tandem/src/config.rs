//! The settings of the combined program, and the settings of the services that follow from them.
//! Every variable of the services applies here too.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use auth_service::RootKeyConfig;
use clap::CommandFactory as _;
use shared::config::{self, DatabasePlace, ServerConfig, TelemetryConfig, socket_address};

/// Runs auth-service, task-service and a private PostgreSQL in one process
///
/// Without the URL of a database, a private PostgreSQL is started. Without a root key, one is
/// generated. Both are kept in the data directory. Every variable of auth-service and task-service
/// applies too: see docs/reference/settings.md.
#[derive(Clone, Debug, clap::Parser)]
#[command(version)]
pub(crate) struct Config {
    /// Data directory. Defaults to .tandem in this workspace or in the current directory.
    #[arg(long, env = "TANDEM_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// Name of an administrator. If no user has this name, the user is created, with a password
    /// that is printed once.
    #[arg(long, env = "TANDEM_ADMIN", value_name = "USERNAME")]
    pub(crate) admin: Option<String>,

    #[command(flatten)]
    pub(crate) database: Option<DatabasePlace>,

    #[command(flatten)]
    pub(crate) root_key: Option<RootKeyConfig>,

    /// Address that auth-service answers calls at.
    #[arg(
        long,
        env = "AUTH_LISTEN_ADDRESS",
        default_value = "127.0.0.1:50051",
        value_name = "IP:PORT",
        value_parser = socket_address
    )]
    pub(crate) auth_listen_address: SocketAddr,

    /// Address of auth-service's operations port.
    #[arg(
        long,
        env = "AUTH_OPS_LISTEN_ADDRESS",
        default_value = "127.0.0.1:9051",
        value_name = "IP:PORT",
        value_parser = socket_address
    )]
    pub(crate) auth_ops_listen_address: SocketAddr,

    /// Address that task-service answers calls at.
    #[arg(
        long,
        env = "TASK_LISTEN_ADDRESS",
        default_value = "127.0.0.1:50052",
        value_name = "IP:PORT",
        value_parser = socket_address
    )]
    pub(crate) task_listen_address: SocketAddr,

    /// Address of task-service's operations port.
    #[arg(
        long,
        env = "TASK_OPS_LISTEN_ADDRESS",
        default_value = "127.0.0.1:9052",
        value_name = "IP:PORT",
        value_parser = socket_address
    )]
    pub(crate) task_ops_listen_address: SocketAddr,

    #[command(flatten)]
    pub(crate) telemetry: TelemetryConfig,

    /// Set by `cargo run`.
    #[arg(long, env = "CARGO_MANIFEST_DIR", hide = true)]
    cargo_manifest_dir: Option<PathBuf>,
}

/// The settings of both services.
pub(crate) type Services = (auth_service::Config, task_service::Config);

impl Config {
    /// The settings in the arguments and variables.
    pub(crate) fn parse() -> Result<Self, clap::Error> {
        config::parse(config::optional(Self::command()), std::env::args_os())
    }

    /// The preferred data directory; PostgreSQL's user may lack access to it.
    pub(crate) fn preferred_data_dir(&self) -> PathBuf {
        let workspace = self.cargo_manifest_dir.as_deref().and_then(Path::parent);
        let default = || workspace.unwrap_or_else(|| Path::new(".")).join(".tandem");
        self.data_dir.clone().unwrap_or_else(default)
    }

    /// The settings of the services. What exists only after the start is absent: the private
    /// database, the generated root key, and the key set's URL.
    pub(crate) fn services(&self) -> Result<Services, clap::Error> {
        let command = Self::command();
        let mut auth: auth_service::Config = config::from_variables(&command)?;
        auth.listen.address = self.auth_listen_address;
        drain_at_once(&mut auth.server);
        let mut task: task_service::Config = config::from_variables(&command)?;
        task.listen.address = self.task_listen_address;
        drain_at_once(&mut task.server);
        config::reject(auth.mistakes().into_iter().chain(task.mistakes()))?;
        Ok((auth, task))
    }
}

/// No load balancer needs the delay, and a user waits at the terminal.
fn drain_at_once(server: &mut ServerConfig) {
    server.drain_delay = Duration::ZERO;
    server.drain_timeout = Duration::from_secs(3);
}
