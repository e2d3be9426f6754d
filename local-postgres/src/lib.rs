//! A private PostgreSQL from installed binaries (15 or newer): durable for `cargo run`,
//! throw-away for tests.
//!
//! It listens on a Unix socket in a directory that only its user can enter: no port, no password,
//! invisible to others. It ends with this process, however that ends, `kill -9` included, and so
//! does a throw-away server's directory. Its log is `pg-<major>.log`, beside the data.
//!
//! Everything here blocks: call it by `spawn_blocking` from asynchronous code.

mod binaries;
mod cluster;
mod error;
mod places;
mod postmaster;
mod process;
mod run_as;
mod supervisor;

use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

use crate::{
    binaries::Installation,
    cluster::{Cluster, Durability},
    run_as::RunAs,
    supervisor::{Sweeper, Watched},
};
pub use crate::{error::Error, places::durable_dir};

/// A running server; dropping it stops it quietly, and waits for that.
#[derive(Debug)]
pub struct LocalPostgres {
    // First, so that it is dropped first: the sweeper waits for its end.
    postmaster: Option<Watched>,
    sweeper: Sweeper,
    cluster: Cluster,
}

impl LocalPostgres {
    /// Starts a server whose data stay in `dir`, which is created if need be and is locked while
    /// this process lives. The same directory always gives the same URL.
    ///
    /// The binaries are of the major version that made the data, or the newest for new data. As
    /// root, pass what [`durable_dir`] says.
    pub fn durable(dir: &Path) -> Result<Self, Error> {
        let run_as = RunAs::detect()?;
        let dir = places::absolute(dir)?;
        places::prepare(&run_as, &dir)?;
        let installation = binaries::find(&dir, &cluster::majors_in(&dir))?;
        Self::start(run_as, installation, Durability::Durable, &dir)
    }

    /// Starts an empty server in a new directory, in memory where there is room, which is removed
    /// in the end. It does not sync or vacuum, and takes 200 connections.
    pub fn throwaway() -> Result<Self, Error> {
        let run_as = RunAs::detect()?;
        let installation = binaries::find(Path::new(""), &[])?;
        let dir = places::create_throwaway(&run_as)?;
        let server = Self::start(run_as, installation, Durability::Throwaway, dir.path())?;
        // The sweeper has it now.
        let _ = dir.keep();
        Ok(server)
    }

    fn start(
        run_as: RunAs,
        installation: Installation,
        durability: Durability,
        home: &Path,
    ) -> Result<Self, Error> {
        let lock = places::lock(home)?;
        let dir = cluster::dir_in(home, installation.major);
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
        cluster.ensure(&sweeper)?;
        let postmaster = Some(cluster.start(&sweeper)?);
        Ok(Self { postmaster, sweeper, cluster })
    }

    /// The URL of a database, whether or not it exists, for sqlx and libpq; `postgres` does.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let socket_dir = self.cluster.socket_dir.to_str().expect("it was chosen to be Unicode");
        // All that PG* variables in the caller's environment would otherwise decide.
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

    /// Where the binaries are that it runs from, and PostgreSQL's other programs.
    #[must_use]
    pub fn bin_dir(&self) -> &Path {
        &self.cluster.installation.bin_dir
    }

    /// Whether the server is there: not after [`Self::halt`], a crash, or somebody else's stop.
    pub fn is_running(&mut self) -> bool {
        self.postmaster.as_mut().is_some_and(|postmaster| matches!(postmaster.try_wait(), Ok(None)))
    }

    /// Stops the server and keeps its data, a throw-away server's too, until [`Self::resume`]:
    /// for tests of an outage. An error says that the server had crashed, or did so now.
    pub fn halt(&mut self) -> Result<(), Error> {
        let Some(postmaster) = self.postmaster.take() else { return Ok(()) };
        let status =
            postmaster.stop().map_err(Error::io("stop the server in", &self.cluster.dir))?;
        if status.success() {
            return Ok(());
        }
        Err(self.cluster.failure(format!("PostgreSQL ended with {status}")))
    }

    /// Starts the server again, with the same data and URL, after [`Self::halt`] or a crash.
    pub fn resume(&mut self) -> Result<(), Error> {
        self.postmaster = None;
        self.postmaster = Some(self.cluster.start(&self.sweeper)?);
        Ok(())
    }

    /// Disconnects all clients, stops the server, and waits until all is cleared away.
    pub fn stop(mut self) -> Result<(), Error> {
        self.halt()
    }
}

fn percent_encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(byte.into());
        } else {
            write!(encoded, "%{byte:02X}").expect("a String takes whatever is written to it");
        }
        encoded
    })
}
