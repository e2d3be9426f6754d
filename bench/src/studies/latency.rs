//! Latency by load: an open loop at shares of the peak throughput.

use super::{Finding, OPEN_LOOP, Study, percentile};
use crate::{environment::Environment, load::Pace, options::Options};

/// In percent of the peak.
const LOADS: [u32; 5] = [10, 30, 50, 70, 90];

pub(super) fn measure(
    environment: &mut Environment,
    options: &Options,
) -> anyhow::Result<Vec<Finding>> {
    let mut found = Vec::new();
    for workload in ["get", "create"] {
        let mut measure =
            |level, pace| super::measure(environment, workload, level, pace, options.seconds);
        let level = (options.connections, options.in_flight);
        let peak = measure(level, Pace::Unbounded)?.calls_per_second;
        let mut p99s = Vec::new();
        for load in LOADS {
            let rate = peak * f64::from(load) / 100.0;
            let measured = measure(OPEN_LOOP, Pace::PerSecond(rate))?;
            let of = |what: &str, value| {
                let what = format!("{workload}, at {load} % of the peak, {what}");
                Study::Latency.found(what, value, "ms")
            };
            found.push(of("p50", percentile(&measured, 50.0)));
            found.push(of("p99", percentile(&measured, 99.0)).at(workload, load));
            found.push(of("p99.9", percentile(&measured, 99.9)));
            p99s.push((load, percentile(&measured, 99.0)));
        }
        let at = |wanted| p99s.iter().find(|(load, _)| *load == wanted).map_or(f64::NAN, |at| at.1);
        let what = format!("{workload}, p99 at 70 % of the peak, ratio to that at 10 %");
        found.push(Study::Latency.found(what, at(70) / at(10), "×"));
    }
    Ok(found)
}
