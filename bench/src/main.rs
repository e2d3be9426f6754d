//! The benchmark: `cargo run --release -p bench`. It starts every system under test as a process of
//! its own on one private PostgreSQL, loads them in turn, and says what each does beside the rest.
//!
//! In reading order:
//! - `options`: the command line
//! - `environment`: what is measured, started: PostgreSQL, the data, the processes, the tokens
//! - `workload`: what callers ask for
//! - `load`: how they ask: connections, calls in flight, what is counted
//! - `baselines`: what the services are compared with
//! - `contest`: the rounds, in which all of them do the same
//! - `studies`: what else is promised, and measured for the services alone
//! - `guard`: what must not be lost
//! - `usage`: what the system says a process uses
//! - `report`: the table

use std::{io::Write as _, process::ExitCode};

use clap::Parser as _;

use crate::options::{Options, Serve};

mod baselines;
mod contest;
mod environment;
mod guard;
mod load;
mod options;
mod report;
mod run;
mod serve;
mod studies;
mod usage;
mod workload;

/// That of the services' programs. The usual service and the callers gain by it, too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match options.serve {
        Some(Serve::Task) => serve::task(),
        Some(Serve::Auth) => serve::auth(),
        Some(Serve::Usual) => serve::usual(),
        None => run::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Tells a person how it goes. That nobody listens is no reason to end.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
