//! A stray postmaster: it still runs because every process that would have stopped it was killed.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt, path::Path};

use crate::{
    Error,
    binaries::Installation,
    postmaster::PidFile,
    process::{STOP, stop},
};

/// Stops a stray postmaster of the cluster in `dir`. The caller knows that no living process owns
/// that postmaster. Without `/proc`, the next start fails with PostgreSQL's own message instead.
pub(crate) fn stop_postmaster(installation: &Installation, dir: &Path) -> Result<(), Error> {
    let Some(pid) = PidFile::of(dir).pid else { return Ok(()) };
    if !is_postmaster(pid, installation, dir) {
        return Ok(());
    }
    tracing::warn!(pid, dir = %dir.display(), "stopping the PostgreSQL of a killed process");
    // The whole check precedes each signal, because the pid may be reused.
    let ended = || Ok((!is_postmaster(pid, installation, dir)).then_some(()));
    stop(pid, &STOP, ended).map_err(Error::io("stop the server in", dir))
}

/// Whether the process is this installation's `postgres` and works in `dir`, as PostgreSQL does in
/// its cluster. Both links come from the kernel, so another user cannot forge them.
fn is_postmaster(pid: u32, installation: &Installation, dir: &Path) -> bool {
    let link = |name| fs::read_link(format!("/proc/{pid}/{name}"));
    let is_program = link("exe").is_ok_and(|exe| {
        let exe = exe.as_os_str().as_bytes();
        // An upgrade deletes the file of a running program.
        let exe = exe.strip_suffix(b" (deleted)").unwrap_or(exe);
        OsStr::from_bytes(exe) == installation.postgres()
    });
    is_program && fs::canonicalize(dir).ok().is_some_and(|dir| link("cwd").ok() == Some(dir))
}
