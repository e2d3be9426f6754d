//! Reads beside logins: bcrypt takes a core for a quarter of a second.

use std::{thread, time::Duration};

use super::{Finding, PLENTY, Study, percentile};
use crate::{
    contest::{System, WARM_UP, Work},
    environment::Environment,
    load::{Load, Pace},
    options::Options,
    workload::Workload,
};

/// Of what the service can do alone.
const SHARE: f64 = 0.3;
/// One is hashed at once on two cores, and the next is ready.
const LOGINS: (usize, usize) = (2, 1);

pub(super) fn measure(
    environment: &mut Environment,
    options: &Options,
) -> anyhow::Result<Vec<Finding>> {
    let duration = options.seconds();
    let level = (options.connections, options.in_flight);
    let peak = super::measure(environment, "get", level, Pace::Unbounded, duration)?;
    let pace = Pace::PerSecond(SHARE * peak.calls_per_second);
    let alone = super::measure(environment, "get", PLENTY, pace, duration)?;

    let logins = Work::of(environment, System::Tandem, Workload::named("login"))?;
    let gets = Work::of(environment, System::Tandem, Workload::named("get"))?;
    let load = |(connections, in_flight), pace, warm_up, duration| Load {
        connections,
        in_flight,
        pace,
        warm_up,
        duration,
    };
    // Logins are under way from before the first get that counts until after the last.
    let around = load(LOGINS, Pace::Unbounded, WARM_UP, WARM_UP + duration + LAST_LOGIN);
    let (logins, beside) = thread::scope(|scope| {
        let logins = scope.spawn(|| logins.measure(around));
        let beside = gets.measure(load(PLENTY, pace, 2 * WARM_UP, duration));
        (logins.join().expect("the load does not panic"), beside)
    });
    let (logins, beside) = (logins?, beside?);
    let found = |what: &str, value, unit| Study::Interference.found(what, value, unit);
    let [p50, p99] = [50.0, 99.0].map(|percent| percentile(&alone, percent));
    let [p50_beside, p99_beside] = [50.0, 99.0].map(|percent| percentile(&beside, percent));
    Ok(vec![
        found("get at 30 % of the peak, p50", p50, "ms"),
        found("get at 30 % of the peak, p99", p99, "ms"),
        found("the same beside logins, p50", p50_beside, "ms"),
        found("the same beside logins, p99", p99_beside, "ms"),
        found("p99 beside logins and without", p99_beside / p99, "×"),
        found("logins meanwhile", logins.calls_per_second, "calls/s"),
    ])
}

/// How long one may take.
const LAST_LOGIN: Duration = Duration::from_secs(1);
