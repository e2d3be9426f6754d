//! The auth-service program: `serve`, `migrate`, `healthcheck` or `keys`.

use std::process::ExitCode;

use auth_service::{Config, KeyCommand, ListenConfig};
use clap::Args as _;
use shared::{config::CommandLine, error::Error};
use tandem_server::{Listeners, program};

use crate::command::{Arguments, Command};

mod command;

/// Calls allocate a lot; this makes a short one a fifth cheaper than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

// Calls have runtimes of their own.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    program::prepare();
    let program = clap::Command::new("auth-service")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Registers people, checks their passwords and signs access tokens, over gRPC");
    let program = Arguments::augment_args(program);
    let command_line = CommandLine::new::<Config>(program, std::env::args_os());
    match command::or_exit(&command_line) {
        Command::Serve => {
            let config = Config::to_serve(&command_line).unwrap_or_else(|error| error.exit());
            program::run(&config.telemetry.clone(), "auth-service", serve(config)).await
        }
        Command::Migrate => program::migrate(command_line.settings_or_exit()).await,
        Command::Healthcheck => {
            let ListenConfig { ops_address, .. } = command_line.settings_or_exit();
            program::healthcheck(ops_address).await
        }
        Command::Keys(command) => {
            let config = command_line.settings().and_then(Config::check);
            let config = config.unwrap_or_else(|error| error.exit());
            program::run(&config.telemetry.clone(), "auth-service", keys(config, command)).await
        }
    }
}

async fn serve(config: Config) -> Result<(), Error> {
    let shutdown = tandem_server::shutdown_on_signal();
    let [calls, ops] = tandem_server::listen_all([
        (config.listen.address, "AUTH_LISTEN_ADDRESS"),
        (config.listen.ops_address, "AUTH_OPS_LISTEN_ADDRESS"),
    ])
    .await?;
    // Port 0 has become one that was free.
    let address = calls.local_addr().unwrap_or(config.listen.address);
    let ops_address = ops.local_addr().unwrap_or(config.listen.ops_address);
    tracing::info!(%address, %ops_address, "auth-service listens");
    auth_service::run(config, Listeners { calls, ops }, shutdown).await?;
    tracing::info!("auth-service has ended");
    Ok(())
}

async fn keys(config: Config, command: KeyCommand) -> Result<(), Error> {
    let table = auth_service::run_key_command(&config, command).await?;
    #[expect(clippy::print_stdout, reason = "a program that talks to a person")]
    {
        println!("{table}");
    }
    Ok(())
}
