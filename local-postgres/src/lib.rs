//! A private PostgreSQL (15 or newer): durable for `cargo run`, throwaway for tests.
//!
//! The binaries are the installed ones. Without any, the first start downloads a pinned release
//! into the user's cache directory, unless `PG_DOWNLOAD` is `false`.
//!
//! The server listens on a Unix socket in a directory that only its user can enter. It needs no
//! port and no password, and other users cannot reach it. When this process ends, even by
//! `kill -9`, the server stops and the directory of a throwaway server is removed. The log is
//! `pg-<major>.log`, beside the data.
//!
//! Every function here blocks: call it through `spawn_blocking` from asynchronous code.

mod binaries;
mod cluster;
mod download;
mod error;
mod places;
mod postmaster;
mod process;
mod run_as;
mod stray;
mod supervisor;
mod wait;

use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

use crate::{
    binaries::Installation,
    cluster::{Cluster, Durability},
    run_as::RunAs,
    supervisor::{Sweeper, Watched},
    wait::Cancelled,
};
pub use crate::{error::Error, places::durable_dir};

/// A running server. Dropping it stops the server, waits for the end, and ignores errors.
#[derive(Debug)]
pub struct LocalPostgres {
    // Declared first to be dropped first: the drop of the sweeper waits for the server's end.
    postmaster: Option<Watched>,
    sweeper: Sweeper,
    cluster: Cluster,
}

impl LocalPostgres {
    /// Starts a server that keeps its data in `dir`. The directory is created if it does not exist,
    /// and is locked while the server runs. The same directory always gives the same URL.
    ///
    /// The binaries are of the major version that created the data, or the newest for new data. If
    /// this process may be root, pass the result of [`durable_dir`].
    pub fn durable(dir: &Path) -> Result<Self, Error> {
        Self::durable_unless(dir, &|| false)
    }

    /// Like [`Self::durable`], and stops what it has started once `cancelled` returns true. It
    /// calls `cancelled` every few milliseconds.
    pub fn durable_unless(dir: &Path, cancelled: &dyn Fn() -> bool) -> Result<Self, Error> {
        let run_as = RunAs::detect()?;
        let dir = places::absolute(dir)?;
        places::prepare(&run_as, &dir)?;
        let installation = binaries::find(&run_as, &dir, &cluster::majors_in(&dir), cancelled)?;
        Self::start(run_as, installation, Durability::Durable, &dir, cancelled)
    }

    /// Starts an empty server in a new directory, which is removed when the server stops. The
    /// directory is in memory if that has enough free space. The server does not sync or vacuum,
    /// and accepts 200 connections.
    pub fn throwaway() -> Result<Self, Error> {
        let run_as = RunAs::detect()?;
        let never = &|| false;
        let installation = binaries::find(&run_as, Path::new(""), &[], never)?;
        let dir = places::create_throwaway(&run_as)?;
        let server = Self::start(run_as, installation, Durability::Throwaway, dir.path(), never)?;
        // From here on, the sweeper removes it.
        let _ = dir.keep();
        Ok(server)
    }

    fn start(
        run_as: RunAs,
        installation: Installation,
        durability: Durability,
        home: &Path,
        cancelled: Cancelled,
    ) -> Result<Self, Error> {
        let dir = cluster::dir_in(home, installation.major);
        let stop_stray = || stray::stop_postmaster(&installation, &dir);
        let lock = places::lock(home, cancelled, stop_stray)?;
        stop_stray()?;
        let short_socket_dir = places::short_socket_dir(&run_as, &dir)?;
        let socket_dir = short_socket_dir.clone().unwrap_or_else(|| dir.clone());
        let mut remove: Vec<PathBuf> = short_socket_dir.into_iter().collect();
        match durability {
            Durability::Durable => {}
            Durability::Throwaway => remove.push(home.to_path_buf()),
        }
        let sweeper =
            Sweeper::spawn(home, lock, &remove).map_err(Error::io("start the sweeper of", home))?;
        let cluster = Cluster { run_as, installation, durability, dir, socket_dir };
        cluster.ensure(&sweeper, cancelled)?;
        let postmaster = Some(cluster.start(&sweeper, cancelled)?);
        Ok(Self { postmaster, sweeper, cluster })
    }

    /// The URL of a database, for sqlx and libpq. Only `postgres` exists in a new cluster.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let socket_dir =
            self.cluster.socket_dir.to_str().expect("`short_socket_dir` makes it Unicode");
        // Complete, so that the client's PGHOST, PGUSER and the like have no effect.
        format!(
            "postgres://postgres@localhost:5432/{}?host={}&sslmode=disable",
            percent_encode(database),
            percent_encode(socket_dir),
        )
    }

    /// The major version, 15 or more.
    #[must_use]
    pub fn major(&self) -> u32 {
        self.cluster.installation.major
    }

    /// The directory of the server's binaries. An installation has PostgreSQL's other programs
    /// there too; the download has only `postgres`, `initdb` and `pg_ctl`.
    #[must_use]
    pub fn bin_dir(&self) -> &Path {
        &self.cluster.installation.bin_dir
    }

    /// Whether the server runs. False after [`Self::halt`], a crash, or a stop from outside.
    pub fn is_running(&mut self) -> bool {
        self.postmaster.as_mut().is_some_and(|postmaster| matches!(postmaster.try_wait(), Ok(None)))
    }

    /// Stops the server and keeps its data until [`Self::resume`], also those of a throwaway
    /// server: for tests of an outage. Returns an error if the server has crashed.
    pub fn halt(&mut self) -> Result<(), Error> {
        let Some(mut postmaster) = self.postmaster.take() else { return Ok(()) };
        let status =
            postmaster.stop().map_err(Error::io("stop the server in", &self.cluster.dir))?;
        if status.success() {
            return Ok(());
        }
        Err(self.cluster.failure(format!("PostgreSQL ended with {status}")))
    }

    /// Restarts the server after [`Self::halt`] or a crash, with the same data and URL.
    pub fn resume(&mut self) -> Result<(), Error> {
        self.resume_unless(&|| false)
    }

    /// Like [`Self::resume`], and stops what it has started once `cancelled` returns true.
    pub fn resume_unless(&mut self, cancelled: &dyn Fn() -> bool) -> Result<(), Error> {
        self.postmaster = None;
        self.postmaster = Some(self.cluster.start(&self.sweeper, cancelled)?);
        Ok(())
    }

    /// Disconnects all clients, stops the server, and waits until its files are removed. A server
    /// that does not end within 27 s is killed.
    pub fn stop(mut self) -> Result<(), Error> {
        self.halt()
    }
}

fn percent_encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(byte.into());
        } else {
            write!(encoded, "%{byte:02X}").expect("writing to a String cannot fail");
        }
        encoded
    })
}
