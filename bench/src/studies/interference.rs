//! Reads beside logins: bcrypt takes a core for a quarter of a second.

use super::{Finding, OPEN_LOOP, Study, measure_beside, percentile};
use crate::{
    environment::Environment,
    load::{Load, Pace},
    options::Options,
    progress,
    workload::{Clients, Workload},
};

/// The rate of reads, as a share of the peak.
const SHARE: f64 = 0.3;
/// Two clients: on two cores one password is hashed at a time, and the next is ready.
const LOGINS: (usize, usize) = (2, 1);

pub(super) fn measure(
    environment: &mut Environment,
    options: &Options,
) -> anyhow::Result<Vec<Finding>> {
    let duration = options.seconds;
    let level = (options.connections, options.in_flight);
    let peak = super::measure(environment, "get", level, Pace::Unbounded, duration)?;
    let pace = Pace::PerSecond(SHARE * peak.calls_per_second);
    let alone = super::measure(environment, "get", OPEN_LOOP, pace, duration)?;

    progress::print("    the same beside logins");
    let logins = Clients::of_tandem(environment, Workload::named("login"));
    let gets = Clients::of_tandem(environment, Workload::named("get"));
    let (logins, beside) = measure_beside(
        (&logins, Load::new(LOGINS, Pace::Unbounded, duration)),
        (&gets, Load::new(OPEN_LOOP, pace, duration)),
    )?;
    let found = |what: &str, value, unit| Study::Interference.found(what, value, unit);
    let [p50, p99] = [50.0, 99.0].map(|percent| percentile(&alone, percent));
    let [p50_beside, p99_beside] = [50.0, 99.0].map(|percent| percentile(&beside, percent));
    Ok(vec![
        found("get at 30 % of the peak, p50", p50, "ms"),
        found("get at 30 % of the peak, p99", p99, "ms"),
        found("the same beside logins, p50", p50_beside, "ms"),
        found("the same beside logins, p99", p99_beside, "ms"),
        found("ratio of the p99", p99_beside / p99, "×"),
        found("logins meanwhile", logins.calls_per_second, "calls/s"),
    ])
}
