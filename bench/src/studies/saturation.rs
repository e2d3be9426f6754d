//! Throughput by calls in flight: it should rise to a peak and stay there.

use super::{Finding, Study, percentile};
use crate::{environment::Environment, load::Pace, options::Options};

/// Connections, and calls in flight on each.
const LEVELS: [(usize, usize); 4] = [(1, 1), (8, 2), (8, 8), (8, 64)];

pub(super) fn measure(
    environment: &mut Environment,
    options: &Options,
) -> anyhow::Result<Vec<Finding>> {
    let mut found = Vec::new();
    for workload in ["get", "list", "create", "update"] {
        let mut peak: f64 = 0.0;
        let mut last = 0.0;
        for level in LEVELS {
            let measured =
                super::measure(environment, workload, level, Pace::Unbounded, options.seconds)?;
            last = measured.calls_per_second;
            peak = peak.max(last);
            let in_flight = u32::try_from(level.0 * level.1)?;
            let what = format!("{workload}, {in_flight} in flight");
            let rate = Study::Saturation.found(what.clone(), last, "calls/s");
            found.push(rate.at(workload, in_flight));
            found.push(Study::Saturation.found(what + ", p99", percentile(&measured, 99.0), "ms"));
        }
        let what = format!("{workload}, {} in flight, share of the peak", 8 * 64);
        found.push(Study::Saturation.found(what, last / peak * 100.0, "%"));
    }
    Ok(found)
}
