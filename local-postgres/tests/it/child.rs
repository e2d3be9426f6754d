//! A server in another process: this test binary again, controlled by lines on its standard input.

use std::{
    env,
    fmt::Debug,
    io::{self, BufRead, BufReader, Read, Write},
    path::Path,
    process::{self, Child, Command, Stdio},
    sync::OnceLock,
};

use local_postgres::{LocalPostgres, durable_dir};
use nix::{
    sys::{
        resource::{Resource, getrlimit, setrlimit},
        signal::{Signal, kill},
    },
    unistd::Pid,
};

/// A process that starts a server. Dropping it kills the process.
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
        process.send(what);
        process
    }

    /// The URL of `postgres`, or the error message.
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

    pub(crate) fn send(&mut self, line: &str) {
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

#[expect(clippy::print_stdout, reason = "the parent process reads it")]
fn report(what: &str, value: impl Debug) {
    let value = format!("{value:?}");
    // The test harness leaves its line unfinished.
    println!("\n{what}: {}", value.trim_matches('"'));
}

#[test]
#[ignore = "the program of a `Process`"]
fn serve() {
    static NEVER_DROPPED: OnceLock<LocalPostgres> = OnceLock::new();

    let mut commands = io::stdin().lines().map(Result::unwrap);
    let what = commands.next().unwrap();
    let started = match what.split_once(' ') {
        Some(("durable", dir)) => LocalPostgres::durable(dir.as_ref()),
        Some(("durable_dir_without_processes", dir)) => {
            let (_, most) = getrlimit(Resource::RLIMIT_NPROC).unwrap();
            setrlimit(Resource::RLIMIT_NPROC, 0, most).unwrap();
            match durable_dir(dir.as_ref()) {
                Ok(dir) => return report("url", dir),
                Err(error) => Err(error),
            }
        }
        _ => LocalPostgres::throwaway(),
    };
    let mut server = match started {
        Ok(server) => server,
        Err(error) => return report("error", error.to_string()),
    };
    report("url", server.url("postgres"));
    match commands.next().as_deref() {
        Some("panic") => panic!("as the parent commanded"),
        Some("exit") => {
            let server = NEVER_DROPPED.get_or_init(|| server);
            report("url", server.url("postgres"));
            process::exit(0)
        }
        Some("halt") => {
            server.halt().unwrap();
            report("url", server.url("postgres"));
            commands.next();
        }
        Some("child") => {
            // It inherits every file that the crate does not close on exec.
            let mut sleeper =
                Command::new("sleep").arg("20").stdout(Stdio::null()).spawn().unwrap();
            report("url", sleeper.id());
            commands.next();
            sleeper.kill().unwrap();
            sleeper.wait().unwrap();
        }
        _ => {}
    }
}
