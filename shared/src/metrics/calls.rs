//! What is counted of calls, under the names that go-grpc-middleware has given them: dashboards for
//! those show ours, too.

use std::{collections::HashMap, sync::Arc, time::Duration};

use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts};
use prost::Message as _;
use prost_types::{FileDescriptorSet, MethodDescriptorProto};

use super::Metrics;
use crate::error::Outcome;

/// Calls by method.
pub(crate) struct CallMetrics {
    methods: HashMap<String, Arc<Method>>,
    unknown: Arc<Method>,
}

/// The counts of one method, found once so that a call costs but atomic additions.
pub(crate) struct Method {
    /// Whether there is such a method.
    pub(crate) is_known: bool,
    /// Whether it belongs to health or reflection, which no user calls.
    pub(crate) is_probe: bool,
    /// Whether its answer comes bit by bit, for as long as the client likes.
    pub(crate) is_endless: bool,
    started: IntCounter,
    handled: [IntCounter; Outcome::COUNT],
    seconds: Histogram,
}

impl CallMetrics {
    /// All methods of these encoded descriptor sets, each with zero for every code; those that are
    /// not among them count together.
    pub(crate) fn new(metrics: &Metrics, descriptor_sets: &[&[u8]]) -> Self {
        let vectors = Vectors::new(metrics);
        let unknown = Arc::new(vectors.method(["unary", "unknown", "unknown"]));
        let sets = descriptor_sets.iter().map(|set| {
            FileDescriptorSet::decode(*set).expect("the descriptor sets are compiled in")
        });
        let mut methods = HashMap::new();
        for file in sets.flat_map(|set| set.file) {
            for service in &file.service {
                let service_name = format!("{}.{}", file.package(), service.name());
                for method in &service.method {
                    let path = format!("/{service_name}/{}", method.name());
                    let labels = [call_type(method), &service_name, method.name()];
                    methods.insert(path, Arc::new(vectors.method(labels)));
                }
            }
        }
        Self { methods, unknown }
    }

    /// The method of this path; one that there is not shares its counts with all such.
    pub(crate) fn method(&self, path: &str) -> Arc<Method> {
        self.methods.get(path).unwrap_or(&self.unknown).clone()
    }
}

impl Method {
    /// A call has come.
    pub(crate) fn start(&self) {
        self.started.inc();
    }

    /// It has ended.
    pub(crate) fn end(&self, outcome: Outcome, took: Duration) {
        self.handled[outcome.number()].inc();
        self.seconds.observe(took.as_secs_f64());
    }
}

struct Vectors {
    started: IntCounterVec,
    handled: IntCounterVec,
    seconds: HistogramVec,
}

impl Vectors {
    fn new(metrics: &Metrics) -> Self {
        let started = Opts::new("grpc_server_started_total", "Calls that have come.");
        let handled = Opts::new("grpc_server_handled_total", "Calls that have ended, by code.");
        let seconds = HistogramOpts::new(
            "grpc_server_handling_seconds",
            "How long calls took, from their headers to the end of the answer.",
        );
        let labels = ["grpc_type", "grpc_service", "grpc_method"];
        let labels_and_code = ["grpc_type", "grpc_service", "grpc_method", "grpc_code"];
        Self {
            started: metrics.keep(IntCounterVec::new(started, &labels)),
            handled: metrics.keep(IntCounterVec::new(handled, &labels_and_code)),
            seconds: metrics.keep(HistogramVec::new(seconds, &labels)),
        }
    }

    fn method(&self, labels: [&str; 3]) -> Method {
        let [call_type, service, method] = labels;
        let handled = |outcome: Outcome| {
            self.handled.with_label_values(&[call_type, service, method, outcome.name()])
        };
        Method {
            is_known: method != "unknown",
            is_probe: service.starts_with("grpc."),
            is_endless: call_type != "unary",
            started: self.started.with_label_values(&labels),
            handled: Outcome::all().map(handled),
            seconds: self.seconds.with_label_values(&labels),
        }
    }
}

fn call_type(method: &MethodDescriptorProto) -> &'static str {
    match (method.client_streaming(), method.server_streaming()) {
        (false, false) => "unary",
        (true, false) => "client_stream",
        (false, true) => "server_stream",
        (true, true) => "bidi_stream",
    }
}
