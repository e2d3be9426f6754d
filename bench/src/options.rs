//! The command line.

use std::time::Duration;

use crate::{baselines::Baseline, workload::WORKLOADS};

/// Measures the services beside the limit of their database and what they might have been.
#[derive(Debug, clap::Parser)]
pub(crate) struct Options {
    /// Measure these workloads only.
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = workload_names())]
    only: Vec<String>,

    /// Compare with these only.
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "limit,usual")]
    pub(crate) baselines: Vec<Baseline>,

    /// How often each system is measured; what counts is the median.
    #[arg(long, value_name = "N", default_value = "5")]
    pub(crate) rounds: usize,

    /// How long one measurement takes.
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    pub(crate) seconds: Duration,

    /// How many connections the callers have.
    #[arg(long, value_name = "N", default_value = "8")]
    pub(crate) connections: usize,

    /// How many calls each connection has in flight.
    #[arg(long, value_name = "N", default_value = "8")]
    pub(crate) in_flight: usize,

    /// Work on 100,000 tasks instead of a million.
    #[arg(long)]
    pub(crate) quick: bool,

    #[command(subcommand)]
    pub(crate) serve: Option<Serve>,
}

/// How the benchmark starts itself again: as one of the systems under test. Their settings come from
/// the environment.
#[derive(Clone, Copy, Debug, clap::Subcommand)]
pub(crate) enum Serve {
    /// Be task-service.
    #[command(hide = true)]
    ServeTask,
    /// Be auth-service.
    #[command(hide = true)]
    ServeAuth,
    /// Be the usual service.
    #[command(hide = true)]
    ServeUsual,
}

impl Options {
    /// Whether a workload is wanted.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|wanted| wanted == name)
    }
}

fn workload_names() -> clap::builder::PossibleValuesParser {
    WORKLOADS.iter().map(|workload| workload.name).collect::<Vec<_>>().into()
}

fn seconds(text: &str) -> Result<Duration, std::num::ParseIntError> {
    text.parse().map(Duration::from_secs)
}
