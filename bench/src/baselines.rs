//! What the services are compared with, in the same run and on the same data.

pub(crate) mod limit;
pub(crate) mod seed;
pub(crate) mod usual;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Baseline {
    /// What PostgreSQL does with the same statements, one for each call: pgbench.
    Limit,
    /// What the usual service in Rust does.
    Usual,
    /// What the demo in Python did that the idea began from.
    Seed,
}

impl Baseline {
    pub(crate) const ALL: [Self; 3] = [Self::Limit, Self::Usual, Self::Seed];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Usual => "usual",
            Self::Seed => "seed",
        }
    }
}
