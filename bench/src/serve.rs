//! The systems under test that are written in Rust, each run as its own program runs it. A system
//! prints its address, and ends when its standard input closes, so that none outlives the
//! benchmark.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    process, thread,
};

use shared::{config::settings, error::Error};
use tandem_server::{Listeners, telemetry};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{baselines::usual as usual_service, environment::LISTENS};

/// All settings come from variables.
const NO_FLAGS: [&str; 0] = [];

/// Uses the same runtime as the program.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn task() -> anyhow::Result<()> {
    end_with_stdin();
    let config: task_service::Config = settings(NO_FLAGS)?;
    let _telemetry = telemetry::init(&config.telemetry, "task-service");
    let listeners = listeners(config.listen.address, config.listen.ops.address).await?;
    task_service::run(config, listeners, CancellationToken::new()).await.map_err(causes)
}

/// Uses the same runtime as the program.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn auth() -> anyhow::Result<()> {
    end_with_stdin();
    let config: auth_service::Config = settings(NO_FLAGS)?;
    config.check()?;
    let _telemetry = telemetry::init(&config.telemetry, "auth-service");
    let listeners = listeners(config.listen.address, config.listen.ops.address).await?;
    auth_service::run(config, listeners, CancellationToken::new()).await.map_err(causes)
}

#[tokio::main]
pub(crate) async fn usual() -> anyhow::Result<()> {
    end_with_stdin();
    let config: usual_service::Config = settings(NO_FLAGS)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    announce(listener.local_addr()?)?;
    usual_service::run(&config, listener).await
}

async fn listeners(calls: SocketAddr, ops: SocketAddr) -> anyhow::Result<Listeners> {
    let ports = [(calls, "listen address"), (ops, "operations address")];
    let [calls, ops] = tandem_server::listen_all(ports).await.map_err(causes)?;
    announce(calls.local_addr()?)?;
    Ok(Listeners { calls, ops })
}

fn announce(address: SocketAddr) -> io::Result<()> {
    let mut stdout = io::stdout();
    writeln!(stdout, "{LISTENS}{address}")?;
    stdout.flush()
}

fn end_with_stdin() {
    thread::spawn(|| {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        process::exit(0);
    });
}

#[expect(clippy::needless_pass_by_value, reason = "map_err passes the error by value")]
fn causes(error: Error) -> anyhow::Error {
    anyhow::anyhow!(error.causes())
}
