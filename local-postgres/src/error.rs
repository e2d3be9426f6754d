//! What can go wrong, each with what the person at the keyboard does next.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::binaries::OLDEST_MAJOR;

/// Why there is no PostgreSQL; the message names the next step, and may have several lines.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// None of the usual places holds a usable server; `older` is the best that was too old.
    #[error("{}\n{INSTALL}", none_usable(*.older))]
    NotInstalled {
        /// The newest major version found, below the oldest that is supported.
        older: Option<u32>,
    },

    /// `PG_BIN_DIR` is set, and is never silently ignored.
    #[error(
        "PG_BIN_DIR is {dir}, which {problem}; set it to the directory that holds `postgres` \
         and `initdb` of PostgreSQL {OLDEST_MAJOR} or newer, or unset it"
    )]
    BadBinDir {
        /// Its value.
        dir: PathBuf,
        /// What is wrong, as the end of a sentence.
        problem: String,
    },

    /// A cluster can be opened by the major version that made it, and by no other.
    #[error(
        "the data in {dir} need PostgreSQL {needed}, and only {found} is installed: install \
         PostgreSQL {needed}, or delete the directory to begin with an empty database"
    )]
    MajorNotInstalled {
        /// The directory of the data.
        dir: PathBuf,
        /// The major version that made them.
        needed: u32,
        /// The newest one installed.
        found: u32,
    },

    /// PostgreSQL refuses to run as root, and nobody else is there.
    #[error(
        "PostgreSQL does not run as root, and this system has neither a `postgres` nor a \
         `nobody` user: create one, run as another user, or set DATABASE_URL"
    )]
    NoUnprivilegedUser,

    /// We are root, and the user that PostgreSQL runs as may not enter the directory.
    #[error(
        "PostgreSQL would run as `{user}`, who may not enter {dir}: choose a directory outside \
         of private homes, or `chmod o+x` the directories above it"
    )]
    Unreachable {
        /// The directory.
        dir: PathBuf,
        /// `postgres` or `nobody`.
        user: String,
    },

    /// Something that we did not make is where a directory of ours belongs.
    #[error("{dir} is not a directory that only we can write to: look at it and remove it")]
    Untrusted {
        /// The directory.
        dir: PathBuf,
    },

    /// Another process, or this one, has a server on this directory.
    #[error(
        "{dir} is in use by process {pid}: stop that process first, or choose another directory"
    )]
    InUse {
        /// The directory.
        dir: PathBuf,
        /// What the lock file says; `?` if it says nothing.
        pid: String,
    },

    /// `initdb` or `postgres` did not do what it was started for.
    #[error("{what}; put right what the end of its log, {log}, says:\n{tail}")]
    Failed {
        /// What it did instead.
        what: String,
        /// The whole log, which a throw-away server takes with it.
        log: PathBuf,
        /// Its last lines.
        tail: String,
    },

    /// The operating system said no.
    #[error(
        "cannot {action} {path}: {source}; see that this user may do so, and that the disk has room"
    )]
    Io {
        /// What we were about to do, such as `create`.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

impl Error {
    /// For `map_err`: says what we were about to do.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_path_buf(), source }
    }
}

const INSTALL: &str = "\
One of these helps:
  Debian, Ubuntu      sudo apt install postgresql
  Fedora              sudo dnf install postgresql-server
  Alpine              sudo apk add postgresql
  macOS               brew install postgresql
  installed elsewhere set PG_BIN_DIR to the directory that holds `postgres` and `initdb`
  a server of yours   set DATABASE_URL
  containers          docker compose up";

fn none_usable(older: Option<u32>) -> String {
    match older {
        Some(major) => format!(
            "PostgreSQL {OLDEST_MAJOR} or newer is needed, and the newest installed is {major}."
        ),
        None => format!("PostgreSQL {OLDEST_MAJOR} or newer is needed, and none is installed."),
    }
}
