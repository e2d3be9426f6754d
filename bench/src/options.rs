//! The command line. It knows no workload and no study: `run` supplies the names that `--only`
//! accepts.

use std::time::Duration;

use clap::{
    CommandFactory as _, FromArgMatches as _,
    builder::{ArgPredicate, PossibleValue, PossibleValuesParser, RangedU64ValueParser},
};

const EXAMPLES: &str = "\
Examples:
  cargo run --release -p bench                                  everything
  cargo run --release -p bench -- --only get,create --quick     two workloads, on fewer tasks
  cargo run --release -p bench -- --only latency --seconds 20   one study, with longer measurements
  cargo run --release -p bench -- --guard                       fail if the services got slower";

/// Benchmark the services against PostgreSQL alone, a plain Rust service and the original demo
///
/// Starts a private PostgreSQL with a million tasks and every system as a process of its own. The
/// systems take the same load in interleaved rounds, on the same cores. Progress goes to standard
/// error, the tables to standard output, and the report with plots to target/bench/report.md.
///
/// A run of everything takes about half an hour.
#[derive(Debug, clap::Parser)]
#[command(version, after_help = EXAMPLES, disable_help_subcommand = true)]
pub(crate) struct Options {
    /// Measure only these workloads and studies, separated by commas
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,

    /// Compare only with these baselines, separated by commas
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    baselines: Option<Vec<Baseline>>,

    /// Rounds in which each system is measured; the tables show medians
    #[arg(long, value_name = "N", value_parser = positive(), default_value = "5")]
    #[arg(default_value_if("guard", ArgPredicate::IsPresent, "3"))]
    pub(crate) rounds: usize,

    /// Seconds of one measurement, after one second of warm-up
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "4")]
    #[arg(default_value_if("guard", ArgPredicate::IsPresent, "2"))]
    pub(crate) seconds: Duration,

    /// Client connections
    #[arg(long, value_name = "N", value_parser = positive(), default_value = "8")]
    pub(crate) connections: usize,

    /// Calls in flight on each connection
    #[arg(long, value_name = "N", value_parser = positive(), default_value = "8")]
    pub(crate) in_flight: usize,

    /// Use 100,000 tasks instead of a million
    #[arg(long)]
    quick: bool,

    /// Fail if a ratio to a baseline is below its floor; takes two minutes
    ///
    /// Measures 3 rounds of 2 seconds on 100,000 tasks, unless `--rounds` or `--seconds` say
    /// otherwise.
    #[arg(long, conflicts_with_all = ["only", "baselines"])]
    pub(crate) guard: bool,

    #[command(subcommand)]
    pub(crate) serve: Option<Serve>,
}

/// A system to compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Baseline {
    /// PostgreSQL alone: pgbench runs the same statements, one for each call
    Limit,
    /// A plain Rust service with the defaults of tonic and sqlx
    Usual,
    /// The original demo: FastAPI under uvicorn; skipped if Python cannot run it
    Seed,
}

/// How the benchmark starts itself as one of the systems under test. Their settings come from the
/// environment.
#[derive(Clone, Copy, Debug, clap::Subcommand)]
pub(crate) enum Serve {
    /// Run task-service.
    #[command(name = "serve-task", hide = true)]
    Task,
    /// Run auth-service.
    #[command(name = "serve-auth", hide = true)]
    Auth,
    /// Run the usual service.
    #[command(name = "serve-usual", hide = true)]
    Usual,
}

impl Options {
    /// Parses the command line, or prints what is wrong with it and exits. `names` are those that
    /// `--only` accepts.
    pub(crate) fn parse(names: impl IntoIterator<Item = PossibleValue>) -> Self {
        let names: PossibleValuesParser = names.into_iter().collect::<Vec<_>>().into();
        let command = Self::command().mut_arg("only", |only| only.value_parser(names));
        let matches = command.get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }

    /// Whether to measure what has this name.
    pub(crate) fn wants(&self, name: &str, by_default: bool) -> bool {
        if self.only.is_empty() { by_default } else { self.only.iter().any(|only| only == name) }
    }

    pub(crate) fn compares_with(&self, baseline: Baseline) -> bool {
        match &self.baselines {
            Some(wanted) => wanted.contains(&baseline),
            None => !self.guard || baseline != Baseline::Seed,
        }
    }

    /// Whether the small data set is enough.
    pub(crate) fn is_small(&self) -> bool {
        self.quick || self.guard
    }
}

impl Baseline {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Usual => "usual",
            Self::Seed => "seed",
        }
    }
}

fn positive() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..)
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
        Err(error) => Err(error.to_string()),
    }
}
