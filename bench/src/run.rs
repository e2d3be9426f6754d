//! The rounds: in each, every system does the same work for a while, and another one begins.

use std::time::Duration;

use anyhow::Context as _;

use crate::{
    baselines::{Baseline, limit},
    environment::{Environment, Kind},
    load::{self, Load, Measured, Meters},
    options::Options,
    report,
    workload::{WORKLOADS, Workload},
};

const WARM_UP: Duration = Duration::from_secs(1);

/// Who does the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    Tandem,
    Baseline(Baseline),
}

/// What a system did in each of the rounds.
pub(crate) struct Series {
    pub(crate) workload: &'static str,
    pub(crate) system: System,
    pub(crate) rounds: Vec<Measured>,
}

impl System {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tandem => "tandem",
            Self::Baseline(baseline) => baseline.name(),
        }
    }
}

/// Measures what the options ask for, and prints the table.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let mut environment = Environment::start(options)?;
    let mut all = Vec::new();
    for workload in WORKLOADS.iter().filter(|workload| options.wants(workload.name)) {
        all.extend(measure(&mut environment, workload, options)?);
    }
    report::print(&all);
    Ok(())
}

/// All rounds of one workload.
fn measure(
    environment: &mut Environment,
    workload: &Workload,
    options: &Options,
) -> anyhow::Result<Vec<Series>> {
    let mut contest = Contest { environment, workload, options, pgbench_clients: 0 };
    let mut series: Vec<_> = contest
        .systems()
        .into_iter()
        .map(|system| Series { workload: workload.name, system, rounds: Vec::new() })
        .collect();
    contest.prepare(&series)?;
    for round in 0..options.rounds {
        for turn in 0..series.len() {
            let next = (round + turn) % series.len();
            let series = &mut series[next];
            let measured = contest
                .measure(series.system)
                .with_context(|| format!("{} {}", series.system.name(), workload.name))?;
            crate::say(&format!(
                "{:>12} {}/{} {:>8} {:>8.0} calls/s",
                workload.name,
                round + 1,
                options.rounds,
                series.system.name(),
                measured.calls_per_second
            ));
            series.rounds.push(measured);
        }
    }
    Ok(series)
}

/// One workload, and all that do it.
struct Contest<'a> {
    environment: &'a mut Environment,
    workload: &'a Workload,
    options: &'a Options,
    pgbench_clients: usize,
}

impl Contest<'_> {
    /// Those who can do it: pgbench runs one statement over and over.
    fn systems(&self) -> Vec<System> {
        let baselines = self.options.baselines.iter().copied();
        let able = baselines.filter(|baseline| match baseline {
            Baseline::Limit => self.workload.script().is_some(),
            Baseline::Usual => true,
        });
        [System::Tandem].into_iter().chain(able.map(System::Baseline)).collect()
    }

    fn prepare(&mut self, series: &[Series]) -> anyhow::Result<()> {
        let limit = System::Baseline(Baseline::Limit);
        if series.iter().any(|series| series.system == limit) {
            let script = self.workload.script().context("pgbench has no script")?;
            self.pgbench_clients = limit::best_clients(self.environment, self.workload, script)?;
            let (name, clients) = (self.workload.name, self.pgbench_clients);
            crate::say(&format!("{name:>12}: pgbench does most with {clients} clients"));
        }
        Ok(())
    }

    fn measure(&mut self, system: System) -> anyhow::Result<Measured> {
        let duration = self.options.seconds;
        match system {
            System::Tandem => self.load(Kind::Tandem),
            System::Baseline(Baseline::Usual) => self.load(Kind::Usual),
            System::Baseline(Baseline::Limit) => {
                let script = self.workload.script().context("pgbench has no script")?;
                let (clients, times) = (self.pgbench_clients, (WARM_UP, duration));
                limit::measure(self.environment, self.workload, script, clients, times)
            }
        }
    }

    fn load(&mut self, kind: Kind) -> anyhow::Result<Measured> {
        let Self { environment, workload, options, .. } = self;
        let population = environment.dataset.population(workload.owners);
        let tokens = environment.tokens.tokens(kind, population);
        let service = match kind {
            Kind::Tandem => &environment.task,
            Kind::Usual => environment.usual()?,
        };
        let load = Load {
            connections: options.connections,
            in_flight: options.in_flight,
            warm_up: WARM_UP,
            duration: options.seconds,
        };
        let meters = Meters { service: service.meter(), postgres: environment.postgres.meter() };
        load::closed_loop(service.address(), load, meters, |number| {
            workload.caller(number, population, &tokens)
        })
    }
}
