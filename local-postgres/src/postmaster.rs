//! The postmaster, PostgreSQL's first process: its settings, its start, and when it is ready.

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

/// Crash recovery can take long.
const READY_WITHIN: Duration = Duration::from_mins(1);
/// How long the processes of a killed server may keep its files and shared memory in use.
const STALE_PATIENCE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(3);

/// Faster settings for data that need not survive a crash. `wal_level` requires `max_wal_senders`.
const THROWAWAY: [&str; 8] = [
    "dynamic_shared_memory_type=mmap", // in the data directory, so removed with it even after a crash
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "autovacuum=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "max_connections=200", // each of many tests has a pool
];

impl Cluster {
    /// Starts PostgreSQL, and waits until it accepts connections.
    pub(crate) fn start(&self, sweeper: &Sweeper) -> Result<Watched, Error> {
        let start = Instant::now();
        loop {
            self.remove_lock_of_zombie();
            let started = self.try_start(sweeper);
            // PostgreSQL keeps a pid file that is, or seems to be, another server's.
            let has_other_server = self.pid_file().exists();
            if started.is_ok() || !has_other_server || start.elapsed() > STALE_PATIENCE {
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

    /// Removes the lock files of a killed server that is still a zombie, because PostgreSQL takes a
    /// zombie for a live server. PostgreSQL then still detects live child processes of that server
    /// by its shared memory.
    fn remove_lock_of_zombie(&self) {
        let file = fs::read_to_string(self.pid_file()).unwrap_or_default();
        if file.lines().next().is_some_and(is_zombie) {
            let socket_lock = self.socket_dir.join(format!("{SOCKET}.lock"));
            for file in [self.pid_file(), socket_lock] {
                // If the removal fails, PostgreSQL reports the file.
                let _ = fs::remove_file(file);
            }
        }
    }

    /// Reads the lines that `pg_ctl` reads: line 1 is the pid, and line 8 is the state.
    fn is_ready(&self, pid: u32) -> bool {
        let file = fs::read_to_string(self.pid_file()).unwrap_or_default();
        let mut lines = file.lines().map(str::trim);
        lines.next() == Some(&pid.to_string()) && lines.nth(6) == Some("ready")
    }

    fn pid_file(&self) -> PathBuf {
        self.dir.join("postmaster.pid")
    }
}

/// A list of one element, quoted because the name of a directory may contain commas.
fn socket_setting(dir: &Path) -> OsString {
    let dir = dir.to_str().expect("`short_socket_dir` makes it Unicode");
    format!("unix_socket_directories=\"{}\"", dir.replace('"', "\"\"")).into()
}
