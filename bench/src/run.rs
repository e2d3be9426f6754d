//! A run from start to end.

use clap::builder::PossibleValue;

use crate::{
    baselines::Baselines,
    contest::{self, Series},
    environment::{self, Dataset, Environment},
    guard,
    options::Options,
    progress, report,
    studies::{Finding, Study},
    workload::WORKLOADS,
};

/// Measures what the options select, and prints the results.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    if cfg!(debug_assertions) {
        progress::print("warning: this is a debug build; its figures mean nothing");
    }
    raise_file_limit()?;
    let mut environment = Environment::start(Dataset::new(options.is_small()))?;
    let mut baselines = Baselines::start(&environment, options)?;
    if options.guard {
        return guard::check(&mut environment, &mut baselines, options);
    }
    let mut results = Results::default();
    // After a failure, the results before it are still worth printing.
    let done = measure(&mut environment, &mut baselines, options, &mut results);
    let Results { contests, findings } = &results;
    report::print(contests, findings);
    report::write(contests, findings, &describe(options, &environment))?;
    done
}

/// The names that `--only` accepts.
pub(crate) fn names() -> impl Iterator<Item = PossibleValue> {
    let workloads = WORKLOADS.iter().map(|workload| (workload.name, workload.about));
    let studies = Study::ALL.map(|study| (study.name(), study.about()));
    workloads.chain(studies).map(|(name, about)| PossibleValue::new(name).help(about))
}

/// The method, in a sentence of the report.
fn describe(options: &Options, environment: &Environment) -> String {
    format!(
        "Medians of {} rounds of {} s, {} connections with {} calls in flight each, {} tasks. \
         PostgreSQL {}, durable, with {}; all other settings as in production.",
        options.rounds,
        options.seconds.as_secs(),
        options.connections,
        options.in_flight,
        environment.dataset.tasks(),
        environment.postgres.major(),
        environment::SETTINGS.map(|(name, value)| format!("{name} = {value}")).join(" and "),
    )
}

#[derive(Default)]
struct Results {
    contests: Vec<Series>,
    findings: Vec<Finding>,
}

fn measure(
    environment: &mut Environment,
    baselines: &mut Baselines,
    options: &Options,
    results: &mut Results,
) -> anyhow::Result<()> {
    let workloads = WORKLOADS.iter().filter(|workload| options.wants(workload.name, true));
    let workloads: Vec<_> = workloads.collect();
    let studies = Study::ALL.into_iter();
    let studies = studies.filter(|study| options.wants(study.name(), !study.is_large()));
    let studies: Vec<_> = studies.collect();
    let count = workloads.len() + studies.len();
    for (i, workload) in (1..).zip(&workloads) {
        progress::print(format_args!("{i}/{count} {}: {}", workload.name, workload.about));
        results.contests.extend(contest::run(environment, baselines, workload, options)?);
    }
    for (i, study) in (workloads.len() + 1..).zip(studies) {
        progress::print(format_args!("{i}/{count} {}: {}", study.name(), study.about()));
        results.findings.extend(study.run(environment, options)?);
    }
    Ok(())
}

/// A thousand connections need as many open files, here and in the processes that inherit the
/// limit.
fn raise_file_limit() -> anyhow::Result<()> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, most, most)?)
}
