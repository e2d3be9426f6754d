//! Another process with a server in it: this test binary again, told by its input what to do.

use std::{
    env,
    fmt::Debug,
    io::{self, BufRead, BufReader, Read, Write},
    path::Path,
    process::{self, Child, Command, Stdio},
    sync::OnceLock,
};

use local_postgres::LocalPostgres;
use nix::{sys::signal::Signal, sys::signal::kill, unistd::Pid};

/// A process that has been told to start a server; it is killed in the end.
pub(crate) struct Process {
    child: Child,
    output: BufReader<process::ChildStdout>,
}

impl Process {
    pub(crate) fn durable(dir: &Path) -> Self {
        Self::spawn(&format!("durable {}", dir.display()), &[])
    }

    pub(crate) fn throwaway() -> Self {
        Self::spawn("throwaway", &[])
    }

    pub(crate) fn spawn(what: &str, env: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "child::serve", "--ignored", "--nocapture"])
            .envs(env.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut process = Self { child, output };
        process.tell(what);
        process
    }

    /// The URL of `postgres`, or the error, as it is debugged.
    pub(crate) fn answer(&mut self) -> Result<String, String> {
        for line in self.output.by_ref().lines() {
            match line.unwrap().split_once(": ") {
                Some(("url", url)) => return Ok(url.to_owned()),
                Some(("error", error)) => return Err(error.to_owned()),
                _ => {}
            }
        }
        panic!("the process ended without an answer")
    }

    pub(crate) fn url(&mut self) -> String {
        self.answer().unwrap()
    }

    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.child.stdin.as_ref().unwrap(), "{line}").unwrap();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn wait(&mut self) {
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[expect(clippy::print_stdout, reason = "the other process reads it")]
fn say(what: &str, value: impl Debug) {
    let value = format!("{value:?}");
    // The test harness does not end its lines.
    println!("\n{what}: {}", value.trim_matches('"'));
}

#[test]
#[ignore = "what a `Process` runs"]
fn serve() {
    static NEVER_DROPPED: OnceLock<LocalPostgres> = OnceLock::new();

    let mut orders = io::stdin().lines().map(Result::unwrap);
    let what = orders.next().unwrap();
    let started = match what.strip_prefix("durable ") {
        Some(dir) => LocalPostgres::durable(dir.as_ref()),
        None => LocalPostgres::throwaway(),
    };
    let mut server = match started {
        Ok(server) => server,
        Err(error) => return say("error", error.to_string()),
    };
    say("url", server.url("postgres"));
    match orders.next().as_deref() {
        Some("panic") => panic!("as I was told"),
        Some("exit") => {
            let server = NEVER_DROPPED.get_or_init(|| server);
            say("url", server.url("postgres"));
            process::exit(0)
        }
        Some("halt") => {
            server.halt().unwrap();
            say("url", server.url("postgres"));
            orders.next();
        }
        Some("child") => {
            // Inherits what we fail to close for it.
            let mut sleeper =
                Command::new("sleep").arg("20").stdout(Stdio::null()).spawn().unwrap();
            say("url", sleeper.id());
            orders.next();
            sleeper.kill().unwrap();
            sleeper.wait().unwrap();
        }
        _ => {}
    }
}
