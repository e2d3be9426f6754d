//! Whether a program can write a core dump.

use std::{fs, path::Path, process::Command};

use crate::eventually;

/// Starts the program, and fails unless it soon turns its core dumps off. Ends the program. Checks
/// nothing on a system without `/proc`.
pub async fn assert_no_core_dumps(program: &mut Command) {
    let mut child = program.spawn().expect("the program starts");
    let limits = format!("/proc/{}/limits", child.id());
    eventually("core dumps are off", async || {
        let limits = fs::read_to_string(&limits).unwrap_or_default();
        let line = limits.lines().find_map(|line| line.strip_prefix("Max core file size"));
        let is_off = line.is_some_and(|line| line.split_whitespace().take(2).eq(["0", "0"]));
        is_off || !Path::new("/proc").exists()
    })
    .await;
    child.kill().expect("the program can be ended");
    child.wait().expect("the program ends");
}
