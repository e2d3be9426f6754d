//! What else is promised of the services, measured for them alone.

use std::time::Duration;

use crate::{
    contest::{System, WARM_UP, Work},
    environment::Environment,
    load::{Load, Measured, Pace},
    options::Options,
    report::median,
    workload::Workload,
};

mod footprint;
mod interference;
mod latency;
mod noise;
mod saturation;
mod scale;
mod statements;
mod verification;

pub(crate) use statements::alone as transactions_alone;

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Study {
    Noise,
    Saturation,
    Latency,
    Interference,
    Footprint,
    Verification,
    Statements,
    Scale,
}

/// A line of the answer.
pub(crate) struct Finding {
    pub(crate) study: Study,
    /// What was measured.
    pub(crate) what: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// The line of the plot to which it belongs, if it does, and where on it.
    pub(crate) point: Option<(&'static str, f64)>,
}

impl Finding {
    fn at(self, line: &'static str, x: impl Into<f64>) -> Self {
        Self { point: Some((line, x.into())), ..self }
    }
}

impl Study {
    pub(crate) const ALL: [Self; 8] = [
        Self::Noise,
        Self::Saturation,
        Self::Latency,
        Self::Interference,
        Self::Footprint,
        Self::Verification,
        Self::Statements,
        Self::Scale,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Noise => "noise",
            Self::Saturation => "saturation",
            Self::Latency => "latency",
            Self::Interference => "interference",
            Self::Footprint => "footprint",
            Self::Verification => "verification",
            Self::Statements => "statements",
            Self::Scale => "scale",
        }
    }

    /// Whether it takes so long, and so much of the disk, that it has to be asked for.
    pub(crate) fn is_large(self) -> bool {
        self == Self::Scale
    }

    /// What it asks.
    pub(crate) fn question(self) -> &'static str {
        match self {
            Self::Noise => "what the machine keeps from everybody",
            Self::Saturation => "what more calls in flight bring, and whether too many cost",
            Self::Latency => "how long calls take that come at a fixed rate",
            Self::Interference => "what logins at full tilt cost those who read tasks",
            Self::Footprint => "memory, and how soon a service is ready",
            Self::Verification => "what a token costs",
            Self::Statements => "how often a call goes to the database",
            Self::Scale => "what ten million tasks cost a call more than ten thousand",
        }
    }

    pub(crate) fn answer(
        self,
        environment: &mut Environment,
        options: &Options,
    ) -> anyhow::Result<Vec<Finding>> {
        match self {
            Self::Noise => medians(options, || noise::measure(options)),
            Self::Saturation => medians(options, || saturation::measure(environment, options)),
            Self::Latency => medians(options, || latency::measure(environment, options)),
            Self::Interference => medians(options, || interference::measure(environment, options)),
            Self::Footprint => footprint::measure(environment),
            Self::Verification => verification::measure(),
            Self::Statements => statements::measure(environment),
            Self::Scale => scale::measure(environment, options),
        }
    }

    fn found(self, what: impl Into<String>, value: f64, unit: &'static str) -> Finding {
        Finding { study: self, what: what.into(), value, unit, point: None }
    }
}

/// How often all of a study is repeated, at most: what counts is the median.
const ROUNDS: usize = 3;

/// What the services do of a workload under some load.
fn measure(
    environment: &mut Environment,
    workload: &str,
    (connections, in_flight): (usize, usize),
    pace: Pace,
    duration: Duration,
) -> anyhow::Result<Measured> {
    let work = Work::of(environment, System::Tandem, Workload::named(workload))?;
    work.measure(Load { connections, in_flight, pace, warm_up: WARM_UP, duration })
}

/// What was found in several rounds, all of which have found the same things in the same order.
fn medians(
    options: &Options,
    mut round: impl FnMut() -> anyhow::Result<Vec<Finding>>,
) -> anyhow::Result<Vec<Finding>> {
    let rounds = (0..options.rounds().min(ROUNDS)).map(|_| round());
    let mut rounds = rounds.collect::<anyhow::Result<Vec<_>>>()?;
    let mut found = rounds.pop().unwrap_or_default();
    for (i, finding) in found.iter_mut().enumerate() {
        let others = rounds.iter().map(|round| round[i].value);
        finding.value = median(others.chain([finding.value])).unwrap_or(f64::NAN);
    }
    Ok(found)
}

/// Open loops have so many calls in flight at most.
const PLENTY: (usize, usize) = (8, 64);

/// In milliseconds.
fn percentile(measured: &Measured, percent: f64) -> f64 {
    measured.percentile(percent).unwrap_or(f64::NAN)
}
