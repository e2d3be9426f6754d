//! Clients that are ready to load a process.

use super::{
    Calls, Workload,
    sessions::{LoginClient, RefreshClient},
    tasks::{TaskCalls, TaskClient},
};
use crate::{
    environment::{Environment, Postgres, Process},
    load::{self, Client, Load, Measured, Meters, NewClient, Protocol, Target},
    usage::Meter,
};

/// Makes the clients of one process, as many as a load needs.
pub(crate) struct Clients {
    target: Target,
    meters: Meters,
    new_client: Box<NewClient>,
}

impl Clients {
    /// `new_client` makes the client with each number.
    pub(crate) fn new<C: Client + Send + 'static>(
        process: &Process,
        protocol: Protocol,
        postgres: &Postgres,
        new_client: impl Fn(usize) -> C + Sync + 'static,
    ) -> Self {
        let target = Target { address: process.address(), protocol };
        // uvicorn's workers are child processes.
        let meters = Meters { service: Meter::Family(process.pid()), postgres: postgres.meter() };
        Self { target, meters, new_client: Box::new(move |number| Box::new(new_client(number))) }
    }

    /// Clients of the service that answers this workload.
    pub(crate) fn of_tandem(environment: &mut Environment, workload: &Workload) -> Self {
        match workload.calls {
            Calls::Tasks(mix, owners) => {
                let population = environment.dataset.population(owners);
                let tokens = environment.tokens(population);
                let calls = TaskCalls { mix, population, tokens };
                Self::of_tasks(&environment.task, &environment.postgres, calls)
            }
            Calls::Login => {
                let login = |i| LoginClient::new(format!("user-{}", i + 1));
                Self::new(&environment.auth, Protocol::Grpc, &environment.postgres, login)
            }
            Calls::Refresh => {
                let refresh = |i| RefreshClient::new(format!("quick-{i}"));
                Self::new(&environment.quick_auth, Protocol::Grpc, &environment.postgres, refresh)
            }
        }
    }

    /// Clients of a task-service, or of a service with the same API.
    pub(crate) fn of_tasks(process: &Process, postgres: &Postgres, calls: TaskCalls) -> Self {
        let client = move |i| TaskClient::new(calls.clone(), i);
        Self::new(process, Protocol::Grpc, postgres, client)
    }

    pub(crate) fn measure(&self, load: Load) -> anyhow::Result<Measured> {
        load::run(self.target, load, self.meters, &*self.new_client)
    }
}
