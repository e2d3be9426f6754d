//! What the programs of both services do alike: settings to serve with, `migrate`, `healthcheck`
//! and the exit code.

use std::{
    env,
    net::{Ipv4Addr, SocketAddr},
    os::unix::process::CommandExt as _,
    process::{Command, ExitCode},
};

use rustix::process::{Resource, Rlimit, setrlimit};
use shared::{
    config::{CommandLine, ConfigError, MigrateConfig, TelemetryConfig},
    db,
    error::Error,
};

use crate::{listener::reachable, ops, telemetry, tls};

/// libpq's variable for options of a session.
const SESSION_OPTIONS: &str = "PGOPTIONS";

/// The settings that a service needs to serve at `address`, unless there are mistakes in them or
/// in the TLS of a listener there, which are told together.
pub fn to_serve<S>(
    config: Result<S, ConfigError>,
    command_line: &CommandLine,
    address: Option<SocketAddr>,
) -> Result<S, ConfigError> {
    // Where the address is a mistake, too, the files still count.
    let address = address.unwrap_or((Ipv4Addr::LOCALHOST, 0).into());
    let tls = command_line.settings().map(|tls| tls::mistakes(&tls, address));
    match (config, tls.unwrap_or_default()) {
        (config, mistakes) if mistakes.is_empty() => config,
        (Ok(_), mistakes) => Err(ConfigError::Mistakes(mistakes)),
        (Err(error), mistakes) => Err(error.and(ConfigError::Mistakes(mistakes))),
    }
}

/// Prepares the process. Every program calls it first.
///
/// A core dump would contain keys and passwords, so the process writes none. sqlx adds `PGOPTIONS`
/// to every session and cannot leave it out, so the program restarts without that variable.
pub fn prepare() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none).expect("every process may lower its limits");
    if env::vars_os().any(|(name, _)| name == SESSION_OPTIONS) {
        let mut arguments = env::args_os();
        let program = env::current_exe().expect("the running program has a path");
        let error = Command::new(program)
            .arg0(arguments.next().unwrap_or_default())
            .args(arguments)
            .env_remove(SESSION_OPTIONS)
            .exec();
        panic!("cannot restart without {SESSION_OPTIONS}: {error}; unset the variable");
    }
}

/// Brings the database to the newest schema.
pub async fn migrate(config: MigrateConfig) -> ExitCode {
    let migrating = async {
        db::migrate(&config.database).await?;
        tracing::info!("the database has the newest schema");
        Ok(())
    };
    run(&config.telemetry, "migrate", migrating).await
}

/// 0 if the service whose operations port is at `address` is ready for calls, otherwise 1.
pub async fn healthcheck(address: SocketAddr) -> ExitCode {
    let address = reachable(address);
    let reason = match ops::ask_readiness(address).await {
        Ok(()) => return ExitCode::SUCCESS,
        Err(reason) => reason,
    };
    #[expect(clippy::print_stderr, reason = "a program that talks to a person")]
    {
        eprintln!("error: the service with operations port {address} is not ready: {reason}");
    }
    ExitCode::FAILURE
}

/// Does what `program` is for, with its log and its traces. The exit code is 1 if it fails, and
/// then the log says why.
pub async fn run(
    telemetry: &TelemetryConfig,
    program: &'static str,
    work: impl Future<Output = Result<(), Error>>,
) -> ExitCode {
    let _telemetry = telemetry::init(telemetry, program);
    let Err(error) = work.await else { return ExitCode::SUCCESS };
    match &error {
        Error::DatabaseUnavailable(_) => {
            let causes = error.causes();
            tracing::error!("cannot reach the database that DATABASE_URL names: {causes}");
        }
        error => tracing::error!("{}", error.causes()),
    }
    ExitCode::FAILURE
}
