//! The task-service program: `serve`, `migrate` or `healthcheck`.

use std::process::ExitCode;

use clap::Command;
use shared::{
    config::{CommandLine, Task},
    error::Error,
};
use tandem_server::{Listeners, program};
use task_service::{Config, ListenConfig};

/// Calls allocate a lot; this makes a short one a fifth cheaper than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

// Calls have runtimes of their own.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    program::prepare();
    let command = Command::new("task-service")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Keeps each person's tasks, private to their owner, over gRPC");
    let command_line = CommandLine::with_tasks::<Config>(command, std::env::args_os());
    match command_line.task_or_exit() {
        Task::Serve => {
            let config = Config::to_serve(&command_line).unwrap_or_else(|error| error.exit());
            program::run(&config.telemetry.clone(), "task-service", serve(config)).await
        }
        Task::Migrate => program::migrate(command_line.settings_or_exit()).await,
        Task::Healthcheck => {
            let ListenConfig { ops_address, .. } = command_line.settings_or_exit();
            program::healthcheck(ops_address).await
        }
    }
}

async fn serve(config: Config) -> Result<(), Error> {
    let shutdown = tandem_server::shutdown_on_signal();
    let [calls, ops] = tandem_server::listen_all([
        (config.listen.address, "TASK_LISTEN_ADDRESS"),
        (config.listen.ops_address, "TASK_OPS_LISTEN_ADDRESS"),
    ])
    .await?;
    let address = calls.local_addr().unwrap_or(config.listen.address);
    let ops_address = ops.local_addr().unwrap_or(config.listen.ops_address);
    tracing::info!(%address, %ops_address, "task-service listens");
    task_service::run(config, Listeners { calls, ops }, shutdown).await?;
    tracing::info!("task-service has ended");
    Ok(())
}
