//! The command line.

use std::time::Duration;

use crate::{baselines::Baseline, studies::Study, workload::WORKLOADS};

/// Measures the services beside the limit of their database and what they might have been. With its
/// defaults it takes about half an hour.
#[derive(Debug, clap::Parser)]
pub(crate) struct Options {
    /// Measure these workloads and studies only. The study `scale` has to be named: it makes ten
    /// million tasks, for which it needs 20 GB of disk.
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = names())]
    only: Vec<String>,

    /// Compare with these only.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    baselines: Option<Vec<Baseline>>,

    /// How often each system is measured; what counts is the median [default: 5].
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,

    /// How long one measurement takes [default: 4].
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    seconds: Option<Duration>,

    /// How many connections the callers have.
    #[arg(long, value_name = "N", default_value = "8")]
    pub(crate) connections: usize,

    /// How many calls each connection has in flight.
    #[arg(long, value_name = "N", default_value = "8")]
    pub(crate) in_flight: usize,

    /// Work on 100,000 tasks instead of a million.
    #[arg(long)]
    quick: bool,

    /// Check in two minutes that nothing of what was reached is lost, and fail if it is.
    #[arg(long, conflicts_with_all = ["only", "baselines"])]
    pub(crate) guard: bool,

    #[command(subcommand)]
    pub(crate) serve: Option<Serve>,
}

/// How the benchmark starts itself again: as one of the systems under test. Their settings come
/// from the environment.
#[derive(Clone, Copy, Debug, clap::Subcommand)]
pub(crate) enum Serve {
    /// Be task-service.
    #[command(name = "serve-task", hide = true)]
    Task,
    /// Be auth-service.
    #[command(name = "serve-auth", hide = true)]
    Auth,
    /// Be the usual service.
    #[command(name = "serve-usual", hide = true)]
    Usual,
}

impl Options {
    /// Whether a workload is wanted.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.names(name)
    }

    pub(crate) fn wants_study(&self, study: Study) -> bool {
        self.names(study.name()) || self.only.is_empty() && !study.is_large()
    }

    fn names(&self, name: &str) -> bool {
        self.only.iter().any(|wanted| wanted == name)
    }

    /// Whether there is a comparison with it.
    pub(crate) fn compares_with(&self, baseline: Baseline) -> bool {
        match &self.baselines {
            Some(wanted) => wanted.contains(&baseline),
            None => !self.guard || baseline != Baseline::Seed,
        }
    }

    pub(crate) fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.guard { 3 } else { 5 })
    }

    /// How long one measurement takes.
    pub(crate) fn seconds(&self) -> Duration {
        self.seconds.unwrap_or(Duration::from_secs(if self.guard { 2 } else { 4 }))
    }

    /// Whether few tasks are enough.
    pub(crate) fn is_small(&self) -> bool {
        self.quick || self.guard
    }
}

fn names() -> clap::builder::PossibleValuesParser {
    let workloads = WORKLOADS.iter().map(|workload| workload.name);
    workloads.chain(Study::ALL.map(Study::name)).collect::<Vec<_>>().into()
}

fn seconds(text: &str) -> Result<Duration, std::num::ParseIntError> {
    text.parse().map(Duration::from_secs)
}
