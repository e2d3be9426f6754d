//! Compiles the protos with protox, so that a build requires no `protoc`.

use std::{env, error::Error, fs, path::PathBuf};

/// One descriptor set per program, so that its reflection lists only what it serves.
const SETS: [(&str, &[&str]); 2] = [("auth", AUTH), ("task", &[TASK])];
/// The first one is the service that the OpenAPI description is named after.
const AUTH: &[&str] = &[
    "tandem/auth/v1/auth_service.proto",
    "tandem/auth/v1/admin_service.proto",
    "tandem/auth/v1/account_events_service.proto",
];
const TASK: &str = "tandem/task/v1/task_service.proto";
const ERROR_REASON: &str = "tandem/error/v1/error_reason.proto";
const HEALTH: &str = "third_party/grpc/health/v1/health.proto";

#[expect(clippy::disallowed_methods, reason = "Cargo configures build scripts by variables")]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=tandem");
    println!("cargo:rerun-if-changed=third_party");
    let out_dir = PathBuf::from(env::var("OUT_DIR")?);

    for (name, files) in SETS {
        let set = compile(&[files, &[ERROR_REASON]].concat())?.encode_file_descriptor_set();
        fs::write(out_dir.join(format!("{name}_descriptor_set.bin")), set)?;
    }

    let set = compile(&[HEALTH])?.encode_file_descriptor_set();
    fs::write(out_dir.join("health_descriptor_set.bin"), set)?;

    let all = compile(&[AUTH, &[TASK, ERROR_REASON, HEALTH]].concat())?.file_descriptor_set();
    tonic_prost_build::configure().compile_fds(all)?;

    // The task server once more, with pre-encoded list responses.
    let encoded = out_dir.join("encoded");
    fs::create_dir_all(&encoded)?;
    tonic_prost_build::configure()
        .build_client(false)
        .extern_path(".tandem", "crate")
        .extern_path(".google.type", "crate::google::r#type")
        .extern_path(
            ".tandem.task.v1.ListTasksResponse",
            "crate::task::v1::encoded::ListTasksResponse",
        )
        .out_dir(encoded)
        .compile_fds(compile(&[TASK])?.file_descriptor_set())?;
    Ok(())
}

fn compile(files: &[&str]) -> Result<protox::Compiler, protox::Error> {
    let mut compiler = protox::Compiler::new(["third_party", "."])?;
    compiler.include_imports(true).include_source_info(true).open_files(files)?;
    Ok(compiler)
}
