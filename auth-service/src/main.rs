//! The auth-service program: `serve`, `migrate`, `healthcheck`, `keys` or `users`.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use auth_service::{Config, KeyCommand, UserCommand};
use shared::{
    config::{self, TelemetryConfig},
    error::Error,
};
use tandem_server::program;

use crate::command::{Command, Keys, Program};

mod command;

#[global_allocator]
static ALLOCATOR: program::Allocator = program::Allocator;

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
        Command::Keys(Keys::List(config)) => keys(&config, KeyCommand::List).await,
        Command::Keys(Keys::Rotate { now, config }) => {
            keys(&config, KeyCommand::Rotate { now }).await
        }
        Command::Keys(Keys::Revoke { kid, lost_root_key, config }) => {
            keys(&config, KeyCommand::Revoke { kid, lost_root_key }).await
        }
        Command::Users(command) => users(command).await,
    }
}

async fn serve(config: Config) -> ExitCode {
    config::reject(config.mistakes()).unwrap_or_else(|error| error.exit());
    let addresses = [
        (config.listen.address, "AUTH_LISTEN_ADDRESS"),
        (config.listen.ops.address, "AUTH_OPS_LISTEN_ADDRESS"),
    ];
    let telemetry = config.telemetry.clone();
    let service = |listeners, shutdown| auth_service::run(config, listeners, shutdown);
    program::serve("auth-service", &telemetry, addresses, service).await
}

async fn keys(config: &Config, command: KeyCommand) -> ExitCode {
    config.check().unwrap_or_else(|error| error.exit());
    print(&config.telemetry, auth_service::run_key_command(config, command)).await
}

async fn users(command: UserCommand) -> ExitCode {
    let telemetry = command.telemetry().clone();
    print(&telemetry, auth_service::run_user_command(command)).await
}

/// Prints what a command returns.
async fn print(
    telemetry: &TelemetryConfig,
    command: impl Future<Output = Result<String, Error>>,
) -> ExitCode {
    let work = async {
        let text = command.await?;
        match writeln!(io::stdout(), "{text}") {
            // The reader has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written.map_err(|error| {
                Error::Internal(format!("the output cannot be written: {error}").into())
            }),
        }
    };
    program::run("auth-service", telemetry, work).await
}
