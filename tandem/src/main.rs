//! Both services and a private PostgreSQL in one process: what `cargo run` starts.

use std::{
    ffi::OsString, io::Write as _, net::SocketAddr, path::Path, process::ExitCode, time::Duration,
};

use anyhow::Context as _;
use shared::config::{CommandLine, ConfigError};
use tandem_server::{Listeners, program, telemetry};
use tokio::{task::JoinHandle, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::config::Config;

mod config;
mod postgres;
mod root_key;
mod session;

/// Calls allocate a lot; this makes a short one a fifth cheaper than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    program::prepare();
    let command = clap::Command::new("tandem")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Runs auth-service, task-service and a private PostgreSQL in one process")
        .after_help(
            "Every variable of auth-service and task-service counts here, too: see .env.example.",
        );
    let config: Config =
        CommandLine::new::<Config>(command, std::env::args_os()).settings_or_exit();
    config.check().unwrap_or_else(|mistakes| mistakes.exit());
    let telemetry = telemetry::init(&config.telemetry, "tandem");
    let Err(error) = run(&config).await else { return ExitCode::SUCCESS };
    if let Some(mistakes) = error.downcast_ref::<ConfigError>() {
        drop(telemetry);
        mistakes.exit();
    }
    tracing::error!("{error:#}");
    ExitCode::FAILURE
}

/// Starts all, in the order in which they need each other, and ends all in the opposite order.
async fn run(config: &Config) -> anyhow::Result<()> {
    let shutdown = tandem_server::shutdown_on_signal();
    let listening = tandem_server::listen_all([
        (config.auth_listen_address, "AUTH_LISTEN_ADDRESS"),
        (config.auth_ops_listen_address, "AUTH_OPS_LISTEN_ADDRESS"),
        (config.task_listen_address, "TASK_LISTEN_ADDRESS"),
        (config.task_ops_listen_address, "TASK_OPS_LISTEN_ADDRESS"),
    ]);
    let [auth, auth_ops, task, task_ops] =
        listening.await.map_err(|error| anyhow::anyhow!(error.causes()))?;
    let auth = Listeners { calls: auth, ops: auth_ops };
    let task = Listeners { calls: task, ops: task_ops };
    let preferred = config.preferred_data_dir();
    let data_dir = local_postgres::durable_dir(&preferred)?;
    if std::path::absolute(&preferred).is_ok_and(|preferred| preferred != data_dir) {
        let preferred = preferred.display();
        say(&format!("PostgreSQL does not run as root, and others may not enter {preferred}."));
    }

    if let Some(database) = config.given_database() {
        std::fs::create_dir_all(&data_dir).with_context(|| data_dir.display().to_string())?;
        return serve(config, &database, &data_dir, auth, task, shutdown).await;
    }
    say(&format!("Starting PostgreSQL in {} ...", data_dir.display()));
    let Some(postgres) = postgres::start(&data_dir, &shutdown).await? else { return Ok(()) };
    let database = ["--database-url".into(), postgres.url("postgres").into()];
    let stop = CancellationToken::new();
    let keeping = tokio::spawn(postgres::keep_running(postgres, stop.clone()));
    let served = serve(config, &database, &data_dir, auth, task, shutdown).await;
    stop.cancel();
    let stopped = keeping.await?;
    served.and(stopped)
}

async fn serve(
    config: &Config,
    database: &[OsString; 2],
    data_dir: &Path,
    auth: Listeners,
    task: Listeners,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let root_key = data_dir.join("root.key");
    if !config.has_root_key() {
        root_key::ensure(&root_key)
            .with_context(|| format!("cannot make {}", root_key.display()))?;
    }
    let auth_address = tandem_server::reachable(auth.calls.local_addr()?);
    let task_address = tandem_server::reachable(task.calls.local_addr()?);
    let (auth_config, task_config) =
        config.of_services(database, auth_address, ["--root-key-file".into(), root_key.into()])?;

    let auth = tokio::spawn(auth_service::run(auth_config, auth, shutdown.clone()));
    let task = tokio::spawn(async move {
        // Its keys come from auth-service.
        shutdown.run_until_cancelled(ready(auth_address)).await;
        task_service::run(task_config, task, shutdown).await
    });
    let welcome = session::welcome(auth_address, task_address, data_dir);
    let welcoming = tokio::spawn(async move {
        ready(task_address).await;
        say(&welcome);
    });
    let ended = tokio::try_join!(end_of("auth-service", auth), end_of("task-service", task));
    welcoming.abort();
    ended.map(|_| ())
}

async fn end_of(
    service: &str,
    running: JoinHandle<Result<(), shared::error::Error>>,
) -> anyhow::Result<()> {
    running.await?.map_err(|error| anyhow::anyhow!("{service}: {}", error.causes()))
}

async fn ready(address: SocketAddr) {
    while !tandem_server::is_ready(address).await {
        sleep(Duration::from_millis(20)).await;
    }
}

/// Tells a person. That nobody listens is no reason to end.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
