//! A run from its beginning to its end.

use crate::{
    contest::{self, Series},
    environment::{self, Environment},
    guard,
    options::Options,
    report, say,
    studies::{Finding, Study},
    workload::WORKLOADS,
};

/// Measures what the options ask for, and prints what was found.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    raise_file_limit()?;
    let mut environment = Environment::start(options)?;
    if options.guard {
        return guard::check(&mut environment, options);
    }
    let mut found = Found::default();
    // What was found before a failure is worth something, too.
    let done = measure(&mut environment, options, &mut found);
    report::print(&found.contests, &found.findings);
    report::write(&found.contests, &found.findings, &about(options, &environment))?;
    done
}

/// What was run, for whoever reads the report.
fn about(options: &Options, environment: &Environment) -> String {
    format!(
        "Medians of {} rounds of {} s, {} connections with {} calls in flight each, {} tasks. \
         PostgreSQL {}, durable, with {}; all else as in production.",
        options.rounds(),
        options.seconds().as_secs(),
        options.connections,
        options.in_flight,
        environment.dataset.tasks(),
        environment.postgres.major(),
        environment::SETTINGS.map(|(name, value)| format!("{name} = {value}")).join(" and "),
    )
}

#[derive(Default)]
struct Found {
    contests: Vec<Series>,
    findings: Vec<Finding>,
}

fn measure(
    environment: &mut Environment,
    options: &Options,
    found: &mut Found,
) -> anyhow::Result<()> {
    for workload in WORKLOADS.iter().filter(|workload| options.wants(workload.name)) {
        found.contests.extend(contest::run(environment, workload, options)?);
    }
    for study in Study::ALL.into_iter().filter(|study| options.wants_study(*study)) {
        say(&format!("{:>12}: {}", study.name(), study.question()));
        found.findings.extend(study.answer(environment, options)?);
    }
    Ok(())
}

/// A thousand connections are as many files, of us and of what we start.
fn raise_file_limit() -> anyhow::Result<()> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, most, most)?)
}
