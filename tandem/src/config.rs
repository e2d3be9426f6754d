//! The settings of the combined program, and those of the services that follow from them. Every
//! variable of the services counts here too.

use std::{
    ffi::OsString,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use shared::config::{CommandLine, ConfigError, TelemetryConfig, socket_address};

/// All settings.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Config {
    /// Where everything is kept [default: .tandem in this workspace or the current directory].
    #[arg(long, env = "TANDEM_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// Use this database, and start none.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    database_url: Option<String>,

    /// Use the database whose URL this file holds, and start none.
    #[arg(long, env = "DATABASE_URL_FILE", value_name = "PATH", conflicts_with = "database_url")]
    database_url_file: Option<PathBuf>,

    /// Where auth-service answers calls.
    #[arg(
        long,
        env = "AUTH_LISTEN_ADDRESS",
        default_value = "127.0.0.1:50051",
        value_name = "IP:PORT",
        value_parser = socket_address
    )]
    pub(crate) auth_listen_address: SocketAddr,

    /// Where auth-service answers probes and metrics.
    #[arg(
        long,
        env = "AUTH_OPS_LISTEN_ADDRESS",
        default_value = "127.0.0.1:9051",
        value_name = "IP:PORT",
        value_parser = socket_address
    )]
    pub(crate) auth_ops_listen_address: SocketAddr,

    /// Where task-service answers calls.
    #[arg(
        long,
        env = "TASK_LISTEN_ADDRESS",
        default_value = "127.0.0.1:50052",
        value_name = "IP:PORT",
        value_parser = socket_address
    )]
    pub(crate) task_listen_address: SocketAddr,

    /// Where task-service answers probes and metrics.
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

    #[arg(long, env = "AUTH_ROOT_KEY", hide = true, hide_env_values = true)]
    root_key: Option<OsString>,

    #[arg(long, env = "AUTH_ROOT_KEY_FILE", hide = true)]
    root_key_file: Option<OsString>,
}

impl Config {
    /// Where everything should be kept, if PostgreSQL's user may go there.
    pub(crate) fn preferred_data_dir(&self) -> PathBuf {
        let workspace = self.cargo_manifest_dir.as_deref().and_then(Path::parent);
        self.data_dir
            .clone()
            .unwrap_or_else(|| workspace.unwrap_or_else(|| Path::new(".")).join(".tandem"))
    }

    /// The flag that names the database to the services, if one is given.
    pub(crate) fn given_database(&self) -> Option<[OsString; 2]> {
        let url = self.database_url.as_ref().map(|url| ["--database-url".into(), url.into()]);
        let file = self.database_url_file.as_ref();
        url.or_else(|| file.map(|file| ["--database-url-file".into(), file.into()]))
    }

    /// Whether the root key is given, so that none needs to be made.
    pub(crate) fn has_root_key(&self) -> bool {
        self.root_key.is_some() || self.root_key_file.is_some()
    }

    /// Mistakes in the settings of the services, before anything is started.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        // What they are started with is not known yet.
        let database = ["--database-url", "postgres://localhost/"].map(Into::into);
        let database = self.given_database().unwrap_or(database);
        let root_key = ["--root-key", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="];
        self.of_services(&database, self.auth_listen_address, root_key.map(Into::into)).map(drop)
    }

    /// The settings of the services on the database that this flag names. auth-service answers at
    /// `auth` and has the root key that this flag names unless one is given; task-service trusts
    /// it.
    pub(crate) fn of_services(
        &self,
        database: &[OsString; 2],
        auth: SocketAddr,
        root_key: [OsString; 2],
    ) -> Result<(auth_service::Config, task_service::Config), ConfigError> {
        let jwks_url = format!("http://{auth}/.well-known/jwks.json");
        let flags = |listen: SocketAddr| -> Vec<OsString> {
            let listen = listen.to_string();
            let flags = ["tandem", "--listen-address", &listen];
            // Nobody balances load here, and somebody waits at the terminal.
            let at_once =
                ["--server-drain-delay-seconds", "0", "--server-drain-timeout-seconds", "3"];
            let flags = flags.into_iter().chain(at_once).map(Into::into);
            flags.chain(database.clone()).collect()
        };
        let mut auth = flags(self.auth_listen_address);
        if !self.has_root_key() {
            auth.extend(root_key);
        }
        let mut task = flags(self.task_listen_address);
        task.extend(["--jwks-url".into(), jwks_url.into()]);
        let command = || clap::Command::new("tandem");
        let auth = CommandLine::new::<auth_service::Config>(command(), auth);
        let task = CommandLine::new::<task_service::Config>(command(), task);
        let auth = auth_service::Config::to_serve(&auth);
        let task = task_service::Config::to_serve(&task);
        let mistakes = match (auth, task) {
            (Ok(auth), Ok(task)) => return Ok((auth, task)),
            (Err(auth), Err(task)) => auth.and(task),
            (Err(error), Ok(_)) | (Ok(_), Err(error)) => error,
        };
        Err(mistakes.without_flags())
    }
}
