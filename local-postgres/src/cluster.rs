//! A cluster: PostgreSQL's word for one server's data. Here it is made, by `initdb`.

use std::{
    ffi::OsString,
    fs::{self, File},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use crate::{
    Error,
    binaries::Installation,
    run_as::RunAs,
    supervisor::{Sweeper, Watched},
};

/// What becomes of the data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Durability {
    /// They survive a power failure.
    Durable,
    /// They are fast, and are removed.
    Throwaway,
}

/// One server's data, and how it is run.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) run_as: RunAs,
    pub(crate) installation: Installation,
    pub(crate) durability: Durability,
    pub(crate) dir: PathBuf,
    pub(crate) socket_dir: PathBuf,
}

/// Where the cluster of one major version is within a server's directory.
pub(crate) fn dir_in(home: &Path, major: u32) -> PathBuf {
    home.join(format!("pg-{major}"))
}

/// The major versions whose clusters are in a server's directory.
pub(crate) fn majors_in(home: &Path) -> Vec<u32> {
    fs::read_dir(home)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.strip_prefix("pg-")?.parse().ok())
        .collect()
}

impl Cluster {
    /// Makes the cluster unless it exists; if this is interrupted, the next call begins again.
    pub(crate) fn ensure(&self, sweeper: &Sweeper) -> Result<(), Error> {
        if self.dir.exists() {
            return Ok(());
        }
        let unfinished = self.dir.with_extension("new");
        // C.UTF-8 sorts like C, and knows the case of all letters; macOS does not always have it.
        let mut ended = self.initdb(&unfinished, "C.UTF-8", sweeper);
        if let Err(Error::Failed { .. }) = ended {
            ended = self.initdb(&unfinished, "C", sweeper);
        }
        ended?;
        fs::rename(&unfinished, &self.dir).map_err(Error::io("create", &self.dir))
    }

    fn initdb(&self, dir: &Path, locale: &str, sweeper: &Sweeper) -> Result<(), Error> {
        if dir.exists() {
            fs::remove_dir_all(dir).map_err(Error::io("remove", dir))?;
        }
        self.run_as.create_private_dir(dir)?;
        let initdb = self.installation.bin_dir.join("initdb");
        let mut command: Vec<OsString> = vec![(&initdb).into()];
        command.extend(["-D".into(), dir.into(), format!("--locale={locale}").into()]);
        // No password, since nobody else can reach the socket.
        command.extend(["-U", "postgres", "-A", "trust", "-E", "UTF8"].map(OsString::from));
        match self.durability {
            // It syncs, for 0.3 s on an idle disk, once: PostgreSQL itself would sync only what it
            // changes, and a power failure could leave the rest unwritten.
            Durability::Durable => {}
            Durability::Throwaway => {
                command.extend(["--no-sync", "--wal-segsize=1"].map(OsString::from));
            }
        }
        let status = Watched::spawn(&self.run_as, command, sweeper, self.new_log()?)
            .and_then(Watched::wait)
            .map_err(Error::io("run", &initdb))?;
        if status.success() {
            return Ok(());
        }
        Err(self.failure(format!("initdb ended with {status}")))
    }

    /// Of the last program that was started; beside the data.
    pub(crate) fn log(&self) -> PathBuf {
        self.dir.with_extension("log")
    }

    pub(crate) fn new_log(&self) -> Result<File, Error> {
        File::options()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(self.log())
            .map_err(Error::io("create", &self.log()))
    }

    /// The error that this happened, with what the program had to say.
    pub(crate) fn failure(&self, what: String) -> Error {
        let log = fs::read(self.log()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let skipped = log.lines().count().saturating_sub(20);
        let tail = log.lines().skip(skipped).collect::<Vec<_>>().join("\n");
        Error::Failed { what, log: self.log(), tail }
    }
}
