//! The postmaster, PostgreSQL's first process: its settings, and waiting until it is ready.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};

use crate::{
    Error,
    cluster::{Cluster, Durability},
    places::SOCKET,
    process::is_zombie,
    supervisor::{Sweeper, Watched},
};

/// Crash recovery may take long.
const READY_WITHIN: Duration = Duration::from_mins(1);
/// How long the processes of a server that was killed may hold on to its files and memory.
const STALE_PATIENCE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(3);

/// What tests do without: nothing of it outlives them. `wal_level` goes with `max_wal_senders`.
const THROWAWAY: [&str; 8] = [
    "dynamic_shared_memory_type=mmap", // in the directory, and so removed even after a crash
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "autovacuum=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "max_connections=200", // a pool for each of many tests
];

impl Cluster {
    /// Starts PostgreSQL, and waits until it takes connections.
    pub(crate) fn start(&self, sweeper: &Sweeper) -> Result<Watched, Error> {
        let start = Instant::now();
        loop {
            self.forget_zombie();
            let started = self.try_start(sweeper);
            // It leaves a pid file alone if that is, or seems to be, another server's.
            let others = self.pid_file().exists();
            if started.is_ok() || !others || start.elapsed() > STALE_PATIENCE {
                return started;
            }
            sleep(Duration::from_millis(50));
        }
    }

    fn try_start(&self, sweeper: &Sweeper) -> Result<Watched, Error> {
        let program = self.installation.bin_dir.join("postgres");
        let command = self.postgres_command(&program);
        let mut postmaster = Watched::spawn(&self.run_as, command, sweeper, self.new_log()?)
            .map_err(Error::io("run", &program))?;
        let start = Instant::now();
        while !self.is_ready(postmaster.pid()) {
            let ended = postmaster.try_wait().map_err(Error::io("wait for", &program))?;
            if let Some(status) = ended {
                return Err(self.failure(format!("PostgreSQL ended with {status}")));
            }
            if start.elapsed() > READY_WITHIN {
                return Err(self.failure(format!("PostgreSQL was not ready in {READY_WITHIN:?}")));
            }
            sleep(POLL);
        }
        Ok(postmaster)
    }

    fn postgres_command(&self, program: &Path) -> Vec<OsString> {
        let mut command: Vec<OsString> = vec![program.into(), "-D".into(), (&self.dir).into()];
        let mut set = |setting: OsString| command.extend(["-c".into(), setting]);
        set("listen_addresses=".into());
        set("port=5432".into());
        set("unix_socket_permissions=0700".into());
        set(socket_setting(&self.socket_dir));
        match self.durability {
            Durability::Durable => {}
            Durability::Throwaway => THROWAWAY.map(OsString::from).into_iter().for_each(set),
        }
        command
    }

    /// Removes the files by which PostgreSQL would take a killed server for a live one for as long
    /// as it is a zombie. Its shared memory still tells, should any part of it be alive.
    fn forget_zombie(&self) {
        let file = fs::read_to_string(self.pid_file()).unwrap_or_default();
        if file.lines().next().is_some_and(is_zombie) {
            let socket_lock = self.socket_dir.join(format!("{SOCKET}.lock"));
            for file in [self.pid_file(), socket_lock] {
                // If this fails, PostgreSQL says so.
                let _ = fs::remove_file(file);
            }
        }
    }

    /// Line 1 of the file is the pid, and line 8 the state: `pg_ctl` looks at the same.
    fn is_ready(&self, pid: u32) -> bool {
        let file = fs::read_to_string(self.pid_file()).unwrap_or_default();
        let mut lines = file.lines().map(str::trim);
        lines.next() == Some(&pid.to_string()) && lines.nth(6) == Some("ready")
    }

    fn pid_file(&self) -> PathBuf {
        self.dir.join("postmaster.pid")
    }
}

/// A list with one element, in quotes since directories may hold commas.
fn socket_setting(dir: &Path) -> OsString {
    let dir = dir.to_str().expect("a socket goes where its path is Unicode");
    format!("unix_socket_directories=\"{}\"", dir.replace('"', "\"\"")).into()
}
