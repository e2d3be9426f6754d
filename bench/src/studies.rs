//! The studies: measurements of the services alone, each with a question.

use std::{thread, time::Duration};

use crate::{
    environment::Environment,
    load::{Load, Measured, Pace, WARM_UP, median},
    options::Options,
    progress,
    workload::{Clients, Workload},
};

mod footprint;
mod instructions;
mod interference;
mod latency;
mod neighbours;
mod noise;
mod saturation;
mod scale;
mod statements;
mod verification;

pub(crate) use instructions::of_get as instructions_of_get;
pub(crate) use statements::of_single_calls as transactions_of_single_calls;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Study {
    Noise,
    Saturation,
    Latency,
    Interference,
    Neighbours,
    Footprint,
    Verification,
    Statements,
    Instructions,
    Scale,
}

/// A row of the results.
pub(crate) struct Finding {
    pub(crate) study: Study,
    pub(crate) what: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// The line of the study's plot, and the position on it, if the plot shows the value.
    pub(crate) point: Option<(&'static str, f64)>,
}

impl Finding {
    fn at(self, line: &'static str, x: impl Into<f64>) -> Self {
        Self { point: Some((line, x.into())), ..self }
    }
}

impl Study {
    pub(crate) const ALL: [Self; 10] = [
        Self::Noise,
        Self::Saturation,
        Self::Latency,
        Self::Interference,
        Self::Neighbours,
        Self::Footprint,
        Self::Verification,
        Self::Statements,
        Self::Instructions,
        Self::Scale,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Noise => "noise",
            Self::Saturation => "saturation",
            Self::Latency => "latency",
            Self::Interference => "interference",
            Self::Neighbours => "neighbours",
            Self::Footprint => "footprint",
            Self::Verification => "verification",
            Self::Statements => "statements",
            Self::Instructions => "instructions",
            Self::Scale => "scale",
        }
    }

    /// Whether it runs only if it is named.
    pub(crate) fn is_large(self) -> bool {
        self == Self::Scale
    }

    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::Noise => "how long the machine takes cores away",
            Self::Saturation => "throughput by calls in flight",
            Self::Latency => "percentiles at 10 to 90 % of the peak throughput",
            Self::Interference => "latency of get beside logins",
            Self::Neighbours => "calls of 50 users beside the text searches of another",
            Self::Footprint => "memory, and time until ready",
            Self::Verification => "CPU time of verifying an access token",
            Self::Statements => "transactions for each call",
            Self::Instructions => "instructions for each call; needs valgrind",
            Self::Scale => "ten million tasks beside ten thousand; needs 20 GB, only if named",
        }
    }

    pub(crate) fn run(
        self,
        environment: &mut Environment,
        options: &Options,
    ) -> anyhow::Result<Vec<Finding>> {
        match self {
            Self::Noise => medians(options, || noise::measure(options)),
            Self::Saturation => medians(options, || saturation::measure(environment, options)),
            Self::Latency => medians(options, || latency::measure(environment, options)),
            Self::Interference => medians(options, || interference::measure(environment, options)),
            Self::Neighbours => neighbours::measure(environment, options),
            Self::Footprint => footprint::measure(environment),
            Self::Verification => verification::measure(),
            Self::Statements => statements::measure(environment),
            Self::Instructions => instructions::measure(environment),
            Self::Scale => scale::measure(environment, options),
        }
    }

    fn found(self, what: impl Into<String>, value: f64, unit: &'static str) -> Finding {
        Finding { study: self, what: what.into(), value, unit, point: None }
    }
}

/// Rounds of a study, at most.
const MAX_ROUNDS: usize = 3;

/// The medians of several rounds, all of which have the same findings in the same order.
fn medians(
    options: &Options,
    mut run: impl FnMut() -> anyhow::Result<Vec<Finding>>,
) -> anyhow::Result<Vec<Finding>> {
    let count = options.rounds.min(MAX_ROUNDS);
    let mut rounds = Vec::new();
    for round in 1..=count {
        progress::print(format_args!("  round {round}/{count}"));
        rounds.push(run()?);
    }
    let mut findings = rounds.pop().unwrap_or_default();
    for (i, finding) in findings.iter_mut().enumerate() {
        let others = rounds.iter().map(|round| round[i].value);
        finding.value = median(others.chain([finding.value])).unwrap_or(f64::NAN);
    }
    Ok(findings)
}

/// The connections, and the calls in flight on each, of an open loop: more than it needs.
const OPEN_LOOP: (usize, usize) = (8, 64);

/// Measures the services with a workload.
fn measure(
    environment: &mut Environment,
    workload: &str,
    level: (usize, usize),
    pace: Pace,
    duration: Duration,
) -> anyhow::Result<Measured> {
    let load = Load::new(level, pace, duration);
    progress::print(format_args!("    {workload}, {load}"));
    Clients::of_tandem(environment, Workload::named(workload)).measure(load)
}

/// How much longer background load lasts: as long as its last call takes.
const LAST_CALL: Duration = Duration::from_secs(1);

/// Measures a load while another one runs, from before its first call until after its last. Returns
/// both.
fn measure_beside(
    (background, background_load): (&Clients, Load),
    (clients, load): (&Clients, Load),
) -> anyhow::Result<(Measured, Measured)> {
    let background_load = Load { duration: WARM_UP + load.duration + LAST_CALL, ..background_load };
    let load = Load { warm_up: 2 * WARM_UP, ..load };
    let (background, measured) = thread::scope(|scope| {
        let background = scope.spawn(|| background.measure(background_load));
        let measured = clients.measure(load);
        (background.join().expect("the load does not panic"), measured)
    });
    Ok((background?, measured?))
}

/// A percentile of the latency, in milliseconds.
fn percentile(measured: &Measured, percent: f64) -> f64 {
    measured.percentile(percent).unwrap_or(f64::NAN)
}
