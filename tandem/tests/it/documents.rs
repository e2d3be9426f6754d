//! What the documents say is what the programs do.

use std::collections::{BTreeMap, BTreeSet};

use clap::{Args as _, Command};

use crate::{
    keys::Pair,
    support::{Program, directory, document},
};

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

/// Every metric that the services export.
async fn metrics() -> BTreeSet<String> {
    let pair = Pair::start(&[], &[]).await;
    let exported = [pair.auth[0].ops("/metrics").await.1, pair.task.ops("/metrics").await.1];
    let mut names = BTreeSet::new();
    for line in exported.iter().flat_map(|metrics| metrics.lines()) {
        let Some(declared) = line.strip_prefix("# TYPE ") else { continue };
        let (name, kind) = declared.split_once(' ').expect("a type follows");
        names.insert(name.to_owned());
        if kind == "histogram" {
            names.extend(["bucket", "count", "sum"].map(|part| format!("{name}_{part}")));
        }
    }
    names
}

/// The words of a text that look like metrics.
fn named_metrics(text: &str) -> BTreeSet<&str> {
    let words =
        text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
    let prefixes = ["grpc_server_", "process_", "tandem_"];
    words.filter(|word| prefixes.iter().any(|prefix| word.starts_with(prefix))).collect()
}

#[tokio::test]
async fn every_metric_of_the_dashboard_is_exported() {
    let exported = metrics().await;
    let dashboard = document("deploy/grafana/tandem.json");
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap();
            let metrics = named_metrics(expression);
            assert!(!metrics.is_empty(), "{expression}");
            for metric in metrics {
                assert!(exported.contains(metric), "nobody exports {metric}");
            }
        }
    }
}

#[tokio::test]
async fn the_readme_names_every_metric() {
    let (exported, readme) = (metrics().await, document("README.md"));
    for metric in exported.iter().filter(|name| !name.starts_with("process_")) {
        let series = ["_bucket", "_count", "_sum"].iter().any(|part| metric.ends_with(part));
        assert!(series || readme.contains(&format!("`{metric}`")), "README.md: {metric}");
    }
    for metric in named_metrics(&readme) {
        assert!(exported.contains(metric), "nobody exports {metric}");
    }
}
