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
    wait::{Cancelled, check, poll},
};

/// Crash recovery can take long.
const READY_WITHIN: Duration = Duration::from_mins(1);
/// How long the processes of a killed server may keep its files and shared memory in use.
const STALE_PATIENCE: Duration = Duration::from_secs(5);

/// Faster settings for data that need not survive a crash. `wal_level` requires `max_wal_senders`.
const THROWAWAY: [&str; 8] = [
    "dynamic_shared_memory_type=mmap", // in the data directory, so removed with it after a crash
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
    pub(crate) fn start(&self, sweeper: &Sweeper, cancelled: Cancelled) -> Result<Watched, Error> {
        let start = Instant::now();
        loop {
            self.remove_lock_of_zombie();
            let started = self.try_start(sweeper, cancelled);
            // PostgreSQL keeps a pid file that is, or seems to be, another server's.
            let may_retry = PidFile::path(&self.dir).exists() && !cancelled();
            if started.is_ok() || !may_retry || start.elapsed() > STALE_PATIENCE {
                return started;
            }
            sleep(Duration::from_millis(50));
        }
    }

    fn try_start(&self, sweeper: &Sweeper, cancelled: Cancelled) -> Result<Watched, Error> {
        let program = self.installation.postgres();
        let command = self.postgres_command(&program);
        let mut postmaster = Watched::spawn(&self.run_as, command, sweeper, self.new_log()?)
            .map_err(Error::io("run", &program))?;
        let ready = poll(READY_WITHIN, || {
            check(cancelled)?;
            let pid_file = PidFile::of(&self.dir);
            if pid_file.is_ready && pid_file.pid == Some(postmaster.pid()) {
                return Ok(Some(()));
            }
            match postmaster.try_wait().map_err(Error::io("wait for", &program))? {
                Some(status) => Err(self.failure(format!("PostgreSQL ended with {status}"))),
                None => Ok(None),
            }
        })?;
        match ready {
            Some(()) => Ok(postmaster),
            None => Err(self.failure(format!("PostgreSQL was not ready within {READY_WITHIN:?}"))),
        }
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
        if PidFile::of(&self.dir).pid.is_some_and(is_zombie) {
            let socket_lock = self.socket_dir.join(format!("{SOCKET}.lock"));
            for file in [PidFile::path(&self.dir), socket_lock] {
                // If the removal fails, PostgreSQL reports the file.
                let _ = fs::remove_file(file);
            }
        }
    }
}

/// What `postmaster.pid` says.
pub(crate) struct PidFile {
    /// Absent if there is no file.
    pub(crate) pid: Option<u32>,
    is_ready: bool,
}

impl PidFile {
    fn path(cluster: &Path) -> PathBuf {
        cluster.join("postmaster.pid")
    }

    /// Reads the lines that `pg_ctl` reads: line 1 is the pid, and line 8 is the state.
    pub(crate) fn of(cluster: &Path) -> Self {
        let file = fs::read(Self::path(cluster)).unwrap_or_default();
        // Line 2 is the path of the cluster, which need not be Unicode.
        let file = String::from_utf8_lossy(&file);
        let mut lines = file.lines().map(str::trim);
        let pid = lines.next().and_then(|pid| pid.parse().ok());
        Self { pid, is_ready: lines.nth(6) == Some("ready") }
    }
}

/// A list of one element, quoted because the name of a directory may contain commas.
fn socket_setting(dir: &Path) -> OsString {
    let dir = dir.to_str().expect("`short_socket_dir` makes it Unicode");
    format!("unix_socket_directories=\"{}\"", dir.replace('"', "\"\"")).into()
}
