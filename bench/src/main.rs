//! The benchmark: `cargo run --release -p bench`. It starts every system under test as a process of
//! its own on one private PostgreSQL, loads them in interleaved rounds, and compares them.
//!
//! From top to bottom; each module imports only modules below it:
//! - `run`: a whole run
//! - `serve`: the systems under test that are written in Rust
//! - `guard`: the floors that a change must not fall below
//! - `report`: the tables and plots
//! - `contest`: rounds in which all systems take the same load
//! - `studies`: measurements of the services alone
//! - `baselines`: the systems that the services are compared with
//! - `workload`: the calls that clients make
//! - `environment`: PostgreSQL, the data, the processes, the tokens
//! - `load`: connections, pace, and what is measured
//! - `usage`: CPU time and memory of processes
//! - `progress`: lines on standard error
//! - `options`: the command line

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use crate::options::{Options, Serve};

mod baselines;
mod contest;
mod environment;
mod guard;
mod load;
mod options;
mod progress;
mod report;
mod run;
mod serve;
mod studies;
mod usage;
mod workload;

/// The allocator of the services' own programs. The usual service and the clients use it, too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let options = Options::parse(run::names());
    let done = match options.serve {
        Some(Serve::Task) => serve::task(),
        Some(Serve::Auth) => serve::auth(),
        Some(Serve::Usual) => serve::usual(),
        None => run::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
