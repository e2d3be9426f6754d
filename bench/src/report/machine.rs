//! The machine that the benchmark ran on.

use std::fs;

use nix::sys::utsname::uname;

/// The machine in one line.
pub(super) fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let model = first_value("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".into());
    let memory = first_value("/proc/meminfo", "MemTotal").unwrap_or_else(|| "unknown".into());
    let system = uname().map_or_else(
        |_| "unknown".into(),
        |name| format!("{} {}", name.sysname().display(), name.release().display()),
    );
    format!("{cores} cores of {model}, {memory} of memory, {system}")
}

/// The value of the first line `name : value`.
fn first_value(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
