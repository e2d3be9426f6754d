//! The systems that the services are compared with, in the same run and on the same data.

use anyhow::Context as _;

use self::{seed::Seed, usual::Usual};
use crate::{
    environment::Environment,
    options::{Baseline, Options},
    workload::{Calls, Clients, Workload},
};

pub(crate) mod limit;
mod seed;
pub(crate) mod usual;

/// The baselines that are services of their own. Dropping them stops them.
pub(crate) struct Baselines {
    usual: Option<Usual>,
    seed: Option<Seed>,
}

impl Baselines {
    pub(crate) fn start(environment: &Environment, options: &Options) -> anyhow::Result<Self> {
        let usual = options.compares_with(Baseline::Usual).then(|| Usual::start(environment));
        let usual = usual.transpose()?;
        let seed = options.compares_with(Baseline::Seed).then(|| Seed::start(environment));
        Ok(Self { usual, seed: seed.transpose()?.flatten() })
    }

    /// Whether a baseline runs and has the calls of this workload: the usual service has no users,
    /// the seed has no sessions, and pgbench repeats one statement.
    pub(crate) fn can_do(&self, baseline: Baseline, workload: &Workload) -> bool {
        match (baseline, workload.calls) {
            (Baseline::Limit, _) => limit::script(workload).is_some(),
            (Baseline::Usual, Calls::Tasks(..)) => self.usual.is_some(),
            (Baseline::Seed, Calls::Tasks(..) | Calls::Login) => self.seed.is_some(),
            (Baseline::Usual, Calls::Login | Calls::Refresh) | (Baseline::Seed, Calls::Refresh) => {
                false
            }
        }
    }

    /// Clients of a baseline that can do this workload.
    pub(crate) fn clients(
        &mut self,
        baseline: Baseline,
        environment: &Environment,
        workload: &Workload,
    ) -> anyhow::Result<Clients> {
        let clients = match (baseline, &mut self.usual, &mut self.seed) {
            (Baseline::Usual, Some(usual), _) => usual.clients(environment, workload),
            (Baseline::Seed, _, Some(seed)) => seed.clients(environment, workload),
            _ => None,
        };
        clients.with_context(|| format!("{} has no such calls", baseline.name()))
    }
}
