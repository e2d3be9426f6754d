//! The state of processes that are not children of this one.

use std::fs;

use nix::{sys::signal::kill, unistd::Pid};

/// Whether a process with this pid runs. False if the text is not a pid.
pub(crate) fn is_alive(pid: &str) -> bool {
    let Ok(number) = pid.parse() else {
        return false;
    };
    kill(Pid::from_raw(number), None) != Err(nix::Error::ESRCH) && !is_zombie(pid)
}

/// Whether the process has ended without its parent having waited for it. A signal to a zombie
/// succeeds, and in a container whose init never waits, a zombie stays. Always false outside Linux.
pub(crate) fn is_zombie(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('Z'))
}
