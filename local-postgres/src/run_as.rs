//! The user that PostgreSQL runs as. PostgreSQL does not run as root, so root runs it as another
//! user.

use std::{
    env,
    ffi::OsStr,
    fs::{self, DirBuilder},
    os::unix::{
        fs::{self as unix_fs, DirBuilderExt, MetadataExt},
        process::CommandExt,
    },
    path::Path,
    process::{Command, Stdio},
};

use nix::{
    errno::Errno,
    unistd::{Uid, User},
};

use crate::Error;

/// The user that PostgreSQL's programs run as.
#[derive(Debug)]
pub(crate) struct RunAs {
    uid: Uid,
    /// Set if this process is root, and so must switch to another user.
    switch_to: Option<User>,
}

impl RunAs {
    pub(crate) fn detect() -> Result<Self, Error> {
        let uid = Uid::effective();
        if !uid.is_root() {
            return Ok(Self { uid, switch_to: None });
        }
        let user = ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| User::from_name(name).ok().flatten())
            .ok_or(Error::NoUnprivilegedUser)?;
        Ok(Self { uid: user.uid, switch_to: Some(user) })
    }

    /// Whether this process is root, and PostgreSQL runs as another user.
    pub(crate) fn is_switched(&self) -> bool {
        self.switch_to.is_some()
    }

    pub(crate) fn uid(&self) -> u32 {
        self.uid.as_raw()
    }

    /// An [`isolated`] command that runs as this user.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = isolated(program);
        if let Some(user) = &self.switch_to {
            // `uid` also drops root's supplementary groups.
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        command
    }

    /// Creates a directory that belongs to this user and that other users cannot enter.
    pub(crate) fn create_private_dir(&self, dir: &Path) -> Result<(), Error> {
        DirBuilder::new().mode(0o700).create(dir).map_err(Error::io("create", dir))?;
        let Some(user) = &self.switch_to else { return Ok(()) };
        unix_fs::chown(dir, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
            .map_err(Error::io("change the owner of", dir))
    }

    /// Checks that this user can enter `dir`, or its nearest ancestor that exists. A shell tries
    /// it, because access depends on more than mode bits.
    pub(crate) fn check_reach(&self, dir: &Path) -> Result<(), Error> {
        let Some(user) = &self.switch_to else { return Ok(()) };
        let existing = dir.ancestors().find(|dir| dir.is_dir()).unwrap_or(Path::new("/"));
        let run_shell_in = |dir: &Path| {
            let mut shell = self.command("/bin/sh");
            shell.args(["-c", ":"]).current_dir(dir).stdin(Stdio::null()).status()
        };
        let Err(error) = run_shell_in(existing) else { return Ok(()) };
        // Only if the same shell starts elsewhere, the directory is the cause.
        let is_denied = error.raw_os_error() == Some(Errno::EACCES as i32);
        if is_denied && run_shell_in(Path::new("/")).is_ok() {
            return Err(Error::Unreachable { dir: dir.to_path_buf(), user: user.name.clone() });
        }
        Err(Error::io("run /bin/sh in", existing)(error))
    }

    /// The program itself, or a directory above it, that a user other than root can change. `None`
    /// if there is none, or if this process is not root. `program` contains no symbolic links.
    pub(crate) fn changeable_part<'a>(&self, program: &'a Path) -> Option<&'a Path> {
        self.switch_to.as_ref()?;
        program.ancestors().find(|part| !only_root_can_change(part))
    }
}

fn only_root_can_change(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| {
        // In a sticky directory, only root can rename or remove the files of root.
        let is_sticky = found.is_dir() && found.mode() & 0o1000 != 0;
        found.uid() == 0 && (found.mode() & 0o022 == 0 || is_sticky)
    })
}

/// A command without this process's environment. That may hold secrets, and its variables for
/// PostgreSQL (`PG*`), the locale and the time zone are not meant for this server.
pub(crate) fn isolated(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    let needed = env::vars_os().filter(|(name, _)| name == "PATH" || name == "LD_LIBRARY_PATH");
    command.env_clear().envs(needed).envs([("LC_ALL", "C"), ("TZ", "UTC")]).current_dir("/");
    command
}
