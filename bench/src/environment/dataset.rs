//! The data: owners and their tasks. Both have numbers from which their ids follow, so that the
//! load, pgbench and the statements that create the data agree without a list.

use shared::{
    config::{self, DatabaseConfig},
    db,
};
use uuid::Uuid;

use super::postgres::Postgres;
use crate::progress;

/// The numbers of owners and of their tasks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dataset {
    /// Owners with many tasks each. Their numbers begin with 1.
    large_owners: u64,
    tasks_per_owner: u64,
    /// Owners with one task each. Their numbers follow.
    small_owners: u64,
}

/// The owners whose tasks a workload is about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Owners {
    /// All with many tasks.
    Large,
    /// Ten of them.
    Few,
    /// All with one task.
    Small,
}

/// Consecutive owners, and the number of tasks of each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Population {
    pub(crate) first: u64,
    pub(crate) count: u64,
    pub(crate) tasks_per_owner: u64,
}

impl Dataset {
    pub(crate) fn new(is_small: bool) -> Self {
        if is_small {
            Self { large_owners: 600, tasks_per_owner: 150, small_owners: 10_000 }
        } else {
            Self { large_owners: 900, tasks_per_owner: 1000, small_owners: 100_000 }
        }
    }

    /// Owners with 100 tasks each.
    pub(crate) fn of(large_owners: u64) -> Self {
        Self { large_owners, tasks_per_owner: 100, small_owners: 0 }
    }

    pub(crate) fn tasks(self) -> u64 {
        self.large_owners * self.tasks_per_owner + self.small_owners
    }

    pub(crate) fn population(self, owners: Owners) -> Population {
        let Self { large_owners, tasks_per_owner, small_owners } = self;
        let (first, count, tasks_per_owner) = match owners {
            Owners::Large => (1, large_owners, tasks_per_owner),
            Owners::Few => (1, 10, tasks_per_owner),
            Owners::Small => (large_owners + 1, small_owners, 1),
        };
        Population { first, count, tasks_per_owner }
    }

    /// Creates a database with the newest schema of both services, and fills it.
    pub(crate) fn create_for_tandem(
        self,
        postgres: &Postgres,
        database: &str,
    ) -> anyhow::Result<()> {
        postgres.create_database(database)?;
        let url = postgres.url(database);
        let config: DatabaseConfig = config::settings(["--database-url", &url])?;
        let migrated = postgres.block_on(db::migrate(&config));
        migrated.map_err(|error| anyhow::anyhow!(error.causes()))?;
        progress::during(format_args!("creating {} tasks for task-service", self.tasks()), || {
            self.fill(postgres, database, include_str!("../../sql/tandem.sql"))?;
            self.fill(postgres, database, include_str!("../../sql/people.sql"))
        })
    }

    /// Runs a script that fills the tables of a database.
    pub(crate) fn fill(self, postgres: &Postgres, database: &str, sql: &str) -> anyhow::Result<()> {
        let Self { large_owners, tasks_per_owner, small_owners } = self;
        postgres.execute(
            "postgres",
            &format!(
                "alter database {database} set bench.large_owners = {large_owners};
                 alter database {database} set bench.tasks_per_owner = {tasks_per_owner};
                 alter database {database} set bench.small_owners = {small_owners}"
            ),
        )?;
        // Statements sent together would be a transaction, which cannot vacuum.
        for statement in sql.split_inclusive(";\n") {
            postgres.execute(database, statement)?;
        }
        postgres.execute(database, "checkpoint")
    }
}

impl Population {
    /// The owner at this position, starting again after the last.
    pub(crate) fn owner(&self, position: usize) -> u64 {
        self.first + position as u64 % self.count
    }

    /// A random owner.
    pub(crate) fn any_owner(&self) -> u64 {
        self.first + fastrand::u64(..self.count)
    }

    /// A random task of this owner.
    pub(crate) fn any_task(&self, owner: u64) -> u64 {
        owner * 1000 + fastrand::u64(..self.tasks_per_owner)
    }

    /// The newest task of this owner.
    pub(crate) fn newest_task(&self, owner: u64) -> u64 {
        owner * 1000 + self.tasks_per_owner - 1
    }
}

/// The id of the owner with this number.
pub(crate) fn owner_id(number: u64) -> Uuid {
    numbered("8000", number)
}

/// The id of the task with this number.
pub(crate) fn task_id(number: u64) -> Uuid {
    numbered("9000", number)
}

fn numbered(kind: &str, number: u64) -> Uuid {
    format!("00000000-0000-7000-{kind}-{number:012}")
        .parse()
        .expect("decimal digits are hex digits")
}
