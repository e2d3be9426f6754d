//! The task-service program: `serve`, `migrate` or `healthcheck`.

use std::process::ExitCode;

use shared::config::{self, MigrateConfig};
use tandem_server::program;
use task_service::{Config, OpsConfig};

#[global_allocator]
static ALLOCATOR: program::Allocator = program::Allocator;

/// Keeps each user's tasks, private to their owner, over gRPC
///
/// Without a command, runs `serve`. See `task-service serve --help` for its settings.
#[derive(clap::Parser)]
#[command(version, override_usage = "task-service [COMMAND] [OPTIONS]")]
struct Program {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Answer calls until SIGTERM or SIGINT
    Serve(Box<Config>),
    /// Apply pending migrations to the database and exit
    Migrate(Box<MigrateConfig>),
    /// Exit with 0 if the service at the operations port is ready for calls, otherwise with 1
    Healthcheck(OpsConfig),
}

// Calls have runtimes of their own.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    program::prepare();
    let program = config::parse_program(std::env::args_os());
    let Program { command } = program.unwrap_or_else(|error| error.exit());
    match command {
        Command::Serve(config) => serve(*config).await,
        Command::Migrate(config) => program::migrate(&config).await,
        Command::Healthcheck(ops) => program::healthcheck(ops.address).await,
    }
}

async fn serve(config: Config) -> ExitCode {
    config::reject(config.mistakes()).unwrap_or_else(|error| error.exit());
    let addresses = [
        (config.listen.address, "TASK_LISTEN_ADDRESS"),
        (config.listen.ops.address, "TASK_OPS_LISTEN_ADDRESS"),
    ];
    let telemetry = config.telemetry.clone();
    let service = |listeners, shutdown| task_service::run(config, listeners, shutdown);
    program::serve("task-service", &telemetry, addresses, service).await
}
