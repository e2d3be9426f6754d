//! The rounds: in each, every system does the same work for a while, and another one begins.

use std::time::Duration;

use anyhow::Context as _;

use crate::{
    baselines::{
        Baseline, limit,
        seed::{SeedCaller, SeedLogin},
    },
    environment::{Dataset, Environment, Kind, Process},
    load::{self, Caller, Callers, Load, Measured, Meters, Pace, Protocol, Target},
    options::Options,
    say,
    usage::Meter,
    workload::{Calls, LoginCaller, RefreshCaller, TaskCaller, Workload},
};

/// Until everything is warm.
pub(crate) const WARM_UP: Duration = Duration::from_secs(1);

/// How many log in at once: more than are hashed at once on two cores, and no more than a password
/// may wait for.
const LOGINS: usize = 3;

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

    /// Whether it can do this: the usual service has no users, the seed no sessions, and pgbench
    /// runs one statement over and over.
    fn can_do(self, workload: &Workload) -> bool {
        match (self, workload.calls) {
            (Self::Tandem, _)
            | (Self::Baseline(Baseline::Usual | Baseline::Seed), Calls::Tasks(..))
            | (Self::Baseline(Baseline::Seed), Calls::Login) => true,
            (Self::Baseline(Baseline::Limit), _) => workload.script().is_some(),
            (Self::Baseline(_), _) => false,
        }
    }
}

/// All rounds of one workload.
pub(crate) fn run(
    environment: &mut Environment,
    workload: &'static Workload,
    options: &Options,
) -> anyhow::Result<Vec<Series>> {
    let baselines = Baseline::ALL.into_iter().filter(|baseline| {
        // The seed is skipped where there is no Python.
        options.compares_with(*baseline)
            && (*baseline != Baseline::Seed || environment.seed.is_some())
    });
    let systems = [System::Tandem].into_iter().chain(baselines.map(System::Baseline));
    let mut all: Vec<_> = systems
        .filter(|system| system.can_do(workload))
        .map(|system| Series { workload: workload.name, system, rounds: Vec::new() })
        .collect();
    let clients = match workload.script() {
        Some(script) if options.compares_with(Baseline::Limit) && !options.guard => {
            limit::best_clients(environment, workload, script)?
        }
        _ => limit::USUAL_CLIENTS,
    };
    for round in 0..options.rounds() {
        for turn in 0..all.len() {
            let next = (round + turn) % all.len();
            let series = &mut all[next];
            let measured = match (series.system, workload.script()) {
                (System::Baseline(Baseline::Limit), Some(script)) => {
                    let times = (WARM_UP, options.seconds());
                    limit::measure(environment, workload, script, clients, times)
                }
                (system, _) => Work::of(environment, system, workload)
                    .and_then(|work| work.measure(options.load(workload))),
            };
            let measured = measured
                .with_context(|| format!("{} of {}", workload.name, series.system.name()))?;
            say(&format!(
                "{:>12} {}/{} {:>7} {:>8.0} calls/s",
                workload.name,
                round + 1,
                options.rounds(),
                series.system.name(),
                measured.calls_per_second
            ));
            series.rounds.push(measured);
        }
    }
    Ok(all)
}

impl Options {
    /// The load that shows what a system can do.
    fn load(&self, workload: &Workload) -> Load {
        let (connections, in_flight) = match workload.calls {
            Calls::Login => (LOGINS, 1),
            Calls::Tasks(..) | Calls::Refresh => (self.connections, self.in_flight),
        };
        let duration = self.seconds();
        Load { connections, in_flight, pace: Pace::Unbounded, warm_up: WARM_UP, duration }
    }
}

/// A workload that a system is ready to do.
pub(crate) struct Work {
    target: Target,
    meters: Meters,
    callers: Box<Callers<'static>>,
}

impl Work {
    /// Prepares the callers of a system that runs anyway.
    pub(crate) fn of(
        environment: &mut Environment,
        system: System,
        workload: &Workload,
    ) -> anyhow::Result<Self> {
        let (process, protocol) = match (system, workload.calls) {
            (System::Baseline(Baseline::Seed), _) => {
                let seed = environment.seed.as_ref().context("the seed was skipped")?;
                (&seed.process, Protocol::Http1)
            }
            (System::Baseline(_), _) => {
                let usual = environment.usual.as_ref();
                (usual.context("the usual service was not asked for")?, Protocol::Grpc)
            }
            (System::Tandem, Calls::Tasks(..)) => (&environment.task, Protocol::Grpc),
            (System::Tandem, Calls::Login) => (&environment.auth, Protocol::Grpc),
            (System::Tandem, Calls::Refresh) => (&environment.quick_auth, Protocol::Grpc),
        };
        let target = Target { address: process.address(), protocol };
        // uvicorn's workers are processes of their own.
        let service = Meter::Family(process.pid());
        let meters = Meters { service, postgres: environment.postgres.meter() };
        let dataset = environment.dataset;
        Ok(Self { target, meters, callers: callers(environment, dataset, system, workload) })
    }

    /// Prepares callers of another task-service, which has these data.
    pub(crate) fn on(
        environment: &mut Environment,
        process: &Process,
        dataset: Dataset,
        workload: &Workload,
    ) -> Self {
        let target = Target { address: process.address(), protocol: Protocol::Grpc };
        let service = Meter::Family(process.pid());
        let meters = Meters { service, postgres: environment.postgres.meter() };
        let callers = callers(environment, dataset, System::Tandem, workload);
        Self { target, meters, callers }
    }

    pub(crate) fn measure(&self, load: Load) -> anyhow::Result<Measured> {
        load::run(self.target, load, self.meters, &*self.callers)
    }
}

fn callers(
    environment: &mut Environment,
    dataset: Dataset,
    system: System,
    workload: &Workload,
) -> Box<Callers<'static>> {
    let is_seed = system == System::Baseline(Baseline::Seed);
    match workload.calls {
        Calls::Tasks(mix, owners) => {
            let population = dataset.population(owners);
            let kind = match system {
                System::Tandem => Kind::Tandem,
                System::Baseline(Baseline::Seed) => Kind::Seed,
                System::Baseline(_) => Kind::Usual,
            };
            let tokens = environment.tokens.tokens(kind, population);
            if is_seed {
                boxed(move |i| SeedCaller::new(mix, population, tokens.clone(), i))
            } else {
                boxed(move |i| TaskCaller::new(mix, population, tokens.clone(), i))
            }
        }
        Calls::Login if is_seed => boxed(|i| SeedLogin::new(format!("user-{}", i + 1))),
        Calls::Login => boxed(|i| LoginCaller::new(format!("user-{}", i + 1))),
        Calls::Refresh => boxed(|i| RefreshCaller::new(format!("quick-{i}"))),
    }
}

fn boxed<C: Caller + Send + 'static>(
    caller: impl Fn(usize) -> C + Sync + 'static,
) -> Box<Callers<'static>> {
    Box::new(move |number| Box::new(caller(number)))
}
