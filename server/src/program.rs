//! What the programs of both services share: the default commands, the log's start and the exit
//! code.

use std::{
    env,
    net::SocketAddr,
    os::unix::process::CommandExt as _,
    process::{Command, ExitCode},
};

use rustix::process::{Resource, Rlimit, setrlimit};
use shared::{
    config::{MigrateConfig, TelemetryConfig},
    db,
    error::Error,
};
use tokio_util::sync::CancellationToken;

use crate::{
    listener::{Listeners, listen_all, reachable},
    ops,
    run::shutdown_on_signal,
    telemetry,
};

/// The allocator of every program: a short call costs a fifth less than with the system's. Each
/// `main.rs` chooses it, so that a library never chooses for the programs that link it.
pub use mimalloc::MiMalloc as Allocator;

/// libpq's variables, which sqlx adds to what the database's URL says.
const LIBPQ_VARIABLES: [&str; 13] = [
    "PGAPPNAME",
    "PGDATABASE",
    "PGHOST",
    "PGHOSTADDR",
    "PGOPTIONS",
    "PGPASSFILE",
    "PGPASSWORD",
    "PGPORT",
    "PGSSLCERT",
    "PGSSLKEY",
    "PGSSLMODE",
    "PGSSLROOTCERT",
    "PGUSER",
];

/// Prepares the process. Every program calls it first.
///
/// A core dump would contain keys and passwords, so the process writes none. Only the URL
/// says what a session is, but for a password in `~/.pgpass`. sqlx cannot ignore libpq's variables,
/// so the program restarts without them.
pub fn prepare() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none).expect("every process may lower its limits");
    let is_set = |name: &&&str| env::vars_os().any(|(variable, _)| variable == **name);
    let set: Vec<_> = LIBPQ_VARIABLES.iter().filter(is_set).collect();
    if !set.is_empty() {
        let mut arguments = env::args_os();
        let program = env::current_exe().expect("the running program has a path");
        let mut command = Command::new(program);
        command.arg0(arguments.next().unwrap_or_default()).args(arguments);
        for name in &set {
            command.env_remove(name);
        }
        let error = command.exec();
        panic!("cannot restart without {set:?}: {error}; unset these variables");
    }
}

/// Answers calls with `service` until SIGTERM or SIGINT, and drains. The addresses are those of
/// calls and of the operations port, each with the variable that sets it.
pub async fn serve<F: Future<Output = Result<(), Error>>>(
    name: &'static str,
    telemetry: &TelemetryConfig,
    addresses: [(SocketAddr, &'static str); 2],
    service: impl FnOnce(Listeners, CancellationToken) -> F,
) -> ExitCode {
    let serving = async {
        let shutdown = shutdown_on_signal();
        let [calls, ops] = listen_all(addresses).await?;
        // The system has replaced port 0 by a free port.
        let address = calls.local_addr().unwrap_or(addresses[0].0);
        let ops_address = ops.local_addr().unwrap_or(addresses[1].0);
        tracing::info!(%address, %ops_address, "{name} listens");
        service(Listeners { calls, ops }, shutdown).await?;
        tracing::info!("{name} has ended");
        Ok(())
    };
    run(name, telemetry, serving).await
}

/// Applies pending migrations.
pub async fn migrate(config: &MigrateConfig) -> ExitCode {
    let migrating = async {
        db::migrate(&config.database).await?;
        tracing::info!("the database has the newest schema");
        Ok(())
    };
    run("migrate", &config.telemetry, migrating).await
}

/// Exits with 0 if the service whose operations port is at `address` is ready, otherwise with 1.
pub async fn healthcheck(address: SocketAddr) -> ExitCode {
    let address = reachable(address);
    let reason = match ops::ask_readiness(address).await {
        Ok(()) => return ExitCode::SUCCESS,
        Err(reason) => reason,
    };
    #[expect(clippy::print_stderr, reason = "the output of a command")]
    {
        eprintln!("error: the service with operations port {address} is not ready: {reason}");
    }
    ExitCode::FAILURE
}

/// Runs `work` with the log and the traces of the program. If it fails, the log has the reason and
/// the exit code is 1.
pub async fn run(
    name: &'static str,
    telemetry: &TelemetryConfig,
    work: impl Future<Output = Result<(), Error>>,
) -> ExitCode {
    let _telemetry = telemetry::init(telemetry, name);
    let Err(error) = work.await else { return ExitCode::SUCCESS };
    let causes = error.causes();
    match error {
        Error::DatabaseUnavailable(_) => {
            tracing::error!("cannot reach the database that DATABASE_URL names: {causes}");
        }
        _ => tracing::error!("{causes}"),
    }
    ExitCode::FAILURE
}
