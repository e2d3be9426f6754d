//! What the documents say is what the programs do.

use std::collections::BTreeMap;

use clap::{Args as _, Command};

use crate::support::{Program, directory, document};

/// Every variable of both services, with its default.
pub(crate) fn variables() -> BTreeMap<String, String> {
    let commands = [
        auth_service::Config::augment_args(Command::new("auth-service")),
        task_service::Config::augment_args(Command::new("task-service")),
    ];
    let args = commands.iter().flat_map(Command::get_arguments);
    args.map(|arg| {
        let variable = arg.get_env().expect("every setting has a variable");
        let default = arg.get_default_values().first().map(|default| default.to_string_lossy());
        (variable.to_string_lossy().into_owned(), default.unwrap_or_default().into_owned())
    })
    .collect()
}

#[test]
fn the_readme_has_a_row_for_every_setting() {
    let readme = document("README.md");
    for (variable, default) in variables() {
        let cell = if default.is_empty() { String::new() } else { format!("`{default}`") };
        let row = format!("| `{variable}` | {cell}");
        assert!(readme.contains(&row), "README.md has no row that begins: {row}");
    }
}

#[test]
fn the_example_of_an_environment_names_every_setting() {
    let example = document(".env.example");
    for (variable, default) in variables() {
        let line = format!("{variable}={default}");
        assert!(example.contains(&line), ".env.example does not have: {line}");
    }
}

#[tokio::test]
async fn the_readme_shows_the_session_that_is_printed() {
    let dir = directory();
    let program = Program::start(dir.path());
    let readme = document("README.md");
    let [auth, task] = &program.addresses;
    for line in program.welcome.lines().filter_map(|line| line.strip_prefix("  ")) {
        let line = line.replace(auth, "127.0.0.1:50051").replace(task, "127.0.0.1:50052");
        assert!(readme.contains(&line), "README.md does not show: {line}");
    }
}

#[test]
fn every_error_reason_is_in_the_readme() {
    let readme = document("README.md");
    let protos = document("proto/tandem/error/v1/error_reason.proto");
    let reasons = protos.lines().filter_map(|line| {
        let name = line.trim().strip_prefix("ERROR_REASON_")?;
        name.split(' ').next().filter(|name| *name != "UNSPECIFIED")
    });
    for reason in reasons {
        assert!(readme.contains(&format!("`{reason}`")), "README.md does not name {reason}");
    }
}
