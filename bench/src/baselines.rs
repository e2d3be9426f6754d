//! What the services are compared with, in the same run and on the same data.

pub(crate) mod limit;
pub(crate) mod usual;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Baseline {
    /// What PostgreSQL can do with the same statements, one for each call: pgbench.
    Limit,
    /// What the usual service in Rust does.
    Usual,
}

impl Baseline {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Usual => "usual",
        }
    }
}
