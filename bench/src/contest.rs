//! The contests: rounds in which every system takes the same load, each round starting with the
//! next system.

use anyhow::Context as _;

use crate::{
    baselines::{Baselines, limit},
    environment::Environment,
    load::{Load, Measured, Pace, WARM_UP},
    options::{Baseline, Options},
    progress,
    workload::{Calls, Clients, Workload},
};

/// Clients that log in: more than the passwords hashed at once on two cores, and few enough that
/// none waits longer than auth-service allows.
const LOGIN_CLIENTS: usize = 3;

/// A system under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    Tandem,
    Baseline(Baseline),
}

/// The rounds of a system.
pub(crate) struct Series {
    pub(crate) workload: &'static str,
    pub(crate) system: System,
    pub(crate) rounds: Vec<Measured>,
}

impl System {
    pub(crate) const ALL: [Self; 4] = [
        Self::Tandem,
        Self::Baseline(Baseline::Limit),
        Self::Baseline(Baseline::Usual),
        Self::Baseline(Baseline::Seed),
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tandem => "tandem",
            Self::Baseline(baseline) => baseline.name(),
        }
    }
}

/// An empty series of each system that takes part.
fn series(baselines: &Baselines, workload: &'static Workload, options: &Options) -> Vec<Series> {
    let takes_part = |system: &System| match system {
        System::Tandem => true,
        System::Baseline(baseline) => {
            options.compares_with(*baseline) && baselines.can_do(*baseline, workload)
        }
    };
    let series = |system| Series { workload: workload.name, system, rounds: Vec::new() };
    System::ALL.into_iter().filter(takes_part).map(series).collect()
}

/// Runs all rounds of one workload.
pub(crate) fn run(
    environment: &mut Environment,
    baselines: &mut Baselines,
    workload: &'static Workload,
    options: &Options,
) -> anyhow::Result<Vec<Series>> {
    let mut all = series(baselines, workload, options);
    let has_limit = all.iter().any(|series| series.system == System::Baseline(Baseline::Limit));
    let pgbench_clients = if has_limit && !options.guard {
        limit::best_clients(environment, workload)?
    } else {
        limit::DEFAULT_CLIENTS
    };
    let mut measure = |system| match system {
        System::Tandem => {
            Clients::of_tandem(environment, workload).measure(load(workload, options))
        }
        System::Baseline(Baseline::Limit) => {
            limit::measure(environment, workload, pgbench_clients, WARM_UP, options.seconds)
        }
        System::Baseline(baseline) => {
            baselines.clients(baseline, environment, workload)?.measure(load(workload, options))
        }
    };
    for round in 0..options.rounds {
        for turn in 0..all.len() {
            let next = (round + turn) % all.len();
            let Series { system, rounds, .. } = &mut all[next];
            let name = system.name();
            let measured = measure(*system);
            let measured = measured.with_context(|| format!("{} of {name}", workload.name))?;
            let rate = measured.calls_per_second;
            let round = format!("round {}/{}", round + 1, options.rounds);
            progress::print(format_args!("  {round} {name:>6} {rate:>8.0} calls/s"));
            rounds.push(measured);
        }
    }
    Ok(all)
}

/// The load under which a system reaches its highest throughput.
fn load(workload: &Workload, options: &Options) -> Load {
    let level = match workload.calls {
        Calls::Login => (LOGIN_CLIENTS, 1),
        Calls::Tasks(..) | Calls::Refresh => (options.connections, options.in_flight),
    };
    Load::new(level, Pace::Unbounded, options.seconds)
}
