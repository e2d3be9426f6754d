//! What the system knows about processes that are not our children.

use std::fs;

use nix::{sys::signal::kill, unistd::Pid};

/// Does a process with this pid run? Whatever is not a pid does not.
pub(crate) fn is_alive(pid: &str) -> bool {
    let Ok(number) = pid.parse() else {
        return false;
    };
    kill(Pid::from_raw(number), None) != Err(nix::Error::ESRCH) && !is_zombie(pid)
}

/// Has it ended, and its parent not asked how? Signals do not tell; in a container whose first
/// process never asks, that can be for ever. Only Linux says so.
pub(crate) fn is_zombie(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('Z'))
}
