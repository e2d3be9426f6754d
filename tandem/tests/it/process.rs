//! The limits and the environment of the process.

use test_support::assert_no_core_dumps;

use crate::support::{Program, command, directory};

#[tokio::test]
async fn the_program_writes_no_core_dump() {
    let dir = directory();
    assert_no_core_dumps(&mut command(dir.path())).await;
}

#[tokio::test]
async fn session_options_in_the_environment_have_no_effect() {
    let dir = directory();
    // A session with this option fails.
    let program = Program::run(command(dir.path()).env("PGOPTIONS", "-c no_such_setting=1"));
    program.register().await;
}
