//! The user that PostgreSQL runs as. PostgreSQL does not run as root, so root runs it as another
//! user.

use std::{
    env,
    ffi::OsStr,
    fs::DirBuilder,
    io,
    os::unix::{
        fs::{self as unix_fs, DirBuilderExt},
        process::CommandExt,
    },
    path::Path,
    process::{Command, Stdio},
};

use nix::unistd::{Uid, User};

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

    /// A command that runs as this user, without this process's environment: that may hold secrets,
    /// and its variables for PostgreSQL, the locale and the time zone are not meant for this server.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        let needed = env::vars_os().filter(|(name, _)| name == "PATH" || name == "LD_LIBRARY_PATH");
        command.env_clear().envs(needed).envs([("LC_ALL", "C"), ("TZ", "UTC")]).current_dir("/");
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

    /// Checks that this user can enter `dir`, or its nearest ancestor that exists. A shell tries it,
    /// because access depends on more than mode bits.
    pub(crate) fn check_reach(&self, dir: &Path) -> Result<(), Error> {
        let Some(user) = &self.switch_to else { return Ok(()) };
        let existing = dir.ancestors().find(|dir| dir.is_dir()).unwrap_or(Path::new("/"));
        let went = self
            .command("/bin/sh")
            .args(["-c", ":"])
            .current_dir(existing)
            .stdin(Stdio::null())
            .status();
        match went {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Err(Error::Unreachable { dir: dir.to_path_buf(), user: user.name.clone() })
            }
            went => went.map(drop).map_err(Error::io("run /bin/sh in", existing)),
        }
    }
}
