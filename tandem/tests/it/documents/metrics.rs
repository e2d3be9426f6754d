//! `docs/reference/metrics.md`, from what the running services export. Other documents and the
//! dashboard name only metrics that exist.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use walkdir::WalkDir;

use super::{check, code, page, table};
use crate::{
    keys::Pair,
    support::{document, root},
};

const INTRODUCTION: &str = "\
Each service exports its metrics on its operations port, at `/metrics`. On Linux they include the
standard `process_*` metrics of Prometheus clients.";

/// A metric of one or both services.
#[derive(Default)]
struct Metric {
    kind: String,
    help: String,
    services: BTreeSet<&'static str>,
    /// Each label with its values.
    labels: BTreeMap<String, BTreeSet<String>>,
}

/// Every metric that the services export, by its name.
async fn exported() -> BTreeMap<String, Metric> {
    let pair = Pair::start(&[], &[]).await;
    let mut metrics = BTreeMap::<String, Metric>::new();
    for (name, service) in [("auth-service", &pair.auth[0]), ("task-service", &pair.task)] {
        let text = service.ops("/metrics").await.1;
        let mut current = String::new();
        for line in text.lines() {
            if let Some((metric, help)) = split(line, "# HELP ") {
                metric.clone_into(&mut current);
                let metric = metrics.entry(current.clone()).or_default();
                help.clone_into(&mut metric.help);
                metric.services.insert(name);
            } else if let Some((_, kind)) = split(line, "# TYPE ") {
                kind.clone_into(&mut metrics.entry(current.clone()).or_default().kind);
            } else {
                add_labels(metrics.entry(current.clone()).or_default(), line);
            }
        }
    }
    metrics
}

fn split<'a>(line: &'a str, prefix: &str) -> Option<(&'a str, &'a str)> {
    line.strip_prefix(prefix)?.split_once(' ')
}

/// Notes the labels of a series: `name{label="value",label="value"} 1`.
fn add_labels(metric: &mut Metric, series: &str) {
    let labels = series.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
    let labels = labels.map(|(labels, _)| labels.split(',')).into_iter().flatten();
    for (label, value) in labels.filter_map(|label| label.split_once('=')) {
        let values = metric.labels.entry(label.to_owned()).or_default();
        values.insert(value.trim_matches('"').to_owned());
    }
}

/// The labels of a metric, with the values of those that are ours.
fn labels(name: &str, metric: &Metric) -> String {
    let labels = metric.labels.iter().filter(|(label, _)| *label != "le").map(|(label, values)| {
        if name.starts_with("grpc_") || label == "version" {
            return code(label);
        }
        let values = values.iter().map(|value| code(value)).collect::<Vec<_>>().join(", ");
        format!("{}: {values}", code(label))
    });
    labels.collect::<Vec<_>>().join("; ")
}

#[tokio::test]
async fn the_page_of_metrics_is_up_to_date() {
    let exported = exported().await;
    let ours = exported.iter().filter(|(name, _)| !name.starts_with("process_"));
    let rows = ours.map(|(name, metric)| {
        let services = Vec::from_iter(metric.services.clone()).join(", ");
        [code(name), metric.kind.clone(), services, labels(name, metric), metric.help.clone()]
    });
    let table = table(["metric", "type", "service", "labels", "meaning"], rows);
    check("docs/reference/metrics.md", &page("Metrics", INTRODUCTION, &table));
}

/// The names of all exported series.
async fn series() -> BTreeSet<String> {
    let mut series = BTreeSet::new();
    for (name, metric) in exported().await {
        if metric.kind == "histogram" {
            series.extend(["bucket", "count", "sum"].map(|part| format!("{name}_{part}")));
        }
        series.insert(name);
    }
    series
}

/// The words of a text that look like metrics.
fn named_metrics(text: &str) -> BTreeSet<&str> {
    let words =
        text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
    let prefixes = ["grpc_server_", "process_", "tandem_"];
    let is_metric = |word: &&str| {
        prefixes.iter().any(|prefix| word.starts_with(prefix) && word.len() > prefix.len())
            && *word != "tandem_verifier"
    };
    words.filter(is_metric).collect()
}

#[tokio::test]
async fn every_metric_of_the_dashboard_is_exported() {
    let series = series().await;
    let dashboard = document("deploy/grafana/tandem.json");
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    let targets = dashboard["panels"].as_array().unwrap().iter();
    for target in targets.flat_map(|panel| panel["targets"].as_array().unwrap()) {
        let expression = target["expr"].as_str().unwrap();
        let metrics = named_metrics(expression);
        assert!(!metrics.is_empty(), "{expression}");
        for metric in metrics {
            assert!(series.contains(metric), "the dashboard names {metric}");
        }
    }
}

#[tokio::test]
async fn every_metric_of_the_operations_guides_is_exported() {
    let series = series().await;
    for entry in WalkDir::new(root().join("docs/operations")).into_iter().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "md") {
            let text = fs::read_to_string(path).expect("the document can be read");
            for metric in named_metrics(&text) {
                assert!(series.contains(metric), "{} names {metric}", path.display());
            }
        }
    }
}
