//! The metrics of one service, for Prometheus. Each service has its own registry, since several may
//! run in one process.

use prometheus::{
    Gauge, IntCounterVec, Opts, Registry, TextEncoder,
    core::{Collector, Desc},
    proto::MetricFamily,
};
use shared::db::{ClockOffset, Pools};
use sqlx::PgPool;

use crate::telemetry;

mod calls;

pub use prometheus::{IntCounter, IntGauge};

pub(crate) use calls::{CallMetrics, Method};

/// A registry of metrics. A clone shares it.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Registry);

impl Metrics {
    /// The metrics of a service, with those of its build and its process.
    #[must_use]
    pub fn new(service: &str) -> Self {
        let metrics = Self::default();
        let build = Opts::new(
            "tandem_build_info",
            "Always 1; the labels name the service and its version.",
        );
        let build = build.const_label("service", service);
        let build = build.const_label("version", env!("CARGO_PKG_VERSION"));
        metrics.keep(IntGauge::with_opts(build)).set(1);
        metrics.sample(
            (
                "tandem_log_left_out_lines",
                "Log lines dropped because standard error was read too slowly.",
            ),
            telemetry::dropped_lines,
        );
        // Its source is /proc.
        #[cfg(target_os = "linux")]
        metrics.register(prometheus::process_collector::ProcessCollector::for_self());
        metrics
    }

    /// New counters of one name, one for each value of the label, exported from the start.
    #[must_use]
    pub fn counters<const N: usize>(
        &self,
        (name, help): (&str, &str),
        label: &str,
        values: [&str; N],
    ) -> [IntCounter; N] {
        let counters = self.keep(IntCounterVec::new(Opts::new(name, help), &[label]));
        values.map(|value| counters.with_label_values(&[value]))
    }

    /// A new gauge that the caller sets.
    #[must_use]
    pub fn gauge(&self, (name, help): (&str, &str)) -> IntGauge {
        self.keep(IntGauge::new(name, help))
    }

    /// A new gauge that `read` computes at each scrape.
    pub fn sample(
        &self,
        (name, help): (&str, &str),
        read: impl Fn() -> usize + Send + Sync + 'static,
    ) {
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        self.sample_float((name, help), move || read() as f64);
    }

    /// A new gauge that `read` computes at each scrape, not a whole number.
    pub fn sample_float(
        &self,
        (name, help): (&str, &str),
        read: impl Fn() -> f64 + Send + Sync + 'static,
    ) {
        let gauge = Gauge::new(name, help).expect("the name is valid");
        self.register(Sampled { gauge, read });
    }

    /// Exports the connections of the pools for calls.
    pub fn watch_pools(&self, pools: &Pools) {
        let [all, idle, max] = [(); 3].map(|()| pools.calls.clone());
        self.sample(
            ("tandem_db_pool_connections", "Open connections to the database, used or idle."),
            move || all.iter().map(|pool| pool.size() as usize).sum(),
        );
        self.sample(
            ("tandem_db_pool_idle_connections", "Idle connections to the database."),
            move || idle.iter().map(PgPool::num_idle).sum(),
        );
        self.sample(
            ("tandem_db_pool_max_connections", "Maximum number of connections to the database."),
            move || max.iter().map(|pool| pool.options().get_max_connections() as usize).sum(),
        );
    }

    /// Exports the difference between this instance's clock and the database's.
    pub fn watch_clock(&self, offset: ClockOffset) {
        self.sample_float(
            ("tandem_db_clock_offset_seconds", "Clock of the instance minus the database's."),
            move || offset.seconds(),
        );
    }

    /// All metrics in Prometheus' text format.
    pub(crate) fn render(&self) -> String {
        let families = self.0.gather();
        TextEncoder::new().encode_to_string(&families).expect("names and labels are valid")
    }

    fn keep<C: Collector + Clone + 'static>(&self, metric: prometheus::Result<C>) -> C {
        let metric = metric.expect("the name is valid");
        self.register(metric.clone());
        metric
    }

    fn register(&self, collector: impl Collector + 'static) {
        self.0.register(Box::new(collector)).expect("each name is registered once");
    }
}

/// A gauge that is computed at each scrape.
struct Sampled<F> {
    gauge: Gauge,
    read: F,
}

impl<F: Fn() -> f64 + Send + Sync> Collector for Sampled<F> {
    fn desc(&self) -> Vec<&Desc> {
        self.gauge.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.gauge.set((self.read)());
        self.gauge.collect()
    }
}
