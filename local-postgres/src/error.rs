//! The errors of this crate. Each message says what to do next.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::binaries::OLDEST_MAJOR;

/// Why PostgreSQL does not start. The message says what to do next, and may have several lines.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No usable PostgreSQL is installed in the usual places.
    #[error("{}\n{INSTALL}", none_usable(*.older, .skipped))]
    NotInstalled {
        /// The newest installed major version, if it is too old.
        older: Option<u32>,
        /// Each directory that was skipped, and the download, with the reason.
        skipped: Vec<String>,
    },

    /// The pinned release cannot be downloaded or unpacked. The cache is as it was before.
    #[error(
        "cannot download {what}: {problem}\nCheck the network, and HTTPS_PROXY behind a proxy. The \
         next start tries again; PG_DOWNLOAD=false forbids the download.\n{INSTALL}"
    )]
    Download {
        /// The name of the release and its origin.
        what: String,
        /// The failure.
        problem: String,
    },

    /// The downloaded binaries do not work.
    #[error(
        "{dir}, which was downloaded, {problem}\nRemove the directory to download it again.\n\
         {INSTALL}"
    )]
    BadDownload {
        /// The directory of the binaries.
        dir: PathBuf,
        /// What is wrong, as the end of a sentence that begins with the directory.
        problem: String,
    },

    /// `PG_BIN_DIR` is set to an unusable directory.
    #[error(
        "PG_BIN_DIR is {dir}, which {problem}; set it to the directory that holds `postgres` \
         and `initdb` of PostgreSQL {OLDEST_MAJOR} or newer, or unset it"
    )]
    BadBinDir {
        /// The value of `PG_BIN_DIR`.
        dir: PathBuf,
        /// What is wrong, as the end of a sentence that begins with the directory.
        problem: String,
    },

    /// Only the major version that created a cluster can open it.
    #[error(
        "the data in {dir} need PostgreSQL {needed}, and the newest installed is {found}: install \
         PostgreSQL {needed}, or delete the directory to start with an empty database"
    )]
    MajorNotInstalled {
        /// The directory of the data.
        dir: PathBuf,
        /// The major version that created the data.
        needed: u32,
        /// The newest installed major version.
        found: u32,
    },

    /// This process is root, and the system has no user to run PostgreSQL as.
    #[error(
        "PostgreSQL does not run as root, and this system has neither a `postgres` nor a \
         `nobody` user: create one, run as another user, or set DATABASE_URL"
    )]
    NoUnprivilegedUser,

    /// This process is root, and PostgreSQL's user cannot enter the directory.
    #[error(
        "PostgreSQL runs as `{user}`, a user that cannot enter {dir}: choose a directory outside \
         private home directories, or run `chmod o+x` on the directories above it"
    )]
    Unreachable {
        /// The directory.
        dir: PathBuf,
        /// `postgres` or `nobody`.
        user: String,
    },

    /// Another user could change the files in a directory, or replace the directory.
    #[error(
        "{dir} must be a directory that belongs to the user with id {owner} and that no other user \
         can change: inspect it, then remove it"
    )]
    Untrusted {
        /// The directory.
        dir: PathBuf,
        /// The id of the required owner.
        owner: u32,
    },

    /// A server of another process, or of this one, uses the directory.
    #[error("{dir} is in use by process {pid}: stop that process, or choose another directory")]
    InUse {
        /// The directory.
        dir: PathBuf,
        /// The content of the lock file; `?` if it is empty.
        pid: String,
    },

    /// `initdb` or `postgres` failed.
    #[error("{what}; fix what the end of its log, {log}, reports:\n{tail}")]
    Failed {
        /// The failure.
        what: String,
        /// The path of the log. The log of a throwaway server is removed with the server.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },

    /// The caller cancelled the start.
    #[error("the start of PostgreSQL was cancelled")]
    Cancelled,

    /// The operating system returned an error.
    #[error(
        "cannot {action} {path}: {source}; check this user's permissions and limits, and the free \
         disk space"
    )]
    Io {
        /// The verb of the failed action, such as `create`.
        action: &'static str,
        /// The object of the failed action.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
}

impl Error {
    /// For `map_err`: adds the failed action and its object.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_path_buf(), source }
    }
}

const INSTALL: &str = "\
Do one of these:
  Debian, Ubuntu      sudo apt install postgresql
  Fedora              sudo dnf install postgresql-server
  Alpine              sudo apk add postgresql
  macOS               brew install postgresql
  installed elsewhere set PG_BIN_DIR to the directory that holds `postgres` and `initdb`
  your own server     set DATABASE_URL
  containers          docker compose up";

fn none_usable(older: Option<u32>, skipped: &[String]) -> String {
    let installed = match older {
        Some(major) => format!("the newest installed is {major}"),
        None => "none is installed".to_owned(),
    };
    let mut text = format!("PostgreSQL {OLDEST_MAJOR} or newer is needed, and {installed}.");
    for skipped in skipped {
        text.extend(["\nSkipped: ", skipped]);
    }
    text
}
