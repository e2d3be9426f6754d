//! The metrics of calls, under the names of go-grpc-middleware, so that its dashboards work.

use std::{collections::HashMap, sync::Arc, time::Duration};

use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts};
use prost::Message as _;
use prost_types::{FileDescriptorSet, MethodDescriptorProto};

use shared::error::GrpcCode;
use tandem_http::Protocol;

use super::Metrics;

/// Calls by method.
pub(crate) struct CallMetrics {
    methods: HashMap<String, Arc<Method>>,
    unknown: Arc<Method>,
    translated: [IntCounter; Protocol::ALL.len()],
}

/// The metrics of one method. They are looked up once, so that a call costs only atomic additions.
pub(crate) struct Method {
    /// Whether the method exists.
    pub(crate) is_known: bool,
    /// Whether it belongs to health or reflection.
    pub(crate) is_probe: bool,
    /// Whether it streams.
    pub(crate) is_streaming: bool,
    started: IntCounter,
    handled: [IntCounter; GrpcCode::COUNT],
    seconds: Histogram,
}

impl CallMetrics {
    /// All methods of these encoded descriptor sets, with zero for every code. Unknown methods
    /// share their metrics.
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
        let translated =
            ("tandem_translated_calls_total", "Calls that started, of another protocol than gRPC.");
        let translated =
            metrics.counters(translated, "protocol", Protocol::ALL.map(Protocol::name));
        Self { methods, unknown, translated }
    }

    /// The method of this path. Counts the protocol, if it is not gRPC.
    pub(crate) fn method(&self, path: &str, protocol: Option<Protocol>) -> Arc<Method> {
        if let Some(protocol) = protocol {
            self.translated[protocol as usize].inc();
        }
        self.methods.get(path).unwrap_or(&self.unknown).clone()
    }
}

impl Method {
    /// Counts the start of a call.
    pub(crate) fn start(&self) {
        self.started.inc();
    }

    /// Counts the end of a call.
    pub(crate) fn end(&self, code: GrpcCode, duration: Duration) {
        self.handled[code.number()].inc();
        self.seconds.observe(duration.as_secs_f64());
    }
}

struct Vectors {
    started: IntCounterVec,
    handled: IntCounterVec,
    seconds: HistogramVec,
}

impl Vectors {
    fn new(metrics: &Metrics) -> Self {
        let started = Opts::new("grpc_server_started_total", "Calls that started.");
        let handled = Opts::new("grpc_server_handled_total", "Calls that ended, by gRPC code.");
        let seconds = HistogramOpts::new(
            "grpc_server_handling_seconds",
            "Duration of calls, from the request headers to the end of the response.",
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
        let handled = |code: GrpcCode| {
            self.handled.with_label_values(&[call_type, service, method, &code.to_string()])
        };
        Method {
            is_known: method != "unknown",
            is_probe: service.starts_with("grpc."),
            is_streaming: call_type != "unary",
            started: self.started.with_label_values(&labels),
            handled: GrpcCode::all().map(handled),
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
