//! A cluster, which is PostgreSQL's term for the data of one server, and its creation by `initdb`.

use std::{
    ffi::OsString,
    fs::{self, File},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    Error,
    binaries::Installation,
    run_as::RunAs,
    supervisor::{Sweeper, Watched},
    wait::{Cancelled, check, poll},
};

/// Creation takes a second, and syncing its files to a busy disk can take long.
const INITDB_WITHIN: Duration = Duration::from_mins(5);

/// Whether the data outlive the server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Durability {
    /// The data survive a power failure.
    Durable,
    /// The server is fast, and its data are removed when it stops.
    Throwaway,
}

/// The data of one server, and how the server is run.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) run_as: RunAs,
    pub(crate) installation: Installation,
    pub(crate) durability: Durability,
    pub(crate) dir: PathBuf,
    pub(crate) socket_dir: PathBuf,
}

/// The directory of one major version's cluster within the directory of a server.
pub(crate) fn dir_in(home: &Path, major: u32) -> PathBuf {
    home.join(format!("pg-{major}"))
}

/// The major versions that have a cluster in the directory of a server.
pub(crate) fn majors_in(home: &Path) -> Vec<u32> {
    fs::read_dir(home)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.strip_prefix("pg-")?.parse().ok())
        .collect()
}

impl Cluster {
    /// Creates the cluster unless it exists. If the creation is interrupted, the next call repeats
    /// it.
    pub(crate) fn ensure(&self, sweeper: &Sweeper, cancelled: Cancelled) -> Result<(), Error> {
        if self.dir.exists() {
            return Ok(());
        }
        let unfinished = self.dir.with_extension("new");
        // C.UTF-8 sorts like C, and converts the case of all letters. Some macOS versions lack it.
        let mut ended = self.initdb(&unfinished, "C.UTF-8", sweeper, cancelled);
        if let Err(Error::Failed { .. }) = ended {
            ended = self.initdb(&unfinished, "C", sweeper, cancelled);
        }
        ended?;
        fs::rename(&unfinished, &self.dir).map_err(Error::io("create", &self.dir))
    }

    fn initdb(
        &self,
        dir: &Path,
        locale: &str,
        sweeper: &Sweeper,
        cancelled: Cancelled,
    ) -> Result<(), Error> {
        if dir.exists() {
            fs::remove_dir_all(dir).map_err(Error::io("remove", dir))?;
        }
        self.run_as.create_private_dir(dir)?;
        let initdb = self.installation.bin_dir.join("initdb");
        let mut command: Vec<OsString> = vec![(&initdb).into()];
        command.extend(["-D".into(), dir.into(), format!("--locale={locale}").into()]);
        // No password, because no other user can reach the socket.
        command.extend(["-U", "postgres", "-A", "trust", "-E", "UTF8"].map(OsString::from));
        match self.durability {
            // initdb syncs all files, which takes 0.3 s on an idle disk. PostgreSQL itself syncs
            // only the files that it changes, so a power failure could lose the others.
            Durability::Durable => {}
            Durability::Throwaway => {
                command.extend(["--no-sync", "--wal-segsize=1"].map(OsString::from));
            }
        }
        let mut running = Watched::spawn(&self.run_as, command, sweeper, self.new_log()?)
            .map_err(Error::io("run", &initdb))?;
        let status = poll(INITDB_WITHIN, || {
            check(cancelled)?;
            running.try_wait().map_err(Error::io("wait for", &initdb))
        })?;
        match status {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(self.failure(format!("initdb ended with {status}"))),
            None => Err(self.failure(format!("initdb did not end within {INITDB_WITHIN:?}"))),
        }
    }

    /// The log of the program started last. It is beside the data.
    pub(crate) fn log_path(&self) -> PathBuf {
        self.dir.with_extension("log")
    }

    pub(crate) fn new_log(&self) -> Result<File, Error> {
        File::options()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(self.log_path())
            .map_err(Error::io("create", &self.log_path()))
    }

    /// An error with the end of the log.
    pub(crate) fn failure(&self, what: String) -> Error {
        let log = fs::read(self.log_path()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let skipped = log.lines().count().saturating_sub(20);
        let tail = log.lines().skip(skipped).collect::<Vec<_>>().join("\n");
        Error::Failed { what, log: self.log_path(), tail }
    }
}
