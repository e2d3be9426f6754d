//! The usual service as a process under test, with its database and its clients.

use super::{DATABASE, token};
use crate::{
    environment::{Environment, Process, Settings, TokenCache, owner_id},
    progress,
    workload::{Calls, Clients, TaskCalls, Workload},
};

/// Dropping it stops the process.
pub(crate) struct Usual {
    process: Process,
    tokens: TokenCache,
}

impl Usual {
    pub(crate) fn start(environment: &Environment) -> anyhow::Result<Self> {
        let Environment { postgres, dataset, dir, .. } = environment;
        progress::during(format_args!("creating {} tasks for usual", dataset.tasks()), || {
            postgres.create_database(DATABASE)?;
            dataset.fill(postgres, DATABASE, include_str!("../../../sql/usual.sql"))
        })?;
        let settings = Settings::new("serve-usual", &postgres.url(DATABASE));
        Ok(Self { process: Process::start(settings, dir.path())?, tokens: TokenCache::default() })
    }

    pub(crate) fn clients(
        &mut self,
        environment: &Environment,
        workload: &Workload,
    ) -> Option<Clients> {
        let Calls::Tasks(mix, owners) = workload.calls else { return None };
        let population = environment.dataset.population(owners);
        let tokens = self.tokens.tokens(population, |owner| token(owner_id(owner)));
        let calls = TaskCalls { mix, population, tokens };
        Some(Clients::of_tasks(&self.process, &environment.postgres, calls))
    }
}
