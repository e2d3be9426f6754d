//! What a load measures: throughput, latency, failures, and CPU time of all that take part.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::usage::Meter;

/// The processes whose CPU time is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meters {
    pub(crate) service: Meter,
    pub(crate) postgres: Meter,
}

/// The result of one measurement.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    /// Successful calls.
    pub(crate) calls_per_second: f64,
    /// Of successful calls, in microseconds.
    latency: Option<Histogram<u64>>,
    /// CPU time of each call, in microseconds.
    pub(crate) service_cpu: Option<f64>,
    pub(crate) postgres_cpu: f64,
    pub(crate) client_cpu: Option<f64>,
    pub(crate) failures: u64,
    /// An example.
    pub(crate) failure: Option<String>,
    /// All calls from start to end, with those of the warm-up, and cancelled and failed ones.
    pub(crate) all_calls: u64,
}

/// The calls of some clients.
pub(super) struct Tally {
    latency: Histogram<u64>,
    failures: u64,
    failure: Option<String>,
    pub(super) all_calls: u64,
}

/// CPU time since the processes started.
pub(super) struct Cpu {
    service: Duration,
    postgres: Duration,
    client: Duration,
}

impl Default for Tally {
    fn default() -> Self {
        let latency = Histogram::new(3).expect("three digits are possible");
        Self { latency, failures: 0, failure: None, all_calls: 0 }
    }
}

impl Tally {
    pub(super) fn success(&mut self, latency: Duration) -> anyhow::Result<()> {
        Ok(self.latency.record(u64::try_from(latency.as_micros())?)?)
    }

    pub(super) fn failure(&mut self, error: &anyhow::Error) {
        self.failures += 1;
        self.failure.get_or_insert_with(|| format!("{error:#}"));
    }

    pub(super) fn add(&mut self, other: Self) {
        self.latency += other.latency;
        self.failures += other.failures;
        self.failure = self.failure.take().or(other.failure);
        self.all_calls += other.all_calls;
    }
}

impl Meters {
    pub(super) fn read(self) -> anyhow::Result<Cpu> {
        Ok(Cpu {
            service: self.service.read()?,
            postgres: self.postgres.read()?,
            client: Meter::Process(std::process::id()).read()?,
        })
    }
}

impl Measured {
    #[expect(clippy::cast_precision_loss, reason = "a run has fewer than 2^52 calls")]
    pub(super) fn new(tally: Tally, duration: Duration, before: &Cpu, after: &Cpu) -> Self {
        let calls = tally.latency.len() as f64;
        let each = |before: Duration, after: Duration| {
            after.saturating_sub(before).as_secs_f64() * 1e6 / calls
        };
        Self {
            calls_per_second: calls / duration.as_secs_f64(),
            latency: Some(tally.latency),
            service_cpu: Some(each(before.service, after.service)),
            postgres_cpu: each(before.postgres, after.postgres),
            client_cpu: Some(each(before.client, after.client)),
            failures: tally.failures,
            failure: tally.failure,
            all_calls: tally.all_calls,
        }
    }

    /// What is known of calls that this program did not make.
    pub(crate) fn of_rate(calls_per_second: f64, postgres_cpu: f64) -> Self {
        Self { calls_per_second, postgres_cpu, ..Self::default() }
    }

    /// Measured calls that succeeded.
    pub(crate) fn successes(&self) -> u64 {
        self.latency.as_ref().map_or(0, Histogram::len)
    }

    /// A percentile of the latency, in milliseconds.
    #[expect(clippy::cast_precision_loss, reason = "latencies are seconds at most")]
    pub(crate) fn percentile(&self, percent: f64) -> Option<f64> {
        let latency = self.latency.as_ref().filter(|latency| !latency.is_empty())?;
        Some(latency.value_at_percentile(percent) as f64 / 1000.0)
    }
}

/// The value in the middle, or the mean of the two in the middle.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len().checked_sub(1)? / 2;
    Some(f64::midpoint(values[middle], values[values.len() / 2]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        for (values, expected) in [
            (&[][..], None),
            (&[3.0][..], Some(3.0)),
            (&[9.0, 1.0, 2.0][..], Some(2.0)),
            (&[9.0, 1.0, 2.0, 4.0][..], Some(3.0)),
        ] {
            assert_eq!(median(values.iter().copied()), expected, "{values:?}");
        }
    }
}
