//! The deployment files are consistent with the settings. No container is started.

use std::{collections::BTreeSet, path::Path};

use serde::Deserialize as _;
use walkdir::WalkDir;
use yaml_serde::{Deserializer, Value};

use crate::{
    documents::variables,
    support::{document, root},
};

/// The files that must not be empty.
const COMPOSE: &str = "docker-compose.yml";
const MANIFESTS: &str = "deploy/kubernetes";

/// The documents in a file of YAML.
fn documents_in(path: &str) -> Vec<Value> {
    let text = document(path);
    Deserializer::from_str(&text)
        .map(|yaml| {
            let parsed = Value::deserialize(yaml).and_then(|mut value| {
                value.apply_merge()?;
                Ok(value)
            });
            parsed.unwrap_or_else(|error| panic!("{path}: {error}"))
        })
        .collect()
}

/// Every file of YAML that a deployment uses, by its path from the root.
fn yaml_files() -> Vec<String> {
    let files = WalkDir::new(root().join("deploy")).into_iter();
    let files = files.map(|entry| entry.expect("the folder can be read").into_path());
    let is_yaml = |path: &Path| path.extension().is_some_and(|it| it == "yml" || it == "yaml");
    files
        .filter(|path| is_yaml(path))
        .map(|path| path.strip_prefix(root()).expect("it is below").display().to_string())
        .chain([COMPOSE.to_owned()])
        .collect()
}

/// The objects of Kubernetes that are of this kind.
fn manifests(kind: &str) -> Vec<Value> {
    let files = yaml_files().into_iter().filter(|path| path.starts_with(MANIFESTS));
    let mut objects: Vec<_> = files.flat_map(|path| documents_in(&path)).collect();
    objects.retain(|object| object["kind"] == kind);
    objects
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value:?} is no text"))
}

fn list(value: &Value) -> &[Value] {
    value.as_sequence().map_or(&[], Vec::as_slice)
}

/// The services of the compose file that run a program of ours.
fn our_services() -> Vec<Value> {
    let compose = documents_in(COMPOSE).remove(0);
    let services = compose["services"].as_mapping().expect("it has services").values().cloned();
    services.filter(|service| service["build"].is_mapping()).collect()
}

fn variables_in_compose() -> BTreeSet<String> {
    let services = our_services();
    let environments = services.iter().map(|service| service["environment"].as_mapping());
    let environments = environments.map(|environment| environment.expect("it has settings"));
    environments.flat_map(|all| all.keys()).map(|name| text(name).to_owned()).collect()
}

fn variables_in_manifests() -> BTreeSet<String> {
    let objects = [manifests("Deployment"), manifests("Job")].concat();
    let containers =
        objects.iter().flat_map(|object| list(&object["spec"]["template"]["spec"]["containers"]));
    let env = containers.flat_map(|container| list(&container["env"]));
    env.map(|variable| text(&variable["name"]).to_owned()).collect()
}

fn variables_in_dockerfile() -> BTreeSet<String> {
    // An instruction goes on after a line that ends with a backslash.
    let text = document("Dockerfile").replace("\\\n", " ");
    let env = text.lines().filter_map(|line| line.strip_prefix("ENV "));
    let pairs = env.flat_map(str::split_whitespace);
    pairs.map(|pair| pair.split_once('=').expect("ENV NAME=value").0.to_owned()).collect()
}

#[test]
fn every_file_is_yaml() {
    for path in yaml_files() {
        assert!(documents_in(&path).iter().all(Value::is_mapping), "{path}");
    }
}

#[test]
fn every_variable_is_a_setting() {
    let known = variables();
    for (file, named) in [
        (COMPOSE, variables_in_compose()),
        (MANIFESTS, variables_in_manifests()),
        ("Dockerfile", variables_in_dockerfile()),
    ] {
        assert!(named.len() >= 3, "{file} names {named:?} only: is all of it read?");
        for name in named {
            assert!(known.contains_key(&name), "{file} names {name}, which is not a setting");
        }
    }
}

#[test]
fn the_grace_period_is_longer_than_a_drain() {
    let known = variables();
    let seconds = |name: &str| known[name].parse::<u64>().expect("it is a number");
    let drain = seconds("SERVER_DRAIN_DELAY_SECONDS") + seconds("SERVER_DRAIN_TIMEOUT_SECONDS");
    let deployments = manifests("Deployment");
    assert_eq!(deployments.len(), 2);
    for deployment in deployments {
        let grace = &deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"];
        assert!(grace.as_u64().unwrap() > drain, "{grace:?}");
    }
    let serving = our_services().into_iter().filter(|service| service["command"].is_null());
    let graces: Vec<_> = serving.map(|service| service["stop_grace_period"].clone()).collect();
    assert_eq!(graces.len(), 2);
    for grace in graces {
        let grace = text(&grace).strip_suffix('s').expect("it is in seconds");
        assert!(grace.parse::<u64>().unwrap() > drain, "{grace}");
    }
}

#[test]
fn no_secret_is_committed() {
    assert!(manifests("Secret").is_empty(), "secrets are created outside the repository");
}

#[test]
fn each_alert_has_an_entry_in_the_runbook_and_metrics_that_exist() {
    let (runbook, metrics) =
        (document("docs/operations/runbook.md"), document("docs/reference/metrics.md"));
    let rules = documents_in("deploy/prometheus/alerts.yml");
    let rules = rules.iter().flat_map(|rules| list(&rules["groups"]));
    let mut alerts = Vec::new();
    for rule in rules.flat_map(|group| list(&group["rules"])) {
        let words = text(&rule["expr"]).split(|c: char| !c.is_alphanumeric() && c != '_');
        for word in words.filter(|word| word.starts_with("tandem_") || word.starts_with("grpc_s")) {
            let name = word.trim_end_matches("_bucket").trim_end_matches("_count");
            assert!(metrics.contains(&format!("`{name}`")), "there is no {word}");
        }
        if let Some(alert) = rule["alert"].as_str() {
            assert!(runbook.contains(&format!("\n## {alert}\n")), "{alert}");
            alerts.push(alert);
        }
    }
    assert_eq!(alerts.len(), runbook.matches("\n## ").count());
}
