//! Both services and a private PostgreSQL in one process: what `cargo run` starts.

use std::{
    future::pending,
    io::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context as _;
use shared::{
    config::{DatabasePlace, ServiceSecret},
    error::Error,
};
use tandem_server::{Listeners, program, telemetry};
use tokio::{task::JoinHandle, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::config::{Config, Services};

mod config;
mod postgres;
mod root_key;
mod session;

#[global_allocator]
static ALLOCATOR: program::Allocator = program::Allocator;

#[tokio::main]
async fn main() -> ExitCode {
    program::prepare();
    let config = Config::parse().unwrap_or_else(|error| error.exit());
    let services = config.services().unwrap_or_else(|error| error.exit());
    let _telemetry = telemetry::init(&config.telemetry, "tandem");
    let Err(error) = run(&config, services).await else { return ExitCode::SUCCESS };
    tracing::error!("{error:#}");
    ExitCode::FAILURE
}

/// Starts everything in the order of its dependencies, and stops it in the opposite order.
async fn run(config: &Config, services: Services) -> anyhow::Result<()> {
    let shutdown = tandem_server::shutdown_on_signal();
    let listening = tandem_server::listen_all([
        (config.auth_listen_address, "AUTH_LISTEN_ADDRESS"),
        (config.auth_ops_listen_address, "AUTH_OPS_LISTEN_ADDRESS"),
        (config.task_listen_address, "TASK_LISTEN_ADDRESS"),
        (config.task_ops_listen_address, "TASK_OPS_LISTEN_ADDRESS"),
    ]);
    let [auth, auth_ops, task, task_ops] =
        listening.await.map_err(|error| anyhow::anyhow!(error.causes()))?;
    let listeners =
        [Listeners { calls: auth, ops: auth_ops }, Listeners { calls: task, ops: task_ops }];
    let data_dir = data_dir(&config.preferred_data_dir())?;
    let serve = async |database| {
        let services = with_places(config, services, database, &data_dir)?;
        serve(services, listeners, config.admin.as_deref(), &data_dir, shutdown.clone()).await
    };

    if let Some(database) = &config.database {
        std::fs::create_dir_all(&data_dir).with_context(|| data_dir.display().to_string())?;
        return serve(database.clone()).await;
    }
    say(&format!("Starting PostgreSQL in {} ...", data_dir.display()));
    let Some(postgres) = postgres::start(&data_dir, &shutdown).await? else { return Ok(()) };
    let url = postgres.url("postgres");
    say(&format!("DATABASE_URL for other programs: {url}"));
    let database = url.parse().map_err(anyhow::Error::msg)?;
    let stop = CancellationToken::new();
    let keeping = tokio::spawn(postgres::keep_running(postgres, stop.clone()));
    let served = serve(database).await;
    stop.cancel();
    let stopped = keeping.await?;
    served.and(stopped)
}

/// The preferred data directory, or another one if PostgreSQL's user lacks access to it.
fn data_dir(preferred: &Path) -> anyhow::Result<PathBuf> {
    let data_dir = local_postgres::durable_dir(preferred)?;
    if std::path::absolute(preferred).is_ok_and(|preferred| preferred != data_dir) {
        let preferred = preferred.display();
        say(&format!(
            "PostgreSQL does not run as root, and its user has no access to {preferred}."
        ));
    }
    Ok(data_dir)
}

/// Sets the database and the secrets, and generates the secrets that are not given.
fn with_places(
    config: &Config,
    (mut auth, mut task): Services,
    database: DatabasePlace,
    data_dir: &Path,
) -> anyhow::Result<Services> {
    auth.root_key = match &config.root_key {
        Some(root_key) => root_key.clone(),
        None => root_key::ensure(&data_dir.join("root.key"))?,
    };
    // Of no use to any other process, so it is new at each start.
    if auth.account_events.secret().is_none() {
        let secret: ServiceSecret = root_key::random()?.parse().map_err(anyhow::Error::msg)?;
        auth.account_events = secret.clone().into();
        task.follow.secret = secret.into();
    }
    auth.database.place = database.clone();
    task.database.place = database;
    Ok((auth, task))
}

/// Answers calls until `shutdown` is cancelled. task-service starts when auth-service publishes
/// its keys.
async fn serve(
    (auth_config, mut task_config): Services,
    [auth, task]: [Listeners; 2],
    admin: Option<&str>,
    data_dir: &Path,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let auth_address = tandem_server::reachable(auth.calls.local_addr()?);
    let task_address = tandem_server::reachable(task.calls.local_addr()?);
    task_config.issuer.url = format!("http://{auth_address}/.well-known/jwks.json").parse()?;
    task_config.follow.url = None;

    let (database, bcrypt) = (auth_config.database.clone(), auth_config.login.bcrypt);
    let admin = admin.map(ToOwned::to_owned);
    let auth = tokio::spawn(auth_service::run(auth_config, auth, shutdown.clone()));
    let task = tokio::spawn(async move {
        shutdown.run_until_cancelled(ready(auth_address)).await;
        task_service::run(task_config, task, shutdown).await
    });
    let welcome = session::welcome(auth_address, task_address, data_dir);
    let mut welcoming = tokio::spawn(async move {
        ready(task_address).await;
        if let Some(name) = admin {
            let password = auth_service::ensure_admin(&database, bcrypt, &name).await;
            let password = password.map_err(|error| anyhow::anyhow!(error.causes()))?;
            say(&session::admin(auth_address, &name, password.as_deref()));
        }
        say(&welcome);
        pending().await
    });
    let served = async {
        tokio::try_join!(end_of("auth-service", auth), end_of("task-service", task)).map(|_| ())
    };
    let ended = tokio::select! {
        served = served => served,
        failed = &mut welcoming => failed?,
    };
    welcoming.abort();
    ended
}

async fn end_of(service: &str, running: JoinHandle<Result<(), Error>>) -> anyhow::Result<()> {
    running.await?.map_err(|error| anyhow::anyhow!("{service}: {}", error.causes()))
}

async fn ready(address: SocketAddr) {
    while !tandem_server::is_ready(address).await {
        sleep(Duration::from_millis(20)).await;
    }
}

/// Prints a text for the user. A closed standard output is no reason to stop.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
