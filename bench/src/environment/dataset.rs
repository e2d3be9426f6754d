//! The data: who owns which tasks. Owners and tasks have numbers, and ids that follow from them, so
//! that the load, pgbench and the statements that make the data agree without a list.

use shared::{
    config::{self, DatabaseConfig},
    db,
};
use uuid::Uuid;

use super::postgres::Postgres;
use crate::baselines::usual;

/// How many owners there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dataset {
    /// With many tasks each; their numbers begin with 1.
    large_owners: u64,
    tasks_per_owner: u64,
    /// With one task each; their numbers follow.
    small_owners: u64,
}

/// Whose tasks a workload is about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Owners {
    /// All who have many.
    Large,
    /// Ten of them.
    Few,
    /// All who have one.
    Small,
}

/// A range of owners, by their numbers, and how many tasks each has.
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

    /// So many owners with 100 tasks each.
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

    /// A database with the newest schema of both services.
    pub(crate) fn create_for_tandem(
        self,
        postgres: &Postgres,
        database: &str,
    ) -> anyhow::Result<()> {
        postgres.execute("postgres", &format!("create database {database}"))?;
        let url = postgres.url(database);
        let config: DatabaseConfig = config::settings(["--database-url", &url])?;
        let migrated = postgres.block_on(db::migrate(&config));
        migrated.map_err(|error| anyhow::anyhow!(error.causes()))?;
        self.fill(postgres, database, include_str!("../../sql/tandem.sql"))?;
        self.fill(postgres, database, include_str!("../../sql/people.sql"))
    }

    pub(super) fn create_for_usual(self, postgres: &Postgres) -> anyhow::Result<()> {
        let database = usual::DATABASE;
        postgres.execute("postgres", &format!("create database {database}"))?;
        self.fill(postgres, database, include_str!("../../sql/usual.sql"))
    }

    /// Fills the tables of a database.
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
        // One at a time: several at once are a transaction, in which nothing can be vacuumed.
        for statement in sql.split_inclusive(";\n") {
            postgres.execute(database, statement)?;
        }
        postgres.execute(database, "checkpoint")
    }
}

impl Population {
    /// The number of the owner who comes at this place.
    pub(crate) fn owner(&self, place: usize) -> u64 {
        self.first + place as u64 % self.count
    }

    /// The number of some owner.
    pub(crate) fn any_owner(&self) -> u64 {
        self.first + fastrand::u64(..self.count)
    }

    /// The number of some task of this owner.
    pub(crate) fn any_task(&self, owner: u64) -> u64 {
        owner * 1000 + fastrand::u64(..self.tasks_per_owner)
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
