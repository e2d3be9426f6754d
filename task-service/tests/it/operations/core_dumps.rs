//! The memory of the program holds secrets, so the program writes no core dump.

use std::process::Command;

use test_support::assert_no_core_dumps;

#[tokio::test]
async fn the_program_writes_no_core_dump() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_task-service"));
    program.arg("serve").env_clear().envs([
        ("DATABASE_URL", "postgres://tandem@127.0.0.1:1/tandem"),
        ("TASK_JWKS_URL", "http://127.0.0.1:1/"),
        ("TASK_LISTEN_ADDRESS", "127.0.0.1:0"),
        ("TASK_OPS_LISTEN_ADDRESS", "127.0.0.1:0"),
    ]);
    assert_no_core_dumps(&mut program).await;
}
