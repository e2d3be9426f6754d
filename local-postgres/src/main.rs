//! Runs a command with `DATABASE_URL` set to an empty database, which is removed when the command
//! ends. It serves tools that need a database, such as `cargo sqlx prepare`.

use std::{
    env,
    process::{Command, ExitCode},
};

use local_postgres::LocalPostgres;

#[expect(clippy::print_stderr, reason = "a program that talks to a person")]
fn main() -> ExitCode {
    let mut args = env::args_os().skip(1);
    let Some(program) = args.next() else {
        eprintln!("usage: local-postgres COMMAND [ARGUMENT]...");
        return ExitCode::from(2);
    };
    let server = match LocalPostgres::throwaway() {
        Ok(server) => server,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let url = server.url("postgres");
    let mut command = Command::new(&program);
    command.args(args).env("DATABASE_URL", url);
    // They would change or break the command's sessions. Those of this crate do not.
    for (name, _) in env::vars_os() {
        let is_ours = ["PG_BIN_DIR", "PG_DOWNLOAD"].iter().any(|ours| name == *ours);
        if name.as_encoded_bytes().starts_with(b"PG") && !is_ours {
            command.env_remove(name);
        }
    }
    match command.status() {
        Ok(status) => status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .map_or(ExitCode::FAILURE, ExitCode::from),
        Err(error) => {
            eprintln!("error: cannot run {}: {error}", program.display());
            ExitCode::FAILURE
        }
    }
}
